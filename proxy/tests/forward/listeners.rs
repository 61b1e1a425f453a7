//! Listeners with policies of their own: whom they let in, and whose word they take about a connection's client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proxy::config::{Config, Listener, Scheme};
use proxy::metrics::{Limit, Rejected};

use crate::stage::{Call, GET, OriginServer, Stage, eventually};

const V1: &str = "PROXY TCP4 203.0.113.5 192.0.2.1 56324 8443\r\n";

/// The same in version 2, with an extension behind it.
fn v2() -> Vec<u8> {
    let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10";
    [&fixed[..], &[203, 0, 113, 5, 192, 0, 2, 1, 0xdc, 0x04, 0x20, 0xfb], b"\x04\0\x01x"].concat()
}

/// A proxy with one listener, changed by `change`.
fn with(origin: &OriginServer, change: impl FnOnce(&mut Listener)) -> Stage {
    Stage::with(&[origin.address], |config| change(&mut config.listen[0]))
}

/// Believes this machine's word about clients.
fn believing(listener: &mut Listener) {
    listener.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
}

fn rejected(stage: &Stage, why: Rejected) -> u64 {
    stage.proxy.totals().rejected[why as usize]
}

/// The value of a field of a head.
fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let prefix = format!("{name}: ");
    head.lines().find_map(|line| line.strip_prefix(&prefix)).expect(name)
}

/// Waits until the other side has ended, which it does without a word.
fn is_closed(mut client: Call) -> bool {
    client.rest().0.is_empty()
}

#[test]
fn a_header_tells_the_client_of_the_connection_and_what_follows_is_the_request() {
    let origin = OriginServer::start();
    let stage = with(&origin, believing);
    for header in [V1.as_bytes().to_vec(), v2()] {
        let mut client = stage.client();
        // Header and two requests in one breath.
        client.say([&header, GET.as_bytes(), GET.as_bytes()].concat());
        let mut call = origin.call();
        for _ in 0..2 {
            let head = call.head();

            assert_eq!(field(&head, "X-Forwarded-For"), "203.0.113.5");
            assert_eq!(field(&head, "X-Real-IP"), "203.0.113.5");
            assert_eq!(field(&head, "X-Forwarded-Port"), "8443");
            assert_eq!(field(&head, "X-Forwarded-Proto"), "http");
            call.answers(&mut client);
        }
    }
    eventually("the log has the client", || {
        let log = std::fs::read_to_string(stage.log.path()).unwrap();
        log.matches("203.0.113.5").count() >= 4
    });
}

#[test]
fn a_header_may_come_octet_by_octet() {
    let origin = OriginServer::start();
    let stage = with(&origin, believing);
    for header in [V1.as_bytes().to_vec(), v2()] {
        let mut client = stage.client();
        for octet in &header {
            client.say([*octet]);
        }
        client.say(GET);
        let mut call = origin.call();
        assert_eq!(field(&call.head(), "X-Forwarded-For"), "203.0.113.5");
        call.answers(&mut client);
    }
}

#[test]
fn a_header_that_tells_no_client_leaves_the_connections_own() {
    let origin = OriginServer::start();
    let stage = with(&origin, believing);
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = stage.client();
        client.say([header, GET.as_bytes()].concat());
        let mut call = origin.call();
        let head = call.head();
        assert_eq!(field(&head, "X-Forwarded-For"), "127.0.0.1");
        assert_eq!(field(&head, "X-Forwarded-Port"), stage.address.port().to_string());
        call.answers(&mut client);
    }
}

#[test]
fn without_a_header_that_can_be_read_the_connection_is_closed_without_a_word() {
    let origin = OriginServer::start();
    let stage = with(&origin, believing);
    for (octets, why) in [
        (GET.as_bytes().to_vec(), Rejected::ProxyMissing),
        (b"PROXY TCP4 203.0.113.5 192.0.2.1 56324\r\n".to_vec(), Rejected::ProxyMalformed),
        (vec![b'P'; 200], Rejected::ProxyMissing),
        ([b"PROXY ", &[b'x'; 200][..]].concat(), Rejected::ProxyMalformed),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(), Rejected::ProxyMalformed),
    ] {
        let before = rejected(&stage, why);
        let mut client = stage.client();
        client.say(&octets);
        assert!(is_closed(client), "{}", octets.escape_ascii());
        assert_eq!(rejected(&stage, why), before + 1, "{}", octets.escape_ascii());
    }
    let mut cut = stage.client();
    cut.say("PROXY TCP4 203.");
    cut.finish();
    assert!(is_closed(cut));
    assert_eq!(rejected(&stage, Rejected::ProxyIncomplete), 1);
    assert!(origin.is_left_alone());
}

#[test]
fn who_only_looks_whether_we_are_there_is_not_counted() {
    let origin = OriginServer::start();
    let stage = with(&origin, believing);
    let mut looked = stage.client();
    looked.finish();
    assert!(is_closed(looked));
    assert_eq!(stage.proxy.totals().rejected, [0; Rejected::ALL.len()]);
}

#[test]
fn a_header_has_as_long_as_a_request_head() {
    let (_origin, stage) = Stage::before_origin(|config| {
        believing(&mut config.listen[0]);
        config.client.head_timeout = Duration::from_millis(300);
    });
    let since = Instant::now();
    let mut slow = stage.client();
    slow.say("PROXY TCP4 ");

    assert!(is_closed(slow));

    assert!(since.elapsed() >= Duration::from_millis(250), "{:?}", since.elapsed());
    assert_eq!(rejected(&stage, Rejected::ProxyIncomplete), 1);
}

#[test]
fn a_peer_that_is_not_believed_is_closed_whatever_it_says() {
    let origin = OriginServer::start();
    let stage = with(&origin, |listener| listener.proxy_protocol = vec!["192.0.2.0/24".parse().unwrap()]);
    for text in [V1, GET] {
        let mut client = stage.client();
        client.say(text);
        assert!(is_closed(client));
    }
    assert_eq!(rejected(&stage, Rejected::ProxyUntrusted), 2);
    assert!(origin.is_left_alone());
}

#[test]
fn where_nobody_sends_headers_one_is_no_request() {
    let origin = OriginServer::start();
    let stage = with(&origin, |_| {});
    assert!(stage.ask(&format!("{V1}{GET}")).starts_with("HTTP/1.1 400 "));
}

#[test]
fn trust_and_limits_are_about_the_client_that_the_header_tells() {
    let (origin, stage) = Stage::before_origin(|config| {
        believing(&mut config.listen[0]);
        config.trusted = vec!["203.0.113.0/24".parse().unwrap()];
        config.client.connections_per_address = Some(1);
    });
    let forwarded = |header: &str| {
        let mut client = stage.client();
        client
            .say(format!("{header}GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"));
        let mut call = origin.call();
        let hops = field(&call.head(), "X-Forwarded-For").to_owned();
        call.answers(&mut client);
        (client, hops)
    };

    let (_trusted, hops) = forwarded(V1);
    assert_eq!(hops, "198.51.100.1, 203.0.113.5");
    let other = "PROXY TCP4 192.0.2.7 192.0.2.1 1 80\r\n";
    let (_one, hops) = forwarded(other);
    assert_eq!(hops, "192.0.2.7");
    // All come from one load balancer; the limit is of each client.
    let (_another, _) = forwarded("PROXY TCP4 192.0.2.8 192.0.2.1 1 80\r\n");
    let mut second = stage.client();
    second.say(other);
    assert!(second.expect("\r\n\r\n").starts_with("HTTP/1.1 503 "));
}

/// A proxy with two listeners, the second one changed; with their addresses.
fn two(origin: &OriginServer, change: impl FnOnce(&mut Config)) -> (Stage, SocketAddr, SocketAddr) {
    let stage = Stage::with(&[origin.address], |config| {
        config.listen.push("127.0.0.1:0".parse().unwrap());
        change(config);
    });
    let addresses = stage.proxy.addresses();
    let (first, second) = (addresses[0], addresses[1]);
    (stage, first, second)
}

#[test]
fn each_listener_has_its_own_trust_and_scheme() {
    let origin = OriginServer::start();
    let (stage, plain, other) = two(&origin, |config| {
        config.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.listen[1].trusted = Some(Vec::new());
        config.listen[1].scheme = Some(Scheme::Https);
    });
    let head_at = |address| {
        let mut client = stage.client_at(address);
        client.say("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n");
        let mut call = origin.call();
        let head = call.head();
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        client.expect("\r\n\r\nok");
        head
    };

    let head = head_at(plain);
    assert_eq!(field(&head, "X-Forwarded-For"), "198.51.100.1, 127.0.0.1");
    assert_eq!(
        (field(&head, "X-Forwarded-Proto"), field(&head, "X-Forwarded-Port")),
        ("http", &*plain.port().to_string())
    );

    let head = head_at(other);
    assert_eq!(field(&head, "X-Forwarded-For"), "127.0.0.1");
    assert_eq!((field(&head, "X-Forwarded-Proto"), field(&head, "X-Forwarded-Port")), ("https", "443"));
}

#[test]
fn the_client_in_forwarded_of_a_trusted_peer_is_who_is_told_and_logged() {
    let origin = OriginServer::start();
    let (stage, trusting, other) = two(&origin, |config| {
        config.trusted = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        config.listen[1].trusted = Some(Vec::new());
        config.forwarded = true;
    });
    let came = "for=6.6.6.6, for=\"203.0.113.5:80\";proto=https;host=shop.test, for=10.0.0.2";
    for (listener, expected) in [
        (trusting, ["203.0.113.5, 10.0.0.2, 127.0.0.1", "203.0.113.5", "https", "443", "shop.test"]),
        (other, ["127.0.0.1", "127.0.0.1", "http", &other.port().to_string(), "a.test"]),
    ] {
        let mut client = stage.client_at(listener);

        client.say(format!("GET / HTTP/1.1\r\nHost: a.test\r\nForwarded: {came}\r\n\r\n"));

        let mut call = origin.call();
        let head = call.head();
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        client.expect("\r\n\r\nok");
        let names =
            ["X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Host"];
        assert_eq!(names.map(|name| field(&head, name)), expected);
        let own = "for=127.0.0.1;host=a.test;proto=http";
        let whole = if listener == trusting { format!("{came}, {own}") } else { own.to_owned() };
        assert_eq!(field(&head, "Forwarded"), whole);
        eventually("the log has the client", || {
            let log = std::fs::read_to_string(stage.log.path()).unwrap();
            log.lines().last().is_some_and(|line| line.contains(expected[1]))
        });
    }
}

#[test]
fn a_listener_lets_in_whom_it_is_for_and_follows_a_reload() {
    let origin = OriginServer::start();
    let mut config = None;
    let (stage, open, closed) = two(&origin, |changed| {
        changed.listen[1].deny = vec!["127.0.0.0/8".parse().unwrap()];
        config = Some(changed.clone());
    });
    let ping = |address| {
        stage.client_at(address).ask("GET / HTTP/1.1\r\nHost: __ping__\r\nConnection: close\r\n\r\n")
    };
    assert!(ping(open).starts_with("HTTP/1.1 200 "));

    let told = ping(closed);

    assert!(told.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{told}");
    assert_eq!(rejected(&stage, Rejected::Denied), 1);
    let mut config = config.unwrap();
    config.listen[1].deny.clear();
    stage.proxy.reload(&config).unwrap();
    eventually("the policy is taken over", || ping(closed).starts_with("HTTP/1.1 200 "));
    config.listen[1].address.set_port(1);
    assert!(stage.proxy.reload(&config).is_err());
}

#[test]
fn a_listener_that_is_full_waits_and_the_other_goes_on() {
    let origin = OriginServer::start();
    let (stage, open, narrow) = two(&origin, |config| config.listen[1].connections = Some(1));
    let ping = "GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";
    let mut first = stage.client_at(narrow);
    first.say(ping);
    first.expect("ok");

    let mut second = stage.client_at(narrow);
    second.say(ping);

    for _ in 0..3 {
        let mut other = stage.client_at(open);
        other.say(ping);
        other.expect("ok");
    }
    assert!(second.is_quiet_for(Duration::from_millis(300)));
    assert!(stage.proxy.totals().limits[Limit::ListenerConnections as usize] >= 1);
    drop(first);
    second.expect("ok");
}
