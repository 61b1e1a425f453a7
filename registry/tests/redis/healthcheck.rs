//! planb's `healthcheck:<host>` hashes: a part of the frontend that the list of the same host states.

use model::{Check, CheckKind, Snapshot};
use redis::Value;
use registry::{Expected, HistoryQuery, PublishError};

use crate::server::{Server, text, texts};
use crate::world::{BACK, Node, SEEN, config, key, put, remove};

/// The path that `host` is checked by; `-`: it is not checked.
fn path(snapshot: &Snapshot, host: &str) -> String {
    let Some(stated) = snapshot.get(&key(host)) else { return "gone".to_owned() };
    let frontend = stated.fact.as_frontend().unwrap();
    match frontend.policy.check.as_deref() {
        None => "-".to_owned(),
        Some(Check { kind: CheckKind::Tcp, .. }) => "tcp".to_owned(),
        Some(Check { kind: CheckKind::Http(http), .. }) => format!("{} {}", http.path(), http.status()),
    }
}

async fn sees(node: &Node, expected: &str) -> u64 {
    let seen = node.until(expected, SEEN, |snapshot| path(snapshot, "a.example") == expected).await;
    seen.get(&key("a.example")).map_or(0, |stated| stated.revision.number())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_that_is_set_changed_or_removed_is_live_and_has_its_place_in_the_history() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    let first = sees(&node, "-").await;

    server.run("HSET healthcheck:a.example path /up status 200");
    let second = sees(&node, "/up 200").await;
    server.run("HDEL healthcheck:a.example status");
    let third = sees(&node, "/up any").await;
    let other = Node::live_with(&server.url(), config("n2")).await;
    assert_eq!(sees(&other, "/up any").await, third, "who comes later knows the same revision");
    server.run("DEL healthcheck:a.example");
    let fourth = sees(&node, "-").await;
    assert!(first < second && second < third && third < fourth, "{first} {second} {third} {fourth}");
    sees(&other, "-").await;

    let told = node.0.history(HistoryQuery { limit: 9, before: None, key: Some(key("a.example")) }).await;
    let doc = |fact: &Option<std::sync::Arc<model::Fact>>| {
        fact.as_ref().map_or_else(String::new, |fact| {
            let frontend = fact.as_frontend().unwrap();
            registry::format::native::write_frontend(frontend)
        })
    };
    let told: Vec<(String, String)> = told.unwrap().iter().map(|r| (doc(&r.before), doc(&r.after))).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for pair in told.windows(2) {
        assert_eq!(pair[0].0, pair[1].1, "what was before is what came of the change before it");
    }
    assert!(told[0].0.contains(r#""path":"/up""#) && !told[0].1.contains("check"), "{told:?}");

    // A round of comparing later nothing was numbered again.
    server.run("RPUSH frontend:b.example web http://10.0.0.1");
    node.sees("b.example", "web:10.0.0.1:80").await;
    assert_eq!(node.revision(), fourth + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_at_once_and_both_there_before_are_one_frontend() {
    let server = Server::start();
    server.run("HSET healthcheck:a.example path /old");
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    let node = Node::live(&server.url()).await;
    assert_eq!(path(&node.now(), "a.example"), "/old any");

    let mut both = redis::pipe();
    both.atomic();
    both.cmd("DEL").arg("frontend:a.example");
    both.cmd("DEL").arg("healthcheck:a.example");
    both.exec(&mut server.client()).unwrap();
    node.until("gone", SEEN, |snapshot| path(snapshot, "a.example") == "gone").await;
    let mut both = redis::pipe();
    both.atomic();
    both.cmd("HSET").arg("healthcheck:a.example").arg("path").arg("/new");
    both.cmd("RPUSH").arg("frontend:a.example").arg("web").arg("http://10.0.0.2");
    both.exec(&mut server.client()).unwrap();

    sees(&node, "/new any").await;
    node.sees("a.example", "web:10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_hash_is_set_aside_alone_and_one_beside_json_is_named() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("HSET healthcheck:a.example status fine");
    server.run("SET healthcheck:b.example text");
    server.run("HSET healthcheck:nobody.example path /");
    let node = Node::live(&server.url()).await;
    let aside = |snapshot: &Snapshot| -> Vec<(String, String)> {
        let entries = snapshot.quarantine();
        entries.map(|(key, why)| (key.to_owned(), why.reason.to_string())).collect()
    };
    assert_eq!(path(&node.now(), "a.example"), "-");
    let named = aside(&node.now());
    assert!(named[0].0 == "healthcheck:a.example" && named[0].1.contains("not a number"), "{named:?}");
    assert!(named[1].0 == "healthcheck:b.example" && named[1].1.contains("holds a string"), "{named:?}");
    assert_eq!(named.len(), 2, "{named:?}");

    server.run("HSET healthcheck:a.example status 204");
    sees(&node, "/ 204").await;
    assert_eq!(aside(&node.now()).len(), 1);
    server.run("SET portico:frontend:a.example '{'host':'a.example','endpoints':['http://10.0.0.1']}'");
    sees(&node, "-").await;
    let named = aside(&node.now());
    assert!(
        named.iter().any(|(key, why)| key == "healthcheck:a.example" && why.contains("wins")),
        "{named:?}"
    );
    server.run("DEL portico:frontend:a.example");
    sees(&node, "/ 204").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_keeps_the_hash_that_says_the_same_and_takes_away_one_that_does_not() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("HSET healthcheck:a.example path /up status 200");
    let node = Node::live(&server.url()).await;
    let check = r#""check":{"kind":"http","path":"/up","status":200}"#;
    let with = |endpoint: &str, rest: &str| {
        format!(r#"{{"host":"a.example","backend":"web","endpoints":["http://{endpoint}"]{rest}}}"#)
    };

    node.publish(put(&with("10.0.0.2", &format!(",{check}")), Expected::Present)).await.unwrap();

    assert_eq!(texts(&server.run("LRANGE frontend:a.example 0 -1")), ["http://10.0.0.2:80", "web"]);
    assert_eq!(text(&server.run("HGET healthcheck:a.example path")), "/up");
    assert_eq!(server.run("EXISTS portico:frontend:a.example"), Value::Int(0));
    sees(&node, "/up 200").await;

    node.publish(put(&with("10.0.0.2", ""), Expected::Present)).await.unwrap();
    sees(&node, "-").await;
    assert_eq!(server.run("EXISTS healthcheck:a.example"), Value::Int(0));

    server.run("HSET healthcheck:a.example path /again");
    sees(&node, "/again any").await;
    let other = r#","check":{"kind":"tcp"}"#;
    node.publish(put(&with("10.0.0.2", other), Expected::Present)).await.unwrap();
    sees(&node, "tcp").await;
    assert_eq!(server.run("EXISTS healthcheck:a.example frontend:a.example"), Value::Int(0));

    server.run("DEL portico:frontend:a.example");
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("HSET healthcheck:a.example path /last");
    sees(&node, "/last any").await;
    node.publish(remove("a.example", Expected::Present))
        .await
        .map_err(|error: PublishError| error.to_string())
        .unwrap();
    assert_eq!(server.run("EXISTS healthcheck:a.example frontend:a.example"), Value::Int(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_read_checks_follows_routes_all_the_same() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("HSET healthcheck:a.example path /up");
    server.run("ACL SETUSER few on >few +@all &* ~frontend:* ~dead:* ~portico:* ~hchecker_ping");
    let url = server.url().replace("redis://", "redis://few:few@");
    let node = Node::live(&url).await;

    assert_eq!(path(&node.now(), "a.example"), "-");
    server.run("RPUSH frontend:a.example http://10.0.0.2");
    node.until("followed", BACK, |snapshot| {
        let Some(stated) = snapshot.get(&key("a.example")) else { return false };
        let frontend = stated.fact.as_frontend().unwrap();
        frontend.backend.endpoints.len() == 2
    })
    .await;
}
