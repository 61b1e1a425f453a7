//! Logs that nobody takes: requests go on, what was not written is counted.

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use crate::world::{Connection, Origin, Portico, World, eventually, get};

/// More lines than a pipe and the shortest queue hold.
const REQUESTS: usize = 4000;

/// How long a request takes, of many.
fn median(portico: &Portico) -> Duration {
    let mut connection = Connection::open(portico.http());
    let mut took: Vec<Duration> = (0..REQUESTS)
        .map(|_| {
            let begun = Instant::now();
            let reply = connection.get("www.example.com", "/a/path/that/makes/a/line/longer").read().unwrap();
            assert_eq!(reply.body, "served");
            begun.elapsed()
        })
        .collect();
    took.sort();
    took[REQUESTS / 2]
}

fn metric(portico: &Portico, name: &str) -> f64 {
    let metrics = get(portico.admin(), "127.0.0.1", "/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Asks until lines are dropped, then how long requests take.
fn blocked(portico: &Portico) -> Duration {
    while metric(portico, "portico_access_log_dropped_total") == 0.0 {
        median(portico);
    }
    median(portico)
}

fn ends(portico: &mut Portico) {
    let begun = Instant::now();
    portico.signal("TERM");
    assert_eq!(portico.ended().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn an_access_log_that_nobody_reads_costs_lines_and_no_request() {
    let world = World::new();
    let origin = Origin::saying("served");
    let fifo = world.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let settings = ["--registry", "memory:", "--access-log"];
    let quiet = world.portico(&[&settings[..], &["off"]].concat());
    let mut portico = world
        .portico_command(&[&settings[..], &[fifo.to_str().unwrap()]].concat())
        .env("PORTICO_ACCESS_LOG__QUEUE", "64KiB")
        .start();
    for portico in [&quiet, &portico] {
        portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    }

    let (without, with) = (median(&quiet), blocked(&portico));

    assert!(with < without * 3 + Duration::from_millis(1), "{with:?}, without a log {without:?}");
    eventually("it is said", || portico.log().contains("access log: lines are dropped"));
    portico.signal("USR1");
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "served");
    ends(&mut portico);
    drop(reader);
}

#[test]
fn an_access_log_on_a_full_disk_costs_lines_and_no_request() {
    let world = World::new();
    let origin = Origin::saying("served");
    let mut portico = world.portico(&["--registry", "memory:", "--access-log", "/dev/full"]);
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);

    median(&portico);

    eventually("it is counted", || metric(&portico, "portico_access_log_dropped_total") > 0.0);
    eventually("it is said", || portico.log().contains("access log: cannot be written"));
    assert_eq!(get(portico.http(), "www.example.com", "/").body, "served");
    ends(&mut portico);
}

#[test]
fn when_nobody_reads_standard_output_and_standard_error_all_goes_on() {
    let world = World::new();
    let origin = Origin::saying("served");
    let config = world.write("portico.toml", "version = 1\n");
    let arguments = ["--registry", "memory:", "--access-log", "-", "--config", config.to_str().unwrap()];
    let command = world.portico_command(&arguments).env("PORTICO_ACCESS_LOG__QUEUE", "64KiB");
    let mut portico = command.unread().start();
    portico.does(&["frontend", "add", "www.example.com", &origin.url()]);
    // Each reload has very much to say.
    let wrong: String = (0..2000).map(|i| format!("unknown_setting_number_{i} = 1\n")).collect();
    world.write("portico.toml", &wrong);

    eventually("the log is blocked", || {
        portico.signal("HUP");
        metric(&portico, "portico_log_dropped_total") > 0.0
    });

    blocked(&portico);
    portico.does(&["frontend", "add", "new.example.com", &origin.url()]);
    assert_eq!(get(portico.http(), "new.example.com", "/").body, "served");
    assert_eq!(get(portico.admin(), "127.0.0.1", "/readyz").status, 200);
    ends(&mut portico);
}
