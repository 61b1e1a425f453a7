//! A remote store that goes away, played by a driver that says what a test tells it to say.

use std::sync::Mutex;

use model::{Change, ChangeRecord, Fact, Origin, Revision, Stated};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::driver::{BoxFuture, Driver, Event, Feed};
use crate::format::native;
use crate::{Backup, BackupError, Config, HistoryQuery, PublishError, ReadError, Registry, Write};

/// Hands the queue for its events to the test.
#[derive(Default)]
struct Scripted(Mutex<Option<mpsc::Sender<Event>>>);

impl Driver for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn is_remote(&self) -> bool {
        true
    }
    fn run(self: Arc<Self>, feed: Feed) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            *self.0.lock().expect("lock") = Some(feed.events.clone());
            feed.events.closed().await;
        })
    }
    fn write(&self, _: Write) -> BoxFuture<'_, Result<Revision, PublishError>> {
        Box::pin(async { Err(PublishError::ReadOnly("a script".to_owned())) })
    }
    fn renew(&self, _: model::FactKey, _: Option<Revision>) -> BoxFuture<'_, Result<bool, PublishError>> {
        Box::pin(async { Ok(false) })
    }
    fn history(&self, _: HistoryQuery) -> BoxFuture<'_, Result<Vec<ChangeRecord>, ReadError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn backup(&self) -> BoxFuture<'_, Result<Backup, BackupError>> {
        Box::pin(async { Err(BackupError::Elsewhere("a script".to_owned())) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Stage {
    registry: Registry,
    driver: Arc<Scripted>,
}

/// A registry whose store is at `url`, with its cache in `folder`.
fn start(folder: &TempDir, url: &str) -> Stage {
    let driver = Arc::new(Scripted::default());
    let cache = Cache::open(&folder.path().join("last.redb"), url);
    let seam: Arc<dyn Driver> = Arc::<Scripted>::clone(&driver);
    Stage { registry: Registry::start(seam, url.to_owned(), &Config::default(), cache), driver }
}

impl Stage {
    async fn say(&self, events: impl IntoIterator<Item = Event>) {
        let sender = loop {
            if let Some(sender) = self.driver.0.lock().expect("lock").clone() {
                break sender;
            }
            tokio::task::yield_now().await;
        };
        for event in events {
            sender.send(event).await.expect("a watcher");
        }
        let reached = Arc::new(tokio::sync::Notify::new());
        sender.send(Event::Barrier(Arc::clone(&reached))).await.expect("a watcher");
        reached.notified().await;
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.registry.state().borrow())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.registry.snapshots().borrow())
    }
}

fn put(host: &str, revision: u64, origin: Origin) -> Change {
    let json = format!(r#"{{"host":"{host}","endpoints":["http://x"]}}"#);
    let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).expect("frontend"));
    Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(revision), origin })
}

fn listing(revision: u64, facts: Vec<Change>) -> [Event; 3] {
    let revision = Revision::new(revision);
    [
        Event::ListBegin,
        Event::List(facts),
        Event::Listed { revision, follows_by: "script", read_only: false, lost: None },
    ]
}

async fn saved(folder: &TempDir) -> Arc<Snapshot> {
    let first = start(folder, "redis://one");
    first.say(listing(7, vec![put("a", 3, Origin::Hipache), put("b", 7, Origin::Native)])).await;
    let snapshot = first.snapshot();
    first.registry.close().await;
    snapshot
}

#[tokio::test]
async fn the_last_known_good_serves_while_the_store_is_away() {
    let folder = tempfile::tempdir().expect("folder");
    let before = saved(&folder).await;

    let second = start(&folder, "redis://one");
    assert!(second.state().ready && second.state().from_cache, "ready before the store is reached");
    second.say([Event::Lost { error: "refused".to_owned() }]).await;
    let served = second.snapshot();
    assert_eq!(*served, *before, "facts, their revisions and where they came from");
    let state = second.state();
    assert!(state.ready && state.from_cache && state.confirmed.is_none());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    assert!(now - u128::from(state.saved_ms.expect("an age")) < 60_000);

    second.say(listing(8, vec![put("b", 7, Origin::Native), put("c", 8, Origin::Native)])).await;
    let swapped = second.snapshot();
    assert_eq!((swapped.revision(), swapped.len()), (Revision::new(8), 2));
    assert_eq!(swapped.diff(&served).count(), 2);
    assert!(!second.state().from_cache && second.state().saved_ms.is_none());
}

#[tokio::test]
async fn changes_reach_the_file_without_a_clean_end() {
    let folder = tempfile::tempdir().expect("folder");
    let first = start(&folder, "redis://one");
    first.say(listing(1, vec![put("a", 1, Origin::Hipache)])).await;
    let changes =
        vec![put("b", 2, Origin::Hipache), Change::Remove(model::FactKey::parse("frontend:a").expect("key"))];
    first.say([Event::Changed { revision: Revision::new(2), changes }]).await;

    // A copy of the file is what a kill would leave.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let copy = folder.path().join("copy.redb");
        fs::copy(folder.path().join("last.redb"), &copy).expect("copied");
        let found = Cache::open(&copy, "redis://one").and_then(|(_, saved)| saved);
        if found.is_some_and(|saved| saved.snapshot == *first.snapshot()) {
            break;
        }
        assert!(Instant::now() < deadline, "not written in time");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_another_store_said_is_not_served() {
    let folder = tempfile::tempdir().expect("folder");
    saved(&folder).await;
    let other = start(&folder, "redis://two");
    assert!(!other.state().ready && other.snapshot().is_empty());
    other.registry.close().await;
    let first = start(&folder, "redis://one");
    assert!(!first.state().ready, "the file is the other store's now");
}

#[tokio::test]
async fn a_damaged_file_is_done_without_and_made_anew() {
    let folder = tempfile::tempdir().expect("folder");
    saved(&folder).await;
    let path = folder.path().join("last.redb");
    let mut octets = fs::read(&path).expect("a file");
    octets[4096..].fill(0x5a);
    fs::write(&path, octets).expect("written");
    let first = start(&folder, "redis://one");
    assert!(!first.state().ready && first.snapshot().is_empty());
    first.registry.close().await;

    let before = saved(&folder).await;
    assert_eq!(*start(&folder, "redis://one").snapshot(), *before);
}

#[tokio::test]
async fn a_file_that_another_process_has_is_done_without() {
    let folder = tempfile::tempdir().expect("folder");
    let before = saved(&folder).await;
    let first = start(&folder, "redis://one");
    let second = start(&folder, "redis://one");
    assert!(!second.state().ready);
    second.say(listing(9, Vec::new())).await;
    second.registry.close().await;
    first.registry.close().await;
    assert_eq!(*start(&folder, "redis://one").snapshot(), *before);
}
