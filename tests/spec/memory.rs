//! Memory: how little a frontend takes, and what a node that was at its limit does when the crowd has gone.

use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::world::{Origin, World, eventually, get};

/// So many frontends for what a process takes without them, caches and all …
const FEW: usize = 10_000;
/// … so many for what they take.
const MANY: usize = 60_000;
/// The most octets of memory that one may take. Among a million it is less than half: here the store's cache of pages fills as well.
const MOST: u64 = 600;

/// The most clients of a burst.
const CROWD: usize = 1500;

#[test]
fn a_burst_past_the_memory_limit_is_over_when_its_clients_are_gone() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let file = world.write("portico.toml", "[http]\nmemory = \"96MiB\"\n");
    let command = world.portico_command(&["--config", file.to_str().unwrap(), "--registry", "memory:"]);
    let portico = command.start();
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    let ready = || get(portico.admin(), "127.0.0.1", "/readyz").status;
    assert_eq!(ready(), 200);
    // The threads that its start took end after 10 s, and an end gives memory back by chance: that shall not be what helps.
    let settled = Instant::now() + Duration::from_secs(11);
    eventually("the start is over", || Instant::now() > settled);

    // Heads that do not end, as large as they may be.
    let head = format!("GET / HTTP/1.1\r\nHost: www.example.com\r\nX-Long: {}", "x".repeat(62_000));
    let mut crowd: Vec<TcpStream> = Vec::new();
    eventually("memory is nearly used up", || {
        while crowd.len() < CROWD {
            let mut client = TcpStream::connect(portico.http()).unwrap();
            // Who comes too late is refused instead of read.
            let _ = client.write_all(head.as_bytes());
            crowd.push(client);
        }
        ready() == 503
    });
    drop(crowd);

    // Nobody asks for anything meanwhile, not even whether it is ready: who asks has it allocate, and so give back by chance.
    eventually("there is room again", || portico.log().contains("there is room again"));
    assert_eq!(ready(), 200);
    assert_eq!(portico.metric("portico_connections_open"), 0.0);
    let reply = get(portico.http(), "www.example.com", "/");
    assert_eq!((reply.status, reply.body.as_str()), (200, "fine"));
}

/// Frontends with these numbers, each with one endpoint, as `portico export` writes them.
fn frontends(numbers: Range<usize>, endpoint: &str) -> String {
    let frontend = |n| {
        format!(
            "{{\"host\":\"host-{n}.example.com\",\"backend\":\"app-{n}\",\"endpoints\":[\"{endpoint}\"]}}"
        )
    };
    let facts: Vec<String> = numbers.map(frontend).collect();
    let facts = facts.join(",");
    format!("{{\"format\":\"portico.facts\",\"version\":1,\"frontends\":[{facts}],\"left_out\":[]}}")
}

#[test]
fn a_frontend_of_one_endpoint_takes_a_few_hundred_octets() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let start = || world.portico(&["--only", "proxy", "--access-log", "off"]);
    let mut portico = start();
    let mut with_few = None;

    for numbers in [0..FEW, FEW..MANY] {
        let last = format!("host-{}.example.com", numbers.end - 1);
        let file = world.write("facts.json", &frontends(numbers, &origin.url()));
        portico.does(&["import", file.to_str().unwrap()]);
        portico.signal("TERM");
        assert!(portico.ended().success());
        // What writing took is gone with who wrote.
        portico = start();
        eventually("the last one is served", || get(portico.http(), &last, "/").body == "fine");
        with_few.get_or_insert_with(|| portico.memory());
    }

    let a_frontend = || portico.memory().saturating_sub(with_few.unwrap()) / (MANY - FEW) as u64;
    eventually("what loading took is given back", || a_frontend() <= MOST);
}
