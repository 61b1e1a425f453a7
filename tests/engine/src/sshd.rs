//! An `sshd` of a test's own, on a free port of 127.0.0.1, behind which `docker` finds an engine.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Engine;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// It ends with its input, which ends with the test: it, and the sessions it has let in.
const KEEPER: &str = r#"trap '' INT HUP TERM
/usr/sbin/sshd -D -e -f "$1" </dev/null >"$1.log" 2>&1 &
read -r end
sessions=$(pgrep -P $!)
kill -KILL $! $sessions 2>/dev/null"#;

/// A running `sshd` that lets in who has one key, until it is dropped.
#[derive(Debug)]
pub struct Sshd {
    keeper: Child,
    port: u16,
    folder: TempDir,
}

impl Sshd {
    /// Starts one, which lets root in. Behind it `docker` is at this engine. Needs root.
    ///
    /// # Errors
    /// There is no `sshd` (`tests/install`), or it does not listen in time.
    pub fn start(engine: &Engine) -> io::Result<Self> {
        Self::start_with(&format!("SetEnv DOCKER_HOST={}\n", engine.url()))
    }

    /// The same, with further settings (sshd_config(5)), which count before its own.
    ///
    /// # Errors
    /// There is no `sshd` (`tests/install`), or it does not listen in time.
    pub fn start_with(settings: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sshd.").tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        for key in ["host", "user"] {
            make_key(&folder.path().join(key))?;
        }
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized_keys"))?;
        // Debian's own makes it whenever it starts.
        fs::create_dir_all("/run/sshd")?;
        let path = folder.path().display();
        let own = format!(
            "{settings}ListenAddress 127.0.0.1:{port}\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized_keys\n\
             StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\n"
        );
        let file = folder.path().join("sshd_config");
        fs::write(&file, own)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper.sh"])
            .arg(&file)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let sshd = Self { keeper, port, folder };
        sshd.know(&sshd.public("host")?)?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("sshd does not listen: {}", sshd.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(sshd)
    }

    /// `ssh://root@127.0.0.1:40123`
    #[must_use]
    pub fn url(&self) -> String {
        format!("ssh://root@127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file of settings for `ssh` with which it is known and lets in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn config(&self) -> io::Result<PathBuf> {
        self.config_with("user")
    }

    /// The same, with a key that was made a moment ago, which it does not let in.
    ///
    /// # Errors
    /// The key or the file cannot be written.
    pub fn config_of_a_stranger(&self) -> io::Result<PathBuf> {
        make_key(&self.folder.path().join("stranger"))?;
        self.config_with("stranger")
    }

    /// From now on no host key is known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self) -> io::Result<()> {
        fs::write(self.folder.path().join("known_hosts"), "")
    }

    /// From now on another host key is known than it has.
    ///
    /// # Errors
    /// The key or the file cannot be written.
    pub fn know_another(&self) -> io::Result<()> {
        make_key(&self.folder.path().join("another"))?;
        self.know(&self.public("another")?)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("sshd_config.log")).unwrap_or_default()
    }

    /// Ends the sessions it has let in; it lets in others.
    ///
    /// # Errors
    /// They cannot be looked for.
    pub fn hang_up(&self) -> io::Result<()> {
        let end = r#"kill -KILL $(pgrep -P "$(pgrep -P "$1")")"#;
        let status =
            Command::new("sh").args(["-c", end, "end.sh", &self.keeper.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("there was no session to end")) }
    }

    /// Ends it, and the sessions it has let in, as a machine does that is gone.
    pub fn end(&mut self) {
        drop(self.keeper.stdin.take());
        // It may be gone, which is what is wanted.
        drop(self.keeper.wait());
    }

    fn public(&self, key: &str) -> io::Result<String> {
        fs::read_to_string(self.folder.path().join(format!("{key}.pub")))
    }

    /// Who connects by whatever way knows this key: its port is another one behind a proxy.
    fn know(&self, key: &str) -> io::Result<()> {
        fs::write(self.folder.path().join("known_hosts"), format!("test {key}"))
    }

    fn config_with(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.path().display();
        let file = self.folder.path().join(format!("{name}.config"));
        let text = format!(
            "Host *\nUserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile none\nHostKeyAlias test\n\
             IdentityFile {folder}/{name}\nIdentitiesOnly yes\nIdentityAgent none\n"
        );
        fs::write(&file, text)?;
        Ok(file)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.end();
    }
}

fn make_key(path: &Path) -> io::Result<()> {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    let made =
        made.map_err(|error| io::Error::new(error.kind(), format!("ssh-keygen: {error}; tests/install")))?;
    if made.success() { Ok(()) } else { Err(io::Error::other("ssh-keygen")) }
}
