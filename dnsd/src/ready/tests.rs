//! What is ready is what the zones answer, however they came to be what they are.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hickory_proto::op::Message;
use model::{DomainName, RecordData, RecordSet, RecordType, Revision};
use proptest::prelude::*;

use super::Index;
use crate::query::{Client, Context, Done, Over, answer};
use crate::served::Served;
use crate::zone::{Zone, ZoneSet};

const APEXES: [&str; 3] = ["e", "B.e", "f"];
const LABELS: [&str; 6] = ["a", "B", "c", "*", "ns", "_x"];

/// A record: which labels from the apex down, which type, which data.
type Entry = (Vec<usize>, usize, u8);

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (prop::collection::vec(0..LABELS.len(), 0..4), 0..9_usize, 0..8_u8);
    prop::collection::vec(entry, 0..14)
}

/// Which of the zones there are, and what is in them.
fn sets() -> impl Strategy<Value = Vec<Option<Vec<Entry>>>> {
    prop::collection::vec(prop::option::weighted(0.8, entries()), APEXES.len())
}

fn name(apex: &str, labels: &[usize]) -> DomainName {
    let apex = DomainName::parse(apex).expect("a name");
    labels.iter().fold(apex, |name, label| name.child(LABELS[*label].as_bytes()).expect("short"))
}

fn record_set(apex: &str, (labels, kind, data): &Entry) -> RecordSet {
    let owner = name(apex, labels);
    let target = |n: u8| {
        let apex = APEXES[usize::from(n) % 3];
        name(apex, &[usize::from(n) % 6, usize::from(n / 2) % 6][..usize::from(n % 3)])
    };
    let led = |of: RecordType, n: u8| RecordData::name(of, &target(n)).expect("a name");
    let address = |n: u8| RecordData::a(Ipv4Addr::new(10, 0, 0, n));
    let (record_type, records) = match kind {
        0 => (RecordType::A, (0..=data % 3).map(address).collect()),
        1 => (RecordType::AAAA, vec![RecordData::aaaa("::1".parse().expect("an address"))]),
        2 => (RecordType::SRV, (0..=data % 4).map(|n| RecordData::srv(1, 2, 3, &target(n + data))).collect()),
        3 => (RecordType::MX, (0..2).map(|n| mx(&target(n + data))).collect()),
        4 => (RecordType::TXT, vec![RecordData::txt([&[*data][..], b"text"]).expect("short")]),
        5 => (RecordType::CNAME, vec![led(RecordType::CNAME, *data)]),
        6 => (RecordType::DNAME, vec![led(RecordType::DNAME, *data)]),
        7 => (RecordType::NS, (0..=data % 2).map(|n| led(RecordType::NS, n + data)).collect()),
        _ => (RecordType::PTR, (0..=data % 3).map(|n| led(RecordType::PTR, n + data)).collect()),
    };
    RecordSet::new(owner, record_type, 60, records).expect("a set")
}

fn mx(target: &DomainName) -> RecordData {
    RecordData::new(RecordType::MX, [&[0, 1], target.as_wire()].concat()).expect("data")
}

/// The zone of those entries that can be together.
fn zone(apex: &str, entries: &[Entry], serial: u8) -> Zone {
    let origin = DomainName::parse(apex).expect("a name");
    let soa =
        [b"\x02ns".as_slice(), origin.as_wire(), b"\x01h", origin.as_wire(), &[0, 0, 0, serial], &[0; 16]];
    let soa = RecordData::new(RecordType::SOA, soa.concat()).expect("data");
    let server = origin.child(b"ns").expect("short");
    let servers = RecordData::name(RecordType::NS, &server).expect("a name");
    let mut sets = vec![
        RecordSet::new(origin.clone(), RecordType::SOA, 60, vec![soa]).expect("a set"),
        RecordSet::new(origin.clone(), RecordType::NS, 60, vec![servers]).expect("a set"),
    ];
    let mut made = Zone::new(origin.clone(), sets.clone()).expect("a zone");
    for entry in entries {
        sets.push(record_set(apex, entry));
        match Zone::new(origin.clone(), sets.clone()) {
            Ok(zone) => made = zone,
            Err(_) => drop(sets.pop()),
        }
    }
    made
}

fn zones(sets: &[Option<Vec<Entry>>], serial: u8) -> ZoneSet {
    let there = APEXES.iter().zip(sets).filter_map(|(apex, entries)| Some((apex, entries.as_ref()?)));
    let zones: Vec<_> = there.map(|(apex, entries)| Arc::new(zone(apex, entries, serial))).collect();
    ZoneSet::new(Revision::new(u64::from(serial)), true, zones)
}

/// The answer as another reader reads it, each section sorted; and whether it was cut.
fn read(context: &Context<'_>, message: &[u8], over: Over, seed: u64) -> (String, [Vec<String>; 3]) {
    let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), over };
    let mut out = Vec::new();
    assert!(matches!(answer(context, message, &client, seed, &mut out), Done::Answered(_)));
    let read = Message::from_vec(&out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"));
    let sections = [&read.answers, &read.authorities, &read.additionals];
    let sections = sections.map(|records| {
        let mut lines: Vec<_> =
            records.iter().map(|record| record.to_string().to_ascii_lowercase()).collect();
        lines.sort();
        lines
    });
    (format!("{:?} {:?} {:?}", read.metadata, read.queries, read.edns), sections)
}

fn question(name: &DomainName, record_type: RecordType, edns: bool) -> Vec<u8> {
    let head = [7, 0x0100, 1, 0, 0, u16::from(edns)].map(u16::to_be_bytes);
    let opt: &[u8] = if edns { b"\0\0\x29\x04\xd0\0\0\0\0\0\0" } else { b"" };
    [head.as_flattened(), name.as_wire(), &record_type.0.to_be_bytes(), &[0, 1], opt].concat()
}

const TYPES: [RecordType; 12] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::MX,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::DNAME,
    RecordType::NS,
    RecordType::PTR,
    RecordType::SOA,
    RecordType::DS,
    RecordType(65280),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_ready_follows_each_change_of_one_name_as_if_it_were_made_anew(
        first in sets(),
        changes in prop::collection::vec((0..APEXES.len(), any::<prop::sample::Index>(), prop::option::of(entries())), 1..8),
    ) {
        let (mut sets, mut served) = (first, Served::default());
        served = served.next(zones(&sets, 0));
        for (serial, (zone, place, entries)) in changes.into_iter().enumerate() {
            let of = sets[zone].get_or_insert_default();
            match entries.and_then(|entries| entries.into_iter().next()) {
                Some(entry) => of.push(entry),
                None if of.is_empty() => sets[zone] = None,
                None => drop(of.remove(place.index(of.len()))),
            }
            let zones = zones(&sets, u8::try_from(serial + 1).expect("few"));
            served = served.next(zones.clone());
            prop_assert_eq!(served.ready(), &Index::new(&zones));
        }
    }

    #[test]
    fn what_is_ready_follows_the_zones_as_if_it_were_made_anew(
        all in prop::collection::vec(sets(), 1..5),
    ) {
        let mut served = Served::default();
        for (serial, sets) in all.iter().enumerate() {
            let zones = zones(sets, u8::try_from(serial).expect("few"));
            served = served.next(zones.clone());
            prop_assert_eq!(served.ready(), &Index::new(&zones));
            prop_assert_eq!(served.ready().differing(&zones).collect::<Vec<_>>(), vec![]);
        }
    }

    #[test]
    fn what_is_ready_is_what_the_zones_answer(
        sets in sets(),
        asked in prop::collection::vec((0..3_usize, prop::collection::vec(0..LABELS.len(), 0..5), 0..TYPES.len()), 1..40),
        (edns, seed) in any::<(bool, u64)>(),
    ) {
        let served = Served::new(zones(&sets, 3));
        let nothing = Index::default();
        for (apex, labels, record_type) in asked {
            let message = question(&name(APEXES[apex], &labels), TYPES[record_type], edns);
            for over in [Over::Udp, Over::Tcp] {
                let ready = read(&Context::open(&served), &message, over, seed);
                let asked = read(&Context { ready: &nothing, ..Context::open(&served) }, &message, over, seed);
                prop_assert_eq!(ready, asked, "{:02x?}", message);
            }
        }
    }
}

#[test]
fn usual_questions_are_ready() {
    let text = "$ORIGIN svc.\n$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 10.0.0.1\nweb A 10.0.0.2\nweb A 10.0.0.3\nweb TXT a=b\n\
        _http._tcp.web SRV 1 1 80 a.web\n_http._tcp.web SRV 1 1 80 b.web\na.web A 10.0.0.2\nb.web A 10.0.0.3\n";
    let zone = crate::zone::file::read(text, None).unwrap_or_else(|error| panic!("{error}"));
    let index = Index::new(&ZoneSet::new(Revision::default(), true, [Arc::new(zone)]));
    let check = |name: &str, record_type: RecordType, expected: &str| {
        let name = DomainName::parse(name).expect("a name");
        let found = match index.get(name.as_wire(), record_type) {
            Some(super::Ready::Body(body)) => format!("{:?}", body.counts()),
            Some(super::Ready::NoData(_)) => "no data".to_owned(),
            Some(super::Ready::NoName(_)) => "no name".to_owned(),
            None => "asks".to_owned(),
        };
        assert_eq!(found, expected, "{name} {record_type}");
    };

    check("web.svc", RecordType::A, "[2, 0, 0]");
    check("WEB.svc", RecordType::TXT, "[1, 0, 0]");
    check("_http._tcp.web.svc", RecordType::SRV, "[2, 0, 2]");
    check("svc", RecordType::NS, "[1, 0, 1]");
    check("svc", RecordType::SOA, "[1, 0, 0]");
    check("web.svc", RecordType::AAAA, "no data");
    check("_tcp.web.svc", RecordType::A, "no data");
    check("no.web.svc", RecordType::A, "no name");
    check("web.svc", RecordType::DS, "asks");
    check("web.other", RecordType::A, "asks");
}

#[test]
fn addresses_beside_an_answer_follow_the_wildcard_they_come_from() {
    let served = |last: u8, more: &str| {
        let text = format!(
            "$ORIGIN z.\n$TTL 5\n@ SOA ns h {last} 2 3 4 5\n@ NS ns\napp MX 10 a.b.dyn\n*.dyn A 192.0.2.{last}\n{more}"
        );
        let zone = crate::zone::file::read(&text, None).unwrap_or_else(|error| panic!("{error}"));
        ZoneSet::new(Revision::new(u64::from(last)), true, [Arc::new(zone)])
    };
    let beside = |served: &Served| {
        let message = question(&DomainName::parse("app.z").expect("a name"), RecordType::MX, false);
        read(&Context::open(served), &message, Over::Udp, 0).1[2].concat()
    };

    let first = Served::new(served(1, ""));
    let second = first.next(served(2, ""));
    let third = second.next(served(3, "b.dyn TXT x\n"));

    assert_eq!(beside(&first), "a.b.dyn.z. 5 in a 192.0.2.1");
    assert_eq!(beside(&second), "a.b.dyn.z. 5 in a 192.0.2.2");
    assert_eq!(beside(&third), "", "a name above it is there now, and has no wildcard");
}
