//! What came of it, as a short table.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use super::clients::Asked;

/// How much more memory than after the warm-up there may be at the end: a tenth, and this many KiB.
const MORE: usize = 4 << 10;

/// What was seen.
pub(crate) struct Report {
    pub(super) asked: Asked,
    pub(super) changed: usize,
    pub(super) stalest: Duration,
    pub(super) restarts: usize,
    /// Open files before and after.
    pub(super) files: (usize, usize),
    /// The memory in use, in KiB, each second.
    pub(super) memory: Vec<usize>,
    /// Lines of the access log.
    pub(super) logged: usize,
    /// Requests that are beside the plan.
    pub(super) probed: usize,
    pub(super) ended: ExitStatus,
    pub(super) panics: usize,
}

impl Report {
    /// True when all is as it should be.
    pub(crate) fn kept(&self) -> bool {
        self.rows().iter().all(|row| row.kept)
    }

    /// The mean of the tenth behind the warm-up (the first fifth), and of the last one.
    fn memory(&self) -> (usize, usize) {
        let tenth = (self.memory.len() / 10).max(1);
        let mean = |part: &[usize]| part.iter().sum::<usize>() / part.len().max(1);
        let behind = self.memory.iter().skip(2 * tenth).take(tenth).copied().collect::<Vec<_>>();
        (mean(&behind), mean(&self.memory[self.memory.len().saturating_sub(tenth)..]))
    }

    fn rows(&self) -> Vec<Row> {
        let row = |what, found: String, promise: String, kept| Row { what, found, promise, kept };
        let asked = &self.asked;
        let (warm, last) = self.memory();
        let (before, after) = self.files;
        let requests = asked.answered + self.probed;
        let logged = (requests..=requests + asked.left).contains(&self.logged);
        let none = || "0".to_owned();
        vec![
            row("requests answered", asked.answered.to_string(), "-".into(), asked.answered > 0),
            row("client connections", asked.connections.to_string(), "-".into(), true),
            row("left while answered", asked.left.to_string(), "-".into(), true),
            row("changes of routes", self.changed.to_string(), "-".into(), true),
            row("restarts of Redis", self.restarts.to_string(), "-".into(), true),
            row("wrong answers", asked.wrong.len().to_string(), none(), asked.wrong.is_empty()),
            row(
                "old route seen for at most",
                format!("{} ms", self.stalest.as_millis()),
                "5000 ms".into(),
                true,
            ),
            row(
                "lines of the access log",
                self.logged.to_string(),
                format!("{requests} to {}", requests + asked.left),
                logged,
            ),
            row("open files before, after", format!("{before}, {after}"), "no more".into(), after <= before),
            row(
                "memory warm, at the end",
                format!("{warm}, {last} KiB"),
                "flat".into(),
                last <= warm + warm / 10 + MORE,
            ),
            row("panics", self.panics.to_string(), none(), self.panics == 0),
            row("exit", self.ended.to_string(), "exit status: 0".into(), self.ended.success()),
        ]
    }
}

struct Row {
    what: &'static str,
    found: String,
    promise: String,
    kept: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:30} {:>22} {:>22}", "what", "found", "promise")?;
        for Row { what, found, promise, kept } in self.rows() {
            let kept = if kept { "" } else { "  BROKEN" };
            writeln!(f, "{what:30} {found:>22} {promise:>22}{kept}")?;
        }
        self.asked.wrong.iter().take(10).try_for_each(|wrong| writeln!(f, "  {wrong}"))
    }
}
