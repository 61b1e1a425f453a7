//! Bodies, both ways.

use crate::stage::{OK, Stage};

#[test]
fn a_body_of_any_size_streams_both_ways() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut client = stage.client();

    let echoed = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut call = origin.call();
            call.head();
            let received = call.take(body.len());
            call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", received.len()));
            call.say(&received);
        });
        client.say(format!("PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len()));
        client.say(&body);
        client.head();
        client.take(body.len())
    });

    assert!(echoed == body, "the body came back changed");
}

#[test]
fn chunks_and_trailers_pass_in_both_directions() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();
    let chunked = "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";

    client.say(format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"));
    let mut call = origin.call();
    assert!(call.head().contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(call.expect("X-Sum: 1\r\n\r\n"), chunked);
    call.say(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"));

    client.head();
    assert_eq!(client.expect("X-Sum: 1\r\n\r\n"), chunked);
    client.say("GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(call.head().starts_with("GET /2 "), "both connections are clean after it");
}

#[test]
fn an_http_1_0_client_gets_chunks_decoded_and_a_close() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call =
        origin.asked(&mut client, "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");

    let (answer, reset) = client.rest();
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.to_lowercase().contains("transfer-encoding") && !reset, "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call = origin.asked(&mut client, "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    assert!(client.head().contains("Content-Length: 100"));
    for status in ["204 No Content", "304 Not Modified"] {
        client.say("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        call.head();
        call.say(format!("HTTP/1.1 {status}\r\n\r\n"));
        assert!(client.head().starts_with(&format!("HTTP/1.1 {status}")));
    }
}

#[test]
fn the_client_waits_for_100_continue_and_gets_it() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    let mut call = origin.call();
    assert!(call.head().to_lowercase().contains("expect: 100-continue"));
    call.say("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.say("hi");
    assert_eq!(call.take(2), b"hi");
    call.say(OK);

    client.expect("\r\n\r\nok");
}

#[test]
fn an_answer_that_comes_before_the_body_ends_the_connection_and_arrives() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    let mut call =
        origin.asked(&mut client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nbegin");
    call.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");

    let (answer, reset) = client.rest();
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("Connection: close") && !reset,
        "{answer}"
    );
}

#[test]
fn a_request_that_is_answered_before_it_has_left_still_leaves_whole() {
    let (origin, stage) = Stage::before_origin(|config| config.client.head_bytes = 16 << 20);
    let mut client = stage.client();
    // More than the kernel takes while the origin does not read.
    let large = "x".repeat(12 << 20);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut call = origin.call();
            call.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
            call.take(large.len());
            call.head();
            call.say("hello");
        });
        client.say(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Large: {large}\r\n\r\n"));
        client.expect("\r\n\r\nhello");
    });
}

#[test]
fn a_small_unread_body_is_drained_after_an_answer_of_ours() {
    let (origin, stage) = Stage::before_origin(|_| {});
    let mut client = stage.client();

    client.say("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 10\r\n\r\n01234");
    assert!(client.head().starts_with("HTTP/1.1 400 "));
    client.expect("frontend not found");
    let mut call = origin.asked(&mut client, "56789GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    call.say(OK);

    client.expect("\r\n\r\nok");
}

#[test]
fn chunks_do_not_count_for_the_limit_of_a_body() {
    let (origin, stage) = Stage::before_origin(|config| config.client.body_bytes = Some(10));
    let mut client = stage.client();

    let chunked = format!("{}0\r\n\r\n", "1;a=b\r\nx\r\n".repeat(10));
    let mut call = origin.asked(
        &mut client,
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
    );
    assert_eq!(call.expect("0\r\n\r\n"), chunked);
    call.say(OK);

    client.expect("\r\n\r\nok");
}

#[test]
fn a_body_over_the_limit_is_413() {
    let (_origin, stage) = Stage::before_origin(|config| config.client.body_bytes = Some(10));

    let known = stage
        .ask("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\nConnection: close\r\n\r\n01234567890");
    assert!(known.starts_with("HTTP/1.1 413 "), "{known}");
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    let unknown = stage.ask(&format!("POST / HTTP/1.1\r\nHost: a.test\r\n{chunked}"));
    assert!(unknown.starts_with("HTTP/1.1 413 "), "{unknown}");
}
