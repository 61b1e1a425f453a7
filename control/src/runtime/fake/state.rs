//! What the engine has. Time passes when it is looked at: what ended since is told as it ended then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use model::Protocol;
use model::launch::{Image, Signal};
use tokio::time::Instant;

use super::{Asked, Behaviour, Call, Fault};
use crate::runtime::{
    Container, ContainerState, Engine, Exit, Health, LogLine, Published, RuntimeError, Spec,
};

/// The first port that is published.
const FIRST_PORT: u16 = 32_768;
/// What a process ends with that is killed.
pub(super) const KILLED: i64 = 137;

pub(super) struct State {
    pub(super) engine: Engine,
    pub(super) images: BTreeMap<String, Behaviour>,
    pub(super) fault: Fault,
    /// The longest that a call takes.
    pub(super) slow: Duration,
    pub(super) calls: Vec<Call>,
    pub(super) chance: fastrand::Rng,
    fetched: BTreeSet<String>,
    made: BTreeMap<String, Made>,
    next_port: u16,
}

/// A container.
struct Made {
    told: Container,
    behaviour: Behaviour,
    /// What is published while it runs.
    ports: Vec<(NonZeroU16, Protocol)>,
    /// Since when it runs.
    since: Instant,
    /// When it ends, and how; `None`: not by itself.
    ends: Option<(Instant, Exit)>,
    printed: Vec<LogLine>,
}

impl Made {
    /// Its ports are another's then, or its own again at another number.
    fn end(&mut self, exit: Exit) {
        (self.ends, self.told.state) = (None, ContainerState::Exited(exit));
        self.told.published.clear();
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            engine: Engine { version: "0.0.0".to_owned(), cpu_millis: 4000, memory: 4 << 30 },
            images: BTreeMap::new(),
            fault: Fault::None,
            slow: Duration::ZERO,
            calls: Vec::new(),
            chance: fastrand::Rng::with_seed(seed),
            fetched: BTreeSet::new(),
            made: BTreeMap::new(),
            next_port: FIRST_PORT,
        }
    }

    pub(super) fn note(&mut self, asked: Asked) {
        self.calls.push(Call { at: Instant::now(), asked });
    }

    /// Has end what should have by now; whether anything did.
    pub(super) fn pass(&mut self) -> bool {
        let now = Instant::now();
        let mut any = false;
        for made in self.made.values_mut() {
            if made.told.state != ContainerState::Running {
                continue;
            }
            if let Some((_, exit)) = made.ends.take_if(|(at, _)| *at <= now) {
                made.end(exit);
                any = true;
            } else if let Some((after, says)) = &made.behaviour.check
                && now.saturating_duration_since(made.since) >= *after
            {
                let says = match says {
                    Ok(()) => Health::Healthy,
                    Err(printed) => Health::Unhealthy(printed.clone()),
                };
                any |= made.told.health.replace(says.clone()) != Some(says);
            }
        }
        any
    }

    /// When something happens next by itself.
    pub(super) fn next(&self) -> Option<Instant> {
        let running = self.made.values().filter(|made| made.told.state == ContainerState::Running);
        let due = |made: &Made| {
            let check = made.behaviour.check.as_ref().map(|(after, _)| made.since + *after);
            let check = check.filter(|_| made.told.health == Some(Health::Starting));
            made.ends.as_ref().map(|(at, _)| *at).into_iter().chain(check).min()
        };
        running.filter_map(due).min()
    }

    pub(super) fn list(&mut self) -> Vec<Container> {
        self.pass();
        let ours = |told: &&Container| told.labels.keys().any(|label| label.starts_with("portico."));
        self.made.values().map(|made| &made.told).filter(ours).cloned().collect()
    }

    pub(super) fn all(&mut self) -> Vec<Container> {
        self.pass();
        self.made.values().map(|made| made.told.clone()).collect()
    }

    pub(super) fn has(&self, image: &Image) -> bool {
        let is_there = self.images.get(image.as_str()).is_some_and(|behaviour| behaviour.is_there);
        is_there || self.fetched.contains(image.as_str())
    }

    pub(super) fn fetched(&mut self, image: &Image) {
        self.fetched.insert(image.as_str().to_owned());
    }

    pub(super) fn create(&mut self, spec: &Spec) -> Result<String, RuntimeError> {
        let behaviour = self.images.get(spec.image.as_str()).filter(|_| self.has(&spec.image)).cloned();
        let Some(behaviour) = behaviour else { return Err(no_image(&spec.image)) };
        if let Some(why) = behaviour.refused {
            return Err(RuntimeError::Refused(why));
        }
        if self.made.contains_key(&spec.name) {
            return Err(RuntimeError::Taken(spec.name.clone()));
        }
        let id = format!("{:032x}{:032x}", self.chance.u128(..), self.chance.u128(..));
        let told = Container {
            id: id.clone(),
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            image: spec.image.as_str().to_owned(),
            state: ContainerState::Created,
            health: behaviour.check.as_ref().map(|_| Health::Starting),
            published: Vec::new(),
            addresses: vec![IpAddr::V4(Ipv4Addr::new(172, 17, self.chance.u8(..), self.chance.u8(..)))],
            partial: false,
        };
        let (ports, since) = (spec.published.clone(), Instant::now());
        let made = Made { told, behaviour, ports, since, ends: None, printed: Vec::new() };
        self.made.insert(spec.name.clone(), made);
        Ok(id)
    }

    /// The container, where it is there.
    fn made(&mut self, id: &str) -> Result<&mut Made, RuntimeError> {
        self.pass();
        let found = self.made.values_mut().find(|made| made.told.id == id);
        found.ok_or_else(|| RuntimeError::NoContainer(id.to_owned()))
    }

    pub(super) fn start(&mut self, id: &str) -> Result<(), RuntimeError> {
        let mut next = self.next_port;
        let made = self.made(id)?;
        if made.told.state != ContainerState::Running {
            let published = made.ports.iter().filter_map(|(inside, protocol)| {
                let outside = NonZeroU16::new(next)?;
                next = next.checked_add(1).unwrap_or(FIRST_PORT);
                Some(Published { inside: *inside, protocol: *protocol, outside, is_local: false })
            });
            made.told.published = published.collect();
            let now = Instant::now();
            (made.told.state, made.since) = (ContainerState::Running, now);
            made.told.health = made.behaviour.check.as_ref().map(|_| Health::Starting);
            made.ends = made.behaviour.ends.clone().map(|(after, exit)| (now + after, exit));
            made.printed.extend(made.behaviour.prints.iter().cloned());
            self.next_port = next;
            self.pass();
        }
        Ok(())
    }

    pub(super) fn signal(&mut self, id: &str, signal: Option<Signal>) -> Result<(), RuntimeError> {
        let made = self.made(id)?;
        let name = signal.map_or("TERM", Signal::name);
        let after = if name == "KILL" { Some(Duration::ZERO) } else { made.behaviour.hears };
        if let Some(after) = after {
            let (at, code) = (Instant::now() + after, 128 + number(name));
            if made.ends.as_ref().is_none_or(|(before, _)| at < *before) {
                made.ends = Some((at, Exit { code, ..Exit::default() }));
            }
        }
        self.pass();
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.made.retain(|_, made| made.told.id != id);
    }

    /// One that runs ends now, so.
    pub(super) fn die(&mut self, id: &str, exit: Exit) {
        if let Ok(made) = self.made(id)
            && made.told.state == ContainerState::Running
        {
            made.end(exit);
        }
    }

    /// All that run are killed.
    pub(super) fn restart(&mut self) {
        self.pass();
        for made in self.made.values_mut().filter(|made| made.told.state == ContainerState::Running) {
            made.end(Exit { code: KILLED, ..Exit::default() });
        }
    }

    /// What it printed, and whether it may print more.
    pub(super) fn printed(&mut self, id: &str) -> Result<(Vec<LogLine>, bool), RuntimeError> {
        let made = self.made(id)?;
        Ok((made.printed.clone(), made.told.state == ContainerState::Running))
    }

    /// Whether a command goes on until its container ends, which has not ended.
    pub(super) fn goes_on(&mut self, id: &str, words: &[String]) -> bool {
        let made = self.made(id).ok().filter(|made| made.told.state == ContainerState::Running);
        made.is_some_and(|made| made.behaviour.endless.contains(words))
    }

    /// What a command prints, and its exit code; `None`: it prints what it reads.
    pub(super) fn exec(
        &mut self,
        id: &str,
        words: &[String],
    ) -> Result<Option<(Vec<LogLine>, i64)>, RuntimeError> {
        let made = self.made(id)?;
        if made.told.state != ContainerState::Running {
            return Err(RuntimeError::Refused(format!("{id} does not run")));
        }
        let known = made.behaviour.commands.get(words).cloned();
        Ok(match known {
            None if words == ["cat"] => None,
            known => {
                let is_ready = made.since.elapsed() >= made.behaviour.ready;
                Some(known.unwrap_or_else(|| (Vec::new(), if is_ready { made.behaviour.code } else { 1 })))
            }
        })
    }
}

/// There is none of that name here.
pub(super) fn no_image(image: &Image) -> RuntimeError {
    let reason = "it is not on this host; pull it, or push it to its registry".to_owned();
    RuntimeError::NoImage { image: image.as_str().to_owned(), reason }
}

/// A signal's number (Linux).
fn number(name: &str) -> i64 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "WINCH" => 28,
        _ => 15,
    }
}
