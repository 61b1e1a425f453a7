//! Who controls: a fact with a lease, and its revision as a fencing token.
//!
//! In: the facts, the time. Out: whether this node controls, and until when at least. Never here: a decision about an instance.
//!
//! A leader that stood still cannot do harm after its lease: each of its writes expects the token, and each of its calls to an engine asks
//! [`Lease::holds`] first, by a clock that began before the renewal was asked for.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::{Controller, Fact, Revision, Snapshot};

use crate::publish::{Edit, Publish, PublishError};

/// What is kept back of a lease: a call that is begun within it may still be on its way.
const MARGIN: u32 = 5;

/// Whether this node controls.
#[derive(Debug, Default)]
pub struct Lease(Mutex<Option<Held>>);

#[derive(Debug, Clone, Copy)]
struct Held {
    token: Revision,
    since: Instant,
    until: Instant,
}

/// A lease that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leading {
    /// The revision of the controller's fact.
    pub token: Revision,
    /// Since when this node controls.
    pub since: Instant,
}

impl Lease {
    /// The lease, if it holds for sure at `now`.
    pub fn holds(&self, now: Instant) -> Option<Leading> {
        let held = *self.lock();
        held.filter(|held| now < held.until).map(|held| Leading { token: held.token, since: held.since })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        // What is kept is one value, whole whatever panicked.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the lease, renews it, or sees that it is another's; asks the registry only when a third of it has passed.
    ///
    /// A node takes its own name's lease over at once: who had it before is gone, and its token with it.
    pub async fn keep(
        &self,
        facts: &Snapshot,
        wanted: &Controller,
        publish: &Publish,
        now: Instant,
    ) -> Option<Leading> {
        let lasts = Duration::from_secs(wanted.lease.seconds().into());
        let lasts = lasts - lasts / MARGIN;
        let held = *self.lock();
        if let Some(held) = held
            && now < held.until
        {
            if held.until.saturating_duration_since(now) > lasts * 2 / 3 {
                return self.holds(now);
            }
            let renewed = publish.renew(held.token).await;
            let kept = match renewed {
                Ok(true) => Some(Held { until: now + lasts, ..held }),
                Ok(false) => None,
                // It holds as long as it did.
                Err(_) => Some(held),
            };
            if kept.is_none() {
                tracing::warn!("this node controls no more: its lease is another's");
            }
            *self.lock() = kept;
            return self.holds(now);
        }
        if held.is_some() {
            tracing::warn!("this node controls no more: its lease could not be renewed in time");
        }
        *self.lock() = None;
        let there = facts.controller();
        if there.is_some_and(|(controller, _)| controller.node != wanted.node) {
            return None;
        }
        let edit = Edit {
            key: Controller::key(),
            fact: Some(Fact::Controller(Box::new(wanted.clone()))),
            expected: there.map(|(_, stated)| stated.revision),
        };
        match publish.write(vec![edit], None).await {
            Ok(token) => {
                tracing::info!(%token, "this node controls");
                *self.lock() = Some(Held { token, since: now, until: now + lasts });
            }
            Err(PublishError::Conflict(_)) => {}
            Err(error) => tracing::debug!(%error, "the controller's lease cannot be taken"),
        }
        self.holds(now)
    }

    /// Gives it up, so that another may take it at once.
    pub async fn leave(&self, publish: &Publish, now: Instant) {
        let Some(held) = self.holds(now) else { return };
        *self.lock() = None;
        let edit = Edit { key: Controller::key(), fact: None, expected: Some(held.token) };
        if let Err(error) = publish.write(vec![edit], None).await {
            tracing::debug!(%error, "the controller's lease ends by itself");
        }
    }
}
