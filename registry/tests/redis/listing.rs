//! The first listing of a store that others filled: every key gets one number, whoever lists it and whatever changes meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Snapshot;
use registry::Config;

use crate::server::{Server, run, text};
use crate::world::{BACK, Node, config, says};

/// What one call of the numbering script holds at most.
const BATCH: usize = 256;

/// Writes hipache's lists of one endpoint, as a script of its own.
fn fill(server: &Server, hosts: usize) {
    let lists = "for i = 1, ARGV[1] do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web' .. i, 'http://10.0.0.1:80') end";
    redis::cmd("EVAL").arg(lists).arg(0).arg(hosts).exec(&mut server.client()).unwrap();
}

fn counter(server: &Server) -> u64 {
    text(&server.run("GET portico:revision")).parse().unwrap()
}

/// What is served, a line each, with revisions.
fn lines(snapshot: &Snapshot) -> Vec<String> {
    let host = |stated: &model::Stated| {
        let host = &stated.fact.as_frontend().unwrap().host;
        host.to_string()
    };
    snapshot.facts().map(host).map(|host| format!("{host} {}", says(snapshot, &host))).collect()
}

fn revisions(snapshot: &Snapshot) -> BTreeSet<u64> {
    snapshot.facts().map(|stated| stated.revision.number()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_gets_one_number_however_many_there_are() {
    for hosts in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH, 3 * BATCH + 1] {
        let server = Server::start();
        fill(&server, hosts);

        let node = Node::live(&server.url()).await;

        let numbers = u64::try_from(hosts).unwrap();
        assert_eq!(node.now().len(), hosts);
        assert_eq!(revisions(&node.now()), (1..=numbers).collect());
        assert_eq!((node.revision(), counter(&server)), (numbers.max(node.revision()), numbers));
        assert_eq!(text(&server.run("XLEN portico:history")), numbers.to_string());
        let later = Node::live_with(&server.url(), config("n2")).await;
        assert_eq!(lines(&later.now()), lines(&node.now()));
        assert_eq!(counter(&server), numbers);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_json_checks_and_what_cannot_be_used_are_numbered_in_one_batch() {
    let server = Server::start();
    fill(&server, 20);
    server.run("SET portico:frontend:h5.example/x '{'host':'h5.example','path':'/x','endpoints':[]}'");
    server.run("SET frontend:h6.example.com x");
    server.run("HSET healthcheck:h7.example path /up");
    server.run("RPUSH frontend:H8.example.com web http://10.0.0.1:80");

    let node = Node::live(&server.url()).await;

    assert_eq!((node.now().len(), node.now().quarantine().len(), counter(&server)), (22, 1, 24));
    let later = Node::live_with(&server.url(), config("n2")).await;
    assert_eq!(lines(&later.now()), lines(&node.now()));
    assert_eq!(counter(&server), 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_lists_are_numbered_in_short_calls() {
    let server = Server::start();
    let lists = "local urls = {} for i = 1, 900 do urls[i] = 'http://10.0.' .. math.floor(i / 250) .. '.' .. i % 250 .. ':80' end \
                 for i = 1, 40 do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web', unpack(urls)) end";
    redis::cmd("EVAL").arg(lists).arg(0).exec(&mut server.client()).unwrap();
    server.run("CONFIG RESETSTAT");

    let node = Node::live(&server.url()).await;

    assert_eq!((node.now().len(), counter(&server)), (40, 40));
    assert_eq!(revisions(&node.now()), (1..=40).collect());
    let stats = text(&server.run("INFO commandstats"));
    let calls = stats.split("cmdstat_evalsha:calls=").nth(1).and_then(|rest| rest.split(',').next());
    let calls: usize = calls.unwrap().parse().unwrap();
    assert!(calls >= 5, "{calls} calls for 36,000 entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_list_a_foreign_store_at_the_same_time_agree() {
    const HOSTS: usize = 3000;
    let server = Server::start();
    fill(&server, HOSTS);

    let nodes = ["n1", "n2", "n3"].map(|name| async { Node::live_with(&server.url(), config(name)).await });
    let [one, two, three] = nodes;
    let (one, two, three) = tokio::join!(one, two, three);

    let numbers = u64::try_from(HOSTS).unwrap();
    assert_eq!(counter(&server), numbers);
    assert_eq!(revisions(&one.now()), (1..=numbers).collect());
    for node in [&two, &three] {
        assert_eq!(lines(&node.now()), lines(&one.now()));
    }
    assert_eq!(text(&server.run("XLEN portico:history")), numbers.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_during_a_listing_is_served_as_it_is_in_the_end() {
    const HOSTS: usize = 3000;
    let server = Server::start();
    fill(&server, HOSTS);
    let mut client = server.client();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let changing = tokio::task::spawn_blocking(move || {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..400 {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let host = dice.usize(1..=HOSTS);
            let change = match dice.usize(..4) {
                0 => format!("DEL frontend:h{host}.example"),
                1 => format!("RPUSH frontend:new{host}.example web http://10.0.0.3:80"),
                _ => format!("RPUSH frontend:h{host}.example http://10.0.0.{}:80", dice.u8(..)),
            };
            run(&mut client, &change);
        }
        run(&mut client, "RPUSH frontend:last.example web http://10.9.9.9:80");
    });

    let believing = |name| Config { hold: std::time::Duration::ZERO, ..config(name) };
    let (url, other) = (server.url(), server.url());
    let (one, two) =
        tokio::join!(Node::live_with(&url, believing("n1")), Node::live_with(&other, believing("n2")));
    is_over.store(true, Ordering::Relaxed);
    changing.await.unwrap();

    for node in [&one, &two] {
        node.until("the last", BACK, |snapshot| says(snapshot, "last.example") != "-").await;
    }
    let fresh = Node::live_with(&server.url(), config("n3")).await;
    let expected = lines(&fresh.now());
    for node in [&one, &two] {
        node.until("the same", BACK, |snapshot| lines(snapshot) == expected).await;
        node.until("the counter", BACK, |snapshot| snapshot.revision().number() == counter(&server)).await;
    }
}
