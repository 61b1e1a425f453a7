//! Prerequisites and changes as RFC 2136 lists them, by rows.

use std::collections::BTreeSet;

use model::{
    Change, DomainName, Fact, Origin, RecordData, RecordFact, RecordType, Revision, Snapshot, Stated,
};

use super::changes::apply;
use super::prerequisites::{ANY, NONE, check};
use super::state::State;
use super::{MayUpdate, UpdateEdit, UpdateGuard, message};
use crate::config::UPDATE_GUARDS;
use crate::wire::{Code, IN, Records};
use crate::zone::facts::{Grounds, Homes};
use crate::zone::{Zone, file};

/// What stands in the zone, all of it by record facts.
const ZONE: &str = "$ORIGIN e.\n$TTL 9\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n@ NS ns2\nns A 10.0.0.1\nns A 10.0.0.2\nns TXT t\nalias CNAME ns\n\
                    x.empty A 10.0.0.3\n";
/// What another zone has otherwise, and what record facts say in it.
const BASE: &str =
    "$ORIGIN e.\n$TTL 9\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nbase A 10.0.0.4\nbelow.base A 10.0.0.5\n";
const BESIDE: &str =
    "$ORIGIN e.\n$TTL 9\nbeside TXT t\nlead DNAME f.\nunder.lead TXT t\ncut NS ns.f.\nns.cut A 10.0.0.6\n";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone(text: &str) -> Zone {
    file::read(text, None).unwrap_or_else(|error| panic!("{error}"))
}

/// Record facts, one for each set of a zone file's text.
fn snapshot(sets: impl IntoIterator<Item = model::RecordSet>) -> Snapshot {
    let put = |set: model::RecordSet| {
        let fact = RecordFact::new(set.name(), set.record_type(), Some(set.ttl()), set.data().to_vec());
        let fact = Fact::Record(Box::new(fact.expect("a set")));
        Change::Put(Stated { fact: fact.into(), revision: Revision::new(5), origin: Origin::Native })
    };
    Snapshot::empty().apply(Revision::new(5), sets.into_iter().map(put))
}

/// A zone of record facts, and others below it: of record facts, of what the registry holds otherwise, of a file.
fn of_facts() -> (Snapshot, Grounds) {
    let child = zone("$ORIGIN child.e.\n$TTL 9\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 10.0.0.8\n");
    let snapshot = snapshot(zone(ZONE).sets().chain(child.sets()).cloned().collect::<Vec<_>>());
    let homes = Homes::new([name("svc.e")], [name("file.e")].into(), &snapshot);
    (snapshot, Grounds { homes, ..Grounds::default() })
}

/// A zone of what the registry holds otherwise, with record facts beside it.
fn beside() -> (Snapshot, Grounds) {
    let whole = zone(&format!("{BASE}{}", BESIDE.replace("under.lead TXT t\n", "")));
    let base = zone(BASE);
    let beside = whole.sets().filter(|set| base.sets().all(|other| other != *set)).cloned();
    let data = vec![RecordData::parse(RecordType::TXT, "t").expect("text")];
    let hidden = model::RecordSet::new(name("under.lead.e"), RecordType::TXT, 9, data).expect("a set");
    let snapshot = snapshot(beside.chain([hidden]).collect::<Vec<_>>());
    let homes = Homes::new([name("e")], BTreeSet::new(), &snapshot);
    (snapshot, Grounds { homes, bases: [(name("e"), base)].into(), ..Grounds::default() })
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

/// What an update comes to, and what that hangs on.
fn decided_in(
    (snapshot, grounds): &(Snapshot, Grounds),
    prerequisites: &[&str],
    changes: &[&str],
) -> Result<(Vec<UpdateEdit>, Vec<UpdateGuard>), Code> {
    let message = update(prerequisites, changes);
    assert!(message::is_update(&message));
    // For the TTLs of sets alone.
    let zone = zone(ZONE);
    let update = message::read(&message).expect("well formed");
    let mut state = State::new(&zone, snapshot, grounds);
    check(&mut state, &update.prerequisites, &message)?;
    apply(&mut state, &update.changes, &message)?;
    let edits = state.edits()?;
    let guards = state.guards(&edits);
    Ok((edits, guards))
}

/// What an update comes to.
fn done_in(
    ground: &(Snapshot, Grounds),
    prerequisites: &[&str],
    changes: &[&str],
) -> Result<Vec<UpdateEdit>, Code> {
    decided_in(ground, prerequisites, changes).map(|(edits, _)| edits)
}

fn done(prerequisites: &[&str], changes: &[&str]) -> Result<Vec<UpdateEdit>, Code> {
    done_in(&of_facts(), prerequisites, changes)
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
    check(&["ns.e ANY 0 ANY", "alias.e ANY 0 ANY"], Ok(()));
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
fn prerequisites_of_sets_that_are_not_changed_guard_the_edits() {
    let check = |ground: &(Snapshot, Grounds), prerequisites: &[&str], expected: &[&str]| {
        let (edits, guards) = decided_in(ground, prerequisites, &["new.e IN 60 A 10.0.0.9"]).expect("made");
        let shown = |guard: &UpdateGuard| {
            let at = guard.expected.map_or("-".to_owned(), |at| at.to_string());
            format!("{}@{at}", guard.key.to_string().replace("record:", ""))
        };
        let shown: Vec<String> = guards.iter().map(shown).collect();
        assert_eq!((edits.len(), shown), (1, expected.iter().map(|&one| one.to_owned()).collect()));
    };
    let facts = of_facts();
    check(&facts, &[], &[]);
    // A set exists, with these records or any; it does not.
    check(&facts, &["NS.e ANY 0 A"], &["ns.e./A@5"]);
    check(&facts, &["ns.e IN 0 A 10.0.0.2", "ns.e IN 0 A 10.0.0.1"], &["ns.e./A@5"]);
    check(&facts, &["ns.e NONE 0 MX", "no.e NONE 0 A"], &["no.e./A@-", "ns.e./MX@-"]);
    // What is edited expects its revision by itself; whether a name is in use is no matter of one fact.
    check(&facts, &["new.e NONE 0 A", "new.e NONE 0 TXT"], &["new.e./TXT@-"]);
    check(&facts, &["ns.e ANY 0 ANY", "new.e NONE 0 ANY"], &[]);
    // What no record fact says; a fact that is there, and not served.
    check(&beside(), &["base.e ANY 0 A", "base.e NONE 0 TXT"], &["base.e./TXT@-"]);
    check(&beside(), &["under.lead.e NONE 0 TXT"], &["under.lead.e./TXT@5"]);
    // As many as a write takes.
    let many: Vec<String> = (0..=UPDATE_GUARDS).map(|n| format!("no{n}.e NONE 0 A")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let expected: Vec<String> = (0..UPDATE_GUARDS).map(|n| format!("no{n}.e./A@-")).collect();
    check(&facts, &many, &expected.iter().map(String::as_str).collect::<Vec<_>>());
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
}

#[test]
fn rfc_2136_what_belongs_to_a_zone_below_is_not_in_this_one() {
    let notzone = |prerequisites: &[&str], changes: &[&str]| {
        assert_eq!(done(prerequisites, changes), Err(Code::NotZone), "{prerequisites:?} {changes:?}");
    };
    for below in ["child.e", "svc.e", "file.e"] {
        notzone(&[], &[&format!("www.{below} IN 9 A 10.0.0.9")]);
        notzone(&[], &[&format!("{below} IN 9 TXT t")]);
        notzone(&[], &[&format!("{below} ANY 0 SOA")]);
        notzone(&[], &[&format!("{below} ANY 0 ANY")]);
        notzone(&[], &[&format!("ns.{below} NONE 0 A 10.0.0.8")]);
        notzone(&[&format!("ns.{below} ANY 0 A")], &[]);
        notzone(&[&format!("{below} NONE 0 ANY")], &[]);
    }
    // What a parent says of its child is the parent's.
    let ds = |name: &str| format!("{name} IN 9 DS 1 8 2 00");
    assert_eq!(done(&["child.e NONE 0 DS"], &[&ds("child.e")]).map(|edits| edits.len()), Ok(1));
    assert_eq!(done(&[], &[&ds("www.child.e")]), Err(Code::NotZone));
    assert_eq!(done(&[], &[&ds("e")]), Err(Code::NotZone), "the parent's, which is elsewhere");
}

#[test]
fn what_would_not_be_served_is_refused_and_what_is_not_served_is_not_there() {
    let check = |prerequisites: &[&str], changes: &[&str], expected: Result<usize, Code>| {
        let edits = done_in(&beside(), prerequisites, changes).map(|edits| edits.len());
        assert_eq!(edits, expected, "{prerequisites:?} {changes:?}");
    };
    // What no record fact says is not changed so; beside it others can be said.
    check(&["base.e ANY 0 A", "base.e IN 0 A 10.0.0.4"], &[], Ok(0));
    check(&[], &["base.e IN 9 A 10.0.0.9"], Err(Code::Refused));
    check(&[], &["base.e ANY 0 ANY"], Err(Code::Refused));
    check(&[], &["base.e IN 9 TXT t"], Ok(1));
    // It would hide what the zone has otherwise.
    check(&[], &["base.e IN 9 NS ns.x."], Err(Code::Refused));
    check(&[], &["base.e IN 9 DNAME x."], Err(Code::Refused));
    check(&[], &["beside.e IN 9 NS ns.x."], Ok(1));
    // Below a DNAME, and what is delegated.
    check(&["lead.e ANY 0 DNAME"], &["new.lead.e IN 9 A 10.0.0.9"], Err(Code::Refused));
    check(&[], &["new.cut.e IN 9 TXT t"], Err(Code::Refused));
    check(&[], &["new.cut.e IN 9 A 10.0.0.9"], Ok(1));
    check(&[], &["cut.e IN 9 TXT t"], Err(Code::Refused));
    check(&[], &["*.e IN 9 NS ns.x."], Err(Code::Refused));
    // A fact that is there, and not served.
    check(&["under.lead.e ANY 0 TXT"], &[], Err(Code::NoSet));
    check(&["under.lead.e NONE 0 ANY"], &["under.lead.e ANY 0 TXT"], Ok(0));
    // Judged as all will be.
    check(&[], &["lead.e ANY 0 DNAME", "new.lead.e IN 9 A 10.0.0.9"], Ok(2));
}

#[test]
fn an_update_of_thousands_of_records_is_made_whole() {
    let many: Vec<String> = (0..2000)
        .map(|n| format!("many.e IN 9 A 10.0.{}.{}", n / 250, n % 250))
        .chain((0..500).map(|n| format!("n{n}.e IN 9 TXT t")))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let edits = done(&[], &many).expect("fine");
    let Some(Fact::Record(fact)) = &edits[0].fact else { panic!("a record fact") };
    assert_eq!((edits.len(), fact.data().len()), (501, 2000));
    assert!(fact.data().is_sorted());
}

fn shown(edit: &UpdateEdit) -> String {
    let key = edit.key.to_string();
    let key = key.strip_prefix("record:").expect("a record's");
    let is_new = key.starts_with("new.") || key == "alias.e./A";
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
