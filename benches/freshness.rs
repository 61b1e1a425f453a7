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

Needs redis-server. Cases: a PUT to the embedded registry; a foreign RPUSH, DEL, RENAME and FLUSHDB (believed at once, or held:
then until it is alarmed) followed by client tracking; an RPUSH followed by keyspace events, and by the periodic reconcile alone;
the return of a Redis that was killed, with its data. At the end: what it costs to compare all with Redis in `registry.reconcile`.";

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
    let case = |case, limit, took| report(&Promise { case, limit: ms(limit) }, took);
    let (few, fewer) = ((rounds / 10).max(3), (rounds / 20).max(3));
    case("embedded: PUT", 50, embedded(frontends, rounds));
    case("redis: RPUSH, client tracking", 50, foreign(frontends, rounds, &[]));
    case("redis: DEL", 50, removed(frontends, rounds, &["DEL"]));
    case("redis: RENAME", 50, removed(frontends, rounds, &["RENAME", "frontend:renamed.example.com"]));
    case("redis: FLUSHDB, registry.hold = 0s", 50, flushed(frontends, few, "0s"));
    case("redis: FLUSHDB, held: until it is alarmed", 50, flushed(frontends, few, "1h"));
    let keyspace = &["CONFIG SET notify-keyspace-events KA", "ACL SETUSER default -client|tracking"];
    case("redis: RPUSH, keyspace events", 50, foreign(frontends, rounds, keyspace));
    let polling = &["ACL SETUSER default -client|tracking"];
    case("redis: RPUSH, reconcile only", 5000, foreign(frontends, few, polling));
    case("redis: killed and back", 2000, restarts(frontends, fewer));
    let (ours, theirs) = reconciling(frontends);
    println!(
        "\nreconciling {frontends} frontends, of a core: portico {:.2} %, redis {:.2} %",
        ours * 100.0,
        theirs * 100.0
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

/// Makes `frontends` lists.
fn fill(redis: &Redis, frontends: usize, origin: &Origin) {
    let script = "for i = 1, ARGV[1] do redis.call('RPUSH', 'frontend:filler-' .. i .. '.example.com', 'x', ARGV[2]) end";
    redis.command(&["EVAL", script, "0", &frontends.to_string(), &origin.url()]);
}

/// A Redis with `frontends` lists, and a portico that follows it and holds what suddenly lost most of them for so long.
fn filled(world: &World, frontends: usize, setup: &[&str], hold: &str, origin: &Origin) -> (Redis, Portico) {
    let redis = world.redis();
    for command in setup {
        redis.command(&command.split(' ').collect::<Vec<_>>());
    }
    fill(&redis, frontends, origin);
    let portico = world.portico_command(&["--access-log", "off", "--registry", &redis.url()]);
    let portico = portico.env("PORTICO_REGISTRY__HOLD", hold).start();
    until_status(portico.http(), &format!("filler-{frontends}.example.com"), 200, Instant::now());
    (redis, portico)
}

fn foreign(frontends: usize, rounds: usize, setup: &[&str]) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, setup, "1m", &origin);
    (0..rounds)
        .map(|i| {
            let host = format!("fresh-{i}.example.com");
            redis.command(&["RPUSH", &format!("frontend:{host}"), "x", &origin.url()]);
            until_status(portico.http(), &host, 200, Instant::now())
        })
        .collect()
}

/// A command on one of many keys after the other, until what was there is not routed any more.
fn removed(frontends: usize, rounds: usize, command: &[&str]) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, &[], "1m", &origin);
    (1..=rounds.min(frontends / 2))
        .map(|i| {
            let host = format!("filler-{i}.example.com");
            let key = format!("frontend:{host}");
            redis.command(&[&[command[0], &key], &command[1..]].concat());
            until_status(portico.http(), &host, 400, Instant::now())
        })
        .collect()
}

fn flushed(frontends: usize, rounds: usize, hold: &str) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, &[], hold, &origin);
    let last = format!("filler-{frontends}.example.com");
    let registry_holds =
        || world::get(portico.admin(), "127.0.0.1", "/readyz").body.contains("\"held\":true");
    (0..rounds)
        .map(|_| {
            redis.command(&["FLUSHDB"]);
            let since = Instant::now();
            let took = if hold == "0s" {
                until_status(portico.http(), &last, 400, since)
            } else {
                world::eventually("it is alarmed", registry_holds);
                since.elapsed()
            };
            fill(&redis, frontends, &origin);
            until_status(portico.http(), &last, 200, Instant::now());
            world::eventually("all is numbered", || {
                !registry_holds() && redis.command(&["HLEN", "portico:revisions"]) == frontends.to_string()
            });
            took
        })
        .collect()
}

fn restarts(frontends: usize, rounds: usize) -> Vec<Duration> {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, &[], "1m", &origin);
    let mut redis = Some(redis);
    (0..rounds)
        .map(|i| {
            let before = redis.take().expect("the one before");
            before.command(&["SAVE"]);
            let back = before.restart();
            let since = Instant::now();
            let host = format!("back-{i}.example.com");
            back.command(&["RPUSH", &format!("frontend:{host}"), "x", &origin.url()]);
            redis = Some(back);
            until_status(portico.http(), &host, 200, since)
        })
        .collect()
}

/// What is compared with Redis while nothing changes: shares of a core that portico and Redis take for it.
fn reconciling(frontends: usize) -> (f64, f64) {
    let (world, origin) = (World::new(), Origin::saying("ok"));
    let (redis, portico) = filled(&world, frontends, &[], "1m", &origin);
    let of_redis = || -> f64 {
        let said = redis.command(&["INFO", "cpu"]);
        let own = ["used_cpu_sys:", "used_cpu_user:"];
        own.iter()
            .filter_map(|key| said.lines().find_map(|line| line.strip_prefix(key)?.parse::<f64>().ok()))
            .sum()
    };
    // Several times round: `registry.reconcile` is 5 s.
    let (ours, theirs, began) = (portico.cpu(), of_redis(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let took = began.elapsed().as_secs_f64();
    ((portico.cpu() - ours).as_secs_f64() / took, (of_redis() - theirs) / took)
}
