//! The names that an answer went through, and what stands at each.

use model::{DomainName, Frontend, RecordSet, RecordType};

use super::meaning::Meaning;
use super::{Explanation, From, Step, addresses, instances, meant, records};
use crate::zone::frontends::place;
use crate::zone::sources::Source;
use crate::zone::{Answer, Found, Key, MAX_ALIASES, Node, Outcome, Question, Zone, find};

/// Tells them all, with the facts behind each.
pub(super) fn tell(from: From<'_>, question: &Question, answer: &Answer<'_>, into: &mut Explanation) {
    for name in names(question, answer, &mut into.notes) {
        let key = Key::of(&name);
        let Some(zone) = find(from.zones, &key, question.record_type) else {
            let found = match answer.outcome {
                Outcome::NotYet => "no zone of a file holds it, and those of the registry are not known yet",
                _ => "no zone holds it",
            };
            into.steps.push(Step { name: name.clone(), zone: None, found: found.to_owned() });
            records::tell(from, None, &name, question.record_type, into);
            nobody(from, &name, into);
            continue;
        };
        let mut found = zone.look(&key, question.record_type == RecordType::DS);
        if matches!(found, Found::Nothing | Found::Wildcard(_)) && from.zones.begins_below(key.octets()) {
            into.notes.push(format!("{name} is there because a zone begins below it"));
            found = Found::Empty;
        }
        // Where the records are that stand for the name.
        let owner = owner(&found).unwrap_or(&name).clone();
        let source = from.source(zone.apex());
        let meaning = match source {
            Some(Source::Registry(derivation)) => Meaning::of(derivation, &owner),
            Some(Source::Reverse(_) | Source::Frontends(_) | Source::Facts(_)) | None => None,
        };
        let is_there = !matches!(found, Found::Nothing);
        if from.zones.is_too_old(zone) {
            into.notes.push(format!("what is known of {} is too old to be told (dns.max_age)", zone.apex()));
        }
        let mut told = match &meaning {
            Some(meaning) if is_there && instances::is_known(from, meaning) => format!("{meaning}: "),
            _ => String::new(),
        };
        told.push_str(&stands(&found, question.record_type, &owner));
        if !is_there {
            let above = meant::nearest(zone, &name);
            told.push_str(&format!("; the nearest name above it that is there is {above}"));
            let near = meant::below(zone, &above, &name);
            into.notes.extend(near.map(|meant| format!("did you mean {meant}?")));
        }
        into.steps.push(Step { name: name.clone(), zone: Some(from.view(zone)), found: told });
        records::tell(from, Some(zone), &owner, question.record_type, into);
        if source.is_none() && from.frontends.contains(zone.apex()) {
            proxies(from, zone.apex(), into);
        }
        if let Some(Source::Reverse(reverse)) = source {
            addresses::tell(from, &reverse.derivation, &owner, zone.sets_at(&owner), into);
        }
        if let (Some(meaning), Some(Source::Registry(derivation))) = (&meaning, source) {
            instances::tell(from, derivation, meaning, question.record_type, zone.sets_at(&owner), into);
        }
    }
}

/// The frontends that want a name to be answered, with where the proxies are.
fn proxies(from: From<'_>, apex: &DomainName, into: &mut Explanation) {
    let of = |frontend: &Frontend| {
        frontend.policy.dns && place(&frontend.host).is_some_and(|(name, _)| name == *apex)
    };
    let wanting = from.snapshot.frontends().filter(|(frontend, _)| of(frontend));
    into.made_of.extend(wanting.map(|(frontend, stated)| (frontend.key(), stated.revision)));
    if from.healthy.is_empty() {
        into.notes.push("no healthy proxy says where it is (registry.addresses)".to_owned());
    }
}

/// The name that was asked for, and those that its aliases lead to.
fn names(question: &Question, answer: &Answer<'_>, notes: &mut Vec<String>) -> Vec<DomainName> {
    let mut names = vec![question.name.clone()];
    if matches!(question.record_type, RecordType::CNAME | RecordType::ANY) {
        return names;
    }
    for entry in answer.answers.iter().filter(|entry| entry.set.record_type() == RecordType::CNAME) {
        let Some(target) = entry.set.data().first().and_then(model::RecordData::target) else { continue };
        if names.contains(&target) {
            notes.push(format!("{target} was there before: these aliases lead in a circle"));
            return names;
        }
        if names.len() > MAX_ALIASES {
            notes.push(format!("{MAX_ALIASES} aliases are followed: a client asks for {target} itself"));
            return names;
        }
        names.push(target);
    }
    names
}

/// Whose the records are, where they stand at the name or for it.
fn owner<'f>(found: &Found<'f>) -> Option<&'f DomainName> {
    let of = |node: &'f Node| node.sets().first().map(RecordSet::name);
    match found {
        Found::Node(node) | Found::Wildcard(node) => of(node),
        Found::Cut(set) | Found::Dname(set, _) => Some(set.name()),
        Found::Empty | Found::Nothing => None,
    }
}

/// What stands there.
fn stands(found: &Found<'_>, wanted: RecordType, owner: &DomainName) -> String {
    match found {
        Found::Node(node) => has(node, wanted),
        Found::Wildcard(node) if node.sets().is_empty() => {
            "a wildcard that has no records stands for it".to_owned()
        }
        Found::Wildcard(node) => format!("{owner} stands for it: {}", has(node, wanted)),
        Found::Empty => "it is there, and has no records itself".to_owned(),
        Found::Cut(servers) => format!("{owner} is delegated to {}", targets(servers)),
        Found::Dname(dname, _) => format!("{owner} has a DNAME: all below it is at {}", targets(dname)),
        Found::Nothing => "it is not there, nor is anything below it".to_owned(),
    }
}

fn has(node: &Node, wanted: RecordType) -> String {
    if wanted == RecordType::ANY {
        return "it is there; what all it has is not told (RFC 8482)".to_owned();
    }
    if let Some(set) = node.get(wanted) {
        return match set.data().len() {
            1 => format!("it has a record of type {wanted}"),
            count => format!("it has {count} records of type {wanted}"),
        };
    }
    if let Some(alias) = node.get(RecordType::CNAME) {
        return format!("it is an alias of {}", targets(alias));
    }
    let types: Vec<_> = node.sets().iter().map(|set| set.record_type().to_string()).collect();
    format!("it has no record of type {wanted}; it has {}", types.join(", "))
}

fn targets(set: &RecordSet) -> String {
    let names = set.data().iter().filter_map(model::RecordData::target);
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// What becomes of a name that no zone holds.
fn nobody(from: From<'_>, name: &DomainName, into: &mut Explanation) {
    if from.forwards {
        let who = "clients of dns.forward_allow that want recursion get it from an upstream (dns.forward), all others";
        into.notes.push(match into.steps.len() {
            1 => format!("{who} are refused"),
            _ => format!("{who} ask for it themselves"),
        });
    }
    let apexes: Vec<_> = from.zones.zones().map(|zone| zone.apex()).collect();
    if let Some(meant) = meant::in_another_zone(from.zones, &apexes, name) {
        into.notes.push(format!("did you mean {meant}?"));
    }
}

/// Whether a zone has the name, or something that stands for it.
pub(super) fn is_there(zone: &Zone, name: &DomainName) -> bool {
    !matches!(zone.look(&Key::of(name), false), Found::Nothing)
}
