//! What upstreams said, kept for as long as it holds (RFC 1035 §7.4, RFC 2308, RFC 9520). Pure: the time is an argument.
//!
//! Whole answers are kept, each under the question it is the answer to, and never looked into for another one: what an upstream adds
//! unasked poisons nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{RecordSet, RecordType};

use crate::wire::upstream::{Ask, Told};
use crate::wire::{Code, Section};

/// The longest that an answer is kept.
const LONGEST: u32 = 24 * 60 * 60;
/// The longest that it is kept that something is not there (RFC 2308 §5 allows three hours).
const LONGEST_NEGATIVE: u32 = 60 * 60;
/// How long it is kept that nobody could say (RFC 9520 §3.2 asks for a second at least).
const FAILURE: Duration = Duration::from_secs(2);
/// What an entry takes beside its records, roughly, in octets.
const ENTRY: usize = 256;
/// What a set takes beside its data, roughly, in octets.
const SET: usize = 160;
/// What a record takes beside its data, roughly, in octets.
const RECORD: usize = 48;

/// What is known about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// This was said.
    Told(Arc<Told>),
    /// Nobody could say.
    Failed,
}

/// An answer out of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// What is known.
    pub(super) known: Known,
    /// For how long it has been, in whole seconds: TTLs are shorter by these.
    pub(super) age: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    known: Known,
    since: Instant,
    until: Instant,
    octets: usize,
}

/// Answers, by question. Two halves: what was of use goes into the young one; when that is full the old one is let go, and the young one
/// becomes old. So what nobody asked for since the last turn goes first.
#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<Ask, Entry>,
    old: HashMap<Ask, Entry>,
    /// What the young half takes.
    octets: usize,
    /// What both may take.
    limit: usize,
}

impl Cache {
    /// An empty one, of at most so many octets.
    pub(super) fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), octets: 0, limit }
    }

    /// What is known about a question.
    pub(super) fn get(&mut self, ask: &Ask, now: Instant) -> Option<Kept> {
        if !self.young.contains_key(ask) {
            let entry = self.old.remove(ask).filter(|entry| now < entry.until)?;
            self.insert(ask.clone(), entry);
        }
        let entry = self.young.get(ask).filter(|entry| now < entry.until)?;
        let age = u32::try_from(now.duration_since(entry.since).as_secs()).unwrap_or(u32::MAX);
        Some(Kept { known: entry.known.clone(), age })
    }

    /// Keeps what was said, for as long as it holds; gives it back with its TTLs as they hold.
    pub(super) fn put(&mut self, ask: &Ask, told: Told, now: Instant) -> Arc<Told> {
        let (told, seconds) = holds(ask, told);
        let told = Arc::new(told);
        if seconds > 0 {
            let octets = ENTRY + ask.name.as_wire().len() + size(&told);
            let until = now + Duration::from_secs(u64::from(seconds));
            let known = Known::Told(Arc::clone(&told));
            self.insert(ask.clone(), Entry { known, since: now, until, octets });
        }
        told
    }

    /// Keeps that nobody could say.
    pub(super) fn failed(&mut self, ask: &Ask, now: Instant) {
        let octets = ENTRY + ask.name.as_wire().len();
        self.insert(ask.clone(), Entry { known: Known::Failed, since: now, until: now + FAILURE, octets });
    }

    /// How many answers there are, those that do not hold any more among them.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn insert(&mut self, ask: Ask, entry: Entry) {
        let most = self.limit / 2;
        if entry.octets > most {
            return;
        }
        if self.octets + entry.octets > most {
            self.old = std::mem::take(&mut self.young);
            self.octets = 0;
        }
        self.old.remove(&ask);
        self.octets += entry.octets;
        if let Some(before) = self.young.insert(ask, entry) {
            self.octets = self.octets.saturating_sub(before.octets);
        }
    }
}

fn size(told: &Told) -> usize {
    let of = |set: &RecordSet| {
        let data: usize = set.data().iter().map(|data| RECORD + data.octets().len()).sum();
        SET + set.name().as_wire().len() + data
    };
    told.sets.iter().map(|(_, set)| of(set)).sum()
}

/// For how many seconds an answer holds: as its shortest TTL says, within limits; a negative one as its SOA says, and without one not at all
/// (RFC 2308 §5). No TTL in it is longer than its kind allows then.
fn holds(ask: &Ask, told: Told) -> (Told, u32) {
    let Told { code, truncated, sets } = told;
    let negative = code != Code::NoError as u16 || !answers(ask, &sets);
    let longest = if negative { LONGEST_NEGATIVE } else { LONGEST };
    let mut seconds = longest;
    let mut has_soa = false;
    let mut held = Vec::with_capacity(sets.len());
    for (section, set) in sets {
        let mut ttl = set.ttl().min(longest);
        if negative && section == Section::Authority && set.record_type() == RecordType::SOA {
            has_soa = true;
            ttl = set.data().iter().filter_map(|data| data.soa_minimum()).fold(ttl, u32::min);
        }
        seconds = seconds.min(ttl);
        held.push((section, with_ttl(&set, ttl).unwrap_or(set)));
    }
    let seconds = if negative && !has_soa { 0 } else { seconds };
    (Told { code, truncated, sets: held }, seconds)
}

/// Whether what was asked for is among the answers.
fn answers(ask: &Ask, sets: &[(Section, RecordSet)]) -> bool {
    let fits = |found| ask.record_type == RecordType::ANY || found == ask.record_type;
    sets.iter().any(|(section, set)| *section == Section::Answer && fits(set.record_type()))
}

/// The same records, with another TTL.
pub(super) fn with_ttl(set: &RecordSet, ttl: u32) -> Option<RecordSet> {
    RecordSet::new(set.name().clone(), set.record_type(), ttl, set.data().to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use model::{DomainName, RecordData};

    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn ask(text: &str) -> Ask {
        Ask { name: name(text), record_type: RecordType::A, dnssec: false, unchecked: false }
    }

    fn address(owner: &str, ttl: u32) -> (Section, RecordSet) {
        let data = vec![RecordData::a(Ipv4Addr::LOCALHOST)];
        (Section::Answer, RecordSet::new(name(owner), RecordType::A, ttl, data).expect("a set"))
    }

    fn alias(owner: &str, ttl: u32) -> (Section, RecordSet) {
        let data = RecordData::name(RecordType::CNAME, &name("else.where")).expect("a name");
        (Section::Answer, RecordSet::new(name(owner), RecordType::CNAME, ttl, vec![data]).expect("a set"))
    }

    fn soa(ttl: u32, minimum: u32) -> (Section, RecordSet) {
        let numbers = [1, 2, 3, 4, minimum].map(u32::to_be_bytes).concat();
        let octets = [name("ns.a").as_wire(), name("h.a").as_wire(), &numbers].concat();
        let data = vec![RecordData::new(RecordType::SOA, octets).expect("a SOA")];
        (Section::Authority, RecordSet::new(name("a"), RecordType::SOA, ttl, data).expect("a set"))
    }

    fn told(code: Code, sets: Vec<(Section, RecordSet)>) -> Told {
        Told { code: code as u16, truncated: false, sets }
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_kept_for_as_long_as_it_holds() {
        let check = |what: Told, expected: u64| {
            let (mut cache, start) = (Cache::new(1 << 20), Instant::now());
            cache.put(&ask("www.a"), what.clone(), start);
            let at = |seconds| cache.get(&ask("WWW.A"), start + seconds).map(|kept| kept.age);
            let mut at = at;
            let expected = after(expected);
            let last = expected.checked_sub(after(1));
            if let Some(last) = last {
                assert_eq!(at(last), u32::try_from(last.as_secs()).ok(), "{what:?} holds");
            }
            assert_eq!(at(expected), None, "{what:?} holds no longer");
        };
        let (fine, no_name) = (Code::NoError, Code::NoName);
        check(told(fine, vec![address("www.a", 60)]), 60);
        check(told(fine, vec![alias("www.a", 300), address("else.where", 5)]), 5);
        check(told(fine, vec![address("www.a", 0)]), 0);
        check(told(fine, vec![address("www.a", 0x7fff_ffff)]), 86_400);
        check(told(no_name, vec![soa(60, 7)]), 7);
        check(told(no_name, vec![soa(6, 70)]), 6);
        check(told(no_name, vec![soa(86_400, 86_400)]), 3600);
        check(told(fine, vec![soa(60, 7)]), 7);
        check(told(fine, vec![alias("www.a", 3), soa(60, 7)]), 3);
        // RFC 2308 §5: what says not for how long is not kept.
        check(told(no_name, vec![]), 0);
        check(told(fine, vec![]), 0);
        check(told(fine, vec![alias("www.a", 300)]), 0);
    }

    #[test]
    fn a_negative_answer_carries_the_time_it_holds() {
        let mut cache = Cache::new(1 << 20);
        let told = cache.put(&ask("www.a"), told(Code::NoName, vec![soa(60, 7)]), Instant::now());
        assert_eq!(told.sets[0].1.ttl(), 7);
    }

    #[test]
    fn questions_differ_by_type_and_by_what_is_wanted() {
        let (mut cache, now) = (Cache::new(1 << 20), Instant::now());
        cache.put(&ask("www.a"), told(Code::NoError, vec![address("www.a", 60)]), now);
        assert!(cache.get(&ask("www.a"), now).is_some());
        let others = [
            Ask { record_type: RecordType::AAAA, ..ask("www.a") },
            Ask { dnssec: true, ..ask("www.a") },
            Ask { unchecked: true, ..ask("www.a") },
            ask("w.a"),
            // In an answer to another question it is of no matter.
            ask("else.where"),
        ];
        cache.put(&ask("www.a"), told(Code::NoError, vec![alias("www.a", 9), address("else.where", 9)]), now);
        assert!(others.iter().all(|other| cache.get(other, now).is_none()));
    }

    #[test]
    fn a_failure_is_kept_for_a_moment() {
        let (mut cache, now) = (Cache::new(1 << 20), Instant::now());
        cache.failed(&ask("www.a"), now);
        assert_eq!(cache.get(&ask("www.a"), now + after(1)), Some(Kept { known: Known::Failed, age: 1 }));
        assert_eq!(cache.get(&ask("www.a"), now + after(5)), None);
    }

    #[test]
    fn it_is_never_larger_than_it_may_be_and_what_is_asked_for_stays() {
        let (mut cache, now) = (Cache::new(64 << 10), Instant::now());
        let put = |cache: &mut Cache, text: &str| {
            cache.put(&ask(text), told(Code::NoError, vec![address(text, 3600)]), now);
        };
        put(&mut cache, "popular.a");
        for number in 0..10_000 {
            put(&mut cache, &format!("n{number}.a"));
            assert!(cache.get(&ask("popular.a"), now).is_some(), "{number}");
            let octets: usize =
                cache.young.values().chain(cache.old.values()).map(|entry| entry.octets).sum();
            assert!(octets <= 64 << 10, "{octets} octets in {} entries", cache.len());
            assert_eq!(cache.octets, cache.young.values().map(|entry| entry.octets).sum::<usize>());
        }
        assert!(cache.len() > 64 && cache.get(&ask("n1.a"), now).is_none());
        let large = (0..2000).map(|number| address(&format!("{number}.a"), 60)).collect();
        cache.put(&ask("large.a"), told(Code::NoError, large), now);
        assert!(cache.get(&ask("large.a"), now).is_none(), "what takes more than half is not kept");
    }

    #[test]
    fn no_cache_is_a_cache_of_nothing() {
        let (mut cache, now) = (Cache::new(0), Instant::now());
        cache.put(&ask("www.a"), told(Code::NoError, vec![address("www.a", 60)]), now);
        assert!(cache.get(&ask("www.a"), now).is_none());
    }
}
