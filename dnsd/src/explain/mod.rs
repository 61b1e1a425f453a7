//! Why a question is answered as it is: a function of what is answered from, asked by an operator.
//!
//! In: a question, the zones that are served, the snapshot they are of. Out: an [`Explanation`]: the very answer, name by name how it came to
//! be, the facts it is made of, and the facts that are not in it, each with why. Never here: a question that waits; another answer than
//! [`zone::answer`] gives.
//!
//! ```text
//! question ─► zone::answer ─► each name it went through ─► steps (which zone, what stands there)
//!                                       └─► meaning of the name ─► facts in it, facts left out
//! ```

mod addresses;
mod instances;
mod meaning;
mod meant;
mod records;
mod steps;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use model::{DomainName, FactKey, RecordType, Revision, Snapshot};

use crate::files::FileZones;
use crate::zone::frontends::FrontendNames;
use crate::zone::sources::{Source, Sources};
use crate::zone::{self, Answer, Entries, Outcome, Question, Zone, ZoneSet};

/// What a zone is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Services, instances and hosts, with record facts beside.
    Registry,
    /// Whose addresses are, with record facts beside.
    Reverse,
    /// A name of frontends, with record facts beside.
    Frontends,
    /// Record facts alone.
    Facts,
    /// A zone file.
    File(PathBuf),
}

/// A zone that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneView {
    /// Where it begins.
    pub apex: DomainName,
    /// What it is made of.
    pub holder: Holder,
    /// The serial of its SOA.
    pub serial: u32,
    /// How many names it has.
    pub names: usize,
}

/// One name that the answer went through: the one that was asked for, or where an alias leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: DomainName,
    /// The zone that holds it.
    pub zone: Option<ZoneView>,
    /// What stands there.
    pub found: String,
}

/// A record of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `answer`, `authority` or `additional`.
    pub section: &'static str,
    /// Whose.
    pub owner: DomainName,
    /// In seconds.
    pub ttl: u32,
    /// Of which type.
    pub record_type: RecordType,
    /// Its data, in presentation form.
    pub data: String,
}

/// Why the answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What kind of answer it is.
    pub outcome: Outcome,
    /// Whether there is something in it: records, or who knows more.
    pub is_answered: bool,
    /// The revision that is answered from.
    pub revision: Revision,
    /// The names it went through, the one that was asked for first.
    pub steps: Vec<Step>,
    /// Its records, in sections.
    pub records: Vec<Told>,
    /// The facts it is made of, each with its revision.
    pub made_of: Vec<(FactKey, Revision)>,
    /// The facts that might be in it and are not, each with why.
    pub left_out: Vec<(FactKey, String)>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// What is explained from.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    /// What is answered from.
    pub(crate) zones: &'a ZoneSet,
    /// The facts, of the same revision.
    pub(crate) snapshot: &'a Snapshot,
    /// The zones that the configuration names.
    pub(crate) sources: &'a Sources,
    /// The zones of files.
    pub(crate) files: &'a FileZones,
    /// The names that frontends want to have answered.
    pub(crate) frontends: &'a FrontendNames,
    /// Where proxies are.
    pub(crate) healthy: &'a Arc<[IpAddr]>,
    /// Whether names of others are forwarded for somebody.
    pub(crate) forwards: bool,
}

impl From<'_> {
    /// A zone, with what it is made of.
    pub(crate) fn view(&self, zone: &Zone) -> ZoneView {
        let apex = zone.apex();
        let file = self.files.all().iter().find(|(_, read)| read.apex() == apex);
        let holder = match (self.source(apex), file) {
            (Some(Source::Registry(_)), _) => Holder::Registry,
            (Some(Source::Reverse(_)), _) => Holder::Reverse,
            (_, Some((file, _))) => Holder::File(file.path.clone()),
            (_, None) if self.frontends.contains(apex) => Holder::Frontends,
            (_, None) => Holder::Facts,
        };
        ZoneView { apex: apex.clone(), holder, serial: zone.serial(), names: zone.len() }
    }

    /// What the configuration says of a zone.
    fn source(&self, apex: &DomainName) -> Option<&Source> {
        self.sources.zones.iter().find(|source| source.apex() == apex)
    }
}

/// Explains the answer to a question.
pub(crate) fn explain(from: From<'_>, question: &Question) -> Explanation {
    let answer = zone::answer(from.zones, question);
    let mut explained = Explanation {
        outcome: answer.outcome,
        is_answered: !answer.answers.is_empty() || is_referral(&answer),
        revision: from.zones.revision(),
        steps: Vec::new(),
        records: records_of(&answer),
        made_of: Vec::new(),
        left_out: Vec::new(),
        notes: Vec::new(),
    };
    steps::tell(from, question, &answer, &mut explained);
    explained.made_of.sort();
    explained.made_of.dedup();
    explained.left_out.sort();
    explained.left_out.dedup();
    explained
}

/// Whether it says who knows more.
fn is_referral(answer: &Answer<'_>) -> bool {
    answer.authority.iter().any(|entry| entry.set.record_type() == RecordType::NS)
}

fn records_of(answer: &Answer<'_>) -> Vec<Told> {
    let section = |section: &'static str, entries: &Entries<'_>| {
        let told = entries.iter().flat_map(|entry| {
            entry.set.data().iter().map(|data| Told {
                section,
                owner: entry.owner.clone(),
                ttl: entry.set.ttl(),
                record_type: entry.set.record_type(),
                data: data.to_string(),
            })
        });
        told.collect::<Vec<_>>()
    };
    let (answers, additional) = (&answer.answers, &answer.additional);
    [section("answer", answers), section("authority", &answer.authority), section("additional", additional)]
        .concat()
}
