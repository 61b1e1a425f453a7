//! Answers that are ready: made when zones change, copied when they are asked for.
//!
//! In: all zones, and those before. Out: for a name and a type, the octets of the answer behind the question; for a name that is not there,
//! those of the denial. Never here: a message that was not asked for; an answer that [`zone::answer`](crate::zone::answer) would not give:
//! what is ready is made of its answers, and what is not ready is left to it.
//!
//! ```text
//! zones, those before ─► names that differ, and names whose answers tell of those ─► each made anew ─► Index (shares the rest)
//! name in lower case ─► Index ─► body of the type | denial with the zone's SOA | nothing: ask the zones
//! ```

mod body;
mod check;
mod follow;
mod negative;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use imbl::OrdMap;
use model::{DomainName, MAX_NAME, RecordType};
use smallvec::SmallVec;
use triomphe::ThinArc;

pub(crate) use body::Body;
use body::Form;
pub(crate) use negative::Negative;
use table::{Named, Table};

use crate::zone::ZoneSet;

/// The answers that are ready. A copy shares them; a change costs work in proportion to what it changes.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub struct Index {
    names: Table<Name>,
    apexes: Table<Arc<Apex>>,
    /// No apex has more labels.
    deepest: usize,
    /// The names whose answers tell of others: by the key of the other and their own.
    tellers: OrdMap<Box<[u8]>, DomainName>,
}

/// What is ready at a name that is there, in one piece of memory, since a question finds it cold: what there is to know, then the octets
/// of the name in lower case and of all answers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(ThinArc<About, u8>);

/// What there is to know of a name.
#[derive(Debug, PartialEq, Eq)]
struct About {
    /// By the type of its records; `None` where an answer cannot be ready.
    forms: SmallVec<[(RecordType, Option<Form>); 2]>,
    /// The names that its answers tell of beside it.
    told: Box<[DomainName]>,
    /// How long the name is, in wire form.
    length: u8,
    /// How long the apex of its zone is, in wire form.
    apex: u8,
    /// A type that is not among them has no records here, and that is the whole answer.
    denies: bool,
}

/// What is ready of a zone.
#[derive(Debug, PartialEq, Eq)]
struct Apex {
    /// Its name, in wire form and lower case.
    name: Box<[u8]>,
    /// Neither cuts nor wildcards, and no zone begins below it: a name that is not known here is not there.
    plain: bool,
    negative: Negative,
}

/// What is ready for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready<'i> {
    /// These records.
    Body(Body<'i>),
    /// There is such a name, and it has no such records.
    NoData(&'i Negative),
    /// There is no such name.
    NoName(&'i Negative),
}

impl Ready<'_> {
    /// How many octets it has.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::NoData(soa) | Self::NoName(soa) => soa.len(),
        }
    }
}

impl Index {
    /// All that is ready of these zones.
    pub fn new(zones: &ZoneSet) -> Self {
        Self::default().follow(&ZoneSet::default(), zones)
    }

    /// What is ready for a question: of a name in wire form, for a type that zones hold. `None`: ask the zones.
    #[inline]
    pub(crate) fn get(&self, name: &[u8], record_type: RecordType) -> Option<Ready<'_>> {
        let mut folded = [0; MAX_NAME];
        let folded = folded.get_mut(..name.len())?;
        folded.copy_from_slice(name);
        // A length is at most 63, and so no letter.
        folded.make_ascii_lowercase();
        // A DS record stands in the parent's zone, a question for anything in none: neither is ready.
        if matches!(record_type, RecordType::DS | RecordType::ANY) {
            return None;
        }
        match self.names.get(folded) {
            Some(found) => match found.get(record_type) {
                Some(body) => body.map(Ready::Body),
                None if !found.about().denies => None,
                None => {
                    let apex = folded.len().checked_sub(usize::from(found.about().apex))?;
                    Some(Ready::NoData(&self.apexes.get(folded.get(apex..)?)?.negative))
                }
            },
            None => self.apex_of(folded).filter(|apex| apex.plain).map(|apex| Ready::NoName(&apex.negative)),
        }
    }

    /// The zone with the longest apex that the name is at or below.
    fn apex_of(&self, folded: &[u8]) -> Option<&Apex> {
        // Names may have many more labels than any apex.
        let labels = std::iter::successors(Some(folded), behind_of).count() - 1;
        let mut suffix = folded;
        for left in (0..=labels).rev() {
            if left <= self.deepest
                && let Some(apex) = self.apexes.get(suffix)
            {
                return Some(apex);
            }
            suffix = behind_of(&suffix)?;
        }
        None
    }
}

/// A name in wire form without its first label; the root has none.
fn behind_of<'n>(name: &&'n [u8]) -> Option<&'n [u8]> {
    name.get(1 + usize::from(*name.first()?)..).filter(|rest| !rest.is_empty())
}

impl Named for Name {
    fn name(&self) -> &[u8] {
        self.0.slice.get(..usize::from(self.about().length)).unwrap_or_default()
    }
}

impl Named for Arc<Apex> {
    fn name(&self) -> &[u8] {
        &self.name
    }
}

impl Name {
    fn about(&self) -> &About {
        &self.0.header.header
    }

    fn get(&self, record_type: RecordType) -> Option<Option<Body<'_>>> {
        // There are few.
        let (_, form) = self.about().forms.iter().find(|(of, _)| *of == record_type)?;
        Some(form.as_ref().map(|form| form.of(&self.0.slice)))
    }
}
