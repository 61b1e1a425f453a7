//! Limits of the machine: what a node does when it has no more of something.

use std::net::TcpStream;
use std::time::Duration;

use crate::world::{Origin, World, eventually, get};

#[test]
fn at_the_limit_of_open_files_accepting_pauses_and_the_operator_can_look() {
    let world = World::new();
    let origin = Origin::saying("fine");
    let file = world.write("portico.toml", "[client]\nconnections = 1000\n");
    let command = world.portico_command(&["--config", file.to_str().unwrap(), "--registry", "memory:"]);
    let portico = command.open_files(64).start();
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);

    let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(portico.http()).unwrap()).collect();

    let metrics = || get(portico.admin(), "127.0.0.1", "/metrics").body;
    eventually("the limit is seen", || {
        let metrics = metrics();
        metrics.lines().any(|line| {
            line.strip_prefix("portico_limits_reached_total{limit=\"open_files\"} ").is_some_and(|n| n != "0")
        })
    });
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200);
    let before = portico.cpu();
    let second = std::time::Instant::now() + Duration::from_secs(1);
    eventually("a second passes", || std::time::Instant::now() > second);
    let spent = portico.cpu() - before;
    assert!(spent < Duration::from_millis(300), "it spins: {spent:?} of CPU in a second");

    drop(crowd);
    let reply = get(portico.http(), "www.example.com", "/");
    assert_eq!((reply.status, reply.body.as_str()), (200, "fine"));
}
