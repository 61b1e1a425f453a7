//! Revisions and history: foreign changes are numbered once, and nothing ever goes back.

use model::FactKey;
use registry::{Config, Expected, HistoryQuery, PublishError, ReadError};

use crate::server::{Server, run, text};
use crate::world::{BACK, Node, SEEN, config, key, put, remove};

const A1: &str = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;

async fn history(node: &Node) -> Vec<String> {
    let query = HistoryQuery { limit: 100, ..HistoryQuery::default() };
    let records = node.0.history(query).await.unwrap();
    let name = |fact: Option<&std::sync::Arc<model::Fact>>| {
        fact.map_or("-".to_owned(), |fact| {
            let frontend = fact.as_frontend().unwrap();
            format!("{}*{}", frontend.backend.name, frontend.backend.endpoints.len())
        })
    };
    let line = |record: &model::ChangeRecord| {
        let FactKey::Frontend { host, .. } = &record.key else { panic!("{}", record.key) };
        let (before, mut after) = (name(record.before.as_ref()), name(record.after.as_ref()));
        if record.set_aside {
            after += " (set aside)";
        }
        format!("{} {} {host} {before} {after}", record.revision, record.who)
    };
    records.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_number_a_foreign_change_once() {
    let server = Server::start();
    let (one, two) = (Node::live(&server.url()).await, Node::live_with(&server.url(), config("n2")).await);

    for i in 1..=20 {
        server.run(&format!("RPUSH frontend:a.example web{i} http://10.0.0.1"));
        for node in [&one, &two] {
            node.until("the change", SEEN, |snapshot| snapshot.revision().number() >= i).await;
        }
    }
    server.run("DEL frontend:a.example");
    one.sees("a.example", "-").await;
    two.sees("a.example", "-").await;

    assert_eq!((one.revision(), two.revision()), (21, 21));
    assert_eq!(text(&server.run("GET portico:revision")), "21");
    assert_eq!(history(&one).await.len(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_numbered_keeps_its_number_for_a_later_node() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("RPUSH frontend:b.example web http://10.0.0.1");
    let one = Node::live(&server.url()).await;
    let (a, b) = (one.says("a.example"), one.says("b.example"));
    one.0.close().await;

    let two = Node::live_with(&server.url(), config("n2")).await;

    assert_eq!((two.says("a.example"), two.says("b.example")), (a, b));
    assert_eq!(two.revision(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_one_node_is_served_at_its_revision_by_the_other() {
    let server = Server::start();
    let (one, two) = (Node::live(&server.url()).await, Node::live_with(&server.url(), config("n2")).await);

    for expected in 1..=50 {
        let revision = one.publish(put(A1, Expected::Any)).await.unwrap();
        assert_eq!(revision, expected);
        let seen = |snapshot: &model::Snapshot| snapshot.revision().number() >= revision;
        let snapshot = two.until("the write", SEEN, seen).await;
        assert_eq!(crate::world::says(&snapshot, "a.example"), format!("web:10.0.0.1:80@{revision}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_names_foreign_writers_and_ours() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;

    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    node.sees("a.example", "web:10.0.0.1:80").await;
    server.run("RPUSH frontend:a.example http://10.0.0.2");
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;
    node.publish(remove("a.example", Expected::Present)).await.unwrap();

    let told = history(&node).await;
    assert_eq!(
        told,
        ["3 test a.example web*2 -", "2 redis a.example web*1 web*2", "1 redis a.example - web*1"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_change_that_was_not_seen_yet_is_a_conflict() {
    let user = [
        "--user",
        "blind",
        "on",
        ">pw",
        "~*",
        "&*",
        "+@all",
        "-client|tracking",
        "-subscribe",
        "-psubscribe",
    ];
    let server = Server::with(&user);
    let reconcile = std::time::Duration::from_secs(3600);
    let url = format!("redis://blind:pw@127.0.0.1:{}", server.port);
    let node = Node::live_with(&url, Config { reconcile, ..config("n1") }).await;
    let first = node.publish(put(A1, Expected::Absent)).await.unwrap();

    server.run("RPUSH frontend:a.example http://10.0.0.9");
    let at = Expected::At(model::Revision::new(first));
    let refused = node.publish(put(A1, at)).await.unwrap_err();

    let PublishError::Conflict { key: which, actual } = refused else { panic!("{refused}") };
    assert_eq!((which, actual.unwrap().number()), (key("a.example"), first + 1));
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.9:80").await;
    assert_eq!(node.revision(), first + 1);
    server.run("RPUSH frontend:b.example web http://10.0.0.9");
    let absent = put(&A1.replace("a.example", "b.example"), Expected::Absent);
    assert!(matches!(node.publish(absent).await, Err(PublishError::Conflict { .. })));
    let at = Expected::At(model::Revision::new(first + 1));
    assert!(node.publish(put(A1, at)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_counter_goes_on_above_what_any_node_knows() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    for _ in 0..10 {
        node.publish(put(A1, Expected::Any)).await.unwrap();
    }

    run(&mut server.client(), "DEL portico:revision portico:revisions portico:history");
    let revision = node.publish(put(A1, Expected::Any)).await.unwrap();
    assert!(revision > 10, "{revision}");

    server.run("FLUSHALL");
    node.sees("a.example", "-").await;
    let flushed = node.revision();
    assert!(flushed > revision, "{flushed}");
    let other = Node::live_with(&server.url(), config("n2")).await;
    let written = other.publish(put(A1, Expected::Absent)).await.unwrap();
    assert!(written > flushed, "{written} after {flushed}");
    node.sees("a.example", "web:10.0.0.1:80").await;
    assert_eq!(node.says("a.example"), other.says("a.example"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_keeps_its_limit() {
    let server = Server::start();
    let node = Node::live_with(&server.url(), Config { history: 5, ..config("n1") }).await;
    for _ in 0..8 {
        node.publish(put(A1, Expected::Any)).await.unwrap();
    }

    assert_eq!(text(&server.run("XLEN portico:history")), "5");
    assert_eq!(history(&node).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_tells_what_was_set_aside_from_what_was_removed() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    node.sees("a.example", "web:10.0.0.1:80").await;

    server.run("SET frontend:a.example x");
    node.sees("a.example", "-").await;
    server.run("DEL frontend:a.example");
    node.until("released", SEEN, |snapshot| snapshot.quarantine().len() == 0).await;

    let told = history(&node).await;
    assert_eq!(
        told,
        ["3 redis a.example - -", "2 redis a.example web*1 - (set aside)", "1 redis a.example - web*1"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_book_of_another_type_is_named_with_its_remedy_and_nothing_is_lost() {
    for book in ["portico:history", "portico:revisions", "portico:revision"] {
        let server = Server::start();
        let node = Node::live(&server.url()).await;
        node.publish(put(A1, Expected::Absent)).await.unwrap();
        server.run(&format!("DEL {book}"));
        server.run(&format!("SADD {book} x"));

        let other = put(&A1.replace("10.0.0.1", "10.0.0.2"), Expected::Any);
        let refused = node.publish(other.clone()).await.unwrap_err();

        assert!(matches!(refused, PublishError::Damaged(_)), "{book}: {refused}");
        let said = refused.to_string();
        assert!(said.contains(&format!("`DEL {book}`")) && !said.contains("script"), "{said}");
        let named = |snapshot: &model::Snapshot| snapshot.quarantined(book).is_some();
        node.until("named by verify", SEEN * 4, named).await;
        if book == "portico:history" {
            let query = HistoryQuery { limit: 1, ..HistoryQuery::default() };
            let unread = node.0.history(query).await.unwrap_err();
            assert!(matches!(unread, ReadError::Damaged(_)), "{unread}");
        }
        server.run("RPUSH frontend:b.example web http://10.0.0.9");
        node.sees("b.example", "web:10.0.0.9:80").await;
        assert!(node.says("a.example").starts_with("web:10.0.0.1:80@"), "{}", node.says("a.example"));

        server.run(&format!("DEL {book}"));
        node.state("writable", BACK, |state| !state.read_only).await;
        node.publish(other).await.unwrap();
        assert!(node.says("a.example").starts_with("web:10.0.0.2:80@"), "{}", node.says("a.example"));
        assert_eq!(node.now().quarantine().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_book_is_found_where_nobody_writes() {
    let server = Server::start();
    server.run("SET portico:history x");
    let before = Node::live(&server.url()).await;
    let named = |snapshot: &model::Snapshot| snapshot.quarantined("portico:history").is_some();
    before.until("found by the first listing", SEEN, named).await;
    server.run("DEL portico:history");
    before.until("mended", BACK, |snapshot| snapshot.quarantine().len() == 0).await;

    server.run("SET portico:history x");

    before.until("found while it follows", BACK, named).await;
}
