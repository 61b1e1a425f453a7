//! Where instances of a service may run.

use std::collections::BTreeSet;

use crate::label::ServiceName;
use crate::metadata::Metadata;

/// Where instances of a service may run, and where they had better.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Placement {
    /// Only on hosts that have all of these labels.
    pub required: HostLabels,
    /// Rather on hosts that have more of these.
    pub preferred: HostLabels,
    /// How hosts are filled.
    pub fill: Fill,
    /// How many on one host.
    pub per_host: PerHost,
    /// Only on hosts where an instance of each of these runs.
    pub beside: BTreeSet<ServiceName>,
    /// Never on a host where an instance of one of these runs.
    pub not_beside: BTreeSet<ServiceName>,
}

/// Labels of hosts and their values.
pub type HostLabels = Metadata;

/// How hosts are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fill {
    /// Evenly: a host that is lost takes few along. The default.
    #[default]
    Spread,
    /// One after the other, so that some stay free.
    Pack,
}

/// How many instances of a service are on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PerHost {
    /// As many as fit. The default.
    #[default]
    Any,
    /// One at most.
    One,
    /// One on each host that it may run on, however many that are.
    Every,
}
