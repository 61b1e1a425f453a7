//! What each host has, counted: a look at a host costs the same however much runs.

use std::collections::BTreeMap;

use model::{HostName, ServiceName};

use super::fleet::{Machine, Resources};

/// A host and what is on it.
pub(super) struct Tally<'a> {
    pub(super) name: &'a HostName,
    pub(super) machine: &'a Machine,
    used: Resources,
    instances: u32,
    services: BTreeMap<&'a ServiceName, u32>,
    /// The same of those on their way out.
    leaving: BTreeMap<&'a ServiceName, u32>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(name: &'a HostName, machine: &'a Machine) -> Self {
        let (services, leaving) = (BTreeMap::new(), BTreeMap::new());
        Self { name, machine, used: Resources::default(), instances: 0, services, leaving }
    }

    pub(super) fn add(&mut self, service: &'a ServiceName, resources: Resources) {
        self.takes(resources);
        *self.services.entry(service).or_default() += 1;
    }

    /// One is there still that is on its way out.
    pub(super) fn add_leaving(&mut self, service: &'a ServiceName, resources: Resources) {
        self.takes(resources);
        *self.leaving.entry(service).or_default() += 1;
    }

    fn takes(&mut self, resources: Resources) {
        self.used.cpu = self.used.cpu.saturating_add(resources.cpu);
        self.used.memory = self.used.memory.saturating_add(resources.memory);
        self.instances += 1;
    }

    /// How many of a service, without those on their way out.
    pub(super) fn count(&self, service: &ServiceName) -> u32 {
        self.services.get(service).copied().unwrap_or(0)
    }

    /// How many of a service are on their way out.
    pub(super) fn count_leaving(&self, service: &ServiceName) -> u32 {
        self.leaving.get(service).copied().unwrap_or(0)
    }

    /// How many of all services.
    pub(super) fn instances(&self) -> u32 {
        self.instances
    }

    /// What is free; `None`: as much as one likes.
    pub(super) fn free_cpu(&self) -> Option<u64> {
        self.machine.capacity.cpu.map(|cpu| cpu.saturating_sub(self.used.cpu))
    }

    /// What is free; `None`: as much as one likes.
    pub(super) fn free_memory(&self) -> Option<u64> {
        self.machine.capacity.memory.map(|memory| memory.saturating_sub(self.used.memory))
    }

    /// How full it is, in millionths, by what it has least of. Without a limit it never fills.
    pub(super) fn fullness(&self) -> u128 {
        let share = |used: u64, all: Option<u64>| match all {
            None => 0,
            Some(0) => 1_000_000,
            Some(all) => u128::from(used) * 1_000_000 / u128::from(all),
        };
        let capacity = self.machine.capacity;
        share(self.used.cpu, capacity.cpu).max(share(self.used.memory, capacity.memory))
    }

    /// A label's value; how a key is spelled does not matter.
    pub(super) fn label(&self, key: &str) -> Option<&'a str> {
        self.machine.labels.iter().find(|(has, _)| has.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }
}
