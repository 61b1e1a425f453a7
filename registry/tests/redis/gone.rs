//! Redis gone: at start, in flight, hung, restarted empty. What was served stays served, and what returns is listed and compared.

use std::time::{Duration, Instant};

use registry::{Config, Expected, Link, PublishError};

use crate::server::Server;
use crate::world::{BACK, Node, SEEN, config, put};

const A1: &str = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;

fn lost(state: &registry::State) -> bool {
    matches!(state.link, Link::Lost { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_the_snapshot_and_an_empty_one_takes_its_place() {
    let mut server = Server::start();
    let node = Node::live(&server.url()).await;
    node.publish(put(A1, Expected::Absent)).await.unwrap();
    let before = node.revision();

    server.kill();
    node.state("lost", SEEN, lost).await;
    assert_eq!(node.says("a.example"), "web:10.0.0.1:80@1");
    let refused = node.publish(put(A1, Expected::Any)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Unavailable(_)), "{refused}");

    server.start_again();
    let returned = Instant::now();
    node.state("live", BACK, |state| state.link == Link::Live).await;
    node.until("nothing", BACK, |snapshot| snapshot.is_empty()).await;
    assert!(returned.elapsed() < BACK);
    assert!(node.revision() > before);
    let written = node.publish(put(A1, Expected::Absent)).await.unwrap();
    assert!(written > before + 1, "{written} after {before}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_is_noticed_by_its_silence_and_back_when_it_wakes() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    node.publish(put(A1, Expected::Absent)).await.unwrap();

    server.hang();
    node.state("lost", Duration::from_secs(5), lost).await;
    assert_eq!(node.says("a.example"), "web:10.0.0.1:80@1");
    let refused = node.publish(put(A1, Expected::Any)).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))));

    server.wake();
    node.state("live", BACK, |state| state.link == Link::Live).await;
    assert_eq!(node.revision(), 1, "nothing changed, so nothing is new");
    server.run("RPUSH frontend:a.example http://10.0.0.2");
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_at_start_is_followed_when_it_comes() {
    let mut server = Server::start();
    server.kill();
    let node = Node::open(&server.url(), config("n1")).await;
    node.state("lost", BACK, lost).await;
    assert!(!node.0.state().borrow().ready);

    server.start_again();
    server.run("RPUSH frontend:a.example web http://10.0.0.1");

    node.state("live", BACK, |state| state.link == Link::Live && state.ready).await;
    node.sees("a.example", "web:10.0.0.1:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_known_good_serves_over_a_restart_of_ours_while_the_server_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = || Config { cache_file: Some(folder.path().join("last-known-good.json")), ..config("n1") };
    let mut server = Server::start();
    let node = Node::live_with(&server.url(), keeping()).await;
    for _ in 0..5 {
        node.publish(put(A1, Expected::Any)).await.unwrap();
    }
    node.0.close().await;
    server.kill();

    let node = Node::open(&server.url(), keeping()).await;
    assert_eq!(node.says("a.example"), "web:10.0.0.1:80@5");
    assert!(node.0.state().borrow().from_cache);

    server.start_again();
    node.until("nothing", BACK, |snapshot| snapshot.is_empty()).await;
    assert!(node.revision() > 5);
    node.state("live", SEEN, |state| !state.from_cache && state.link == Link::Live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_the_link_was_down_is_compared_and_swapped() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1");
    server.run("RPUSH frontend:b.example web http://10.0.0.1");
    node.sees("b.example", "web:10.0.0.1:80").await;

    let script = "redis.call('DEL', 'frontend:a.example') redis.call('RPUSH', 'frontend:c.example', 'web')";
    let mut client = server.client();
    redis::pipe()
        .cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("pubsub")
        .cmd("EVAL")
        .arg(script)
        .arg(0)
        .exec(&mut client)
        .unwrap();

    node.until("the swap", BACK, |snapshot| {
        crate::world::says(snapshot, "a.example") == "-" && crate::world::says(snapshot, "c.example") != "-"
    })
    .await;
    assert_eq!(node.says("b.example").split('@').next(), Some("web:10.0.0.1:80"));
}
