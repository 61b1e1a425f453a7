//! The handle on a controller, for whoever operates it.
//!
//! In: a service's name, a host's. Out: what the controller knows of it, and its engine. Never here: a step of a turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Fact, FactKey, HostName, Label, Nodes, ServiceName, Snapshot, Watched};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::metrics::{Metrics, Totals};
use crate::observe::{Open, counted};
use crate::plan::{HostView, Memory, Plan, Seen, plan};
use crate::runtime::{Runtime, RuntimeError};
use crate::schedule::Explained;
use crate::turn::{Controller, Inputs, Outlook};

/// A controller that runs.
#[derive(Clone)]
pub struct Control {
    outlook: watch::Receiver<Arc<Outlook>>,
    open: Open,
    metrics: Arc<Metrics>,
    config: Config,
}

impl Control {
    /// Starts one; it ends when `stop` is true, and what runs runs on. `part` tells when it panics. The second value is done when it has ended.
    pub fn start(
        config: Config,
        inputs: Inputs,
        stop: watch::Receiver<bool>,
        part: Watched,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let open = Arc::clone(&inputs.open);
        let controller = Controller::new(config.clone(), inputs);
        let (outlook, metrics) = (controller.outlook(), controller.metrics());
        let run = async move {
            let _part = part;
            controller.run(stop).await;
        };
        (Self { outlook, open, metrics, config }, tokio::spawn(run))
    }

    /// What it knows now.
    pub fn outlook(&self) -> Arc<Outlook> {
        Arc::clone(&self.outlook.borrow())
    }

    /// The engine of a host.
    ///
    /// # Errors
    /// [`RuntimeError`] when no such host has one, or it cannot be asked.
    pub fn runtime(&self, facts: &Snapshot, host: &HostName) -> Result<Arc<dyn Runtime>, RuntimeError> {
        let stated = facts.get(&FactKey::Host(host.clone()));
        let url = stated.and_then(|stated| match &*stated.fact {
            Fact::Host(host) => host.engine.as_ref(),
            _ => None,
        });
        let none = || RuntimeError::Unreachable(format!("there is no host {host} with an engine"));
        counted(&self.open, &self.metrics, host, url.ok_or_else(none)?)
    }

    /// The fleet whose containers are its own: another one may use the same engines.
    pub fn fleet(&self) -> &Label {
        &self.config.fleet
    }

    /// What was counted since this process began.
    pub fn totals(&self) -> Totals {
        self.metrics.totals()
    }

    /// Whether an engine was silent for longer than its grace, so that its instances leave every set.
    pub fn is_lost(&self, view: &HostView) -> bool {
        let tried = view.tried.unwrap_or_else(|| Instant::now().into_std());
        let silent = view.silent.map(|since| tried.saturating_duration_since(since));
        silent.is_some_and(|silent| silent >= self.config.host_grace)
    }

    /// What each host is to a service, and why; `None`: nothing is wanted of it.
    pub fn explain(&self, facts: &Snapshot, service: &ServiceName) -> Option<BTreeMap<HostName, Explained>> {
        let outlook = self.outlook();
        let (memory, nodes) = (remembered(&outlook), nobody());
        let seen = self.seen(facts, &outlook, &memory, &nodes);
        crate::plan::explain(seen, service)
    }

    /// What would be done first if these were the facts: what starts, what leaves, what fits nowhere, and why.
    pub fn foresee(&self, facts: &Snapshot) -> Plan {
        let outlook = self.outlook();
        let (memory, nodes) = (remembered(&outlook), nobody());
        plan(self.seen(facts, &outlook, &memory, &nodes))
    }

    fn seen<'a>(
        &'a self,
        facts: &'a Snapshot,
        outlook: &'a Outlook,
        memory: &'a Memory,
        nodes: &'a Nodes,
    ) -> Seen<'a> {
        let now = Instant::now().into_std();
        Seen { facts, hosts: &outlook.hosts, nodes, memory, config: &self.config, now }
    }
}

/// As if this node controlled since its engines were seen.
fn remembered(outlook: &Outlook) -> Memory {
    let listed = outlook.hosts.values().filter_map(|view| view.listed).min();
    Memory::new(listed.unwrap_or_else(|| Instant::now().into_std()))
}

/// No nodes: nothing that is foreseen waits for one.
fn nobody() -> Nodes {
    Nodes { own: model::NodeId("".into()), others: model::Others::None, by_name: BTreeMap::new() }
}
