//! How far a service has come to what is wanted of it.

use serde::{Deserialize, Serialize};

use super::{DeploymentStateDoc, InstanceStateDoc, StageDoc};

/// `/v1/services/{service}/rollout`: how far a service has come to what is wanted of it, all of it at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The revision at which this is so.
    pub revision: u64,
    /// Which service.
    pub service: String,
    /// The version that is wanted: 16 hexadecimal digits.
    pub version: String,
    /// Of which image that is.
    pub image: String,
    /// How many instances are wanted; `null`: one on every host.
    pub wanted: Option<u32>,
    /// How many of the version that is wanted are healthy.
    pub healthy: u32,
    /// How far the controller says that this version has come; `null`: it says nothing of this version yet.
    pub state: Option<DeploymentStateDoc>,
    /// Why no further, as the controller says it; empty: there is nothing to say.
    pub reason: String,
    /// All that is wanted is so.
    pub settled: bool,
    /// The version failed: what was healthy before runs, where there is such.
    pub failed: bool,
    /// What is missing until it is settled, in words, without the reason; empty: nothing.
    pub missing: String,
    /// What is tried beside it; `null`: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<RolloutCanary>,
    /// The node that controls; `null`: none does.
    pub controller: Option<String>,
    /// The instances that a controller launched, by name.
    pub instances: Vec<RolloutInstance>,
}

/// Another version that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutCanary {
    /// Which: 16 hexadecimal digits.
    pub version: String,
    /// Of which image.
    pub image: String,
    /// Its share of the requests, of a hundred.
    pub percent: u8,
    /// How many instances of it are wanted.
    pub wanted: u16,
    /// How many of them are healthy.
    pub healthy: u32,
    /// How far the controller says that it has come; `null`: it says nothing of it yet. A failed one runs no more.
    pub state: Option<DeploymentStateDoc>,
    /// Why no further; empty: there is nothing to say.
    pub reason: String,
}

impl RolloutCanary {
    /// Whether it failed, and was taken away.
    pub fn has_failed(&self) -> bool {
        self.state == Some(DeploymentStateDoc::Failed)
    }
}

/// An instance that a controller launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutInstance {
    /// Its name.
    pub name: String,
    /// On which host.
    pub host: String,
    /// Whether it is of the version that is wanted.
    pub current: bool,
    /// Whether it is of the version that is tried beside.
    #[serde(default)]
    pub canary: bool,
    /// How it is.
    pub state: InstanceStateDoc,
    /// Where in its life it is.
    pub stage: StageDoc,
    /// How often in a row it ended by itself, or could not be started.
    pub failures: u16,
    /// Why it is where it is; empty: there is nothing to say.
    pub reason: String,
}
