//! What engines say: of each host a view that is kept up to date.
//!
//! In: the facts about hosts. Out: a [`HostView`] of each, by itself: a host that is silent holds up no other. Never here: a decision.
//!
//! A listing follows every event of an engine, every step that was taken there, and a pause; what is in between is never guessed.

mod address;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{EngineUrl, HostName, Snapshot};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::metrics::{Counted, Metrics};
use crate::plan::HostView;
use crate::runtime::{Runtime, RuntimeError};

pub use address::{Find, finder};

/// How long an engine that is not heard is left alone before it is listened to again.
const RETRY: Duration = Duration::from_secs(1);
/// How soon after another one a listing is asked for at the earliest: bursts of events are one look.
const REST: Duration = Duration::from_millis(20);

/// How often a host is looked for that does not say where it is.
const SEEK: Duration = Duration::from_secs(10);

/// Opens the engine at a URL; that takes no connection.
pub type Open = Arc<dyn Fn(&EngineUrl) -> Result<Arc<dyn Runtime>, RuntimeError> + Send + Sync>;

/// All engines that facts name.
pub struct Engines {
    open: Open,
    find: Find,
    interval: Duration,
    metrics: Arc<Metrics>,
    /// Notified whenever one of them said something new.
    changed: Arc<Notify>,
    hosts: BTreeMap<HostName, Engine>,
}

struct Engine {
    url: EngineUrl,
    /// Whether it is looked for where its host is.
    is_sought: bool,
    runtime: Result<Arc<dyn Runtime>, RuntimeError>,
    view: watch::Receiver<HostView>,
    look: Arc<Notify>,
    /// What follows it; ends with it.
    _tasks: JoinSet<()>,
}

impl Engines {
    /// None yet; each is looked at at least once in `interval`.
    pub fn new(
        open: Open,
        find: Find,
        interval: Duration,
        changed: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { open, find, interval, metrics, changed, hosts: BTreeMap::new() }
    }

    /// Follows the hosts that these facts name, and no others.
    pub fn follow(&mut self, facts: &Snapshot) {
        let named = facts.hosts().filter_map(|(host, _)| {
            let engine = host.engine.as_ref()?;
            Some((&host.name, (engine, host.addresses.is_none())))
        });
        let named: BTreeMap<&HostName, (&EngineUrl, bool)> = named.collect();
        self.hosts.retain(|name, engine| named.get(name) == Some(&(&engine.url, engine.is_sought)));
        for (name, (url, is_sought)) in named {
            if !self.hosts.contains_key(name) {
                self.hosts.insert(name.clone(), self.engine(name, url, is_sought));
            }
        }
        self.metrics.keep(&self.hosts.keys().collect());
    }

    fn engine(&self, name: &HostName, url: &EngineUrl, is_sought: bool) -> Engine {
        let runtime = counted(&self.open, &self.metrics, name, url);
        let first = HostView { url: Some(url.clone()), ..HostView::default() };
        let (tell, view) = watch::channel(first);
        let tell = Arc::new(tell);
        let (look, mut tasks) = (Arc::new(Notify::new()), JoinSet::new());
        if is_sought {
            tasks.spawn(seek(
                Arc::clone(&self.find),
                url.clone(),
                Arc::clone(&tell),
                Arc::clone(&self.changed),
            ));
        }
        match &runtime {
            Ok(runtime) => {
                let (heard, events) = (Arc::clone(&look), Arc::clone(runtime));
                tasks.spawn(async move {
                    loop {
                        let error = events.follow(&heard).await;
                        tracing::debug!(%error, "an engine's events ended");
                        // What was missed is looked for.
                        heard.notify_one();
                        tokio::time::sleep(RETRY).await;
                    }
                });
                let (runtime, look, changed) =
                    (Arc::clone(runtime), Arc::clone(&look), Arc::clone(&self.changed));
                tasks.spawn(watch_one(runtime, tell, look, changed, self.interval));
            }
            Err(error) => {
                let (error, silent) = (error.to_string(), Some(Instant::now().into_std()));
                tell.send_modify(|view| (view.error, view.silent) = (error, silent));
            }
        }
        Engine { url: url.clone(), is_sought, runtime, view, look, _tasks: tasks }
    }

    /// What each said last.
    pub fn views(&self) -> BTreeMap<HostName, HostView> {
        self.hosts.iter().map(|(name, engine)| (name.clone(), engine.view.borrow().clone())).collect()
    }

    /// The engine of a host.
    ///
    /// # Errors
    /// What stands in the way of asking it.
    pub fn runtime(&self, host: &HostName) -> Result<Arc<dyn Runtime>, RuntimeError> {
        let unknown = || RuntimeError::Unreachable(format!("there is no engine of {host}"));
        self.hosts.get(host).ok_or_else(unknown)?.runtime.clone()
    }

    /// Has a host looked at now.
    pub fn look(&self, host: &HostName) {
        if let Some(engine) = self.hosts.get(host) {
            engine.look.notify_one();
        }
    }
}

/// The engine of a host, whose calls are counted.
pub(crate) fn counted(
    open: &Open,
    metrics: &Arc<Metrics>,
    host: &HostName,
    url: &EngineUrl,
) -> Result<Arc<dyn Runtime>, RuntimeError> {
    Ok(Arc::new(Counted::new(host.clone(), open(url)?, Arc::clone(metrics))))
}

/// Looks for a host again and again.
async fn seek(find: Find, url: EngineUrl, tell: Arc<watch::Sender<HostView>>, changed: Arc<Notify>) {
    loop {
        let found = Some(find(&url).await);
        let is_new = tell.send_if_modified(|view| {
            let is_new = view.found != found;
            view.found = found;
            is_new
        });
        if is_new {
            changed.notify_one();
        }
        tokio::time::sleep(SEEK).await;
    }
}

/// Keeps a view up to date.
async fn watch_one(
    runtime: Arc<dyn Runtime>,
    tell: Arc<watch::Sender<HostView>>,
    look: Arc<Notify>,
    changed: Arc<Notify>,
    interval: Duration,
) {
    let mut engine = None;
    loop {
        let asked = Instant::now().into_std();
        let known = match engine {
            Some(_) => Ok(()),
            None => runtime.about().await.map(|told| engine = Some(told)),
        };
        let listed = match known {
            // Whoever did not answer the first question is not asked a second one.
            Err(error @ RuntimeError::Unreachable(_)) => Err(error),
            _ => runtime.list().await,
        };
        tell.send_modify(|view| match listed {
            Ok(containers) => {
                if view.silent.is_some() {
                    tracing::info!(url = ?view.url.as_ref().map(ToString::to_string), "the engine answers again");
                }
                (view.containers, view.listed, view.silent) = (containers, Some(asked), None);
                if engine.is_some() {
                    view.engine.clone_from(&engine);
                }
                view.error.clear();
            }
            Err(error) => {
                // It may come back as another one.
                engine = None;
                if view.silent.is_none() {
                    tracing::warn!(url = ?view.url.as_ref().map(ToString::to_string), %error, "the engine does not answer");
                }
                (view.silent, view.tried) = (view.silent.or(Some(asked)), Some(asked));
                view.error = error.to_string();
            }
        });
        changed.notify_one();
        tokio::time::sleep(REST).await;
        // Whoever is not heard is asked again soon.
        let pause = if tell.borrow().silent.is_some() { RETRY.min(interval) } else { interval };
        let _ = tokio::time::timeout(pause, look.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Engine;
    use crate::runtime::fake::{Fake, Fault};

    #[tokio::test(start_paused = true)]
    async fn what_an_engine_has_is_asked_again_when_it_is_back() {
        let fake = Arc::new(Fake::new(1, Duration::from_secs(1)));
        let engine = |memory| Engine { version: format!("{memory}"), cpu_millis: 1000, memory };
        fake.set_engine(engine(1));
        let (tell, mut view) = watch::channel(HostView::default());
        let runtime: Arc<dyn Runtime> = Arc::clone(&fake) as _;
        let (look, changed) = (Arc::default(), Arc::default());
        let _task = tokio::spawn(watch_one(runtime, tell.into(), look, changed, Duration::from_secs(1)));
        view.wait_for(|view| view.engine == Some(engine(1))).await.unwrap();

        fake.set_fault(Fault::Unreachable);
        fake.set_engine(engine(2));
        view.wait_for(|view| view.silent.is_some()).await.unwrap();
        fake.set_fault(Fault::None);

        let back = view.wait_for(|view| view.silent.is_none()).await.unwrap();
        assert_eq!(back.engine, Some(engine(2)));
    }
}
