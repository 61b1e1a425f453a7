//! Long connections over several threads: wherever the system puts them, none of the threads has too many for long.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use proxy::config::Config;

use crate::stage::{Call, GET, OriginServer, PATIENCE, Stage, eventually};

/// What the proxy answers by itself, and lets the connection go on.
const PING: &str = "GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: __ping__\r\nConnection: close\r\n\r\n";

/// So many long connections …
const FEW: usize = 8;
/// … over so many threads.
const WORKERS: usize = 3;

/// How many connections each thread has, the fewest first.
fn open(stage: &Stage) -> Vec<u64> {
    let mut open: Vec<_> = stage.proxy.by_worker().iter().map(|worker| worker.connections_open()).collect();
    open.sort_unstable();
    open
}

/// How long the body behind this head is.
fn length(head: &str) -> usize {
    let head = head.to_lowercase();
    let rest = head.split_once("content-length: ").expect("a length").1;
    rest.split_once("\r\n").unwrap().0.parse().unwrap()
}

/// An answer, whole, and nothing behind it.
fn answered(client: &mut Call) {
    let head = client.head();
    client.take(length(&head));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// `FEW` connections that have had a request each, all of them at one thread.
fn crowded(stage: &Stage) -> Vec<Call> {
    crowded_as(stage, |_| String::new())
}

/// The same, each connection beginning with what `introduces` it, by its number.
fn crowded_as(stage: &Stage, introduces: impl Fn(usize) -> String) -> Vec<Call> {
    let mut crowd: Vec<Vec<Call>> = (0..WORKERS).map(|_| Vec::new()).collect();
    for number in 0.. {
        let before = stage.proxy.by_worker();
        let mut client = stage.client();
        client.say(introduces(number));
        client.say(PING);
        answered(&mut client);
        let after = stage.proxy.by_worker();
        let mut came = before.iter().zip(after).map(|(b, a)| a.connections_accepted > b.connections_accepted);
        let at = came.position(|came| came).expect("one of them took it");
        crowd[at].push(client);
        if crowd[at].len() == FEW {
            return crowd.swap_remove(at);
        }
    }
    unreachable!("one of them has as many before numbers end")
}

/// An origin that answers each request with what it was told of the client: address and port.
fn telling() -> SocketAddr {
    let origin = OriginServer::start();
    let address = origin.address;
    thread::spawn(move || {
        while let Some(mut call) = origin.next_call() {
            thread::spawn(move || {
                loop {
                    let (head, ended) = call.take_until("\r\n\r\n");
                    if ended {
                        return;
                    }
                    let told = |name| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("-");
                    let told = format!("{} {}", told("X-Forwarded-For: "), told("X-Forwarded-Port: "));
                    let length = told.len();
                    call.try_say(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{told}"));
                }
            });
        }
    });
    address
}

/// What such an origin is told of this client.
fn told(client: &mut Call) -> String {
    client.say(GET);
    let head = client.head();
    String::from_utf8(client.take(length(&head))).unwrap()
}

fn over_threads(change: impl FnOnce(&mut Config)) -> Stage {
    before_endpoints(&[], change)
}

fn before_endpoints(endpoints: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Stage {
    let stage = Stage::with(endpoints, |config| {
        config.workers = WORKERS;
        change(config);
    });
    eventually("every thread counts", || stage.proxy.by_worker().len() == WORKERS);
    stage
}

#[test]
fn few_long_connections_are_spread_evenly_wherever_they_came_in() {
    let stage = over_threads(|_| {});
    let mut clients = crowded(&stage);

    eventually("no thread has too many", || {
        for client in &mut clients {
            client.say(PING);
            answered(client);
        }
        open(&stage) == [2, 3, 3]
    });

    let totals = stage.proxy.totals();
    assert!(totals.connections_taken >= 5 && totals.connections_taken == totals.connections_given);
    assert_eq!((stage.proxy.connections(), totals.connections_open()), (FEW, FEW as u64));
}

#[test]
fn a_connection_that_changes_threads_loses_no_octet_and_no_request() {
    let stage = over_threads(|_| {});
    let clients = crowded(&stage);
    eventually("all so far are counted", || stage.proxy.totals().in_flight() == 0);
    let before = stage.proxy.totals().requests();
    let spread = AtomicBool::new(false);

    let asked: usize = thread::scope(|scope| {
        let asking: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(number, mut client)| {
                let spread = &spread;
                scope.spawn(move || {
                    let mut chance = fastrand::Rng::with_seed(number as u64);
                    let mut asked = 0;
                    while !spread.load(Ordering::Relaxed) {
                        // Now and then the end of the last one comes later than the others.
                        let (at_once, cut) = (chance.usize(1..6), chance.usize(..PING.len()));
                        let mut said = PING.repeat(at_once);
                        let end = said.split_off(said.len() - cut);
                        client.say(said);
                        client.say(end);
                        (0..at_once).for_each(|_| answered(&mut client));
                        asked += at_once;
                    }
                    client.say(LAST);
                    answered(&mut client);
                    assert_eq!(client.rest(), (Vec::new(), false));
                    asked + 1
                })
            })
            .collect();
        eventually("no thread has too many", || open(&stage) == [2, 3, 3]);
        spread.store(true, Ordering::Relaxed);
        asking.into_iter().map(|asking| asking.join().unwrap()).sum()
    });

    eventually("all are counted", || stage.proxy.totals().requests() == before + asked as u64);
    eventually("all are gone", || stage.proxy.connections() == 0 && open(&stage) == [0, 0, 0]);
}

#[test]
fn origins_are_told_the_same_client_before_and_after_its_connection_changes_threads() {
    for is_passed_on in [false, true] {
        let stage = before_endpoints(&[telling()], |config| {
            if is_passed_on {
                config.listen[0].proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
            }
        });
        let mut clients = crowded_as(&stage, |number| match is_passed_on {
            true => format!("PROXY TCP4 203.0.113.{number} 192.0.2.1 56324 {}\r\n", 8000 + number),
            false => String::new(),
        });
        let before: Vec<_> = clients.iter_mut().map(told).collect();
        match is_passed_on {
            true => {
                assert!(before.iter().all(|told| told.starts_with("203.0.113.")), "{before:?}");
                assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), FEW, "each is somebody else");
            }
            false => assert_eq!(before, vec![format!("127.0.0.1 {}", stage.address.port()); FEW]),
        }

        eventually("no thread has too many", || {
            let now: Vec<_> = clients.iter_mut().map(told).collect();
            assert_eq!(now, before);
            open(&stage) == [2, 3, 3]
        });

        assert!(stage.proxy.totals().connections_taken >= 5);
        assert_eq!(clients.iter_mut().map(told).collect::<Vec<_>>(), before, "after the last one moved");
    }
}

#[test]
fn limits_of_connections_hold_while_they_change_threads() {
    let stage = over_threads(|config| {
        config.listen[0].connections = Some(64);
        config.client.connections = Some(64);
        config.client.connections_per_address = Some(FEW);
    });
    let mut clients = Vec::new();
    while clients.len() < FEW {
        let mut client = stage.client();
        client.say(PING);
        answered(&mut client);
        clients.push(client);
    }
    // Whoever leaves makes the spread uneven, and whoever comes is one too many.
    for _ in 0..20 {
        for _ in 0..10 {
            for client in &mut clients {
                client.say(PING);
                answered(client);
            }
        }
        let refused = stage.client().ask(LAST);
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        drop(clients.remove(0));
        eventually("it is gone", || stage.proxy.connections() == FEW - 1);
        let mut next = stage.client();
        next.say(PING);
        answered(&mut next);
        clients.push(next);
    }

    drop(clients);

    eventually("all are gone", || stage.proxy.connections() == 0 && open(&stage) == [0, 0, 0]);
    for _ in 0..FEW {
        assert!(stage.ask(LAST).starts_with("HTTP/1.1 200 "), "places were not given back");
    }
}

#[test]
fn a_drain_in_the_middle_of_it_ends_every_connection_between_two_answers() {
    for _ in 0..5 {
        let stage = over_threads(|config| config.drain = PATIENCE);
        let clients = crowded(&stage);
        thread::scope(|scope| {
            for mut client in clients {
                scope.spawn(move || {
                    // Until the end, which never comes within an answer.
                    loop {
                        client.try_say(PING);
                        let (head, ended) = client.take_until("\r\n\r\n");
                        if ended {
                            return assert_eq!(head, "", "an answer was cut");
                        }
                        let length = length(&head);
                        assert_eq!(client.take_most(length).len(), length, "an answer was cut");
                    }
                });
            }
            eventually("some change threads", || stage.proxy.totals().connections_taken > 0);
            let begin = std::time::Instant::now();
            assert!(stage.drain(), "nothing is cut off");
            assert!(begin.elapsed() < Duration::from_secs(5));
        });
        let totals = stage.proxy.totals();
        assert_eq!((stage.proxy.connections(), totals.connections_open(), totals.in_flight()), (0, 0, 0));
    }
}
