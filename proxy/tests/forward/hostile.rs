//! Peers that mean harm, or are merely odd: what they do to one exchange must not reach another.

use std::time::Duration;

use proxy::config::LogFormat;

use crate::stage::{BlackHole, GET, OK, OriginServer, Stage, eventually, first_call, nobody};

/// A request whose body is half there.
const HALF: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n01234";

#[test]
fn a_client_that_stalls_behind_an_early_answer_buries_no_endpoint() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |config| {
        config.client.idle_timeout = Duration::from_millis(200);
        config.upstream.idle_timeout = Duration::from_millis(200);
    });
    let mut client = stage.client();

    client.say(HALF);
    let mut call = first_call(&first, &second);
    call.head();
    call.take(5);
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    client.rest();

    assert_eq!(stage.proxy.totals().dead_marks, 0);
}

#[test]
fn an_endpoint_that_tires_of_a_slow_client_is_not_buried() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let mut client = stage.client();

    client.say(HALF);
    let mut call = first_call(&first, &second);
    call.head();
    call.take(5);
    drop(call);

    assert!(client.head().starts_with("HTTP/1.1 502 "));
    assert_eq!(stage.proxy.totals().dead_marks, 0);
}

#[test]
fn a_client_that_leaves_while_it_waits_frees_the_endpoint() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |c| c.access_log.format = LogFormat::Json);
    let mut client = stage.client();

    client.say(GET);
    let mut call = first_call(&first, &second);
    call.head();
    drop(client);

    assert!(call.rest().0.is_empty(), "the endpoint is told at once");
    assert_eq!(stage.logged(1)[0]["end"], "client_gone");
    let totals = stage.proxy.totals();
    assert_eq!((totals.dead_marks, totals.retries), (0, 0));
}

#[test]
fn a_client_that_leaves_while_its_endpoint_is_connected_to_is_not_waited_for() {
    let hole = BlackHole::open();
    let stage = Stage::with(&[hole.address], |config| {
        config.upstream.connect_timeout = Duration::from_secs(600);
        config.access_log.format = LogFormat::Json;
    });
    let mut client = stage.client();

    client.say(GET);
    eventually("it is on its way", || stage.proxy.totals().in_flight() == 1);
    drop(client);

    eventually("it is over", || stage.proxy.totals().in_flight() == 0);
    assert_eq!(stage.logged(1)[0]["end"], "client_gone");
    assert_eq!(stage.proxy.totals().dead_marks, 0);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_quiet_answer_frees_the_endpoint() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, GET);
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.expect("hello");
    drop(client);

    assert!(call.rest().0.is_empty(), "the endpoint is told at once");
}

#[test]
fn a_client_that_announced_its_last_request_may_close_its_side() {
    let (origin, stage) = Stage::before_origin(|_| {});
    for request in [
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    ] {
        let mut client = stage.client();
        client.say(request);
        client.finish();
        let mut call = origin.call();
        call.head();
        assert!(call.is_quiet_for(Duration::from_millis(50)), "{request}");
        call.answers(&mut client);
    }
}

#[test]
fn a_client_that_sent_more_before_it_closed_its_side_is_answered() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, GET);
    client.say("GET /2 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    client.finish();
    assert!(call.is_quiet_for(Duration::from_millis(50)));
    call.answers(&mut client);
    call.head();
    call.say(OK);

    let (answer, reset) = client.rest();
    assert!(answer.ends_with(b"\r\n\r\nok") && !reset);
}

#[test]
fn a_route_without_another_endpoint_spends_no_retries() {
    let stage = Stage::with(&[nobody()], |_| {});
    for _ in 0..3 {
        let answer = stage.ask("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    assert_eq!(stage.proxy.totals().retries, 0);
}

#[test]
fn a_body_that_is_malformed_on_arrival_costs_no_connection() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let answer =
        stage.ask("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(origin.is_left_alone());
}

#[test]
fn what_follows_a_refused_connect_is_no_request() {
    let (origin, stage) = Stage::before_origin(|_| {});
    // RFC 9931: an impatient client sends what it means for the tunnel, and that may look like a request.
    let answer = stage.ask(&format!("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n{GET}"));
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("connection: close"), "{answer}");
    assert!(origin.is_left_alone() && answer.matches("HTTP/1.1 ").count() == 1);
}

#[test]
fn a_client_that_ends_inside_a_body_nobody_needs_still_gets_its_answer() {
    let (_origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say(HALF.replace("a.test", "nobody.test"));
    client.finish();

    let (answer, reset) = client.rest();
    assert!(answer.ends_with(b"frontend not found") && !reset, "reset: {reset}");
}

#[test]
fn no_more_connections_than_configured_are_taken_on() {
    let (_origin, stage) = Stage::before_origin(|config| config.client.connections = Some(2));
    let mut clients: Vec<_> = (0..40).map(|_| stage.client()).collect();
    for client in &mut clients {
        client.say("GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n");
    }

    for client in &mut clients[..2] {
        client.expect("\r\n\r\nok");
    }
    let taken_on = stage.proxy.connections();
    clients.drain(..2);
    clients[0].expect("\r\n\r\nok");

    assert_eq!(taken_on, 2);
}

#[test]
fn a_full_house_closes_its_door_when_it_drains() {
    let (origin, stage) = Stage::before_origin(|config| config.client.connections = Some(1));
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);

    std::thread::scope(|scope| {
        let drain = scope.spawn(|| stage.drain());
        eventually("the listener is closed", || std::net::TcpStream::connect(stage.address).is_err());
        call.say(OK);
        client.rest();
        assert!(drain.join().unwrap());
    });
}

#[test]
fn octets_are_counted_once_each_way() {
    let (origin, stage) = Stage::before_origin(|config| config.access_log.format = LogFormat::Json);
    let mut client = stage.client();

    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut call = origin.asked(&mut client, request);
    call.say("HTTP/1.1 100 Continue\r\n\r\n");
    let mut received = client.head().len();
    client.say("hello");
    call.take(5);
    call.say(OK);
    received += client.expect("\r\n\r\nok").len();

    let line = &stage.logged(1)[0];
    assert_eq!(line["bytes_in"], request.len() + 5);
    assert_eq!(line["bytes_out"], received);
}

#[test]
fn octets_of_a_body_that_went_nowhere_are_counted() {
    let stage = Stage::with(&[nobody()], |config| config.access_log.format = LogFormat::Json);
    let mut client = stage.client();
    client.say(HALF);
    assert!(client.head().starts_with("HTTP/1.1 502 "));
    assert_eq!(stage.logged(1)[0]["bytes_in"], HALF.len());
}

#[test]
fn an_endpoint_that_ignores_an_expectation_is_late_and_not_the_client() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |config| {
        config.client.idle_timeout = Duration::from_millis(200);
        config.upstream.response_timeout = Duration::from_millis(200);
    });
    let mut client = stage.client();

    client.say("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    let mut call = first_call(&first, &second);
    call.head();

    assert!(client.head().starts_with("HTTP/1.1 504 "));
    assert_eq!(stage.proxy.totals().dead_marks, 1);
}

#[test]
fn an_empty_line_behind_a_body_is_no_slow_request() {
    let (origin, stage) = Stage::before_origin(|config| {
        config.client.head_timeout = Duration::from_millis(100);
        config.client.keep_alive_timeout = Duration::from_millis(400);
    });
    for wait in [false, true] {
        let mut client = stage.client();
        let (request, line) = ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", "\r\n");
        let mut call =
            origin.asked(&mut client, if wait { request.to_owned() } else { format!("{request}{line}") });
        call.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        client.expect("\r\n\r\nok");
        if wait {
            client.say(line);
        }
        assert!(client.rest().0.is_empty(), "an old client's empty line gets a 408");
    }
}
