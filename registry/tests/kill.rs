//! `kill -9`: five hundred times, a writer is killed at a random moment; what it was told was written is there.
//!
//! The writer is this test binary, run again with [`WRITER`] set; it prints a line for each acknowledged write.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::{Address, Fact, FactKey, Revision};
use registry::format::native;
use registry::{Edit, Expected, HistoryQuery, Registry, RegistryUrl, Write, open};
use tokio::sync::RwLock;

const ROUNDS: u64 = 500;
/// Stores that go through these rounds side by side.
const STORES: u64 = 5;
/// The folder that the writer writes to.
const WRITER: &str = "PORTICO_TEST_WRITER";
/// Tasks that write at once, so that commits are shared.
const TASKS: u64 = 4;
/// Hosts of each task: few, so that facts are overwritten.
const HOSTS: u64 = 10;

async fn open_in(folder: &Path) -> Registry {
    let url = RegistryUrl::parse("embedded:", folder).unwrap();
    open(&url, registry::Config::default()).await.expect("opens")
}

/// Writes until it is killed; a line a write: `ack REVISION HOST ENDPOINT`. Nothing, unless it is run by the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let Ok(folder) = std::env::var(WRITER) else { return };
    let registry = open_in(Path::new(&folder)).await;
    let first = registry.snapshots().borrow().revision().number();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let registry = registry.clone();
        tasks.spawn(async move {
            for n in first.. {
                let (host, endpoint) = (format!("h{}.t{task}", n % HOSTS), format!("e{n}"));
                let json = format!(r#"{{"host":"{host}","endpoints":["http://{endpoint}"]}}"#);
                let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap());
                let edit = Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any };
                let write = Write { who: "writer".to_owned(), edits: vec![edit], guards: Vec::new() };
                let published = registry.publish(write).await.unwrap();
                // One write call a line: a kill does not tear it.
                let line = format!("ack {} {host} {endpoint}\n", published.revision);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// A write that was acknowledged: its revision, host and endpoint.
type Ack = (u64, String, String);

/// Held for writing while a process is started, and for reading while this one has a store open: a process that is just being
/// started has our open files for a moment, and with them the locks of stores that we have closed meanwhile.
static STARTING: RwLock<()> = RwLock::const_new(());

/// Runs a writer in `folder` and kills it after `acks` acknowledgements and `pause` more; what it was told.
async fn run_and_kill(folder: &Path, acks: usize, pause: Duration) -> Vec<Ack> {
    let starting = STARTING.write().await;
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(WRITER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a writer");
    drop(starting);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < acks {
        match lines.next() {
            Some(line) => told.extend(ack(&line.unwrap())),
            None => panic!("the writer ended by itself"),
        }
    }
    // The moment is random down to microseconds; nothing is waited for.
    let killed_at = Instant::now() + pause;
    while Instant::now() < killed_at {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    told.extend(lines.map_while(Result::ok).filter_map(|line| ack(&line)));
    writer.wait().unwrap();
    told
}

fn ack(line: &str) -> Option<Ack> {
    // The test runner writes its own words before the first line.
    let words: Vec<&str> = line.get(line.find("ack ")?..)?.split(' ').collect();
    let ["ack", revision, host, endpoint] = words[..] else { panic!("{line:?}") };
    Some((revision.parse().unwrap(), host.to_owned(), endpoint.to_owned()))
}

#[test]
fn five_hundred_kills_lose_no_acknowledged_write() {
    // Most of the time is spent waiting for a disk: several stores wait together.
    std::thread::scope(|scope| {
        for store in 0..STORES {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(rounds(store));
            });
        }
    });
}

async fn rounds(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut newest: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut revision = Revision::ZERO;
    let mut total = 0;
    for round in 0..ROUNDS / STORES {
        // Every tenth writer is killed while it opens the store, or before.
        let opening = dice.u8(0..10) == 0;
        let pause = Duration::from_micros(dice.u64(0..if opening { 20_000 } else { 3_000 }));
        let told = run_and_kill(folder.path(), if opening { 0 } else { dice.usize(1..8) }, pause).await;
        total += told.len();

        let open = STARTING.read().await;
        let registry = open_in(folder.path()).await;
        let snapshot = registry.snapshots().borrow().clone();
        let query = HistoryQuery { limit: 10_000, ..HistoryQuery::default() };
        let history: BTreeSet<u64> =
            registry.history(query).await.unwrap().iter().map(|record| record.revision.number()).collect();
        let known = revision;
        revision = snapshot.revision();
        assert!(revision >= known, "round {round}: the revision went back");
        let oldest = history.first().copied().unwrap_or(0);
        for (at, host, endpoint) in told {
            assert!(at > known.number(), "round {round}: revision {at} was given twice");
            assert!(at <= revision.number(), "round {round}: revision {at} is lost");
            assert!(at < oldest || history.contains(&at), "round {round}: {at} is not in the history");
            if newest.get(&host).is_none_or(|(before, _)| *before < at) {
                newest.insert(host, (at, endpoint));
            }
        }
        for (host, (at, endpoint)) in &newest {
            let stated = snapshot.get(&FactKey::parse(&format!("frontend:{host}")).unwrap()).expect("there");
            assert!(stated.revision.number() >= *at, "round {round}: {host} is older than it was");
            if stated.revision.number() == *at {
                let frontend = stated.fact.as_frontend().unwrap();
                let Address::Name { name, .. } = &frontend.backend.endpoints[0].address else {
                    panic!("a name")
                };
                assert_eq!(**name, **endpoint);
            }
        }
        registry.close().await;
        drop(open);
    }
    assert!(total as u64 > ROUNDS / STORES, "{total} acknowledged writes are too few to prove anything");
}
