//! What was found, kept up to a limit.

use crate::wire::Finding;

/// The first findings, and how many more there are.
#[derive(Debug)]
pub(crate) struct Found {
    limit: usize,
    findings: Vec<Finding>,
    left_out: usize,
}

impl Found {
    /// Nothing yet; keeps at most `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, findings: Vec::new(), left_out: 0 }
    }

    /// One more; it is made only where there is room for it.
    pub(crate) fn add(&mut self, finding: impl FnOnce() -> Finding) {
        if self.findings.len() < self.limit {
            self.findings.push(finding());
        } else {
            self.left_out += 1;
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.left_out == 0
    }

    /// The findings, and how many were left out.
    pub(crate) fn into_parts(self) -> (Vec<Finding>, usize) {
        (self.findings, self.left_out)
    }
}
