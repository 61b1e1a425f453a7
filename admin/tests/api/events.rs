//! Events: who joins and leaves services of a type, and every change of a fact, as it happens.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{DEADLINE, World};

/// A stream of events.
struct Events {
    stream: TcpStream,
    read: String,
}

impl Events {
    async fn of(world: &World, query: &str) -> Self {
        let mut stream = world.connect().await;
        let head =
            format!("GET /v1/events{query} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, read: String::new() }
    }

    /// The next object, wherever its chunk begins and ends; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let mut lines = self.read.split_inclusive('\n');
            let at = lines.by_ref().take_while(|line| !(line.starts_with('{') && line.ends_with("}\n")));
            let before: usize = at.map(str::len).sum();
            let rest = &self.read[before..];
            if let Some(end) = rest.find('\n').filter(|_| rest.starts_with('{')) {
                let value = serde_json::from_str(&rest[..end]).unwrap();
                self.read.drain(..before + end + 1);
                return Some(value);
            }
            let mut octets = [0; 4096];
            let read = tokio::time::timeout(DEADLINE, self.stream.read(&mut octets)).await;
            match read.expect("nothing is told").unwrap() {
                0 => return None,
                length => self.read.push_str(std::str::from_utf8(&octets[..length]).unwrap()),
            }
        }
    }

    /// The next one in a few words.
    async fn told(&mut self) -> String {
        let event = self.next().await.expect("an event");
        let text = |name: &str| match &event[name] {
            Value::Null => String::new(),
            Value::String(text) => format!(" {text}"),
            other => format!(" {other}"),
        };
        ["event", "revision", "key", "service", "instance", "addresses", "ports"].map(text).concat()
    }
}

async fn put(world: &World, path: &str, body: &str) {
    let reply = world.send(&format!("PUT /v1/services/{path}"), &[], body).await;
    assert!(reply.status < 300, "{reply:?}");
}

#[tokio::test]
async fn who_answers_for_a_type_is_told_first_and_then_who_joins_moves_and_leaves() {
    let world = World::new().await;
    let of_type = r#"{"ports":[{"name":"http","port":80}],"dns_sd":{"type":"_http._tcp","name":"The Web"}}"#;
    put(&world, "web", of_type).await;
    put(&world, "web/instances/one", r#"{"addresses":["10.0.0.1"]}"#).await;

    let mut events = Events::of(&world, "?type=_http._tcp").await;
    assert_eq!(events.told().await, r#" joined 2 web one ["10.0.0.1"] {"http":80}"#);
    assert_eq!(events.told().await, " present 2");
    put(&world, "api", "{}").await;
    put(&world, "api/instances/other", r#"{"addresses":["10.0.0.9"]}"#).await;
    put(&world, "web/instances/two", r#"{"addresses":["10.0.0.2"],"ports":{"http":8080}}"#).await;
    assert_eq!(events.told().await, r#" joined 5 web two ["10.0.0.2"] {"http":8080}"#);
    put(&world, "web/instances/one", r#"{"addresses":["10.0.0.3"]}"#).await;
    assert_eq!(events.told().await, r#" moved 6 web one ["10.0.0.3"] {"http":80}"#);
    put(&world, "web/instances/one", r#"{"addresses":["10.0.0.3"],"state":"draining"}"#).await;
    assert_eq!(events.told().await, r#" left 7 web one ["10.0.0.3"] {"http":80}"#);
    put(&world, "web", "{}").await;
    let left = events.next().await.unwrap();

    assert_eq!(
        (&left["event"], &left["instance"], &left["name"]),
        (&"left".into(), &"two".into(), &"The Web".into())
    );
}

#[tokio::test]
async fn without_a_type_every_change_of_a_fact_is_told_until_the_node_leaves() {
    let world = World::new().await;
    put(&world, "before", "{}").await;

    let mut events = Events::of(&world, "").await;
    assert_eq!(events.told().await, " present 1");
    put(&world, "web", r#"{"ttl":9}"#).await;
    assert_eq!(events.told().await, " put 2 service:web");
    world.send("DELETE /v1/services/web", &[], "").await.expect(200);
    assert_eq!(events.told().await, " removed 3 service:web");
    world.draining.send_replace(true);

    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_have_a_limit_and_a_type_that_is_none_is_refused() {
    let world = World::with(|config| config.events = 1).await;
    let mut events = Events::of(&world, "").await;
    events.told().await;

    world.get("/v1/events").await.expect(503);
    world.get("/v1/events?type=http").await.expect(400);
    drop(events);

    once_there_is_a_place(&world).await;
}

/// As many services as no socket and no queue holds the events of.
async fn put_many(world: &World) {
    let facts = (0..20_000).map(|n| format!(r#"{{"kind":"service","name":"service-{n:05}"}}"#));
    let documents = facts.collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"documents":[{documents}],"in_parts":true}}"#);
    world.send("POST /v1/apply", &[], &body).await.expect(200);
}

/// Tries until there is a place for one more stream, which is returned.
async fn once_there_is_a_place(world: &World) {
    let begin = std::time::Instant::now();
    loop {
        let mut next = Events::of(world, "").await;
        let mut head = [0; 12];
        next.stream.read_exact(&mut head).await.unwrap();
        if head.ends_with(b"200") {
            return;
        }
        assert!(begin.elapsed() < DEADLINE, "the place is never free again");
    }
}

#[tokio::test]
async fn what_differs_much_is_told_whole_to_whoever_reads_it() {
    let world = World::new().await;
    let mut events = Events::of(&world, "").await;
    assert_eq!(events.told().await, " present 0");

    put_many(&world).await;

    let mut names = std::collections::BTreeSet::new();
    while names.len() < 20_000 {
        let event = events.next().await.expect("an event");
        assert!(names.insert(event["key"].to_string()), "told twice: {event}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_place_until_the_node_leaves() {
    let world = World::with(|config| config.events = 1).await;
    let mut events = Events::of(&world, "").await;
    assert_eq!(events.told().await, " present 0");
    put_many(&world).await;
    world.get("/v1/events").await.expect(503);

    world.draining.send_replace(true);

    once_there_is_a_place(&world).await;
}

#[tokio::test]
async fn a_stream_on_a_kept_connection_ends_with_it_between_two_lines() {
    let (lifetime, most) = (Duration::from_secs(2), Duration::from_secs(1));
    let world = World::with(|config| {
        (config.connection_lifetime, config.request_timeout, config.drain) = (lifetime, most, most);
    });
    let world = world.await;
    let (mut stream, begin) = (world.connect().await, std::time::Instant::now());
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", world.address);
    // It is used for most of its time.
    while begin.elapsed() < lifetime * 3 / 4 {
        stream.write_all(head("/healthz").as_bytes()).await.unwrap();
        let mut octets = [0; 4096];
        assert!(stream.read(&mut octets).await.unwrap() > 0, "an answer");
    }

    stream.write_all(head("/v1/events").as_bytes()).await.unwrap();

    let mut octets = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut octets)).await.expect("it ends").unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("\"present\""), "{text}");
    assert!(text.ends_with("\r\n0\r\n\r\n"), "the last chunk: {text}");
}

#[tokio::test]
async fn every_change_is_told_once_and_in_order_also_where_writes_come_together() {
    const WRITES: u64 = 40;
    let world = World::new().await;
    put(&world, "web", "{}").await;
    let mut events = Events::of(&world, "").await;
    let present = events.next().await.unwrap();
    assert_eq!((&present["event"], &present["revision"]), (&"present".into(), &1.into()));

    let write = |n: u64| {
        let body = format!(r#"{{"addresses":["10.0.0.{n}"]}}"#);
        let path = "/v1/services/web/instances/one";
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", world.address);
        let (address, request) =
            (world.address, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 20"), "{reply}");
        })
    };
    let writes: Vec<_> = (1..=WRITES).map(write).collect();
    for write in writes {
        write.await.unwrap();
    }

    let mut addresses = std::collections::BTreeSet::new();
    for revision in 2..2 + WRITES {
        let event = events.next().await.unwrap();
        assert_eq!((&event["event"], &event["revision"]), (&"put".into(), &revision.into()), "{event}");
        assert!(event["at_ms"].as_u64().unwrap() > 1_000_000_000_000, "{event}");
        addresses.insert(event["fact"].to_string());
    }
    assert_eq!(addresses.len() as u64, WRITES, "each as it was");
}
