//! What only a controller writes, as JSON: how far a service has come, and who controls.

use model::{Controller, Deployment, DeploymentState, Lease, NodeId, Revision, ServiceName};
use serde::{Deserialize, Serialize};

use super::canary::CanaryDeploymentDoc;
use super::run::{REMEDY, is_zero, reason, version};
use super::service::NAME_REMEDY;
use super::{FormatError, ServiceDoc};

/// The longest name of a node, in octets.
const MAX_NODE: usize = 255;

/// How far the present version of a service has come, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentDoc {
    /// Of which service.
    pub name: String,
    /// The version that is wanted: 16 hexadecimal digits.
    pub version: String,
    /// The revision at which the service was said to be of this version.
    pub revision: u64,
    /// How far it has come.
    pub deployment: DeploymentStateDoc,
    /// Why it is not done, or has failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How many ran when nothing was being replaced last, where there may be more than the least; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub instances: u16,
    /// How far the version that is tried beside it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryDeploymentDoc>,
    /// The service as it was when a version of it was healthy last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Box<ServiceDoc>>,
    /// The stable one before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<ServiceDoc>>,
}

/// How far a version has come, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStateDoc {
    /// It is on its way.
    Progressing,
    /// As many instances as are wanted are healthy, and of this version.
    Done,
    /// It was not healthy in time.
    Failed,
}

/// Who controls, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerDoc {
    /// Which node.
    pub controls: String,
    /// Which process of that node.
    pub term: u32,
    /// Its lease: it controls no more when it has not said so again for so many seconds.
    pub ttl: u64,
}

impl TryFrom<DeploymentDoc> for Deployment {
    type Error = FormatError;

    fn try_from(doc: DeploymentDoc) -> Result<Self, FormatError> {
        let service = |field: &str, doc: Option<Box<ServiceDoc>>| {
            let read = doc.map(|doc| (*doc).try_into().map(Box::new)).transpose();
            read.map_err(|error: FormatError| error.within(field))
        };
        Ok(Self {
            service: ServiceName::parse(&doc.name).map_err(|e| FormatError::at("name", e, NAME_REMEDY))?,
            version: version("version", &doc.version)?,
            revision: Revision::new(doc.revision),
            state: doc.deployment.into(),
            reason: reason(&doc.reason),
            instances: doc.instances,
            canary: doc.canary.map(TryInto::try_into).transpose()?,
            stable: service("stable", doc.stable)?,
            previous: service("previous", doc.previous)?,
        })
    }
}

impl From<&Deployment> for DeploymentDoc {
    fn from(deployment: &Deployment) -> Self {
        let service = |service: &Option<Box<model::Service>>| {
            service.as_deref().map(|service| Box::new(ServiceDoc::from(service)))
        };
        Self {
            name: deployment.service.to_string(),
            version: deployment.version.to_string(),
            revision: deployment.revision.number(),
            deployment: deployment.state.into(),
            reason: reason(&deployment.reason).into(),
            instances: deployment.instances,
            canary: deployment.canary.as_ref().map(CanaryDeploymentDoc::from),
            stable: service(&deployment.stable),
            previous: service(&deployment.previous),
        }
    }
}

impl TryFrom<ControllerDoc> for Controller {
    type Error = FormatError;

    fn try_from(doc: ControllerDoc) -> Result<Self, FormatError> {
        if doc.controls.is_empty() || doc.controls.len() > MAX_NODE {
            let reason = format!("a node's name has 1 to {MAX_NODE} octets");
            return Err(FormatError::at("controls", reason, REMEDY));
        }
        let lease = Lease::new(doc.ttl).map_err(|e| FormatError::at("ttl", e, REMEDY))?;
        Ok(Self { node: NodeId(doc.controls.into()), term: doc.term, lease })
    }
}

impl From<&Controller> for ControllerDoc {
    fn from(controller: &Controller) -> Self {
        let ttl = controller.lease.seconds().into();
        Self { controls: controller.node.to_string(), term: controller.term, ttl }
    }
}

impl From<DeploymentStateDoc> for DeploymentState {
    fn from(doc: DeploymentStateDoc) -> Self {
        match doc {
            DeploymentStateDoc::Progressing => Self::Progressing,
            DeploymentStateDoc::Done => Self::Done,
            DeploymentStateDoc::Failed => Self::Failed,
        }
    }
}

impl From<DeploymentState> for DeploymentStateDoc {
    fn from(state: DeploymentState) -> Self {
        match state {
            DeploymentState::Progressing => Self::Progressing,
            DeploymentState::Done => Self::Done,
            DeploymentState::Failed => Self::Failed,
        }
    }
}
