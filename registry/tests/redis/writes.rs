//! What portico writes is what hipache reads, and JSON only where a list cannot say it.

use registry::{Expected, PublishError};

use crate::server::{Server, texts};
use crate::world::{BACK, Node, config, put, remove};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_frontend_is_written_as_hipaches_list_and_any_other_as_json() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    let frontends = || texts(&server.run("KEYS *frontend:*"));

    let plain =
        r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1","http://10.0.0.2:81"]}"#;
    node.publish(put(plain, Expected::Absent)).await.unwrap();
    assert_eq!(frontends(), ["frontend:a.example"]);
    let list = texts(&server.run("LRANGE frontend:a.example 0 -1"));
    assert_eq!(list, ["http://10.0.0.1:80", "http://10.0.0.2:81", "web"]);

    let weighted = r#"{"host":"a.example","endpoints":[{"url":"http://10.0.0.1","weight":3}]}"#;
    node.publish(put(weighted, Expected::Present)).await.unwrap();
    assert_eq!(frontends(), ["portico:frontend:a.example"]);

    node.publish(put(plain, Expected::Present)).await.unwrap();
    assert_eq!(frontends(), ["frontend:a.example"]);
    let below = r#"{"host":"a.example","path":"/api","endpoints":[]}"#;
    node.publish(put(below, Expected::Absent)).await.unwrap();
    assert_eq!(frontends(), ["frontend:a.example", "portico:frontend:a.example/api"]);

    node.publish(remove("a.example", Expected::Present)).await.unwrap();
    node.publish(remove("a.example/api", Expected::Present)).await.unwrap();
    assert_eq!(frontends(), Vec::<String>::new());
    assert!(node.now().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_a_frontend_removes_every_key_that_states_it() {
    let server = Server::start();
    server.run("RPUSH frontend:A.Example web http://10.0.0.1");
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("SET portico:frontend:a.example '{'host':'a.example','endpoints':[]}'");
    let node = Node::live(&server.url()).await;

    node.publish(remove("a.example", Expected::Present)).await.unwrap();

    assert_eq!(texts(&server.run("KEYS *frontend:*")), Vec::<String>::new());
    assert!(node.now().is_empty());
    assert_eq!(node.now().quarantine().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_something_unusable_replaces_it() {
    let server = Server::start();
    server.run("HSET frontend:a.example a b");
    let node = Node::live(&server.url()).await;
    assert_eq!(node.now().quarantine().len(), 1);

    let plain = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;
    node.publish(put(plain, Expected::Absent)).await.unwrap();

    node.sees("a.example", "web:10.0.0.1:80").await;
    assert_eq!(node.now().quarantine().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_announced_with_its_revision_and_keys() {
    let server = Server::start();
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.subscribe("portico:changes").unwrap();
    let node = Node::live(&server.url()).await;

    let plain = r#"{"host":"a.example","endpoints":["http://10.0.0.1"]}"#;
    node.publish(put(plain, Expected::Absent)).await.unwrap();

    let said: String = listener.get_message().unwrap().get_payload().unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["revision"], 1);
    assert_eq!(said["who"], "test");
    assert_eq!(said["keys"], serde_json::json!(["frontend:a.example"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_report_stands_beside_the_facts_and_ends_with_it() {
    let server = Server::start();
    let node = Node::live_with(&server.url(), config("n7")).await;
    let proxy = model::ProxyReport {
        serving: model::Revision::new(5),
        in_flight: 3,
        ..model::ProxyReport::default()
    };
    let report = model::Report { proxy: Some(std::sync::Arc::new(proxy)), ..model::Report::default() };
    let (sender, receiver) = tokio::sync::watch::channel(std::sync::Arc::new(report));
    node.0.report(receiver);

    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
    let written = loop {
        let written = crate::server::text(&server.run("GET portico:node:n7"));
        if written.contains("\"serving\":5") {
            break written;
        }
        assert!(std::time::Instant::now() < deadline, "{written}");
        tokio::task::yield_now().await;
    };

    assert!(written.contains("\"in_flight\":3"), "{written}");
    let ttl: i64 = crate::server::text(&server.run("TTL portico:node:n7")).parse().unwrap();
    // As long as its lease, and as long again as a lost node is named.
    assert!((3601..=3615).contains(&ttl), "{ttl}");
    node.0.clone().close().await;
    let last = crate::server::text(&server.run("GET portico:node:n7"));
    assert!(last.contains("\"gone\":true") && !last.contains("serving"), "it takes its leave: {last}");
    let ttl: i64 = crate::server::text(&server.run("PTTL portico:node:n7")).parse().unwrap();
    assert!((1..=15_000).contains(&ttl), "{ttl}");
    drop(sender);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_refuses_a_write_and_loses_nothing() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    let plain = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;
    node.publish(put(plain, Expected::Absent)).await.unwrap();

    server.run("CONFIG SET maxmemory 1");
    let other = plain.replace("10.0.0.1", "10.0.0.2");
    let refused = node.publish(put(&other, Expected::Present)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Full(_)), "{refused}");
    let said = refused.to_string();
    assert_eq!(said, "the registry is full: Redis' memory is full up to its maxmemory (OOM)");
    assert_eq!(texts(&server.run("LRANGE frontend:a.example 0 -1")), ["http://10.0.0.1:80", "web"]);
    assert_eq!(node.says("a.example"), "web:10.0.0.1:80@1");

    server.run("CONFIG SET maxmemory 0");
    node.state("writable", BACK, |state| !state.read_only).await;
    node.publish(put(&other, Expected::Present)).await.unwrap();
    assert!(node.says("a.example").starts_with("web:10.0.0.2:80@"));
}
