//! Who stays: of all services, before anything starts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::launch::Fill;
use model::{HostName, InstanceName, ServiceName};

use super::fleet::{Fleet, Placed, State};
use super::judge::Judge;
use super::order::order;
use super::tally::Tally;
use super::wanted::Copies;
use super::why::Leaving;

/// Hosts with what stays on them.
pub(super) struct Kept<'a> {
    /// By name.
    pub(super) hosts: Vec<Tally<'a>>,
    pub(super) stay: BTreeSet<&'a Placed>,
    pub(super) leave: BTreeMap<&'a Placed, Leaving>,
    /// What runs of each service, wherever: names that are taken.
    pub(super) runs: BTreeMap<&'a ServiceName, Vec<&'a Placed>>,
    /// The names of what is on its way out, or settled.
    pub(super) gone: BTreeMap<&'a ServiceName, BTreeSet<&'a InstanceName>>,
    /// How many stay of each, and then how many start.
    pub(super) counts: BTreeMap<&'a ServiceName, u32>,
    places: BTreeMap<&'a HostName, usize>,
    ailing: &'a BTreeSet<(ServiceName, InstanceName)>,
}

/// Decides who stays, service after service: each looks at those that stay already, so none leaves for one that leaves too. Whom one must
/// be beside has to stay there: that another of it may start there is not known yet.
pub(super) fn keep(fleet: &Fleet) -> Kept<'_> {
    let mut kept = Kept {
        hosts: fleet.machines.iter().map(|(name, machine)| Tally::new(name, machine)).collect(),
        stay: BTreeSet::new(),
        leave: BTreeMap::new(),
        runs: BTreeMap::new(),
        gone: BTreeMap::new(),
        counts: BTreeMap::new(),
        places: fleet.machines.keys().enumerate().map(|(at, name)| (name, at)).collect(),
        ailing: &fleet.ailing,
    };
    for leaving in &fleet.leaving {
        kept.gone.entry(&leaving.service).or_default().insert(&leaving.instance);
        if let Some(host) = kept.places.get(&leaving.host).and_then(|at| kept.hosts.get_mut(*at)) {
            host.add_leaving(&leaving.service, leaving.resources);
        }
    }
    for settled in &fleet.settled {
        kept.gone.entry(&settled.service).or_default().insert(&settled.instance);
        if let Some(host) = kept.places.get(&settled.host).and_then(|at| kept.hosts.get_mut(*at)) {
            host.add(&settled.service, settled.resources);
        }
    }
    for placed in &fleet.placed {
        if fleet.wanted.contains_key(&placed.service) {
            kept.runs.entry(&placed.service).or_default().push(placed);
        } else {
            kept.stays(placed);
        }
    }
    for judge in order(fleet) {
        kept.keep(&judge);
    }
    kept
}

impl<'a> Kept<'a> {
    /// How many there are of a service.
    pub(super) fn count(&self, judge: &Judge<'_>) -> u32 {
        self.counts.get(judge.service).copied().unwrap_or(0)
    }

    fn stays(&mut self, placed: &'a Placed) {
        if let Some(host) = self.places.get(&placed.host).and_then(|at| self.hosts.get_mut(*at)) {
            host.add(&placed.service, placed.resources);
        }
        *self.counts.entry(&placed.service).or_default() += 1;
        self.stay.insert(placed);
    }

    fn keep(&mut self, judge: &Judge<'a>) {
        let mut fit: BTreeMap<usize, Vec<&'a Placed>> = BTreeMap::new();
        let mut names: BTreeSet<&'a InstanceName> = BTreeSet::new();
        for placed in self.runs.get(judge.service).into_iter().flatten().copied() {
            let at = self.places.get(&placed.host).copied();
            let found = at.and_then(|at| Some((at, self.hosts.get(at)?)));
            let Some((at, host)) = found else {
                self.leave.insert(placed, Leaving::Gone);
                continue;
            };
            let has_one = fit.contains_key(&at) && judge.one_per_host();
            let why = match judge.stays(host) {
                Err(why) => Some(Leaving::Host(why)),
                Ok(()) if has_one => Some(Leaving::Host(super::Why::HasOne)),
                Ok(()) if !names.insert(&placed.instance) => Some(Leaving::Twice),
                Ok(()) => None,
            };
            match why {
                Some(why) => _ = self.leave.insert(placed, why),
                None => fit.entry(at).or_default().push(placed),
            }
        }
        self.cut(judge, &mut fit);
        for placed in fit.into_values().flatten() {
            self.stays(placed);
        }
    }

    /// Takes away what is more than wanted: who is not well first, then of cordoned hosts, then of the last tiers, then where it disturbs the filling most.
    fn cut(&mut self, judge: &Judge<'a>, fit: &mut BTreeMap<usize, Vec<&'a Placed>>) {
        let most = match judge.wanted.copies {
            Copies::Counted(count) | Copies::OnePerHost(count) => count.most() as usize,
            Copies::EveryHost => return,
        };
        let mut there: usize = fit.values().map(Vec::len).sum();
        let is_ailing = |placed: &&Placed| {
            !self.ailing.is_empty()
                && self.ailing.contains(&(placed.service.clone(), placed.instance.clone()))
        };
        for on in fit.values_mut() {
            while there > most
                && let Some(at) = on.iter().position(&is_ailing)
            {
                self.leave.insert(on.remove(at), Leaving::Surplus);
                there -= 1;
            }
        }
        fit.retain(|_, on| !on.is_empty());
        let hosts = &self.hosts;
        let dispensable = |at: usize, count: usize| {
            let machine = hosts.get(at)?.machine;
            let filling = match judge.wanted.wishes.fill {
                Fill::Spread => (count, Reverse(0)),
                Fill::Pack => (0, Reverse(count)),
            };
            Some((machine.state == State::Cordoned, machine.tier, filling, at))
        };
        let mut queue: BTreeSet<_> = fit.iter().filter_map(|(at, on)| dispensable(*at, on.len())).collect();
        for _ in most..there {
            let Some((.., at)) = queue.pop_last() else { return };
            let Some(on) = fit.get_mut(&at) else { continue };
            if let Some(placed) = on.pop() {
                self.leave.insert(placed, Leaving::Surplus);
            }
            if !on.is_empty() {
                queue.extend(dispensable(at, on.len()));
            }
        }
    }
}
