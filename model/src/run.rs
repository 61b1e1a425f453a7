//! What a controller says of an instance that it launched.

use crate::deployment::Version;
use crate::launch::Resources;
use crate::report::NodeId;

/// What a controller says of an instance that it launched: enough for another controller to go on where this one was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// The version of its service that it is of.
    pub version: Version,
    /// Where in its life it is.
    pub stage: Stage,
    /// What it may take: a version that nothing states any more has its room still.
    pub resources: Resources,
    /// The digest of its image: `sha256:…`; empty: not known yet.
    pub image: Box<str>,
    /// How often in a row it ended by itself, or could not be started.
    pub failures: u16,
    /// Why it is where it is, with the remedy where there is one; empty: there is nothing to say.
    pub reason: Box<str>,
    /// The last that was seen of its release, once it was let go of.
    pub release: Option<Box<Released>>,
}

/// Where in its life a launched instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Stage {
    /// Its host was chosen; its container is made and started. The default.
    #[default]
    Placed,
    /// Its container runs.
    Running,
    /// Its container ended by itself, or could not be made: it is started again later.
    Backoff,
    /// Its container ended by itself, and is never started again: as it should where `failures` is 0.
    Ended,
    /// It left every set; nodes let go of it.
    Draining,
    /// Every node let go of it, or its time was up: it is told to end.
    Stopping,
    /// Another launched it, and its labels have it join: it is here for as long as it runs.
    Adopted,
}

/// How an instance was let go of before it was told to end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Released {
    /// How many milliseconds after it had left.
    pub after_ms: u64,
    /// The nodes that did not say that they let go of it: they were lost, and waited for.
    pub unconfirmed: Vec<NodeId>,
    /// Requests that were in flight when its drain time was up.
    pub cut: u64,
    /// Tunnels (WebSockets) that were open when its drain time was up.
    pub tunnels: u64,
}

impl Run {
    /// Whether it did what it should, and is over: a job that ended with 0.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Ended && self.failures == 0
    }
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Placed,
        Self::Running,
        Self::Backoff,
        Self::Ended,
        Self::Draining,
        Self::Stopping,
        Self::Adopted,
    ];

    /// `placed`, `running`, `backoff`, `ended`, `draining`, `stopping` or `adopted`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Ended => "ended",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Adopted => "adopted",
        }
    }
}
