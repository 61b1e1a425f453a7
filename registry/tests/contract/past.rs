//! The way back: what was, and a copy of it all.

use std::io::{Read, Seek, Write as _};

use model::{FactKey, Revision};
use registry::{BackupError, Config, Expected, Link, PastError, Plan, RegistryUrl, Touched, Was, open};

use crate::facts::{key, plain, put, remove, write};
use crate::list::{Stand, snapshot};

/// `key before>after` of each: the first endpoint, `-` for nothing, `?` for what nobody saw.
fn told(touched: &[Touched]) -> String {
    let shown = |was: &Was| match was {
        Was::Unknown => "?".to_owned(),
        Was::Known(None) => "-".to_owned(),
        Was::Known(Some(fact)) => {
            let frontend = fact.as_frontend().unwrap();
            frontend.backend.endpoints[0].address.to_string().trim_end_matches(":80").to_owned()
        }
    };
    let name = |key: &FactKey| key.to_string().replace("frontend:", "");
    let each = touched.iter().map(|t| format!("{} {}>{}", name(&t.key), shown(&t.before), shown(&t.after)));
    each.collect::<Vec<_>>().join(", ")
}

/// a: x, y, gone; b: x; c: x, then as before.
async fn eventful(stand: &Stand) -> registry::Registry {
    let registry = stand.open().await;
    for edit in [
        put(plain("a", "x"), Expected::Any),
        put(plain("c", "x"), Expected::Any),
        put(plain("a", "y"), Expected::Any),
        put(plain("b", "x"), Expected::Any),
        remove("a", Expected::Any),
        put(plain("c", "y"), Expected::Any),
        put(plain("c", "x"), Expected::Any),
    ] {
        registry.publish(write([edit])).await.unwrap();
    }
    registry
}

pub(crate) async fn the_past_is_told_from_any_revision_to_any_other(stand: Stand) {
    let registry = eventful(&stand).await;
    for (from, to, expected) in [
        (0, 7, "a ->-, b ->x, c ->x"),
        (1, 4, "a x>y, b ->x, c ->x"),
        (4, 1, "a y>x, b x>-, c x>-"),
        (4, 7, "a y>-, c x>x"),
        (2, 3, "a x>y"),
        (7, 7, ""),
    ] {
        let touched = registry.touched(Revision::new(from), Revision::new(to)).await.unwrap();
        assert_eq!(told(&touched), expected, "{from} to {to}");
        let differing = touched.iter().filter(|t| t.differs()).count();
        assert!(differing <= touched.len());
    }
    match registry.touched(Revision::ZERO, Revision::new(8)).await {
        Err(PastError::Future { asked, now }) => assert_eq!((asked.number(), now.number()), (8, 7)),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn what_is_older_than_the_history_is_refused_with_the_oldest_revision(mut stand: Stand) {
    stand.config.history = 3;
    let registry = eventful(&stand).await;
    match registry.touched(Revision::new(3), Revision::new(7)).await {
        Err(PastError::TooOld { asked, oldest }) => assert_eq!((asked.number(), oldest.number()), (3, 4)),
        other => panic!("{other:?}"),
    }
    let touched = registry.touched(Revision::new(4), Revision::new(7)).await.unwrap();
    assert_eq!(told(&touched), "a y>-, c x>x");
}

pub(crate) async fn what_was_is_brought_back_in_one_write(stand: Stand) {
    let registry = eventful(&stand).await;
    let touched = registry.touched(Revision::new(7), Revision::new(3)).await.unwrap();
    let wanted = touched.into_iter().map(|t| match t.after {
        Was::Known(fact) => (t.key, fact),
        Was::Unknown => panic!("{} is not known", t.key),
    });
    let plan = Plan::towards(&snapshot(&registry), wanted);
    let writes = plan.writes("test", registry.max_edits());
    assert_eq!((writes.len(), plan.steps.len(), plan.unchanged), (1, 2, 1));

    let published = registry.publish(writes.into_iter().next().unwrap()).await.unwrap();

    assert_eq!(published.revision, Revision::new(9));
    let back = snapshot(&registry);
    let named = |host: &str| back.get(&key(host)).map(|stated| (*stated.fact).clone());
    assert_eq!(named("a"), Some(plain("a", "y")));
    assert_eq!(named("b"), None);
    assert_eq!(named("c"), Some(plain("c", "x")));
    let again = registry.touched(Revision::new(3), Revision::new(9)).await.unwrap();
    assert!(again.iter().all(|touched| !touched.differs()), "{}", told(&again));
}

pub(crate) async fn a_copy_is_made_while_it_is_written_or_the_stores_own_means_are_named(stand: Stand) {
    let registry = eventful(&stand).await;
    let writer = registry.clone();
    let writing = tokio::spawn(async move {
        for n in 0..50 {
            writer.publish(write([put(plain("w", &format!("h{n}")), Expected::Any)])).await.unwrap();
        }
    });
    let copied = registry.backup().await;
    writing.await.unwrap();
    let mut backup = match copied {
        Err(BackupError::Elsewhere(why)) => return assert!(why.contains("redis-cli"), "{why}"),
        copied => copied.unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    let mut octets = Vec::new();
    backup.file.rewind().unwrap();
    backup.file.read_to_end(&mut octets).unwrap();
    assert_eq!(octets.len() as u64, backup.octets);
    std::fs::File::create(&path).unwrap().write_all(&octets).unwrap();

    let url = RegistryUrl::parse(&format!("embedded:{}", path.display()), folder.path()).unwrap();
    let copy = open(&url, Config::default()).await.unwrap();

    assert_eq!(copy.state().borrow().link, Link::Live);
    let (there, whole) = (snapshot(&copy), snapshot(&registry));
    assert_eq!(there.revision(), backup.revision);
    assert!((7..=57).contains(&there.revision().number()), "{}", there.revision());
    let since = registry.touched(there.revision(), whole.revision()).await.unwrap();
    assert!(since.iter().all(|touched| touched.key == key("w")));
    assert_eq!(told(&copy.touched(Revision::new(1), Revision::new(4)).await.unwrap()), "a x>y, b ->x, c ->x");
    let next = copy.publish(write([put(plain("n", "x"), Expected::Absent)])).await.unwrap();
    assert_eq!(next.revision, there.revision().next());
}
