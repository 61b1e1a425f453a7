//! Where no endpoint may be, whatever the registry says.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use model::{Address, Endpoint, Frontend, Weight};
use proxy::Refusal;
use proxy::metrics::UpstreamFailure;

use crate::stage::{GET, OK, OriginServer, Stage, eventually, frontend};

const ONCE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn forbidden(stage: &Stage) -> u64 {
    stage.proxy.totals().upstream_failures[UpstreamFailure::Forbidden as usize]
}

fn at_url(host: &str, url: &str) -> Frontend {
    let mut frontend = frontend(host, &[]);
    let address = Address::parse_url(url).unwrap();
    frontend.backend.endpoints = [Endpoint { address, weight: Weight::ONE }].into_iter().collect();
    frontend
}

fn refusal(stage: &Stage) -> Option<Refusal> {
    stage.proxy.explain("a.test", "/").matched.unwrap().endpoints[0].refused
}

#[test]
fn our_own_listener_is_no_endpoint() {
    let stage = Stage::with(&[], |_| {});
    stage.publish(2, vec![frontend("a.test", &[stage.address])]);

    let answer = stage.ask(ONCE);

    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("backend is invalid"), "{answer}");
    assert_eq!(refusal(&stage), Some(Refusal::OwnListener));
    assert!(!stage.proxy.explain("a.test", "/").matched.unwrap().endpoints[0].serves);
    assert_eq!((forbidden(&stage), stage.proxy.totals().upstream_connects), (1, 0));
}

#[test]
fn our_own_listener_is_known_at_any_address_of_the_machine() {
    let stage = Stage::with(&[], |config| config.listen = vec!["0.0.0.0:0".parse().unwrap()]);
    let port = stage.address.port();
    for (revision, url) in
        [(2, "http://127.0.0.1"), (3, "http://127.0.0.9"), (4, "http://[::ffff:127.0.0.1]")]
    {
        stage.publish(revision, vec![at_url("a.test", &format!("{url}:{port}"))]);
        assert_eq!(refusal(&stage), Some(Refusal::OwnListener), "{url}");
    }
    let there = SocketAddr::from(([127, 0, 0, 1], port));
    let mut client = TcpStream::connect(there).unwrap();
    client.write_all(ONCE.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[test]
fn one_that_is_refused_is_out_and_the_others_serve_but_no_other_node_is_told() {
    let origin = OriginServer::start();
    let mut stage = Stage::with(&[], |_| {});
    stage.publish(2, vec![frontend("a.test", &["169.254.169.254:80".parse().unwrap(), origin.address])]);
    let mut client = stage.client();

    let mut call = None;
    for _ in 0..20 {
        client.say(GET);
        let call = call.get_or_insert_with(|| origin.call());
        call.head();
        call.answers(&mut client);
    }

    assert_eq!((forbidden(&stage), stage.proxy.totals().dead_marks), (1, 1));
    assert!(stage.health.try_recv().is_err());
    assert_eq!(refusal(&stage), Some(Refusal::Metadata));
}

#[test]
fn a_name_is_judged_by_what_it_resolves_to() {
    let origin = OriginServer::start();
    let stage = Stage::with(&[], |config| {
        config.upstream.deny = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    });
    stage.publish(2, vec![at_url("a.test", &format!("http://localhost:{}", origin.address.port()))]);
    assert_eq!(refusal(&stage), None, "nobody knows yet");

    let answer = stage.ask(ONCE);

    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("backend is invalid"), "{answer}");
    assert_eq!(refusal(&stage), Some(Refusal::Denied));
    assert!(origin.is_left_alone());
}

#[test]
fn a_connection_that_is_kept_is_not_used_once_its_address_is_denied() {
    let origin = OriginServer::start();
    let mut config = None;
    let stage = Stage::with(&[origin.address], |changed| config = Some(changed.clone()));
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);
    call.answers(&mut client);

    let mut config = config.unwrap();
    config.upstream.deny = vec!["127.0.0.1/32".parse().unwrap()];
    stage.proxy.reload(&config).unwrap();

    // Requests that come before the threads took the settings over are answered.
    std::thread::spawn(move || {
        let mut request = [0; 4096];
        while call.stream.read(&mut request).is_ok_and(|n| n > 0) {
            call.say(OK);
        }
    });
    eventually("the settings are taken over", || stage.ask(ONCE).starts_with("HTTP/1.1 502 "));
    config.upstream.allow = vec!["127.0.0.0/8".parse().unwrap()];
    stage.proxy.reload(&config).unwrap();
    assert_eq!(refusal(&stage), None);
}

#[test]
fn each_request_tells_the_origin_which_node_it_went_through() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let via = |request: &str| {
        let mut client = stage.client();
        client.say(request);
        let mut call = origin.call();
        let head = call.head();
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        client.expect("\r\n\r\nok");
        head.lines().filter_map(|line| line.strip_prefix("Via: ")).map(str::to_owned).collect::<Vec<_>>()
    };

    let first = via(GET);
    let second = via("GET / HTTP/1.0\r\nHost: a.test\r\nVia: 1.1 other\r\n\r\n");

    let name = first[0].strip_prefix("1.1 portico-").unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(second, ["1.1 other".to_owned(), format!("1.0 portico-{name}")]);
    let another = Stage::with(&[origin.address], |_| {});
    let mut client = another.client();
    client.say(GET);
    assert!(!origin.call().head().contains(name), "two nodes have two names");
}

#[test]
fn a_request_that_leads_in_a_circle_ends() {
    // Address translation that leads back to us: the relay is no listener of ours.
    let relay = OriginServer::start();
    let stage = Stage::with(&[relay.address], |_| {});
    let mut client = stage.client();
    client.say(GET);
    let mut call = relay.call();
    let head = call.head();

    let mut back = stage.client();
    back.say(&head);

    assert!(back.expect("\r\n\r\n").starts_with("HTTP/1.1 508 Loop Detected\r\n"));
    back.expect("the request leads back to this proxy");
    call.answers(&mut client);
    assert!(relay.is_left_alone());
}

#[test]
fn without_via_there_is_neither_the_field_nor_the_check() {
    let (origin, stage) = Stage::before_origin(|config| config.via = false);
    let mut client = stage.client();
    client.say(GET);
    assert!(!origin.call().head().contains("Via:"));
}

#[test]
fn an_options_or_trace_goes_as_many_hops_as_it_may() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let ask = |method, hops| {
        stage.ask(&format!(
            "{method} / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: {hops}\r\nConnection: close\r\n\r\n"
        ))
    };

    let options = ask("OPTIONS", "0");
    assert!(options.starts_with("HTTP/1.1 200 OK\r\n") && options.contains("allow: GET"), "{options}");
    assert!(ask("TRACE", "0").starts_with("HTTP/1.1 405 "));
    assert!(ask("OPTIONS", "many").starts_with("HTTP/1.1 400 "));
    assert!(origin.is_left_alone());

    let mut client = stage.client();
    client.say("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 1\r\n\r\n");
    assert!(origin.call().head().contains("\r\nMax-Forwards: 0\r\n"));
}

/// What the origin is told of a client at `ip`, of a proxy that listens on all addresses.
fn forwarded_for(dual_stack: bool, ip: &str) -> Option<String> {
    let (origin, stage) = Stage::before_origin(|config| {
        config.listen = vec!["[::]:0".parse().unwrap()];
        config.dual_stack = dual_stack;
    });
    let mut stream = TcpStream::connect((ip, stage.address.port())).ok()?;
    stream.write_all(GET.as_bytes()).unwrap();
    let head = origin.call().head();
    head.lines().find_map(|line| line.strip_prefix("X-Forwarded-For: ")).map(str::to_owned)
}

/// An IPv6 address of this machine that is not link-local; `None`: it has none.
fn own_v6() -> Option<String> {
    let interfaces = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let line = interfaces.lines().find(|line| !line.starts_with("fe80"))?;
    let number = u128::from_str_radix(line.get(..32)?, 16).ok()?;
    Some(Ipv6Addr::from_bits(number).to_string())
}

#[test]
fn one_listener_takes_both_families_and_ipv4_clients_are_ipv4() {
    let Some(v6) = own_v6() else { return };
    assert_eq!(forwarded_for(true, "127.0.0.1").as_deref(), Some("127.0.0.1"));
    assert_eq!(forwarded_for(true, &v6), Some(v6.clone()));
    assert_eq!(forwarded_for(false, "127.0.0.1"), None);
    assert_eq!(forwarded_for(false, &v6), Some(v6));
}

#[test]
fn both_families_may_have_a_listener_of_their_own_at_one_port() {
    if own_v6().is_none() {
        return;
    }
    let free = TcpListener::bind("[::]:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (v4, v6) = (format!("0.0.0.0:{port}"), format!("[::]:{port}"));
    let stage = Stage::with(&[], |config| config.listen = vec![v6.parse().unwrap(), v4.parse().unwrap()]);
    assert_eq!(stage.proxy.addresses(), [v6.parse().unwrap(), v4.parse().unwrap()]);
    stage.publish(2, vec![at_url("a.test", &format!("http://127.0.0.1:{port}"))]);
    assert_eq!(refusal(&stage), Some(Refusal::OwnListener));
}

#[test]
fn the_ipv4_side_of_a_listener_for_both_is_no_endpoint() {
    let Some(v6) = own_v6() else { return };
    let stage = Stage::with(&[], |config| config.listen = vec!["[::]:0".parse().unwrap()]);
    for (revision, url) in [(2, "http://127.0.0.1".to_owned()), (3, format!("http://[{v6}]"))] {
        stage.publish(revision, vec![at_url("a.test", &format!("{url}:{}", stage.address.port()))]);
        assert_eq!(refusal(&stage), Some(Refusal::OwnListener), "{url}");
    }
}
