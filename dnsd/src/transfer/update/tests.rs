//! Prerequisites and changes as RFC 2136 lists them, by rows.

use model::{
    Change, DomainName, Fact, Origin, RecordData, RecordFact, RecordType, Revision, Snapshot, Stated,
};

use super::changes::apply;
use super::prerequisites::{ANY, NONE, check};
use super::state::State;
use super::{MayUpdate, UpdateEdit, message};
use crate::wire::{Code, IN, Records};
use crate::zone::{Zone, file};

/// What stands in the zone; `base` is said by something else than a record fact.
const ZONE: &str = "$ORIGIN e.\n$TTL 9\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n@ NS ns2\nns A 10.0.0.1\nns A 10.0.0.2\nns TXT t\nalias CNAME ns\n\
                    x.empty A 10.0.0.3\nbase A 10.0.0.4\n";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone() -> Zone {
    file::read(ZONE, None).unwrap_or_else(|error| panic!("{error}"))
}

fn snapshot(zone: &Zone) -> Snapshot {
    let sets = zone.sets().filter(|set| *set.name() != name("base.e"));
    let put = |set: &model::RecordSet| {
        let fact = RecordFact::new(set.name(), set.record_type(), Some(set.ttl()), set.data().to_vec());
        let fact = Fact::Record(Box::new(fact.expect("a set")));
        Change::Put(Stated { fact: fact.into(), revision: Revision::new(5), origin: Origin::Native })
    };
    Snapshot::empty().apply(Revision::new(5), sets.map(put).collect::<Vec<_>>())
}

/// A record as text: `NAME CLASS TTL TYPE [DATA]`; the class by its name.
fn record(text: &str) -> Vec<u8> {
    let mut words = text.splitn(5, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (owner, class, ttl, kind, data) = (name(next()), next(), next(), next(), next());
    let class = match class {
        "IN" => IN,
        "NONE" => NONE,
        "ANY" => ANY,
        other => other.parse().expect("a class"),
    };
    let record_type = RecordType::parse(kind).unwrap_or(RecordType::ANY);
    let data = match data {
        "" => Vec::new(),
        text => RecordData::parse(record_type, text).unwrap_or_else(|e| panic!("{e}")).octets().to_vec(),
    };
    let length = u16::try_from(data.len()).expect("short").to_be_bytes();
    let ttl: u32 = ttl.parse().expect("seconds");
    let fixed = [record_type.0.to_be_bytes(), class.to_be_bytes()].concat();
    [owner.as_wire(), &fixed, &ttl.to_be_bytes(), &length, &data].concat()
}

/// An update of the zone `e`.
fn update(prerequisites: &[&str], changes: &[&str]) -> Vec<u8> {
    let count = |records: &[&str]| u16::try_from(records.len()).expect("few");
    let words = [7, 5 << 11, 1, count(prerequisites), count(changes), 0].map(u16::to_be_bytes).concat();
    let zone = b"\x01e\0\0\x06\0\x01".to_vec();
    let records = prerequisites.iter().chain(changes).flat_map(|text| record(text)).collect();
    [words, zone, records].concat()
}

/// What an update comes to.
fn done(prerequisites: &[&str], changes: &[&str]) -> Result<Vec<UpdateEdit>, Code> {
    let (zone, message) = (zone(), update(prerequisites, changes));
    assert!(message::is_update(&message));
    let snapshot = snapshot(&zone);
    let update = message::read(&message).expect("well formed");
    let mut state = State::new(&zone, &snapshot);
    check(&state, &update.prerequisites, &message)?;
    apply(&mut state, &update.changes, &message)?;
    state.edits()
}

#[test]
fn prerequisites_are_what_rfc_2136_3_2_says() {
    let check = |prerequisites: &[&str], expected: Result<(), Code>| {
        assert_eq!(done(prerequisites, &[]).map(drop), expected, "{prerequisites:?}");
    };
    // A set exists, whatever is in it (§2.4.1), and what is in it (§2.4.2).
    check(&["ns.e ANY 0 A"], Ok(()));
    check(&["NS.e ANY 0 TXT"], Ok(()));
    check(&["ns.e ANY 0 MX"], Err(Code::NoSet));
    check(&["no.e ANY 0 A"], Err(Code::NoSet));
    check(&["ns.e IN 0 A 10.0.0.2", "ns.e IN 0 A 10.0.0.1"], Ok(()));
    check(&["ns.e IN 0 A 10.0.0.1"], Err(Code::NoSet));
    check(&["ns.e IN 0 A 10.0.0.1", "ns.e IN 0 A 10.0.0.2", "ns.e IN 0 A 10.0.0.3"], Err(Code::NoSet));
    check(&["no.e IN 0 A 10.0.0.1"], Err(Code::NoSet));
    // It does not (§2.4.3).
    check(&["ns.e NONE 0 MX"], Ok(()));
    check(&["ns.e NONE 0 A"], Err(Code::SetExists));
    // A name is in use, or not (§2.4.4, §2.4.5); one that only has something below it is not.
    check(&["ns.e ANY 0 ANY", "base.e ANY 0 ANY"], Ok(()));
    check(&["no.e ANY 0 ANY"], Err(Code::NoName));
    check(&["empty.e ANY 0 ANY"], Err(Code::NoName));
    check(&["no.e NONE 0 ANY", "empty.e NONE 0 ANY"], Ok(()));
    check(&["ns.e NONE 0 ANY"], Err(Code::NameExists));
    // What is malformed, and what is elsewhere.
    check(&["ns.e ANY 1 A"], Err(Code::Malformed));
    check(&["ns.e ANY 0 A 10.0.0.1"], Err(Code::Malformed));
    check(&["ns.e NONE 0 A 10.0.0.1"], Err(Code::Malformed));
    check(&["ns.e 3 0 A 10.0.0.1"], Err(Code::Malformed));
    check(&["ns.f ANY 0 A"], Err(Code::NotZone));
    // The first one that does not hold is told.
    check(&["ns.e ANY 0 A", "no.e ANY 0 ANY", "ns.e NONE 0 A"], Err(Code::NoName));
}

#[test]
fn changes_are_what_rfc_2136_3_4_says() {
    // Each edit as `NAME/TYPE TTL: DATA, DATA`, or `NAME/TYPE gone`.
    let check = |changes: &[&str], expected: Result<&[&str], Code>| {
        let shown = done(&[], changes).map(|edits| edits.iter().map(shown).collect::<Vec<_>>());
        let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
        assert_eq!(shown, expected, "{changes:?}");
    };
    // Add to a set (§2.5.1): the TTL is the new one's; what is there already is no change.
    check(&["new.e IN 60 A 10.0.0.9"], Ok(&["new.e./A 60: 10.0.0.9"]));
    check(&["New.e IN 60 A 10.0.0.9", "new.E IN 60 A 10.0.0.8"], Ok(&["new.e./A 60: 10.0.0.8, 10.0.0.9"]));
    check(&["ns.e IN 60 A 10.0.0.3"], Ok(&["ns.e./A 60: 10.0.0.1, 10.0.0.2, 10.0.0.3"]));
    check(&["ns.e IN 9 A 10.0.0.1"], Ok(&[]));
    // Delete a set (§2.5.2), all sets (§2.5.3), one record (§2.5.4).
    check(&["ns.e ANY 0 A"], Ok(&["ns.e./A gone"]));
    check(&["no.e ANY 0 A", "ns.e ANY 0 MX"], Ok(&[]));
    check(&["ns.e ANY 0 ANY"], Ok(&["ns.e./A gone", "ns.e./TXT gone"]));
    check(&["ns.e NONE 0 A 10.0.0.1"], Ok(&["ns.e./A 9: 10.0.0.2"]));
    check(&["ns.e NONE 0 A 10.0.0.1", "ns.e NONE 0 A 10.0.0.2"], Ok(&["ns.e./A gone"]));
    check(&["ns.e NONE 0 A 10.0.0.7"], Ok(&[]));
    check(&["ns.e ANY 0 A", "ns.e IN 60 A 10.0.0.9"], Ok(&["ns.e./A 60: 10.0.0.9"]));
    // An alias stands alone (§3.4.2.2).
    check(&["ns.e IN 9 CNAME x.e.", "alias.e IN 9 A 10.0.0.1"], Ok(&[]));
    check(&["alias.e IN 9 CNAME x.e."], Ok(&["alias.e./CNAME 9: x.e."]));
    check(
        &["alias.e ANY 0 CNAME", "alias.e IN 9 A 10.0.0.1"],
        Ok(&["alias.e./A 9: 10.0.0.1", "alias.e./CNAME gone"]),
    );
    // The SOA and the last NS stay (§3.4.2.2-4); a SOA has to be newer.
    check(&["e ANY 0 SOA", "e ANY 0 NS", "e ANY 0 ANY"], Ok(&[]));
    check(&["e NONE 0 NS ns.e.", "e NONE 0 NS ns2.e."], Ok(&["e./NS 9: ns2.e."]));
    check(&["e NONE 0 SOA ns.e. h.e. 7 2 3 4 5"], Ok(&[]));
    check(&["e IN 9 SOA ns.e. h.e. 7 2 3 4 6", "e IN 9 SOA ns.e. h.e. 6 2 3 4 6"], Ok(&[]));
    check(&["e IN 9 SOA ns.e. h.e. 8 2 3 4 6"], Ok(&["e./SOA 9: ns.e. h.e. 8 2 3 4 6"]));
    check(&["x.e IN 9 SOA ns.e. h.e. 8 2 3 4 6"], Ok(&[]));
    // What is malformed, and what is elsewhere: nothing is done then, whatever stands before it.
    check(&["new.e IN 9 A 10.0.0.9", "new.f IN 9 A 10.0.0.9"], Err(Code::NotZone));
    check(&["new.e IN 9 A 10.0.0.9", "new.e 3 9 A 10.0.0.9"], Err(Code::Malformed));
    check(&["ns.e ANY 1 A"], Err(Code::Malformed));
    check(&["ns.e ANY 0 A 10.0.0.1"], Err(Code::Malformed));
    check(&["ns.e NONE 1 A 10.0.0.1"], Err(Code::Malformed));
    check(&["ns.e NONE 0 ANY"], Err(Code::Malformed));
    check(&["ns.e IN 9 ANY"], Err(Code::Malformed));
    check(&["ns.e ANY 0 AXFR"], Err(Code::Malformed));
    check(&["ns.e IN 9 A"], Err(Code::Malformed));
    // What no record fact says is not changed so; beside it others can be said.
    check(&["base.e IN 9 A 10.0.0.9"], Err(Code::Refused));
    check(&["base.e ANY 0 ANY"], Err(Code::Refused));
    check(&["base.e IN 9 TXT t"], Ok(&["base.e./TXT 9: \"t\""]));
}

fn shown(edit: &UpdateEdit) -> String {
    let key = edit.key.to_string();
    let key = key.strip_prefix("record:").expect("a record's");
    let is_new = key.starts_with("new.") || key == "base.e./TXT" || key == "alias.e./A";
    assert_eq!(edit.expected, (!is_new).then_some(Revision::new(5)), "{key}");
    match &edit.fact {
        Some(Fact::Record(fact)) => {
            let data: Vec<String> = fact.data().iter().map(ToString::to_string).collect();
            format!("{key} {}: {}", fact.ttl().expect("its own"), data.join(", "))
        }
        _ => format!("{key} gone"),
    }
}

#[test]
fn what_was_changed_before_is_what_is_changed_next() {
    let edits = done(
        &["new.e NONE 0 ANY"],
        &["new.e IN 60 A 10.0.0.9", "new.e NONE 0 A 10.0.0.9", "new.e IN 60 TXT t", "new.e ANY 0 ANY"],
    );
    assert_eq!(edits, Ok(vec![]), "nothing is left of it");
}

#[test]
fn whoever_may_change_a_zone_has_a_key() {
    let may = MayUpdate::parse("E=10.0.0.0/8 key:second").expect("somebody");
    let is = |zone: &str, address: &str, key: &str| {
        may.is(&name(zone), address.parse().expect("an address"), Some(&name(key)))
    };
    assert!(is("e", "10.0.0.1", "second") && !is("f", "10.0.0.1", "second"));
    assert!(!is("e", "11.0.0.1", "second") && !is("e", "10.0.0.1", "third"));
    assert_eq!(MayUpdate::parse(&may.to_string()), Ok(may));
    assert!(MayUpdate::parse("10.0.0.0/8").expect_err("no key").contains("names no key"));
}

#[test]
fn a_message_with_two_zones_or_half_a_record_is_no_update() {
    let fine = update(&[], &["new.e IN 60 A 10.0.0.9"]);
    assert!(message::zone(&fine).is_ok() && message::read(&fine).is_some());
    let mut two = fine.clone();
    two[5] = 2;
    assert!(message::zone(&two).is_err());
    assert!(message::read(&fine[..fine.len() - 1]).is_none());
    let pointing = [&fine[..12], b"\xc0\x0a\0\x06\0\x01"].concat();
    assert!(message::zone(&pointing).is_err(), "a zone's name is written out");
    let mut answer = fine.clone();
    answer[2] |= 0x80;
    assert!(!message::is_update(&answer) && !message::is_update(&fine[..11]));
    assert!(Records::of(&fine).question().is_some());
}
