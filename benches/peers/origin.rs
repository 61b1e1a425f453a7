//! The origin: nginx with three answers, on the load's core.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::machine::{LOAD_CORE, on_core};
use crate::peer::wait_for;

/// A running origin; ended when dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    child: Child,
    address: SocketAddr,
}

impl Origin {
    /// Starts one with its files in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let files = folder.join("www");
        std::fs::create_dir(&files).unwrap();
        let mut chance = fastrand::Rng::with_seed(1);
        for (name, length) in [("64k", 64 << 10), ("10m", 10 << 20)] {
            let mut octets = vec![0; length];
            chance.fill(&mut octets);
            std::fs::write(files.join(name), octets).unwrap();
        }
        let small: String = (0..1024).map(|_| chance.alphanumeric()).collect();
        let address = free_address();
        let configuration = folder.join("origin.conf");
        let text = CONFIGURATION
            .replace("{folder}", &folder.display().to_string())
            .replace("{address}", &address.to_string())
            .replace("{small}", &small);
        std::fs::write(&configuration, text).unwrap();
        let mut command = on_core(LOAD_CORE, "nginx", &["-c", &configuration.display().to_string()]);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_for(address, "the origin");
        Self { child, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        crate::peer::end(&mut self.child);
    }
}

/// An address of this machine that nobody listens at.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

const CONFIGURATION: &str = "worker_processes 1; worker_rlimit_nofile 16384; pid {folder}/origin.pid; error_log {folder}/origin.err warn; daemon off;
events { worker_connections 9000; multi_accept on; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; sendfile on; tcp_nopush on; tcp_nodelay on;
  default_type text/plain; open_file_cache max=100 inactive=3600s;
  client_body_temp_path {folder}/origin-body; proxy_temp_path {folder}/origin-tmp;
  server { listen {address} backlog=4096; location = /small { return 200 \"{small}\"; } root {folder}/www; } }
";
