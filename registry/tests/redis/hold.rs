//! A view that suddenly lost most of a large table is held; small tables and what is removed by name follow at once.

use std::time::Duration;

use registry::{Config, Expected, Link, RegistryUrl};

use crate::server::{Server, run};
use crate::world::{BACK, Node, SEEN, config, put, says};

const FRONTENDS: usize = 60;
const NEW: &str = r#"{"host":"new.example","backend":"web","endpoints":["http://10.0.0.9"]}"#;
/// A user who is told of nothing.
const BLIND: [&str; 10] =
    ["--user", "blind", "on", ">pw", "~*", "&*", "+@all", "-client|tracking", "-subscribe", "-psubscribe"];

/// `h1.example` to `h{count}.example`.
fn fill(server: &Server, count: usize) {
    let script = "for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web', 'http://10.0.0.1:80') end";
    redis::cmd("EVAL").arg(script).arg(0).arg(count).exec(&mut server.client()).unwrap();
}

async fn filled(server: &Server, url: &str, count: usize, config: Config) -> Node {
    fill(server, count);
    let node = Node::live_with(url, config).await;
    node.until("all frontends", BACK, |snapshot| snapshot.len() == count).await;
    node
}

async fn holds(node: &Node, removes: usize) {
    let what = format!("{removes} are held");
    node.state(&what, BACK, |state| state.held.is_some_and(|held| held.removes == removes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_table_that_is_flushed_serves_on_until_an_operator_accepts_it() {
    let server = Server::start();
    let node = filled(&server, &server.url(), FRONTENDS, config("n1")).await;
    assert_eq!(node.0.accept().await, None);

    server.run("FLUSHDB");
    node.state("held", SEEN, |state| state.held.is_some_and(|held| held.removes == FRONTENDS)).await;
    assert_eq!(node.now().len(), FRONTENDS);
    let written = node.publish(put(NEW, Expected::Absent)).await.unwrap();
    assert_eq!(node.says("new.example"), format!("web:10.0.0.9:80@{written}"));

    let accepted = node.0.accept().await.unwrap();

    assert_eq!((accepted.removed, node.now().len()), (FRONTENDS, 1));
    assert!(accepted.revision.number() > written && node.revision() == accepted.revision.number());
    assert_eq!(node.says("new.example"), format!("web:10.0.0.9:80@{written}"));
    let next = node.publish(put(NEW, Expected::Any)).await.unwrap();
    assert!(next > accepted.revision.number());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_a_moment_before_a_flush_goes_by_the_flush_and_not_by_its_name() {
    let server = Server::start();
    let node = filled(&server, &server.url(), FRONTENDS, config("n1")).await;
    let mut client = server.client();
    for round in 0..20 {
        let mut both = redis::pipe();
        for i in 1..=FRONTENDS / 2 {
            let key = format!("frontend:h{i}.example");
            both.cmd("RPUSH").arg(key).arg(format!("http://10.0.{round}.2")).ignore();
        }

        both.cmd("FLUSHDB").exec(&mut client).unwrap();

        holds(&node, FRONTENDS).await;
        assert_eq!(node.now().len(), FRONTENDS);
        fill(&server, FRONTENDS);
        node.state("nothing is held", BACK, |state| state.held.is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_returns_empty_is_believed_after_the_time_that_is_set() {
    let hold = Duration::from_millis(300);
    let mut server = Server::start();
    let node = filled(&server, &server.url(), FRONTENDS, Config { hold, ..config("n1") }).await;

    server.kill();
    server.start_again();

    holds(&node, FRONTENDS).await;
    assert_eq!((node.now().len(), node.0.state().borrow().link.clone()), (FRONTENDS, Link::Live));
    node.until("nothing", BACK, |snapshot| snapshot.is_empty()).await;
    node.state("nothing is held", BACK, |state| state.held.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_restored_ends_the_hold_and_was_never_gone() {
    let mut server = Server::start();
    let node = filled(&server, &server.url(), FRONTENDS, config("n1")).await;
    server.kill();
    server.start_again();
    holds(&node, FRONTENDS).await;
    let mut snapshots = node.0.snapshots();
    snapshots.borrow_and_update();

    fill(&server, FRONTENDS - 1);
    holds(&node, 1).await;
    fill(&server, FRONTENDS);

    node.state("nothing is held", BACK, |state| state.held.is_none()).await;
    assert_eq!(node.now().len(), FRONTENDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_table_and_what_is_removed_by_name_follow_at_once() {
    let server = Server::start();
    let node = filled(&server, &server.url(), 49, config("n1")).await;
    server.run("FLUSHDB");
    node.until("nothing", SEEN, |snapshot| snapshot.is_empty()).await;

    fill(&server, FRONTENDS);
    node.until("all frontends", BACK, |snapshot| snapshot.len() == FRONTENDS).await;
    let mut client = server.client();
    for i in 1..=FRONTENDS {
        run(&mut client, &format!("DEL frontend:h{i}.example"));
    }
    node.until("nothing", SEEN, |snapshot| snapshot.is_empty()).await;

    fill(&server, FRONTENDS);
    node.until("all frontends", BACK, |snapshot| snapshot.len() == FRONTENDS).await;
    let script = "for _, key in ipairs(redis.call('KEYS', 'frontend:*')) do redis.call('DEL', key) end";
    redis::cmd("EVAL").arg(script).arg(0).exec(&mut client).unwrap();
    node.until("nothing", SEEN, |snapshot| snapshot.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_nobody_tells_of_is_held_too() {
    let server = Server::with(&BLIND);
    let url = format!("redis://blind:pw@127.0.0.1:{}", server.port);
    let reconcile = Duration::from_secs(1);
    let node = filled(&server, &url, 400, Config { reconcile, ..config("n1") }).await;

    server.run("FLUSHDB");

    holds(&node, 400).await;
    assert_eq!(node.now().len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_whose_writer_is_flushed_is_listed_again_and_held() {
    let primary = Server::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    fill(&primary, FRONTENDS);
    let url = RegistryUrl::parse_pair(&replica.url(), &primary.url()).unwrap();
    let node = Node(registry::open(&url, config("n1")).await.unwrap());
    node.until("all frontends", BACK, |snapshot| snapshot.len() == FRONTENDS).await;

    primary.run("FLUSHALL");

    holds(&node, FRONTENDS).await;
    primary.run("RPUSH frontend:new.example web http://10.0.0.9");
    node.until("the new one", BACK, |snapshot| says(snapshot, "new.example") != "-").await;
    assert_eq!(node.now().len(), FRONTENDS + 1);
}
