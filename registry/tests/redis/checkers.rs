//! hipache-hchecker's conventions, in both directions: its sign of life, its marks, and what proxies leave to it.

use std::sync::Arc;
use std::time::Duration;

use model::{Address, HealthReport, HealthVerdict, ProxyReport, Report};
use redis::Value;
use tokio::sync::watch;

use crate::server::{Server, text, texts};
use crate::world::{BACK, Node, key};

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The report of a node that checks so many endpoints.
fn checks(checked: u64) -> Report {
    let proxy = ProxyReport { checked, ..ProxyReport::default() };
    Report { proxy: Some(Arc::new(proxy)), ..Report::default() }
}

/// A node whose proxy checks endpoints.
async fn checking(server: &Server) -> (Node, watch::Sender<Arc<Report>>) {
    let node = Node::live(&server.url()).await;
    let (report, reports) = watch::channel(Arc::new(checks(2)));
    node.0.report(reports);
    (node, report)
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + BACK;
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

fn said(verdict: HealthVerdict) -> HealthReport {
    HealthReport {
        host: "a.example".into(),
        frontend: key("a.example"),
        address: Address::parse_url("http://10.0.0.2").unwrap(),
        verdict,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_checks_says_so_and_does_not_believe_itself() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2");
    let (node, _report) = checking(&server).await;
    until("the ping is written", || server.run("EXISTS hchecker_ping") == Value::Int(1)).await;

    let ping: u64 = text(&server.run("GET hchecker_ping")).parse().unwrap();
    assert!(unix_seconds() - ping < 10, "{ping}");
    let other = Node::live(&server.url()).await;
    assert!(!node.0.marks().borrow().active_checker && !other.0.marks().borrow().active_checker);

    // Its requests' finds are marked as ever.
    let passive = said(HealthVerdict::Dead { ttl_seconds: 30 });
    node.0.health_reports().send(passive).await.unwrap();
    node.sees_marks("a.example", "10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_checker_that_lives_is_believed_and_not_spoken_over() {
    let server = Server::start();
    let foreign = unix_seconds() + 3;
    server.run(&format!("SET hchecker_ping {}", foreign - 100));
    let (node, _report) = checking(&server).await;
    until("ours takes the place of one that is dead", || {
        text(&server.run("GET hchecker_ping")) == text(&server.run("GET portico:hchecker_ping"))
    })
    .await;

    server.run(&format!("SET hchecker_ping {foreign}"));

    node.marks("the foreign one is believed", BACK, |marks| marks.active_checker).await;
    assert_eq!(text(&server.run("GET hchecker_ping")), foreign.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_its_check_is_marked_and_taken_back_as_hchecker_does() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2/x http://10.0.0.2:80");
    let (node, _report) = checking(&server).await;
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.set_read_timeout(Some(BACK)).unwrap();
    listener.subscribe("dead").unwrap();
    let reports = node.0.health_reports();

    reports.send(said(HealthVerdict::CheckFailed { ttl_seconds: 60, again: false })).await.unwrap();

    let told: Vec<String> = (0..2).map(|_| listener.get_message().unwrap().get_payload().unwrap()).collect();
    assert_eq!(told, ["a.example;http://10.0.0.2/x;1;3", "a.example;http://10.0.0.2:80/;2;3"]);
    node.sees_marks("a.example", "10.0.0.2:80").await;
    assert_eq!(texts(&server.run("SMEMBERS dead:a.example")), ["1", "2"]);
    let ttl: u64 = text(&server.run("TTL dead:a.example")).parse().unwrap();
    assert!((55..=60).contains(&ttl), "{ttl}");

    server.run("DEL dead:a.example");
    reports.send(said(HealthVerdict::CheckFailed { ttl_seconds: 60, again: true })).await.unwrap();
    until("marked again", || server.run("SCARD dead:a.example") == Value::Int(2)).await;
    server.run("SADD dead:a.example 0");
    reports.send(said(HealthVerdict::CheckPassed)).await.unwrap();
    node.sees_marks("a.example", "10.0.0.1:80").await;
    listener.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(listener.get_message().is_err(), "what is said again is not announced again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hipaches_nodes_leave_to_the_checker_is_marked() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2");
    server.run("RPUSH frontend:alone.example web http://10.0.0.1");
    let node = Node::live(&server.url()).await;
    server.run("PUBLISH dead a.example;http://10.0.0.1/;0;2");
    server.run("RPUSH frontend:later.example web http://10.0.0.1");
    node.sees("later.example", "web:10.0.0.1:80").await;
    assert_eq!(server.run("EXISTS dead:a.example"), Value::Int(0), "without a ping hipache marks itself");
    let (report, reports) = watch::channel(Arc::new(checks(1)));
    node.0.report(reports);
    until("the ping is written", || server.run("EXISTS hchecker_ping") == Value::Int(1)).await;

    until("it is marked", || {
        server.run("PUBLISH dead a.example;http://10.0.0.2/;1;2");
        server.run("PUBLISH dead alone.example;http://10.0.0.1/;0;1");
        server.run("EXISTS dead:a.example") == Value::Int(1)
    })
    .await;

    assert_eq!(texts(&server.run("SMEMBERS dead:a.example")), ["1"]);
    let ttl: u64 = text(&server.run("TTL dead:a.example")).parse().unwrap();
    assert!((25..=30).contains(&ttl), "{ttl}");
    assert_eq!(server.run("EXISTS dead:alone.example"), Value::Int(0), "hchecker leaves those alone, too");
    drop(report);
}
