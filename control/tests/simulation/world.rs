//! A fleet with its registry, its nodes, its engines and its controllers, under time that does not pass by itself.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use control::act::caller;
use control::config::Config;
use control::observe::{Open, finder};
use control::plan::Labels;
use control::publish::Publish;
use control::runtime::fake::Fault;
use control::runtime::{Container, ContainerState, Runtime, RuntimeError};
use control::turn::{Controller, Inputs};
use model::launch::Order;
use model::{
    DeploymentState, EngineUrl, Fact, InstanceState, NodeId, Nodes, Others, Service, Snapshot, Stage,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::check::{Check, NEWS};
use crate::fleet::{self, CALL, Machine};
use crate::nodes::{self, Node};
use crate::registry::{Registry, Trouble};
use crate::tried;
use crate::wire::{Notes, Wire};

/// How long a host is believed to come back.
const HOST_GRACE: Duration = Duration::from_secs(20);
/// A fault so long may have a host given up: a controller counts from when it last asked.
const MAYBE_LOST: Duration = Duration::from_secs(10);
/// How long without a fault it takes at most until all is as it is wanted.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many steps that takes at most: facts written, calls of engines.
const STEPS: usize = 2000;
/// How long nothing happens then.
const QUIET: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) chance: fastrand::Rng,
    pub(crate) registry: Registry,
    pub(crate) machines: Vec<Machine>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) services: BTreeMap<u8, Service>,
    pub(crate) check: Check,
    pub(crate) trace: Vec<String>,
    notes: Arc<Notes>,
    begun: Instant,
    told: Instant,
    terms: u32,
}

/// Where a controller runs, or did.
pub(crate) struct Seat {
    name: NodeId,
    snapshots: watch::Sender<Arc<Snapshot>>,
    nodes: watch::Sender<Arc<Nodes>>,
    pub(crate) task: Option<JoinHandle<()>>,
    pub(crate) gate: Arc<Gate>,
}

/// What a controller stands still behind.
#[derive(Default)]
pub(crate) struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    pub(crate) fn close(&self) {
        self.0.lock().unwrap().0 = true;
    }

    pub(crate) fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = false;
        gate.1.drain(..).for_each(Waker::wake);
    }

    /// Whether it is open; if not, who asks is woken then.
    fn is_open(&self, waker: &Waker) -> bool {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            gate.1.push(waker.clone());
        }
        !gate.0
    }

    /// Once it is open.
    pub(crate) async fn opened(&self) {
        let open = |is_open| if is_open { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(|context| open(self.is_open(context.waker()))).await;
    }

    async fn pass(self: Arc<Self>, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        poll_fn(|context| match self.is_open(context.waker()) {
            true => work.as_mut().poll(context),
            false => Poll::Pending,
        })
        .await;
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let room = if chance.bool() { 64 } else { 6 };
        let machines = (0..chance.u8(2..4)).map(|number| Machine::new(number, room, chance.u64(..)));
        let machines: Vec<Machine> = machines.collect();
        let nobody = || Nodes { own: NodeId("".into()), others: Others::Away, by_name: BTreeMap::new() };
        let seat = |number| Seat {
            name: NodeId(format!("control-{number}").into()),
            snapshots: watch::channel(Arc::default()).0,
            nodes: watch::channel(Arc::new(nobody())).0,
            task: None,
            gate: Arc::default(),
        };
        let mut world = Self {
            registry: Registry::new(chance.u64(..)),
            machines,
            nodes: (0..chance.usize(1..4)).map(Node::new).collect(),
            seats: (0..chance.usize(1..3)).map(seat).collect(),
            services: BTreeMap::new(),
            check: Check::default(),
            trace: Vec::new(),
            notes: Arc::default(),
            begun: Instant::now(),
            told: Instant::now(),
            terms: 0,
            chance,
        };
        for machine in 0..world.machines.len() {
            world.state_host(machine);
        }
        for number in 0..world.chance.u8(1..3) {
            let order = if world.chance.u8(0..4) == 0 { Order::StopFirst } else { Order::StartFirst };
            let (image, count) = (format!("app:{}", world.chance.u8(1..100)), world.chance.u64(1..4));
            world.state_service(number, fleet::service(number, &image, count, order));
        }
        for seat in 0..world.seats.len() {
            world.begin(seat);
        }
        world
    }

    pub(crate) fn say(&mut self, what: impl std::fmt::Display) {
        let at = self.begun.elapsed();
        self.trace.push(format!("{:9.3} {what}", at.as_secs_f64()));
    }

    pub(crate) fn state_host(&mut self, machine: usize) {
        let host = self.machines[machine].host.clone();
        self.check.news = Some(Instant::now());
        self.registry.state(host.key(), Some(Fact::Host(Box::new(host))));
    }

    pub(crate) fn state_service(&mut self, number: u8, service: Service) {
        self.registry.state(service.key(), Some(Fact::Service(Box::new(service.clone()))));
        self.services.insert(number, service);
    }

    /// Starts the controller of a seat.
    pub(crate) fn begin(&mut self, seat: usize) {
        self.terms += 1;
        let config = Config {
            node: self.seats[seat].name.clone(),
            term: self.terms,
            call_timeout: CALL,
            host_grace: HOST_GRACE,
            node_grace: Duration::from_secs(15),
            backoff_max: Duration::from_secs(10),
            forget: Duration::from_secs(10),
            ..Config::default()
        };
        let gate: Arc<Gate> = Arc::default();
        let wire = |machine: &Machine| {
            let (fake, gate, notes) = (Arc::clone(&machine.fake), Arc::clone(&gate), Arc::clone(&self.notes));
            let (registry, node) = (self.registry.clone(), config.node.clone());
            Arc::new(Wire { fake, gate, registry, node, term: config.term, notes }) as Arc<dyn Runtime>
        };
        let engines: BTreeMap<EngineUrl, Arc<dyn Runtime>> =
            self.machines.iter().map(|it| (it.host.engine.clone().unwrap(), wire(it))).collect();
        let open: Open = Arc::new(move |url: &EngineUrl| {
            let unknown = || RuntimeError::Unreachable(format!("there is no engine at {url}"));
            engines.get(url).cloned().ok_or_else(unknown)
        });
        let (publish, requests) = Publish::channel();
        tokio::spawn(self.registry.clone().answer(requests));
        let seat = &mut self.seats[seat];
        seat.gate = gate;
        let (snapshots, nodes) = (seat.snapshots.subscribe(), seat.nodes.subscribe());
        let (find, call) = (finder(Vec::new()), caller(&config));
        let inputs = Inputs { snapshots, nodes, publish, open, find, call };
        let controller = Controller::new(config, inputs);
        let (stop, stopped) = watch::channel(false);
        let run = async move {
            let _stop = stop;
            controller.run(stopped).await;
        };
        seat.task = Some(tokio::spawn(Arc::clone(&seat.gate).pass(run)));
    }

    /// Lets a little time pass, and looks at what happened.
    pub(crate) async fn tick(&mut self) -> Result<(), String> {
        // While nothing happens there is less to look at.
        let longest = if self.check.rests() { 1500 } else { 300 };
        sleep(Duration::from_millis(self.chance.u64(20..longest))).await;
        self.registry.expire();
        for machine in &mut self.machines {
            machine.was_lost |= machine.fault.is_some_and(|(_, since)| since.elapsed() >= MAYBE_LOST);
        }
        let (written, mut trace) = (self.registry.take_written(), Vec::new());
        let fine = self.check.step(written, &self.machines, &self.nodes, &self.notes, &mut trace);
        for line in trace {
            self.say(line);
        }
        fine?;
        if let Some(wrong) = self.notes.take_wrong() {
            return Err(wrong);
        }
        let latest = self.registry.snapshot();
        for node in &mut self.nodes {
            node.tick(&latest, &mut self.chance);
        }
        let known = Arc::new(nodes::known(&self.nodes));
        let is_due = self.told.elapsed() >= Duration::from_secs(2);
        for seat in &self.seats {
            let behind = seat.snapshots.borrow().revision() < latest.revision();
            if behind && self.chance.u8(0..4) > 0 {
                seat.snapshots.send_replace(Arc::clone(&latest));
            }
            if is_due || !same(&seat.nodes.borrow(), &known) {
                seat.nodes.send_replace(Arc::clone(&known));
            }
        }
        if is_due {
            self.told = Instant::now();
        }
        if self.seats.iter().any(|seat| seat.task.as_ref().is_some_and(JoinHandle::is_finished)) {
            return Err("a controller ended by itself".to_owned());
        }
        Ok(())
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.say("all is healed");
        self.registry.set_trouble(Trouble::None);
        for machine in 0..self.machines.len() {
            let it = &mut self.machines[machine];
            it.fake.set_fault(Fault::None);
            it.fake.set_slow(Duration::ZERO);
            it.fault = None;
            (it.host.cordoned, it.host.draining) = (false, false);
            for container in it.fake.containers() {
                if Labels::of(&container).is_none() {
                    it.fake.take(&container.id);
                }
            }
            self.state_host(machine);
        }
        for node in &mut self.nodes {
            (node.is_cut, node.pace) = (false, 60);
        }
        for seat in 0..self.seats.len() {
            self.seats[seat].gate.open();
            if self.seats[seat].task.is_none() {
                self.begin(seat);
            }
        }
        for (number, mut service) in self.services.clone() {
            let launch = fleet::launch(&mut service);
            launch.active = true;
            if fleet::BROKEN.contains(&launch.image.as_str()) {
                launch.image = model::launch::Image::parse("app:3").unwrap();
            }
            launch.canary = launch.canary.take().filter(|it| !fleet::BROKEN.contains(&it.image.as_str()));
            // What waits for drains has time.
            launch.rollout.deadline = PATIENCE;
            self.state_service(number, service);
        }
        self.try_again();
    }

    /// What failed among all that is tried again.
    fn try_again(&mut self) {
        let snapshot = self.registry.snapshot();
        for (number, mut service) in self.services.clone() {
            let deployment = snapshot.deployment(&service.name).map(|(deployment, _)| deployment);
            let tried = deployment.and_then(|it| Some(it.canary.as_ref()?.state));
            if [deployment.map(|it| it.state), tried].contains(&Some(DeploymentState::Failed)) {
                fleet::launch(&mut service).restarts += 1;
                self.state_service(number, service);
            }
        }
    }

    /// All becomes as it is wanted, and then nothing happens any more.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        self.check.steps = 0;
        // Who had not seen yet that there is time says that something is late.
        while begun.elapsed() < NEWS {
            self.tick().await?;
        }
        self.try_again();
        loop {
            self.tick().await?;
            if self.check.steps > STEPS {
                return Err(format!("more than {STEPS} steps: {:?}", self.wrong()));
            }
            match self.wrong() {
                None if begun.elapsed() >= QUIET && self.check.idle() >= QUIET => return Ok(()),
                None if begun.elapsed() >= PATIENCE => return Err("it never rests".to_owned()),
                Some(wrong) if begun.elapsed() >= PATIENCE => return Err(format!("it is not so: {wrong}")),
                _ => {}
            }
        }
    }

    /// What is not as it is wanted.
    fn wrong(&self) -> Option<String> {
        let snapshot = self.registry.snapshot();
        let mut containers: BTreeMap<_, Container> = BTreeMap::new();
        for machine in &self.machines {
            for container in machine.fake.containers() {
                let Some(labels) = Labels::of(&container) else { continue };
                if let Some(other) = containers.insert((labels.key(), machine.host.name.clone()), container) {
                    return Some(format!("two containers of one instance: {other:?}"));
                }
            }
        }
        for service in self.services.values() {
            let launch = service.launch.as_ref()?;
            let count = snapshot.instances_of(&service.name).count();
            let tried = if tried::of(service) == service.version() { 0 } else { tried::count(service) };
            if count != usize::from(launch.instances.least()) + tried {
                return Some(format!("{} has {count} instances", service.name));
            }
        }
        for (instance, _) in snapshot.instances() {
            let key = (instance.service.clone(), instance.name.clone());
            let Some((run, host)) = instance.run.as_deref().zip(instance.host.clone()) else {
                return Some(format!("nobody launched {key:?}"));
            };
            let service = snapshot.service(&instance.service).map(|(service, _)| service);
            let versions = [service.and_then(Service::version), service.and_then(tried::of)];
            if !versions.contains(&Some(run.version)) {
                return Some(format!("{key:?} is of another version"));
            }
            if instance.state != InstanceState::Healthy || run.stage != Stage::Running {
                return Some(format!("{key:?} is {:?}, {}", instance.state, run.stage.name()));
            }
            let container = containers.remove(&(key.clone(), host));
            if container.is_none_or(|container| container.state != ContainerState::Running) {
                return Some(format!("{key:?} has no container that runs"));
            }
        }
        containers.pop_first().map(|(key, _)| format!("{key:?} is a stray"))
    }
}

/// Whether nothing new was said.
fn same(before: &Nodes, now: &Nodes) -> bool {
    before.others == now.others
        && before.by_name.len() == now.by_name.len()
        && before
            .by_name
            .values()
            .zip(now.by_name.values())
            .all(|(a, b)| a.lost == b.lost && a.report == b.report)
}
