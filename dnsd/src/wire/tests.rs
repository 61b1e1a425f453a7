//! Messages through the whole way of a question, read by another reader: hickory-proto.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use model::{DomainName, RecordType, Revision};
use proptest::prelude::*;

use crate::config::{Config, CookieUse, NSID};
use crate::guard::{Guards, Kind, OPEN};
use crate::query::{Client, Context, Done, Over, answer};
use crate::respond::Sent;
use crate::served::Served;
use crate::wire::{Code, LARGEST};
use crate::zone::{ZoneSet, file};

/// Guards with everything on, drawn once.
static GUARDED: LazyLock<Guards> = LazyLock::new(guards);
/// Those zones, built once.
static KNOWN: LazyLock<Served> = LazyLock::new(|| zones(true));

fn zones(known: bool) -> Served {
    let many: String =
        (0..200).map(|n| format!("many TXT {n}-{}\nfew A 10.0.0.{n}\n", "x".repeat(100))).collect();
    let servers: String = (0..200).map(|n| format!("cut NS ns{n}.cut\nns{n}.cut A 10.0.0.{n}\n")).collect();
    let tight = "x".repeat(250);
    let tight = format!("{tight} {}", &tight[..100]);
    let text = format!(
        "$ORIGIN Example.\n$TTL 60\n@ SOA ns hostmaster 7 2 3 4 5\n@ NS ns\nns A 10.0.0.1\nns AAAA ::1\nWww CNAME ns\n@ MX 10 ns\n\
         s._tcp SRV 1 2 3 ns\ns._tcp SRV 1 2 3 Web-1.ns\n*.w PTR Web-1.ns\nmoved DNAME ns\ntight TXT {tight}\n{many}{servers}"
    );
    let zone = file::read(&text, None).unwrap_or_else(|error| panic!("{error}"));
    Served::new(ZoneSet::new(Revision::default(), known, [Arc::new(zone)]))
}

/// A message: flags, how many questions, then octets.
fn message(flags: u16, questions: u16, additional: u16, rest: &[&[u8]]) -> Vec<u8> {
    let words = [0xabcd, flags, questions, 0, 0, additional].map(u16::to_be_bytes).concat();
    [&words, &rest.concat()[..]].concat()
}

fn asked(name: &str, record_type: RecordType) -> Vec<u8> {
    let name = DomainName::parse(name).expect("a name");
    [name.as_wire(), &record_type.0.to_be_bytes(), &[0, 1]].concat()
}

fn opt(udp: u16, version: u8, flags: u8, options: &[u8]) -> Vec<u8> {
    let length = u16::try_from(options.len()).expect("short").to_be_bytes();
    [&[0, 0, 41][..], &udp.to_be_bytes(), &[0, version, flags, 0], &length, options].concat()
}

fn ask(name: &str, record_type: RecordType) -> Vec<u8> {
    message(0x0100, 1, 0, &[&asked(name, record_type)])
}

fn client(over: Over) -> Client {
    Client { address: Ipv4Addr::LOCALHOST.into(), over }
}

fn send(zones: &Served, message: &[u8], over: Over) -> Option<(Sent, Vec<u8>)> {
    let mut out = vec![0xff; 3];
    let done = answer(&Context::open(zones), message, &client(over), 0, &mut out);
    let Done::Answered(sent) = done else {
        assert_eq!(out.len(), 3, "what is not sent is not written");
        return None;
    };
    Some((sent, out.split_off(3)))
}

fn read(octets: &[u8]) -> Message {
    Message::from_vec(octets).unwrap_or_else(|error| panic!("{error}: {octets:02x?}"))
}

fn reply(zones: &Served, message: &[u8]) -> Message {
    read(&send(zones, message, Over::Udp).expect("an answer").1)
}

#[test]
fn an_answer_is_read_by_others_as_it_was_meant() {
    let zones = zones(true);

    let answered = reply(&zones, &ask("wWw.eXample", RecordType::A));

    let lines: Vec<String> = answered.answers.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["wWw.eXample. 60 IN CNAME ns.Example.", "ns.Example. 60 IN A 10.0.0.1"]);
    let said = &answered.metadata;
    assert_eq!(
        (said.id, said.message_type, said.response_code),
        (0xabcd, MessageType::Response, ResponseCode::NoError)
    );
    assert!(said.authoritative && said.recursion_desired && !said.recursion_available && !said.truncation);
    assert_eq!(answered.queries[0].name().to_string(), "wWw.eXample.", "the client's spelling is kept");
    let denied = reply(&zones, &ask("nothing.example", RecordType::A));
    let soa: Vec<String> = denied.authorities.iter().map(ToString::to_string).collect();
    assert_eq!(soa, ["Example. 5 IN SOA ns.Example. hostmaster.Example. 7 2 3 4 5"]);
    assert_eq!(denied.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn names_are_compressed_where_older_readers_know_them() {
    let zones = zones(true);
    let octets = |name, record_type| send(&zones, &ask(name, record_type), Over::Udp).expect("an answer").1;

    let mx = octets("Example", RecordType::MX);
    let srv = octets("s._tcp.example", RecordType::SRV);

    // A head, a question, MX with a name in 2 + 3 octets, and two addresses at it.
    assert_eq!(mx.len(), 12 + 13 + (12 + 2 + 12) - 7 + (12 + 4) + (12 + 16), "{mx:02x?}");
    assert_eq!(
        srv.windows(12).filter(|octets| octets.starts_with(b"\x02ns\x07Example\0")).count(),
        2,
        "{srv:02x?}"
    );
    let read = read(&srv);
    assert_eq!((read.answers.len(), read.additionals.len()), (2, 2));
}

#[test]
fn what_cannot_be_answered_is_told_by_its_code() {
    let zones = zones(true);
    let question = asked("ns.example", RecordType::A);
    let of = |name: &str, number: u16| ask(name, RecordType(number));
    let class = |class: u16| [&asked("ns.example", RecordType::A)[..14], &class.to_be_bytes()].concat();
    let check = |octets: &[u8], code: Code, questions: usize| {
        let (sent, reply) = send(&zones, octets, Over::Udp).expect("an answer");
        let reply = read(&reply);
        assert_eq!(
            (sent.code, reply.queries.len(), reply.answers.len()),
            (code, questions, 0),
            "{octets:02x?}"
        );
        assert_eq!(u16::from(reply.metadata.response_code), code as u16, "{octets:02x?}");
        assert_eq!(reply.metadata.id, 0xabcd);
    };
    check(&message(0, 0, 0, &[]), Code::Malformed, 0);
    check(&message(0, 2, 0, &[&question, &question]), Code::Malformed, 0);
    check(&message(0, 1, 0, &[&question[..5]]), Code::Malformed, 0);
    check(&message(0, 1, 0, &[b"\xc0\x0c\0\x01\0\x01"]), Code::Malformed, 0);
    check(&message(0, 1, 0, &[&question, b"more"]), Code::Malformed, 1);
    check(&message(0, 1, 1, &[&question]), Code::Malformed, 1);
    check(&message(0, 1, 2, &[&question, &opt(512, 0, 0, &[]), &opt(512, 0, 0, &[])]), Code::Malformed, 1);
    check(&message(0, 1, 1, &[&question, &opt(512, 0, 0, &[0, 1, 0, 9])]), Code::Malformed, 1);
    check(&message(0, 1, 1, &[&question, &opt(512, 1, 0, &[])]), Code::BadVersion, 1);
    // An update names its zone by its SOA, and is signed.
    let update = |kind| send(&zones, &message(5 << 11, 1, 0, &[&asked("example", kind)]), Over::Udp);
    assert_eq!(update(RecordType::A).map(|(sent, _)| sent.code), Some(Code::Malformed));
    assert_eq!(update(RecordType::SOA).map(|(sent, _)| sent.code), Some(Code::Refused));
    for opcode in (1..16).filter(|opcode| *opcode != 5) {
        let (sent, reply) =
            send(&zones, &message(opcode << 11, 1, 0, &[&question]), Over::Udp).expect("an answer");
        assert_eq!((sent.code, reply[2] >> 3 & 0xf), (Code::NotImplemented, opcode as u8));
    }
    check(&message(0, 1, 0, &[&class(3)]), Code::Refused, 1);
    check(&message(0, 1, 0, &[&class(255)]), Code::Refused, 1);
    check(&of("elsewhere", 1), Code::Refused, 1);
    check(&of("example", 252), Code::Refused, 1);
    check(&of("example", 251), Code::Refused, 1);
    check(&of("example", 250), Code::NotImplemented, 1);
    check(&of("example", 41), Code::Malformed, 1);
    check(&of("ns.example", 65534), Code::NoError, 1);
}

#[test]
fn an_answer_and_what_is_shorter_than_a_head_are_not_answered() {
    let zones = zones(true);
    let question = asked("ns.example", RecordType::A);
    for silent in [&b""[..], &[0; 11], &message(0x8000, 1, 0, &[&question]), &message(0xffff, 0, 0, &[])] {
        assert_eq!(send(&zones, silent, Over::Udp), None);
    }
}

#[test]
fn edns_is_answered_with_edns_and_what_it_does_not_know_is_ignored() {
    let zones = zones(true);
    let question = asked("ns.example", RecordType::A);
    let with = |opt: Vec<u8>| reply(&zones, &message(0, 1, 1, &[&question, &opt]));

    let plain = with(opt(4096, 0, 0x80, &[0xfd, 0xe9, 0, 2, 1, 2]));

    let edns = plain.edns.as_ref().expect("EDNS");
    assert_eq!(
        (edns.max_payload(), edns.version(), edns.flags().dnssec_ok, edns.options().as_ref().len()),
        (1232, 0, true, 0)
    );
    assert_eq!(plain.answers.len(), 1);
    let version = with(opt(4096, 9, 0, &[]));
    assert_eq!((u16::from(version.metadata.response_code), version.edns.expect("EDNS").version()), (16, 0));
    assert!(reply(&zones, &ask("ns.example", RecordType::A)).edns.is_none());
}

#[test]
fn an_option_of_a_length_that_it_cannot_have_is_malformed_and_edns_is_understood() {
    let zones = zones(true);
    let question = asked("ns.example", RecordType::A);
    for options in [&[0, 10, 0, 1, 1][..], &[0, 10, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[0, 11, 0, 1, 1]] {
        let reply = reply(&zones, &message(0, 1, 1, &[&question, &opt(512, 0, 0, options)]));
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr, "{options:?}");
        assert!(reply.edns.is_some() && reply.queries.len() == 1, "{options:?}");
    }
}

/// Guards with everything on, as the internet meets them.
fn guards() -> Guards {
    let config = Config {
        nsid: Some("n".repeat(NSID)),
        cookies: CookieUse::On,
        rate_limit: 1,
        rate_limit_slip: 1,
        ..Config::default()
    };
    Guards::drawn(&config).expect("the system has chance")
}

#[test]
fn options_are_told_and_their_room_is_kept_first() {
    let (zones, guards) = (zones(true), guards());
    let asks = [&[0, 3, 0, 0, 0, 10, 0, 8][..], &[7; 8]].concat();
    let check = |name: &str, record_type: RecordType, udp: u16, whole: bool| {
        let context = Context { guards: &guards, ..Context::open(&zones) };
        let octets = message(0, 1, 1, &[&asked(name, record_type), &opt(udp, 0, 0, &asks)]);
        let mut out = Vec::new();
        let (Done::Answered(_) | Done::Slipped(_)) =
            answer(&context, &octets, &client(Over::Udp), 0, &mut out)
        else {
            panic!("{name} is not answered");
        };
        assert!(out.len() <= usize::from(udp.clamp(512, 1232)), "{name}: {}", out.len());
        let read = read(&out);
        let options = read.edns.as_ref().expect("EDNS").options().as_ref().len();
        assert_eq!((options, read.metadata.truncation), (2, !whole), "{name} {record_type} {udp}");
    };
    check("ns.example", RecordType::A, 512, true);
    // It fits without options.
    check("tight.example", RecordType::TXT, 512, false);
    check("many.example", RecordType::TXT, 1232, false);
    check(&format!("{}example", "n.".repeat(120)), RecordType::A, 512, true);
    check("ns.example", RecordType::A, 512, false);
}

#[test]
fn a_cookie_without_a_question_has_a_cookie_for_an_answer() {
    let (zones, guards) = (zones(true), guards());
    let ask = |guards: &Guards, options: &[u8]| {
        let context = Context { guards, ..Context::open(&zones) };
        let mut out = Vec::new();
        answer(&context, &message(0, 0, 1, &[&opt(512, 0, 0, options)]), &client(Over::Tcp), 0, &mut out);
        let cookie = out.windows(4).position(|octets| octets == [0, 10, 0, 24]);
        let cookie = cookie.map(|at| out[at + 4..at + 28].to_vec());
        (u16::from(read(&out).metadata.response_code), cookie)
    };
    let (code, cookie) = ask(&guards, &[&[0, 10, 0, 8][..], &[7; 8]].concat());
    let cookie = cookie.expect("a cookie");
    assert_eq!((code, &cookie[..8]), (0, &[7; 8][..]));
    let good = [&[0, 10, 0, 24][..], &cookie].concat();
    assert_eq!(ask(&guards, &good), (0, Some(cookie)));
    let (code, cookie) = ask(&guards, &[&[0, 10, 0, 24][..], &[7; 24]].concat());
    assert!(code == Code::BadCookie as u16 && cookie.is_some());
    assert_eq!(ask(&OPEN, &good), (Code::Malformed as u16, None), "where cookies are off");
    assert_eq!(ask(&guards, &[]), (Code::Malformed as u16, None));
}

#[test]
fn the_reason_stands_beside_the_code() {
    let check = |zones: &Served, name: &str, code: ResponseCode, reason: u16| {
        let octets = message(0, 1, 1, &[&asked(name, RecordType::A), &opt(512, 0, 0, &[])]);
        let (_, reply) = send(zones, &octets, Over::Udp).expect("an answer");
        let mark = [&[0, 15][..], &[0], &[0]].concat();
        let at = reply.windows(2).position(|octets| octets == &mark[..2]).expect("a reason");
        assert_eq!(u16::from_be_bytes([reply[at + 4], reply[at + 5]]), reason);
        assert_eq!(read(&reply).metadata.response_code, code);
    };
    check(&zones(true), "elsewhere", ResponseCode::Refused, 20);
    check(&zones(false), "elsewhere", ResponseCode::ServFail, 14);
    let zones = zones(true);
    let old: Vec<_> = zones.zones().zones().map(Arc::clone).collect();
    let aged = zones.next(zones.zones().clone().with_too_old(old));
    check(&aged, "ns.example", ResponseCode::ServFail, 24);
    // What was ready is ready again.
    let young = aged.next(zones.zones().clone());
    assert_eq!(
        (young.ready(), reply(&young, &ask("ns.example", RecordType::A)).answers.len()),
        (zones.ready(), 1)
    );
}

#[test]
fn answers_are_counted_by_what_they_are_made_of() {
    let zones = zones(true);
    let check = |name: &str, record_type: RecordType, kind: Kind, by: &str| {
        let octets = ask(name, record_type);
        let query = super::decode(&octets).expect("a question");
        let answer = crate::zone::answer(zones.zones(), &query.question());
        let by = DomainName::parse(by).expect("a name");
        let (found, name) = crate::asker::counted(&query, &answer);
        assert_eq!(
            (found, name.to_ascii_lowercase()),
            (kind, by.as_wire().to_ascii_lowercase()),
            "{query:?}"
        );
    };
    check("ns.example", RecordType::A, Kind::Data, "ns.example");
    check("ns.example", RecordType::TXT, Kind::Data, "ns.example");
    check("www.example", RecordType::A, Kind::Data, "www.example");
    check("x.w.example", RecordType::PTR, Kind::Made, "example");
    check("y.w.example", RecordType::A, Kind::Made, "example");
    check("x.moved.example", RecordType::A, Kind::NoName, "example");
    check("no.example", RecordType::A, Kind::NoName, "example");
    check("x.y.cut.example", RecordType::A, Kind::Referral, "cut.example");
}

#[test]
fn an_answer_is_whole_or_cut_to_nothing() {
    let zones = zones(true);
    let check = |name: &str, record_type, udp: Option<u16>, over, whole: bool| {
        let question = asked(name, record_type);
        let opt = udp.map(|udp| opt(udp, 0, 0, &[]));
        let octets =
            message(0, 1, u16::from(opt.is_some()), &[&question, opt.as_deref().unwrap_or_default()]);
        let (sent, reply) = send(&zones, &octets, over).expect("an answer");
        let limit = match over {
            Over::Tcp => LARGEST,
            Over::Udp => usize::from(udp.unwrap_or(512).clamp(512, 1232)),
        };
        assert!(reply.len() <= limit, "{name} {udp:?}: {}", reply.len());
        let reply = read(&reply);
        assert_eq!(
            (sent.truncated, reply.metadata.truncation),
            (!whole, !whole),
            "{name} {record_type} {udp:?}"
        );
        assert_eq!(reply.answers.is_empty() && reply.authorities.is_empty(), !whole);
        assert_eq!(reply.edns.is_some(), udp.is_some());
    };
    check("many.example", RecordType::TXT, None, Over::Udp, false);
    check("many.example", RecordType::TXT, Some(65535), Over::Udp, false);
    check("many.example", RecordType::TXT, None, Over::Tcp, true);
    check("few.example", RecordType::A, Some(1232), Over::Udp, false);
    check("few.example", RecordType::A, Some(0), Over::Tcp, true);
    check("ns.example", RecordType::A, Some(0), Over::Udp, true);
    check("x.cut.example", RecordType::A, Some(1232), Over::Udp, false);
    check("x.cut.example", RecordType::A, None, Over::Tcp, true);
}

#[test]
fn each_answer_begins_with_a_record_by_chance() {
    let zones = zones(true);
    let mut first = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut out = Vec::new();
        answer(
            &Context::open(&zones),
            &ask("few.example", RecordType::A),
            &client(Over::Tcp),
            seed,
            &mut out,
        );
        let read = read(&out);
        let all: std::collections::BTreeSet<_> =
            read.answers.iter().map(|record| record.data.to_string()).collect();
        assert_eq!((read.answers.len(), all.len()), (200, 200), "all of them, each once");
        first.insert(read.answers[0].data.to_string());
    }
    assert!(first.len() > 25, "{first:?}");
}

#[test]
fn before_the_first_sync_nothing_is_denied() {
    let zones = zones(false);
    assert_eq!(
        reply(&zones, &ask("web.elsewhere", RecordType::A)).metadata.response_code,
        ResponseCode::ServFail
    );
    assert_eq!(
        reply(&zones, &ask("ns.example", RecordType::A)).metadata.response_code,
        ResponseCode::NoError
    );
}

/// Type, TTL and uncompressed data of a record.
fn plain(record: &Record) -> (String, u16, u32, Vec<u8>) {
    let mut data = Vec::new();
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder).expect("octets");
    // Names that end as the question does may be spelled as it is.
    data.make_ascii_lowercase();
    (record.name.to_string().to_ascii_lowercase(), record.record_type().into(), record.ttl, data)
}

fn names() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec![
        "example", "ns", "www", "s", "_tcp", "many", "cut", "moved", "w", "x", "*", "EXAMPLE",
    ]);
    prop::collection::vec(label, 0..4)
        .prop_map(|labels| format!("{}.example", labels.join(".")).trim_start_matches('.').to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn every_message_holds_what_the_answer_says(name in names(), number in prop::sample::select(vec![1_u16, 2, 5, 6, 12, 15, 16, 28, 33, 39, 255])) {
        let zones = &*KNOWN;
        let question = crate::zone::Question { name: DomainName::parse(&name).expect("a name"), record_type: RecordType(number) };
        let expected = crate::zone::answer(zones.zones(), &question);
        let (_, reply) = send(zones, &ask(&name, RecordType(number)), Over::Tcp).expect("an answer");
        let reply = read(&reply);
        let sections = [(&expected.answers, &reply.answers), (&expected.authority, &reply.authorities), (&expected.additional, &reply.additionals)];
        for (meant, written) in sections {
            let meant: Vec<_> = meant.iter().flat_map(|entry| entry.set.data().iter().map(move |data| {
                (entry.owner.clone(), data.record_type().0, entry.set.ttl(), data.octets().to_ascii_lowercase())
            })).collect();
            let mut written: Vec<_> = written.iter().map(plain).collect();
            let mut meant = meant;
            meant.sort();
            written.sort_by_key(|(name, number, ttl, data)| (DomainName::parse(name).expect("a name"), *number, *ttl, data.clone()));
            prop_assert_eq!(meant.len(), written.len());
            for ((owner, record_type, ttl, data), (name, number, seconds, octets)) in meant.iter().zip(&written) {
                prop_assert_eq!(owner, &DomainName::parse(name).expect("a name"));
                prop_assert_eq!((record_type, ttl, data), (number, seconds, octets));
            }
        }
    }

    #[test]
    fn any_octets_have_an_answer_that_can_be_read_or_none(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let zones = &*KNOWN;
        for over in [Over::Udp, Over::Tcp] {
            if let Some((_, reply)) = send(zones, &octets, over) {
                prop_assert!(over == Over::Tcp || reply.len() <= 1232);
                prop_assert_eq!(&read(&reply).to_vec().expect("octets")[..2], &octets[..2]);
            }
        }
    }

    #[test]
    fn any_options_have_an_answer_that_can_be_read_and_fits(
        name in names(), number in prop::sample::select(vec![1_u16, 2, 16, 33]), udp in 0_u16..1500,
        options in prop::collection::vec((prop::sample::select(vec![3_u16, 10, 11, 15, 100]), prop::collection::vec(any::<u8>(), 0..42)), 0..4),
    ) {
        let said: Vec<u8> = options.iter().flat_map(|(code, said)| {
            let length = u16::try_from(said.len()).expect("short");
            [&code.to_be_bytes()[..], &length.to_be_bytes(), said].concat()
        }).collect();
        let octets = message(0, 1, 1, &[&asked(&name, RecordType(number)), &opt(udp, 0, 0, &said)]);
        let context = Context { guards: &GUARDED, ..Context::open(&KNOWN) };
        for over in [Over::Udp, Over::Tcp] {
            let mut out = Vec::new();
            let done = answer(&context, &octets, &client(over), 0, &mut out);
            prop_assert!(matches!(done, Done::Answered(_) | Done::Slipped(_)), "each that is over the limit is cut");
            prop_assert!(over == Over::Tcp || out.len() <= usize::from(udp.clamp(512, 1232)));
            let read = read(&out);
            // The first cookie counts, if no option is wrong; what is cut may have been refused.
            let cookie = options.iter().find(|(code, _)| *code == 10);
            let is_told = out.windows(4).any(|octets| octets == [0, 10, 0, 24]);
            if over == Over::Tcp && read.metadata.response_code != ResponseCode::FormErr {
                prop_assert_eq!(is_told, cookie.is_some());
            }
        }
    }

    #[test]
    fn questions_with_a_few_wrong_octets_have_an_answer_that_can_be_read(
        name in names(), number in 0_u16..260, udp in any::<u16>(), changes in prop::collection::vec((0_usize..60, any::<u8>()), 0..4), cut in 0_usize..80,
    ) {
        let zones = &*KNOWN;
        let mut octets = message(0x0110, 1, 1, &[&asked(&name, RecordType(number)), &opt(udp, 0, 0, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])]);
        for (at, octet) in changes {
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
        }
        if cut < 40 {
            octets.truncate(octets.len() - cut);
        }
        if let Some((sent, reply)) = send(zones, &octets, Over::Udp) {
            prop_assert!(reply.len() <= 1232);
            let reply = read(&reply);
            prop_assert_eq!(reply.metadata.truncation, sent.truncated);
            prop_assert_eq!(reply.metadata.message_type, MessageType::Response);
        }
    }
}
