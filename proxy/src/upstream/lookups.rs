//! Lookups of names that go on: some at once, the others in their turn, each name once.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::names::Found;
use crate::caught::{Panicked, caught};

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
    /// Lookups that were lost to a panic.
    panicked: Arc<AtomicU64>,
}

impl Lookups {
    /// Those that are lost to a panic are counted there.
    pub(super) fn counting(panicked: Arc<AtomicU64>) -> Self {
        Self { panicked, ..Self::default() }
    }

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
            let panicked = Arc::clone(&self.panicked);
            self.running.spawn(async move {
                let found = match caught(pin!(tokio::time::timeout(PATIENCE, found))).await {
                    Ok(found) => found.unwrap_or_else(|_| Found::Failed("no answer in time".into())),
                    Err(Panicked) => {
                        panicked.fetch_add(1, Ordering::Relaxed);
                        Found::Failed("a panic, which is a defect of portico".into())
                    }
                };
                (name, found)
            });
        }
        let (name, found) = self.running.join_next().await?.ok()?;
        self.pending.remove(&name);
        Some((name, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lookup_that_panics_has_failed_and_its_name_can_be_looked_up_again() {
        let panicked = Arc::<AtomicU64>::default();
        let mut lookups = Lookups::counting(Arc::clone(&panicked));
        let look_up = |name: Box<str>| async move {
            assert_ne!(&*name, "panic.test", "as the test wants it");
            Found::Nothing
        };

        for turn in 1..=2 {
            lookups.want("panic.test".into());
            let found = lookups.next(&look_up).await;
            assert!(matches!(found, Some((_, Found::Failed(_)))), "{found:?}");
            assert_eq!(panicked.load(Ordering::Relaxed), turn);
        }

        lookups.want("fine.test".into());
        assert!(matches!(lookups.next(&look_up).await, Some((_, Found::Nothing))));
    }
}
