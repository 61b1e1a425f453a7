//! Another version that is tried, as JSON: what is wanted of it, and how far it has come.

use model::CanaryDeployment;
use model::launch::{Canary, Image, PerHost, Percent};
use serde::{Deserialize, Serialize};

use super::run::{reason, version};
use super::{DeploymentStateDoc, FormatError};

/// Another image that is tried, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryDoc {
    /// Which: not the one that runs.
    pub image: String,
    /// Its share of the requests, 1 to 99 of a hundred.
    pub percent: u64,
}

/// How far a canary has come, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryDeploymentDoc {
    /// The version that is tried: 16 hexadecimal digits.
    pub version: String,
    /// How far it has come.
    pub state: DeploymentStateDoc,
    /// Why it is not done, or has failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl CanaryDoc {
    /// Checks it, beside an image that runs on hosts as `per_host` says.
    pub(super) fn read(self, beside: &Image, per_host: PerHost) -> Result<Canary, FormatError> {
        let image =
            Image::parse(&self.image).map_err(|e| FormatError::at("canary.image", e, "correct it"))?;
        if image == *beside {
            let reason = format!("`{image}` is what runs already");
            return Err(FormatError::at("canary.image", reason, "try another image, or leave `canary` out"));
        }
        if per_host == PerHost::Every {
            let reason = "one instance on every host leaves no host for another version";
            return Err(FormatError::at("canary", reason, "leave it or `placement.per_host` out"));
        }
        let percent = Percent::new(self.percent)
            .map_err(|e| FormatError::at("canary.percent", e, "correct it, or leave `canary` out"))?;
        Ok(Canary { image, percent })
    }
}

impl From<&Canary> for CanaryDoc {
    fn from(canary: &Canary) -> Self {
        Self { image: canary.image.to_string(), percent: canary.percent.get().into() }
    }
}

impl TryFrom<CanaryDeploymentDoc> for CanaryDeployment {
    type Error = FormatError;

    fn try_from(doc: CanaryDeploymentDoc) -> Result<Self, FormatError> {
        Ok(Self {
            version: version("canary.version", &doc.version)?,
            state: doc.state.into(),
            reason: reason(&doc.reason),
        })
    }
}

impl From<&CanaryDeployment> for CanaryDeploymentDoc {
    fn from(canary: &CanaryDeployment) -> Self {
        Self {
            version: canary.version.to_string(),
            state: canary.state.into(),
            reason: reason(&canary.reason).into(),
        }
    }
}
