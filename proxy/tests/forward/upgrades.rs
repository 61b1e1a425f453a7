//! Upgrades: the protocol changes only when the origin says so.

use std::time::Duration;

use crate::stage::{Call, OK, OriginServer, Stage, eventually};

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// The origin's end of a tunnel that `client` asked for and has.
fn switched(origin: &OriginServer, client: &mut Call) -> Call {
    let mut call = origin.asked(client, UPGRADE);
    call.say(SWITCHED);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    call
}

#[test]
fn octets_behind_an_upgrade_reach_the_origin_only_after_its_101() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say(format!("{UPGRADE}early"));
    let mut call = origin.call();
    let head = call.head().to_lowercase();
    assert!(head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    assert!(call.seen.is_empty() && call.is_quiet_for(Duration::from_millis(100)));
    call.say(format!("{SWITCHED}hello"));

    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.take(5), b"hello");
    assert_eq!(call.take(5), b"early");
    client.say("ping");
    assert_eq!(call.take(4), b"ping");
    call.say("pong");
    assert_eq!(client.take(4), b"pong");
    client.finish();
    assert!(call.rest().0.is_empty());
    call.say("last");
    call.finish();
    assert_eq!(client.rest().0, b"last");
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, UPGRADE);
    call.answers(&mut client);
    client.say(UPGRADE);
    call.head();
    call.answers(&mut client);
}

#[test]
fn what_was_meant_for_a_refused_upgrade_is_no_request() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call =
        origin.asked(&mut client, format!("{UPGRADE}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    call.say(OK);

    let (answer, _) = client.rest();
    assert!(String::from_utf8_lossy(&answer).contains("Connection: close"));
    assert!(call.seen.is_empty() && call.is_quiet_for(Duration::from_millis(200)) && origin.is_left_alone());
}

#[test]
fn what_was_meant_for_an_upgrade_that_found_nobody_is_no_request() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let early = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

    let answer = stage.ask(&format!("{}{early}", UPGRADE.replace("a.test", "nobody.test")));

    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"), "{answer}");
    assert!(origin.is_left_alone());
}

#[test]
fn no_tunnel_carries_requests_past_us() {
    let (origin, stage) = Stage::before_origin(|_| {});
    for upgrade in ["h2c", "H2C", "h2c, websocket", "websocket, h2c", "websocket\r\nUpgrade: h2c"] {
        let mut client = stage.client();
        client.say(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        let mut call = origin.call();
        let head = call.head().to_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
        call.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 502 "), "{upgrade}");
    }
}

#[test]
fn a_tunnel_that_one_side_has_left_waits_for_the_other_no_longer_than_a_body_may_be_silent() {
    let (origin, stage) = Stage::before_origin(|c| c.upstream.idle_timeout = Duration::from_millis(300));
    let mut client = stage.client();
    let call = switched(&origin, &mut client);

    drop(call);

    client.rest();
    eventually("the tunnel has ended", || stage.proxy.connections() == 0);
}

#[test]
fn a_silent_tunnel_ends() {
    let (origin, stage) = Stage::before_origin(|c| c.client.tunnel_timeout = Duration::from_millis(300));
    let mut client = stage.client();
    let mut call = switched(&origin, &mut client);
    client.rest();
    call.rest();
}
