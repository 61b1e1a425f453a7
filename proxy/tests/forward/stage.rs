//! The stage: origins that follow a script, a proxy before them, a client that says what it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use model::{
    Address, Alarm, Backend, BackendName, Change, DeadMarks, Endpoint, Fact, Frontend, HealthReport,
    HostPattern, Origin, PathPrefix, Revision, Snapshot, Stated, Weight,
};
use proxy::config::{Config, LogTarget};
use proxy::{Inputs, Proxy};
use tokio::sync::{mpsc, watch};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection from the proxy, in an origin's hands.
pub(crate) struct Call {
    pub(crate) stream: TcpStream,
    pub(crate) seen: Vec<u8>,
}

impl Call {
    /// Reads until the head's end; returns everything read so far.
    pub(crate) fn head(&mut self) -> String {
        self.until(|seen| find(seen, b"\r\n\r\n").is_some());
        let end = find(&self.seen, b"\r\n\r\n").unwrap() + 4;
        let rest = self.seen.split_off(end);
        String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap()
    }

    /// Reads `n` octets of a body.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        self.until(|seen| seen.len() >= n);
        let rest = self.seen.split_off(n);
        std::mem::replace(&mut self.seen, rest)
    }

    /// Reads until `text` has come, and returns everything up to its end.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        self.until(|seen| find(seen, text.as_bytes()).is_some());
        let end = find(&self.seen, text.as_bytes()).unwrap() + text.len();
        let rest = self.seen.split_off(end);
        String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned()
    }

    /// Reads until `text` has come or the connection ends; everything up to then, and whether it ended.
    pub(crate) fn take_until(&mut self, text: &str) -> (String, bool) {
        let end = loop {
            match find(&self.seen, text.as_bytes()) {
                Some(at) => break at + text.len(),
                None if self.fill() => {}
                None => return (String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned(), true),
            }
        };
        let rest = self.seen.split_off(end);
        (String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned(), false)
    }

    /// Reads `n` octets, or fewer where the connection ends before.
    pub(crate) fn take_most(&mut self, n: usize) -> Vec<u8> {
        while self.seen.len() < n && self.fill() {}
        let rest = self.seen.split_off(n.min(self.seen.len()));
        std::mem::replace(&mut self.seen, rest)
    }

    /// Reads some more; false at the end, by a reset too.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 65536];
        let read = self.stream.read(&mut buffer);
        let late =
            read.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!late, "the other side says no more, after {:?}", String::from_utf8_lossy(&self.seen));
        let n = read.unwrap_or(0);
        self.seen.extend_from_slice(&buffer[..n]);
        n > 0
    }

    /// Reads to the end of the connection; an error (a reset) counts as an end and is told apart by the flag.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut all = std::mem::take(&mut self.seen);
        let ended = self.stream.read_to_end(&mut all);
        let late =
            ended.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!late, "the other side does not end, after {:?}", String::from_utf8_lossy(&all));
        (all, ended.is_err())
    }

    pub(crate) fn say(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
    }

    /// Says [`OK`], for an origin, until `client` has it all.
    pub(crate) fn answers(&mut self, client: &mut Self) {
        self.say(OK);
        client.expect("\r\n\r\nok");
    }

    /// As [`Call::say`], to somebody who may not listen any more.
    pub(crate) fn try_say(&mut self, octets: impl AsRef<[u8]>) {
        let _gone = self.stream.write_all(octets.as_ref());
    }

    /// Says `request`, and reads all that comes until the other side ends the connection.
    pub(crate) fn ask(mut self, request: &str) -> String {
        self.say(request);
        String::from_utf8_lossy(&self.rest().0).into_owned()
    }

    /// True while nothing is to be read and the other side has not ended.
    pub(crate) fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let quiet = matches!(self.stream.read(&mut [0]), Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        quiet
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn until(&mut self, done: impl Fn(&[u8]) -> bool) {
        while !done(&self.seen) {
            let mut buffer = [0; 65536];
            let n = self.stream.read(&mut buffer).expect("the other side speaks in time");
            assert!(n > 0, "the other side ended early, after {:?}", String::from_utf8_lossy(&self.seen));
            self.seen.extend_from_slice(&buffer[..n]);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// An origin: hands over its connections one after the other.
pub(crate) struct OriginServer {
    pub(crate) address: SocketAddr,
    calls: Mutex<Receiver<TcpStream>>,
}

impl OriginServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (give, calls) = sync_channel(64);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if give.send(stream.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { address, calls: Mutex::new(calls) }
    }

    /// The next connection of the proxy.
    pub(crate) fn call(&self) -> Call {
        call(self.calls.lock().unwrap().recv_timeout(PATIENCE).expect("the proxy connects to the origin"))
    }

    /// The next connection of the proxy, for what `client` says now, its head read.
    pub(crate) fn asked(&self, client: &mut Call, request: impl AsRef<[u8]>) -> Call {
        client.say(request);
        let mut call = self.call();
        call.head();
        call
    }

    /// A connection of the proxy, if one has come.
    pub(crate) fn try_call(&self) -> Option<Call> {
        self.calls.lock().unwrap().try_recv().ok().map(call)
    }

    /// The next connection of the proxy, however long that takes; `None` when none can come any more.
    pub(crate) fn next_call(&self) -> Option<Call> {
        self.calls.lock().unwrap().recv().ok().map(call)
    }

    /// True when no further connection has come.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.calls.lock().unwrap().try_recv().is_err()
    }
}

/// Whichever is called first.
pub(crate) fn first_call(a: &OriginServer, b: &OriginServer) -> Call {
    let mut found = None;
    eventually("a call", || {
        found = a.try_call().or_else(|| b.try_call());
        found.is_some()
    });
    found.unwrap()
}

fn call(stream: TcpStream) -> Call {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Call { stream, seen: Vec::new() }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An address where nobody answers a connect, for as long as this lives.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// A listener whose queue is full: what comes then is dropped by the system.
    pub(crate) fn open() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let waits = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let waiting = std::iter::from_fn(|| waits().ok()).take(64).collect();
        Self { address, _listener: listener, _waiting: waiting }
    }
}

/// A proxy with frontends.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    pub(crate) health: mpsc::Receiver<HealthReport>,
    pub(crate) marks: watch::Sender<Arc<DeadMarks>>,
    /// Whether the registry was ever reached.
    pub(crate) known: watch::Sender<bool>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    runtime: tokio::runtime::Runtime,
    pub(crate) log: tempfile::NamedTempFile,
}

/// A frontend for `host` with these endpoints.
pub(crate) fn frontend(host: &str, endpoints: &[SocketAddr]) -> Frontend {
    let endpoints =
        endpoints.iter().map(|&a| Endpoint { address: Address::from(a), weight: Weight::ONE }).collect();
    Frontend {
        host: HostPattern::parse(host).unwrap(),
        path: PathPrefix::root(),
        backend: Backend {
            name: BackendName::parse("web").unwrap(),
            endpoints,
            rejected: model::Rare::default(),
        },
        policy: model::Rare::default(),
    }
}

impl Stage {
    /// A proxy with one frontend, `a.test`, and the default configuration but for `change`.
    pub(crate) fn with(endpoints: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Self {
        Self::with_frontends(vec![frontend("a.test", endpoints)], change)
    }

    /// The same, before an origin of its own.
    pub(crate) fn before_origin(change: impl FnOnce(&mut Config)) -> (OriginServer, Self) {
        let origin = OriginServer::start();
        let stage = Self::with(&[origin.address], change);
        (origin, stage)
    }

    pub(crate) fn with_frontends(frontends: Vec<Frontend>, change: impl FnOnce(&mut Config)) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut config =
            Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 1, ..Config::default() };
        config.access_log.target = Some(LogTarget::File(log.path().to_owned()));
        change(&mut config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (snapshots, receiver) = watch::channel(Arc::new(Snapshot::empty()));
        let (marks, mark_receiver) = watch::channel(Arc::new(DeadMarks::default()));
        let (give, health) = mpsc::channel(64);
        let bound = proxy::bind(&config).unwrap();
        let address = bound.addresses()[0];
        let (known, known_receiver) = watch::channel(true);
        let inputs = Inputs {
            snapshots: receiver,
            marks: mark_receiver,
            known: known_receiver,
            health: give,
            alarm: Alarm::default(),
        };
        let proxy = runtime.block_on(async { bound.start(inputs).unwrap() });
        let stage = Self { proxy, address, health, marks, known, snapshots, runtime, log };
        stage.publish(1, frontends);
        stage
    }

    /// Publishes these frontends beside the earlier ones, and waits until they are served.
    pub(crate) fn publish(&self, revision: u64, frontends: Vec<Frontend>) {
        let next = self.with_these(revision, frontends);
        let revision = next.revision();
        self.announce(next);
        let mut reports = self.proxy.reports();
        let served = async { reports.wait_for(|r| r.serving == revision).await.map(drop) };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, served).await })
            .expect("served in time")
            .unwrap();
    }

    /// What there is so far, and these frontends.
    pub(crate) fn with_these(&self, revision: u64, frontends: Vec<Frontend>) -> Snapshot {
        let revision = Revision::new(revision);
        let changes: Vec<Change> = frontends
            .into_iter()
            .map(|f| {
                Change::Put(Stated { fact: Arc::new(Fact::Frontend(f)), revision, origin: Origin::Native })
            })
            .collect();
        self.snapshots.borrow().apply(revision, changes)
    }

    /// Publishes this, and waits for nothing.
    pub(crate) fn announce(&self, next: Snapshot) {
        self.snapshots.send_replace(Arc::new(next));
    }

    pub(crate) fn client(&self) -> Call {
        self.client_at(self.address)
    }

    /// A client of one of several listeners.
    pub(crate) fn client_at(&self, address: SocketAddr) -> Call {
        call(TcpStream::connect(address).unwrap())
    }

    /// A client that comes by another way, which leads here.
    pub(crate) fn client_through(&self, way: SocketAddr) -> Call {
        call(TcpStream::connect(way).unwrap())
    }

    /// Says `request`, and reads all that comes until the proxy ends the connection.
    pub(crate) fn ask(&self, request: &str) -> String {
        self.client().ask(request)
    }

    /// Marks these endpoints of `host` dead, as another node would.
    pub(crate) fn mark(&self, host: &str, dead: &[SocketAddr]) {
        let mut marks = DeadMarks::default();
        let dead: Arc<[Address]> = dead.iter().map(|&a| Address::from(a)).collect();
        marks.by_host.insert(host.into(), dead);
        self.marks.send_replace(Arc::new(marks));
    }

    /// How many endpoints the proxy says are out.
    pub(crate) fn dead(&self) -> usize {
        self.proxy.reports().borrow().dead.len()
    }

    /// The first `n` lines of the access log, once they are there; for a log in JSON.
    pub(crate) fn logged(&self, n: usize) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        eventually("the log is written", || {
            let text = std::fs::read_to_string(self.log.path()).unwrap();
            lines = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
            lines.len() >= n
        });
        lines
    }

    pub(crate) fn drain(&self) -> bool {
        self.runtime.block_on(self.proxy.drain())
    }

    /// The next word about an endpoint's health.
    pub(crate) fn health_report(&mut self) -> HealthReport {
        let next = async { tokio::time::timeout(PATIENCE, self.health.recv()).await };
        self.runtime.block_on(next).expect("a report in time").unwrap()
    }
}

/// Waits until `done`, or fails saying `what`.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
