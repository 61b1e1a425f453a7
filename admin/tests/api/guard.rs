//! Who may come in, and how much one client can hold.

use std::net::SocketAddr;
use std::time::Duration;

use crate::world::World;
use admin::{BindError, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ONE: &str = r#"{"endpoints":["http://10.0.0.7:8000"]}"#;

fn token(config: &mut Config) {
    config.token = Some("s3cret".to_owned());
}

#[test]
fn an_address_others_can_reach_needs_a_token() {
    let any = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
    let bind = |listen, token: Option<&str>| {
        admin::bind(&Config { listen, token: token.map(str::to_owned), ..Config::default() })
    };

    assert!(matches!(bind(any, None), Err(BindError::NoToken(_))));
    for bad in ["", "a b", "ümlaut", "a\n"] {
        assert!(matches!(bind(any, Some(bad)), Err(BindError::Token(_))), "{bad:?}");
    }
    assert!(bind(any, Some("s3cret")).unwrap().is_some());
    assert!(bind(None, None).unwrap().is_none());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();

    let error = admin::bind(&Config { listen: Some(taken), ..Config::default() }).unwrap_err();

    assert!(
        matches!(error, BindError::Taken(_)) && error.to_string().contains(&taken.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn the_token_opens_everything_and_probes_need_none() {
    let world = World::with(token).await;
    for (line, status) in [
        ("X: y", 401),
        ("Authorization: Bearer wrong!", 401),
        ("Authorization: Bearer s3cre", 401),
        ("Authorization: Bearer s3cret0", 401),
        ("Authorization: Bearer ", 401),
        ("Authorization: Basic s3cret", 401),
        ("Authorization: s3cret", 401),
        ("Authorization: Bearer s3cret\r\nAuthorization: Bearer s3cret", 401),
        ("Authorization: Bearer s3cret", 200),
        ("authorization: bearer  s3cret", 200),
    ] {
        for path in ["/metrics", "/v1/status", "/v1/frontends"] {
            let reply = world.send(&format!("GET {path}"), &[line], "").await.expect(status);
            assert_eq!(reply.field("www-authenticate").is_some(), status == 401);
        }
    }
    world.get("/nowhere").await.expect(401);
    world.send("PUT /v1/frontends/a", &[], ONE).await.expect(401);
    world.get("/healthz").await.expect(200);
    world.get("/readyz").await.expect(200);
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_so_that_dns_rebinding_leads_nowhere() {
    let world = World::new().await;
    let own = world.address;
    for (lines, status) in [
        (format!("Host: {own}\r\n"), 200),
        ("Host: localhost\r\n".to_owned(), 200),
        ("Host: LocalHost:1234\r\n".to_owned(), 200),
        ("Host: localhost.:8081\r\n".to_owned(), 200),
        ("Host: 127.0.0.1\r\n".to_owned(), 200),
        ("Host: [::1]:8081\r\n".to_owned(), 200),
        ("Host: [0:0:0:0:0:0:0:1]\r\n".to_owned(), 200),
        ("Host: evil.example\r\n".to_owned(), 421),
        (format!("Host: evil.example:{}\r\n", own.port()), 421),
        ("Host: localhost.evil.example\r\n".to_owned(), 421),
        ("Host: 127.0.0.2\r\n".to_owned(), 421),
        ("Host: 127.0.0.1.nip.io\r\n".to_owned(), 421),
        ("Host: evil@localhost\r\n".to_owned(), 421),
        ("Host: \r\n".to_owned(), 421),
        (String::new(), 400),
        ("Host: localhost\r\nHost: localhost\r\n".to_owned(), 400),
    ] {
        for path in ["/v1/status", "/healthz"] {
            world
                .raw(&format!("GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"))
                .await
                .expect(status);
        }
    }
    let absolute =
        "GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    world.raw(absolute).await.expect(421);
    world.raw("GET /healthz HTTP/1.0\r\n\r\n").await.expect(200);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let world = World::new().await;
    let own = format!("Origin: http://{}", world.address);
    for (lines, status) in [
        (vec!["Origin: http://evil.example"], 403),
        (vec!["Origin: null"], 403),
        (vec!["Origin: http://127.0.0.1:1"], 403),
        (vec!["Sec-Fetch-Site: cross-site"], 403),
        (vec!["Sec-Fetch-Site: same-site"], 403),
        (vec![own.as_str(), "Origin: http://evil.example"], 403),
        (vec![own.as_str(), "Sec-Fetch-Site: same-origin"], 200),
        (vec!["Sec-Fetch-Site: none"], 200),
        (vec![], 200),
    ] {
        world.send("POST /v1/frontends/a/endpoints", &["If-None-Match: *"], ONE).await;
        world.send("PUT /v1/frontends/a", &lines, ONE).await.expect(status);
        world.send("POST /v1/frontends/a/endpoints", &lines, ONE).await.expect(status);
        world.send("DELETE /v1/frontends/a", &lines, "").await.expect(status);
    }
    world.send("OPTIONS /v1/frontends/a", &["Origin: http://evil.example"], "").await.expect(403);
    let read = world.send("GET /v1/status", &["Origin: http://evil.example"], "").await.expect(200);
    assert_eq!(read.field("access-control-allow-origin"), None);
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_says_so() {
    let world = World::new().await;

    world.get("/").await.expect(404);
    world.get("/v1/frontends/").await.expect(404);
    let reply = world.send("POST /v1/status", &[], "").await.expect(405);
    assert_eq!(reply.field("allow"), Some("GET,HEAD"));
    world.send("PATCH /v1/frontends/a", &[], "{}").await.expect(405);
    let head = world.send("HEAD /v1/status", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_body_or_head_beyond_its_limit_is_refused() {
    let world = World::with(|config| config.body_bytes = 1000).await;
    let long = format!("{{\"endpoints\":[{}]}}", " ".repeat(1000));

    world.send("PUT /v1/frontends/a", &[], &long).await.expect(413);
    let host = world.address;
    let chunked = format!(
        "PUT /v1/frontends/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    world.raw(&chunked).await.expect(413);
    let fields: String = (0..100).map(|i| format!("X-{i}: y\r\n")).collect();
    let reply = world.raw(&format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).await;
    assert_eq!(reply.status, 431);
    let reply = world.raw(&format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(40_000))).await;
    assert!(matches!(reply.status, 414 | 431), "{reply:?}");
}

#[tokio::test]
async fn a_client_that_dawdles_is_let_go() {
    let world = World::with(|config| {
        config.head_timeout = Duration::from_millis(50);
        config.request_timeout = Duration::from_millis(100);
    })
    .await;
    let host = world.address;
    for octets in [
        "".to_owned(),
        "GET /healthz HTTP/1.1\r\nHo".to_owned(),
        format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ] {
        let mut stream = world.connect().await;
        stream.write_all(octets.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        tokio::time::timeout(crate::world::DEADLINE, stream.read_to_end(&mut read))
            .await
            .expect("kept for ever")
            .unwrap();
    }
    let half = format!(
        "PUT /v1/frontends/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{{"
    );
    let reply = world.raw(&half).await.expect(503);
    assert!(reply.json()["type"].as_str().unwrap().ends_with(":timeout"));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_until_one_ends() {
    let world = World::with(|config| config.connections = 1).await;
    let mut first = world.connect().await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut octet = [0; 1];
    first.read_exact(&mut octet).await.unwrap();
    let mut second = world.connect().await;
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.peek(&mut octet)).await;
    assert!(early.is_err(), "the second was served beside the first");

    drop(first);

    crate::world::read_reply(&mut second).await.expect(200);
}

#[tokio::test]
async fn probes_are_answered_while_all_places_are_taken() {
    let world = World::with(|config| config.requests = 1).await;
    let mut slow = world.connect().await;
    let head =
        "PUT /v1/frontends/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n";
    slow.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let mut octet = [0; 1];
    slow.read_exact(&mut octet).await.expect("its body is asked for, so it has the place");
    let mut waits = std::pin::pin!(world.get("/v1/status"));

    tokio::select! {
        early = &mut waits => panic!("did not wait: {early:?}"),
        () = async {
            world.get("/healthz").await.expect(200);
            world.get("/readyz").await.expect(200);
        } => {}
    }

    slow.write_all(b"{}").await.unwrap();
    waits.await.expect(200);
}

#[tokio::test]
async fn a_connection_has_a_lifetime() {
    let world = World::with(|config| config.connection_lifetime = Duration::from_millis(50)).await;
    let mut stream = world.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();

    crate::world::read_reply(&mut stream).await.expect(200);
}

#[tokio::test]
async fn the_shutdown_ends_idle_connections_and_the_listener() {
    let mut world = World::new().await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut octet = [0; 1];
    idle.read_exact(&mut octet).await.unwrap();

    world.shutdown.take().unwrap().send(()).unwrap();

    tokio::time::timeout(crate::world::DEADLINE, &mut world.ended)
        .await
        .expect("serves on")
        .unwrap()
        .unwrap();
    crate::world::read_reply(&mut idle).await;
    assert!(tokio::net::TcpStream::connect(world.address).await.is_err());
}
