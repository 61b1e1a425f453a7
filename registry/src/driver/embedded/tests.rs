//! A disk that fails while portico runs: it is said, the facts stay served, and the store comes back by itself.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{Fact, Snapshot};
use redb::StorageBackend;

use super::*;
use crate::format::native;
use crate::{Config, Edit, Expected, Link, Registry};

/// A disk in memory that outlives the store on it, and is full when it is told to be.
#[derive(Debug, Clone, Default)]
struct Disk {
    octets: Arc<InMemoryBackend>,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> Result<(), io::Error> {
        if self.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.octets.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.octets.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.room()?;
        self.octets.set_len(len)
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.room()?;
        self.octets.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.room()?;
        self.octets.write(offset, data)
    }
}

impl Place for Disk {
    fn open(&mut self) -> Result<Store, StoreError> {
        Store::open(self.clone(), 100, Revision::ZERO)
    }
    fn reserve(&mut self, _: Revision) -> Result<(), StoreError> {
        Ok(())
    }
    fn folder(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn notices(&self) -> Vec<Change> {
        Vec::new()
    }
}

fn write(n: u32) -> Write {
    let json = format!(r#"{{"host":"h{n}","endpoints":[]}}"#);
    let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).expect("frontend"));
    let edits = vec![Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any }];
    Write { who: "test".to_owned(), edits, guards: Vec::new() }
}

fn snapshot(registry: &Registry) -> Arc<Snapshot> {
    Arc::clone(&registry.snapshots().borrow())
}

async fn wait_for(registry: &Registry, condition: impl Fn(&Link) -> bool) {
    let mut state = registry.state();
    let met = state.wait_for(|state| condition(&state.link));
    tokio::time::timeout(Duration::from_secs(20), met).await.expect("in time").expect("a state");
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_store_comes_back_with_room() {
    let mut disk = Disk::default();
    let store = disk.open().expect("a store");
    let driver = start("embedded", disk.clone(), store, &Alarm::default()).expect("a driver");
    let registry = Registry::start(driver, "embedded:".to_owned(), &Config::default(), None);
    wait_for(&registry, |link| *link == Link::Live).await;
    registry.publish(write(1)).await.expect("written");

    disk.full.store(true, Ordering::SeqCst);
    let refused = registry.publish(write(2)).await;
    assert!(matches!(refused, Err(PublishError::Full(_))), "{refused:?}");
    wait_for(&registry, |link| matches!(link, Link::Lost { error } if error.contains("no room"))).await;
    assert!(matches!(
        registry.publish(write(2)).await,
        Err(PublishError::Full(_) | PublishError::Unavailable(_))
    ));
    assert_eq!(snapshot(&registry).len(), 1, "the last snapshot serves");

    disk.full.store(false, Ordering::SeqCst);
    wait_for(&registry, |link| *link == Link::Live).await;
    let published = registry.publish(write(3)).await.expect("written");
    let served = snapshot(&registry);
    assert_eq!((served.len(), served.revision()), (2, published.revision));
    registry.close().await;
}

#[tokio::test]
async fn writes_that_wait_together_share_a_commit() {
    #[derive(Debug, Default)]
    struct Counting(InMemoryBackend, Arc<std::sync::atomic::AtomicU64>);
    impl StorageBackend for Counting {
        fn len(&self) -> Result<u64, io::Error> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> Result<(), io::Error> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> Result<(), io::Error> {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
            self.0.write(offset, data)
        }
    }
    let disk = Counting::default();
    let syncs = Arc::clone(&disk.1);
    let store = Store::open(disk, 100, Revision::ZERO).expect("a store");
    let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
    let answers: Vec<_> = (0..100)
        .map(|n| {
            let (answer, answered) = oneshot::channel();
            commands.try_send(Command::Write(write(n), answer)).expect("room");
            answered
        })
        .collect();
    drop(commands);
    let before = syncs.load(Ordering::SeqCst);
    let worker = Worker {
        place: Memory,
        store: Some(store),
        commands: inbox,
        events: None,
        leases: Leases::default(),
        lease_ends: tokio::sync::watch::channel(None).0,
    };
    tokio::task::spawn_blocking(move || worker.run()).await.expect("runs");

    for (answered, revision) in answers.into_iter().zip(1..) {
        assert_eq!(answered.await.expect("answered").expect("written"), Revision::new(revision));
    }
    let syncs = syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < 10, "{syncs} syncs for the commit and for closing the store");
}
