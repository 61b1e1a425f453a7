//! An HAProxy of the test's own: a load balancer that stands in front of portico, as users have them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::redis::free_port;
use super::wait::until;

/// A running HAProxy; killed when dropped.
pub(crate) struct Haproxy {
    child: Child,
    address: SocketAddr,
}

impl Haproxy {
    /// Starts one in `folder` that passes connections on to `target`, from the address 127.0.0.9, and says so as `option`
    /// (`send-proxy`, `send-proxy-v2`) does; it looks every 100 ms whether the target lives.
    pub(crate) fn start(folder: &Path, target: SocketAddr, option: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        until("haproxy starts", || {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let file = folder.join("haproxy.cfg");
            fs::write(&file, configuration(address, target, option)).unwrap();
            let mut child = Command::new("haproxy")
                .args(["-db", "-q", "-f"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("haproxy, which tests/run installs");
            let alive = until("haproxy listens or ends", || match child.try_wait().unwrap() {
                Some(_) => Some(false),
                None => TcpStream::connect(address).is_ok().then_some(true),
            });
            alive.then_some(Self { child, address })
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(address: SocketAddr, target: SocketAddr, option: &str) -> String {
    format!(
        "global\n  maxconn 256\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         frontend in\n  bind {address}\n  default_backend out\n\
         backend out\n  source 127.0.0.9\n  server portico {target} {option} check check-send-proxy inter 100ms\n"
    )
}
