//! "When is my change live?": from the moment a writer's command returned to the first request that is routed by it, through
//! the real binary, in milliseconds. `cargo bench --bench freshness [-- --help]`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench"
)]
// The world knows more than this bench asks of it.
#![expect(dead_code, unused_imports, reason = "shared with the tests")]

#[path = "../tests/spec/world/mod.rs"]
mod world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use world::{Connection, Origin, Portico, Redis, World};

const HELP: &str = "\
When is my change live? From a writer's command to the first request routed by it, through the real binary.

  cargo bench --bench freshness [-- [--frontends N] [--rounds N]]

  --frontends N   frontends in the table beside the one that changes (default 10000)
  --rounds N      changes measured per case (default 200; restarts: a twentieth of it)

Needs redis-server. Cases: a PUT to the embedded registry; a foreign RPUSH followed by client tracking, by keyspace events,
and by the periodic reconcile alone; the return of a Redis that was killed.";

/// What a case promises.
struct Promise {
    case: &'static str,
    limit: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        return println!("{HELP}");
    }
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|a| a == name);
        at.map_or(default, |at| arguments.get(at + 1).and_then(|n| n.parse().ok()).expect("a number"))
    };
    let (frontends, rounds) = (number("--frontends", 10_000), number("--rounds", 200));
    println!(
        "{frontends} frontends, {rounds} rounds; milliseconds from the writer's command to the routed request\n"
    );
    println!("{:44} {:>8} {:>8} {:>8} {:>9}", "case", "median", "p99", "max", "promise");
    let ms = Duration::from_millis;
    let tracking: &[&str] = &[];
    report(&Promise { case: "embedded: PUT", limit: ms(50) }, embedded(frontends, rounds));
    report(
        &Promise { case: "redis: RPUSH, client tracking", limit: ms(50) },
        foreign(frontends, rounds, tracking),
    );
    let keyspace = &["CONFIG SET notify-keyspace-events KA", "ACL SETUSER default -client|tracking"];
    report(
        &Promise { case: "redis: RPUSH, keyspace events", limit: ms(50) },
        foreign(frontends, rounds, keyspace),
    );
    let polling = &["ACL SETUSER default -client|tracking"];
    report(
        &Promise { case: "redis: RPUSH, reconcile only", limit: ms(5000) },
        foreign(frontends, (rounds / 10).max(3), polling),
    );
    report(
        &Promise { case: "redis: killed and back", limit: ms(2000) },
        restarts(frontends, (rounds / 20).max(3)),
    );
}

fn report(promise: &Promise, mut took: Vec<Duration>) {
    took.sort();
    let at = |q: f64| took[((took.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    let kept = if took.last() <= Some(&promise.limit) { "kept" } else { "BROKEN" };
    let (case, limit) = (promise.case, promise.limit.as_millis());
    println!("{case:44} {:8.2} {:8.2} {:8.2} {limit:>5} {kept}", at(0.5), at(0.99), at(1.0));
}

/// Asks until `status` is the answer; how long after `since` that was.
fn until_status(http: SocketAddr, host: &str, status: u16, since: Instant) -> Duration {
    let mut connection = Connection::open(http);
    loop {
        let asked = Instant::now();
        let reply = connection.get(host, "/").read();
        if reply.as_ref().is_some_and(|reply| reply.status == status) {
            return asked.max(since) - since;
        }
        if reply.is_none() {
            connection = Connection::open(http);
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{host} is not {status} after 30 s");
    }
}

fn embedded(frontends: usize, rounds: usize) -> Vec<Duration> {
    let world = World::new();
    let portico = world.portico(&["--access-log", "off"]);
    let origin = Origin::saying("ok");
    let put = |host: &str| {
        let body = format!("{{\"host\":\"{host}\",\"endpoints\":[\"{}\"]}}", origin.url());
        let mut admin = Connection::open(portico.admin());
        admin.send(format!(
            "PUT /v1/frontends/{host} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            portico.admin(),
            body.len()
        ));
        let reply = admin.read().expect("an answer");
        assert!(reply.status < 300, "{reply:?}");
    };
    for i in 0..frontends.min(500) {
        put(&format!("filler-{i}.example.com"));
    }
    (0..rounds)
        .map(|i| {
            let host = format!("fresh-{i}.example.com");
            let since = Instant::now();
            put(&host);
            until_status(portico.http(), &host, 200, since)
        })
        .collect()
}

/// A Redis with `frontends` lists, and a portico that follows it.
fn filled(world: &World, frontends: usize, setup: &[&str], origin: &Origin) -> (Redis, Portico) {
    let redis = world.redis();
    for command in setup {
        redis.command(&command.split(' ').collect::<Vec<_>>());
    }
    let fill = "for i = 1, ARGV[1] do redis.call('RPUSH', 'frontend:filler-' .. i .. '.example.com', 'x', ARGV[2]) end";
    redis.command(&["EVAL", fill, "0", &frontends.to_string(), &origin.url()]);
    let portico = world.portico(&["--access-log", "off", "--registry", &redis.url()]);
    until_status(portico.http(), &format!("filler-{frontends}.example.com"), 200, Instant::now());
    (redis, portico)
}

fn foreign(frontends: usize, rounds: usize, setup: &[&str]) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, setup, &origin);
    (0..rounds)
        .map(|i| {
            let host = format!("fresh-{i}.example.com");
            redis.command(&["RPUSH", &format!("frontend:{host}"), "x", &origin.url()]);
            until_status(portico.http(), &host, 200, Instant::now())
        })
        .collect()
}

fn restarts(frontends: usize, rounds: usize) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, &[], &origin);
    let mut redis = Some(redis);
    (0..rounds)
        .map(|i| {
            let back = redis.take().expect("the one before").restart();
            let since = Instant::now();
            let host = format!("back-{i}.example.com");
            back.command(&["RPUSH", &format!("frontend:{host}"), "x", &origin.url()]);
            redis = Some(back);
            until_status(portico.http(), &host, 200, since)
        })
        .collect()
}
