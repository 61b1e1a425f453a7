//! Changes by anyone are seen, whatever Redis offers to tell of them.

use std::time::Duration;

use registry::{Config, Link};

use crate::server::{Server, run, text};
use crate::world::{BACK, Node, SEEN, config, says};

/// A user who may do all but be told of changes by client tracking.
const NO_TRACKING: [&str; 8] = ["--user", "untracked", "on", ">pw", "~*", "&*", "+@all", "-client|tracking"];
/// A user who is told of nothing.
const BLIND: [&str; 10] =
    ["--user", "blind", "on", ">pw", "~*", "&*", "+@all", "-client|tracking", "-subscribe", "-psubscribe"];

fn untracked(server: &Server) -> String {
    format!("redis://untracked:pw@127.0.0.1:{}", server.port)
}

fn blind(server: &Server) -> String {
    format!("redis://blind:pw@127.0.0.1:{}", server.port)
}

/// Every way in which foreign clients change what is routed.
async fn foreign_changes_are_seen(server: &Server, node: &Node) {
    server.run("RPUSH frontend:www.example.com web http://10.0.0.1:80");
    node.sees("www.example.com", "web:10.0.0.1:80").await;
    server.run("RPUSH frontend:www.example.com http://10.0.0.2:80");
    node.sees("www.example.com", "web:10.0.0.1:80,10.0.0.2:80").await;
    server.run("LREM frontend:www.example.com 0 http://10.0.0.1:80");
    node.sees("www.example.com", "web:10.0.0.2:80").await;
    server.run("RENAME frontend:www.example.com frontend:*.example.org");
    node.sees("*.example.org", "web:10.0.0.2:80").await;
    node.sees("www.example.com", "-").await;
    server.run("PEXPIRE frontend:*.example.org 50");
    node.sees("*.example.org", "-").await;
    server.run(
        "SET portico:frontend:a.example/x '{'host':'a.example','path':'/x','backend':'b','endpoints':[]}'",
    );
    node.sees("a.example/x", "b:").await;
    server.run("DEL portico:frontend:a.example/x");
    node.sees("a.example/x", "-").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_changes_are_seen_by_client_tracking() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    assert_eq!(node.0.state().borrow().follows_by, "client tracking");

    foreign_changes_are_seen(&server, &node).await;

    server.run("RPUSH frontend:c.example web http://10.0.0.3");
    node.sees("c.example", "web:10.0.0.3:80").await;
    let before = node.revision();
    server.run("FLUSHDB");
    node.sees("c.example", "-").await;
    assert!(node.revision() > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_changes_are_seen_by_keyspace_events() {
    let server = Server::with(&[&["--notify-keyspace-events", "KA"], &NO_TRACKING[..]].concat());
    let node = Node::live(&untracked(&server)).await;
    assert_eq!(node.0.state().borrow().follows_by, "keyspace events");

    foreign_changes_are_seen(&server, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_changes_are_seen_by_reconciling_alone() {
    let server = Server::with(&BLIND);
    let reconcile = Duration::from_millis(200);
    let node = Node::live_with(&blind(&server), Config { reconcile, ..config("n1") }).await;
    assert_eq!(node.0.state().borrow().follows_by, "reconcile only");

    foreign_changes_are_seen(&server, &node).await;

    server.run("RPUSH frontend:c.example web http://10.0.0.3");
    node.sees("c.example", "web:10.0.0.3:80").await;
    server.run("FLUSHDB");
    node.sees("c.example", "-").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_local_revisions_hears_of_what_another_numbered_lower() {
    let reader = [
        "--user",
        "reader",
        "on",
        ">pw",
        "~*",
        "&*",
        "+@read",
        "+@connection",
        "+@pubsub",
        "+dbsize",
        "-client|tracking",
        "-psubscribe",
    ];
    let server = Server::with(&reader);
    // So many that comparing does not come to the last within the time.
    let fill = "for i = 1, 3000 do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web', 'http://10.0.0.1:80') end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut server.client()).unwrap();
    server.run("RPUSH frontend:z.example web http://10.0.0.1:80");
    let url = format!("redis://reader:pw@127.0.0.1:{}", server.port);
    let reconcile = Duration::from_secs(3600);
    let node = Node::live_with(&url, Config { reconcile, ..config("n1") }).await;
    assert_eq!(node.0.state().borrow().follows_by, "reconcile only");
    assert_eq!(node.says("z.example"), "web:10.0.0.1:80@3001");

    server.run("RPUSH frontend:z.example http://10.0.0.2:80");
    let numbered = "{'revision':7,'who':'redis','keys':['frontend:z.example'],'node':'n2'}";
    server.run(&format!("PUBLISH portico:changes '{numbered}'"));

    node.sees("z.example", "web:10.0.0.1:80,10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_knows_no_resp3_is_followed_by_keyspace_events() {
    let password = ["--rename-command", "HELLO", "", "--requirepass", "pw"];
    let server = Server::with(&[&password[..], &["--notify-keyspace-events", "KA"]].concat());
    let node = Node::live(&format!("redis://:pw@127.0.0.1:{}", server.port)).await;
    assert_eq!(node.0.state().borrow().follows_by, "keyspace events");

    let mut client = server.client_at(":pw@");
    run(&mut client, "RPUSH frontend:www.example.com web http://10.0.0.1:80");
    node.sees("www.example.com", "web:10.0.0.1:80").await;
    run(&mut client, "DEL frontend:www.example.com");
    node.sees("www.example.com", "-").await;

    // The connection that listens is lost: so is the store, until there is a new one.
    run(&mut client, "CLIENT KILL TYPE pubsub");
    node.state("lost", SEEN, |state| state.link != Link::Live).await;
    node.state("live", BACK, |state| state.link == Link::Live).await;
    run(&mut client, "RPUSH frontend:www.example.com web http://10.0.0.2:80");
    node.sees("www.example.com", "web:10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_knows_no_resp3_and_tells_nothing_is_reconciled_with() {
    let server = Server::with(&["--rename-command", "HELLO", ""]);
    let reconcile = Duration::from_millis(200);
    let node = Node::live_with(&server.url(), Config { reconcile, ..config("n1") }).await;
    assert_eq!(node.0.state().borrow().follows_by, "reconcile only");

    foreign_changes_are_seen(&server, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keyspace_events_hide_is_found_by_reconciling() {
    let server = Server::with(&[&["--notify-keyspace-events", "KA"], &NO_TRACKING[..]].concat());
    let reconcile = Duration::from_millis(200);
    let node = Node::live_with(&untracked(&server), Config { reconcile, ..config("n1") }).await;
    server.run("RPUSH frontend:c.example web http://10.0.0.3");
    node.sees("c.example", "web:10.0.0.3:80").await;

    // Redis sends no keyspace event for it.
    server.run("FLUSHDB");

    node.sees("c.example", "-").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_of_redis_is_changed_only_when_told() {
    let server = Server::with(&NO_TRACKING);
    let flags = || crate::server::texts(&server.run("CONFIG GET notify-keyspace-events")).concat();

    let node = Node::live(&untracked(&server)).await;
    assert_eq!(node.0.state().borrow().follows_by, "reconcile only");
    assert_eq!(flags(), "notify-keyspace-events");

    let told = Config { configure_keyspace_events: true, ..config("n2") };
    let node = Node::live_with(&untracked(&server), told).await;
    assert_eq!(node.0.state().borrow().follows_by, "keyspace events");
    assert!(flags().contains('K'));
    foreign_changes_are_seen(&server, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_end_is_put_off_stays() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("PEXPIRE frontend:a.example 100000");
    node.sees("a.example", "web:10.0.0.1:80").await;
    server.run("PERSIST frontend:a.example");
    server.run("PEXPIRE frontend:a.example 200000");
    server.run("RPUSH frontend:b.example web http://10.0.0.1");
    node.sees("b.example", "web:10.0.0.1:80").await;
    assert_eq!(node.says("a.example"), "web:10.0.0.1:80@1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_changes_at_once_are_all_seen_and_the_next_one_soon() {
    let server = Server::start();
    let at_once = Config { hold: Duration::ZERO, ..config("n1") };
    let node = Node::live_with(&server.url(), at_once).await;

    let mut client = server.client();
    let fill = "for i = 1, 10000 do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web', 'http://10.0.0.1:80') end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut client).unwrap();
    let within = Duration::from_secs(30);
    let snapshot = node.until("10,000 frontends", within, |snapshot| snapshot.len() == 10_000).await;
    assert_eq!(says(&snapshot, "h10000.example").split('@').next(), Some("web:10.0.0.1:80"));

    server.run("RPUSH frontend:h77.example http://10.0.0.2:80");
    node.sees("h77.example", "web:10.0.0.1:80,10.0.0.2:80").await;
    let revision = text(&run(&mut client, "GET portico:revision"));
    node.until("the counter", SEEN, |snapshot| snapshot.revision().to_string() == revision).await;
    server.run("FLUSHDB");
    node.until("nothing", SEEN, |snapshot| snapshot.is_empty()).await;
}
