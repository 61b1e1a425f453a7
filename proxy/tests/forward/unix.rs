//! Endpoints at Unix sockets: reached like others, where they are allowed, and nowhere else.

use std::io::{Read, Write};
use std::num::NonZeroU8;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use model::{Address, Check, CheckKind, DeadMarks, Endpoint, ExpectedStatus, Frontend, HttpCheck, Weight};
use proxy::Refusal;
use proxy::config::{Config, LogFormat};

use crate::stage::{GET, OriginServer, PATIENCE, Stage, eventually, frontend};

const ONCE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const LARGE: usize = 3 << 20;

/// An origin at a Unix socket: answers each request with the head that it saw, and `/large` with much.
struct UnixOrigin {
    connections: Arc<AtomicUsize>,
}

impl UnixOrigin {
    fn start(path: &Path) -> Self {
        Self::serve(UnixListener::bind(path).unwrap())
    }

    fn serve(listener: UnixListener) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || answer(stream));
            }
        });
        Self { connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: UnixStream) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut seen = Vec::new();
    loop {
        let mut octets = [0; 4096];
        match stream.read(&mut octets) {
            Ok(n) if n > 0 => seen.extend_from_slice(&octets[..n]),
            _ => return,
        }
        if seen.ends_with(b"\r\n\r\n") {
            let large = seen.starts_with(b"GET /large");
            let body = if large { vec![b'x'; LARGE] } else { std::mem::take(&mut seen) };
            seen.clear();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }
}

fn at(urls: &[&str]) -> Frontend {
    let mut frontend = frontend("a.test", &[]);
    let endpoint = |url: &&str| Endpoint { address: Address::parse_url(url).unwrap(), weight: Weight::ONE };
    frontend.backend.endpoints = urls.iter().map(endpoint).collect();
    frontend
}

/// A folder, and a proxy that may connect to sockets below it.
fn allowed(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Stage) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::with(&[], |config| {
        config.upstream.unix = vec![folder.path().to_owned()];
        change(config);
    });
    (folder, stage)
}

fn url(folder: &tempfile::TempDir, name: &str) -> String {
    format!("unix:{}", folder.path().join(name).display())
}

fn refusal(stage: &Stage) -> Option<Refusal> {
    stage.proxy.explain("a.test", "/").matched.unwrap().endpoints[0].refused
}

#[test]
fn requests_reach_an_endpoint_at_a_socket_and_its_connections_are_kept() {
    let (folder, stage) = allowed(|config| config.access_log.format = LogFormat::Json);
    let origin = UnixOrigin::start(&folder.path().join("app.sock"));
    stage.publish(2, vec![at(&[&url(&folder, "app.sock")])]);
    let mut client = stage.client();

    for _ in 0..3 {
        client.say(GET);
        client.expect("\r\n\r\nGET / HTTP/1.1\r\n");
        let seen = client.expect("\r\n\r\n");
        assert!(
            seen.contains("Host: a.test\r\n") && seen.contains("X-Forwarded-For: 127.0.0.1\r\n"),
            "{seen}"
        );
    }
    client.say("GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n");
    client.expect("\r\n\r\n");
    assert!(client.take(LARGE).iter().all(|&octet| octet == b'x'));

    assert_eq!((origin.connections(), stage.proxy.totals().upstream_connects), (1, 1));
    assert_eq!(refusal(&stage), None);
    let named = |line: &serde_json::Value| line["endpoint"] == url(&folder, "app.sock");
    assert!(stage.logged(4).iter().all(named), "{:?}", stage.logged(4));
}

#[test]
fn a_socket_that_no_folder_allows_is_never_connected_to() {
    let folder = tempfile::tempdir().unwrap();
    let origin = UnixOrigin::start(&folder.path().join("app.sock"));
    let mut config = None;
    let stage = Stage::with(&[], |changed| {
        changed.upstream.unix = vec!["/run/portico-test-none".into()];
        config = Some(changed.clone());
    });
    stage.publish(2, vec![at(&[&url(&folder, "app.sock")])]);

    let answer = stage.ask(ONCE);

    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("backend is invalid"), "{answer}");
    assert_eq!((refusal(&stage), origin.connections()), (Some(Refusal::SocketNotAllowed), 0));
    let mut config = config.unwrap();
    config.upstream.unix = vec![folder.path().to_owned()];
    stage.proxy.reload(&config).unwrap();
    eventually("the folder is allowed", || stage.ask(ONCE).starts_with("HTTP/1.1 200 "));
    assert_eq!(refusal(&stage), None);
    // A connection that is kept is not used either once it is not allowed any more.
    stage.client().say(GET);
    config.upstream.unix.clear();
    stage.proxy.reload(&config).unwrap();
    eventually("no folder is allowed", || stage.ask(ONCE).starts_with("HTTP/1.1 502 "));
}

#[test]
fn a_link_that_leads_out_of_its_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let origin = UnixOrigin::start(&outside.path().join("engine.sock"));
    let (folder, stage) = allowed(|_| {});
    symlink(outside.path().join("engine.sock"), folder.path().join("app.sock")).unwrap();
    stage.publish(2, vec![at(&[&url(&folder, "app.sock")])]);

    let answer = stage.ask(ONCE);

    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("backend is invalid"), "{answer}");
    assert_eq!((refusal(&stage), origin.connections()), (Some(Refusal::SocketEscapes), 0));
}

#[test]
fn a_socket_where_nobody_listens_is_dead_and_the_next_endpoint_takes_the_request() {
    let (folder, mut stage) = allowed(|_| {});
    drop(UnixListener::bind(folder.path().join("left.sock")).unwrap());
    let alive = OriginServer::start();
    let gone = [url(&folder, "left.sock"), url(&folder, "none.sock")];
    stage.publish(2, vec![at(&[&gone[0], &gone[1], &format!("http://{}", alive.address)])]);

    let mut call = None;
    for _ in 0..20 {
        let mut client = stage.client();
        client.say(GET);
        let call = call.get_or_insert_with(|| alive.call());
        call.head();
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        client.expect("\r\n\r\nok");
    }

    eventually("both are said to be out", || stage.dead() == 2);
    assert_eq!(stage.proxy.totals().dead_marks, 2);
    assert!(stage.health.try_recv().is_err(), "on another machine it is another socket");
}

#[test]
fn dead_marks_of_others_are_followed_by_the_sockets_path() {
    let (folder, stage) = allowed(|_| {});
    let [marked, fine] =
        ["marked.sock", "fine.sock"].map(|name| UnixOrigin::start(&folder.path().join(name)));
    let urls = [url(&folder, "marked.sock"), url(&folder, "fine.sock")];
    stage.publish(2, vec![at(&[&urls[0], &urls[1]])]);
    let mut marks = DeadMarks::default();
    marks.by_host.insert("a.test".into(), [Address::parse_url(&urls[0]).unwrap()].into());
    stage.marks.send_replace(Arc::new(marks));
    eventually("it is marked", || stage.dead() == 1);

    for _ in 0..10 {
        assert!(stage.ask(ONCE).starts_with("HTTP/1.1 200 "));
    }

    assert_eq!(marked.connections(), 0);
    assert!(fine.connections() > 0);
}

#[test]
fn active_checks_reach_a_socket_and_its_result_stays_on_this_node() {
    let (folder, mut stage) = allowed(|config| {
        let check = &mut config.health.check;
        (check.interval, check.timeout) = (Duration::from_millis(20), PATIENCE);
        (check.rise, check.fall) = (NonZeroU8::MIN, NonZeroU8::MIN);
    });
    let alive = UnixOrigin::start(&folder.path().join("alive.sock"));
    let mut frontend = at(&[&url(&folder, "alive.sock"), &url(&folder, "later.sock")]);
    let check = HttpCheck::new("/up", ExpectedStatus::Code(200), "GET /up").unwrap();
    frontend.policy.check = Some(Box::new(Check::new(CheckKind::Http(check))));
    stage.publish(2, vec![frontend]);
    let out = |at: usize| stage.proxy.explain("a.test", "/").matched.unwrap().endpoints[at].out.is_some();
    eventually("nobody listens there", || out(1));
    eventually("the other is asked again and again", || alive.connections() > 2);
    assert!(!out(0));

    let _later = UnixOrigin::start(&folder.path().join("later.sock"));

    eventually("somebody does now", || !out(1));
    assert!(stage.health.try_recv().is_err());
}

/// A socket whose backlog is full, and what fills it.
fn full(path: &Path) -> (UnixListener, UnixStream) {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    (socket.into(), UnixStream::connect(path).unwrap())
}

#[test]
fn a_socket_whose_backlog_is_full_is_waited_for() {
    let (folder, stage) = allowed(|_| {});
    let (listener, waiting) = full(&folder.path().join("busy.sock"));
    stage.publish(2, vec![at(&[&url(&folder, "busy.sock")])]);
    let mut client = stage.client();
    client.say(ONCE);
    assert!(client.is_quiet_for(Duration::from_millis(200)));

    let origin = UnixOrigin::serve(listener);

    assert!(client.expect("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert_eq!((origin.connections(), stage.proxy.totals().dead_marks), (2, 0));
    drop(waiting);
}

#[test]
fn a_socket_whose_backlog_stays_full_is_a_connect_that_took_too_long() {
    let (folder, stage) = allowed(|config| config.upstream.connect_timeout = Duration::from_millis(300));
    let _full = full(&folder.path().join("busy.sock"));
    stage.publish(2, vec![at(&[&url(&folder, "busy.sock")])]);

    assert!(stage.ask(ONCE).starts_with("HTTP/1.1 504 "));
}
