//! The proxies: how each is configured, started and ended.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::machine::{PROXY_CORE, on_core};
use crate::origin::free_address;

/// The host that is asked for.
pub(crate) const HOST: &str = "bench.local";

/// How long a start may take: a table of many frontends is written first.
const START: Duration = Duration::from_secs(60);

/// Whom to measure, in the order of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Portico,
    Nginx,
    /// nginx with buffers of 64 KiB.
    NginxTuned,
    Haproxy,
    Caddy,
}

impl Peer {
    /// Every one.
    pub(crate) const ALL: [Self; 5] =
        [Self::Portico, Self::Nginx, Self::NginxTuned, Self::Haproxy, Self::Caddy];

    /// The peer with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portico => "portico",
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx-tuned",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    /// The command that runs it, and how that is asked for its version.
    pub(crate) const fn command(self) -> (&'static str, &'static str) {
        match self {
            Self::Portico => (env!("CARGO_BIN_EXE_portico"), "--version"),
            Self::Nginx | Self::NginxTuned => ("nginx", "-v"),
            Self::Haproxy => ("haproxy", "-v"),
            Self::Caddy => ("caddy", "version"),
        }
    }
}

/// What a proxy is started with.
#[derive(Debug)]
pub(crate) struct Stage {
    /// For files of all kinds.
    pub(crate) folder: PathBuf,
    pub(crate) origin: SocketAddr,
    /// portico.
    pub(crate) binary: PathBuf,
    /// In portico's table.
    pub(crate) frontends: usize,
}

/// A running proxy; ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
    pub(crate) http: SocketAddr,
}

impl Running {
    /// Starts `peer` and waits until it serves.
    pub(crate) fn start(peer: Peer, stage: &Stage) -> Self {
        let own = tempfile::tempdir_in(&stage.folder).unwrap().keep();
        let (http, admin, origin) = (free_address(), free_address(), stage.origin);
        let path = |name: &str| own.join(name).display().to_string();
        let binary = stage.binary.display().to_string();
        let write = |text: String| {
            std::fs::write(own.join("conf"), text).unwrap();
            path("conf")
        };
        let (program, arguments): (_, Vec<String>) = match peer {
            Peer::Portico => (binary.as_str(), portico(&own, http, admin)),
            Peer::Nginx => ("nginx", vec!["-c".into(), write(nginx(&own, http, origin, ""))]),
            Peer::NginxTuned => ("nginx", vec!["-c".into(), write(nginx(&own, http, origin, TUNED))]),
            Peer::Haproxy => ("haproxy", vec!["-db".into(), "-f".into(), write(haproxy(http, origin))]),
            Peer::Caddy => {
                let file = write(caddy(http, origin));
                ("caddy", ["run", "--adapter", "caddyfile", "--config", &file].map(str::to_owned).into())
            }
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = std::fs::File::create(own.join("log")).unwrap();
        let mut command = on_core(PROXY_CORE, program, &arguments);
        // Go's runtime follows the number of cores it may use; this says it once more.
        // portico serves no DNS here; a variable, because older ones are measured too.
        command.env("GOMAXPROCS", "1").env("PORTICO_DNS", "off").stdout(log.try_clone().unwrap()).stderr(log);
        let running = Self { child: command.spawn().unwrap(), folder: own.clone(), http };
        if peer == Peer::Portico {
            wait_for(admin, "portico's admin listener");
            let facts = path("facts.json");
            std::fs::write(&facts, frontend_facts(origin, stage.frontends)).unwrap();
            let mut import = Command::new(&stage.binary);
            let imported =
                import.args(["--server", &format!("http://{admin}"), "import", &facts]).output().unwrap();
            let said = String::from_utf8_lossy(&imported.stderr);
            assert!(imported.status.success(), "the frontends cannot be written: {said}");
        }
        let began = Instant::now();
        while !answers(http) {
            let said = std::fs::read_to_string(own.join("log")).unwrap_or_default();
            assert!(began.elapsed() < START, "{} does not answer; it says:\n{said}", peer.name());
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Octets of the access log that it wrote so far.
    pub(crate) fn logged(&self) -> u64 {
        std::fs::metadata(self.folder.join("access.log")).map_or(0, |log| log.len())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
        // The whole folder is removed at the end; an access log is worth removing before.
        let _no_log = std::fs::remove_file(self.folder.join("access.log"));
    }
}

/// Asks a process that we started to end, and waits for it.
pub(crate) fn end(child: &mut Child) {
    let asked = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
    let began = Instant::now();
    while asked.is_ok() && began.elapsed() < Duration::from_secs(5) {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ended_meanwhile = child.kill();
    let _ended_meanwhile = child.wait();
}

/// Waits until somebody listens at `address`.
pub(crate) fn wait_for(address: SocketAddr, what: &str) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < START, "{what} does not listen at {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(http: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(http)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /small HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// As many frontends, the one that is asked for among them, checked once a second.
fn frontend_facts(origin: SocketAddr, frontends: usize) -> String {
    let others = (1..frontends).map(|n| {
        serde_json::json!({ "host": format!("host-{n}.example.com"), "endpoints": [format!("http://{origin}")] })
    });
    let asked = serde_json::json!({
        "host": HOST,
        "endpoints": [format!("http://{origin}")],
        "check": { "kind": "http", "path": "/small", "interval_ms": 1000 },
    });
    let all: Vec<_> = others.chain([asked]).collect();
    serde_json::json!({ "format": "portico.facts", "version": 1, "frontends": all }).to_string()
}

/// Everything on: the access log to a file, metrics, active checks.
fn portico(folder: &Path, http: SocketAddr, admin: SocketAddr) -> Vec<String> {
    vec![
        "run".into(),
        "--workers=1".into(),
        format!("--http={http}"),
        format!("--admin={admin}"),
        "--registry=memory:".into(),
        format!("--data={}", folder.display()),
        format!("--access-log={}", folder.join("access.log").display()),
        "--active-checks=on".into(),
    ]
}

const TUNED: &str = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;";

fn nginx(folder: &Path, http: SocketAddr, origin: SocketAddr, buffers: &str) -> String {
    let folder = folder.display();
    format!("worker_processes 1; worker_rlimit_nofile 16384; user root; pid {folder}/pid; error_log {folder}/err warn; daemon off;
events {{ worker_connections 9000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on;
  proxy_temp_path {folder}/tmp; client_body_temp_path {folder}/body;
  upstream be {{ server {origin}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s; }}
  server {{ listen {http} backlog=4096; server_name {HOST} _;
    location / {{ proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_max_temp_file_size 0; {buffers} }} }} }}
")
}

fn haproxy(http: SocketAddr, origin: SocketAddr) -> String {
    format!(
        "global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend fe
  bind {http} backlog 4096
  use_backend be if {{ hdr(host) -i {HOST} }}
  default_backend be
backend be
  server s1 {origin} pool-max-conn -1 pool-purge-delay 3600s
"
    )
}

fn caddy(http: SocketAddr, origin: SocketAddr) -> String {
    format!(
        "{{
  admin off
  auto_https off
}}
http://{HOST}:{} {{
  bind 127.0.0.1
  reverse_proxy {origin} {{
    transport http {{
      keepalive_idle_conns 4096
      keepalive_idle_conns_per_host 4096
    }}
  }}
}}
",
        http.port()
    )
}
