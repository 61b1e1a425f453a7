//! DNS on real sockets, in this process.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{Alarm, DomainName, RecordType, Revision, Snapshot};
use tokio::sync::watch;

use crate::config::Config;
use crate::forward::Upstream;
use crate::metrics::Limit;
use crate::transfer::Updates;
use crate::{Dnsd, Inputs, ZoneFile};

/// Longer than anything takes here.
const DEADLINE: Duration = Duration::from_secs(10);
const ZONE: &str = "$ORIGIN example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.0.0.1\nmany 60 TXT a\n";

/// DNS, and what it is told.
struct Served {
    dns: Dnsd,
    snapshots: watch::Sender<Arc<Snapshot>>,
    known: watch::Sender<bool>,
    config: Config,
    folder: tempfile::TempDir,
}

impl Served {
    fn start(address: [u8; 4], change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(address, None, change)
    }

    fn start_with(address: [u8; 4], updates: Option<Updates>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("example.zone");
        let long: String = (0..100).map(|n| format!("many 60 TXT {n}{}\n", "x".repeat(100))).collect();
        std::fs::write(&file, format!("{ZONE}{long}")).expect("written");
        let mut config = Config {
            listen: vec![SocketAddr::from((address, 0))],
            threads: 2,
            zone_files: vec![ZoneFile { origin: None, path: file }],
            ..Config::default()
        };
        change(&mut config);
        let (snapshots, for_dns) = watch::channel(Arc::new(Snapshot::empty()));
        let (known, is_known) = watch::channel(true);
        let (_, lost) = watch::channel(None);
        let alarm = Alarm::default();
        let own = model::NodeId("own".into());
        let nodes = model::Nodes { own, others: model::Others::None, by_name: BTreeMap::new() };
        let (_, nodes) = watch::channel(Arc::new(nodes));
        let own = Vec::new();
        let inputs = Inputs { snapshots: for_dns, known: is_known, nodes, own, updates, lost, alarm };
        let dns = crate::bind(&config).expect("bound").start(inputs).expect("started");
        Self { dns, snapshots, known, config, folder }
    }

    fn port(&self) -> u16 {
        self.dns.addresses()[0].port()
    }

    fn write(&self, text: &str) {
        std::fs::write(self.folder.path().join("example.zone"), text).expect("written");
    }

    /// Asks over UDP at this address; an answer from another one is not taken.
    fn ask(&self, to: Ipv4Addr, message: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        socket.connect((to, self.port())).expect("connected");
        socket.send(message).expect("sent");
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer).expect("an answer");
        answer.truncate(length);
        answer
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("set");
        stream
    }

    fn limits(&self, limit: Limit) -> u64 {
        self.dns.totals().limits[limit as usize]
    }
}

fn question(id: u16, name: &str, record_type: RecordType) -> Vec<u8> {
    let head = [id, 0, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    let name = DomainName::parse(name).expect("a name");
    [&head, name.as_wire(), &record_type.0.to_be_bytes(), &[0, 1]].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).expect("short").to_be_bytes()[..], message].concat()
}

fn next(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).map(|()| message)
}

fn code(answer: &[u8]) -> u8 {
    answer[3] & 0xf
}

/// Waits until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_datagrams_is_answered_whole() {
    let served = Served::start([127, 0, 0, 1], |_| {});
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    socket.connect(served.dns.addresses()[0]).expect("connected");

    for id in 0..200 {
        socket.send(&question(id, "ns.example", RecordType::A)).expect("sent");
    }

    let mut ids = std::collections::BTreeSet::new();
    let mut answer = [0; 512];
    while ids.len() < 200 {
        let length = socket.recv(&mut answer).expect("an answer");
        assert_eq!((length, answer[7]), (12 + 16 + 16, 1));
        ids.insert(u16::from_be_bytes([answer[0], answer[1]]));
    }
    assert_eq!((served.dns.totals().udp, served.dns.totals().answers[0]), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_from_the_address_its_question_went_to() {
    let served = Served::start([0, 0, 0, 0], |_| {});

    for to in [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 1, 2, 3)] {
        let answer = served.ask(to, &question(7, "ns.example", RecordType::A));
        assert_eq!((answer[1], code(&answer)), (7, 0));
    }
    assert!(served.dns.drain().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_to_many_addresses_is_answered_from_each_of_them() {
    let served = Served::start([0, 0, 0, 0], |config| config.threads = 1);
    let sockets: Vec<UdpSocket> = (1..=4)
        .map(|number| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.set_read_timeout(Some(DEADLINE)).expect("set");
            // Takes nothing from any other address.
            socket.connect((Ipv4Addr::new(127, 1, 1, number), served.port())).expect("connected");
            socket
        })
        .collect();

    for pair in 0..25 {
        for socket in &sockets {
            // Some that follow each other went to one address.
            for id in [2 * pair, 2 * pair + 1] {
                socket.send(&question(id, "ns.example", RecordType::A)).expect("sent");
            }
        }
    }

    for socket in &sockets {
        let mut answer = [0; 512];
        for id in 0..50 {
            socket.recv(&mut answer).expect("an answer");
            assert_eq!((u16::from_be_bytes([answer[0], answer[1]]), answer[7]), (id, 1));
        }
    }
    assert_eq!(served.dns.totals().udp, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_ipv6_is_answered_from() {
    let served = Served::start([0, 0, 0, 0], |config| {
        config.listen = vec![(std::net::Ipv6Addr::UNSPECIFIED, 0).into()];
        config.threads = 1;
    });
    let socket = UdpSocket::bind("[::1]:0").expect("a free port");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    socket.connect((std::net::Ipv6Addr::LOCALHOST, served.port())).expect("connected");

    for id in 0..100 {
        socket.send(&question(id, "ns.example", RecordType::A)).expect("sent");
    }

    let mut answer = [0; 512];
    for id in 0..100 {
        socket.recv(&mut answer).expect("an answer");
        assert_eq!((u16::from_be_bytes([answer[0], answer[1]]), answer[7]), (id, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_on_a_connection_need_not_wait_for_answers() {
    let served = Served::start([127, 0, 0, 1], |_| {});
    let mut stream = served.connect();
    let questions: Vec<u8> =
        (0..100).flat_map(|id| framed(&question(id, "many.example", RecordType::TXT))).collect();
    let mut writer = stream.try_clone().expect("cloned");

    // 100 answers of 12 KiB each, more than waits anywhere: who writes all before reading would never end.
    let writing = std::thread::spawn(move || {
        let (first, rest) = questions.split_at(questions.len() / 2 + 1);
        writer.write_all(first).and_then(|()| writer.write_all(rest)).expect("written");
    });

    for id in 0..100 {
        let answer = next(&mut stream).expect("an answer");
        assert_eq!((u16::from_be_bytes([answer[0], answer[1]]), answer[7]), (id, 101));
    }
    writing.join().expect("no panic");
    assert_eq!(served.dns.totals().tcp, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_from_where_nobody_may_ask_is_closed_at_once() {
    let served = Served::start([127, 0, 0, 1], |config| {
        config.deny = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let mut denied = served.connect();
    assert!(next(&mut denied).is_err(), "closed at once, long before it is idle");
    assert_eq!((served.limits(Limit::Denied), served.dns.totals().connections), (1, 0));
    let open = Config { deny: Vec::new(), ..served.config.clone() };
    assert!(served.dns.reload(&open).is_empty());
    let mut allowed = served.connect();
    allowed.write_all(&framed(&question(1, "ns.example", RecordType::A))).expect("written");
    assert_eq!(code(&next(&mut allowed).expect("an answer")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_limits_and_deadlines() {
    let served = Served::start([127, 0, 0, 1], |config| {
        config.tcp_connections_per_address = 3;
        config.tcp_idle = Duration::from_millis(300);
        config.tcp_message = Duration::from_millis(100);
    });
    let mut idle = served.connect();
    let mut slow = served.connect();
    let mut answered = served.connect();
    answered.write_all(&framed(&question(1, "ns.example", RecordType::A))).expect("written");
    assert_eq!(code(&next(&mut answered).expect("an answer")), 0);

    let mut refused = served.connect();
    slow.write_all(&[0]).expect("written");

    assert!(next(&mut refused).is_err(), "closed at once");
    assert_eq!(served.limits(Limit::ConnectionsPerAddress), 1);
    assert!(next(&mut slow).is_err() && next(&mut idle).is_err() && next(&mut answered).is_err());
    assert_eq!((served.limits(Limit::Message), served.limits(Limit::Idle)), (1, 2));
    let mut again = served.connect();
    again.write_all(&framed(&question(1, "ns.example", RecordType::A))).expect("written");
    assert_eq!(code(&next(&mut again).expect("room again")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_closed_and_others_are_served() {
    let served = Served::start([127, 0, 0, 1], |config| config.tcp_message = Duration::from_millis(200));
    let mut deaf = served.connect();
    deaf.set_write_timeout(Some(DEADLINE)).expect("set");
    let question_for_much = framed(&question(1, "many.example", RecordType::TXT));

    let ended = (0..1_000_000).find_map(|_| deaf.write_all(&question_for_much).err());

    let ended = ended.expect("its questions are read only as long as its answers can be written");
    assert_ne!(ended.kind(), std::io::ErrorKind::WouldBlock, "closed, not left to wait");
    assert_eq!(served.limits(Limit::Message), 1);
    let mut other = served.connect();
    other.write_all(&framed(&question(1, "ns.example", RecordType::A))).expect("written");
    assert_eq!(code(&next(&mut other).expect("an answer")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_connections_are_closed_and_threads_end() {
    let served = Served::start([127, 0, 0, 1], |_| {});
    let mut open = served.connect();
    open.write_all(&framed(&question(1, "ns.example", RecordType::A))).expect("written");
    next(&mut open).expect("an answer");

    assert!(served.dns.drain().await, "within its time");

    assert!(next(&mut open).is_err());
    assert!(TcpStream::connect(served.dns.addresses()[0]).is_err(), "nobody listens any more");
    assert!(UdpSocket::bind(served.dns.addresses()[0]).is_ok(), "the port is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn zone_files_are_read_anew_and_a_wrong_one_keeps_its_zone() {
    let served = Served::start([127, 0, 0, 1], |_| {});
    let asked = |name: &str| code(&served.ask(Ipv4Addr::LOCALHOST, &question(1, name, RecordType::A)));
    assert_eq!((asked("ns.example"), asked("new.example")), (0, 3));

    served.write(&format!("{ZONE}new 60 A 10.0.0.2\n"));
    assert!(served.dns.reload(&served.config).is_empty());
    until("the new name is there", || asked("new.example") == 0);

    served.write(&format!("{ZONE}new 60 A nonsense\n"));
    let errors = served.dns.reload(&served.config);
    assert!(
        errors.len() == 1 && errors[0].to_string().contains("example.zone:6: new.example. A: `nonsense`"),
        "{errors:?}"
    );
    assert_eq!(asked("new.example"), 0);

    let none = Config { zone_files: vec![], ..served.config.clone() };
    assert!(served.dns.reload(&none).is_empty());
    until("it is served no more", || asked("new.example") == 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_follow_the_registry() {
    let served = Served::start([127, 0, 0, 1], |_| {});
    served.known.send_replace(false);
    let dns = served.dns.clone();

    served.snapshots.send_replace(Arc::new(Snapshot::empty().apply(Revision::new(7), [])));

    let mut serving = dns.serving();
    serving.wait_for(|revision| *revision == Revision::new(7)).await.expect("served");
    assert_eq!(dns.served().zones().revision(), Revision::new(7));
    until("what may be there is not denied", || !dns.served().zones().is_known());
    assert_eq!(code(&served.ask(Ipv4Addr::LOCALHOST, &question(1, "web.elsewhere", RecordType::A))), 2);
    served.known.send_replace(true);
    until("it is known", || dns.served().zones().is_known());
    assert_eq!(code(&served.ask(Ipv4Addr::LOCALHOST, &question(1, "web.elsewhere", RecordType::A))), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_a_zone_could_not_follow_is_not_said_to_be_served() {
    let long = ["a".repeat(63), "a".repeat(63), "a".repeat(63), "a".repeat(56)].join(".");
    let served = Served::start([127, 0, 0, 1], |config| config.zone = DomainName::parse(&long).ok());
    let dns = served.dns.clone();

    for revision in [7, 8] {
        served.snapshots.send_replace(Arc::new(Snapshot::empty().apply(Revision::new(revision), [])));
        until("zones are put together", || dns.served().zones().revision() == Revision::new(revision));
    }

    // What would be said of 7 was said before the zones of 8.
    assert_eq!(*dns.serving().borrow(), Revision::default());
}

/// An upstream that answers nothing until it is told to, and then each question with NXDOMAIN.
struct Held {
    socket: UdpSocket,
}

impl Held {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        Self { socket }
    }

    /// Takes a question, and answers it.
    fn answer(&self) {
        let mut octets = [0; 1500];
        let (length, peer) = self.socket.recv_from(&mut octets).expect("a question");
        (octets[2], octets[3]) = (0x81, 0x83);
        // The OPT record goes with it.
        self.socket.send_to(&octets[..length], peer).expect("sent");
    }
}

/// A question for an address, recursion desired.
fn wish(id: u16, name: &str) -> Vec<u8> {
    let mut message = question(id, name, RecordType::A);
    message[2] = 1;
    message
}

fn forwarding(address: [u8; 4], upstream: &Held, change: impl FnOnce(&mut Config)) -> Served {
    let to = upstream.socket.local_addr().expect("bound");
    Served::start(address, |config| {
        config.forward = vec![Upstream::At(to)];
        change(config);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_later_keeps_nothing_behind_it_waiting() {
    let upstream = Held::new();
    let served = forwarding([127, 0, 0, 1], &upstream, |config| config.tcp_idle = Duration::from_millis(100));
    let mut stream = served.connect();
    let questions = [(1, "a.elsewhere"), (2, "ns.example"), (3, "b.elsewhere"), (4, "ns.example")];

    for (id, name) in questions {
        stream.write_all(&framed(&wish(id, name))).expect("written");
    }

    let mut id = || {
        let answer = next(&mut stream).expect("an answer");
        (u16::from_be_bytes([answer[0], answer[1]]), code(&answer))
    };
    assert_eq!((id(), id()), ((2, 0), (4, 0)), "RFC 7766 §6.2.1.1");
    // Longer than it may be idle.
    until("nothing is idle that waits for an answer", || {
        let open = served.limits(Limit::Idle) == 0;
        assert!(open);
        served.dns.forwarded().is_some_and(|forwarded| forwarded.asked > 2)
    });
    upstream.answer();
    upstream.answer();
    let mut later = [id(), id()];
    later.sort_unstable();
    assert_eq!(later, [(1, 3), (3, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_no_more_gets_what_it_waits_for() {
    let upstream = Held::new();
    let served = forwarding([127, 0, 0, 1], &upstream, |_| {});
    let mut stream = served.connect();
    stream.write_all(&framed(&wish(1, "a.elsewhere"))).expect("written");

    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    upstream.answer();

    assert_eq!(code(&next(&mut stream).expect("an answer")), 3);
    assert!(next(&mut stream).is_err(), "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_made_later_leaves_from_the_address_its_question_went_to() {
    let upstream = Held::new();
    let served = forwarding([0, 0, 0, 0], &upstream, |_| {});
    let to = Ipv4Addr::new(127, 1, 2, 3);

    let answering = std::thread::spawn(move || upstream.answer());
    let answer = served.ask(to, &wish(7, "a.elsewhere"));

    answering.join().expect("no panic");
    assert_eq!((answer[1], code(&answer), answer[3] & 0x80), (7, 3, 0x80), "with RA");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_that_wait_are_refused_at_once_and_zones_are_answered_from() {
    let upstream = Held::new();
    let served = forwarding([127, 0, 0, 1], &upstream, |config| config.threads = 1);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    socket.connect(served.dns.addresses()[0]).expect("connected");

    let mut sent: u16 = 0;
    while served.dns.totals().later_refused == 0 {
        for _ in 0..64 {
            socket.send(&wish(sent, &format!("n{sent}.elsewhere"))).expect("sent");
            sent += 1;
        }
        until("none of them is lost", || served.dns.totals().udp >= u64::from(sent));
    }

    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer");
    assert_eq!(code(&answer[..length]), 2, "SERVFAIL");
    let ours = served.ask(Ipv4Addr::LOCALHOST, &question(7, "ns.example", RecordType::A));
    assert_eq!(code(&ours), 0);
    assert!(served.dns.drain().await, "what waits keeps nobody from ending");
}

#[test]
fn a_file_that_is_wrong_is_an_error_at_the_start() {
    let config = Config {
        listen: vec![],
        zone_files: vec![ZoneFile { origin: None, path: Path::new("/no/such.zone").into() }],
        ..Config::default()
    };
    let error = crate::bind(&config).map(drop).expect_err("no such file");
    assert!(error.to_string().starts_with("/no/such.zone: cannot be read"), "{error}");
}

mod transfers;
