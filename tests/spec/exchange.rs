//! What becomes of a request: canonical to the origin, retried where that is safe, never ended cleanly when it was cut.

use crate::world::{Connection, Origin, Portico, Script, World, get, send};

fn routed(world: &World, origins: &[&Origin]) -> Portico {
    let portico = world.portico(&[]);
    let urls: Vec<String> = origins.iter().map(|origin| origin.url()).collect();
    let mut arguments = vec!["frontend", "add", "www.example.com"];
    arguments.extend(urls.iter().map(String::as_str));
    portico.does(&arguments);
    portico
}

#[test]
fn the_origin_sees_a_request_in_canonical_form_with_headers_of_ours() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let portico = routed(&world, &[&origin]);

    let request = "GET http://WWW.Example.com./a?b=c HTTP/1.1\r\nHost: www.example.com\r\nX-Forwarded-For: 6.6.6.6\r\n\
                   X-Real-IP: 6.6.6.6\r\nConnection: close, X-Secret\r\nX-Secret: yes\r\nX-Kept: 1\r\n\r\n";
    let reply = send(portico.http(), request).unwrap();

    assert_eq!(reply.body, "fine");
    let head = origin.heads().remove(0).to_ascii_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: www.example.com\r\n"), "{head}");
    assert!(head.contains("\r\nx-kept: 1\r\n"), "{head}");
    assert!(head.contains("127.0.0.1") && !head.contains("6.6.6.6") && !head.contains("x-secret"), "{head}");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_the_connection_ends() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let portico = routed(&world, &[&origin]);

    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: www.example.com\r\nHost: www.example.com\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 1, 1\r\n\r\nx",
        "GET / HTTP/1.1\r\nHost: www.example.com\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : www.example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@www.example.com\r\n\r\n",
    ] {
        let mut connection = Connection::open(portico.http());
        let reply = connection.send(request).read().unwrap();
        assert_eq!(reply.status, 400, "{request:?}");
        assert!(connection.finish().is_ended(), "{request:?}");
    }

    assert_eq!(origin.requests(), 0);
}

#[test]
fn requests_that_may_be_repeated_go_to_another_endpoint_and_others_do_not() {
    let world = World::new();
    let (bad, good) = (Origin::start(Script::Hang), Origin::saying("good"));
    let portico = routed(&world, &[&bad, &good]);

    for _ in 0..16 {
        assert_eq!(get(portico.http(), "www.example.com", "/").body, "good");
    }
    let portico = {
        drop(portico);
        World::new().portico(&["--registry", "memory:"])
    };
    portico.does(&["frontend", "add", "www.example.com", &bad.url()]);
    let before = bad.requests();
    let post =
        "POST / HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 4\r\nConnection: close\r\n\r\nonce";
    let reply = send(portico.http(), post).unwrap();

    assert_eq!(reply.status, 502);
    assert_eq!(bad.requests(), before + 1, "a POST that was sent is never sent again");
}

#[test]
fn an_endpoint_that_answers_5xx_is_out_but_not_when_it_says_when_it_is_back() {
    let world = World::new();
    let (failing, good) = (Origin::start(Script::Status(502, "")), Origin::saying("good"));
    let portico = routed(&world, &[&failing, &good]);

    for _ in 0..64 {
        get(portico.http(), "www.example.com", "/");
    }

    assert_eq!(failing.requests(), 1, "after its first 502 it is out");

    failing.now(Script::Status(503, "Retry-After: 1\r\n"));
    let portico = World::new().portico(&["--registry", "memory:"]);
    portico.does(&["frontend", "add", "www.example.com", &failing.url(), &good.url()]);
    for _ in 0..64 {
        get(portico.http(), "www.example.com", "/");
    }

    assert!(failing.requests() > 5, "a 503 with Retry-After is no death: {}", failing.requests());
}

#[test]
fn an_answer_that_was_cut_never_looks_complete() {
    let world = World::new();
    let cut =
        Origin::start(Script::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    let portico = routed(&world, &[&cut]);

    let request = "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n";
    let octets = Connection::open(portico.http()).send(request).read_to_end();

    let text = String::from_utf8_lossy(&octets);
    assert!(text.contains("hello") && !text.contains("\r\n0\r\n"), "{text}");
}
