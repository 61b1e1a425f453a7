//! One instance: its fact beside its container, and what follows.
//!
//! | stage | container | what follows |
//! |---|---|---|
//! | placed | none | launched, once what it depends on is there |
//! | placed | made, runs | started; running |
//! | running | runs | healthy or unhealthy, as its checks say |
//! | running | ended, gone | its last words are read; backoff |
//! | running | ended as it should, or for good | ended: nothing follows |
//! | backoff | ended | taken away when its pause is over |
//! | backoff | none | placed again |
//! | draining | any | stopping, once every node has let go of it |
//! | stopping | runs, ended | told to end, taken away |
//! | stopping | none | its fact is removed |

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use model::launch::{HeartbeatKind, Launch, Readiness, Restart, Stop};
use model::{
    Addresses, Fact, FactKey, Instance, InstanceState, InstancesAt, PortName, Protocol, Run, Service, Stage,
    Weight,
};

use super::release::{Release, release};
use super::rollout::Group;
use super::{Edits, HostView, Key, Launched, Order, Plan, Seen, Step, spec};
use crate::config::Config;
use crate::health::{self, Probe, Verdict};
use crate::runtime::{Container, ContainerState, Exit, Health};

/// One instance that is looked at, with all that it needs.
struct Turn<'a, 'p> {
    seen: Seen<'a>,
    group: Option<&'p Group<'a>>,
    launched: Launched<'a>,
    key: Key,
    /// The service that it is of, as far as anybody knows.
    service: Option<&'p Service>,
    edits: &'p mut Edits,
    plan: &'p mut Plan,
}

/// What follows for one instance.
pub(crate) fn next<'a, 'p>(
    seen: Seen<'a>,
    group: Option<&'p Group<'a>>,
    launched: Launched<'a>,
    edits: &'p mut Edits,
    plan: &'p mut Plan,
) {
    let key = launched.key();
    let service = group.and_then(|group| {
        let stable = group.deployment.and_then(|(deployment, _)| deployment.stable.as_deref());
        let own = |service: &&Service| service.version() == Some(launched.run.version);
        let wanted = group.wanted.map(|(service, _)| service);
        let tried = group.canary.as_ref().map(|canary| &canary.service);
        group
            .effective
            .filter(own)
            .or(tried.filter(own))
            .or(wanted.filter(own))
            .or(stable.filter(own))
            .or(wanted)
            .or(stable)
    });
    let busy = seen.memory.busy.contains(&key);
    let turn = Turn { seen, group, launched, key, service, edits, plan };
    if launched.run.stage == Stage::Draining {
        return turn.draining();
    }
    let Some(host) = &launched.instance.host else { return turn.edits.remove(launched.stated) };
    if busy {
        return;
    }
    if seen.is_lost(host) {
        return turn.lost();
    }
    let Some(view) = seen.view(host, Some(&turn.key)) else { return };
    let container = seen.container(view, &turn.key, launched.run.version);
    match launched.run.stage {
        Stage::Placed => turn.placed(view, container),
        Stage::Running => turn.running(container),
        Stage::Backoff => turn.backoff(container),
        Stage::Stopping => turn.stopping(container),
        Stage::Ended | Stage::Draining | Stage::Adopted => {}
    }
}

impl<'a, 'p> Turn<'a, 'p> {
    fn launch(&self) -> Option<&'p Launch> {
        self.service?.launch.as_deref()
    }

    fn stop(&self) -> Stop {
        self.launch().map(|launch| launch.stop).unwrap_or_default()
    }

    /// States that the instance is otherwise now.
    fn say(self, change: impl FnOnce(&mut Instance, &mut Run)) {
        let mut instance = self.launched.instance.clone();
        let mut run = self.launched.run.clone();
        change(&mut instance, &mut run);
        run.reason = super::short(&run.reason).into();
        instance.run = Some(Box::new(run));
        self.edits.put(Fact::Instance(Box::new(instance)), Some(self.launched.stated));
    }

    fn order(self, step: Step) {
        let Some(host) = self.launched.instance.host.clone() else { return };
        self.plan.orders.push(Order { key: self.key, host, revision: self.launched.stated.revision, step });
    }

    /// What the last step said, if it is not a fact yet.
    fn failure(&self) -> Option<&'a str> {
        let (revision, failure) = self.seen.memory.failed.get(&self.key)?;
        (*revision == self.launched.stated.revision).then_some(failure)
    }

    /// Its engine is silent for too long: nobody knows how it is.
    fn lost(self) {
        let is_over = self.launched.run.stage == Stage::Ended;
        if !is_over && self.launched.instance.state != InstanceState::Draining {
            let host = self.launched.instance.host.as_ref().map(ToString::to_string).unwrap_or_default();
            self.say(|instance, run| {
                instance.state = InstanceState::Unhealthy;
                run.reason = format!("the engine of {host} does not answer").into();
            });
        }
    }

    fn placed(self, view: &HostView, container: Option<&Container>) {
        if let Some(failure) = self.failure() {
            return self.fails(failure);
        }
        match container.map(|container| (&container.state, container)) {
            None => self.launches(view),
            Some((ContainerState::Created, container)) => self.order(Step::Start(container.id.clone())),
            Some((ContainerState::Running, container)) => self.runs(container),
            Some((ContainerState::Exited(exit), container)) => self.ended(exit, container),
            Some((ContainerState::Dead, container)) => self.end(container),
        }
    }

    /// Makes and starts its container, once what it depends on is there.
    fn launches(self, view: &HostView) {
        let (Some(service), Some(launch), Some(host)) =
            (self.service, self.launch(), self.launched.instance.host.clone())
        else {
            return;
        };
        // Nobody knows any more how a version was that nothing states: it is replaced before it is launched.
        if service.version() != Some(self.launched.run.version) {
            return;
        }
        if let Some(why) = waits(self.seen, launch) {
            return self.say(|_, run| run.reason = why.into());
        }
        let name = spec::container_name(&self.seen.config.fleet, &self.key.0, &self.key.1);
        if let Some(container) = view.containers.iter().find(|container| container.name == name) {
            if self.seen.memory.strays.contains_key(&container.id) {
                return;
            }
            let remedy = "remove or rename it";
            return self.fails(&format!("a container named {name} is on {host} that is not ours; {remedy}"));
        }
        let revision = self
            .group
            .and_then(|group| group.wanted)
            .map_or(self.launched.stated.revision, |it| it.1.revision);
        match spec::spec(self.seen, service, launch, &self.key, &host, revision) {
            Ok(spec) => {
                let hooks = spec::hooks(
                    &launch.hooks.before_start,
                    &self.seen.config.fleet,
                    service,
                    &self.key,
                    &host,
                );
                self.order(Step::Launch(Box::new(spec), hooks));
            }
            Err(why) => self.fails(&why),
        }
    }

    fn running(self, container: Option<&Container>) {
        match container.map(|container| (&container.state, container)) {
            Some((ContainerState::Running, container)) => self.runs(container),
            Some((ContainerState::Exited(exit), container)) => self.ended(exit, container),
            Some((ContainerState::Created, container)) => self.order(Step::Start(container.id.clone())),
            Some((ContainerState::Dead, container)) => self.end(container),
            None => self.fails("its container is gone: somebody removed it"),
        }
    }

    /// Its container runs: it is as its checks say.
    fn runs(self, container: &Container) {
        let (seen, launched) = (self.seen, self.launched);
        let Some((addresses, ports)) = reached(seen, launched, self.service, container) else {
            let reason = "its engine does not tell at which address it is; look at it with `docker inspect`";
            return self.say(|_, run| run.reason = reason.into());
        };
        let launch = self.launch();
        let probe = Probe::of(launch, self.service, container, &addresses, &ports);
        let pulse = seen.memory.pulses.get(&self.key).filter(|pulse| pulse.container == container.id);
        let (probe, missing) = match probe {
            Ok(probe) => (probe, None),
            Err(missing) => (None, Some(missing)),
        };
        let verdict = match launch.and_then(|launch| launch.heartbeat.as_ref()) {
            None if self.service.is_some_and(health::is_job) => Verdict::Starting,
            Some(heartbeat) if heartbeat.kind == HeartbeatKind::Image => {
                image_says(container, launched.instance.state)
            }
            heartbeat => {
                health::verdict(launched.instance.state, heartbeat, pulse, probe.is_some(), seen.now)
            }
        };
        let verdict = missing.map_or(verdict, Verdict::Unhealthy);
        if let Some(probe) = probe {
            self.plan.probes.insert(self.key.clone(), probe);
        }
        let (state, reason) = match verdict {
            Verdict::Stays => (launched.instance.state, launched.run.reason.to_string()),
            Verdict::Healthy => (InstanceState::Healthy, String::new()),
            Verdict::Starting => (InstanceState::Starting, String::new()),
            // A check that fails on and on may say something else each time: the first word stands.
            Verdict::Unhealthy(_) if launched.instance.state == InstanceState::Unhealthy => {
                (InstanceState::Unhealthy, launched.run.reason.to_string())
            }
            Verdict::Unhealthy(reason) => (InstanceState::Unhealthy, reason),
        };
        // Who came back from an end is not ready because it was before.
        let is_new = launched.run.stage != Stage::Running;
        let state = if is_new && state == InstanceState::Unhealthy { InstanceState::Starting } else { state };
        let weight = self.group.map_or(Weight::ONE, |group| group.weight_of(launched.run.version));
        let image = seen.memory.images.get(&self.key).cloned();
        let forgets = seen.memory.healthy(&self.key, seen.now) >= seen.config.forget;
        self.say(|instance, run| {
            (instance.addresses, instance.ports, instance.state) = (addresses, ports, state);
            instance.weight = weight;
            run.stage = Stage::Running;
            run.reason = reason.into();
            run.failures = if forgets { 0 } else { run.failures };
            if let Some(image) = image {
                run.image = image.into();
            }
        });
    }

    /// Its container ended by itself.
    fn ended(self, exit: &Exit, container: &Container) {
        let Some(words) = self.seen.memory.words.get(&container.id) else {
            let id = container.id.clone();
            if self.launched.instance.state == InstanceState::Healthy {
                // Out of every set at once; why it ended is said when it is known.
                let copy = Turn { edits: self.edits, plan: self.plan, ..self };
                copy.plan.orders.push(Order {
                    key: copy.key.clone(),
                    host: container_host(copy.launched),
                    revision: copy.launched.stated.revision,
                    step: Step::LastWords(id),
                });
                return copy.say(|instance, run| {
                    instance.state = InstanceState::Unhealthy;
                    run.reason = said(exit, "").into();
                });
            }
            return self.order(Step::LastWords(id));
        };
        let reason = said(exit, words);
        if !self.is_over(exit) {
            return self.fails(&reason);
        }
        let failures = if is_well(exit) { 0 } else { self.launched.run.failures.saturating_add(1) };
        let (state, why) = match failures {
            0 => (InstanceState::Draining, "it ended as it should"),
            _ => (InstanceState::Unhealthy, "it is never started again"),
        };
        self.say(|instance, run| {
            (instance.state, run.stage, run.failures) = (state, Stage::Ended, failures);
            run.reason = format!("{reason}; {why}").into();
        });
    }

    /// Whether it is never started again after such an end.
    fn is_over(&self, exit: &Exit) -> bool {
        match self.launch().map(|launch| launch.restart).unwrap_or_default() {
            Restart::Always => false,
            Restart::OnFailure => is_well(exit),
            Restart::Never => true,
        }
    }

    /// It could not be started, or ended: it is tried again after a pause.
    fn fails(self, reason: &str) {
        let failures = self.launched.run.failures.saturating_add(1);
        let pause = pause(self.seen.config, failures);
        let reason = format!("{reason}; tried again {pause:?} after failure {failures}");
        self.say(|instance, run| {
            instance.state = InstanceState::Unhealthy;
            run.stage = Stage::Backoff;
            run.failures = failures;
            run.reason = reason.into();
        });
    }

    fn backoff(self, container: Option<&Container>) {
        if let Some(ContainerState::Running) = container.map(|container| &container.state)
            && let Some(container) = container
        {
            return self.runs(container);
        }
        if let Some(failure) = self.failure() {
            return self.fails(failure);
        }
        if let Some(container) = container
            && let ContainerState::Exited(exit) = &container.state
            && self.is_over(exit)
        {
            return self.ended(exit, container);
        }
        let age = self.seen.memory.age(&self.launched.stated.fact.key(), self.seen.now);
        if age < pause(self.seen.config, self.launched.run.failures) {
            return;
        }
        match container {
            // Another one is made: how often it ended is how many there were.
            Some(container) => self.order(Step::Remove(container.id.clone())),
            None => self.say(|instance, run| {
                instance.state = InstanceState::Starting;
                run.stage = Stage::Placed;
            }),
        }
    }

    fn draining(self) {
        let ttl = self.service.and_then(|service| service.ttl);
        let ttl = ttl.map(|ttl| Duration::from_secs(ttl.seconds().into()));
        match release(self.seen, self.launched, self.stop(), ttl) {
            Release::Waiting(_) => {}
            Release::Done(released) => self.say(|_, run| {
                run.stage = Stage::Stopping;
                run.release = Some(Box::new(released));
            }),
        }
    }

    fn stopping(self, container: Option<&Container>) {
        match container {
            Some(container) => {
                // The same reason is no new fact, and is tried again.
                let refused = self.failure().map(|why| super::short(&format!("it cannot be ended: {why}")));
                match refused.filter(|refused| **refused != *self.launched.run.reason) {
                    Some(refused) => self.say(|_, run| run.reason = refused.into()),
                    None => self.end(container),
                }
            }
            None => {
                let (service, host) = (self.service, container_host(self.launched));
                let hooks = match service.and_then(|service| Some((service, service.launch.as_deref()?))) {
                    Some((service, launch)) => spec::hooks(
                        &launch.hooks.after_stop,
                        &self.seen.config.fleet,
                        service,
                        &self.key,
                        &host,
                    ),
                    None => Vec::new(),
                };
                if hooks.is_empty() || self.seen.memory.after.contains(&self.key) {
                    self.edits.remove(self.launched.stated);
                } else {
                    self.order(Step::After(hooks));
                }
            }
        }
    }

    fn end(self, container: &Container) {
        let stop = self.stop();
        if let Some(step) = super::end(self.seen, container, stop.signal, stop.grace) {
            self.order(step);
        }
    }
}

/// Where a launched instance's container is.
fn container_host(launched: Launched<'_>) -> model::HostName {
    launched.instance.host.clone().unwrap_or_else(super::nowhere)
}

/// Whether a container did what it should.
fn is_well(exit: &Exit) -> bool {
    exit.code == 0 && !exit.out_of_memory && exit.error.is_empty()
}

/// How a container ended, in words, with what it said last.
fn said(exit: &Exit, words: &str) -> String {
    let how = match exit {
        Exit { error, .. } if !error.is_empty() => format!("it could not be started: {error}"),
        Exit { out_of_memory: true, .. } => {
            "it was killed: it took more memory than it may (raise `resources.memory_mib`)".to_owned()
        }
        Exit { code, .. } => format!("it exited with code {code}"),
    };
    if words.is_empty() { how } else { format!("{how}, saying: {words}") }
}

/// How long an instance that failed so often waits.
pub(super) fn pause(config: &Config, failures: u16) -> Duration {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    config.backoff.saturating_mul(1 << doublings).min(config.backoff_max)
}

/// What a service waits for before it starts; `None`: nothing.
fn waits(seen: Seen<'_>, launch: &Launch) -> Option<String> {
    launch.depends_on.iter().find_map(|(service, readiness)| {
        let mut instances = seen.facts.instances_of(service).map(|(instance, _)| instance);
        let version = Group::new(seen, service).version;
        let is_ready = |instance: &Instance| match (instance.run.as_deref(), readiness) {
            // What a job of another version did is not what is waited for.
            (Some(run), Readiness::Started) if run.stage == Stage::Ended => Some(run.version) == version,
            (Some(run), Readiness::Healthy | Readiness::Done) if run.is_done() => {
                Some(run.version) == version
            }
            (run, Readiness::Started) => {
                run.is_none_or(|run| matches!(run.stage, Stage::Running | Stage::Adopted))
            }
            (_, Readiness::Healthy) => instance.state == InstanceState::Healthy,
            (_, Readiness::Done) => false,
        };
        if instances.any(is_ready) {
            return None;
        }
        Some(match seen.facts.get(&FactKey::Service(service.clone())) {
            None => format!("it waits for {service}, and there is no such service"),
            Some(_) => format!("it waits for {service}"),
        })
    })
}

/// What an image's own check says of an instance in `state`: where that is not known, it is as it was.
fn image_says(container: &Container, state: InstanceState) -> Verdict {
    match &container.health {
        None if container.partial && state == InstanceState::Starting => Verdict::Starting,
        None if container.partial => Verdict::Stays,
        None => {
            Verdict::Unhealthy("its image has no HEALTHCHECK; give it one, or another heartbeat".to_owned())
        }
        Some(Health::Starting) => Verdict::Starting,
        Some(Health::Healthy) => Verdict::Healthy,
        Some(Health::Unhealthy(said)) => Verdict::Unhealthy(format!("its image's check failed: {said}")),
    }
}

/// Where an instance is reached: at its host, by the ports that the engine has published, or at its container. What the engine does not
/// tell is as it was; `None`: it was nowhere yet.
fn reached(
    seen: Seen<'_>,
    launched: Launched<'_>,
    service: Option<&Service>,
    container: &Container,
) -> Option<(Addresses, BTreeMap<PortName, NonZeroU16>)> {
    let instance = launched.instance;
    let host = instance.host.as_ref().and_then(|host| seen.host(host));
    let is_own = host.is_some_and(|host| host.instances_at == InstancesAt::Container);
    let told = match (is_own, host) {
        // Its host's port of that number is another's.
        (true, _) => Addresses::new(container.addresses.iter().copied()).ok(),
        (false, host) => host.and_then(|host| seen.facts.addresses_of(host)).cloned(),
    };
    if is_own && told.is_none() {
        let was_there = launched.run.stage == Stage::Running;
        return was_there.then(|| (instance.addresses.clone(), instance.ports.clone()));
    }
    let addresses = told.unwrap_or_else(|| instance.addresses.clone());
    let outside = |inside: NonZeroU16, protocol: Protocol| {
        let published = container.published.iter();
        let found = published.clone().find(|it| it.inside == inside && it.protocol == protocol);
        found.map(|published| published.outside)
    };
    let ports = service.into_iter().flat_map(|service| service.ports.iter());
    let ports = ports.filter_map(|port| {
        let before = || instance.ports.get(&port.name).copied().filter(|_| container.partial);
        let number = if is_own { Some(port.port) } else { outside(port.port, port.protocol).or_else(before) };
        Some((port.name.clone(), number?))
    });
    let ports: BTreeMap<PortName, NonZeroU16> = ports.collect();
    Some((addresses, if ports.is_empty() && !is_own { instance.ports.clone() } else { ports }))
}
