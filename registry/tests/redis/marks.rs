//! hipache's dead marks: read as addresses, written by number.

use std::time::Duration;

use model::{Address, HealthReport, HealthVerdict};
use redis::Value;

use crate::server::{Server, run, text, texts};
use crate::world::{BACK, Node, SEEN, key};

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn report(host: &str, frontend: &str, url: &str) -> HealthReport {
    HealthReport {
        host: host.into(),
        frontend: key(frontend),
        address: Address::parse_url(url).unwrap(),
        verdict: HealthVerdict::Dead { ttl_seconds: 30 },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_others_are_addresses_and_end_with_their_ttl() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 junk http://10.0.0.3");
    server.run("SADD dead:a.example 0");
    let node = Node::live(&server.url()).await;

    node.sees_marks("a.example", "10.0.0.1:80").await;
    server.run("SADD dead:a.example 2 1 99 x");
    node.sees_marks("a.example", "10.0.0.1:80 10.0.0.3:80").await;
    server.run("SREM dead:a.example 0");
    node.sees_marks("a.example", "10.0.0.3:80").await;
    server.run("PEXPIRE dead:a.example 50");
    node.sees_marks("a.example", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reordered_list_keeps_the_mark_on_its_address() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2 http://10.0.0.3");
    server.run("SADD dead:a.example 1");
    node.sees_marks("a.example", "10.0.0.2:80").await;

    server.run("LREM frontend:a.example 1 http://10.0.0.1");
    server.run("SADD dead:a.example 0");
    node.sees("a.example", "web:10.0.0.2:80,10.0.0.3:80").await;
    server.run("EXPIRE dead:a.example 100");
    server.run("SADD dead:b.example 0");

    node.sees_marks("a.example", "10.0.0.2:80").await;
    server.run("SADD dead:a.example 2");
    assert_eq!(crate::world::dead(&node.0.marks().borrow(), "a.example"), "10.0.0.2:80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announced_mark_means_the_announced_address() {
    let server = Server::start();
    let node = Node::live(&server.url()).await;
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2");
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;

    // hipache chose from the list as it was a moment ago.
    let mut mark = redis::pipe();
    mark.atomic();
    mark.cmd("SADD").arg("dead:a.example").arg(1);
    mark.cmd("EXPIRE").arg("dead:a.example").arg(30);
    mark.cmd("LPUSH").arg("frontend:a.example").arg("web").arg("http://10.0.0.9");
    mark.cmd("PUBLISH").arg("dead").arg("a.example;http://10.0.0.2:80/;1;2");
    mark.exec(&mut server.client()).unwrap();

    node.sees_marks("a.example", "10.0.0.2:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_endpoint_is_marked_as_hipache_marks_it() {
    let server = Server::start();
    server.run("RPUSH frontend:*.example web http://10.0.0.1 http://10.0.0.2/x http://10.0.0.1:80/");
    let node = Node::live(&server.url()).await;
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.set_read_timeout(Some(BACK)).unwrap();
    listener.subscribe("dead").unwrap();

    node.0.health_reports().send(report("a.example", "*.example", "http://10.0.0.1")).await.unwrap();
    let said: Vec<String> = (0..2).map(|_| listener.get_message().unwrap().get_payload().unwrap()).collect();
    assert_eq!(said, ["a.example;http://10.0.0.1/;0;3", "a.example;http://10.0.0.1:80/;2;3"]);
    assert_eq!(texts(&server.run("SMEMBERS dead:a.example")), ["0", "2"]);
    let ttl: u64 = text(&server.run("TTL dead:a.example")).parse().unwrap();
    assert!((29..=30).contains(&ttl), "{ttl}");
    node.sees_marks("a.example", "10.0.0.1:80").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_active_checker_runs_marks_are_announced_and_not_written() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2");
    server.run(&format!("SET hchecker_ping {}", unix_seconds()));
    let node = Node::live(&server.url()).await;
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.set_read_timeout(Some(BACK)).unwrap();
    listener.subscribe("dead").unwrap();
    node.marks("an active checker", SEEN, |marks| marks.active_checker).await;

    node.0.health_reports().send(report("a.example", "a.example", "http://10.0.0.2")).await.unwrap();

    let said: String = listener.get_message().unwrap().get_payload().unwrap();
    assert_eq!(said, "a.example;http://10.0.0.2/;1;2");
    assert_eq!(server.run("EXISTS dead:a.example"), Value::Int(0));
    server.run("DEL hchecker_ping");
    node.marks("no active checker", Duration::from_secs(20), |marks| !marks.active_checker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_marked_for_a_frontend_without_places() {
    let server = Server::start();
    server.run("SET portico:frontend:a.example '{'host':'a.example','endpoints':['http://10.0.0.1']}'");
    server.run("RPUSH frontend:b.example web http://10.0.0.2 http://10.0.0.3");
    let node = Node::live(&server.url()).await;

    let reports = node.0.health_reports();
    reports.send(report("a.example", "a.example", "http://10.0.0.1")).await.unwrap();
    reports.send(report("b.example", "b.example", "http://10.0.0.9")).await.unwrap();
    reports.send(report("b.example", "b.example", "http://10.0.0.2")).await.unwrap();

    node.sees_marks("b.example", "10.0.0.2:80").await;
    assert_eq!(texts(&run(&mut server.client(), "KEYS dead:*")), ["dead:b.example"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_that_can_be_used_is_announced_and_not_marked() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 junk http://10.0.0.2");
    server.run("SADD dead:a.example 0");
    server.run("EXPIRE dead:a.example 10");
    let node = Node::live(&server.url()).await;
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.set_read_timeout(Some(BACK)).unwrap();
    listener.subscribe("dead").unwrap();
    node.sees_marks("a.example", "10.0.0.1:80").await;

    node.0.health_reports().send(report("a.example", "a.example", "http://10.0.0.2")).await.unwrap();

    let said: String = listener.get_message().unwrap().get_payload().unwrap();
    assert_eq!(said, "a.example;http://10.0.0.2/;2;3");
    assert_eq!(texts(&server.run("SMEMBERS dead:a.example")), ["0"]);
    let ttl: u64 = text(&server.run("TTL dead:a.example")).parse().unwrap();
    assert!(ttl <= 10, "the other mark is not renewed: {ttl}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_nodes_mark_at_once_they_never_mark_a_whole_list() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1 http://10.0.0.2 http://10.0.0.3");
    let [one, two] = [Node::live(&server.url()).await, Node::live(&server.url()).await];
    let mut client = server.client();
    let mut listener = client.as_pubsub();
    listener.set_read_timeout(Some(BACK)).unwrap();
    listener.subscribe("dead").unwrap();

    for round in 0..40 {
        // Each node spares another one, as far as it knows.
        let markers = [(&one, [0, 1]), (&two, [2, round % 2])];
        let mut sending = tokio::task::JoinSet::new();
        for (reports, endpoint) in markers
            .iter()
            .flat_map(|(node, places)| places.iter().map(|place| (node.0.health_reports(), *place)))
        {
            let report = report("a.example", "a.example", &format!("http://10.0.0.{}", endpoint + 1));
            sending.spawn(async move { reports.send(report).await.unwrap() });
        }
        sending.join_all().await;
        (0..4).for_each(|_| drop(listener.get_message().unwrap()));

        let marked = texts(&server.run("SMEMBERS dead:a.example"));
        assert_eq!(marked.len(), 2, "round {round}: {marked:?}");
        server.run("DEL dead:a.example");
    }
}
