//! Services, instances, hosts and record sets as JSON beside hipache's lists, whoever writes it.

use model::FactKey;

use crate::server::{Server, run};
use crate::world::{Node, SEEN};

fn keys(snapshot: &model::Snapshot) -> Vec<String> {
    snapshot.facts().map(|stated| stated.fact.key().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_any_client_writes_of_any_kind_is_followed_and_numbered() {
    let server = Server::start();
    let mut client = server.client();
    run(&mut client, r#"SET portico:service:web {"name":"web"}"#);
    let node = Node::live(&server.url()).await;

    run(
        &mut client,
        r#"SET portico:instance:web/web-1 {"service":"web","name":"web-1","addresses":["10.0.0.7"]}"#,
    );
    run(&mut client, r#"SET portico:host:node-1 {"name":"node-1","addresses":["10.0.0.1"]}"#);
    run(
        &mut client,
        r#"SET portico:record:a.example./A {"name":"a.example.","type":"A","data":["10.0.0.2"]}"#,
    );
    let all = node.until("all are served", SEEN, |snapshot| snapshot.len() == 4).await;
    run(&mut client, "DEL portico:service:web");
    let left = node.until("one is gone", SEEN, |snapshot| snapshot.len() == 3).await;

    assert_eq!(keys(&all), ["service:web", "instance:web/web-1", "host:node-1", "record:a.example./A"]);
    assert_eq!(keys(&left), ["instance:web/web-1", "host:node-1", "record:a.example./A"]);
    assert_eq!((all.revision().number(), left.revision().number()), (4, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_fact_of_any_kind_is_set_aside_alone() {
    let server = Server::start();
    let mut client = server.client();
    let node = Node::live(&server.url()).await;
    run(&mut client, r#"SET portico:host:node-1 {"name":"node-1","addresses":["10.0.0.1"]}"#);
    run(&mut client, r#"SET portico:service:web {"name":"other"}"#);
    run(&mut client, r#"SET portico:instance:web {"name":"web"}"#);
    run(&mut client, r#"SET portico:instance:web/x {"service":"web","name":"x","addresses":[]}"#);
    run(&mut client, "RPUSH portico:host:b web");
    run(
        &mut client,
        r#"SET portico:record:a.example./CNAME {"name":"a.example.","type":"CNAME","data":["b"]}"#,
    );
    run(&mut client, r#"SET portico:record:a.example {"name":"a.example.","type":"A","data":["10.0.0.1"]}"#);

    let snapshot = node.until("all set aside", SEEN * 4, |snapshot| snapshot.quarantine().len() == 6).await;

    let said =
        |key: &str| snapshot.quarantined(key).map(|why| format!("{}; {}", why.reason, why.remedy)).unwrap();
    for (key, part) in [
        ("portico:service:web", "the JSON states service:other, the key service:web"),
        ("portico:instance:web", "does not name an instance"),
        ("portico:instance:web/x", "there is no address"),
        ("portico:record:a.example./CNAME", "data[0]: `b` is relative"),
        ("portico:record:a.example", "a record set's key is `record:NAME/TYPE`"),
        ("portico:host:b", "holds a list, not a string"),
    ] {
        assert!(said(key).contains(part), "{}", said(key));
    }
    assert_eq!(keys(&snapshot), ["host:node-1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_ends_by_itself_takes_its_fact_along() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    let instance = r#"{"service":"web","name":"web-1","addresses":["10.0.0.7"],"ttl":1}"#;
    let key = FactKey::parse("instance:web/web-1").unwrap();

    server.run(&format!("SET portico:instance:web/web-1 {instance} PX 300"));
    node.until("it is served", SEEN, |snapshot| snapshot.get(&key).is_some()).await;
    let after = node.until("it is gone", SEEN * 4, |snapshot| snapshot.get(&key).is_none()).await;

    assert_eq!(after.revision().number(), 2);
}
