//! The embedded store's file: who holds it, and what becomes of a damaged, foreign or missing one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Fact, FactKey, Revision, Snapshot};
use registry::format::native;
use registry::{Config, Edit, Expected, HistoryQuery, OpenError, Registry, RegistryUrl, Write, open};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registry.redb");
        Self { folder, file }
    }

    async fn try_open(&self) -> Result<Registry, OpenError> {
        let url = RegistryUrl::parse("embedded:", self.folder.path()).unwrap();
        open(&url, Config::default()).await
    }

    async fn open(&self) -> Registry {
        self.try_open().await.expect("opens")
    }

    /// A place whose store has so many facts, and is closed.
    async fn with_facts(facts: u64) -> Self {
        let place = Self::new();
        let registry = place.open().await;
        for n in 0..facts {
            write(&registry, n).await;
        }
        registry.close().await;
        place
    }

    fn set_aside(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_str().unwrap().contains(".damaged-")).collect()
    }
}

async fn write(registry: &Registry, n: u64) -> Revision {
    let json = format!(r#"{{"host":"h{n}","endpoints":["http://10.0.0.1:{}"]}}"#, n + 1);
    let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap());
    let edits = vec![Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any }];
    registry.publish(Write { who: "test".to_owned(), edits, guards: Vec::new() }).await.unwrap().revision
}

fn snapshot(registry: &Registry) -> Arc<Snapshot> {
    Arc::clone(&registry.snapshots().borrow())
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_file() {
    let place = Place::with_facts(1).await;
    let registry = place.open().await;

    let Err(error) = place.try_open().await else { panic!("opened twice") };
    assert!(matches!(error, OpenError::Held { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("registry.redb") && text.contains("--data"), "{text}");

    write(&registry, 1).await;
    registry.close().await;
    assert_eq!(snapshot(&place.open().await).len(), 2);
}

/// Damages the file of a store with facts, and looks at what is opened then.
async fn check_damage(damage: impl FnOnce(&mut Vec<u8>)) {
    let place = Place::with_facts(20).await;
    let mut octets = fs::read(&place.file).unwrap();
    damage(&mut octets);
    fs::write(&place.file, &octets).unwrap();

    let registry = place.open().await;
    let set_aside = place.set_aside();
    assert_eq!(set_aside.len(), 1);
    assert_eq!(fs::read(&set_aside[0]).unwrap(), octets, "the damaged file is kept as it was");
    let served = snapshot(&registry);
    assert!(served.is_empty());
    assert!(served.revision() >= Revision::new(20), "revisions go on");
    let told: Vec<_> = served.quarantine().collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, set_aside[0].to_str().unwrap(), "verify names the file");
    assert!(told[0].1.reason.contains("damaged") && told[0].1.remedy.contains("delete"));

    let revision = write(&registry, 1).await;
    assert!(revision > Revision::new(20));
    registry.close().await;

    fs::remove_file(&set_aside[0]).unwrap();
    let registry = place.open().await;
    assert_eq!(snapshot(&registry).revision(), revision);
    assert_eq!((snapshot(&registry).len(), snapshot(&registry).quarantine().len()), (1, 0));
}

#[tokio::test]
async fn a_copy_put_back_after_damage_goes_on_above_what_was_seen() {
    let place = Place::with_facts(3).await;
    let copy = fs::read(&place.file).unwrap();
    let registry = place.open().await;
    let seen = write(&registry, 9).await;
    registry.close().await;
    fs::write(&place.file, "damaged").unwrap();
    place.open().await.close().await;

    fs::write(&place.file, copy).unwrap();
    let registry = place.open().await;
    assert_eq!(snapshot(&registry).len(), 3);
    assert!(snapshot(&registry).revision() >= seen);
    assert!(write(&registry, 9).await > seen);
}

#[tokio::test]
async fn a_file_with_another_beginning_is_set_aside() {
    check_damage(|octets| octets[..64].fill(7)).await;
}

#[tokio::test]
async fn a_file_cut_short_is_set_aside() {
    check_damage(|octets| octets.truncate(octets.len() / 3)).await;
}

#[tokio::test]
async fn an_emptied_file_is_set_aside() {
    check_damage(Vec::clear).await;
}

#[tokio::test]
async fn a_file_of_zeros_is_set_aside() {
    check_damage(|octets| octets.fill(0)).await;
}

#[tokio::test]
async fn a_file_with_damaged_pages_is_set_aside() {
    check_damage(|octets| octets[4096..].fill(0xa5)).await;
}

#[tokio::test]
async fn no_flipped_bit_empties_a_store_in_silence() {
    let place = Place::with_facts(20).await;
    let good = fs::read(&place.file).unwrap();
    let used = good.iter().rposition(|&octet| octet != 0).unwrap();
    let mut dice = fastrand::Rng::with_seed(1);
    for round in 0..80 {
        let mut octets = good.clone();
        for _ in 0..dice.usize(1..4) {
            let at = if dice.bool() { dice.usize(0..512) } else { dice.usize(0..=used) };
            octets[at] ^= 1 << dice.u8(0..8);
        }
        fs::write(&place.file, &octets).unwrap();
        let registry = match place.try_open().await {
            Ok(registry) => registry,
            // A version number that is not ours yet: told, and left alone.
            Err(OpenError::Store { .. }) => continue,
            Err(error) => panic!("round {round}: {error}"),
        };
        let served = snapshot(&registry);
        match place.set_aside().as_slice() {
            // Nothing was hit, or only the newest commit, and the one before it serves.
            [] => assert!(served.len() >= 19, "round {round}: {} facts are left", served.len()),
            [aside] => {
                assert_eq!(served.quarantine().len(), 1);
                fs::remove_file(aside).unwrap();
            }
            more => panic!("round {round}: {more:?}"),
        }
        registry.close().await;
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let place = Place::new();
    fs::write(&place.file, "root:x:0:0:\n").unwrap();
    let Err(error) = place.try_open().await else { panic!("opened") };
    assert!(error.to_string().contains("not a store of portico"), "{error}");
    assert_eq!(fs::read(&place.file).unwrap(), b"root:x:0:0:\n");

    let other = redb::TableDefinition::<u64, u64>::new("other");
    fs::remove_file(&place.file).unwrap();
    let database = redb::Database::create(&place.file).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(other).unwrap().insert(1, 1).unwrap();
    writing.commit().unwrap();
    drop(database);
    let Err(error) = place.try_open().await else { panic!("opened") };
    assert!(error.to_string().contains("it holds the tables other"), "{error}");
}

#[tokio::test]
async fn a_store_that_was_taken_away_is_begun_again_above_its_revisions() {
    let place = Place::with_facts(3).await;
    fs::remove_file(&place.file).unwrap();
    let registry = place.open().await;
    assert!(snapshot(&registry).is_empty());
    assert!(write(&registry, 0).await > Revision::new(3));
}

#[tokio::test]
async fn a_copy_of_a_store_opens_elsewhere() {
    let place = Place::with_facts(3).await;
    let copy = Place::new();
    fs::copy(&place.file, &copy.file).unwrap();
    let registry = copy.open().await;
    assert_eq!(snapshot(&registry).len(), 3);
    assert_eq!(write(&registry, 9).await, Revision::new(4));
}

#[tokio::test]
async fn one_bad_fact_is_one_bad_fact() {
    let place = Place::with_facts(3).await;
    let facts = redb::TableDefinition::<&str, (u64, u8, &[u8])>::new("facts");
    let database = redb::Database::open(&place.file).unwrap();
    let writing = database.begin_write().unwrap();
    let mut table = writing.open_table(facts).unwrap();
    table.insert("frontend:h1", (2, 0, br#"{"host":"h1","endpoints":[7]}"#.as_slice())).unwrap();
    table.insert("frontend:h9", (2, 0, br#"{"host":"h1","endpoints":[]}"#.as_slice())).unwrap();
    table.insert("nonsense", (2, 0, [0xff, 0x00].as_slice())).unwrap();
    drop(table);
    writing.commit().unwrap();
    drop(database);

    let registry = place.open().await;
    let served = snapshot(&registry);
    assert_eq!(served.len(), 2);
    let told: Vec<_> = served.quarantine().map(|(raw, why)| (raw, &*why.reason)).collect();
    assert_eq!(
        told.iter().map(|(raw, _)| *raw).collect::<Vec<_>>(),
        ["frontend:h1", "frontend:h9", "nonsense"]
    );
    assert!(told[0].1.contains("endpoints[0]") && told[1].1.contains("frontend:h1"), "{told:?}");

    // Writing it again, or removing it, mends it.
    write(&registry, 1).await;
    let edit = Edit { key: FactKey::parse("frontend:h9").unwrap(), fact: None, expected: Expected::Present };
    registry.publish(Write { who: "test".to_owned(), edits: vec![edit], guards: Vec::new() }).await.unwrap();
    let served = snapshot(&registry);
    assert_eq!(served.len(), 3);
    assert_eq!(served.quarantine().map(|(raw, _)| raw).collect::<Vec<_>>(), ["nonsense"]);
}

#[tokio::test]
async fn the_history_keeps_ten_thousand_changes_over_restarts() {
    let place = Place::new();
    let registry = place.open().await;
    for _ in 0..11 {
        let edits = (0..1000).map(|n| {
            let json = format!(r#"{{"host":"h{n}","endpoints":[]}}"#);
            let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap());
            Edit { key: fact.key(), fact: Some(fact), expected: Expected::Any }
        });
        registry
            .publish(Write { who: "test".to_owned(), edits: edits.collect(), guards: Vec::new() })
            .await
            .unwrap();
    }
    registry.close().await;
    let registry = place.open().await;
    let query = HistoryQuery { limit: usize::MAX, ..HistoryQuery::default() };
    let history = registry.history(query).await.unwrap();
    assert_eq!(history.len(), 10_000);
    assert_eq!(history[0].revision, Revision::new(11_000));
    assert_eq!(history[9_999].revision, Revision::new(1001));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = RegistryUrl::parse("embedded:", &folder.path().join("a/b")).unwrap();
    let registry = open(&url, Config::default()).await.unwrap();
    write(&registry, 1).await;
    assert!(Path::new(&folder.path().join("a/b/registry.redb")).exists());
}
