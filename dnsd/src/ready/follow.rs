//! What is ready, kept at the zones: what differs is made anew, and what tells of it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use foldhash::HashSet;
use model::{DomainName, RecordData, RecordSet, RecordType};
use smallvec::SmallVec;
use triomphe::ThinArc;

use super::body::{Form, MAX_RECORDS};
use super::{About, Apex, Index, Name};
use crate::zone::{self, Found, Key, Zone, ZoneSet};

impl Index {
    /// What is ready of `new`, from what was ready of `old`.
    #[must_use]
    pub fn follow(&self, old: &ZoneSet, new: &ZoneSet) -> Self {
        let mut index = Self { deepest: new.deepest(), ..self.clone() };
        let mut touched = HashSet::<DomainName>::default();
        for (before, after) in new.differing(old) {
            index.follow_apex(new, before, after);
            match (before, after) {
                (Some(before), Some(after)) => {
                    let wildcards = before.has_wildcards() || after.has_wildcards();
                    for (name, cuts) in after.differing(before) {
                        if cuts {
                            // It hides what is below it.
                            touched
                                .extend([before, after].into_iter().flat_map(|zone| zone.names_below(&name)));
                            touched.extend(index.tellers_below(&name));
                        }
                        if wildcards {
                            // Names that are not there are answered for by another one, or by none.
                            touched.extend(index.tellers_below(&enclosing(&name, after)));
                        }
                        touched.insert(name);
                    }
                }
                // An apex that is new takes names from the zone above it; one that is gone gives them back.
                (zone, None) | (None, zone) => {
                    let Some(apex) = zone.map(|zone| zone.apex()) else { continue };
                    // Zones below it have theirs all the same.
                    let above = [old, new].into_iter().flat_map(|zones| zones.above(apex));
                    touched.extend(above.flat_map(|zone| zone.names_below(apex)));
                    touched.extend(index.tellers_below(apex));
                    for zone in new.above(apex) {
                        index.follow_apex(new, None, Some(zone));
                    }
                }
            }
        }
        // Names that are there because something is below them.
        for name in touched.iter().cloned().collect::<Vec<_>>() {
            let mut above = std::iter::successors(name.parent(), DomainName::parent);
            // Those above one that was seen were seen too.
            while above.next().is_some_and(|name| touched.insert(name)) {}
        }
        let tellers: Vec<_> = touched.iter().flat_map(|name| index.tellers_of(name)).collect();
        touched.extend(tellers);
        for name in touched {
            index.set(&name, Name::of(new, &name));
        }
        index
    }

    fn follow_apex(&mut self, zones: &ZoneSet, before: Option<&Arc<Zone>>, after: Option<&Arc<Zone>>) {
        let Some(zone) = after.or(before) else { return };
        match after {
            Some(zone) => drop(self.apexes.insert(Arc::new(Apex::of(zones, zone)))),
            None => drop(self.apexes.remove(zone.apex().folded().as_wire())),
        }
    }

    /// What is ready at a name is this now.
    fn set(&mut self, name: &DomainName, now: Option<Name>) {
        let before = match now {
            Some(now) => {
                for told in &now.about().told {
                    self.tellers.insert(telling(told, name), name.clone());
                }
                let before = self.names.insert(now.clone());
                before.map(|before| (before, Some(now)))
            }
            None => self.names.remove(name.folded().as_wire()).map(|before| (before, None)),
        };
        let Some((before, now)) = before else { return };
        let tells = |told| now.as_ref().is_some_and(|now| now.about().told.contains(told));
        for told in before.about().told.iter().filter(|told| !tells(told)) {
            self.tellers.remove(&telling(told, name));
        }
    }

    /// Whose answers tell of this name.
    fn tellers_of(&self, name: &DomainName) -> Vec<DomainName> {
        // No label is empty: none of a name below it stands there.
        self.tellers_from([Key::of(name).octets(), &[0]].concat())
    }

    /// Whose answers tell of this name, or of one below it.
    fn tellers_below(&self, apex: &DomainName) -> Vec<DomainName> {
        self.tellers_from(Key::of(apex).octets().to_vec())
    }

    fn tellers_from(&self, start: Vec<u8>) -> Vec<DomainName> {
        let from = self.tellers.range::<_, [u8]>((Bound::Included(&*start), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(&start)).map(|(_, teller)| teller.clone()).collect()
    }
}

/// The place of what `teller` tells of `told`.
fn telling(told: &DomainName, teller: &DomainName) -> Box<[u8]> {
    [Key::of(told).octets(), &[0], Key::of(teller).octets()].concat().into()
}

/// Above all names that may be answered for otherwise because this one came or went: the name below the apex that it is at or below; of a
/// wildcard, what it is below.
fn enclosing(name: &DomainName, zone: &Zone) -> DomainName {
    let below_apex = |name: &DomainName| name.label_count() == zone.apex().label_count() + 1;
    let highest = std::iter::successors(Some(name.clone()), DomainName::parent).find(below_apex);
    let parent = name.parent().filter(|_| name.is_wildcard());
    match (highest, parent) {
        (Some(highest), Some(parent)) if highest.is_at_or_below(&parent) => parent,
        (Some(highest), _) => highest,
        (None, _) => name.clone(),
    }
}

impl Name {
    /// What can be ready at a name.
    pub(super) fn of(zones: &ZoneSet, name: &DomainName) -> Option<Self> {
        let (key, mut octets) = (Key::of(name), name.folded().as_wire().to_vec());
        let zone = zones.find(&key, key.depth())?;
        let length = |name: &[u8]| u8::try_from(name.len()).unwrap_or(u8::MAX);
        let (length, apex) = (length(&octets), length(zone.apex().as_wire()));
        let sets = match zone.look(&key, false) {
            Found::Node(node) => node.sets(),
            Found::Empty => &[],
            Found::Wildcard(_) | Found::Cut(_) | Found::Dname(..) | Found::Nothing => return None,
        };
        // Spelled as its records are, whoever asks: one zone has one answer ready.
        let name = sets.first().map_or(name, RecordSet::name);
        let (mut forms, mut told) = (SmallVec::new(), BTreeSet::new());
        for set in sets {
            forms.push((set.record_type(), Form::make(zones, name, set.record_type(), &mut octets)));
            // Whether an answer can be ready depends on them, too.
            if zone::leads_on(set.record_type()) && set.data().len() <= MAX_RECORDS {
                told.extend(set.data().iter().filter_map(RecordData::target));
            }
        }
        let denies = sets.iter().all(|set| set.record_type() != RecordType::CNAME);
        let about = About { forms, told: told.into_iter().collect(), length, apex, denies };
        Some(Self(ThinArc::from_header_and_slice(about, &octets)))
    }
}
