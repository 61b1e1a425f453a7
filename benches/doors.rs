//! "When do both doors answer with my change?": from the write to the first HTTP answer and the first DNS answer that are made by it,
//! through the real binary, in milliseconds. `cargo bench --bench doors [-- --help]`.
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

use std::time::{Duration, Instant};

use world::{Connection, Origin, Portico, Redis, World, eventually, get, serial};

const HELP: &str = "\
When do both doors answer with my change? From the write to the HTTP answer and the DNS answer that are made by it.

  cargo bench --bench doors [-- [--names N] [--rounds N]]

  --names N    services with an instance each, beside the one that changes (default 10000)
  --rounds N   changes measured per case (default 500)

Needs redis-server. A change moves the instance of a service that a frontend names: HTTP answers from another origin then, and DNS
with another serial. Cases: a PUT to the embedded registry; to Redis, as its own doors answer and as those of another node do; a SET
by a foreign client of Redis; a PUT with `?wait`, until it is answered.";

/// What is promised of every case at 10,000 names.
const PROMISE: Duration = Duration::from_millis(50);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        return println!("{HELP}");
    }
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|a| a == name);
        at.map_or(default, |at| arguments.get(at + 1).and_then(|n| n.parse().ok()).expect("a number"))
    };
    let (names, rounds) = (number("--names", 10_000), number("--rounds", 500));
    println!("{names} names, {rounds} rounds; milliseconds from the write until both doors answer with it\n");
    println!("{:48} {:>8} {:>8} {:>8} {:>9}", "case", "median", "p99", "max", "p99 goal");
    let stage = Stage::embedded(names);
    report("embedded: PUT", stage.rounds(rounds, &stage.nodes[0], |stage, i| stage.put(i, "")));
    report("embedded: PUT ?wait=5s, answered", stage.waits(rounds));
    drop(stage);
    let stage = Stage::on_redis(names);
    let [one, two] = &stage.nodes[..] else { panic!("two nodes") };
    report("redis: PUT, doors of the same node", stage.rounds(rounds, one, |stage, i| stage.put(i, "")));
    report("redis: PUT, doors of another node", stage.rounds(rounds, two, |stage, i| stage.put(i, "")));
    report("redis: SET by a foreign client", stage.rounds(rounds, two, Stage::set));
    report("redis: PUT ?wait=5s, answered", stage.waits(rounds));
}

fn report(case: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |q: f64| took[((took.len() - 1) as f64 * q) as usize];
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let kept = if at(0.99) <= PROMISE { "kept" } else { "BROKEN" };
    println!(
        "{case:48} {:8.2} {:8.2} {:8.2} {:>4} {kept}",
        ms(at(0.5)),
        ms(at(0.99)),
        ms(at(1.0)),
        PROMISE.as_millis()
    );
}

/// Nodes with names, and a service whose one instance moves between two origins.
struct Stage {
    nodes: Vec<Portico>,
    redis: Option<Redis>,
    origins: [Origin; 2],
    _worlds: Vec<World>,
}

impl Stage {
    fn embedded(names: usize) -> Self {
        let world = World::new();
        let node = world.portico(&["--access-log", "off", "--dns", "127.0.0.1:0"]);
        Self::filled(vec![node], None, vec![world], names)
    }

    fn on_redis(names: usize) -> Self {
        let worlds = vec![World::new(), World::new()];
        let redis = worlds[0].redis();
        let arguments = ["--access-log", "off", "--dns", "127.0.0.1:0", "--registry", &redis.url()];
        let nodes = worlds.iter().map(|world| world.portico(&arguments)).collect();
        Self::filled(nodes, Some(redis), worlds, names)
    }

    fn filled(nodes: Vec<Portico>, redis: Option<Redis>, worlds: Vec<World>, names: usize) -> Self {
        let origins = [Origin::saying("0"), Origin::saying("1")];
        let stage = Self { nodes, redis, origins, _worlds: worlds };
        eventually("it follows", || get(stage.nodes[0].admin(), "127.0.0.1", "/readyz").status == 200);
        for batch in (0..names).collect::<Vec<_>>().chunks(500) {
            let documents = batch.iter().map(|n| {
                let (a, b) = (n / 250, n % 250);
                format!(
                    r#"{{"kind":"service","name":"s{n}"}},{{"kind":"instance","service":"s{n}","name":"i","addresses":["10.1.{a}.{b}"]}}"#
                )
            });
            let documents = documents.collect::<Vec<_>>().join(",");
            stage.write("POST", "/v1/apply", &format!(r#"{{"documents":[{documents}],"in_parts":true}}"#));
        }
        stage.write("PUT", "/v1/services/web", r#"{"ports":[{"name":"http","port":80}]}"#);
        stage.write("PUT", "/v1/frontends/www.example.com", r#"{"service":"web"}"#);
        stage
    }

    fn write(&self, method: &str, path: &str, body: &str) -> String {
        let (admin, length) = (self.nodes[0].admin(), body.len());
        let mut connection = Connection::open(admin);
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ));
        let reply = connection.read().expect("an answer");
        assert!(reply.status < 300, "{reply:?}");
        reply.body
    }

    /// The instance, at the origin whose turn it is.
    fn instance(&self, i: usize) -> String {
        let port = self.origins[i % 2].port();
        format!(r#""addresses":["127.0.0.1"],"ports":{{"http":{port}}},"metadata":{{"n":"{i}"}}"#)
    }

    fn put(&self, i: usize, query: &str) {
        let path = format!("/v1/services/web/instances/web-1{query}");
        self.write("PUT", &path, &format!("{{{}}}", self.instance(i)));
    }

    fn set(&self, i: usize) {
        let document = format!(r#"{{"service":"web","name":"web-1",{}}}"#, self.instance(i));
        let redis = self.redis.as_ref().expect("a Redis");
        redis.command(&["SET", "portico:instance:web/web-1", &document]);
    }

    /// From the beginning of each write until both doors of `node` answer with it.
    fn rounds(&self, rounds: usize, node: &Portico, write: impl Fn(&Self, usize)) -> Vec<Duration> {
        let mut door = Connection::open(node.http());
        let mut round = |i: usize| {
            let before = serial(node.dns(), "svc.internal");
            let since = Instant::now();
            write(self, i);
            let expected = (i % 2).to_string();
            let (mut http, mut dns) = (false, false);
            while !(http && dns) {
                if !http {
                    let reply = door.get("www.example.com", "/").read();
                    http = reply.as_ref().is_some_and(|reply| reply.body == expected);
                    if reply.is_none() {
                        door = Connection::open(node.http());
                    }
                }
                dns = dns || serial(node.dns(), "svc.internal") > before;
                assert!(since.elapsed() < Duration::from_secs(30), "round {i}: HTTP {http}, DNS {dns}");
            }
            since.elapsed()
        };
        // The first ones set the scene.
        (0..rounds + 2).map(&mut round).skip(2).collect()
    }

    /// From the beginning of each write until it is answered that all serve it.
    fn waits(&self, rounds: usize) -> Vec<Duration> {
        let round = |i| {
            let since = Instant::now();
            let path = "/v1/services/web/instances/web-1?wait=5s";
            let answer = self.write("PUT", path, &format!("{{{}}}", self.instance(i)));
            assert!(
                answer.contains(r#""served":true"#),
                "a wait that ended is no time until it is served: {answer}"
            );
            since.elapsed()
        };
        (0..rounds).map(round).collect()
    }
}
