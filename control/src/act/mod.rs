//! Steps at engines, each a task by itself.
//!
//! In: an [`Order`]. Out: what became of it. Never here: a decision; a call that the lease was not asked for right before; a step that holds up
//! another.

mod hook;
mod host;

use std::sync::Arc;

use model::HostName;
use model::launch::Image;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::config::{Config, LAST_LINES, LAST_OCTETS};
use crate::lease::Lease;
use crate::metrics::Metrics;
use crate::plan::{HookCall, Key, Order, Step};
use crate::runtime::{LogLine, LogQuery, Progress, Runtime, RuntimeError, Spec};

pub use hook::Failed;
pub(crate) use host::Actions;
pub use host::{Call, caller};

/// What a step needs.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<Metrics>,
    /// How far images are fetched, for whoever watches.
    pub(crate) pulls: watch::Sender<Progress>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) order: Order,
    pub(crate) result: Result<Outcome, Failure>,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// It runs, made of an image of this digest.
    Launched(Option<String>),
    /// What a container said last.
    Words(String, String),
}

/// Why a step was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This node controls no more.
    Fenced,
    /// The engine cannot be reached: what it does is seen when it can be.
    Unreachable(String),
    /// It failed, and the instance with it.
    Failed(String),
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Unreachable(why) => Self::Unreachable(why),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Takes a step.
pub(crate) async fn act(tools: Tools, order: Order) -> Done {
    let result = match &order.step {
        Step::Launch(spec, hooks) => tools.launch(spec, hooks, &order.key, &order.host).await,
        Step::Start(id) => tools.start(id).await,
        Step::Signal(id, signal) => tools.signal(id, *signal).await,
        Step::Remove(id) => tools.remove(id).await,
        Step::After(hooks) => tools.hooks(hooks).await.map(|()| Outcome::Done),
        Step::LastWords(id) => tools.last_words(id).await,
    };
    Done { order, result }
}

impl Tools {
    fn may(&self) -> Result<(), Failure> {
        match self.lease.holds(Instant::now().into_std()) {
            Some(_) => Ok(()),
            None => Err(Failure::Fenced),
        }
    }

    async fn launch(
        &self,
        spec: &Spec,
        hooks: &[HookCall],
        key: &Key,
        host: &HostName,
    ) -> Result<Outcome, Failure> {
        self.may()?;
        self.fetch(&spec.image, host).await?;
        self.hooks(hooks).await?;
        self.may()?;
        let id = match self.runtime.create(spec).await {
            Ok(id) => id,
            Err(RuntimeError::Taken(name)) => return self.taken(&name, host).await,
            Err(error) => return Err(error.into()),
        };
        self.may()?;
        self.runtime.start(&id).await?;
        tracing::info!(service = %key.0, instance = %key.1, %host, image = %spec.image, "launched");
        Ok(Outcome::Launched(self.runtime.image(&spec.image).await.ok().flatten()))
    }

    /// What has the name of a container: one of ours, from a call that nobody heard the answer of, is looked at; another one is in the way.
    async fn taken(&self, name: &str, host: &HostName) -> Result<Outcome, Failure> {
        let is_ours = self.runtime.list().await?.iter().any(|container| container.name == name);
        if is_ours {
            return Ok(Outcome::Done);
        }
        let remedy = "remove or rename it";
        Err(Failure::Failed(format!("a container named {name} is on {host} that is not ours; {remedy}")))
    }

    /// Fetches an image that is not there.
    async fn fetch(&self, image: &Image, host: &HostName) -> Result<(), Failure> {
        if self.runtime.image(image).await?.is_some() {
            return Ok(());
        }
        self.may()?;
        tracing::info!(%image, %host, "fetching an image");
        Ok(self.runtime.pull(image, &self.pulls).await?)
    }

    async fn start(&self, id: &str) -> Result<Outcome, Failure> {
        self.may()?;
        self.runtime.start(id).await?;
        Ok(Outcome::Done)
    }

    async fn signal(&self, id: &str, signal: Option<model::launch::Signal>) -> Result<Outcome, Failure> {
        self.may()?;
        self.runtime.signal(id, signal).await?;
        Ok(Outcome::Done)
    }

    async fn remove(&self, id: &str) -> Result<Outcome, Failure> {
        self.may()?;
        self.runtime.remove(id).await?;
        Ok(Outcome::Done)
    }

    async fn hooks(&self, hooks: &[HookCall]) -> Result<(), Failure> {
        for call in hooks {
            self.may()?;
            let Some(hook) = self.config.hooks.iter().find(|hook| hook.name.as_str() == call.name) else {
                let name = &call.name;
                return Err(Failure::Failed(format!(
                    "hooks: `{name}` is not defined; define it in `control.hooks` of the controller's configuration"
                )));
            };
            let ended = hook::run("hook", hook, call, self.config.hook_timeout).await;
            self.metrics.hooked(&call.name, ended.is_err());
            ended.map_err(|failed| Failure::Failed(failed.why))?;
        }
        Ok(())
    }

    async fn last_words(&self, id: &str) -> Result<Outcome, Failure> {
        let query = LogQuery { tail: Some(LAST_LINES), ..LogQuery::default() };
        let (tell, mut lines) = mpsc::channel::<LogLine>(16);
        let listen = async {
            let mut text = Vec::new();
            while let Some(line) = lines.recv().await {
                text.extend_from_slice(&line.text);
            }
            let text = String::from_utf8_lossy(&text);
            let said = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let said: String =
                said.collect::<Vec<_>>().join(" | ").chars().filter(|c| !c.is_control()).collect();
            let over = said.chars().count().saturating_sub(LAST_OCTETS);
            said.chars().skip(over).collect::<String>()
        };
        let ask = tokio::time::timeout(self.config.call_timeout, self.runtime.logs(id, query, tell));
        // What cannot be read was not said: why it ended matters more.
        let (_, said) = tokio::join!(ask, listen);
        Ok(Outcome::Words(id.to_owned(), said))
    }
}
