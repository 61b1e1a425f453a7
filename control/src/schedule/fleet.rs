//! What there is to decide about: hosts, what is wanted on them, and what runs.

use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, InstanceName, Metadata, ServiceName};

use super::wanted::Wanted;

/// All that a decision depends on. Each collection is ordered by what is in it: there is no other order that could matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fleet {
    /// The hosts.
    pub machines: BTreeMap<HostName, Machine>,
    /// What is wanted of each service.
    pub wanted: BTreeMap<ServiceName, Wanted>,
    /// What runs. Of a service that is not among the wanted it stays, and takes the room it has.
    pub placed: BTreeSet<Placed>,
    /// What is on its way out: it has its room still, and its name, and is counted as nothing that is wanted. It is in the way of what must
    /// be apart from it and starts, not of what stays.
    pub leaving: BTreeSet<Placed>,
    /// What stays whatever is decided: it has its room and its name, is company, and is counted as nothing that is wanted.
    pub settled: BTreeSet<Placed>,
    /// Who of those that run is not well: where there are too many, these go first.
    pub ailing: BTreeSet<(ServiceName, InstanceName)>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// What wishes may ask for.
    pub labels: Metadata,
    /// Lower ones are filled first.
    pub tier: u32,
    /// How much it holds.
    pub capacity: Capacity,
    /// Whether it takes instances.
    pub state: State,
    /// Why nothing can start there yet, and what follows; `None`: something can.
    pub unready: Option<String>,
}

/// How much a host holds; `None`: as much as one likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu: Option<u64>,
    /// Octets.
    pub memory: Option<u64>,
}

/// Whether a host takes instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It does. The default.
    #[default]
    Available,
    /// It keeps what it has, and takes nothing new.
    Cordoned,
    /// It was not heard of for longer than is waited for it: what it had is wanted elsewhere.
    Lost,
    /// It does not answer now: nothing starts there, and what runs there stays.
    Silent,
}

/// How much an instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: u64,
    /// Octets.
    pub memory: u64,
}

/// An instance on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// What it is one of.
    pub service: ServiceName,
    /// Its name among those.
    pub instance: InstanceName,
    /// Where it runs.
    pub host: HostName,
    /// How much it takes.
    pub resources: Resources,
}
