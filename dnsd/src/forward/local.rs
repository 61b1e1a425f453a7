//! Names that are nobody else's business, answered here and never sent on (RFC 6761, RFC 6303, RFC 7793, RFC 6762, RFC 7686, RFC 9476).

use std::sync::Arc;

use model::Revision;

use crate::zone::{Zone, ZoneSet, file};

/// What each such zone begins with (RFC 6303 §3).
const HEAD: &str = "$TTL 10800\n@ SOA @ nobody.invalid. 1 3600 1200 604800 10800\n@ NS @\n";
/// The machine itself (RFC 6761 §6.3).
const LOCALHOST: &str = "@ A 127.0.0.1\n@ AAAA ::1\n* A 127.0.0.1\n* AAAA ::1\n";
/// Where the machine itself is named.
const LOOPBACK: [(&str, &str); 2] = [
    ("127.in-addr.arpa", "1.0.0 PTR localhost.\n"),
    ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", "@ PTR localhost.\n"),
];
/// Names that never are in the DNS of all.
const NOWHERE: [&str; 5] = ["invalid", "test", "local", "onion", "alt"];
/// Addresses that never are in the DNS of all (RFC 6303 §4).
const EMPTY: [&str; 12] = [
    "0.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
];

/// The zones that are answered here; those of private addresses left out, where somebody upstream knows them (`dns.forward_private`).
pub(super) fn zones(private_is_known: bool) -> ZoneSet {
    let private = private().filter(|_| !private_is_known);
    let empty = NOWHERE.into_iter().chain(EMPTY).map(str::to_owned).chain(private);
    let told = LOOPBACK.into_iter().chain([("localhost", LOCALHOST)]);
    let all = told.map(|(apex, text)| (apex.to_owned(), text)).chain(empty.map(|apex| (apex, "")));
    ZoneSet::new(Revision::default(), true, all.filter_map(|(apex, text)| zone(&apex, text)))
}

/// The reverse zones of private and shared addresses (RFC 1918, RFC 6598, RFC 4193).
fn private() -> impl Iterator<Item = String> {
    let of_172 = (16..32).map(|octet| format!("{octet}.172.in-addr.arpa"));
    let of_100 = (64..128).map(|octet| format!("{octet}.100.in-addr.arpa"));
    let whole = ["10.in-addr.arpa", "168.192.in-addr.arpa", "d.f.ip6.arpa"].map(str::to_owned);
    whole.into_iter().chain(of_172).chain(of_100)
}

fn zone(apex: &str, text: &str) -> Option<Arc<Zone>> {
    let origin = model::DomainName::parse(apex).ok()?;
    file::read(&format!("{HEAD}{text}"), Some(&origin)).ok().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use model::{DomainName, RecordType};

    use super::*;
    use crate::zone::{Outcome, Question, answer};

    #[test]
    fn every_zone_can_be_read() {
        let count = LOOPBACK.len() + 1 + NOWHERE.len() + EMPTY.len();
        assert_eq!(zones(true).zones().len(), count);
        assert_eq!(zones(false).zones().len(), count + 3 + 16 + 64);
    }

    #[test]
    fn names_of_this_machine_and_of_nobody_are_answered() {
        let zones = zones(false);
        let check = |name: &str, record_type, outcome, answers: usize| {
            let name = DomainName::parse(name).expect("a name");
            let answer = answer(&zones, &Question { name: name.clone(), record_type });
            assert_eq!((answer.outcome, answer.answers.len()), (outcome, answers), "{name}");
        };
        check("localhost", RecordType::A, Outcome::Fine, 1);
        check("db.localhost", RecordType::AAAA, Outcome::Fine, 1);
        check("localhost", RecordType::TXT, Outcome::Fine, 0);
        check("1.0.0.127.in-addr.arpa", RecordType::PTR, Outcome::Fine, 1);
        check("2.0.0.127.in-addr.arpa", RecordType::PTR, Outcome::NoName, 0);
        check("printer.local", RecordType::A, Outcome::NoName, 0);
        check("4.3.2.10.in-addr.arpa", RecordType::PTR, Outcome::NoName, 0);
        check("9.9.31.172.in-addr.arpa", RecordType::PTR, Outcome::NoName, 0);
        check("9.9.32.172.in-addr.arpa", RecordType::PTR, Outcome::NotOurs, 0);
        check("8.8.8.8.in-addr.arpa", RecordType::PTR, Outcome::NotOurs, 0);
        check("www.example.com", RecordType::A, Outcome::NotOurs, 0);
    }
}
