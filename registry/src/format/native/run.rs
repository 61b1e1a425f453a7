//! What a controller says of an instance that it launched, as JSON.

use model::{NodeId, Released, Run, Stage, Version};
use serde::{Deserialize, Serialize};

use super::FormatError;
use super::launch::ResourcesDoc;

/// The longest reason that is kept, in characters.
pub(super) const MAX_REASON: usize = 2000;
/// What a person can do about what only a controller writes.
pub(super) const REMEDY: &str = "leave it out: a controller writes it";

/// What a controller says of an instance that it launched, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDoc {
    /// The version of its service that it is of: 16 hexadecimal digits.
    pub version: String,
    /// Where in its life it is: `placed`, `running`, `backoff`, `ended`, `draining`, `stopping` or `adopted`.
    pub stage: StageDoc,
    /// What it may take; default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesDoc>,
    /// The digest of its image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// How often in a row it ended by itself, or could not be started; default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u16,
    /// Why it is where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How it was let go of before it was told to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleasedDoc>,
}

/// Where in its life a launched instance is, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageDoc {
    /// Its host was chosen; its container is made and started.
    Placed,
    /// Its container runs.
    Running,
    /// Its container ended by itself, or could not be made.
    Backoff,
    /// Its container ended by itself, and is never started again.
    Ended,
    /// It left every set; nodes let go of it.
    Draining,
    /// It is told to end.
    Stopping,
    /// Another launched it, and its labels have it join.
    Adopted,
}

/// How an instance was let go of, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedDoc {
    /// How many milliseconds after it had left every set.
    pub after_ms: u64,
    /// The nodes that did not say that they let go of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
    /// Requests that were in flight when its drain time was up.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cut: u64,
    /// Tunnels that were open then.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tunnels: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

/// A version, by its digits.
pub(super) fn version(field: &str, text: &str) -> Result<Version, FormatError> {
    let reason = || format!("`{text}` is not 16 hexadecimal digits");
    Version::parse(text).ok_or_else(|| FormatError::at(field, reason(), REMEDY))
}

/// A reason, no longer than it may be.
pub(super) fn reason(text: &str) -> Box<str> {
    text.chars().take(MAX_REASON).collect::<String>().into()
}

impl RunDoc {
    /// Reads it.
    pub(super) fn read(self) -> Result<Run, FormatError> {
        Ok(Run {
            version: version("run.version", &self.version)?,
            stage: self.stage.into(),
            resources: self.resources.unwrap_or_default().read("run.resources")?,
            image: self.image.chars().take(model::launch::MAX_IMAGE).collect::<String>().into(),
            failures: self.failures,
            reason: reason(&self.reason),
            release: self.release.map(|release| Box::new(release.into())),
        })
    }
}

impl From<&Run> for RunDoc {
    fn from(run: &Run) -> Self {
        Self {
            version: run.version.to_string(),
            stage: run.stage.into(),
            resources: ResourcesDoc::said(run.resources),
            image: run.image.to_string(),
            failures: run.failures,
            reason: reason(&run.reason).into(),
            release: run.release.as_deref().map(ReleasedDoc::from),
        }
    }
}

impl From<ReleasedDoc> for Released {
    fn from(doc: ReleasedDoc) -> Self {
        let ReleasedDoc { after_ms, unconfirmed, cut, tunnels } = doc;
        let unconfirmed = unconfirmed.into_iter().map(|node| NodeId(node.into())).collect();
        Self { after_ms, unconfirmed, cut, tunnels }
    }
}

impl From<&Released> for ReleasedDoc {
    fn from(released: &Released) -> Self {
        let Released { after_ms, unconfirmed, cut, tunnels } = released;
        let unconfirmed = unconfirmed.iter().map(ToString::to_string).collect();
        Self { after_ms: *after_ms, unconfirmed, cut: *cut, tunnels: *tunnels }
    }
}

impl From<StageDoc> for Stage {
    fn from(doc: StageDoc) -> Self {
        match doc {
            StageDoc::Placed => Self::Placed,
            StageDoc::Running => Self::Running,
            StageDoc::Backoff => Self::Backoff,
            StageDoc::Ended => Self::Ended,
            StageDoc::Draining => Self::Draining,
            StageDoc::Stopping => Self::Stopping,
            StageDoc::Adopted => Self::Adopted,
        }
    }
}

impl From<Stage> for StageDoc {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Placed => Self::Placed,
            Stage::Running => Self::Running,
            Stage::Backoff => Self::Backoff,
            Stage::Ended => Self::Ended,
            Stage::Draining => Self::Draining,
            Stage::Stopping => Self::Stopping,
            Stage::Adopted => Self::Adopted,
        }
    }
}
