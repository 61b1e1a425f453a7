//! The memory limit: what a node that was at it does when the crowd has gone.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::world::{Origin, World, eventually, get};

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
