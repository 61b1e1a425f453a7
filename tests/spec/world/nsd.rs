//! A real NSD: another server, that has zones from portico.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::wait::until;

/// A running NSD; ended when dropped.
pub(crate) struct Nsd {
    child: Child,
    log: PathBuf,
}

impl Nsd {
    /// Starts one in `folder` at `address`. Its zones come from `primary`, and it is told of changes by it, both signed with this key
    /// (its name, and its secret in base 64).
    pub(crate) fn start(
        folder: &Path,
        address: SocketAddr,
        primary: SocketAddr,
        (key, secret): (&str, &str),
        zones: &[&str],
    ) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (file, log) = (folder.join("nsd.conf"), folder.join("nsd.log"));
        let mut text = format!(
            "server:\n  server-count: 1\n  ip-address: {}@{}\n  username: \"\"\n  zonesdir: \"{folder}\"\n  database: \"\"\n  logfile: \"{log}\"\n  \
             verbosity: 2\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  xfrdir: \"{folder}\"\n  \
             zonelistfile: \"{folder}/zone.list\"\n  minimal-responses: yes\n  refuse-any: no\n  rrl-ratelimit: 0\n\
             remote-control:\n  control-enable: no\n\
             key:\n  name: \"{key}\"\n  algorithm: hmac-sha256\n  secret: \"{secret}\"\n",
            address.ip(),
            address.port(),
            folder = folder.display(),
            log = log.display(),
        );
        for zone in zones {
            text.push_str(&format!(
                "zone:\n  name: \"{zone}\"\n  request-xfr: AXFR {}@{} \"{key}\"\n  allow-notify: {} \"{key}\"\n",
                primary.ip(),
                primary.port(),
                primary.ip(),
            ));
        }
        fs::write(&file, text).unwrap();
        let nsd = ["/usr/sbin/nsd", "nsd"].into_iter().find(|path| Path::new(path).exists()).unwrap_or("nsd");
        let mut child = Command::new(nsd)
            .args(["-d", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nsd, which tests/run installs");
        until("nsd listens", || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "nsd ended: {}", fs::read_to_string(&log).unwrap_or_default());
            TcpStream::connect(address).ok()
        });
        Self { child, log }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nsd logged:\n{}", self.log());
        }
        // It ends the processes that it started, if it is asked to.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
