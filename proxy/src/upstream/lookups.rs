//! Lookups of names that go on: some at once, the others in their turn, each name once.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

use super::names::Found;

/// Lookups at once: a name server that does not answer must not hold up the names of others.
const AT_ONCE: usize = 32;
/// How long one may take, with all name servers that are asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names that are being looked up or wait for it; as many as there are names.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    pending: HashSet<Box<str>>,
    waiting: VecDeque<Box<str>>,
    running: JoinSet<(Box<str>, Found)>,
}

impl Lookups {
    /// This name is to be looked up, unless it is already.
    pub(super) fn want(&mut self, name: Box<str>) {
        if self.pending.insert(name.clone()) {
            self.waiting.push_back(name);
        }
    }

    /// The next name that was looked up, with what was said; `None` while there is nothing to look up.
    pub(super) async fn next<F, L>(&mut self, look_up: &F) -> Option<(Box<str>, Found)>
    where
        F: Fn(Box<str>) -> L,
        L: Future<Output = Found> + Send + 'static,
    {
        while self.running.len() < AT_ONCE
            && let Some(name) = self.waiting.pop_front()
        {
            let found = look_up(name.clone());
            self.running.spawn(async move {
                let found = tokio::time::timeout(PATIENCE, found).await;
                (name, found.unwrap_or_else(|_| Found::Failed("no answer in time".into())))
            });
        }
        let (name, found) = self.running.join_next().await?.ok()?;
        self.pending.remove(&name);
        Some((name, found))
    }
}
