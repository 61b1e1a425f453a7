//! Services, instances, hosts and record sets, read and written; and many facts at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ControllerDoc, DeploymentDoc, FrontendDoc, HostDoc, InstanceDoc, RecordDoc, ServiceDoc, StandingDoc,
};

/// A fact under the name of its kind: `{"service": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A frontend.
    Frontend(FrontendDoc),
    /// A service.
    Service(Box<ServiceDoc>),
    /// An instance.
    Instance(InstanceDoc),
    /// A host.
    Host(HostDoc),
    /// A record set.
    Record(RecordDoc),
    /// How far a service has come.
    Deployment(Box<DeploymentDoc>),
    /// How a host stands.
    Standing(Box<StandingDoc>),
    /// Who controls.
    Controller(ControllerDoc),
}

/// One fact as it stands, `{"service": {…}, "revision": 42}`; `ETag` is its revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactView {
    /// The fact.
    #[serde(flatten)]
    pub fact: Named,
    /// The revision of its last change: what `If-Match` expects.
    pub revision: u64,
}

/// `/v1/services`, `/v1/services/{service}/instances`, `/v1/instances`, `/v1/hosts`, `/v1/records`: a page of them, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactList {
    /// The revision of the snapshot this page is of.
    pub revision: u64,
    /// The facts, under the name of their kind: `{"services": […]}`.
    #[serde(flatten)]
    pub facts: Listed,
    /// `?after=` of the next page; `null` at the end.
    pub next: Option<String>,
}

/// Facts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// Frontends.
    Frontends(Vec<FactView>),
    /// Services.
    Services(Vec<FactView>),
    /// Instances.
    Instances(Vec<FactView>),
    /// Hosts.
    Hosts(Vec<FactView>),
    /// Record sets.
    Records(Vec<FactView>),
    /// How far services have come.
    Deployments(Vec<FactView>),
    /// How hosts stand.
    Standings(Vec<FactView>),
    /// Who controls.
    Controllers(Vec<FactView>),
}

impl Listed {
    /// The facts, whatever their kind.
    pub fn views(&self) -> &[FactView] {
        match self {
            Self::Frontends(views) | Self::Services(views) | Self::Instances(views) => views,
            Self::Hosts(views) | Self::Records(views) => views,
            Self::Deployments(views) | Self::Standings(views) | Self::Controllers(views) => views,
        }
    }

    /// Adds those of the next page.
    pub fn extend(&mut self, next: Self) {
        let more = match next {
            Self::Frontends(more) | Self::Services(more) | Self::Instances(more) => more,
            Self::Hosts(more) | Self::Records(more) => more,
            Self::Deployments(more) | Self::Standings(more) | Self::Controllers(more) => more,
        };
        let views = match self {
            Self::Frontends(views) | Self::Services(views) | Self::Instances(views) => views,
            Self::Hosts(views) | Self::Records(views) => views,
            Self::Deployments(views) | Self::Standings(views) | Self::Controllers(views) => views,
        };
        views.extend(more);
    }
}

/// The answer to a write of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactWritten {
    /// The revision it made; the fact's own where a lease was renewed and nothing else changed.
    pub revision: u64,
    /// Whether this node's proxy serves it already; false also where there is no proxy.
    pub live: bool,
    /// Whether anything changed.
    pub changed: bool,
    /// What stands there now; left out when it was removed.
    #[serde(flatten)]
    pub fact: Option<Named>,
}

/// `POST /v1/apply`: facts that shall be so, or shall be gone, all or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Each a fact's JSON with its `kind` beside: `{"kind": "service", "name": "web"}`.
    pub documents: Vec<Value>,
    /// They shall be gone; then only what names them is read.
    #[serde(default)]
    pub delete: bool,
    /// Say what would be written and write nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Write in several parts, each all or nothing, what is too much for one write.
    #[serde(default)]
    pub in_parts: bool,
}
