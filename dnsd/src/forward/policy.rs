//! Whose questions are forwarded, and which: decided on the way of each question, in a look at what zones answered.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::{DomainName, RecordType};

use super::counters::Counters;
use crate::wire::{Query, flags};
use crate::zone::{Answer, Outcome, Question, ZoneSet};

/// Whose questions are forwarded.
#[derive(Debug)]
pub struct Policy {
    allow: Vec<IpNet>,
    /// The zone of the registry: no name in it is ever sent away.
    zone: Option<DomainName>,
    pub(super) counters: Arc<Counters>,
}

impl Policy {
    pub(super) fn new(allow: &[IpNet], zone: Option<DomainName>, counters: Arc<Counters>) -> Self {
        Self { allow: allow.to_vec(), zone, counters }
    }

    /// Whether this client may ask for names of others.
    pub fn allows(&self, client: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&client))
    }

    /// Whether somebody else is asked, for this client, behind what the zones answered: where recursion is desired, and all zones are known.
    pub fn takes(
        &self,
        zones: &ZoneSet,
        query: &Query<'_>,
        client: IpAddr,
        (question, answer): (&Question, &Answer<'_>),
    ) -> bool {
        if query.flags & flags::RD == 0 || !zones.is_known() {
            return false;
        }
        let Some(name) = outside(zones, question, answer) else { return false };
        if self.zone.as_ref().is_some_and(|zone| name.is_at_or_below(zone)) {
            return false;
        }
        let allowed = self.allows(client);
        if !allowed && answer.outcome == Outcome::NotOurs {
            self.counters.refused();
        }
        allowed
    }
}

/// The name that has to be asked for elsewhere, for an answer to be whole: that of the question, or the one its last alias leads to.
pub(super) fn outside(zones: &ZoneSet, question: &Question, answer: &Answer<'_>) -> Option<DomainName> {
    match answer.outcome {
        Outcome::NotOurs => return Some(question.name.clone()).filter(|name| !zones.lacks(name)),
        // What is denied, and who else knows, is said in the authority section.
        Outcome::Fine if answer.authority.is_empty() => {}
        _ => return None,
    }
    if matches!(question.record_type, RecordType::CNAME | RecordType::ANY) {
        return None;
    }
    let alias = answer.answers.last().filter(|entry| entry.set.record_type() == RecordType::CNAME)?;
    let target = alias.set.data().first()?.target()?;
    (!zones.holds(&target) && !zones.lacks(&target)).then_some(target)
}

#[cfg(test)]
mod tests {
    use model::Revision;

    use super::*;
    use crate::config::Config;
    use crate::guard::Guards;
    use crate::later::{Task, Work};
    use crate::query::{self, Client, Context, Done, Over};
    use crate::served::Served;
    use crate::wire::{Code, decode, upstream};
    use crate::zone::{answer, file};

    const ZONE: &str = "$ORIGIN e.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.0.0.1\nin 60 CNAME ns\nout 60 CNAME db.example.com.\n\
         gone 60 CNAME nothing\nchain 60 CNAME out\nloop 60 CNAME loop2\nloop2 60 CNAME loop\nchild 60 NS ns.elsewhere.\nd 60 DNAME example.com.\n";

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn zones(known: bool) -> ZoneSet {
        ZoneSet::new(Revision::new(1), known, [Arc::new(file::read(ZONE, None).expect("a zone"))])
    }

    #[test]
    fn what_leaves_our_zones_is_asked_for_elsewhere() {
        let zones = zones(true);
        let check = |asked: &str, record_type, expected: Option<&str>| {
            let question = Question { name: name(asked), record_type };
            let outside = outside(&zones, &question, &answer(&zones, &question));
            assert_eq!(outside, expected.map(name), "{asked} {record_type}");
        };
        check("www.example.org", RecordType::A, Some("www.example.org"));
        check("ns.e", RecordType::A, None);
        check("ns.e", RecordType::TXT, None);
        check("nothing.e", RecordType::A, None);
        check("in.e", RecordType::A, None);
        check("out.e", RecordType::A, Some("db.example.com"));
        check("chain.e", RecordType::AAAA, Some("db.example.com"));
        check("out.e", RecordType::CNAME, None);
        check("out.e", RecordType::ANY, None);
        check("gone.e", RecordType::A, None);
        check("loop.e", RecordType::A, None);
        check("www.child.e", RecordType::A, None);
        check("www.d.e", RecordType::A, Some("www.example.com"));
    }

    #[test]
    fn only_some_clients_questions_leave() {
        let allow = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a net"));
        let policy = Policy::new(&allow, Some(name("svc.internal")), Arc::default());
        let check = |asked: &str, client: &str, (desired, known): (bool, bool), expected| {
            let (zones, mut message) = (zones(known), message(asked));
            message[2] = u8::from(desired);
            let query = decode(&message).expect("a question");
            let question = query.question();
            let client = client.parse().expect("an address");
            let answer = answer(&zones, &question);
            assert_eq!(policy.takes(&zones, &query, client, (&question, &answer)), expected, "{asked}");
        };
        check("www.example.org", "127.0.0.1", (true, true), true);
        check("www.example.org", "::1", (true, true), true);
        check("out.e", "127.0.0.1", (true, true), true);
        check("www.example.org", "10.0.0.1", (true, true), false);
        check("www.example.org", "127.0.0.1", (false, true), false);
        check("www.example.org", "127.0.0.1", (true, false), false);
        check("ns.e", "127.0.0.1", (true, true), false);
        check("web.svc.internal", "127.0.0.1", (true, true), false);
        check("svc.internal", "127.0.0.1", (true, true), false);
        assert_eq!(policy.counters.totals(0).refused, 1);
    }

    #[test]
    fn a_name_of_a_zone_of_ours_that_cannot_be_served_is_nobody_elses() {
        let served = zones(true);
        let mut lacking = served.clone();
        lacking.lack(&name("example.com"));
        let check = |zones: &ZoneSet, asked: &str, expected: Option<&str>| {
            let question = Question { name: name(asked), record_type: RecordType::A };
            let outside = outside(zones, &question, &answer(zones, &question));
            assert_eq!(outside, expected.map(name), "{asked}");
        };
        check(&lacking, "example.com", None);
        check(&lacking, "www.EXAMPLE.com", None);
        check(&lacking, "out.e", None);
        check(&lacking, "www.example.org", Some("www.example.org"));
        check(&lacking, "com", Some("com"));
        lacking.remove(&name("example.com"));
        check(&lacking, "www.example.com", Some("www.example.com"));
        check(&served, "out.e", Some("db.example.com"));
    }

    /// A question that desires recursion.
    fn message(asked: &str) -> Vec<u8> {
        let mut message = Vec::new();
        let ask =
            upstream::Ask { name: name(asked), record_type: RecordType::A, dnssec: false, unchecked: false };
        upstream::ask(1, &ask, &mut message);
        message
    }

    #[test]
    fn questions_are_limited_before_they_are_forwarded_and_none_of_ours_is() {
        let mut zones = zones(true);
        zones.lack(&name("example.com"));
        let (served, config) =
            (Served::new(zones), Config { rate_limit: 1, rate_limit_slip: 0, ..Config::default() });
        let (guards, policy) = (
            Guards::drawn(&config).expect("chance"),
            Policy::new(&["192.0.2.0/24".parse().expect("a net")], None, Arc::default()),
        );
        let context = Context { guards: &guards, forward: Some(&policy), ..Context::open(&served) };
        let client = Client { address: "192.0.2.1".parse().expect("an address"), over: Over::Udp };
        let ask = |asked: &str| query::answer(&context, &message(asked), &client, 0, &mut Vec::new());
        assert!(matches!(ask("www.example.org"), Done::Later(_)));
        assert!(matches!(ask("www.example.org"), Done::Limited));
        assert!(matches!(ask("other.example.org"), Done::Later(_)), "its own count");
        let ours = ask("www.example.com");
        assert!(matches!(&ours, Done::Answered(sent) if sent.code == Code::Failure), "{ours:?}");
    }

    #[test]
    fn what_finds_no_room_is_refused_with_all_that_an_answer_says_and_within_the_limit() {
        let served = Served::new(zones(true));
        let config = Config { rate_limit: 1, rate_limit_slip: 0, ..Config::default() };
        let guards = Guards::drawn(&config).expect("chance");
        let context = Context { guards: &guards, ..Context::open(&served) };
        let client = Client { address: "192.0.2.1".parse().expect("an address"), over: Over::Udp };
        let mut asked = message("www.example.org");
        // Without the upstream's own EDNS; with a cookie.
        let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08cookie..";
        asked.truncate(12 + name("www.example.org").as_wire().len() + 4);
        asked[11] = 1;
        asked.extend(opt);
        let mut out = Vec::new();
        let task = Task::new(Work::Forward, &asked);

        let done = task.refuse(&context, &client, &mut out);

        assert!(matches!(&done, Done::Answered(sent) if sent.code == Code::Failure), "{done:?}");
        assert_eq!(out[3] & 0x80, 0x80, "RA");
        assert!(out.windows(8).any(|octets| octets == b"cookie.."), "its cookie: {out:02x?}");
        assert!(matches!(task.refuse(&context, &client, &mut Vec::new()), Done::Limited));
        let mut update = b"\0\x07\x28\0\0\x01\0\0\0\0\0\x01\x01e\0\0\x06\0\x01".to_vec();
        update.extend(opt);
        let (mut out, other) =
            (Vec::new(), Client { address: "198.51.100.1".parse().expect("one"), ..client });
        let done = Task::new(Work::Update, &update).refuse(&context, &other, &mut out);
        assert!(matches!(&done, Done::Answered(sent) if sent.code == Code::Failure), "{done:?}");
        assert_eq!((out[2] >> 3 & 0xf, out[3] & 0x80, out[5]), (5, 0, 1), "UPDATE, its zone");
        assert!(out.windows(8).any(|octets| octets == b"cookie.."), "its cookie: {out:02x?}");
    }
}
