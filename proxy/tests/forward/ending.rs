//! Ends: of tunnels, and of everything that the drain's deadline cuts off.

use std::time::Duration;

use proxy::config::{Config, LogFormat};

use crate::stage::{Call, GET, OriginServer, Stage, eventually};

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn hasty(config: &mut Config) {
    config.drain = Duration::from_millis(200);
    config.access_log.format = LogFormat::Json;
}

/// A tunnel: the client's end and the origin's.
fn tunnel(stage: &Stage, origin: &OriginServer) -> (Call, Call) {
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, UPGRADE);
    call.say(SWITCHED);
    client.head();
    (client, call)
}

#[test]
fn the_last_octets_of_a_tunnel_arrive() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let (mut client, mut call) = tunnel(&stage, &origin);

    // More than the client's side of the kernel takes, less than the proxy's side does.
    let last = vec![b'x'; 1 << 20];
    client.finish();
    call.rest();
    call.say(&last);
    call.finish();
    eventually("the proxy has let go of the client", || stage.proxy.totals().in_flight() == 0);

    let (octets, reset) = client.rest();
    assert!(octets.len() == last.len() && !reset, "{} octets, reset: {reset}", octets.len());
}

#[test]
fn a_tunnel_ends_at_the_drains_deadline_and_is_logged() {
    let (origin, stage) = Stage::before_origin(hasty);
    let (mut client, mut call) = tunnel(&stage, &origin);
    call.say("news");
    client.expect("news");

    assert!(!stage.drain(), "not all ended by themselves");

    client.rest();
    call.rest();
    let lines = stage.logged(1);
    assert_eq!((lines.len(), &lines[0]["status"], &lines[0]["end"]), (1, &101.into(), &"abandoned".into()));
    assert!(lines[0]["bytes_out"].as_u64().unwrap() > 4, "{}", lines[0]);
}

#[test]
fn an_answer_cut_off_by_the_drains_deadline_never_looks_whole() {
    let (origin, stage) = Stage::before_origin(hasty);
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    call.say("HTTP/1.1 200 OK\r\n\r\nhello");
    client.expect("hello");

    assert!(!stage.drain(), "not all ended by themselves");

    assert!(client.rest().1, "a close would look like the end of the body");
    assert_eq!(stage.logged(1)[0]["end"], "abandoned");
    assert_eq!(stage.proxy.totals().dead_marks, 0);
}

#[test]
fn who_still_waits_at_the_drains_deadline_is_told() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], hasty);
    let mut client = stage.client();
    client.say(GET);
    let mut call = crate::stage::first_call(&first, &second);
    call.head();

    assert!(!stage.drain(), "not all ended by themselves");

    let answer = String::from_utf8(client.rest().0).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let totals = stage.proxy.totals();
    assert_eq!((totals.dead_marks, totals.retries), (0, 0), "the endpoint is not to blame");
    assert_eq!(stage.logged(1).len(), 1);
}

#[test]
fn a_protocol_does_not_change_before_the_request_is_whole() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n";
    let mut call = origin.asked(&mut client, format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n01234"));
    call.take(5);
    call.say(SWITCHED);

    assert!(client.head().starts_with("HTTP/1.1 502 "));
}

#[test]
fn a_tunnel_may_be_silent_as_long_as_its_route_says() {
    let origin = OriginServer::start();
    let mut frontend = crate::stage::frontend("a.test", &[origin.address]);
    frontend.policy.timeouts.idle = Some(Duration::from_millis(200));
    let stage = Stage::with_frontends(vec![frontend], |_| {});
    let (mut client, mut call) = tunnel(&stage, &origin);
    let (octets, _) = client.rest();
    assert!(octets.is_empty() && call.rest().0.is_empty());
}
