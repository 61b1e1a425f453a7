//! Clients that are slow on purpose: thousands of them hold what they can, and a bystander is served as if they were not there.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::world::{Bystander, Origin, Portico, WideOrigin, World, eventually};

/// Slow clients at once.
const CROWD: usize = 4_000;
/// One crowd at a time: the machine is shared with all other tests.
static TURN: Mutex<()> = Mutex::new(());

/// Short patience, so that a test need not wait for minutes.
const PATIENCE: &str = r#"
[access_log]
path = "off"
[client]
connections = 9000
head_timeout = "8s"
keep_alive_timeout = "8s"
idle_timeout = "8s"
min_rate = "1KiB"
min_rate_window = "8s"
"#;

fn portico(world: &World, origin: &WideOrigin, beside: &Origin) -> Portico {
    let file = world.write("portico.toml", PATIENCE);
    let command = world.portico_command(&["--config", file.to_str().unwrap(), "--registry", "memory:"]);
    let portico = command.open_files(16_000).start();
    // slowhttptest asks for the address it connects to.
    portico.does(&["frontend", "add", "127.0.0.1", &origin.url()]);
    portico.does(&["frontend", "add", "www.example.com", &beside.url()]);
    portico
}

/// Runs slowhttptest with further arguments until its connections have ended, and says how many were open at most.
fn crowd(portico: &Portico, arguments: &[&str]) -> usize {
    let mut command = Command::new("sh");
    // It may have as many files open as it wants connections.
    command.args(["-c", "ulimit -n 8192 && exec slowhttptest \"$@\"", "slowhttptest"]);
    command.args(["-c", &CROWD.to_string(), "-r", "2000", "-l", "20", "-i", "1", "-v", "0"]);
    command.args(["-u", &format!("http://{}/", portico.http())]).args(arguments);
    let mut child = command.stdout(Stdio::null()).spawn().expect("slowhttptest, which tests/run installs");
    let (mut most, begin) = (0, Instant::now());
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60), "slowhttptest does not end");
        most = most.max(portico.metric("portico_connections_open") as usize);
        // A look now and then: this is one more client.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(child.wait().unwrap().success());
    most
}

/// `arguments` make slow clients: they are let in, a bystander is served meanwhile, they go, and all is as before.
fn is_withstood(answer: usize, arguments: &[&str]) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let world = World::new();
    let (origin, beside) = (WideOrigin::start(answer), Origin::saying("served"));
    let portico = portico(&world, &origin, &beside);
    let bystander = Bystander::start(portico.http(), "www.example.com", "served");
    eventually("the bystander is served", || beside.requests() > 10);
    let before = portico.descriptors();

    let most = crowd(&portico, arguments);

    let service = bystander.stop();
    let came = portico.metric("portico_connections_total") as usize;
    // How many at once depends on how fast the machine lets them come.
    assert!(came > CROWD && most > CROWD / 4, "{came} came, {most} were in at once");
    service.was_good();
    eventually("nobody is left", || portico.metric("portico_connections_open") == 0.0);
    assert_eq!(portico.metric("portico_requests_in_flight"), 0.0);
    // Unused connections to origins stay for a while, as many as one thread keeps of an address.
    eventually("descriptors return", || portico.descriptors() <= before + 256);
    assert_eq!(portico.metric("portico_panics_total"), 0.0);
    eprintln!(
        "{arguments:?}: {most} at once; of {} answers to a bystander 95 % took {:?}, all {:?}; {} MiB",
        service.took.len(),
        service.within(95),
        service.within(100),
        portico.memory() >> 20
    );
}

#[test]
fn four_thousand_slow_heads_are_withstood() {
    is_withstood(10, &["-H", "-x", "24"]);
}

#[test]
fn four_thousand_slow_bodies_are_withstood() {
    is_withstood(10, &["-B", "-s", "100000", "-x", "10"]);
}

#[test]
fn four_thousand_slow_readers_are_withstood() {
    is_withstood(4 << 20, &["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"]);
}
