//! One host: where it is found, whether it runs, and what follows.
//!
//! | power | its engine | what follows |
//! |---|---|---|
//! | – | answers, is lost | running, stopped |
//! | stopped | answers | running |
//! | stopped | silent | starting, when something fits nowhere but there; after a failure, when its pause is over |
//! | starting | answers | running |
//! | starting | silent | its action is called, once; when that failed, stopped; when nobody knows what it did, stopping |
//! | running | lost | stopped |
//! | running | answers | stopping, when it was idle for long enough |
//! | stopping | answers | its action is called, again after a pause when it failed; running, when something is there still |
//! | stopping | silent | stopped, when its action has ended well |
//!
//! An action that a controller before may have begun is waited for as long as an action may take, and only then called again: what is not
//! known is not done twice without need, and nothing that was started is left running for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{
    Fact, FactKey, Host, HostName, Label, Power, PowerState, ServiceName, Stage, Standing, Stated, Version,
};

use super::rollout::Group;
use super::{Edits, HookCall, HostAction, HostView, Plan, Seen, canary, short};
use crate::act::Failed;
use crate::runtime::ContainerState;
use crate::schedule::{Copies, Fleet, Placed, Schedule, State, schedule};

/// What tiers are apart that run, are being started, and would have to be: more than there are numbers of tiers.
const APART: u32 = 1 << 16;
/// How the reason of a host ends whose action this controller does not know.
const DEFINE: &str = "define it in `control.actions` of the controller's configuration";

/// Why nothing can start on a host yet, though it has an engine; `None`: something can.
pub(super) fn unready(seen: Seen<'_>, name: &HostName) -> Option<String> {
    let host = seen.host(name)?;
    let standing = seen.facts.standing(name).map(|(standing, _)| standing);
    if host.start.is_some()
        && let Some(power) = standing.and_then(|standing| standing.power.as_ref())
    {
        match power.state {
            PowerState::Running => {}
            PowerState::Starting => return Some(starting(power)),
            PowerState::Stopping => return Some("it is being stopped".to_owned()),
            PowerState::Stopped => return Some(format!("it is stopped{}", stopped(seen, host, power))),
        }
    }
    if seen.facts.addresses_of(host).is_some() {
        return None;
    }
    let why = standing.map(|standing| &*standing.lost).filter(|why| !why.is_empty());
    Some(match why {
        Some(why) => format!("its address is not known: {why}"),
        None => "its address is not known yet".to_owned(),
    })
}

/// That a host is being started, and what became of that before.
fn starting(power: &Power) -> String {
    match power.failures {
        0 => "it is being started".to_owned(),
        failures => format!("it is being started, after failure {failures}: {}", power.reason),
    }
}

/// What stands in the way of starting a host, or what starts it.
fn stopped(seen: Seen<'_>, host: &Host, power: &Power) -> String {
    if host.cordoned || host.draining {
        return ", and cordoned".to_owned();
    }
    if let Some(why) = undefined(seen, host.start.as_ref()) {
        return format!(", and {why}");
    }
    if !is_declared(host) {
        return ", and nobody said what it holds; say `capacity.cpu_millis` and `capacity.memory_mib`"
            .to_owned();
    }
    if power.failures > 0 {
        let pause = pause(seen, power.failures);
        return format!(
            "; after failure {} it is tried again {pause:?} later: {}",
            power.failures, power.reason
        );
    }
    "; it is started when something fits nowhere else".to_owned()
}

/// Whether what a host holds is known before it runs.
fn is_declared(host: &Host) -> bool {
    host.capacity.cpu().is_some() && host.capacity.memory().is_some()
}

/// Why an action cannot be called; `None`: it can, or there is none.
fn undefined(seen: Seen<'_>, action: Option<&Label>) -> Option<String> {
    let name = action.filter(|name| seen.config.actions.iter().all(|action| action.name != **name))?;
    Some(format!("its action `{name}` is not defined; {DEFINE}"))
}

/// How long a host that could not be started, or stopped, so often is left alone.
fn pause(seen: Seen<'_>, failures: u16) -> Duration {
    super::instance::pause(seen.config, failures)
}

/// Who needs hosts that do not run.
#[derive(Default)]
pub(super) struct Needs {
    /// The hosts that something is to start on, now or once they run.
    pub(super) hosts: BTreeSet<HostName>,
    /// The versions of which something waits for a host that is being started.
    pub(super) waiting: BTreeSet<(ServiceName, Version)>,
}

/// Who needs which hosts: what fits nowhere among those that run goes to those that are being started, and then to those that could be, by
/// their priorities; what is tried after all else.
pub(super) fn needs(
    seen: Seen<'_>,
    groups: &BTreeMap<ServiceName, Group<'_>>,
    fleet: Fleet,
    (decided, canaries): (&Schedule, &Schedule),
    edits: &Edits,
) -> Needs {
    let starts = decided.start.iter().chain(&canaries.start);
    let mut needs = Needs { hosts: starts.map(|start| start.host.clone()).collect(), ..Needs::default() };
    // Who leaves makes room: it is not known yet whether a host is needed.
    let leaves = |service: &ServiceName| {
        let is_of_it = |fact: &Fact| match fact {
            Fact::Instance(instance) => instance.service == *service && instance.is_leaving(),
            _ => false,
        };
        groups.get(service).is_some_and(|group| !group.leaving.is_empty()) || edits.facts().any(is_of_it)
    };
    // One on every host starts none.
    let is_everywhere = |service: &ServiceName| {
        fleet.wanted.get(service).is_some_and(|wanted| wanted.copies == Copies::EveryHost)
    };
    let wants = |schedule: &Schedule| -> BTreeSet<ServiceName> {
        let missing = schedule.unplaced.keys();
        missing.filter(|service| !leaves(service) && !is_everywhere(service)).cloned().collect()
    };
    let (wanted, tried) = (wants(decided), wants(canaries));
    if wanted.is_empty() && tried.is_empty() {
        return needs;
    }
    let mut wide = fleet;
    let mut is_any = false;
    for (name, machine) in &mut wide.machines {
        let Some(later) = later(seen, name) else { continue };
        (machine.state, machine.unready) = (State::Available, None);
        machine.tier = machine.tier.saturating_add(later * APART);
        is_any = true;
    }
    if is_any {
        let all = schedule(&wide);
        let beside = canary::places(&wide, groups, &all);
        let group = |start: &Placed| groups.get(&start.service);
        let all = all.start.iter().filter(|start| wanted.contains(&start.service));
        let all = all.map(|start| (start, group(start).and_then(|group| group.version)));
        let beside = beside.start.iter().filter(|start| tried.contains(&start.service));
        let beside = beside.map(|start| (start, group(start).and_then(Group::tried)));
        for (start, version) in all.chain(beside) {
            needs.hosts.insert(start.host.clone());
            let waits = version.filter(|_| is_awaited(seen, &start.host));
            needs.waiting.extend(waits.map(|version| (start.service.clone(), version)));
        }
    }
    needs
}

/// Whether a host that is being started is worth more time of what waits for it: one that failed as often as a new version may is not.
fn is_awaited(seen: Seen<'_>, host: &HostName) -> bool {
    let power = seen.facts.standing(host).and_then(|(standing, _)| standing.power.as_ref());
    power.is_some_and(|power| power.state == PowerState::Starting && power.failures < seen.config.failures)
}

/// How far a host is from taking instances: 0: its engine or its address is just not known, 1: it is being started, 2: it could be;
/// `None`: it takes some already, or none for now.
fn later(seen: Seen<'_>, name: &HostName) -> Option<u32> {
    let host = seen.host(name).filter(|host| !host.cordoned && !host.draining)?;
    let view = seen.hosts.get(name);
    let standing = seen.facts.standing(name).map(|(standing, _)| standing);
    let power = standing.and_then(|standing| standing.power.as_ref()).filter(|_| host.start.is_some());
    match power.map(|power| (power, power.state)) {
        Some((_, PowerState::Starting)) => Some(1),
        Some((power, PowerState::Stopped)) => {
            let is_fine = undefined(seen, host.start.as_ref()).is_none() && is_declared(host);
            (is_fine && is_rested(seen, name, power)).then_some(2)
        }
        Some((_, PowerState::Stopping)) => None,
        Some((_, PowerState::Running)) | None => {
            let is_silent = view.is_none_or(|view| view.listed.is_none() || view.silent.is_some());
            let is_sought = seen.facts.addresses_of(host).is_none()
                && view.is_some_and(|view| !matches!(view.found, Some(Err(_))));
            ((is_silent || is_sought) && !seen.is_lost(name)).then_some(0)
        }
    }
}

/// Whether what failed may be tried again.
fn is_rested(seen: Seen<'_>, host: &HostName, power: &Power) -> bool {
    let age = seen.memory.age(&FactKey::Standing(host.clone()), seen.now);
    power.failures == 0 || age >= pause(seen, power.failures)
}

/// What follows for each host.
pub(super) fn next(seen: Seen<'_>, needed: &BTreeSet<HostName>, edits: &mut Edits, plan: &mut Plan) {
    let taken: BTreeSet<HostName> = edits
        .facts()
        .filter_map(|fact| match fact {
            Fact::Instance(instance) => instance.host.clone(),
            _ => None,
        })
        .collect();
    for (host, _) in seen.facts.hosts() {
        let before = seen.facts.standing(&host.name);
        let mut standing =
            before.map_or_else(|| Standing::new(host.name.clone()), |(standing, _)| standing.clone());
        // What follows from an action is of one fact: until its end is known, that says nothing else.
        let is_acting =
            |power: &Power| matches!(power.state, PowerState::Starting | PowerState::Stopping) && !power.done;
        let is_acted_on = standing.power.as_ref().is_some_and(is_acting);
        if let Some(view) = seen.hosts.get(&host.name).filter(|_| !is_acted_on) {
            find(host, view, &mut standing);
        }
        let turn =
            Turn { seen, host, before, is_needed: needed.contains(&host.name) || taken.contains(&host.name) };
        standing.power = match (&host.start, seen.hosts.get(&host.name)) {
            (None, _) | (_, None) => None,
            (Some(_), Some(view)) => turn.power(view, standing.power.take(), plan),
        };
        match before {
            Some((_, stated)) if standing == Standing::new(host.name.clone()) => edits.remove(stated),
            None if standing == Standing::new(host.name.clone()) => {}
            before => edits.put(Fact::Standing(Box::new(standing)), before.map(|(_, stated)| stated)),
        }
    }
    for (standing, stated) in seen.facts.standings() {
        if seen.facts.get(&FactKey::Host(standing.host.clone())).is_none() {
            edits.remove(stated);
        }
    }
}

/// Where a host is found that does not say where it is. What was known stays, where nothing else is.
fn find(host: &Host, view: &HostView, standing: &mut Standing) {
    match &view.found {
        _ if host.addresses.is_some() => (standing.addresses, standing.lost) = (None, Box::default()),
        Some(Ok(found)) => (standing.addresses, standing.lost) = (Some(found.clone()), Box::default()),
        // What it says may differ each time: the first word stands.
        Some(Err(why)) if standing.addresses.is_none() && standing.lost.is_empty() => {
            standing.lost = short(why).into();
        }
        _ => {}
    }
}

/// One host that may be started.
#[derive(Clone, Copy)]
struct Turn<'a> {
    seen: Seen<'a>,
    host: &'a Host,
    before: Option<(&'a Standing, &'a Stated)>,
    is_needed: bool,
}

impl Turn<'_> {
    fn power(self, view: &HostView, power: Option<Power>, plan: &mut Plan) -> Option<Power> {
        let (seen, name) = (self.seen, &self.host.name);
        let answers = seen.view(name, None).is_some();
        let Some(power) = power else {
            let state = match (answers, seen.is_lost(name)) {
                (true, _) => PowerState::Running,
                (false, true) => PowerState::Stopped,
                (false, false) => return None,
            };
            return Some(self.known(Power { state, ..Power::default() }));
        };
        if seen.memory.acting.contains(name) {
            return Some(power);
        }
        Some(match power.state {
            PowerState::Stopped | PowerState::Starting if answers => {
                self.known(Power { state: PowerState::Running, ..Power::default() })
            }
            PowerState::Stopped => self.stopped(power),
            PowerState::Starting => self.starting(view, power, plan),
            PowerState::Running => self.running(answers, power),
            PowerState::Stopping => self.stopping(view, answers, power, plan),
        })
    }

    fn stopped(self, power: Power) -> Power {
        let is_wanted = self.is_needed && later(self.seen, &self.host.name) == Some(2);
        match is_wanted {
            true => Power { state: PowerState::Starting, done: false, ..power },
            false => self.known(power),
        }
    }

    fn starting(self, view: &HostView, power: Power, plan: &mut Plan) -> Power {
        let state = |state, why: &str| Power { state, done: false, ..failed(&power, why) };
        // What nobody knows the end of may run.
        let unclear = if self.host.stop.is_some() { PowerState::Stopping } else { PowerState::Stopped };
        match self.ended() {
            Some(Ok(())) => return Power { done: true, ..power },
            Some(Err(failure)) if failure.hung => return state(unclear, &failure.why),
            Some(Err(failure)) => return state(PowerState::Stopped, &failure.why),
            None => {}
        }
        if power.done {
            let wait = self.seen.config.host_wait;
            if self.age() >= wait {
                return state(
                    unclear,
                    &format!("its engine does not answer {wait:?} after that: {}", view.error),
                );
            }
        } else if self.may_call() {
            self.call(self.host.start.as_ref(), "start", plan);
        }
        power
    }

    fn running(self, answers: bool, power: Power) -> Power {
        let (seen, name) = (self.seen, &self.host.name);
        if seen.is_lost(name) {
            let reason = "its engine does not answer any more".into();
            return Power { state: PowerState::Stopped, reason, ..Power::default() };
        }
        if power.failures > 0 && is_used(seen, name) {
            return self.known(Power { state: PowerState::Running, ..Power::default() });
        }
        let idle = seen.memory.idle.get(name).map(|since| seen.now.saturating_duration_since(*since));
        let was_idle = idle.is_some_and(|idle| idle >= seen.config.host_idle);
        let can_stop = self.host.stop.is_some() && undefined(seen, self.host.stop.as_ref()).is_none();
        if answers && was_idle && can_stop && !self.is_needed && is_rested(seen, name, &power) {
            return Power { state: PowerState::Stopping, done: false, ..power };
        }
        self.known(power)
    }

    fn stopping(self, view: &HostView, answers: bool, power: Power, plan: &mut Plan) -> Power {
        match self.ended() {
            Some(Ok(())) => return Power { done: true, ..power },
            Some(Err(failure)) => return failed(&power, &failure.why),
            None => {}
        }
        if self.host.stop.is_none() {
            let state = if answers { PowerState::Running } else { PowerState::Stopped };
            return Power { state, ..Power::default() };
        }
        let wait = self.seen.config.host_wait;
        if power.done && !answers && view.silent.is_some() {
            return Power { state: PowerState::Stopped, done: false, ..power };
        }
        if power.done && answers && self.age() >= wait {
            let why = format!("its engine answers still {wait:?} after it was stopped");
            return Power { state: PowerState::Running, done: false, ..failed(&power, &why) };
        }
        if power.done || !self.may_call() {
            return power;
        }
        if answers && (self.is_needed || is_used(self.seen, &self.host.name)) {
            return Power { state: PowerState::Running, ..Power::default() };
        }
        if is_rested(self.seen, &self.host.name, &power) {
            self.call(self.host.stop.as_ref(), "stop", plan);
        }
        power
    }

    /// With what stands in the way of what comes next.
    fn known(self, power: Power) -> Power {
        let action = match power.state {
            PowerState::Stopped => self.host.start.as_ref(),
            _ => self.host.stop.as_ref(),
        };
        match undefined(self.seen, action) {
            Some(why) => Power { reason: why.into(), ..power },
            None if power.reason.ends_with(DEFINE) => Power { reason: Box::default(), ..power },
            None => power,
        }
    }

    /// What became of the action that follows from what stands there.
    fn ended(&self) -> Option<&Result<(), Failed>> {
        let (revision, ended) = self.seen.memory.ended.get(&self.host.name)?;
        (Some(*revision) == self.before.map(|(_, stated)| stated.revision)).then_some(ended)
    }

    fn age(self) -> Duration {
        self.seen.memory.age(&FactKey::Standing(self.host.name.clone()), self.seen.now)
    }

    /// Whether nobody else can be about to do what is stated: this controller stated it, or another one's time is up.
    fn may_call(self) -> bool {
        let Some((_, stated)) = self.before else { return false };
        stated.revision > self.seen.memory.token || self.age() >= self.seen.config.action_timeout
    }

    fn call(self, action: Option<&Label>, what: &str, plan: &mut Plan) {
        let (Some(name), Some((_, stated))) = (action, self.before) else { return };
        let host = self.host;
        let engine = host.engine.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut environment = vec![
            ("PORTICO_ACTION".to_owned(), what.to_owned()),
            ("PORTICO_HOST".to_owned(), host.name.to_string()),
            ("PORTICO_ENGINE".to_owned(), engine),
        ];
        let cloud = host.cloud.iter();
        environment.extend(cloud.map(|(key, value)| (Host::cloud_variable(key), value.to_owned())));
        let call = HookCall { name: name.to_string(), environment };
        plan.actions.push(HostAction { host: host.name.clone(), revision: stated.revision, call });
    }
}

fn failed(power: &Power, why: &str) -> Power {
    Power { failures: power.failures.saturating_add(1), reason: short(why).into(), ..power.clone() }
}

/// Whether anything of ours, or that joined us, is on a host, or is still to end there.
pub(super) fn is_used(seen: Seen<'_>, name: &HostName) -> bool {
    let is_there = |instance: &model::Instance| {
        let is_over = instance.run.as_ref().is_some_and(|run| run.stage == Stage::Ended);
        instance.host.as_ref() == Some(name) && !is_over
    };
    let runs =
        |view: &HostView| view.containers.iter().any(|container| container.state == ContainerState::Running);
    seen.facts.instances().any(|(instance, _)| is_there(instance)) || seen.hosts.get(name).is_some_and(runs)
}

/// Since when hosts that run have nothing to do; those that do are left out.
pub(super) fn idle(
    seen: Seen<'_>,
    mut before: BTreeMap<HostName, std::time::Instant>,
) -> BTreeMap<HostName, std::time::Instant> {
    let runs =
        |standing: &Standing| standing.power.as_ref().is_some_and(|power| power.state == PowerState::Running);
    let running =
        seen.facts.standings().filter(|(standing, _)| runs(standing)).map(|(standing, _)| &standing.host);
    let idle = running.filter(|host| seen.view(host, None).is_some() && !is_used(seen, host));
    idle.map(|host| (host.clone(), before.remove(host).unwrap_or(seen.now))).collect()
}
