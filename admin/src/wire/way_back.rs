//! The way back: differences, rollbacks, imports.

use serde::{Deserialize, Serialize};

use super::{FactDoc, Foreseen};

/// `GET /v1/diff?from=&to=`: the facts that differ between two revisions, by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// The first revision.
    pub from: u64,
    /// The second one; the present one when none was asked for.
    pub to: u64,
    /// What differs.
    pub changes: Vec<Differing>,
    /// `?after=` of the next page; `null` at the end. Ask for it with the same `from` and `to`.
    pub next: Option<String>,
}

/// A fact that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Differing {
    /// Which: a frontend as `HOST[/path]`, any other by its key, as `service:web`.
    pub frontend: String,
    /// What it says on the first side; `null` when it is not there, or not known.
    pub before: Option<FactDoc>,
    /// What it says on the second side; `null` when it is not there, or not known.
    pub after: Option<FactDoc>,
    /// Which sides nobody saw: a foreign writer changed it while no portico looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Side>,
}

/// One side of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The first.
    Before,
    /// The second.
    After,
}

/// `POST /v1/rollback`: desired facts shall be what they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// At this revision.
    pub to: u64,
    /// Only facts of these kinds; left out: all desired facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Kind>,
    /// Say what would be written and write nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Leave facts alone of which nobody saw what they said; otherwise they are a reason to refuse.
    #[serde(default)]
    pub keep_unknown: bool,
    /// Write in several parts, each all or nothing, what is too much for one write.
    #[serde(default)]
    pub in_parts: bool,
}

/// A kind of desired facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Frontends.
    Frontends,
    /// Services.
    Services,
    /// Instances that are there until they are removed.
    Instances,
    /// Hosts.
    Hosts,
    /// Record sets.
    Records,
}

/// `POST /v1/import` with a Redis to read instead of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportFrom {
    /// `redis://[:password@]host:port/db#prefix`, as seen from the portico that is asked.
    pub from: String,
}

/// The answer to a rollback or an import: what was written, or would be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Whether nothing was written because nothing should be.
    pub dry_run: bool,
    /// The revision it made, or the present one when nothing was written.
    pub revision: u64,
    /// Whether this node's proxy routes by it already.
    pub live: bool,
    /// How many facts were made.
    pub made: usize,
    /// How many were there and say something else now.
    pub changed: usize,
    /// How many were removed.
    pub removed: usize,
    /// How many were as they should be.
    pub unchanged: usize,
    /// In how many writes, each all or nothing; 0 when nothing was to be done.
    pub writes: usize,
    /// What was written, by key; a long list is cut.
    pub changes: Vec<Differing>,
    /// How many changes were cut off.
    #[serde(default)]
    pub more: usize,
    /// What was to be routed and cannot be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// What has no counterpart here, or not yet; or was left alone because nobody saw what it said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Refused>,
    /// The services among what was applied that are launched, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launched: Vec<String>,
    /// What the controller would do first; left out unless that was asked for of the node that controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Foreseen>,
}

/// Something that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Where: a key, or a place in a file.
    pub place: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}
