//! A long and busy life in short: requests, connections, changes of routes and restarts of Redis, through the real binary.
//!
//! In: how much of it, in which time. Out: a [`Report`]: was each answer one that was allowed at that moment, are the open files back to
//! where they were, is the memory flat after the warm-up, is each request in the access log. The tests run a short one, `cargo bench
//! --bench soak` the whole. Never here: a wait without a deadline, a peer that is not this machine.

mod clients;
mod origins;
mod process;
mod report;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{Portico, Redis, World, eventually, portico};
use clients::Clients;
use origins::Origins;
use process::Process;
pub(crate) use report::Report;
use routes::Routes;

/// How many answers may be wrong before it is not worth going on.
const ENOUGH: usize = 20;
/// How long what is kept for later (connections to origins) is kept.
const KEPT: &str = "1s";
/// How long open files may take to come back to where they were.
const SETTLED: Duration = Duration::from_secs(20);

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Over which time; it takes longer where the machine is too slow.
    pub(crate) time: Duration,
    /// Requests, spread over that time.
    pub(crate) requests: usize,
    /// Client connections they come by.
    pub(crate) connections: usize,
    /// Changes of routes.
    pub(crate) changes: usize,
    /// Restarts of Redis.
    pub(crate) restarts: usize,
}

impl Plan {
    /// The whole (10^6 requests, 10^5 connections, 10^4 changes, 10 restarts in 20 minutes), or as much of it as fits into `time`.
    pub(crate) fn of(time: Duration) -> Self {
        let share = time.as_secs_f64() / 1200.0;
        let part = |whole: f64| (whole * share).ceil() as usize;
        Self { time, requests: part(1e6), connections: part(1e5), changes: part(1e4), restarts: part(10.0) }
    }
}

/// Does all of it.
pub(crate) fn run(plan: Plan) -> Report {
    let world = World::new();
    let origins = Origins::start();
    let redis = world.redis();
    let routes = Arc::new(Routes::new(&origins));
    routes.fill(&redis);
    let log = world.path("access.log");
    let mut portico = start(&world, &redis, &log.display().to_string());
    let http = portico.http();
    let process = Process(portico.pid());
    eventually("all routes are there", || routes.are_served(http));

    let warm = Clients::start(http, &routes, Plan { requests: 500, connections: 50, ..quick(plan) });
    let mut asked = warm.finish(|| {});
    let files_before = settled(process);
    let clients = Clients::start(http, &routes, plan);
    let mut samples = Vec::new();
    let redis = change(plan, redis, &routes, http, &clients, || samples.push(process.memory()));
    asked.add(&clients.finish(|| {
        samples.push(process.memory());
    }));
    let files_after = back_to(process, files_before);

    drop(redis);
    portico.signal("TERM");
    let ended = portico.ended();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    Report {
        asked,
        changed: routes.changed(),
        stalest: routes.stalest(),
        restarts: plan.restarts,
        files: (files_before, files_after),
        memory: samples,
        logged: text.lines().count(),
        probed: routes.probed(),
        ended,
        panics: portico.log().matches("panicked").count(),
    }
}

fn quick(plan: Plan) -> Plan {
    Plan { time: Duration::from_secs(1), ..plan }
}

fn start(world: &World, redis: &Redis, log: &str) -> Portico {
    let (data, url) = (world.path("data").display().to_string(), redis.url());
    let address = "127.0.0.1:0";
    let arguments = [
        ["--http", address],
        ["--admin", address],
        ["--workers", "2"],
        ["--data", &data],
        ["--registry", &url],
        ["--access-log", log],
    ];
    let arguments = [&["run"][..], arguments.as_flattened()].concat();
    portico(&arguments).env("PORTICO_UPSTREAM__KEEP_ALIVE_TIMEOUT", KEPT).start()
}

/// Changes routes and restarts Redis until the plan is done, and looks at the memory each second.
fn change(
    plan: Plan,
    mut redis: Redis,
    routes: &Routes,
    http: SocketAddr,
    clients: &Clients,
    mut look: impl FnMut(),
) -> Redis {
    let begin = Instant::now();
    let (mut restarted, mut looked) = (0, begin);
    for number in 0..plan.changes {
        let due = begin + plan.time.mul_f64(number as f64 / plan.changes as f64);
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
        if clients.wrong() >= ENOUGH {
            break;
        }
        if number * (plan.restarts + 1) / plan.changes > restarted {
            restarted += 1;
            routes.wait(&redis, http);
            redis.command(&["SAVE"]);
            redis = redis.restart();
            routes.wait(&redis, http);
        }
        routes.change(&redis);
        if looked.elapsed() >= Duration::from_secs(1) {
            looked = Instant::now();
            look();
        }
    }
    redis
}

/// The open files once nothing is kept for later any more.
fn settled(process: Process) -> usize {
    let (mut least, mut since) = (process.open_files(), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        thread::park_timeout(Duration::from_millis(100));
        let now = process.open_files();
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    least
}

/// The open files, as soon as there are no more than so many, or after all patience.
fn back_to(process: Process, before: usize) -> usize {
    let begin = Instant::now();
    while process.open_files() > before && begin.elapsed() < SETTLED {
        thread::park_timeout(Duration::from_millis(100));
    }
    process.open_files()
}

#[test]
fn a_busy_life_in_short_has_no_wrong_answer_and_leaves_nothing_behind() {
    let plan = Plan::of(Duration::from_secs(15));

    let report = run(plan);

    eprintln!("{report}");
    assert!(report.kept(), "{report}");
}
