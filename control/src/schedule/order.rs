//! In which order services are decided: whom a wish names before whom wishes it, else by name.

use std::collections::{BTreeMap, BTreeSet};

use model::ServiceName;

use super::fleet::Fleet;
use super::judge::Judge;

/// The services, in order. Where wishes go in a circle, those to be apart give way first (they are kept all the same: both sides look at
/// them), then one to be together, that of the first service by name.
pub(super) fn order(fleet: &Fleet) -> Vec<Judge<'_>> {
    let mut shunned_by: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, wanted) in &fleet.wanted {
        for other in &wanted.wishes.not_beside {
            shunned_by.entry(other).or_default().push(name);
        }
    }
    let mut waiting = Waiting::new(fleet);
    let mut order = Vec::with_capacity(fleet.wanted.len());
    while let Some(service) = waiting.next() {
        let Some(wanted) = fleet.wanted.get(service) else { continue };
        let is_decided = |other: &&ServiceName| *other != service && !waiting.left.contains(*other);
        order.push(Judge {
            service,
            wanted,
            beside: wanted.wishes.beside.iter().filter(is_decided).collect(),
            shunned_by: shunned_by.remove(service).unwrap_or_default(),
        });
    }
    order
}

/// Services that have no turn yet, and how many each waits for.
struct Waiting<'a> {
    fleet: &'a Fleet,
    left: BTreeSet<&'a ServiceName>,
    /// Wait for none.
    ready: BTreeSet<&'a ServiceName>,
    /// Wait for none they must be beside.
    nearly: BTreeSet<&'a ServiceName>,
    /// For how many to be together with, and for how many to be apart from.
    counts: BTreeMap<&'a ServiceName, (usize, usize)>,
    /// Who waits for it, and whether to be together.
    awaited_by: BTreeMap<&'a ServiceName, Vec<(&'a ServiceName, bool)>>,
}

impl<'a> Waiting<'a> {
    fn new(fleet: &'a Fleet) -> Self {
        let mut waiting = Self {
            fleet,
            left: fleet.wanted.keys().collect(),
            ready: BTreeSet::new(),
            nearly: BTreeSet::new(),
            counts: BTreeMap::new(),
            awaited_by: BTreeMap::new(),
        };
        for (name, wanted) in &fleet.wanted {
            let mut wait = |others: &'a BTreeSet<ServiceName>, together| {
                let others =
                    others.iter().filter(|other| *other != name && fleet.wanted.contains_key(*other));
                others
                    .map(|other| waiting.awaited_by.entry(other).or_default().push((name, together)))
                    .count()
            };
            let counts = (wait(&wanted.wishes.beside, true), wait(&wanted.wishes.not_beside, false));
            waiting.counts.insert(name, counts);
            waiting.file(name, counts);
        }
        waiting
    }

    fn file(&mut self, name: &'a ServiceName, counts: (usize, usize)) {
        match counts {
            (0, 0) => _ = self.ready.insert(name),
            (0, _) => _ = self.nearly.insert(name),
            _ => {}
        }
    }

    fn next(&mut self) -> Option<&'a ServiceName> {
        let first = self.ready.first().or(self.nearly.first()).copied().or_else(|| self.first_of_circle())?;
        for names in [&mut self.left, &mut self.ready, &mut self.nearly] {
            names.remove(first);
        }
        for (name, together) in self.awaited_by.remove(first).unwrap_or_default() {
            let Some(counts) = self.counts.get_mut(name) else { continue };
            let count = if together { &mut counts.0 } else { &mut counts.1 };
            *count = count.saturating_sub(1);
            let counts = *counts;
            if self.left.contains(name) {
                self.file(name, counts);
            }
        }
        Some(first)
    }

    /// All wait to be together with one that waits too: the first by name of a circle that waits for nothing outside it.
    fn first_of_circle(&self) -> Option<&'a ServiceName> {
        let mut start = *self.left.first()?;
        loop {
            let mut wished = reached(start, |name| self.wished_by(name));
            let wishing = reached(start, |name| {
                let awaiting = self.awaited_by.get(name).into_iter().flatten();
                awaiting.filter(|(_, together)| *together).map(|(name, _)| *name).collect()
            });
            match wished.iter().find(|name| !wishing.contains(*name)) {
                // It waits for what does not wait for it: the circle is further on.
                Some(further) => start = further,
                None => return wished.pop_first(),
            }
        }
    }

    /// Whom it waits to be together with.
    fn wished_by(&self, name: &ServiceName) -> Vec<&'a ServiceName> {
        let wished = self.fleet.wanted.get(name).map(|wanted| &wanted.wishes.beside).into_iter().flatten();
        wished.filter(|other| *other != name && self.left.contains(*other)).collect()
    }
}

/// Where steps lead, and where they start.
fn reached<'a>(
    start: &'a ServiceName,
    step: impl Fn(&'a ServiceName) -> Vec<&'a ServiceName>,
) -> BTreeSet<&'a ServiceName> {
    let mut reached = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(name) = open.pop() {
        open.extend(step(name).into_iter().filter(|next| reached.insert(*next)));
    }
    reached
}
