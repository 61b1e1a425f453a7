//! The threads that serve: none of them starves beside one that has it all.

use crate::world::{Connection, Origin, Portico, World, eventually, portico};

/// So many long connections …
const FEW: usize = 8;
/// … over so many threads.
const WORKERS: usize = 3;

/// A metric of each thread.
fn of_workers(portico: &Portico, name: &str) -> Vec<usize> {
    let of = |worker| portico.metric(&format!("{name}{{worker=\"{worker}\"}}")) as usize;
    (0..WORKERS).map(of).collect()
}

/// Connections of each thread.
fn open(portico: &Portico) -> Vec<usize> {
    of_workers(portico, "portico_worker_connections_open")
}

/// `FEW` connections, all of which the system has dealt out to one thread.
fn crowded(portico: &Portico) -> Vec<Connection> {
    let mut dealt: Vec<Vec<Connection>> = (0..WORKERS).map(|_| Vec::new()).collect();
    while dealt.iter().all(|of_one| of_one.len() < FEW) {
        let connection = Connection::open(portico.http());
        let mut taker = None;
        eventually("it is accepted", || {
            taker = open(portico).iter().zip(&dealt).position(|(open, dealt)| *open > dealt.len());
            taker.is_some()
        });
        dealt[taker.unwrap()].push(connection);
    }
    dealt.retain(|of_one| of_one.len() == FEW);
    eventually("the others are gone", || open(portico).iter().sum::<usize>() == FEW);
    dealt.remove(0)
}

#[test]
fn of_eight_long_connections_each_of_three_threads_serves_its_share_wherever_they_came_in() {
    let world = World::new();
    let (data, workers) = (world.path("data").display().to_string(), WORKERS.to_string());
    let arguments = ["run", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", &data];
    let portico = portico(&[&arguments[..], &["--workers", &workers]].concat()).start();
    let origin = Origin::saying("fine");
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let mut clients = crowded(&portico);
    assert!(open(&portico).contains(&FEW), "one has them all");
    let mut all_ask = || {
        for client in &mut clients {
            let reply = client.get("www.example.com", "/").read();
            assert!(reply.is_some_and(|reply| reply.body == "fine"), "no connection is lost to a move");
        }
    };

    eventually("each has its share", || {
        all_ask();
        let mut open = open(&portico);
        open.sort_unstable();
        open == [2, 3, 3]
    });
    let before = of_workers(&portico, "portico_worker_requests_total");
    all_ask();

    eventually("each has served its own", || {
        let after = of_workers(&portico, "portico_worker_requests_total");
        let mut served: Vec<_> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
        served.sort_unstable();
        served == [2, 3, 3]
    });
}
