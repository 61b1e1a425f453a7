//! What containers of an image do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::runtime::{Exit, LogLine};

/// How an image is fetched, and what containers made of it do.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Whether it is there without being fetched.
    pub is_there: bool,
    /// How it is fetched.
    pub pull: Pull,
    /// Why no container can be made of it; `None`: one can.
    pub refused: Option<String>,
    /// When its containers end by themselves, after their start, and how; `None`: never.
    pub ends: Option<(Duration, Exit)>,
    /// How long they take to end once they are told to; `None`: they do not hear of it (`KILL` ends them at once).
    pub hears: Option<Duration>,
    /// What they print when they start.
    pub prints: Vec<LogLine>,
    /// What the image's own check says, so long after a start; `None`: it has none. What a check that fails prints is in the error.
    pub check: Option<(Duration, Result<(), String>)>,
    /// What commands in them print, and their exit codes.
    pub commands: BTreeMap<Vec<String>, (Vec<LogLine>, i64)>,
    /// Commands in them that do not end before their container does.
    pub endless: BTreeSet<Vec<String>>,
    /// What all other commands exit with; `cat` prints what it reads.
    pub code: i64,
    /// How long after a start those exit with 1: it is not ready yet.
    pub ready: Duration,
}

/// How an image is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pull {
    /// It takes so long.
    Takes(Duration),
    /// It never ends.
    Hangs,
    /// It cannot be fetched, and why.
    Fails(String),
}

impl Default for Behaviour {
    /// It is there, runs until it is told to end, and ends at once then; all commands in it succeed.
    fn default() -> Self {
        Self {
            is_there: true,
            pull: Pull::Takes(Duration::ZERO),
            refused: None,
            ends: None,
            hears: Some(Duration::ZERO),
            prints: Vec::new(),
            check: None,
            commands: BTreeMap::new(),
            endless: BTreeSet::new(),
            code: 0,
            ready: Duration::ZERO,
        }
    }
}

/// A line that was printed, with the line feed that ends it.
pub fn line(text: &str, is_error: bool) -> LogLine {
    LogLine { is_error, text: Bytes::from(format!("{text}\n")) }
}
