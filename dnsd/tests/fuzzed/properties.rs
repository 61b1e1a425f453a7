//! Messages and zone files.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use dnsd::Served;
use dnsd::config::{Config, NSID};
use dnsd::guard::Guards;
use dnsd::query::{Client, Context, Done, Over, answer};
use dnsd::transfer::{Access, Allowed, MayUpdate, Next, Transfer};
use dnsd::wire::{Code, LARGEST};
use dnsd::zone::{ZoneSet, file};
use hickory_proto::op::{Message, MessageType};
use model::{DomainName, RecordData, Revision};

/// A zone with one of everything, and its child.
const ZONES: [&str; 2] = [
    "$ORIGIN e.\n$TTL 9\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n@ NS ns.c\nns A 10.0.0.1\nns AAAA ::1\n*.w TXT w\nx.*.v A 10.0.0.2\nl CNAME m\nm CNAME l\n\
     a CNAME ns\nd DNAME o\n*.o A 10.0.0.3\nc NS ns.c\nns.c A 10.0.0.4\nk.f NS ns\nk.f DS 1 8 2 00\ns SRV 1 2 3 ns\ns SRV 1 2 3 a\nx MX 1 ns\nt HTTPS 1 . alpn=h2\n",
    "$ORIGIN f.e.\n$TTL 9\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nb A 10.0.0.5\n* CNAME ns.e.\n",
];

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let many: String = (0..99).map(|n| format!("n A 10.0.1.{n}\nq TXT {n}{}\n", "y".repeat(200))).collect();
    let zones = [format!("{}{many}", ZONES[0]), ZONES[1].to_owned()];
    let zones = zones.iter().map(|text| Arc::new(file::read(text, None).unwrap()));
    Served::new(ZoneSet::new(Revision::new(1), true, zones))
});

/// Guards that let some of what comes from one address pass, and tell all that can be told.
static GUARDED: LazyLock<Guards> = LazyLock::new(|| {
    let config = Config { nsid: Some("n".repeat(NSID)), rate_limit: 1, ..Config::default() };
    Guards::drawn(&config).unwrap()
});

/// Whole zones for who asks from the client's address, and a key that messages may be signed with.
static OWNED: LazyLock<Access> = LazyLock::new(|| {
    let allowed = Allowed::parse("127.0.0.0/8").unwrap();
    let may = MayUpdate::parse("key:k.").unwrap();
    let config = Config { transfer_allow: vec![allowed], update_allow: vec![may], ..Config::default() };
    Access::of(&config, "key \"k.\" { algorithm hmac-sha256; secret \"MDEyMzQ1Njc4OTAxMjM0NQ==\"; };")
        .unwrap()
});

/// Whatever comes has an answer that another reader reads, within the limits, or none. True when its question was answered.
pub(crate) fn message(octets: &[u8]) -> bool {
    let open = || Context::open(&SERVED);
    let contexts = || [open(), Context { guards: &GUARDED, ..open() }, Context { access: &OWNED, ..open() }];
    let ways = [Over::Udp, Over::Tcp].into_iter().flat_map(|over| contexts().map(|context| (over, context)));
    let mut answered = false;
    for (over, context) in ways {
        let mut out = Vec::new();
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), over };
        let limits = over == Over::Udp && std::ptr::eq(context.guards, &raw const *GUARDED);
        let sent = match answer(&context, octets, &client, 7, &mut out) {
            Done::Answered(sent) => sent,
            Done::Slipped(sent) => {
                assert!(limits && sent.truncated && sent.code == Code::NoError);
                sent
            }
            Done::Limited => {
                assert!(limits && out.is_empty());
                continue;
            }
            Done::Transfer(transfer) => {
                assert!(over == Over::Tcp && std::ptr::eq(context.access, &raw const *OWNED));
                answered |= transferred(*transfer, octets);
                continue;
            }
            // Nobody knows the key.
            Done::Later(_) => panic!("nobody may have that"),
            Done::Dropped => {
                assert!(
                    out.is_empty() && (octets.len() < 12 || octets[2] & 0x80 != 0),
                    "every question is answered"
                );
                continue;
            }
        };
        assert!(out.len() <= if over == Over::Udp { 1232 } else { LARGEST });
        let read = Message::from_vec(&out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"));
        assert_eq!(read.metadata.id.to_be_bytes(), octets[..2]);
        assert_eq!(
            (read.metadata.message_type, read.metadata.truncation),
            (MessageType::Response, sent.truncated)
        );
        assert!(over == Over::Udp || !sent.truncated, "nothing is too large for TCP here");
        assert_eq!(u16::from(read.metadata.response_code), sent.code as u16);
        if let Some(question) = read.queries.first() {
            // As it was spelled: the octets of the question are those that came.
            let mut asked: Vec<u8> = question.name().iter().flat_map(spelled).collect();
            asked.push(0);
            assert!(octets[12..].starts_with(&asked), "{asked:02x?}");
        }
        answered |= matches!(sent.code, Code::NoError | Code::NoName | Code::NameExists);
    }
    answered
}

/// Each message of a transfer is read by another reader.
fn transferred(mut transfer: Transfer, octets: &[u8]) -> bool {
    loop {
        let mut out = Vec::new();
        let next = transfer.write(&mut out);
        let read = Message::from_vec(&out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"));
        assert!(out.len() <= LARGEST && read.metadata.id.to_be_bytes() == octets[..2]);
        match next {
            Next::More => {}
            Next::Nothing => return true,
            Next::Impossible => panic!("no set is too large"),
        }
    }
}

/// A label in a message. Its text would not do: what hickory-proto escapes in octal we read in decimal (RFC 1035 §5.1).
fn spelled(label: &[u8]) -> Vec<u8> {
    let length = u8::try_from(label.len()).unwrap();
    [&[length], label].concat()
}

/// Any text is a zone, whose records are written as they were read, or an error in one of its lines. True when it is a zone.
pub(crate) fn zone_file(octets: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(octets) else { return false };
    let origin = DomainName::parse("e").unwrap();
    match file::read(text, Some(&origin)) {
        Ok(zone) => {
            assert!(zone.sets().all(|set| set.name().is_at_or_below(zone.apex())));
            for data in zone.sets().flat_map(model::RecordSet::data) {
                let written = data.to_string();
                let again = RecordData::parse(data.record_type(), &written);
                assert_eq!(again.as_ref().map(RecordData::octets), Ok(data.octets()), "{written}");
            }
            true
        }
        Err(error) => {
            let lines = text.lines().count() + 1;
            assert!(error.line.is_none_or(|line| (1..=lines).contains(&line)), "{error} in {lines} lines");
            assert!(!error.message.is_empty());
            false
        }
    }
}
