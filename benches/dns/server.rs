//! The servers: how each is configured, started and ended.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::machine::{PROXY_CORE, on_core};
use crate::names::{ZONE, facts};

/// How long a start may take.
const START: Duration = Duration::from_secs(120);
/// Documents of one write.
const WRITE: usize = 1000;
/// Changes a second, where there are any.
pub(crate) const CHANGES: u32 = 100;

/// Whom to measure, in the order of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    /// portico, from the zone file.
    Portico,
    /// portico, from as many services applied as facts.
    PorticoFacts,
    /// The same, while [`CHANGES`] of them change each second.
    PorticoChanging,
    Nsd,
    Knot,
    /// Knot, while it is told [`CHANGES`] a second by RFC 2136.
    KnotChanging,
    Gdnsd,
    Pdns,
}

impl Server {
    /// Every one.
    pub(crate) const ALL: [Self; 8] = [
        Self::Portico,
        Self::PorticoFacts,
        Self::PorticoChanging,
        Self::Nsd,
        Self::Knot,
        Self::KnotChanging,
        Self::Gdnsd,
        Self::Pdns,
    ];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portico => "portico",
            Self::PorticoFacts => "portico, facts",
            Self::PorticoChanging => "portico, facts, 100 changes/s",
            Self::Nsd => "nsd",
            Self::Knot => "knot",
            Self::KnotChanging => "knot, 100 changes/s",
            Self::Gdnsd => "gdnsd",
            Self::Pdns => "pdns",
        }
    }

    /// The command that runs it, the package (Debian's) it comes in, and how it is asked for its version.
    pub(crate) const fn command(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Portico | Self::PorticoFacts | Self::PorticoChanging => {
                (env!("CARGO_BIN_EXE_portico"), "", "--version")
            }
            Self::Nsd => ("nsd", "nsd", "-v"),
            Self::Knot | Self::KnotChanging => ("knotd", "knot", "--version"),
            Self::Gdnsd => ("gdnsd", "gdnsd", "version"),
            Self::Pdns => ("pdns_server", "pdns-server pdns-backend-bind", "--version"),
        }
    }

    /// Whether it is one of ours.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Portico | Self::PorticoFacts | Self::PorticoChanging)
    }
}

/// What a server is started with.
#[derive(Debug)]
pub(crate) struct Stage {
    /// For files of all kinds.
    pub(crate) folder: PathBuf,
    pub(crate) zone_file: PathBuf,
    pub(crate) services: usize,
    /// portico.
    pub(crate) binary: PathBuf,
}

/// A running server; ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Server,
    child: Child,
    pub(crate) port: u16,
    /// Its API, of ours.
    api: String,
    /// Changes so far.
    turn: Arc<AtomicU32>,
}

/// Changes under way; they end when dropped.
#[derive(Debug)]
pub(crate) struct Changes {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Running {
    /// Starts a server and waits until it answers for the last service.
    pub(crate) fn start(server: Server, stage: &Stage) -> Self {
        let own = tempfile::tempdir_in(&stage.folder).unwrap().keep();
        let (port, admin) = (free_port(), free_port());
        let (program, arguments) = command(server, stage, &own, port, admin);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = fs::File::create(own.join("log")).unwrap();
        let mut command = on_core(PROXY_CORE, &program, &arguments);
        command.env("PORTICO_DNS__ZONE", if server == Server::Portico { "off" } else { ZONE });
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        let api = format!("http://127.0.0.1:{admin}");
        let running = Self { server, child: command.spawn().unwrap(), port, api, turn: Arc::default() };
        let said = || fs::read_to_string(own.join("log")).unwrap_or_default();
        if server.is_ours() && server != Server::Portico {
            apply(&stage.binary, &running.api, stage.services);
        }
        let began = Instant::now();
        while !answers(port, stage.services - 1) {
            assert!(began.elapsed() < START, "{} does not answer; it says:\n{}", server.name(), said());
            std::thread::sleep(Duration::from_millis(50));
        }
        bind(running.process(), PROXY_CORE);
        running
    }

    /// Changes an instance of one service after the other, [`CHANGES`] times a second, where that is what it is measured under.
    pub(crate) fn changes(&self, services: usize) -> Option<Changes> {
        let (port, api) = (self.port, self.api.clone());
        let change: Box<dyn Fn(usize, u32) + Send> = match self.server {
            Server::PorticoChanging => Box::new(move |service, turn| put(&api, service, turn)),
            Server::KnotChanging => Box::new(move |service, turn| update(port, service, turn)),
            _ => return None,
        };
        let (ends, turn) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.turn));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let (mut done, began) = (0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                change(usize::try_from(turn).unwrap() * 7 % services, turn);
                done += 1;
                let next = began + Duration::from_secs(1) / CHANGES * done;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Some(Changes { ends, thread: Some(thread) })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let asked = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let began = Instant::now();
        while asked.is_ok() && began.elapsed() < Duration::from_secs(5) {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ended_meanwhile = self.child.kill();
        let _ended_meanwhile = self.child.wait();
    }
}

fn command(server: Server, stage: &Stage, own: &Path, port: u16, admin: u16) -> (String, Vec<String>) {
    let (dir, zone_file) = (own.display(), stage.zone_file.display());
    let write = |name: &str, text: String| fs::write(own.join(name), text).unwrap();
    let words = |text: String| text.split(' ').map(str::to_owned).collect();
    match server {
        Server::Portico | Server::PorticoFacts | Server::PorticoChanging => {
            let mut arguments = format!(
                "run --only dns --dns 127.0.0.1:{port} --admin 127.0.0.1:{admin} --registry memory: --data {dir}"
            );
            if server == Server::Portico {
                arguments += &format!(" --zone-file {zone_file}");
            }
            (stage.binary.display().to_string(), words(arguments))
        }
        Server::Nsd => {
            write(
                "c",
                format!(
                    "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: \"\"\n chroot: \"\"\n database: \"\"\n zonesdir: \"{dir}\"\n pidfile: \"{dir}/pid\"\n xfrdfile: \"{dir}/x\"\n zonelistfile: \"{dir}/zl\"\n xfrdir: \"{dir}\"\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\nzone:\n name: {ZONE}\n zonefile: {zone_file}\n"
                ),
            );
            ("nsd".into(), words(format!("-d -c {dir}/c")))
        }
        Server::Knot | Server::KnotChanging => {
            let (acl, allowed) = if server == Server::KnotChanging {
                (
                    "acl:\n  - id: here\n    address: 127.0.0.1\n    action: update\n",
                    "    acl: here\n    zonefile-sync: -1\n",
                )
            } else {
                ("", "")
            };
            write(
                "c",
                format!(
                    "server:\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  rundir: {dir}\ndatabase:\n  storage: {dir}\n{acl}zone:\n  - domain: {ZONE}\n    file: {zone_file}\n{allowed}"
                ),
            );
            ("knotd".into(), words(format!("-c {dir}/c")))
        }
        Server::Gdnsd => {
            for folder in ["zones", "run", "state"] {
                fs::create_dir(own.join(folder)).unwrap();
            }
            fs::copy(&stage.zone_file, own.join("zones").join(ZONE)).unwrap();
            write(
                "config",
                format!(
                    "options => {{ listen => {{ 127.0.0.1:{port} => {{ udp_threads => 1, tcp_threads => 1 }} }}, run_dir => \"{dir}/run\", state_dir => \"{dir}/state\" }}\n"
                ),
            );
            ("gdnsd".into(), words(format!("-c {dir} start")))
        }
        Server::Pdns => {
            write(
                "pdns.conf",
                format!(
                    "launch=bind\nbind-config={dir}/named.conf\nlocal-address=127.0.0.1\nlocal-port={port}\nsocket-dir={dir}\nreceiver-threads=1\ndistributor-threads=1\ndaemon=no\nguardian=no\n"
                ),
            );
            write("named.conf", format!("zone \"{ZONE}\" {{ type master; file \"{zone_file}\"; }};\n"));
            ("pdns_server".into(), words(format!("--config-dir={dir}")))
        }
    }
}

/// Writes all services, through the command line as users do.
fn apply(binary: &Path, api: &str, services: usize) {
    let began = Instant::now();
    while ureq::get(format!("{api}/healthz")).call().is_err() {
        assert!(began.elapsed() < START, "portico's admin listener does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    let documents: Vec<_> = (0..services).flat_map(facts).collect();
    for some in documents.chunks(WRITE) {
        let mut apply = Command::new(binary);
        apply.args(["--server", api, "apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut apply = apply.spawn().unwrap();
        let text = serde_json::Value::Array(some.to_vec()).to_string();
        apply.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(apply.wait().unwrap().success(), "the services cannot be applied");
    }
}

/// Other metadata for an instance, through the API: its TXT changes.
fn put(api: &str, service: usize, turn: u32) {
    let mut instance = facts(service)[1].clone();
    instance["metadata"] = serde_json::json!({ "turn": turn.to_string() });
    let fields = instance.as_object_mut().unwrap();
    fields.retain(|field, _| !matches!(&**field, "kind" | "service" | "name"));
    let path = format!("{api}/v1/services/s{service}/instances/i0");
    let put = ureq::put(path).header("Content-Type", "application/json").header("If-Match", "*");
    put.send(instance.to_string()).unwrap();
}

/// Another TXT of the same instance, by an UPDATE (RFC 2136, 2.5): what is there goes, this one comes.
fn update(port: u16, service: usize, turn: u32) {
    let [txt, soa, internet, any] = [16, 6, 1, 255];
    let name = wire(&["i0", &format!("s{service}")]);
    let text = format!("turn={turn}");
    let text = [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head = |kind: u16, class: u16| [kind, class].map(u16::to_be_bytes).concat();
    let data = u16::try_from(text.len()).unwrap().to_be_bytes();
    let message = [
        &[7, 0x2800, 1, 0, 2, 0].map(u16::to_be_bytes).concat(),
        &wire(&[]),
        &head(soa, internet),
        &name,
        &head(txt, any),
        &[0; 6][..],
        &name,
        &head(txt, internet),
        &[0, 0, 0, 5],
        &data,
        &text,
    ];
    let answer = ask(port, &message.concat()).unwrap();
    assert_eq!(answer.get(3), Some(&0), "the update of s{service} is refused: {answer:?}");
}

/// A name in the zone, in octets.
fn wire(labels: &[&str]) -> Vec<u8> {
    let labels = labels.iter().copied().chain(ZONE.split('.'));
    let octets = labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
    octets.chain([0]).collect()
}

/// Binds every thread of a process and its descendants to one core: some servers choose cores themselves, whatever they were started with.
fn bind(process: u32, core: usize) {
    let mut only = CpuSet::new();
    only.set(core).unwrap();
    let mut all = vec![process];
    while let Some(process) = all.pop() {
        for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            let thread = thread.file_name().to_string_lossy().parse().unwrap();
            sched_setaffinity(Pid::from_raw(thread), &only).unwrap();
        }
    }
}

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).unwrap().port()
}

/// Whether the addresses of this service are answered.
fn answers(port: u16, service: usize) -> bool {
    let head = [7_u16, 0, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    let question = [&head, &wire(&[&format!("s{service}")]), &[0, 1, 0, 1][..]].concat();
    ask(port, &question).is_ok_and(|answer| answer.len() > 12 && answer[7] == 3)
}

/// What is answered within half a second.
fn ask(port: u16, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.send(message)?;
    let mut answer = vec![0; 512];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
