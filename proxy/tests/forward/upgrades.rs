//! Upgrades: the protocol changes only when the origin says so.

use std::time::Duration;

use crate::stage::{OK, OriginServer, Stage, eventually};

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn octets_behind_an_upgrade_reach_the_origin_only_after_its_101() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |_| {});
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
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |_| {});
    let mut client = stage.client();

    client.say(UPGRADE);
    let mut call = origin.call();
    call.head();
    call.say(OK);
    client.expect("\r\n\r\nok");
    client.say(UPGRADE);
    call.head();
    call.say(OK);
    client.expect("\r\n\r\nok");
}

#[test]
fn what_was_meant_for_a_refused_upgrade_is_no_request() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |_| {});
    let mut client = stage.client();

    client.say(format!("{UPGRADE}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    let mut call = origin.call();
    call.head();
    call.say(OK);

    let (answer, _) = client.rest();
    assert!(String::from_utf8_lossy(&answer).contains("Connection: close"));
    assert!(call.seen.is_empty() && call.is_quiet_for(Duration::from_millis(200)) && origin.is_left_alone());
}

#[test]
fn what_was_meant_for_an_upgrade_that_found_nobody_is_no_request() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |_| {});
    let early = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

    let answer = stage.ask(&format!("{}{early}", UPGRADE.replace("a.test", "nobody.test")));

    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"), "{answer}");
    assert!(origin.is_left_alone());
}

#[test]
fn no_tunnel_carries_requests_past_us() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |_| {});
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
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |c| c.upstream.idle_timeout = Duration::from_millis(300));
    let mut client = stage.client();
    client.say(UPGRADE);
    let mut call = origin.call();
    call.head();
    call.say(SWITCHED);
    client.head();

    drop(call);

    client.rest();
    eventually("the tunnel has ended", || stage.proxy.connections() == 0);
}

#[test]
fn a_silent_tunnel_ends() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[origin.address], |c| c.client.tunnel_timeout = Duration::from_millis(300));
    let mut client = stage.client();
    client.say(UPGRADE);
    let mut call = origin.call();
    call.head();
    call.say(SWITCHED);
    client.head();
    client.rest();
    call.rest();
}
