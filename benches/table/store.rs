//! The store that holds the frontends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::world::{Connection, Portico, Redis, World};
use crate::{Kind, serves, start};

/// How many frontends are written at once.
const BATCH: usize = 20_000;

/// A filled store.
pub(crate) enum Store {
    /// A file in the world's folder, by its URL.
    Embedded(String),
    /// It is gone with the portico that holds it.
    Memory,
    Redis(Redis),
}

/// The `n`th host.
pub(crate) fn host(n: usize) -> String {
    format!("host-{n}.example.com")
}

/// The `n`th backend's name.
pub(crate) fn backend(n: usize) -> String {
    format!("app-{n}")
}

impl Store {
    /// Fills one with so many frontends, all of which lead to `origin`, and has a portico serve them; says how long that took from
    /// the start of the portico to the first answer.
    pub(crate) fn fill(
        world: &World,
        kind: Kind,
        frontends: usize,
        origin: &str,
    ) -> (Self, Portico, Duration) {
        let store = match kind {
            Kind::Redis => {
                let redis = world.redis();
                fill_redis(redis.port(), frontends, origin);
                Self::Redis(redis)
            }
            Kind::Embedded => {
                let url = format!("embedded:{}", world.path("table.portico").display());
                let mut portico = start(world, &url);
                import(portico.admin(), frontends, origin);
                portico.signal("TERM");
                portico.ended();
                Self::Embedded(url)
            }
            Kind::Memory => Self::Memory,
        };
        let begun = Instant::now();
        let portico = start(world, &store.url());
        if kind == Kind::Memory {
            import(portico.admin(), frontends, origin);
        }
        serves(&portico, frontends - 1);
        (store, portico, begun.elapsed())
    }

    fn url(&self) -> String {
        match self {
            Self::Embedded(url) => url.clone(),
            Self::Memory => "memory:".to_owned(),
            Self::Redis(redis) => redis.url(),
        }
    }
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
