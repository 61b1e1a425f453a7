//! A registry of images of a test's own, on a free port of 127.0.0.1, where engines need no TLS.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Certificate;

/// Its one user.
pub const USER: &str = "jo";
/// The user's password. What its credentials are in base64 has `+`, which engines read only as `-`.
pub const PASSWORD: &str = "s3?>cret~~";
/// The same, as the registry keeps it.
const KEPT: &str = "jo:$2b$05$abcdefghijklmnopqrstuuFKSgdtiIV6ChxAiUwLoKxV6Bn9BH5rG";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// It ends with its input, which ends with the test.
const KEEPER: &str = r#"trap '' INT HUP TERM; docker-registry serve "$1" </dev/null >"$1.log" 2>&1 & read -r end; kill -KILL $!"#;

/// A running registry, until it is dropped.
#[derive(Debug)]
pub struct Registry {
    keeper: Child,
    name: String,
    _folder: TempDir,
}

impl Registry {
    /// Starts a registry that knows one user ([`USER`], [`PASSWORD`]) and has no images.
    ///
    /// # Errors
    /// There is no `docker-registry` (`tests/install`), or it does not listen in time.
    pub fn start() -> io::Result<Self> {
        Self::start_at("127.0.0.1", "")
    }

    /// The same, which speaks TLS alone, with this certificate, at an address of this machine.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub fn start_tls(address: &str, own: &Certificate) -> io::Result<Self> {
        let (certificate, key) = (own.certificate.display(), own.key.display());
        Self::start_at(address, &format!(", tls: {{certificate: {certificate}, key: {key}}}"))
    }

    fn start_at(address: &str, tls: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("registry.").tempdir()?;
        let name = TcpListener::bind((address, 0))?.local_addr()?.to_string();
        let (settings, users) = (folder.path().join("settings"), folder.path().join("users"));
        fs::write(&users, KEPT)?;
        let data = folder.path().join("data");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{name}'{tls}}}\n\
             auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            data.display(),
            users.display()
        );
        fs::write(&settings, text)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper.sh"])
            .arg(&settings)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let registry = Self { keeper, name, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(&registry.name).is_err() {
            if begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(settings.with_extension("log")).unwrap_or_default();
                return Err(io::Error::other(format!("docker-registry does not listen: {said}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    /// What an engine calls it: `127.0.0.1:40123`.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It may be gone, which is what is wanted.
        drop(self.keeper.wait());
    }
}
