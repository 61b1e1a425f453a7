//! Events, and what is served after them.

use model::{Fact, HostPattern, PathPrefix, Quarantined};

use std::time::Duration;

use super::*;
use crate::format::native;

pub(super) fn fold() -> Fold {
    let state = State {
        driver: "test",
        url: String::new(),
        link: Link::Connecting,
        follows_by: "",
        ready: false,
        from_cache: false,
        confirmed: None,
        saved_ms: None,
        read_only: false,
        held: None,
    };
    let patience = Patience { loss: Duration::from_secs(60), older: Duration::from_secs(60) };
    Fold::new(Snapshot::empty(), state, patience)
}

fn stated(host: &str, endpoint: &str, revision: u64) -> Stated {
    let json = format!(r#"{{"host":"{host}","endpoints":["http://{endpoint}"]}}"#);
    let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).expect("frontend"));
    Stated { fact: Arc::new(fact), revision: Revision::new(revision), origin: model::Origin::Native }
}

pub(super) fn put(host: &str, endpoint: &str, revision: u64) -> Change {
    Change::Put(stated(host, endpoint, revision))
}

pub(super) fn key(host: &str) -> FactKey {
    FactKey::Frontend { host: HostPattern::parse(host).expect("host"), path: PathPrefix::root() }
}

pub(super) fn listed(revision: u64) -> Event {
    Event::Listed { revision: Revision::new(revision), follows_by: "test", read_only: false, lost: None }
}

pub(super) fn changed(revision: u64, changes: Vec<Change>) -> Event {
    Event::Changed { revision: Revision::new(revision), changes }
}

fn set_aside(reason: &str) -> Quarantined {
    Quarantined { reason: reason.into(), remedy: "none".into() }
}

impl Fold {
    fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().for_each(|event| self.event(event, Instant::now()));
        self
    }

    /// What is served, as text: `revision: host@revision…, !quarantined…`.
    pub(super) fn text(&self) -> String {
        let facts = self.snapshot.facts().map(|stated| {
            let frontend = stated.fact.as_frontend().expect("a frontend");
            let endpoint = &frontend.backend.endpoints[0].address;
            let model::Address::Name { name, .. } = endpoint else { panic!("names only") };
            format!(" {}={name}@{}", stated.fact.key().to_string().replace("frontend:", ""), stated.revision)
        });
        let raws = self.snapshot.quarantine().map(|(raw, why)| format!(" !{raw}={}", why.reason));
        format!("{}:{}", self.snapshot.revision(), facts.chain(raws).collect::<String>())
    }
}

#[test]
fn a_listing_is_served_only_when_it_is_complete() {
    let fold = fold().events([Event::ListBegin, Event::List(vec![put("a", "x", 1), put("b", "x", 2)])]);
    assert_eq!(fold.text(), "0:");
    assert!(!fold.state.ready);

    let fold = fold.events([listed(2)]);
    assert_eq!(fold.text(), "2: a=x@1 b=x@2");
    assert!(fold.state.ready && fold.state.link == Link::Live && fold.state.confirmed.is_some());
}

#[test]
fn a_second_listing_takes_the_place_of_what_was_served() {
    let first = [
        Event::ListBegin,
        Event::List(vec![
            put("a", "x", 1),
            put("b", "x", 2),
            Change::Quarantine("q".into(), set_aside("bad")),
        ]),
        listed(5),
    ];
    let served = fold().events(first);
    let before = served.snapshot.clone();

    let second = [
        Event::Lost { error: "gone".into() },
        Event::ListBegin,
        Event::List(vec![put("b", "x", 2), put("c", "y", 7)]),
        listed(7),
    ];
    let swapped = served.events(second);

    assert_eq!(swapped.text(), "7: b=x@2 c=y@7");
    let kept = |snapshot: &Snapshot| Arc::clone(&snapshot.get(&key("b")).expect("b").fact);
    assert!(Arc::ptr_eq(&kept(&before), &kept(&swapped.snapshot)), "an equal fact keeps its place");
    assert_eq!(swapped.snapshot.diff(&before).count(), 2);
}

#[test]
fn an_unfinished_listing_is_forgotten() {
    let events = [
        Event::ListBegin,
        Event::List(vec![put("a", "x", 1)]),
        Event::Lost { error: "gone".into() },
        Event::ListBegin,
        Event::List(vec![put("b", "x", 2)]),
        listed(2),
    ];
    assert_eq!(fold().events(events).text(), "2: b=x@2");
}

#[test]
fn a_store_that_went_back_is_counted_on_from_what_is_served() {
    let served = fold().events([Event::ListBegin, Event::List(vec![put("a", "x", 9)]), listed(9)]);

    let same = served.events([Event::ListBegin, Event::List(vec![put("a", "x", 9)]), listed(3)]);
    assert_eq!(same.text(), "9: a=x@9");

    let emptied = same.events([Event::ListBegin, listed(0)]);
    assert_eq!(emptied.text(), "10:");

    let again = emptied.events([changed(1, vec![put("a", "x", 1)])]);
    assert_eq!(again.text(), "11: a=x@1");
}

#[test]
fn an_older_announcement_is_ignored() {
    let served = fold().events([Event::ListBegin, listed(0), changed(5, vec![put("a", "new", 5)])]);
    let late =
        served.events([changed(4, vec![put("a", "old", 4)]), changed(3, vec![Change::Remove(key("a"))])]);
    assert_eq!(late.text(), "5: a=new@5");

    let twice =
        late.events([changed(5, vec![put("a", "new", 5)]), changed(6, vec![Change::Remove(key("a"))])]);
    assert_eq!(twice.text(), "6:");
}

#[test]
fn what_changes_during_a_listing_outlives_the_listing() {
    let events = [
        Event::ListBegin,
        changed(4, vec![put("a", "new", 3), Change::Remove(key("b")), put("d", "new", 4)]),
        Event::List(vec![put("a", "old", 1), put("b", "old", 2), put("c", "old", 1), put("d", "newer", 5)]),
        listed(5),
    ];
    assert_eq!(fold().events(events).text(), "5: a=new@3 c=old@1 d=newer@5");
}

#[test]
fn entries_are_set_aside_and_released() {
    let aside = |reason: &str| Change::Quarantine("q".into(), set_aside(reason));
    let fold = fold().events([Event::ListBegin, listed(1), changed(2, vec![aside("bad")])]);
    assert_eq!(fold.text(), "2: !q=bad");

    let fold = fold.events([changed(2, vec![aside("bad")]), changed(3, vec![aside("worse")])]);
    assert_eq!(fold.text(), "3: !q=worse");

    let fold = fold.events([Event::ListBegin, changed(4, vec![Change::Release("q".into())])]);
    assert_eq!(fold.text(), "4:");
    assert_eq!(fold.events([Event::List(vec![aside("stale")]), listed(4)]).text(), "4:");
}

#[test]
fn marks_come_and_go_without_a_revision() {
    let address = model::Address::parse_url("http://x").expect("address");
    let fold = fold().events([
        Event::ListBegin,
        listed(1),
        Event::Marks { host: "a".into(), dead: vec![address.clone()] },
        Event::ActiveChecker(true),
    ]);
    assert_eq!(fold.marks.by_host.get("a").map(|dead| dead.to_vec()), Some(vec![address]));
    assert!(fold.marks.active_checker);

    let fold = fold.events([Event::Marks { host: "a".into(), dead: vec![] }]);
    assert!(fold.marks.by_host.is_empty());
    assert_eq!(fold.text(), "1:");
}

#[test]
fn a_lost_store_keeps_what_is_served_and_its_age() {
    let fold = fold().events([Event::ListBegin, Event::List(vec![put("a", "x", 1)]), listed(1)]);
    let confirmed = fold.state.confirmed;
    let fold = fold.events([Event::Lost { error: "refused".into() }, Event::Confirmed]);
    assert_eq!(fold.text(), "1: a=x@1");
    assert!(fold.state.ready && fold.state.confirmed == confirmed && fold.state.follows_by.is_empty());
    assert_eq!(fold.state.link, Link::Lost { error: "refused".into() });
}

/// What may happen between a store and us.
#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    Remove(u8),
    /// The driver begins to list.
    Begin,
    /// It reads the next fact, and tells it later.
    Read,
    /// It tells what it read.
    Tell,
    /// It reads and tells the rest.
    End,
    /// The store restarts empty, its counter at zero.
    Restart,
}

/// A store and its driver, in the simplest way.
#[derive(Default)]
struct Store {
    facts: std::collections::BTreeMap<u8, u64>,
    revision: u64,
    /// The next key to read, while listing.
    listing: Option<u8>,
    read: Vec<Change>,
    follows: bool,
}

const KEYS: u8 = 5;

impl Store {
    fn step(&mut self, step: &Step) -> Vec<Event> {
        match *step {
            Step::Put(k) => {
                self.revision += 1;
                self.facts.insert(k, self.revision);
                self.tell(put(&format!("k{k}"), "x", self.revision))
            }
            Step::Remove(k) if self.facts.remove(&k).is_some() => {
                self.revision += 1;
                self.tell(Change::Remove(key(&format!("k{k}"))))
            }
            Step::Begin => {
                self.listing = Some(0);
                self.follows = true;
                self.read.clear();
                vec![Event::ListBegin]
            }
            Step::Read => {
                self.read_next();
                Vec::new()
            }
            Step::Tell if self.listing.is_some() => vec![Event::List(std::mem::take(&mut self.read))],
            Step::End if self.listing.is_some() => {
                (0..KEYS).for_each(|_| self.read_next());
                self.listing = None;
                vec![Event::List(std::mem::take(&mut self.read)), listed(self.revision)]
            }
            Step::Restart => {
                *self = Self::default();
                vec![Event::Lost { error: "restarted".into() }]
            }
            Step::Remove(_) | Step::Tell | Step::End => Vec::new(),
        }
    }

    fn tell(&self, change: Change) -> Vec<Event> {
        if self.follows { vec![changed(self.revision, vec![change])] } else { Vec::new() }
    }

    fn read_next(&mut self) {
        if let Some(k) = self.listing.filter(|k| *k < KEYS) {
            self.read.extend(self.facts.get(&k).map(|revision| put(&format!("k{k}"), "x", *revision)));
            self.listing = Some(k + 1);
        }
    }

    pub(super) fn text(&self) -> String {
        self.facts.iter().map(|(k, revision)| format!(" k{k}=x@{revision}")).collect()
    }
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    prop_oneof![
        4 => (0..KEYS).prop_map(Step::Put),
        2 => (0..KEYS).prop_map(Step::Remove),
        2 => Just(Step::Begin),
        4 => Just(Step::Read),
        2 => Just(Step::Tell),
        3 => Just(Step::End),
        1 => Just(Step::Restart),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
    #[test]
    fn what_is_served_is_what_the_store_says_after_each_listing(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut store, mut fold, mut live) = (Store::default(), fold(), false);
        for step in steps {
            for event in store.step(&step) {
                let before = fold.snapshot.clone();
                live = match event {
                    Event::Listed { .. } => true,
                    Event::Lost { .. } => false,
                    _ => live,
                };
                fold.event(event, Instant::now());
                proptest::prop_assert!(fold.snapshot.revision() >= before.revision());
                if fold.snapshot.revision() == before.revision() {
                    proptest::prop_assert!(fold.snapshot.same_content(&before), "one revision, two contents");
                }
            }
            if live && store.listing.is_none() {
                let served = fold.text();
                let (_, served) = served.split_once(':').expect("a revision");
                proptest::prop_assert_eq!(served, store.text());
            }
        }
    }
}

#[test]
fn the_changes_of_one_event_are_judged_each_after_the_other() {
    let aside = |raw: &str, why: &str| Change::Quarantine(raw.into(), set_aside(why));
    let release = |raw: &str| Change::Release(raw.into());
    let check = |changes: Vec<Change>, expected: &str| {
        let first = vec![put("a", "x", 1), aside("q", "bad")];
        let said = format!("{changes:?}");
        assert_eq!(fold().events([changed(1, first), changed(5, changes)]).text(), expected, "{said}");
    };

    check(vec![aside("r", "bad"), release("r")], "5: a=x@1 !q=bad");
    check(vec![release("q"), aside("q", "bad")], "5: a=x@1 !q=bad");
    check(vec![release("q"), aside("q", "worse"), release("q")], "5: a=x@1");
    check(vec![aside("q", "worse"), aside("q", "bad")], "5: a=x@1 !q=bad");
    check(vec![put("b", "y", 4), Change::Remove(key("b"))], "5: a=x@1 !q=bad");
    check(vec![Change::Remove(key("a")), put("a", "x", 5)], "5: a=x@5 !q=bad");
    check(vec![put("a", "y", 4), put("a", "x", 5)], "5: a=x@5 !q=bad");
    check(vec![put("a", "y", 5), put("a", "z", 4)], "5: a=y@5 !q=bad");
}
