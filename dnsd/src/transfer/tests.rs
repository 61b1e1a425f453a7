//! Zones handed over, read back by another reader: hickory-proto.

use std::collections::BTreeMap;
use std::sync::Arc;

use hickory_proto::op::Message;
use model::{DomainName, RecordData, RecordSet, RecordType, Revision};
use proptest::prelude::*;

use super::{Access, Allowed, Key, Keys, Next, Signer, now};
use crate::config::Config;
use crate::guard::Guards;
use crate::query::{Client, Context, Done, Over, answer};
use crate::served::Served;
use crate::wire::{Code, LARGEST};
use crate::zone::{Zone, ZoneSet, file};

const ZONE: &str = "$ORIGIN e.\n$TTL 9\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 10.0.0.1\n";

fn zones(zone: Zone) -> Served {
    Served::new(ZoneSet::new(Revision::default(), true, [Arc::new(zone)]))
}

fn read(text: &str) -> Zone {
    file::read(text, None).unwrap_or_else(|error| panic!("{error}"))
}

fn access(transfers: usize) -> Access {
    let transfer_allow = vec![Allowed::parse("10.0.0.0/8").expect("addresses")];
    Access::new(&Config { transfer_allow, transfers, ..Config::default() }, Keys::default())
}

/// A question of that type, behind it what stands in its authority section.
fn question(name: &str, record_type: RecordType, soa: Option<u32>) -> Vec<u8> {
    let words = [0xabcd, 0, 1, 0, u16::from(soa.is_some()), 0].map(u16::to_be_bytes).concat();
    let name = DomainName::parse(name).expect("a name");
    let asked = [&words, name.as_wire(), &record_type.0.to_be_bytes(), &[0, 1]].concat();
    let Some(serial) = soa else { return asked };
    let data = [&[0xc0, 12, 0xc0, 12][..], &serial.to_be_bytes(), &[0; 16]].concat();
    [&asked, &[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 24][..], &data].concat()
}

fn ask(zones: &Served, access: &Access, message: &[u8], from: &str, over: Over) -> (Done, Vec<u8>) {
    let (mut out, client) = (Vec::new(), Client { address: from.parse().expect("an address"), over });
    let done = answer(&Context { access, ..Context::open(zones) }, message, &client, 0, &mut out);
    (done, out)
}

/// All messages of a transfer.
fn messages(done: Done) -> Vec<Vec<u8>> {
    let Done::Transfer(mut transfer) = done else { panic!("a transfer, not {done:?}") };
    let mut messages = Vec::new();
    loop {
        let mut out = Vec::new();
        let next = transfer.write(&mut out);
        assert!(out.len() <= LARGEST);
        messages.push(out);
        match next {
            Next::More => {}
            Next::Nothing => return messages,
            Next::Impossible => panic!("no set is too large"),
        }
    }
}

fn code(done: &Done) -> Code {
    match done {
        Done::Answered(sent) => sent.code,
        other => panic!("an answer, not {other:?}"),
    }
}

#[test]
fn who_may_has_the_whole_zone_and_others_have_nothing() {
    let (zones, access) = (zones(read(ZONE)), access(1));
    let axfr = question("e", RecordType::AXFR, None);
    let check = |message: &[u8], from: &str, over: Over, expected: Code| {
        assert_eq!(
            code(&ask(&zones, &access, message, from, over).0),
            expected,
            "{from} {over:?} {message:?}"
        );
    };
    check(&axfr, "11.0.0.1", Over::Tcp, Code::Refused);
    check(&axfr, "11.0.0.1", Over::Udp, Code::Refused);
    check(&axfr, "10.0.0.1", Over::Udp, Code::Malformed);
    check(&question("ns.e", RecordType::AXFR, None), "10.0.0.1", Over::Tcp, Code::NotAuthoritative);
    check(&question("f", RecordType::AXFR, None), "10.0.0.1", Over::Tcp, Code::NotAuthoritative);
    check(&question("e", RecordType::IXFR, None), "10.0.0.1", Over::Tcp, Code::Malformed);

    let (first, _) = ask(&zones, &access, &axfr, "10.0.0.1", Over::Tcp);
    let (second, _) = ask(&zones, &access, &axfr, "10.0.0.1", Over::Tcp);
    assert_eq!((code(&second), access.full()), (Code::Failure, 1), "one at once");
    let all = messages(first);
    let read = Message::from_vec(&all[0]).expect("a message");
    let lines: Vec<String> = read.answers.iter().map(ToString::to_string).collect();
    let soa = "e. 9 IN SOA ns.e. h.e. 7 2 3 4 5";
    assert_eq!(lines, [soa, "e. 9 IN NS ns.e.", "ns.e. 9 IN A 10.0.0.1", soa]);
    assert!(read.metadata.authoritative && read.metadata.id == 0xabcd && read.queries.len() == 1);
    assert!(matches!(ask(&zones, &access, &axfr, "10.0.0.1", Over::Tcp).0, Done::Transfer(_)), "room again");
}

#[test]
fn what_changed_is_the_whole_zone_or_its_serial_alone() {
    let (zones, access) = (zones(read(ZONE)), access(1));
    let check = |serial: u32, over: Over, whole: bool| {
        let ixfr = question("e", RecordType::IXFR, Some(serial));
        let (done, out) = ask(&zones, &access, &ixfr, "10.0.0.1", over);
        let out = if whole { messages(done).concat() } else { out };
        let answers = Message::from_vec(&out).expect("a message").answers;
        assert_eq!(answers.len(), if whole { 4 } else { 1 }, "{serial} {over:?}");
        assert_eq!(answers[0].to_string(), "e. 9 IN SOA ns.e. h.e. 7 2 3 4 5");
    };
    check(6, Over::Tcp, true);
    check(7, Over::Tcp, false);
    check(8, Over::Tcp, false);
    check(0xffff_ffff, Over::Tcp, true);
    check(0x8000_0006, Over::Tcp, false);
    check(6, Over::Udp, false);
    check(7, Over::Udp, false);
}

#[test]
fn zones_that_are_not_known_yet_are_not_denied() {
    let zones = Served::new(ZoneSet::new(Revision::default(), false, []));
    let (done, _) = ask(&zones, &access(1), &question("e", RecordType::AXFR, None), "10.0.0.1", Over::Tcp);
    assert_eq!(code(&done), Code::Failure);
}

#[test]
fn the_largest_set_and_many_names_are_sent_in_messages_of_a_size() {
    let name = |label: &str| DomainName::parse(&format!("{label}.e")).expect("a name");
    let data = |octets: &[u8]| RecordData::new(RecordType(65280), octets).expect("any octets");
    let of = |label: &str, data| RecordSet::new(name(label), RecordType(65280), 9, data).expect("a set");
    let mut sets: Vec<RecordSet> = read(ZONE).sets().cloned().collect();
    sets.push(of("large", vec![data(&[7; 63_000])]));
    sets.push(of("much", (0..30_u8).map(|n| data(&[n; 2_000])).collect()));
    sets.extend((0..9_000).map(|n| of(&format!("n{n}"), vec![data(&[1; 4])])));
    let zone = Zone::new(DomainName::parse("e").expect("a name"), sets).expect("a zone");

    let (done, _) =
        ask(&zones(zone), &access(1), &question("e", RecordType::AXFR, None), "10.0.0.1", Over::Tcp);

    let all = messages(done);
    let counts = all.iter().map(|octets| Message::from_vec(octets).expect("a message").answers.len());
    assert_eq!(counts.sum::<usize>(), 2 + 2 + 1 + 30 + 9_000);
    let small = all.iter().filter(|octets| octets.len() < 16 << 10).count();
    assert!(all.len() > 15 && small <= 2, "{:?}", all.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(all.iter().filter(|octets| octets.len() > 19 << 10).count() <= 1, "but for the largest record");
}

/// Sets of a random zone: names with shared labels and other spellings, many records, occluded names, wildcards.
fn sets() -> impl Strategy<Value = Vec<RecordSet>> {
    let label = prop_oneof!["[a-cA]{1,2}", Just("*".to_owned()), Just("cut".to_owned()), "[a-z]{60,63}"];
    let name = prop::collection::vec(label, 1..4);
    let kind = (0_usize..4, prop::collection::vec(any::<[u8; 4]>(), 1..6));
    prop::collection::vec((name, kind, 0_u32..99), 0..60).prop_map(|all| {
        let mut sets = BTreeMap::new();
        for (labels, (kind, values), ttl) in all {
            let name = DomainName::parse(&format!("{}.e", labels.join("."))).expect("a name");
            let data = |value: &[u8; 4]| match kind {
                0 => RecordData::new(RecordType::A, &value[..]),
                1 => RecordData::new(RecordType::MX, [&value[..2], name.as_wire()].concat()),
                2 => RecordData::name(RecordType::NS, &name),
                _ => RecordData::txt([&value[..]]),
            };
            let data: Vec<_> = values.iter().map(|value| data(value).expect("well formed")).collect();
            let record_type = data[0].record_type();
            if record_type != RecordType::NS || !name.is_wildcard() {
                let set = RecordSet::new(name.clone(), record_type, ttl, data).expect("a set");
                sets.entry((name, record_type)).or_insert(set);
            }
        }
        read(ZONE).sets().cloned().chain(sets.into_values()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn another_reader_reads_the_zone_as_it_is(sets in sets()) {
        let zone = Zone::new(DomainName::parse("e").expect("a name"), sets).expect("a zone");
        let of = |set: &RecordSet| -> Vec<String> {
            let line = |data: &RecordData| {
                let octets: String = data.octets().iter().map(|octet| format!("{octet:02x}")).collect();
                format!("{} {} {} {octets}", set.name(), set.ttl(), set.record_type().0)
            };
            set.data().iter().map(line).collect()
        };
        let mut expected: Vec<String> = zone.sets().flat_map(of).collect();

        let axfr = question("E", RecordType::AXFR, None);
        let all = messages(ask(&zones(zone), &access(1), &axfr, "10.0.0.1", Over::Tcp).0);

        let read = all.iter().flat_map(|octets| Message::from_vec(octets).expect("a message").answers);
        let mut found: Vec<String> = read.map(|record| {
            let mut octets = Vec::new();
            let mut encoder = hickory_proto::serialize::binary::BinEncoder::new(&mut octets);
            encoder.set_name_encoding(hickory_proto::serialize::binary::NameEncoding::Uncompressed);
            hickory_proto::serialize::binary::BinEncodable::emit(&record.data, &mut encoder).expect("encoded");
            let octets: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{} {} {} {octets}", record.name, record.ttl, u16::from(record.record_type()))
        }).collect();
        prop_assert_eq!(found.first(), found.last(), "it begins and ends with the SOA");
        found.pop();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_zone_that_is_too_old_to_be_told_is_not_handed_over() {
    let zone = Arc::new(read(ZONE));
    let set = ZoneSet::new(Revision::default(), true, [Arc::clone(&zone)]).with_too_old([zone]);
    let (zones, access) = (Served::new(set), access(1));
    let check = |record_type, soa, over| {
        let (done, out) = ask(&zones, &access, &question("e", record_type, soa), "10.0.0.1", over);
        assert_eq!(code(&done), Code::Failure, "{record_type} {soa:?} {over:?}");
        assert!(Message::from_vec(&out).expect("a message").answers.is_empty());
    };
    check(RecordType::AXFR, None, Over::Tcp);
    check(RecordType::IXFR, Some(6), Over::Tcp);
    check(RecordType::IXFR, Some(7), Over::Tcp);
    check(RecordType::IXFR, Some(7), Over::Udp);
}

#[test]
fn what_nobody_proved_to_have_asked_for_is_limited() {
    let config = Config { rate_limit: 1, rate_limit_slip: 0, ..Config::default() };
    let (zones, access) = (zones(read(ZONE)), access(1));
    let check = |what: &str, message: &[u8], over: Over, expected: bool| {
        let guards = Guards::drawn(&config).expect("chance");
        let context = Context { access: &access, guards: &guards, ..Context::open(&zones) };
        let client = Client { address: "10.0.0.1".parse().expect("an address"), over };
        let ask = || answer(&context, message, &client, 0, &mut Vec::new());
        assert!(matches!(ask(), Done::Answered(_)), "{what}");
        let second = ask();
        assert_eq!(matches!(second, Done::Limited), expected, "{what}: {second:?}");
    };
    check("a serial", &question("e", RecordType::IXFR, Some(7)), Over::Udp, true);
    check("a serial on a connection", &question("e", RecordType::IXFR, Some(7)), Over::Tcp, false);
    let key = Arc::new(Key::new("nobody", "hmac-sha256", &[0; 16]).expect("a key"));
    let signed = |mut message: Vec<u8>| {
        Signer::of(&key).sign(&mut message, 0, now());
        message
    };
    check("another's key", &signed(question("ns.e", RecordType::A, None)), Over::Udp, true);
    let mut update = question("e", RecordType::SOA, None);
    update[2] = 5 << 3;
    check("an update with another's key", &signed(update), Over::Udp, true);
}
