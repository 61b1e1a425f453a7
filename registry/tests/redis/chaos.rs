//! Many clients at random: in the end every node serves just what the store holds.

use model::Snapshot;
use registry::{Edit, Expected, PublishError};

use crate::server::{Server, run, text, texts};
use crate::world::{BACK, Node, config, key, put, remove, says};

const HOSTS: usize = 12;
const STEPS: usize = 400;

/// What one foreign client does at random.
fn meddle(client: &mut redis::Connection, dice: &mut fastrand::Rng) {
    let host = format!("h{}.example", dice.usize(..HOSTS));
    let other = format!("h{}.example", dice.usize(..HOSTS));
    let octet = dice.u8(..);
    match dice.usize(..12) {
        // Refused where something else than a list stands.
        0..=3 => {
            let push = format!("http://10.0.0.{octet}");
            drop(redis::cmd("RPUSH").arg(format!("frontend:{host}")).arg(push).exec(client));
        }
        4 => drop(run(client, &format!("DEL frontend:{host}"))),
        5 => drop(run(client, &format!("DEL portico:frontend:{host}"))),
        6 => {
            let json = format!("{{'host':'{host}','endpoints':['http://10.0.1.{octet}']}}");
            run(client, &format!("SET portico:frontend:{host} '{json}'"));
        }
        // Renaming what is not there is refused.
        7 => drop(
            redis::cmd("RENAME")
                .arg(format!("frontend:{host}"))
                .arg(format!("frontend:{other}"))
                .exec(client),
        ),
        8 => drop(run(client, &format!("PEXPIRE frontend:{host} {}", dice.usize(1..20)))),
        9 => {
            run(client, &format!("DEL frontend:{host}"));
            run(client, &format!("HSET frontend:{host} a {octet}"));
            if dice.bool() {
                run(client, &format!("DEL frontend:{host}"));
            }
        }
        10 if dice.usize(..20) == 0 => drop(run(client, "FLUSHDB")),
        10 if dice.usize(..20) == 0 => drop(run(client, "CLIENT KILL TYPE normal SKIPME yes")),
        10 if dice.usize(..20) == 0 => drop(run(client, "CLIENT KILL TYPE pubsub")),
        10 if dice.usize(..10) == 0 => drop(run(client, "DEL portico:revision portico:revisions")),
        _ => {
            redis::pipe()
                .atomic()
                .cmd("DEL")
                .arg(format!("frontend:{host}"))
                .cmd("RPUSH")
                .arg(format!("frontend:{host}"))
                .arg(&["web", "http://10.0.0.1", "ftp://x"])
                .exec(client)
                .unwrap();
        }
    }
}

async fn write(node: &Node, dice: &mut fastrand::Rng) {
    let host = format!("h{}.example", dice.usize(..HOSTS));
    let json = format!(r#"{{"host":"{host}","endpoints":["http://10.1.0.{}"]}}"#, dice.u8(..));
    let edit = match dice.usize(..3) {
        0 => remove(&host, Expected::Any),
        1 => put(&json, Expected::Any),
        _ => put(&json, Expected::Absent),
    };
    // A conflict is an answer like any other.
    let _ = node.publish(edit).await;
}

fn content(snapshot: &Snapshot) -> Vec<String> {
    let facts = (0..HOSTS).map(|i| format!("h{i}.example"));
    let facts = facts.map(|host| format!("{host} {}", says(snapshot, &host)));
    facts.chain(snapshot.quarantine().map(|(key, why)| format!("{key} {}", why.reason))).collect()
}

/// What is served, without revisions.
fn plain(snapshot: &Snapshot) -> Vec<String> {
    content(snapshot).iter().map(|line| line.split('@').next().unwrap().to_owned()).collect()
}

async fn converge(seed: u64) {
    let server = Server::start();
    let one = Node::live(&server.url()).await;
    let two = Node::live_with(&server.url(), config("n2")).await;
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut client = server.client();
    for _ in 0..STEPS {
        meddle(&mut client, &mut dice);
        match dice.usize(..6) {
            0 => write(&one, &mut dice).await,
            1 => write(&two, &mut dice).await,
            _ => {}
        }
    }
    // Whatever was to end has ended when this is seen.
    run(&mut client, "RPUSH frontend:last.example web http://10.9.9.9");
    for node in [&one, &two] {
        node.until("the last", BACK, |snapshot| says(snapshot, "last.example") != "-").await;
    }
    run(&mut client, "PEXPIRE frontend:last.example 50");
    for node in [&one, &two] {
        node.until("the end", BACK, |snapshot| says(snapshot, "last.example") == "-").await;
    }

    let fresh = Node::live_with(&server.url(), config("n3")).await;
    let expected = plain(&fresh.now());
    for node in [&one, &two] {
        let mut last = Vec::new();
        let mut snapshots = node.0.snapshots();
        let same = snapshots.wait_for(|snapshot| {
            last = plain(snapshot);
            last == expected
        });
        let same = tokio::time::timeout(BACK, same).await.is_ok();
        assert!(same, "seed {seed}: {last:#?} instead of {expected:#?}");
    }
    let counter = text(&run(&mut client, "GET portico:revision"));
    for node in [&one, &two, &fresh] {
        node.until("the counter", BACK, |snapshot| snapshot.revision().to_string() == counter).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_converge_on_what_the_store_holds_whatever_anyone_does() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in seed..seed + 3 {
        converge(seed).await;
    }
}

/// Adds an endpoint as an operator does: reads, adds, writes if nothing changed, else again.
async fn add(node: &Node, endpoint: &str) {
    loop {
        let snapshot = node.now();
        let stated = snapshot.get(&key("a.example")).unwrap();
        let frontend = stated.fact.as_frontend().unwrap();
        let mut frontend = frontend.clone();
        let endpoint = model::Endpoint {
            address: model::Address::parse_url(endpoint).unwrap(),
            weight: model::Weight::ONE,
        };
        frontend.backend.endpoints = frontend.backend.endpoints.iter().cloned().chain([endpoint]).collect();
        let fact = Some(model::Fact::Frontend(frontend));
        let edit = Edit { key: key("a.example"), fact, expected: Expected::At(stated.revision) };
        match node.publish(edit).await {
            Ok(_) => return,
            Err(PublishError::Conflict { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_endpoint_is_lost_when_two_nodes_and_a_foreign_client_add_at_once() {
    const EACH: usize = 60;
    let server = Server::start();
    server.run("RPUSH frontend:a.example web");
    let one = Node::live(&server.url()).await;
    let two = Node::live_with(&server.url(), config("n2")).await;

    let mut client = server.client();
    let foreign = tokio::task::spawn_blocking(move || {
        for i in 0..EACH {
            run(&mut client, &format!("RPUSH frontend:a.example http://10.0.3.{i}:80"));
        }
    });
    let ours = async {
        for i in 0..EACH {
            add(&one, &format!("http://10.0.1.{i}:80")).await;
        }
    };
    let theirs = async {
        for i in 0..EACH {
            add(&two, &format!("http://10.0.2.{i}:80")).await;
        }
    };
    let (_, _, foreign) = tokio::join!(ours, theirs, foreign);
    foreign.unwrap();

    let entries = texts(&server.run("LRANGE frontend:a.example 1 -1"));
    let expected: Vec<String> =
        (1..=3).flat_map(|who| (0..EACH).map(move |i| format!("http://10.0.{who}.{i}:80"))).collect();
    assert_eq!(entries.len(), expected.len());
    assert!(expected.iter().all(|endpoint| entries.contains(endpoint)));
}
