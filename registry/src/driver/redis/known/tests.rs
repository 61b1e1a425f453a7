use super::*;
use crate::driver::redis::content::Content;

struct World {
    names: Names,
    known: Known,
    revision: u64,
}

impl World {
    fn new() -> Self {
        Self { names: Names::new(""), known: Known::default(), revision: 0 }
    }

    /// Takes in one content at the next revision and tells the changes in words.
    fn take(&mut self, raw: &str, content: Content) -> Vec<String> {
        self.revision += 1;
        let revision = Revision::new(self.revision);
        let key: RawKey = raw.as_bytes().into();
        let reading = content.read(&key, &self.names.meaning(&key), 1000);
        let entry = reading.map(|reading| Entry { digest: content.digest(), revision, reading, ends: None });
        let mut changes = Vec::new();
        self.known.take(&self.names, &key, entry, revision, &mut changes);
        changes.into_iter().map(words).collect()
    }
}

fn words(change: Change) -> String {
    match change {
        Change::Put(stated) => format!("put {} {:?}@{}", stated.fact.key(), stated.origin, stated.revision),
        Change::Remove(key) => format!("remove {key}"),
        Change::Quarantine(raw, _) => format!("aside {raw}"),
        Change::Release(raw) => format!("release {raw}"),
    }
}

fn list(name: &str) -> Content {
    Content::List(vec![name.as_bytes().to_vec(), b"http://10.0.0.1:80".to_vec()])
}

fn json(host: &str) -> Content {
    Content::Text(format!(r#"{{"host":"{host}","endpoints":["http://10.0.0.2"]}}"#).into_bytes())
}

#[test]
fn a_key_is_put_changed_set_aside_and_removed() {
    let mut world = World::new();
    assert_eq!(world.take("frontend:a", list("one")), ["put frontend:a Hipache@1"]);
    assert_eq!(world.take("frontend:a", list("two")), ["put frontend:a Hipache@2"]);
    assert_eq!(
        world.take("frontend:a", Content::Other("hash".into())),
        ["remove frontend:a", "aside frontend:a"]
    );
    assert_eq!(world.take("frontend:a", list("one")), ["release frontend:a", "put frontend:a Hipache@4"]);
    assert_eq!(world.take("frontend:a", Content::Absent), ["remove frontend:a"]);
    assert_eq!(world.take("frontend:a", Content::Absent), Vec::<String>::new());
    assert_eq!(world.known.len(), 0);
}

#[test]
fn junk_is_set_aside_and_released() {
    let mut world = World::new();
    assert_eq!(world.take("frontend:a b", list("one")), ["aside frontend:a b"]);
    assert_eq!(world.take("frontend:a b", list("two")), Vec::<String>::new());
    assert_eq!(world.take("frontend:a b", Content::Absent), ["release frontend:a b"]);
}

#[test]
fn of_two_forms_the_native_one_wins_and_the_other_is_named() {
    let mut world = World::new();
    world.take("frontend:a", list("one"));
    assert_eq!(world.take("portico:frontend:a", json("a")), ["aside frontend:a", "put frontend:a Native@2"]);
    assert_eq!(
        world.take("portico:frontend:a", Content::Absent),
        ["release frontend:a", "put frontend:a Hipache@3"]
    );
}

#[test]
fn a_native_form_that_cannot_be_read_leaves_the_list_serving() {
    let mut world = World::new();
    world.take("frontend:a", list("one"));
    let junk = Content::Text(b"{".to_vec());
    assert_eq!(world.take("portico:frontend:a", junk), ["aside portico:frontend:a"]);
    assert_eq!(world.known.claimants(&world.names, &json_key("a")).len(), 2);
    assert!(world.known.served(&world.names, &json_key("a")).is_some());
}

#[test]
fn of_two_spellings_the_canonical_one_wins() {
    let mut world = World::new();
    assert_eq!(world.take("frontend:A", list("one")), ["put frontend:a Hipache@1"]);
    assert_eq!(world.take("frontend:a", list("two")), ["aside frontend:A", "put frontend:a Hipache@2"]);
    assert_eq!(world.take("frontend:A", Content::Absent), ["release frontend:A"]);
}

#[test]
fn the_statement_says_what_is_shown() {
    let mut world = World::new();
    world.take("frontend:a", list("one"));
    world.take("frontend:b", Content::Other("set".into()));
    let all: Vec<String> = world.known.statement().map(words).collect();
    assert_eq!(all, ["put frontend:a Hipache@1", "aside frontend:b"]);
}

fn json_key(host: &str) -> FactKey {
    FactKey::Frontend {
        host: model::HostPattern::parse(host).expect("host"),
        path: model::PathPrefix::root(),
    }
}

#[test]
fn of_a_plain_entry_only_the_fact_is_kept_and_nothing_is_different_by_it() {
    // given
    let mut world = World::new();
    let take = |world: &mut World| {
        let list = world.take("frontend:a", list("one"));
        let json =
            world.take("portico:frontend:b", Content::Text(br#"{"host":"b","endpoints":[]}"#.to_vec()));
        [list, json].concat()
    };
    assert_eq!(take(&mut world), ["put frontend:a Hipache@1", "put frontend:b Native@2"]);
    let raws: [RawKey; 2] = [b"frontend:a"[..].into(), b"portico:frontend:b"[..].into()];
    let before = raws.each_ref().map(|raw| world.known.get(&world.names, raw).expect("an entry"));

    // when
    world.known.pack(&world.names);

    // then
    assert!(world.known.entries.is_empty() && world.known.claims.is_empty());
    let after = raws.each_ref().map(|raw| world.known.get(&world.names, raw).expect("an entry"));
    let said = |entry: &Entry| (entry.digest.clone(), entry.revision, entry.reading.clone());
    assert_eq!(after.each_ref().map(said), before.each_ref().map(said));
    let (keys, end) = world.known.keys_after(&world.names, None, 2);
    assert_eq!((&*keys, world.known.len()), (&raws[..], 2));
    assert!(world.known.keys_after(&world.names, end.as_ref(), 2).0.is_empty());
    assert_eq!(world.take("portico:frontend:a", json("a")), ["aside frontend:a", "put frontend:a Native@3"]);
    assert_eq!(world.take("portico:frontend:b", Content::Absent), ["remove frontend:b"]);
}

#[test]
fn what_is_not_written_as_portico_would_is_kept_whole() {
    let mut world = World::new();
    world.take("frontend:a", Content::List([b"one".to_vec(), b"http://10.0.0.1/".to_vec()].into()));
    world.take("frontend:B", list("one"));

    world.known.pack(&world.names);

    assert_eq!((world.known.plain.len(), world.known.entries.len()), (0, 2));
}

#[test]
fn a_million_plain_entries_would_take_less_than_200_octets_each() {
    let (entries, mut world) = (10_000, World::new());
    let mut hosts: Vec<String> = (0..entries).map(|n| format!("frontend:host-{n}.example.com")).collect();
    hosts.sort();

    let taken = allocation_counter::measure(|| {
        for part in hosts.chunks(250) {
            part.iter().for_each(|raw| drop(world.take(raw, list("app-1"))));
            world.known.pack(&world.names);
        }
    });

    let each = taken.bytes_current / entries;
    assert!((128..200).contains(&each), "{each} octets, the fact's own 128 among them");
}
