//! Connections: kept, pipelined, ended.

use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Socket, Type};

use crate::stage::{GET, OK, Stage, eventually};

#[test]
fn a_request_goes_through_and_both_connections_are_kept() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say(GET);
    let mut call = origin.call();
    let head = call.head();
    call.say(OK);
    assert!(client.expect("\r\n\r\nok").starts_with("HTTP/1.1 200 OK\r\n"));
    client.say(GET);
    call.head();
    call.answers(&mut client);

    assert!(head.starts_with("GET / HTTP/1.1\r\nHost: a.test\r\n"), "{head}");
    assert!(
        head.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n")
            || head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{head}"
    );
    assert!(origin.is_left_alone(), "the second request takes the first one's connection");
}

#[test]
fn an_origin_sees_one_form_of_target_and_host() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = None;
    for (line, host, expected) in [
        (
            "GET http://A.test:8080/x/../y?z HTTP/1.1",
            "other.test",
            "GET /y?z HTTP/1.1\r\nHost: a.test:8080\r\n",
        ),
        ("OPTIONS * HTTP/1.1", "A.TEST.", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n"),
        ("OPTIONS http://a.test HTTP/1.1", "a.test", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n"),
        ("GET /%7e//a HTTP/1.1", "a.test", "GET /~//a HTTP/1.1\r\nHost: a.test\r\n"),
    ] {
        client.say(format!("{line}\r\nHost: {host}\r\n\r\n"));
        let call = call.get_or_insert_with(|| origin.call());
        let head = call.head();
        assert!(head.starts_with(expected), "{line}: {head}");
        call.answers(&mut client);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let requests: String = (0..5).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: a.test\r\n\r\n")).collect();
    client.say(requests);
    let mut call = origin.call();
    for i in 0..5 {
        assert!(call.head().starts_with(&format!("GET /{i} ")));
        call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{i}"));
    }

    for i in 0..5 {
        client.expect(&format!("\r\n\r\n{i}"));
    }
}

#[test]
fn a_client_that_asks_for_close_gets_it() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let mut call = origin.call();
    assert!(
        !call.head().to_lowercase().contains("connection: close"),
        "our connection to the origin is kept"
    );
    call.say(OK);

    let (answer, reset) = client.rest();
    assert!(String::from_utf8_lossy(&answer).contains("Connection: close") && !reset);
}

/// What TCP packets from `port` carry that end a connection, in octets: of those that `wire` still has.
fn octets_beside_ends(wire: &Socket, port: u16) -> Vec<usize> {
    let (mut frame, mut beside) = ([0; 2048], Vec::new());
    // Ethernet's header, IPv4's, TCP's: where their lengths, the port and FIN stand (RFC 791 §3.1, RFC 9293 §3.1).
    while let Ok(length) = recv(wire.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
        let ip = &frame[14..length.min(frame.len())];
        let tcp = &ip[usize::from(ip[0] & 15) * 4..usize::from(u16::from_be_bytes([ip[2], ip[3]]))];
        let is_tcp_of_it = ip[9] == 6 && u16::from_be_bytes([tcp[0], tcp[1]]) == port;
        if is_tcp_of_it && tcp[13] & 1 == 1 {
            beside.push(tcp.len() - usize::from(tcp[12] >> 4) * 4);
        }
    }
    beside
}

#[test]
fn the_end_of_a_connection_goes_along_with_the_last_octets_of_its_last_answer() {
    const IPV4: i32 = (0x0800_u16).to_be() as i32;
    let wire = Socket::new(Domain::PACKET, Type::RAW, Some(IPV4.into())).expect("root may see packets");
    wire.set_recv_buffer_size(4 << 20).unwrap();
    let (origin, stage) = Stage::before_origin(|_| {});

    for _ in 0..3 {
        let mut client = stage.client();
        let mut call =
            origin.asked(&mut client, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        call.say(OK);
        client.rest();
    }

    let beside = octets_beside_ends(&wire, stage.address.port());
    assert!(beside.len() >= 3 && beside.iter().all(|octets| *octets > OK.len()), "{beside:?}");
}

#[test]
fn an_endpoint_that_closed_an_unused_connection_costs_no_request() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);
    call.answers(&mut client);

    drop(call);
    client.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");

    let mut call = origin.call();
    assert!(call.head().starts_with("POST / "));
    assert_eq!(call.take(2), b"hi");
    call.answers(&mut client);
}

#[test]
fn an_idle_connection_ends_by_itself_and_a_slow_head_gets_408() {
    let (_origin, stage) = Stage::before_origin(|config| {
        config.client.keep_alive_timeout = Duration::from_millis(300);
        config.client.head_timeout = Duration::from_millis(300);
    });

    let (idle, reset) = stage.client().rest();
    assert!(idle.is_empty() && !reset);

    let mut slow = stage.client();
    slow.say("GET / HTTP/1.1\r\nHo");
    assert!(String::from_utf8_lossy(&slow.rest().0).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_ends_what_is_idle() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut idle = stage.client();
    let mut busy = stage.client();
    let mut call = origin.asked(&mut busy, GET);
    eventually("both connections are open", || stage.proxy.connections() == 2);

    let drained = std::thread::scope(|scope| {
        let drain = scope.spawn(|| stage.drain());
        assert!(idle.rest().0.is_empty());
        call.say(OK);
        let answer = String::from_utf8(busy.rest().0).unwrap();
        assert!(answer.contains("Connection: close") && answer.ends_with("ok"), "{answer}");
        drain.join().unwrap()
    });

    assert!(drained);
    assert!(std::net::TcpStream::connect(stage.address).is_err(), "the listener is closed");
    let log = std::fs::read_to_string(stage.log.path()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
}
