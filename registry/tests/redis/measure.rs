//! Measurements, for people: `cargo test -p registry --test redis measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use registry::Config;

use crate::server::Server;
use crate::world::{BACK, Node, config, says};

const FRONTENDS: usize = 10_000;

fn fill(server: &Server) {
    let script = "for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', 'frontend:h' .. i .. '.example', 'web', 'http://10.0.0.1:80', 'http://10.0.0.2:80') end";
    redis::cmd("EVAL").arg(script).arg(0).arg(FRONTENDS).exec(&mut server.client()).unwrap();
}

/// Processor time of a process so far.
fn used(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .skip(11)
        .take(2)
        .map(|t| t.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn change(server: &Server, node: &Node, rounds: u32) -> Vec<Duration> {
    let mut client = server.client();
    let mut took = Vec::new();
    for i in 0..rounds {
        let host = format!("h{}.example", i * 37 % 10_000 + 1);
        let url = format!("http://10.1.{}.{}:80", i / 250, i % 250);
        let start = Instant::now();
        redis::cmd("RPUSH").arg(format!("frontend:{host}")).arg(&url).exec(&mut client).unwrap();
        node.until("the change", BACK, |snapshot| says(snapshot, &host).contains(&url[7..])).await;
        took.push(start.elapsed());
    }
    took.sort();
    took
}

#[ignore = "a measurement"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_changes_take_at_ten_thousand_frontends() {
    let server = Server::start();
    fill(&server);
    for what in ["listed and numbered", "listed"] {
        let start = Instant::now();
        let node = Node::live(&server.url()).await;
        println!("{FRONTENDS} frontends {what} in {:?}", start.elapsed());
        assert_eq!(node.now().len(), FRONTENDS);
        node.0.close().await;
    }
    let at_once = Config { hold: Duration::ZERO, ..config("n1") };
    let node = Node::live_with(&server.url(), at_once).await;
    let took = change(&server, &node, 500).await;
    println!("a change: median {:?}, 99th {:?}, worst {:?}", took[250], took[495], took[499]);

    let (ours, theirs) = (used(std::process::id()), used(server.id()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!(
        "5 s of reconciling: we {:?}, redis {:?}",
        used(std::process::id()) - ours,
        used(server.id()) - theirs
    );

    let start = Instant::now();
    server.run("FLUSHDB");
    node.until("nothing", BACK, |snapshot| snapshot.is_empty()).await;
    println!("FLUSHDB: {:?}", start.elapsed());
}
