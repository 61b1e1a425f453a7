//! What is ready, kept at the zones: what differs is made anew, and what tells of it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use foldhash::HashSet;
use model::{DomainName, RecordData, RecordSet, RecordType};
use smallvec::SmallVec;

use super::body::MAX_RECORDS;
use super::{Apex, Body, Index, Name};
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
                for told in &now.told {
                    self.tellers.insert(telling(told, name), name.clone());
                }
                let now = Arc::new(now);
                let before = self.names.insert(Arc::clone(&now));
                before.map(|before| (before, Some(now)))
            }
            None => self.names.remove(name.folded().as_wire()).map(|before| (before, None)),
        };
        let Some((before, now)) = before else { return };
        for told in before.told.iter().filter(|told| now.as_ref().is_none_or(|now| !now.told.contains(told)))
        {
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
        let (key, folded) = (Key::of(name), name.folded().as_wire().into());
        let zone = zones.find(&key, key.depth())?;
        let apex = u8::try_from(zone.apex().as_wire().len()).unwrap_or(u8::MAX);
        let node = match zone.look(&key, false) {
            Found::Node(node) => node,
            Found::Empty => {
                return Some(Self {
                    name: folded,
                    bodies: SmallVec::new(),
                    denies: true,
                    told: Box::default(),
                    apex,
                });
            }
            Found::Wildcard(_) | Found::Cut(_) | Found::Dname(..) | Found::Nothing => return None,
        };
        // Spelled as its records are, whoever asks: one zone has one answer ready.
        let name = node.sets().first().map_or(name, RecordSet::name);
        let (mut bodies, mut told) = (SmallVec::new(), BTreeSet::new());
        for set in node.sets() {
            bodies.push((set.record_type(), Body::of(zones, name, set.record_type())));
            // Whether an answer can be ready depends on them, too.
            if zone::leads_on(set.record_type()) && set.data().len() <= MAX_RECORDS {
                told.extend(set.data().iter().filter_map(RecordData::target));
            }
        }
        let denies = node.get(RecordType::CNAME).is_none();
        Some(Self { name: folded, bodies, denies, told: told.into_iter().collect(), apex })
    }
}
