//! Floods: more of everything than anybody needs. A bystander is served meanwhile; after it nothing is left of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::world::{Bystander, Connection, Origin, Portico, Service, WideOrigin, World, eventually, get};

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(3);
/// Who floods at once.
const FLOODERS: usize = 8;

/// portico with a frontend, and who is behind it.
fn stage(world: &World, settings: &str) -> (Portico, Origin) {
    let origin = Origin::saying("served");
    let file = world.write(
        "portico.toml",
        &format!("[access_log]\npath = \"off\"\n[upstream]\nkeep_alive_timeout = \"1s\"\n{settings}"),
    );
    let command = world.portico_command(&["--config", file.to_str().unwrap(), "--registry", "memory:"]);
    let portico = command.open_files(1024).start();
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    (portico, origin)
}

/// Floods from several sides, each doing `flood` over and over for a while, beside a bystander; then all is as it was before.
/// Returns what the bystander saw: right answers alone.
fn is_withstood(portico: &Portico, flood: impl Fn(SocketAddr) + Sync) -> Service {
    let http = portico.http();
    assert_eq!(get(http, "www.example.com", "/").body, "served");
    let (descriptors, memory) = (portico.descriptors(), portico.memory());
    let bystander = Bystander::start(http, "www.example.com", "served");

    let until = Instant::now() + FLOOD;
    std::thread::scope(|scope| {
        for _ in 0..FLOODERS {
            scope.spawn(|| {
                while Instant::now() < until {
                    flood(http);
                }
            });
        }
    });

    let service = bystander.stop();
    eventually("nobody is left", || portico.metric("portico_connections_open") == 0.0);
    eventually("no descriptor is left", || portico.descriptors() <= descriptors + 4);
    assert_eq!(portico.metric("portico_requests_in_flight") + portico.metric("portico_panics_total"), 0.0);
    let grown = portico.memory().saturating_sub(memory) >> 20;
    assert!(grown < 64, "{grown} MiB more than before");
    assert!(service.wrong.is_empty(), "{:?}", service.wrong);
    service
}

/// Says as much of `octets` as is taken, `times` over, and reads what comes until the end.
fn say(http: SocketAddr, begin: &str, octets: &[u8], times: usize) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let taken =
        stream.write_all(begin.as_bytes()).is_ok() && (0..times).all(|_| stream.write_all(octets).is_ok());
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let late = ended.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(!late, "no end, after {:?}; all taken: {taken}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_flood_of_heads_is_refused_at_its_limits() {
    let world = World::new();
    let (portico, _origin) = stage(&world, "");
    let line = "GET / HTTP/1.1\r\nHost: www.example.com\r\n";
    let many = "X-Many: 1\r\n".repeat(10_000);
    let refused = |answer: String, status: &str| {
        // A reset may overtake the answer to somebody who says more than will ever be read.
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    };

    let service = is_withstood(&portico, |http| {
        refused(say(http, &format!("{line}X-Huge: "), &[b'x'; 64 << 10], 16), "431");
        refused(say(http, line, many.as_bytes(), 1), "431");
        refused(say(http, "GET /", &[b'x'; 64 << 10], 16), "414");
        refused(say(http, line, b"X-Endless: octets\r\n", 100_000), "431");
        refused(say(http, "", &[0; 64 << 10], 1), "400");
    });

    service.was_good();
    for why in ["head_too_large", "uri_too_long", "bad_request"] {
        let name = format!("portico_local_replies_total{{kind=\"{why}\"}}");
        assert!(portico.metric(&name) > 0.0, "{why}");
    }
}

#[test]
fn a_flood_of_pipelined_requests_is_answered_in_turn() {
    let world = World::new();
    let (portico, _origin) = stage(&world, "");
    const AT_ONCE: usize = 5_000;
    for host in ["__ping__", "nobody.example.com", "www.example.com"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n");
        let last = format!("{request}Connection: close\r\n\r\n");
        let requests = format!("{request}\r\n").repeat(AT_ONCE - 1) + &last;

        let service = is_withstood(&portico, |http| {
            let mut reading = TcpStream::connect(http).unwrap();
            let mut writing = reading.try_clone().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| writing.write_all(requests.as_bytes()).unwrap());
                let mut answers = String::new();
                reading.read_to_string(&mut answers).unwrap();
                assert_eq!(answers.matches("HTTP/1.1 ").count(), AT_ONCE, "{host}");
            });
        });

        service.was_good();
    }
}

#[test]
fn a_flood_of_pipelined_requests_whose_answers_nobody_reads_takes_no_memory() {
    let world = World::new();
    let (portico, _origin) = stage(&world, "[client]\nidle_timeout = \"1s\"\nmin_rate_window = \"1s\"\n");
    let requests = "GET / HTTP/1.1\r\nHost: nobody.example.com\r\n\r\n".repeat(1_000);

    let service = is_withstood(&portico, |http| {
        let narrow = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        narrow.set_recv_buffer_size(4096).unwrap();
        narrow.connect(&http.into()).unwrap();
        let mut stream = TcpStream::from(narrow);
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        // Until it is cut off, or as much as the limit of this test allows.
        let _cut = (0..1_000).all(|_| stream.write_all(requests.as_bytes()).is_ok());
    });

    service.was_good();
}

#[test]
fn a_flood_of_octets_leaves_others_their_turn() {
    let world = World::new();
    let (portico, _origin) = stage(&world, "");
    let sink = WideOrigin::start(2);
    portico.does(&["frontend", "add", "sink.example.com", &sink.url()]);
    const MUCH: usize = 256 << 20;

    let service = is_withstood(&portico, |http| {
        let mut stream = TcpStream::connect(http).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: sink.example.com\r\nConnection: close\r\nContent-Length: {MUCH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'x'; 1 << 20];
        (0..MUCH / piece.len()).for_each(|_| stream.write_all(&piece).unwrap());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("xx"), "{answer}");
    });

    service.was_good();
}

#[test]
fn a_flood_of_connections_that_come_and_go_leaves_nothing() {
    let world = World::new();
    let (portico, _origin) = stage(&world, "");

    // How soon a bystander is let in depends on how many come before it.
    is_withstood(&portico, |http| {
        let connect = || TcpStream::connect(http).unwrap();
        let reset = |stream: &TcpStream| {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
        };
        drop(connect());
        reset(&connect());
        let mut half = connect();
        half.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
        reset(&half);
        let mut whole = connect();
        whole.write_all(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n").unwrap();
        reset(&whole);
    });
}

#[test]
fn idle_connections_up_to_the_limit_of_open_files_keep_out_who_comes_later_and_nobody_else() {
    let world = World::new();
    let (portico, origin) = stage(&world, "[client]\nconnections = 5000\nkeep_alive_timeout = \"4s\"\n");
    let before = portico.descriptors();
    let mut kept = Connection::open(portico.http());
    let mut is_served = || kept.get("www.example.com", "/").read().is_some_and(|r| r.body == "served");
    assert!(is_served());

    let crowd: Vec<_> = (0..1_500).map(|_| TcpStream::connect(portico.http()).unwrap()).collect();
    let open_files = "portico_limits_reached_total{limit=\"open_files\"}";
    eventually("the limit is seen", || portico.metric(open_files) > 0.0);

    let (cpu, begin) = (portico.cpu(), Instant::now());
    while begin.elapsed() < Duration::from_secs(1) {
        assert!(is_served(), "who is in is served, also by a new connection to the origin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let spent = portico.cpu() - cpu;
    assert!(spent < Duration::from_millis(400), "it spins: {spent:?} of CPU in {:?}", begin.elapsed());
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200);
    let asked = origin.requests();
    eventually("idle ones end, and who waited is let in", || {
        is_served();
        portico.metric("portico_connections_total") > 1_500.0
    });
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "served");
    assert!(origin.requests() > asked);
    drop((kept, crowd));
    eventually("nobody is left", || portico.metric("portico_connections_open") == 0.0);
    eventually("no descriptor is left", || portico.descriptors() <= before + 4);
}
