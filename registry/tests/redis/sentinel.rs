//! Sentinels: a failover is followed, and an older view never wins.

use std::time::{Duration, Instant};

use registry::{Config, Expected, Link};

use crate::server::{Server, run, text, texts};
use crate::world::{BACK, Node, config, put, says};

const A1: &str = r#"{"host":"a.example","backend":"web","endpoints":["http://10.0.0.1"]}"#;
/// How long sentinels may take to know each other, or to have failed over.
const ELECTED: Duration = Duration::from_secs(60);

/// A master, a replica of it, and three sentinels.
struct Five {
    master: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Five {
    fn start() -> Self {
        let quick = ["--repl-diskless-sync-delay", "0", "--repl-timeout", "5"];
        // Replication has a user of its own, so that it can be cut off.
        let user = ["--user", "copy", "on", ">pw", "+psync", "+replconf", "+ping"];
        // On a busy machine the sentinels may find the new master dead, too: it must not go back to the first.
        let master = Server::with(&[&quick[..], &user, &["--replica-priority", "0"]].concat());
        let port = master.port.to_string();
        let of = ["--replicaof", "127.0.0.1", &port, "--masteruser", "copy", "--masterauth", "pw"];
        let replica = Server::with(&[&quick[..], &of].concat());
        let sentinels = (0..3).map(|_| Server::sentinel(master.port)).collect();
        let five = Self { master, replica, sentinels };
        five.wait("the sentinels know all", |five| {
            let known = |sentinel: &Server| {
                let said = flat(&sentinel.run("SENTINEL MASTER m"));
                said.contains("num-slaves 1 ") && said.contains("num-other-sentinels 2 ")
            };
            five.sentinels.iter().all(known) && five.replica_is_in_step()
        });
        five
    }

    fn url(&self) -> String {
        let at: Vec<String> = self.sentinels.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
        format!("redis+sentinel://{}/m", at.join(","))
    }

    fn replica_is_in_step(&self) -> bool {
        text(&self.replica.run("INFO replication")).contains("master_link_status:up")
    }

    fn wait(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + ELECTED;
        while !is(self) {
            assert!(Instant::now() < deadline, "{what}: not within {ELECTED:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn is_master(server: &Server) -> bool {
        // A server that changes its role cuts connections.
        let said = redis::cmd("INFO").arg("replication").query::<String>(&mut server.client());
        said.is_ok_and(|said| said.contains("role:master"))
    }
}

fn flat(value: &redis::Value) -> String {
    let redis::Value::Array(values) = value else { panic!("not a list: {value:?}") };
    values.iter().map(|value| text(value) + " ").collect()
}

async fn live(five: &Five, name: &str) -> Node {
    Node::live_with(&five.url(), Config { reconnect_max: Duration::from_millis(200), ..config(name) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_the_old_master_is_not() {
    let mut five = Five::start();
    let node = live(&five, "n1").await;
    let before = node.publish(put(A1, Expected::Absent)).await.unwrap();
    five.wait("it is replicated", |five| {
        !texts(&five.replica.run("LRANGE frontend:a.example 0 -1")).is_empty()
    });

    five.master.kill();
    node.state("lost", BACK, |state| matches!(state.link, Link::Lost { .. })).await;
    assert_eq!(node.says("a.example"), format!("web:10.0.0.1:80@{before}"));

    node.state("followed", ELECTED, |state| state.link == Link::Live && !state.read_only).await;
    assert_eq!(node.now().len(), 1);
    five.replica.run("RPUSH frontend:a.example http://10.0.0.2");
    node.sees("a.example", "web:10.0.0.1:80,10.0.0.2:80").await;
    assert!(node.publish(put(A1, Expected::Present)).await.unwrap() > before);

    five.master.start_again();
    five.master.run("RPUSH frontend:old.example web http://10.0.0.9");
    five.wait("the old one is a replica", |five| !Five::is_master(&five.master));
    assert_eq!((node.says("old.example").as_str(), node.0.state().borrow().link.clone()), ("-", Link::Live));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_hand_is_followed_while_the_old_master_lives() {
    let five = Five::start();
    let node = live(&five, "n1").await;
    node.publish(put(A1, Expected::Absent)).await.unwrap();

    five.sentinels[0].run("SENTINEL FAILOVER m");
    five.wait("the replica is promoted", |five| Five::is_master(&five.replica));
    let mut client = five.replica.client();
    run(&mut client, "RPUSH frontend:b.example web http://10.0.0.2");

    node.until("the new master's word", ELECTED, |snapshot| says(snapshot, "b.example") != "-").await;
    let written = node.publish(put(&A1.replace("a.example", "c.example"), Expected::Absent)).await.unwrap();
    assert_eq!(text(&run(&mut client, "GET portico:revision")), written.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lagged_and_was_promoted_takes_nothing_back() {
    let mut five = Five::start();
    let (one, two) = (live(&five, "n1").await, live(&five, "n2").await);
    one.publish(put(A1, Expected::Absent)).await.unwrap();
    five.wait("it is replicated", |five| {
        !texts(&five.replica.run("LRANGE frontend:a.example 0 -1")).is_empty()
    });
    five.master.run("ACL SETUSER copy off");
    five.master.run("CLIENT KILL TYPE replica");
    five.wait("the replica hears nothing", |five| !five.replica_is_in_step());
    let newer = A1.replace("10.0.0.1", "10.0.0.2");
    one.publish(put(&newer, Expected::Present)).await.unwrap();
    one.publish(put(&A1.replace("a.example", "b.example"), Expected::Absent)).await.unwrap();
    for node in [&one, &two] {
        node.until("b.example", BACK, |snapshot| says(snapshot, "b.example") != "-").await;
    }

    five.master.kill();

    for node in [&one, &two] {
        let older = |state: &registry::State| state.held.is_some_and(|held| held.older && held.removes == 2);
        node.state("an older view is held", ELECTED, older).await;
        assert!(node.says("a.example").starts_with("web:10.0.0.2:80@"), "{}", node.says("a.example"));
        assert_ne!(node.says("b.example"), "-");
    }
    five.replica.run("RPUSH frontend:b.example web http://10.0.0.7");
    for node in [&one, &two] {
        node.sees("b.example", "web:10.0.0.7:80").await;
        assert_eq!(node.0.accept().await.unwrap().removed, 1);
        node.sees("a.example", "web:10.0.0.1:80").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_returns_empty_before_it_was_missed_takes_nothing_back() {
    let mut five = Five::start();
    let node = live(&five, "n1").await;
    node.publish(put(A1, Expected::Absent)).await.unwrap();
    // Found dead too late: the sentinels are asleep.
    five.sentinels[1].hang();
    five.sentinels[2].hang();

    five.master.kill();
    five.master.start_again();
    five.sentinels[1].wake();
    five.sentinels[2].wake();

    node.state("it is held", ELECTED, |state| state.held.is_some_and(|held| held.older)).await;
    assert!(node.says("a.example").starts_with("web:10.0.0.1:80@"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_know_no_such_master_say_so() {
    let five = Five::start();
    let url = five.url().replace("/m", "/other");

    let node = Node::open(&url, config("n1")).await;

    let said = |state: &registry::State| matches!(&state.link, Link::Lost { error } if error.contains("names the master `other`") && error.contains("No such master"));
    node.state("told", BACK, said).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_may_have_the_password_of_its_servers_without_their_users() {
    let master = Server::with(&["--user", "portico", "on", ">s3cret", "~*", "&*", "+@all"]);
    let folder = tempfile::tempdir().unwrap();
    let watched = format!("requirepass s3cret\nsentinel monitor m 127.0.0.1 {} 1\n", master.port);
    std::fs::write(folder.path().join("sentinel.conf"), watched).unwrap();
    let sentinel = Server::within(folder, &["sentinel.conf", "--sentinel"]);

    let _node = Node::live(&format!("redis+sentinel://portico:s3cret@127.0.0.1:{}/m", sentinel.port)).await;

    let clients = text(&master.run("CLIENT LIST"));
    assert!(clients.contains("user=portico "), "{clients}");
}
