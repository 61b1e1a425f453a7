//! The answer to a question (RFC 1034 §4.3.2).

use std::borrow::Cow;

use model::{DomainName, RecordData, RecordSet, RecordType};
use smallvec::SmallVec;

use super::existence::Found;
use super::key::Key;
use super::set::ZoneSet;
use super::tree::{Node, Zone};

/// How many aliases are followed for one question; behind the last the client asks on.
pub const MAX_ALIASES: usize = 8;
/// How many names an answer adds the addresses of at most: more than a datagram has room for, and few enough to cost little where a set has
/// thousands.
const MAX_ADDED: usize = 64;
/// How long an answer to ANY may be kept, in seconds: what it says never changes (RFC 8482 §4.2).
const ANY_TTL: u32 = 3600;
/// The data of the HINFO record that answers ANY.
const ANY_HINFO: &[u8] = b"\x07RFC8482\x00";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of which name; spelled as the client spelled it.
    pub name: DomainName,
    /// For which records; ANY for none in particular.
    pub record_type: RecordType,
}

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// There is such a name, or somebody else knows.
    #[default]
    Fine,
    /// The last name of the answer is not there, nor is anything below it.
    NoName,
    /// A DNAME makes a name of it that is too long (RFC 6672 §2.2).
    TooLong,
    /// No zone of ours holds the name.
    NotOurs,
    /// No zone that is known yet holds the name.
    NotYet,
    /// What is known of its zone is too old to be told.
    TooOld,
}

/// A record set in an answer: under which name, with which TTL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'z> {
    /// The set's own name, or the one that a wildcard stands for.
    pub owner: DomainName,
    /// The records.
    pub set: Cow<'z, RecordSet>,
    /// How often each record is to be the first one, in relation to the others; empty: all alike.
    pub weights: &'z [u16],
    /// Whether the answer is of no use without it.
    pub needed: bool,
}

/// The sections of an answer.
pub type Entries<'z> = SmallVec<[Entry<'z>; 2]>;

/// An answer, as values: which records in which section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer<'z> {
    /// What kind of answer it is.
    pub outcome: Outcome,
    /// Whether we hold the zone of the question's name (AA).
    pub authoritative: bool,
    /// The apex of the zone that holds the question's name.
    pub apex: Option<&'z DomainName>,
    /// Whether what was found for the question's name is said of whatever name is asked for, by a wildcard or a DNAME.
    pub made: bool,
    /// What was asked for, behind the aliases that lead there.
    pub answers: Entries<'z>,
    /// The SOA of a negative answer, or where a name is delegated to.
    pub authority: Entries<'z>,
    /// Addresses that are asked for next.
    pub additional: Entries<'z>,
}

/// Answers a question from the zones. Aliases are followed within them, at most [`MAX_ALIASES`].
pub fn answer<'z>(zones: &'z ZoneSet, question: &Question) -> Answer<'z> {
    let mut answer = Answer::default();
    let mut name = question.name.clone();
    for step in 0..=MAX_ALIASES {
        if zones.awaits(&name) {
            answer.outcome = Outcome::NotYet;
            break;
        }
        let key = Key::of(&name);
        let Some(zone) = find(zones, &key, question.record_type) else {
            if step == 0 {
                answer.outcome = Outcome::NotOurs;
            }
            break;
        };
        if zones.is_too_old(zone) {
            if step == 0 {
                answer.outcome = Outcome::TooOld;
            }
            break;
        }
        match answer.step(zones, zone, (&key, &name), question.record_type) {
            // An alias of a name that was there already leads nowhere.
            Some(next) if answer.answers.iter().all(|entry| entry.owner != next) => name = next,
            _ => break,
        }
    }
    if !zones.is_known() && matches!(answer.outcome, Outcome::NotOurs | Outcome::NoName) {
        answer.outcome = Outcome::NotYet;
    }
    if answer.outcome == Outcome::NotYet {
        return Answer { outcome: Outcome::NotYet, ..Answer::default() };
    }
    answer.add_addresses(zones);
    answer
}

/// The zone that answers. A DS record stands in the parent's (RFC 4035 §3.1.4.1), where that is ours too.
pub(crate) fn find<'z>(zones: &'z ZoneSet, key: &Key, record_type: RecordType) -> Option<&'z Zone> {
    let zone = zones.find(key, key.depth())?;
    let at_apex = record_type == RecordType::DS && key.depth() == zone.depth() && key.depth() > 0;
    let parent = at_apex.then(|| zones.find(key, key.depth() - 1)).flatten();
    Some(parent.unwrap_or(zone))
}

impl<'z> Answer<'z> {
    /// Says what `zone` knows of one name; the name to go on with, where that is an alias.
    fn step(
        &mut self,
        zones: &ZoneSet,
        zone: &'z Zone,
        (key, name): (&Key, &DomainName),
        wanted: RecordType,
    ) -> Option<DomainName> {
        let mut found = zone.look(key, wanted == RecordType::DS);
        let is_apex = || {
            key.depth() > zone.depth()
                && zones.find(key, key.depth()).is_some_and(|own| own.depth() == key.depth())
        };
        // Another zone that begins there, or below, says that the name is there.
        if matches!(found, Found::Nothing | Found::Wildcard(_))
            && (is_apex() || zones.begins_below(key.octets()))
        {
            found = Found::Empty;
        }
        if self.apex.is_none() {
            self.apex = Some(zone.apex());
            self.made = matches!(found, Found::Wildcard(_) | Found::Dname(..));
        }
        if !matches!(found, Found::Cut(_)) {
            self.authoritative = true;
        }
        match found {
            Found::Node(node) | Found::Wildcard(node) => self.tell(zone, node, name, wanted),
            Found::Empty => {
                self.deny(zone, Outcome::Fine);
                None
            }
            Found::Nothing => {
                self.deny(zone, Outcome::NoName);
                None
            }
            Found::Cut(servers) => {
                // What the alias before it said stays authoritative (RFC 1035 §4.1.1).
                self.authority.push(Entry::of(servers));
                self.add_glue(zone, servers);
                None
            }
            // An alias that was asked for is not followed, also one that a DNAME makes.
            Found::Dname(dname, labels) => {
                self.follow_dname(dname, labels, name).filter(|_| wanted != RecordType::CNAME)
            }
        }
    }

    fn tell(
        &mut self,
        zone: &'z Zone,
        node: &'z Node,
        name: &DomainName,
        wanted: RecordType,
    ) -> Option<DomainName> {
        let entry = |set: &'z RecordSet| Entry {
            owner: name.clone(),
            set: Cow::Borrowed(set),
            weights: node.weights(set.record_type()),
            needed: true,
        };
        if let Some(set) = node.get(wanted) {
            self.answers.push(entry(set));
            return None;
        }
        if let Some(alias) = node.get(RecordType::CNAME) {
            self.answers.push(entry(alias));
            return alias.data().first()?.target().filter(|_| wanted != RecordType::ANY);
        }
        if wanted == RecordType::ANY {
            self.answers.extend(any(name));
        } else {
            self.deny(zone, Outcome::Fine);
        }
        None
    }

    fn deny(&mut self, zone: &'z Zone, outcome: Outcome) {
        self.outcome = outcome;
        self.authority.push(Entry::of(zone.negative()));
    }

    /// The DNAME, and the alias that follows from it for `name` (RFC 6672 §3.1). `labels`: those of the DNAME's owner.
    fn follow_dname(&mut self, dname: &'z RecordSet, labels: usize, name: &DomainName) -> Option<DomainName> {
        self.answers.push(Entry::of(dname));
        let target = dname.data().first()?.target()?;
        let kept = name.labels().take(name.label_count() - labels).collect::<SmallVec<[&[u8]; 8]>>();
        let next = kept.iter().rev().try_fold(target, |below, label| below.child(label));
        let Ok(next) = next else {
            self.outcome = Outcome::TooLong;
            return None;
        };
        let data = RecordData::name(RecordType::CNAME, &next).ok()?;
        let alias = RecordSet::new(name.clone(), RecordType::CNAME, dname.ttl(), vec![data]).ok()?;
        self.answers.push(Entry { owner: name.clone(), set: Cow::Owned(alias), weights: &[], needed: true });
        Some(next)
    }

    /// The addresses of name servers below a cut, without which nobody finds them (RFC 9471 §2).
    fn add_glue(&mut self, zone: &'z Zone, servers: &RecordSet) {
        for target in servers.data().iter().filter_map(RecordData::target) {
            if !target.is_at_or_below(zone.apex()) {
                continue;
            }
            let Some(node) = zone.node(Key::of(&target).octets()) else { continue };
            let needed = target.is_at_or_below(servers.name());
            self.additional.extend(addresses(node).map(|set| Entry { needed, ..Entry::of(set) }));
        }
    }

    /// The addresses of whom the answer names (RFC 1035 §3.3.9, RFC 2782, RFC 9460 §4.1), where they are ours.
    fn add_addresses(&mut self, zones: &'z ZoneSet) {
        let mut added = Entries::new();
        let sets = self.answers.iter().map(|entry| &entry.set).filter(|set| leads_on(set.record_type()));
        for target in sets.flat_map(|set| set.data()).filter_map(RecordData::target).take(MAX_ADDED) {
            if target.is_root() || added.iter().any(|entry| entry.owner == target) {
                continue;
            }
            let key = Key::of(&target);
            let zone = zones.find(&key, key.depth()).filter(|zone| !zones.is_too_old(zone));
            if let Some(Found::Node(node) | Found::Wildcard(node)) = zone.map(|zone| zone.look(&key, false)) {
                let entry = |set: &'z RecordSet| {
                    let weights = node.weights(set.record_type());
                    Entry { owner: target.clone(), set: Cow::Borrowed(set), weights, needed: false }
                };
                added.extend(addresses(node).map(entry));
            }
        }
        self.additional.extend(added);
    }
}

impl<'z> Entry<'z> {
    fn of(set: &'z RecordSet) -> Self {
        Self { owner: set.name().clone(), set: Cow::Borrowed(set), weights: &[], needed: true }
    }
}

/// Whether answers of this type tell the addresses of whom they name.
pub(crate) fn leads_on(record_type: RecordType) -> bool {
    let leads = [RecordType::NS, RecordType::MX, RecordType::SRV, RecordType::SVCB, RecordType::HTTPS];
    leads.contains(&record_type)
}

fn addresses(node: &Node) -> impl Iterator<Item = &RecordSet> {
    [RecordType::A, RecordType::AAAA].into_iter().filter_map(|address| node.get(address))
}

/// What answers ANY at a name without an alias: one record that says that this is not answered (RFC 8482 §4.2).
fn any(name: &DomainName) -> Option<Entry<'static>> {
    let data = RecordData::new(RecordType::HINFO, ANY_HINFO).ok()?;
    let set = RecordSet::new(name.clone(), RecordType::HINFO, ANY_TTL, vec![data]).ok()?;
    Some(Entry { owner: name.clone(), set: Cow::Owned(set), weights: &[], needed: true })
}
