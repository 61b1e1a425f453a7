//! What starts and stops hosts: commands of the local configuration, each a task by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{HostName, Revision};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::hook::{self, Failed};
use crate::config::{Config, Hook};
use crate::lease::Lease;
use crate::plan::{HookCall, HostAction};
use crate::runtime::BoxFuture;

/// Runs a command of the configuration.
pub type Call = Arc<dyn Fn(Hook, HookCall) -> BoxFuture<'static, Result<(), Failed>> + Send + Sync>;

/// Runs actions as processes of this machine, each for as long as the configuration lets it.
pub fn caller(config: &Config) -> Call {
    let timeout = config.action_timeout;
    Arc::new(move |action, call| Box::pin(async move { hook::run("action", &action, &call, timeout).await }))
}

/// What became of an action; `None`: it was not called, since this node controls no more.
type Ended = (HostName, Revision, Option<Result<(), Failed>>);

/// The actions that are under way, one of a host at most.
pub(crate) struct Actions {
    call: Call,
    running: JoinSet<Ended>,
    tasks: BTreeMap<HostName, (Revision, AbortHandle)>,
}

impl Actions {
    pub(crate) fn new(call: Call) -> Self {
        Self { call, running: JoinSet::new(), tasks: BTreeMap::new() }
    }

    /// Begins one, unless one of that host is under way.
    pub(crate) fn begin(&mut self, asked: HostAction, lease: Arc<Lease>, config: &Config) -> bool {
        let HostAction { host, revision, call } = asked;
        if self.tasks.contains_key(&host) {
            return false;
        }
        let action = config.actions.iter().find(|action| action.name.as_str() == call.name).cloned();
        let run = Arc::clone(&self.call);
        let name = host.clone();
        let task = self.running.spawn(async move {
            let Some(action) = action else {
                let why = format!("its action `{}` is not defined", call.name);
                return (name, revision, Some(Err(Failed { why, hung: false })));
            };
            if lease.holds(Instant::now().into_std()).is_none() {
                return (name, revision, None);
            }
            tracing::info!(host = %name, action = %call.name, "an action begins");
            let ended = run(action, call).await;
            (name, revision, Some(ended))
        });
        self.tasks.insert(host, (revision, task));
        true
    }

    /// Gives all of them up: what they did is not known.
    pub(crate) fn abort(&mut self) {
        self.running.abort_all();
        self.tasks.clear();
    }

    /// Gives all of them up, and waits until they have ended.
    pub(crate) async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }

    /// The next that ends; never, where none is under way.
    pub(crate) async fn next(&mut self) -> Ended {
        loop {
            match self.running.join_next_with_id().await {
                None => return std::future::pending().await,
                Some(ended) => {
                    if let Some(ended) = self.took(ended) {
                        return ended;
                    }
                }
            }
        }
    }

    fn took(&mut self, ended: Result<(Id, Ended), JoinError>) -> Option<Ended> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let host = self.tasks.iter().find(|(_, (_, task))| task.id() == id).map(|(host, _)| host.clone())?;
        let (revision, _) = self.tasks.remove(&host)?;
        match ended {
            Ok((_, ended)) => Some(ended),
            Err(error) => {
                tracing::error!(%host, %error, "an action panicked");
                let why = "its action panicked, which is a fault of portico's".to_owned();
                Some((host, revision, Some(Err(Failed { why, hung: true }))))
            }
        }
    }
}
