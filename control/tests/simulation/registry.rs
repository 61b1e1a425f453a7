//! A registry: compare and set over a snapshot, tokens as guards, leases by tokio's time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use control::publish::{Edit, PublishError, Request};
use model::{Change, Controller, Fact, FactKey, NodeId, Origin, Revision, Snapshot, Stated};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// A registry, held by all who use it.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Mutex<Inner>>);

struct Inner {
    snapshot: Arc<Snapshot>,
    /// When the controller's lease ends.
    lease: Option<Instant>,
    trouble: Trouble,
    chance: fastrand::Rng,
    /// What was written since it was last asked for.
    written: Vec<Written>,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Away,
    AnswersLost,
}

/// A step of a controller's.
pub(crate) struct Written {
    pub(crate) at: Instant,
    pub(crate) before: Arc<Snapshot>,
    pub(crate) after: Arc<Snapshot>,
    pub(crate) by_controller: bool,
    /// What guarded it.
    pub(crate) token: Option<Revision>,
}

impl Registry {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            snapshot: Arc::default(),
            lease: None,
            trouble: Trouble::None,
            chance: fastrand::Rng::with_seed(seed),
            written: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().snapshot)
    }

    pub(crate) fn set_trouble(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
    }

    pub(crate) fn take_written(&self) -> Vec<Written> {
        std::mem::take(&mut self.lock().written)
    }

    /// An operator states something, or takes it back.
    pub(crate) fn state(&self, key: FactKey, fact: Option<Fact>) {
        self.lock().set(&[Edit { key, fact, expected: None }], false, None);
    }

    /// Ends the lease when its time has come; not while nobody reaches the registry.
    pub(crate) fn expire(&self) {
        let mut inner = self.lock();
        let is_over = inner.lease.is_some_and(|until| until <= Instant::now());
        if is_over && inner.trouble != Trouble::Away {
            inner.set(&[Edit { key: FactKey::Controller, fact: None, expected: None }], false, None);
        }
    }

    /// Answers a controller until that is gone.
    pub(crate) async fn answer(self, mut requests: mpsc::Receiver<Request>) {
        while let Some(request) = requests.recv().await {
            let (way, trouble) = {
                let mut inner = self.lock();
                (Duration::from_millis(inner.chance.u64(0..20)), inner.trouble)
            };
            sleep(way).await;
            let away = || PublishError::Unavailable("nobody answers".to_owned());
            if trouble == Trouble::Away {
                sleep(Duration::from_secs(1)).await;
            }
            let lost = trouble == Trouble::AnswersLost && self.lock().chance.bool();
            match request {
                Request::Write { edits, token, answer } => {
                    let done = if trouble == Trouble::Away { Err(away()) } else { self.write(&edits, token) };
                    let _ = answer.send(if lost { Err(away()) } else { done });
                }
                Request::Renew { token, answer } => {
                    let done = if trouble == Trouble::Away { Err(away()) } else { Ok(self.renew(token)) };
                    let _ = answer.send(if lost { Err(away()) } else { done });
                }
            }
        }
    }

    fn write(&self, edits: &[Edit], token: Option<Revision>) -> Result<Revision, PublishError> {
        let mut inner = self.lock();
        let at = |key: &FactKey| inner.snapshot.get(key).map(|stated| stated.revision);
        if token.is_some() && at(&Controller::key()) != token {
            return Err(PublishError::Conflict("the lease is another's".to_owned()));
        }
        if let Some(edit) = edits.iter().find(|edit| at(&edit.key) != edit.expected) {
            return Err(PublishError::Conflict(edit.key.to_string()));
        }
        Ok(inner.set(edits, true, token))
    }

    /// Whether a controller holds the lease.
    ///
    /// # Errors
    /// Whose it is.
    pub(crate) fn leads(&self, node: &NodeId, term: u32) -> Result<(), String> {
        let inner = self.lock();
        match (inner.snapshot.controller(), inner.lease) {
            (None, _) => Err("nobody's".to_owned()),
            (Some((it, _)), _) if (&it.node, it.term) != (node, term) => {
                Err(format!("{}'s of term {}", it.node, it.term))
            }
            (_, Some(until)) if Instant::now() < until => Ok(()),
            _ => Err("over".to_owned()),
        }
    }

    fn renew(&self, token: Revision) -> bool {
        let mut inner = self.lock();
        let Some((controller, stated)) = inner.snapshot.controller() else { return false };
        if stated.revision != token {
            return false;
        }
        let lasts = Duration::from_secs(controller.lease.seconds().into());
        inner.lease = Some(Instant::now() + lasts);
        true
    }
}

impl Inner {
    fn set(&mut self, edits: &[Edit], by_controller: bool, token: Option<Revision>) -> Revision {
        let revision = self.snapshot.revision().next();
        let change = |edit: &Edit| match &edit.fact {
            Some(fact) => {
                Change::Put(Stated { fact: Arc::new(fact.clone()), revision, origin: Origin::Native })
            }
            None => Change::Remove(edit.key.clone()),
        };
        let after = Arc::new(self.snapshot.apply(revision, edits.iter().map(change)));
        let before = std::mem::replace(&mut self.snapshot, Arc::clone(&after));
        if edits.iter().any(|edit| edit.key == Controller::key()) {
            let lasts = |controller: &Controller| Duration::from_secs(controller.lease.seconds().into());
            self.lease = after.controller().map(|(controller, _)| Instant::now() + lasts(controller));
        }
        self.written.push(Written { at: Instant::now(), before, after, by_controller, token });
        revision
    }
}
