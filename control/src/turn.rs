//! One turn, top to bottom: observe, plan, publish, act.
//!
//! In: facts, what engines and nodes say. Out: facts, and steps at engines. Never here: a decision (`plan`), a call (`act`, `observe`).
//!
//! A turn follows whatever changed: facts, an engine's event, a node's report, a check's answer, a step's end; and comes by itself every few
//! seconds, every few milliseconds while something is on its way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{HostName, Nodes, PowerState, Snapshot, Stage};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

use crate::act::{Actions, Call, Done, Failure, Outcome, Tools, act};
use crate::config::{Config, MAX_STEPS};
use crate::health::{self, Probe};
use crate::lease::{Leading, Lease};
use crate::metrics::{Ages, Metrics};
use crate::observe::{Engines, Find, Open};
use crate::plan::{HostView, Key, Memory, Order, Plan, Seen, Step, plan};
use crate::publish::{Edit, Publish, PublishError};
use crate::runtime::{Progress, Runtime};

/// The pause after facts that were written, or were not: somebody else changed them.
const SOON: Duration = Duration::from_millis(100);
/// The pause while an instance starts, leaves, or waits for its next attempt: what ends these is heard, but for what time alone ends.
const LATER: Duration = Duration::from_millis(250);
/// What two turns are apart at least.
const REST: Duration = Duration::from_millis(5);
/// How many answers of checks may wait.
const PULSE_QUEUE: usize = 1024;

/// What a controller follows, and acts through.
pub struct Inputs {
    /// The facts.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// All nodes' reports.
    pub nodes: watch::Receiver<Arc<Nodes>>,
    /// The way to the registry.
    pub publish: Publish,
    /// Opens engines.
    pub open: Open,
    /// Finds hosts.
    pub find: Find,
    /// Starts and stops hosts.
    pub call: Call,
}

/// What a controller knows, for whoever asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outlook {
    /// Whether this node controls.
    pub leads: bool,
    /// What engines said last.
    pub hosts: BTreeMap<HostName, HostView>,
    /// How far the images of instances are fetched that wait for them.
    pub pulls: BTreeMap<Key, Progress>,
}

/// A controller.
pub struct Controller {
    config: Arc<Config>,
    inputs: Inputs,
    lease: Arc<Lease>,
    engines: Engines,
    changed: Arc<Notify>,
    memory: Memory,
    metrics: Arc<Metrics>,
    ages: Ages,
    leading: Option<Leading>,
    steps: JoinSet<Done>,
    actions: Actions,
    /// The task of each step that is under way; what it is for says whether it is a launch.
    tasks: BTreeMap<Key, (Option<HostName>, AbortHandle)>,
    probes: BTreeMap<Key, (Probe, AbortHandle)>,
    probing: JoinSet<()>,
    pulses: (mpsc::Sender<Said>, mpsc::Receiver<Said>),
    outlook: watch::Sender<Arc<Outlook>>,
    pulls: BTreeMap<Key, watch::Receiver<Progress>>,
}

/// What a check of a container said.
type Said = (Key, String, Result<(), String>);

impl Controller {
    /// A controller that has not begun.
    pub fn new(config: Config, inputs: Inputs) -> Self {
        let (config, changed) = (Arc::new(config), Arc::new(Notify::new()));
        let metrics = Arc::<Metrics>::default();
        Self {
            engines: Engines::new(
                Arc::clone(&inputs.open),
                Arc::clone(&inputs.find),
                config.interval,
                Arc::clone(&changed),
                Arc::clone(&metrics),
            ),
            metrics,
            ages: Ages::default(),
            actions: Actions::new(Arc::clone(&inputs.call)),
            memory: Memory::new(Instant::now().into_std()),
            lease: Arc::default(),
            leading: None,
            steps: JoinSet::new(),
            tasks: BTreeMap::new(),
            probes: BTreeMap::new(),
            probing: JoinSet::new(),
            pulses: mpsc::channel(PULSE_QUEUE),
            outlook: watch::channel(Arc::default()).0,
            pulls: BTreeMap::new(),
            config,
            inputs,
            changed,
        }
    }

    /// What it knows.
    pub fn outlook(&self) -> watch::Receiver<Arc<Outlook>> {
        self.outlook.subscribe()
    }

    /// Where it counts what it does.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Takes turns until `stop` is true; then lets go of its lease. What runs runs on.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let begun = Instant::now();
            let pause = self.turn().await;
            if self.leading.is_some() {
                self.metrics.turned(begun.elapsed());
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = self.news(pause) => {}
            }
            tokio::time::sleep(REST).await;
        }
        self.steps.shutdown().await;
        self.actions.shutdown().await;
        self.lease.leave(&self.inputs.publish, now()).await;
    }

    /// Waits for something that a turn may follow from.
    async fn news(&mut self, pause: Duration) {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                // In this order, so that what happens is the same each time.
                biased;
                () = &mut over => return,
                Ok(()) = self.inputs.snapshots.changed() => return,
                Ok(()) = self.inputs.nodes.changed() => if self.memory.waits { return },
                () = self.changed.notified() => return,
                Some(ended) = self.steps.join_next_with_id() => return match ended {
                    Ok((task, done)) => self.done(task, done),
                    Err(error) => self.broken(error.id()),
                },
                (host, revision, ended) = self.actions.next() => {
                    self.memory.acting.remove(&host);
                    if let Some(ended) = ended {
                        self.memory.ended.insert(host.clone(), (revision, ended));
                    }
                    return self.engines.look(&host);
                }
                Some(said) = self.pulses.1.recv() => if self.hear(said) { return },
            }
        }
    }

    /// One turn; how long until the next one at the latest.
    pub async fn turn(&mut self) -> Duration {
        let facts = Arc::clone(&self.inputs.snapshots.borrow_and_update());
        let nodes = Arc::clone(&self.inputs.nodes.borrow_and_update());
        self.engines.follow(&facts);
        self.take_in();
        self.give_up(&facts);
        let Some(leading) = self.lead(&facts).await else {
            self.idle();
            return self.config.interval;
        };
        let now = now();
        if self.memory.is_ahead_of(&facts, now) {
            return SOON;
        }
        self.ages.look(&facts, &self.metrics, now);
        let hosts = self.engines.views();
        self.memory.look(&facts, &hosts, &nodes, &self.config, now);
        let seen = Seen {
            facts: &facts,
            hosts: &hosts,
            nodes: &nodes,
            memory: &self.memory,
            config: &self.config,
            now,
        };
        let Plan { edits, orders, actions, probes, waiting, .. } = plan(seen);
        self.memory.waiting = waiting;
        self.pulls.retain(|key, _| self.tasks.contains_key(key));
        let pulls = self.pulls.iter().map(|(key, far)| (key.clone(), *far.borrow()));
        let pulls = pulls.filter(|(_, far)| far.of > 0).collect();
        let outlook = Outlook { leads: true, hosts, pulls };
        self.outlook.send_if_modified(|told| {
            let news = **told != outlook;
            if news {
                *told = Arc::new(outlook);
            }
            news
        });
        let wrote = !edits.is_empty();
        let is_written = !wrote || self.write(edits, leading).await;
        // Steps follow from facts that were there before.
        self.step(orders);
        for action in actions {
            let host = action.host.clone();
            if self.actions.begin(action, Arc::clone(&self.lease), &self.config) {
                self.memory.acting.insert(host);
            }
        }
        self.probe(probes);
        if !is_written {
            return SOON;
        }
        // What was written is in the next snapshot, which has a turn of its own.
        if wrote { SOON } else { pause(&facts).min(self.config.interval) }
    }

    /// Writes what a turn says; whether all of it is written. One fact that is refused holds up no other.
    async fn write(&mut self, edits: Vec<Edit>, leading: Leading) -> bool {
        let token = Some(leading.token);
        let error = match self.inputs.publish.write(edits.clone(), token).await {
            Ok(revision) => {
                self.memory.wrote(revision, now());
                return true;
            }
            Err(error) => error,
        };
        tracing::debug!(%error, "a turn's facts were not written together");
        if !matches!(error, PublishError::Refused(_)) {
            return false;
        }
        for edit in edits {
            let key = edit.key.clone();
            match self.inputs.publish.write(vec![edit], token).await {
                Ok(revision) => self.memory.wrote(revision, now()),
                Err(error) => tracing::warn!(%key, %error, "a fact cannot be written"),
            }
        }
        false
    }

    /// Whether this node controls. Without a host that has an engine there is nothing to control, unless something is left to end.
    async fn lead(&mut self, facts: &Snapshot) -> Option<Leading> {
        let is_needed = facts.hosts().any(|(host, _)| host.engine.is_some())
            || facts.instances().any(|(instance, _)| instance.run.is_some());
        if !is_needed && self.leading.is_none() {
            return None;
        }
        let seconds = self.config.lease.as_secs();
        let lease = model::Lease::new(seconds).or_else(|_| model::Lease::new(1)).ok()?;
        let wanted = model::Controller { node: self.config.node.clone(), term: self.config.term, lease };
        let leading = self.lease.keep(facts, &wanted, &self.inputs.publish, now()).await;
        if leading.map(|leading| leading.token) != self.leading.map(|leading| leading.token) {
            // What was seen, and what was begun, by who controlled before is nothing to go by.
            self.memory = Memory::new(now());
            self.ages = Ages::default();
            if let Some(leading) = leading {
                self.memory.token = leading.token;
                self.memory.wrote(leading.token, now());
            }
            self.steps.abort_all();
            self.actions.abort();
            self.tasks.clear();
            self.engines_look();
        }
        self.leading = leading;
        leading
    }

    fn engines_look(&self) {
        for host in self.engines.views().keys() {
            self.engines.look(host);
        }
    }

    /// Another node controls, or nothing is there to be controlled.
    fn idle(&mut self) {
        self.probe(BTreeMap::new());
        let outlook = Outlook { hosts: self.engines.views(), ..Outlook::default() };
        self.outlook.send_replace(Arc::new(outlook));
    }

    /// Takes in what ended meanwhile.
    fn take_in(&mut self) {
        while let Some(ended) = self.steps.try_join_next_with_id() {
            match ended {
                Ok((task, done)) => self.done(task, done),
                Err(error) => self.broken(error.id()),
            }
        }
        while let Ok(said) = self.pulses.1.try_recv() {
            self.hear(said);
        }
    }

    /// Takes in what a check said; whether something may follow from it.
    fn hear(&mut self, (key, container, said): Said) -> bool {
        let rise = self.probes.get(&key).map_or(u8::MAX, |(probe, _)| probe.rise);
        self.memory.pulse(key, &container, said, rise, now())
    }

    /// Gives up launches that nobody wants any more: an image may be fetched for ever.
    fn give_up(&mut self, facts: &Snapshot) {
        let is_wanted = |key: &Key, on: &HostName| {
            let name = model::FactKey::Instance { service: key.0.clone(), name: key.1.clone() };
            facts.get(&name).is_some_and(|stated| match &*stated.fact {
                model::Fact::Instance(instance) => {
                    let is_placed = instance.run.as_ref().is_some_and(|run| run.stage == Stage::Placed);
                    is_placed && instance.host.as_ref() == Some(on)
                }
                _ => false,
            })
        };
        let (memory, engines) = (&mut self.memory, &self.engines);
        self.tasks.retain(|key, (launch, task)| {
            let Some(host) = launch.as_ref().filter(|host| !is_wanted(key, host)) else { return true };
            task.abort();
            // Whether it was done is seen.
            memory.busy.remove(key);
            memory.acted.insert(key.clone(), now());
            engines.look(host);
            false
        });
    }

    /// A step ended without a word: it panicked, or was given up, which is known.
    fn broken(&mut self, task: Id) {
        let key = self.tasks.iter().find(|(_, (_, there))| there.id() == task).map(|(key, _)| key.clone());
        if let Some(key) = key {
            tracing::error!(service = %key.0, instance = %key.1, "a step panicked");
            self.tasks.remove(&key);
            self.memory.busy.remove(&key);
            self.memory.acted.insert(key.clone(), now());
            self.memory.later.insert(key, now() + LATER);
        }
    }

    /// A step ended.
    fn done(&mut self, task: Id, Done { order, result }: Done) {
        let Order { key, host, revision, step } = order;
        if self.tasks.get(&key).is_none_or(|(_, there)| there.id() != task) {
            return;
        }
        self.tasks.remove(&key);
        self.memory.busy.remove(&key);
        self.memory.acted.insert(key.clone(), now());
        if result.is_err() {
            // A signal that was not sent is sent again; whatever it was, not at once.
            if let Step::Signal(id, _) = &step {
                self.memory.told.remove(id);
            }
            self.memory.later.insert(key.clone(), now() + LATER);
        }
        match result {
            Ok(Outcome::Done) => {
                if let Step::After(_) = step {
                    self.memory.after.insert(key);
                }
            }
            Ok(Outcome::Launched(image)) => _ = image.map(|image| self.memory.images.insert(key, image)),
            Ok(Outcome::Words(id, said)) => _ = self.memory.words.insert(id, said),
            Err(Failure::Fenced) => {}
            Err(Failure::Unreachable(why)) => {
                tracing::warn!(service = %key.0, instance = %key.1, %host, error = %why, "an engine did not answer");
            }
            Err(Failure::Failed(why)) => {
                if let Step::After(_) = step {
                    self.memory.after.insert(key.clone());
                }
                let (of, config) = ((key.clone(), revision), Arc::clone(&self.config));
                if self.memory.fail(of, &step, why.clone(), &config, now()) {
                    tracing::warn!(service = %key.0, instance = %key.1, %host, error = %why, "a step failed");
                }
            }
        }
        self.engines.look(&host);
    }

    /// Takes steps, as many at once as a host may have.
    fn step(&mut self, orders: Vec<Order>) {
        let mut counts: BTreeMap<HostName, usize> = BTreeMap::new();
        for order in orders {
            let rests = self.memory.later.get(&order.key).is_some_and(|until| now() < *until);
            if rests || self.memory.busy.contains(&order.key) {
                continue;
            }
            let count = counts.entry(order.host.clone()).or_default();
            *count += 1;
            let Ok(runtime) = self.engines.runtime(&order.host) else { continue };
            if *count > MAX_STEPS {
                continue;
            }
            if let Step::Signal(id, _) = &order.step {
                self.memory.told.insert(id.clone(), now());
            }
            if let Step::Remove(id) = &order.step {
                self.memory.told.remove(id);
                self.memory.words.remove(id);
            }
            self.memory.busy.insert(order.key.clone());
            let (pulls, far) = watch::channel(Progress::default());
            if let Step::Launch(..) = &order.step {
                self.pulls.insert(order.key.clone(), far);
            }
            let (lease, metrics) = (Arc::clone(&self.lease), Arc::clone(&self.metrics));
            let tools = Tools { runtime, lease, config: Arc::clone(&self.config), metrics, pulls };
            let (key, launch) = (order.key.clone(), matches!(order.step, Step::Launch(..)));
            let launch = launch.then(|| order.host.clone());
            let task = self.steps.spawn(act(tools, order));
            self.tasks.insert(key, (launch, task));
        }
    }

    /// Has these checks run, and no others.
    fn probe(&mut self, wanted: BTreeMap<Key, Probe>) {
        while self.probing.try_join_next().is_some() {}
        let facts = Arc::clone(&self.inputs.snapshots.borrow());
        self.probes.retain(|key, (probe, task)| {
            let stays = wanted.get(key) == Some(probe) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, probe) in wanted {
            if self.probes.contains_key(&key) {
                continue;
            }
            let name = model::FactKey::Instance { service: key.0.clone(), name: key.1.clone() };
            let host = facts.get(&name).and_then(|stated| match &*stated.fact {
                model::Fact::Instance(instance) => instance.host.clone(),
                _ => None,
            });
            let Some(Ok(runtime)) = host.map(|host| self.engines.runtime(&host)) else { continue };
            let task = self.probing.spawn(check(runtime, key.clone(), probe.clone(), self.pulses.0.clone()));
            self.probes.insert(key, (probe, task));
        }
    }
}

/// Asks an instance again and again, until nobody listens.
async fn check(runtime: Arc<dyn Runtime>, key: Key, probe: Probe, tell: mpsc::Sender<Said>) {
    let mut asked = 0;
    let mut asker = health::Asker::new(&*runtime, &probe);
    loop {
        let said = asker.ask().await;
        if tell.send((key.clone(), probe.container.clone(), said)).await.is_err() {
            return;
        }
        tokio::time::sleep(health::pause(asked, probe.interval)).await;
        asked = asked.saturating_add(1);
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// How soon something may follow from time alone.
fn pause(facts: &Snapshot) -> Duration {
    let stages = facts.instances().filter_map(|(instance, _)| Some(instance.run.as_deref()?.stage));
    let of_stage = |stage| match stage {
        Stage::Placed | Stage::Draining | Stage::Stopping | Stage::Backoff => LATER,
        Stage::Running | Stage::Ended | Stage::Adopted => Duration::MAX,
    };
    let states = facts.deployments().flat_map(|(deployment, _)| {
        [Some(deployment.state), deployment.canary.as_ref().map(|canary| canary.state)]
    });
    let progresses = states.flatten().any(|state| state == model::DeploymentState::Progressing);
    let while_progressing = if progresses { LATER } else { Duration::MAX };
    let is_on_its_way =
        |power: &model::Power| matches!(power.state, PowerState::Starting | PowerState::Stopping);
    let mut standings = facts.standings().filter_map(|(standing, _)| standing.power.as_ref());
    let while_moving = if standings.any(is_on_its_way) { LATER } else { Duration::MAX };
    stages.map(of_stage).chain([while_progressing, while_moving]).min().unwrap_or(Duration::MAX)
}
