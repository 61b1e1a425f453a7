//! Certificates of a test's own authority, made by `openssl`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How keys are made.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// An authority, and all that it signed, until it is dropped.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// There is no `openssl` (`tests/install`).
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("authority.").tempdir()?;
        openssl(
            folder.path(),
            &format!("req -x509 {KEY} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"),
        )?;
        Ok(Self { folder })
    }

    /// Its own certificate.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for servers and clients, called `name`, for these addresses and names: `IP:127.0.0.1`, `DNS:localhost`.
    ///
    /// # Errors
    /// What `openssl` does not like.
    pub fn sign(&self, name: &str, alternatives: &str) -> io::Result<Certificate> {
        self.sign_for(name, alternatives, 2)
    }

    /// The same, which has expired.
    ///
    /// # Errors
    /// What `openssl` does not like.
    pub fn sign_expired(&self, name: &str, alternatives: &str) -> io::Result<Certificate> {
        self.sign_for(name, alternatives, -1)
    }

    fn sign_for(&self, name: &str, alternatives: &str, days: i32) -> io::Result<Certificate> {
        let folder = self.folder.path();
        let extensions = format!("extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={alternatives}\n");
        fs::write(folder.join(format!("{name}.ext")), extensions)?;
        openssl(folder, &format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"))?;
        openssl(
            folder,
            &format!(
                "x509 -req -days {days} -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile {name}.ext \
                 -out {name}.pem"
            ),
        )?;
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        Ok(Certificate { certificate: file("pem"), key: file("key") })
    }
}

fn openssl(folder: &Path, command: &str) -> io::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args(command.split_whitespace()).stdin(Stdio::null());
    let made = openssl.output().map_err(|error| {
        io::Error::new(error.kind(), format!("openssl: {error}; tests/install installs it"))
    })?;
    if made.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("openssl {command}: {}", String::from_utf8_lossy(&made.stderr))))
}
