//! The headline: a minute of deploys, one of them broken, and no request fails, through the proxy or beside it; the ledger shows the order
//! in which every instance was ended.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use engine::Engine;
use serde_json::Value;

use crate::world::{Ask, Fleet, Judge, Load, Reply, dig, until_within};

/// How many versions follow each other.
const DEPLOYS: usize = 20;
/// Which of them is broken.
const BROKEN: usize = 9;
/// How long that takes at least.
const LASTS: Duration = Duration::from_secs(60);
/// How long one may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// With what TTL DNS names instances: nobody may be told to end earlier after it left.
const TTL_MS: u64 = 5000;

/// Every answer is a page of a version that was healthy.
struct Pages;

impl Ask for Pages {
    fn ask(&self, _: usize) -> (String, Judge) {
        (
            "web.example.com".to_owned(),
            Box::new(|reply: &Reply| reply.status == 200 && reply.body.trim() == "page"),
        )
    }
}

/// A client that asks DNS before each connection, and goes there itself.
pub(crate) struct Direct {
    ended: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Direct {
    pub(crate) fn start(dns: SocketAddr) -> Self {
        let (ended, requests, failures) = (
            Arc::<AtomicBool>::default(),
            Arc::<AtomicUsize>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let own = (Arc::clone(&ended), Arc::clone(&requests), Arc::clone(&failures));
        let thread = thread::spawn(move || {
            while !own.0.load(Ordering::SeqCst) {
                if let Err(failure) = direct(dns) {
                    own.2.lock().unwrap().push(failure);
                }
                own.1.fetch_add(1, Ordering::SeqCst);
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        Self { ended, requests, failures, thread: Some(thread) }
    }

    /// How many requests there were, and what failed.
    pub(crate) fn end(mut self) -> (usize, Vec<String>) {
        self.ended.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        (self.requests.load(Ordering::SeqCst), self.failures.lock().unwrap().clone())
    }
}

/// Finds an instance by its SRV record and asks it.
fn direct(dns: SocketAddr) -> Result<(), String> {
    let begun = now_ms();
    let dug = dig(dns, &["_http._tcp.web.svc.internal", "SRV", "+short"]);
    let first = dug.text().lines().next().map(str::to_owned).ok_or("DNS names nobody")?;
    let port: u16 = first.split(' ').nth(2).and_then(|port| port.parse().ok()).ok_or(first.clone())?;
    let answered = now_ms();
    if answered - begun > u128::from(TTL_MS) / 2 {
        // On a machine that stood still meanwhile the answer is too old to go by.
        return direct(dns);
    }
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match asked() {
        Ok(answer) if answer.contains(" 200 ") && answer.trim().ends_with("page") => Ok(()),
        other => {
            Err(format!("{first}: asked DNS at {begun}, answered at {answered}, at {}: {other:?}", now_ms()))
        }
    }
}

/// By the wall clock, as the ledger says it.
fn now_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

/// What `portico events --json` tells, each with when it was told.
struct Ledger {
    child: Child,
    lines: Arc<Mutex<Vec<(Instant, Value)>>>,
}

impl Ledger {
    fn follow(server: SocketAddr) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portico"))
            .args(["events", "--json", "--server", &format!("http://{server}")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::<Mutex<Vec<(Instant, Value)>>>::default();
        let (into, stdout) = (Arc::clone(&lines), child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                into.lock().unwrap().push((Instant::now(), serde_json::from_str(&line).unwrap()));
            }
        });
        Self { child, lines }
    }

    /// Says all of it, for whoever looks into a failure.
    fn tell(&self) {
        for (_, event) in self.lines.lock().unwrap().iter() {
            let (at, fact) = (&event["at_ms"], &event["fact"]);
            eprintln!("{at} {} {} {} {}", event["key"], fact["state"], fact["ports"], fact["run"]);
        }
    }

    /// What was told of each instance, in order: its stage, and the rest of its run; `removed` at its end.
    fn instances(&self) -> BTreeMap<String, Vec<(Instant, String, Value)>> {
        let mut told: BTreeMap<String, Vec<(Instant, String, Value)>> = BTreeMap::new();
        for (at, event) in self.lines.lock().unwrap().iter() {
            let Some(key) = event["key"].as_str().filter(|key| key.starts_with("instance:web/")) else {
                continue;
            };
            let run = &event["fact"]["run"];
            let stage =
                if event["event"] == "removed" { "removed" } else { run["stage"].as_str().unwrap_or("") };
            told.entry(key.to_owned()).or_default().push((*at, stage.to_owned(), event["fact"].clone()));
        }
        told
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn images(engine: &Engine) {
    engine.web("headline-web:0", "page").unwrap();
    engine.image("headline-web:broken", &[], r#"CMD ["sh", "-c", "echo broken >&2; exit 1"]"#).unwrap();
    for n in 1..=DEPLOYS {
        let path = format!("/images/headline-web:0/tag?repo=headline-web&tag={n}");
        assert_eq!(engine.ask("POST", &path, "", b"").unwrap().status, 201);
    }
}

/// Deploys an image and waits until it is done, or has failed.
fn deploy(fleet: &Fleet, image: &str) -> String {
    let now = || fleet.asks("/v1/deployments/web")["deployment"].clone();
    let before = now()["version"].clone();
    fleet.portico.does(&["deploy", "web", "--image", image]);
    until_within(PATIENCE, image, || {
        let now = now();
        let state = now["deployment"].as_str().unwrap_or_default().to_owned();
        (now["version"] != before && state != "progressing").then_some(state)
    })
}

/// Checks the order in which each instance was ended; how many were.
fn check(ledger: &Ledger) -> usize {
    let mut ended = 0;
    for (key, told) in ledger.instances() {
        // A name is given again: each life is looked at by itself.
        for life in told.split_inclusive(|(_, stage, _)| stage == "removed") {
            let place = |wanted: &str| life.iter().position(|(_, stage, _)| stage == wanted);
            let stages: Vec<&str> = life.iter().map(|(_, stage, _)| stage.as_str()).collect();
            let Some(removed) = place("removed") else { continue };
            let stopping = place("stopping").unwrap_or_else(|| panic!("{key}: {stages:?}"));
            assert!(stopping < removed, "{key}: {stages:?}");
            ended += 1;
            let was_healthy =
                life.iter().any(|(_, stage, fact)| stage == "running" && fact["state"].is_null());
            if !was_healthy {
                continue;
            }
            let draining = place("draining").unwrap_or_else(|| panic!("{key}: {stages:?}"));
            assert!(draining < stopping, "{key}: {stages:?}");
            let release = &life[stopping].2["run"]["release"];
            assert!(release["after_ms"].as_u64().unwrap() >= TTL_MS, "{key}: {release}");
            assert!(release["unconfirmed"].is_null() && release["cut"].is_null(), "{key}: {release}");
            let apart = life[removed].0.duration_since(life[draining].0);
            assert!(apart > Duration::from_millis(TTL_MS - 500), "{key}: it was gone after {apart:?}");
        }
    }
    ended
}

#[test]
fn twenty_deploys_in_a_minute_one_of_them_broken_fail_no_request_and_end_every_instance_in_order() {
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_DNS__LISTEN", "127.0.0.1:0")]);
    images(&fleet.engine);
    fleet.apply(
        "---\nkind: service\nname: web\nimage: headline-web:0\nports: [{name: http, port: 8080}]\ninstances: 2\n\
         heartbeat: {kind: http, port: http, path: /, interval_ms: 500}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {name: web}\n",
    );
    fleet.settles("web", 2);
    let ledger = Ledger::follow(fleet.portico.admin());
    let load = Load::start(fleet.portico.http(), 2, Pages);
    let direct = Direct::start(fleet.portico.dns());

    let begun = Instant::now();
    let mut failed = Vec::new();
    for n in 1..=DEPLOYS {
        let image = if n == BROKEN { "headline-web:broken".to_owned() } else { format!("headline-web:{n}") };
        if deploy(&fleet, &image) == "failed" {
            failed.push(n);
        }
        let due = LASTS * u32::try_from(n).unwrap() / u32::try_from(DEPLOYS).unwrap();
        thread::park_timeout(due.saturating_sub(begun.elapsed()));
    }
    let took = begun.elapsed();
    until_within(PATIENCE, "all that was replaced is gone", || {
        (fleet.containers(&fleet.engine).len() == 2).then_some(())
    });

    assert_eq!(failed, [BROKEN], "the broken one alone");
    let (requests, failures) = (load.requests(), load.failures());
    let (direct, of_direct) = direct.end();
    eprintln!(
        "{DEPLOYS} deploys in {took:?}: {requests} requests, {direct} direct ones; {} and {} failed",
        failures.len(),
        of_direct.len()
    );
    if !of_direct.is_empty() {
        ledger.tell();
    }
    assert_eq!((failures, of_direct), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(requests > 10_000 && direct > 500, "{requests} {direct}");
    let ended = until_within(PATIENCE, "the ledger has all", || {
        Some(check(&ledger)).filter(|ended| *ended > 2 * (DEPLOYS - 1))
    });
    eprintln!("{ended} instances ended, each in order");
}
