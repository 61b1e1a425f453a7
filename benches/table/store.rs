//! The store that holds the frontends, and the portico that serves them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::cores;
use crate::machine::LOAD_CORE;
use crate::world::{Connection, Portico, Redis, World, until_within};

/// How long loading may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(600);

/// So many hosts, out of all, have to be routed before a table counts as loaded.
pub(crate) const ASKED: usize = 64;

/// How many frontends are written at once.
const BATCH: usize = 20_000;

/// A registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Embedded,
    Redis,
    Memory,
}

impl Kind {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "Redis",
            Self::Memory => "memory",
        }
    }
}

/// A filled store, and a portico that serves all of it.
pub(crate) struct Serving {
    pub(crate) kind: Kind,
    pub(crate) portico: Portico,
    /// Where changes are written, unless that is the portico itself.
    pub(crate) redis: Option<Redis>,
    _world: World,
    _own: World,
}

/// How a portico came to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It found a store that a portico has numbered before; from its start.
    Numbered(Kind),
    /// It found a Redis that others have written, and gave every key its revision; from its start.
    Foreign,
    /// It was told through the API; from the first word.
    Told,
}

/// What loading took.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) how: How,
    /// Until hosts out of all were routed.
    pub(crate) took: Duration,
    /// Resident memory once it did not change any more, and the most there was until then, in octets.
    pub(crate) settled: u64,
    pub(crate) peak: u64,
}

/// The `n`th host.
pub(crate) fn host(n: usize) -> String {
    format!("host-{n}.example.com")
}

/// The `n`th backend's name.
pub(crate) fn backend(n: usize) -> String {
    format!("app-{n}")
}

/// Fills a store with so many frontends, all of which lead to `origin`, and has a portico serve them that is new to it.
pub(crate) fn fill(kind: Kind, frontends: usize, origin: &str) -> (Serving, Vec<Load>) {
    let world = World::new();
    let mut loads = Vec::new();
    let mut redis = None;
    let url = match kind {
        Kind::Memory => "memory:".to_owned(),
        Kind::Embedded => {
            let url = format!("embedded:{}", world.path("table.portico").display());
            let mut portico = start(&world, &url);
            import(portico.admin(), frontends, origin);
            end(&mut portico);
            url
        }
        Kind::Redis => {
            let running = cores::on(LOAD_CORE, || world.redis());
            cores::give_way(process(&running));
            fill_redis(running.port(), frontends, origin);
            let url = redis.insert(running).url();
            let first = World::new();
            let begun = Instant::now();
            let mut portico = start(&first, &url);
            loads.push(loaded(&portico, How::Foreign, frontends, begun));
            end(&mut portico);
            url
        }
    };
    // A folder of its own: it knows nothing of the table but what the store says.
    let begun = Instant::now();
    let own = World::new();
    let portico = start(&own, &url);
    let how = if kind == Kind::Memory {
        import(portico.admin(), frontends, origin);
        How::Told
    } else {
        How::Numbered(kind)
    };
    loads.push(loaded(&portico, how, frontends, begun));
    (Serving { kind, portico, redis, _world: world, _own: own }, loads)
}

/// Its process id, as it says.
fn process(redis: &Redis) -> Pid {
    let said = redis.command(&["INFO", "server"]);
    let id = said.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    Pid::from_raw(id.trim().parse().unwrap())
}

/// Memory of a portico without a table, in octets.
pub(crate) fn empty() -> u64 {
    settled(&start(&World::new(), "memory:"))
}

/// A portico on this registry.
fn start(world: &World, registry: &str) -> Portico {
    let arguments = ["--only", "proxy", "--access-log", "off", "--registry", registry];
    let portico = world.portico_command(&arguments).spawn();
    until_within(PATIENCE, "it serves", || portico.log().contains(": ready ").then_some(()));
    portico
}

/// Ends it as a service manager does, so that it writes what it has to; a large table may take it a while.
fn end(portico: &mut Portico) {
    portico.signal("TERM");
    portico.ended();
}

/// Waits until it serves all of them.
fn loaded(portico: &Portico, how: How, frontends: usize, begun: Instant) -> Load {
    let mut missing: Vec<usize> = (1..=ASKED).map(|n| frontends * n / ASKED).filter(|n| *n > 0).collect();
    until_within(PATIENCE, "every frontend is routed", || {
        let mut connection = Connection::open(portico.http());
        while let Some(last) = missing.last() {
            let reply = connection.get(&host(last - 1), "/").read();
            reply.filter(|reply| reply.status == 200)?;
            missing.pop();
        }
        Some(())
    });
    let took = begun.elapsed();
    Load { how, took, settled: settled(portico), peak: peak(portico) }
}

/// What is resident once that does not change any more, in octets.
fn settled(portico: &Portico) -> u64 {
    let mut last = (portico.memory(), Instant::now());
    until_within(PATIENCE, "memory settles", || {
        let now = portico.memory();
        if now.abs_diff(last.0) > 1 << 20 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(3)).then_some(now)
    })
}

/// The most that was resident so far, in octets (proc(5)).
fn peak(portico: &Portico) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", portico.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Writes them through the admin API.
fn import(admin: SocketAddr, frontends: usize, origin: &str) {
    for first in (0..frontends).step_by(BATCH) {
        let last = frontends.min(first + BATCH);
        let facts = (first..last).map(|n| {
            let (host, backend) = (host(n), backend(n));
            format!("{{\"host\":\"{host}\",\"backend\":\"{backend}\",\"endpoints\":[\"{origin}\"]}}")
        });
        let facts: Vec<String> = facts.collect();
        let body = format!(
            "{{\"format\":\"portico.facts\",\"version\":1,\"frontends\":[{}],\"left_out\":[]}}",
            facts.join(",")
        );
        let mut connection = Connection::open(admin);
        connection.send(format!(
            "POST /v1/import?keep_going=true HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let reply = connection.read().expect("an answer");
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// Writes hipache's lists.
fn fill_redis(port: u16, frontends: usize, origin: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    for first in (0..frontends).step_by(BATCH) {
        let last = frontends.min(first + BATCH);
        let mut commands = String::new();
        for n in first..last {
            commands.push_str(&command(&["RPUSH", &format!("frontend:{}", host(n)), &backend(n), origin]));
        }
        stream.write_all(commands.as_bytes()).unwrap();
        for _ in first..last {
            let mut line = String::new();
            replies.read_line(&mut line).unwrap();
            assert_eq!(line, ":2\r\n");
        }
    }
}

/// A command as Redis reads it.
pub(crate) fn command(parts: &[&str]) -> String {
    let texts: String = parts.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    format!("*{}\r\n{texts}", parts.len())
}
