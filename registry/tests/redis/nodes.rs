//! Nodes that share a store: each hears what the others say of themselves, and that they are gone.

use std::sync::Arc;

use model::{NodeId, Nodes, Others, Report, Revision};
use tokio::sync::watch;

use crate::server::Server;
use crate::world::{BACK, Node, SEEN, config};

fn report(serving: u64) -> Arc<Report> {
    Arc::new(Report { dns: Some(Revision::new(serving)), ..Report::default() })
}

/// A node that says something of itself.
async fn speaking(url: &str, name: &str) -> (Node, watch::Sender<Arc<Report>>) {
    let node = Node::live_with(url, config(name)).await;
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
    node.is_some_and(|node| !node.lost && node.report.dns == Some(Revision::new(serving)))
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
