//! What portico knows: facts, snapshots and reports, as plain values.
//!
//! In: parsed text from the rims (formats, wires, files). Out: types that cannot hold nonsense.
//! Never here: a clock, dice, `async`, a client, a serialisation format.
//!
//! ```text
//! Change ──► Snapshot@41.apply ──► Snapshot@42 ──► RouteTable, zones, turns
//! Fact = Frontend | Service | Instance | Host | Record    Stated = Fact + Revision + Origin    Quarantined = what could not become a Fact
//! ```

mod alarm;
mod backend;
mod change;
mod check;
mod controller;
mod deployment;
mod derive;
mod dns_sd;
mod domain_name;
mod endpoint;
mod endpoints;
mod engine_url;
mod fact;
mod facts;
mod frontend;
mod health;
mod host;
mod host_pattern;
mod instance;
mod label;
pub mod launch;
mod metadata;
mod nodes;
mod path_prefix;
mod policy;
mod rare;
pub mod record;
mod report;
mod revision;
mod run;
mod service;
mod snapshot;
mod socket_path;
mod standing;

pub use alarm::{Alarm, Watched};
pub use backend::{Backend, BackendName, BackendNameError};
pub use change::{Change, ChangeRecord};
pub use check::{Check, CheckError, CheckKind, ExpectedStatus, HttpCheck};
pub use controller::Controller;
pub use deployment::{CanaryDeployment, Deployment, DeploymentState, Version};
pub use derive::answering;
pub use dns_sd::{DnsSd, MAX_SUBTYPES, ServiceType, ServiceTypeError, SpelledName, SpelledNameError};
pub use domain_name::{DomainName, DomainNameError, MAX_LABEL, MAX_NAME};
pub use endpoint::{Address, AddressError, Endpoint, RejectedEndpoint, Weight, WeightError};
pub use endpoints::{Endpoints, ServiceRef};
pub use engine_url::{EngineUrl, EngineUrlError};
pub use fact::{Fact, FactKey, FactKeyError, FactKind, Origin, Quarantined, Stated};
pub use frontend::{Frontend, MAX_ENDPOINTS};
pub use health::{DeadMarks, HealthReport, HealthVerdict};
pub use host::{Host, InstancesAt};
pub use host_pattern::{HostError, HostPattern, HostPatternError, canonical_host, split_port};
pub use instance::{
    Addresses, AddressesError, Instance, InstanceState, Lease, LeaseError, MAX_ADDRESSES, MAX_LEASE, MAX_TAGS,
};
pub use label::{HostName, InstanceName, Label, LabelError, PortName, ServiceName, Tag};
pub use metadata::{MAX_METADATA, Metadata, MetadataError};
pub use nodes::{Laggard, Node, Nodes, Others, Reach, Release};
pub use path_prefix::{PathPrefix, PathPrefixError};
pub use policy::{BalanceKind, HashKey, Policy, Timeouts};
pub use rare::{Rare, Usual};
pub use record::{RecordData, RecordFact, RecordSet, RecordType};
pub use report::{DeadEndpoint, DnsReport, Door, LeavingEndpoint, MAX_LEAVING, NodeId, ProxyReport, Report};
pub use revision::Revision;
pub use run::{Released, Run, Stage};
pub use service::{MAX_PORTS, MAX_TTL, Port, Ports, PortsError, Protocol, Service, Ttl, TtlError, WhenEmpty};
pub use snapshot::{Difference, Snapshot};
pub use socket_path::{MAX_SOCKET_PATH, SocketPath, SocketPathError};
pub use standing::{Power, PowerState, Standing};
