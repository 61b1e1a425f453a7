//! Nodes that share a store: each hears what the others say of themselves, and that they are gone.

use std::sync::Arc;
use std::time::Duration;

use model::{DnsReport, NodeId, Nodes, Others, Report, Revision};
use tokio::sync::watch;

use registry::{Config, Expected};

use crate::server::{Server, text};
use crate::world::{BACK, Node, SEEN, config, put};

/// What a node `b` writes that serves 0 by DNS and has a lease of 3 s.
const WORD: &str = r#"{"node":"b","db":0,"at_ms":1,"process":7,"said_us":1,"lease_ms":3000,"kept_ms":3600000,"dns":{"serving":0}}"#;

/// A node that compares itself with the store all the time.
fn restless(name: &str) -> Config {
    Config { reconcile: Duration::from_millis(300), ..config(name) }
}

fn lost(nodes: &Nodes, name: &str) -> bool {
    nodes.by_name.get(&NodeId(name.into())).is_some_and(|node| node.lost)
}

fn report(serving: u64) -> Arc<Report> {
    let dns = DnsReport { serving: Revision::new(serving), ..DnsReport::default() };
    Arc::new(Report { dns: Some(dns), ..Report::default() })
}

/// A node that says something of itself.
async fn speaking(url: &str, name: &str) -> (Node, watch::Sender<Arc<Report>>) {
    speaking_as(url, config(name)).await
}

async fn speaking_as(url: &str, config: Config) -> (Node, watch::Sender<Arc<Report>>) {
    let node = Node::live_with(url, config).await;
    let (tell, told) = watch::channel(report(0));
    node.0.report(told);
    (node, tell)
}

async fn until(node: &Node, what: &str, within: std::time::Duration, is: impl Fn(&Nodes) -> bool) {
    let mut nodes = node.0.nodes();
    let seen = tokio::time::timeout(within, nodes.wait_for(|nodes| is(nodes))).await;
    assert!(seen.is_ok(), "{what}: {:?}", node.0.nodes().borrow());
}

fn serves(nodes: &Nodes, name: &str, serving: u64) -> bool {
    let node = nodes.by_name.get(&NodeId(name.into()));
    let dns = |node: &model::Node| node.report.dns.map(|dns| dns.serving);
    node.is_some_and(|node| !node.lost && dns(node) == Some(Revision::new(serving)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_says_is_heard_at_once_and_that_it_is_gone_as_well() {
    let server = Server::start();
    let (one, _one) = speaking(&server.url(), "n1").await;
    let (two, tell) = speaking(&server.url(), "n2").await;
    let (elsewhere, _elsewhere) = speaking(&format!("{}/2", server.url()), "n3").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;
    until(&elsewhere, "it has looked", BACK, |nodes| nodes.others == Others::Heard).await;

    for serving in 1..20 {
        tell.send_replace(report(serving));
        until(&one, "it is heard", SEEN, |nodes| serves(nodes, "n2", serving)).await;
    }
    two.0.clone().close().await;

    until(&one, "it is gone", SEEN, |nodes| nodes.by_name.len() == 1).await;
    assert_eq!(elsewhere.0.nodes().borrow().by_name.len(), 1, "another database is another fleet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_channels_are_forbidden_nodes_are_found_by_looking() {
    let server = Server::start();
    server.run("ACL SETUSER default resetchannels &dead &portico:changes");
    let (one, _one) = speaking(&server.url(), "n1").await;
    let (two, tell) = speaking(&server.url(), "n2").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;

    tell.send_replace(report(7));

    until(&one, "it is seen", BACK, |nodes| serves(nodes, "n2", 7)).await;
    two.0.clone().close().await;
    until(&one, "it is gone", BACK, |nodes| nodes.by_name.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_where_nodes_speak_is_passed_over() {
    let server = Server::start();
    server.run("ZADD portico:nodes 1 a 2 b 3 c");
    server.run("SET portico:node:a nonsense");
    server.run("RPUSH portico:node:b x");
    let (one, _one) = speaking(&server.url(), "n1").await;
    let (_two, tell) = speaking(&server.url(), "n2").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;

    for junk in ["x", "{}", "[1]", r#"{"node":"","db":0,"at_ms":0,"lease_ms":0,"kept_ms":0}"#] {
        server.run(&format!("PUBLISH portico:nodes {junk}"));
    }
    tell.send_replace(report(7));
    until(&one, "it is heard", SEEN, |nodes| serves(nodes, "n2", 7)).await;

    assert_eq!(one.0.nodes().borrow().by_name.len(), 2);
    server.run("SET portico:nodes x");
    tell.send_replace(report(8));
    until(&one, "it is heard though there is no index", SEEN, |nodes| serves(nodes, "n2", 8)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_the_store_does_not_name_is_lost_when_its_lease_ends_and_not_gone() {
    let server = Server::start();
    let (one, _one) = speaking_as(&server.url(), restless("n1")).await;
    until(&one, "it has looked", BACK, |nodes| nodes.others == Others::Heard).await;

    // The store takes its message alone.
    server.run(&format!("PUBLISH portico:nodes {WORD}"));
    until(&one, "it is heard", SEEN, |nodes| serves(nodes, "b", 0)).await;
    until(&one, "it is lost", BACK, |nodes| lost(nodes, "b")).await;

    // The store takes all, and then loses all.
    server.run(&format!("SET portico:node:b {WORD} PX 3600000"));
    server.run("ZADD portico:nodes 1 b");
    server.run(&format!("PUBLISH portico:nodes {WORD}"));
    until(&one, "it is back", SEEN, |nodes| serves(nodes, "b", 0)).await;
    server.run("FLUSHALL");
    until(&one, "it is lost again", BACK, |nodes| lost(nodes, "b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_be_read_takes_no_node_away() {
    let server = Server::start();
    let (one, tell) = speaking_as(&server.url(), restless("n1")).await;
    let (_two, _tell) = speaking(&server.url(), "n2").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;
    server.run("SET portico:nodes x");
    server.run(&format!("PUBLISH portico:nodes {WORD}"));

    until(&one, "it is lost", BACK, |nodes| {
        assert!(nodes.by_name.len() >= 2, "{nodes:?}");
        lost(nodes, "b")
    })
    .await;

    assert!(serves(&one.0.nodes().borrow(), "n2", 0));
    drop(tell);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_store_is_full_others_are_not_heard_of_and_nobody_is_forgotten() {
    let server = Server::start();
    let (one, _one) = speaking(&server.url(), "n1").await;
    server.run(&format!("PUBLISH portico:nodes {WORD}"));
    let (_two, _tell) = speaking(&server.url(), "n2").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;

    let fact = put(r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#, Expected::Any);
    one.publish(fact).await.unwrap();
    server.run("CONFIG SET maxmemory 1");
    // A full store takes this, but no number for it.
    server.run("DEL frontend:a.example");
    until(&one, "nobody is heard of", BACK, |nodes| nodes.others == Others::Away).await;
    assert!(serves(&one.0.nodes().borrow(), "n2", 0));
    server.run("CONFIG SET maxmemory 0");

    until(&one, "others are heard of", BACK, |nodes| nodes.others == Others::Heard).await;
    assert!(serves(&one.0.nodes().borrow(), "n2", 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_says_what_it_is_before_it_has_listed_the_store() {
    let server = Server::start();
    server.run("ACL SETUSER default -scan");

    let node = Node::open(&server.url(), config("n7")).await;
    let (_tell, told) = watch::channel(report(0));
    node.0.report(told);

    let began = std::time::Instant::now();
    while !text(&server.run("GET portico:node:n7")).contains("\"dns\":{\"serving\":0,") {
        assert!(began.elapsed() < BACK, "it says nothing");
        tokio::task::yield_now().await;
    }
    assert_ne!(node.0.state().borrow().link, registry::Link::Live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_no_node_has_are_taken_out_of_the_index_and_hide_nobody() {
    let server = Server::start();
    server.run("ACL SETUSER default resetchannels &dead &portico:changes");
    let junk: String = (0..1000).map(|n| format!(" 9000000000000000 junk{n}")).collect();
    server.run(&format!("ZADD portico:nodes{junk} 5 ended 6 {}", "x".repeat(300)));
    let (one, _one) = speaking(&server.url(), "n1").await;
    let (_two, tell) = speaking(&server.url(), "n2").await;
    until(&one, "it is there", BACK, |nodes| serves(nodes, "n2", 0)).await;

    tell.send_replace(report(7));

    until(&one, "it is seen", BACK, |nodes| serves(nodes, "n2", 7)).await;
    let names = crate::server::texts(&server.run("ZRANGE portico:nodes 0 -1"));
    assert_eq!(names.len(), 2, "{names:?}");
}
