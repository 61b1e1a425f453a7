//! Endpoints that fail, and what the client sees of it. What a single endpoint may do is listed in `origins`.

use crate::stage::{GET, OK, OriginServer, Stage, eventually, first_call, frontend, nobody};

#[test]
fn a_dead_endpoint_is_marked_and_the_next_one_answers() {
    let origin = OriginServer::start();
    let dead = nobody();
    let mut stage = Stage::with(&[origin.address, dead], |_| {});
    let mut client = stage.client();

    let mut calls = Vec::new();
    for _ in 0..20 {
        client.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
        if calls.is_empty() {
            calls.push(origin.call());
        }
        let call = calls.last_mut().unwrap();
        call.head();
        call.take(2);
        call.answers(&mut client);
    }

    let report = stage.health_report();
    assert_eq!((&*report.host, report.address.to_string()), ("a.test", dead.to_string()));
    assert_eq!(stage.proxy.totals().dead_marks, 1);
}

#[test]
fn the_last_endpoint_is_never_marked() {
    let dead = nobody();
    let stage = Stage::with(&[dead], |_| {});
    for _ in 0..3 {
        let answer = stage.ask("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    assert_eq!(stage.proxy.totals().dead_marks, 0);
}

#[test]
fn a_post_that_was_sent_is_never_sent_again() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let mut client = stage.client();

    client.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let mut call = first_call(&first, &second);
    call.head();
    call.reset();

    let answer = String::from_utf8(client.rest().0).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(first.is_left_alone() && second.is_left_alone());
}

#[test]
fn a_get_is_sent_again_after_a_reset() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let mut client = stage.client();
    client.say(GET);

    let mut call = first_call(&first, &second);
    call.head();
    call.reset();
    let mut call = first_call(&first, &second);
    call.head();
    call.say(OK);

    client.expect("\r\n\r\nok");
    assert_eq!(stage.proxy.totals().retries, 1);
}

#[test]
fn a_get_whose_small_answer_is_cut_before_it_is_whole_is_sent_again() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let mut client = stage.client();
    client.say(GET);

    let mut call = first_call(&first, &second);
    call.head();
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    drop(call);
    let mut call = first_call(&first, &second);
    call.head();
    call.say(OK);

    client.expect("\r\n\r\nok");
    assert_eq!(stage.proxy.totals().retries, 1);
}

#[test]
fn a_small_answer_that_comes_slowly_begins_all_the_same() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);

    call.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    client.expect("\r\n\r\nhe");
    call.say("llo");

    client.expect("llo");
}

#[test]
fn a_small_answer_behind_a_large_head_is_passed_on() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);
    let fields = format!("X: {}\r\n", "x".repeat(1000)).repeat(62);
    let body = "y".repeat((16 << 10) - "end".len());

    call.say(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", 16 << 10));
    call.say("end");

    client.expect("yend");
}

#[test]
fn a_post_whose_answer_is_cut_is_not_sent_again() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let mut client = stage.client();
    client.say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");

    let mut call = first_call(&first, &second);
    call.head();
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    client.expect("\r\n\r\nhe");
    drop(call);

    client.rest();
    assert!(first.is_left_alone() && second.is_left_alone());
}

#[test]
fn an_http_1_0_client_sees_a_truncated_answer_too() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.expect("hello");
    drop(call);
    assert!(client.rest().1, "a close would look like the end of the body");
}

#[test]
fn a_client_that_leaves_takes_its_endpoint_connection_with_it() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let mut call = origin.asked(&mut client, GET);
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    client.head();
    client.reset();
    let block = vec![0; 1 << 20];
    use std::io::Write as _;
    let broken = (0..1000).any(|_| call.stream.write_all(&block).is_err());
    assert!(broken, "the endpoint goes on sending to nobody");
}

#[test]
fn marks_of_others_are_honoured_and_so_is_their_end() {
    let (first, second) = (OriginServer::start(), OriginServer::start());
    let stage = Stage::with(&[first.address, second.address], |_| {});
    let asked = || {
        let mut client = stage.client();
        client.say("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        let mut call = first_call(&first, &second);
        call.head();
        call.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        client.rest();
        call.stream.local_addr().unwrap()
    };

    stage.mark("a.test", &[first.address]);
    eventually("the mark is known", || stage.dead() == 1);
    let under_mark: Vec<_> = (0..20).map(|_| asked()).collect();
    stage.mark("a.test", &[]);
    eventually("its end is known", || stage.dead() == 0);

    assert!(under_mark.iter().all(|&address| address == second.address));
    eventually("the first endpoint is asked again", || asked() == first.address);
}

#[test]
fn until_the_routes_are_known_an_unknown_host_is_503() {
    let (_origin, stage) = Stage::before_origin(|_| {});
    let ask = || stage.ask("GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n");

    stage.known.send_replace(false);
    let told = |status: &str| {
        let mut answer = String::new();
        eventually(status, || {
            answer = ask();
            answer.starts_with(status)
        });
        answer
    };
    let unknown = told("HTTP/1.1 503 ");
    stage.known.send_replace(true);
    let known = told("HTTP/1.1 400 ");

    assert!(unknown.contains("retry-after: 1\r\n"), "{unknown}");
    assert!(known.ends_with("frontend not found"), "{known}");
}

#[test]
fn routes_that_become_known_are_in_the_table_before_a_host_that_is_not_there_is_nobodys() {
    let stage = Stage::with_frontends(Vec::new(), |_| {});
    for round in [2, 4, 6] {
        let ask = || {
            stage.ask(&format!("GET / HTTP/1.1\r\nHost: h9999.r{round}.test\r\nConnection: close\r\n\r\n"))
        };
        let many = (0..10_000).map(|number| frontend(&format!("h{number}.r{round}.test"), &[])).collect();
        let many = stage.with_these(round + 1, many);
        stage.known.send_replace(false);
        eventually("it knows that it does not know", || ask().starts_with("HTTP/1.1 503 "));

        // After a table the proxy rests, so that it is told that routes are known before it looks at these.
        stage.publish(round, vec![frontend("one.test", &[])]);
        stage.announce(many);
        stage.known.send_replace(true);

        eventually("it is served", || {
            let answer = ask();
            assert!(!answer.contains("frontend not found"), "it has a frontend: {answer}");
            answer.starts_with("HTTP/1.1 502 ")
        });
    }
}

#[test]
fn a_backend_without_endpoints_is_named_in_the_log_of_its_502() {
    let stage = Stage::with(&[], |_| {});

    let answer = stage.ask("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    stage.drain();

    assert!(answer.ends_with("Cannot find a valid backend"), "{answer}");
    let log = std::fs::read_to_string(stage.log.path()).unwrap();
    assert!(log.contains(" 502 ") && log.contains("\"web\""), "{log}");
}
