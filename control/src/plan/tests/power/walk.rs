//! Whatever happens to hosts that are started and stopped, by chance, from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Fact, HostName, Instance, PowerState};

use super::super::super::Plan;
use super::failed;
use super::stand::{SECOND, Stand, host, name, spare, tried, web};

/// A host that is always there, two that are started, and whether these run in truth.
struct Walk {
    stand: Stand,
    runs: BTreeMap<HostName, bool>,
    /// What actions are about to do.
    acts: BTreeMap<HostName, bool>,
    chance: fastrand::Rng,
    term: u32,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut stand = Stand::new([host("a"), spare("b"), spare("c")]);
        stand.config.host_idle = Duration::from_secs(30);
        let runs = [(name("b"), false), (name("c"), false)].into();
        Self { stand, runs, acts: BTreeMap::new(), chance: fastrand::Rng::with_seed(seed), term: 1 }
    }

    /// Time passes; each engine answers, or does not.
    fn pass(&mut self, time: Duration) {
        self.stand.now += time;
        self.stand.answers("a");
        for (host, runs) in self.runs.clone() {
            match runs {
                true => self.stand.answers(host.as_str()),
                false => self.stand.silent(host.as_str()),
            }
        }
    }

    fn happen(&mut self) {
        match self.chance.u8(0..10) {
            0 | 1 => {
                let count = self.chance.u64(0..4);
                let service = if self.chance.bool() { tried(count) } else { web(count) };
                self.stand.state(Fact::Service(Box::new(service)));
            }
            2 => {
                let seconds = self.chance.u32(1..400);
                self.pass(SECOND * seconds);
            }
            3..6 => {
                let how = self.chance.u8(0..4);
                self.end(how);
            }
            6 => {
                // What it began may go on, or never have begun.
                self.end(2);
                self.acts.clear();
                self.term += 1;
                self.stand.control(self.term);
            }
            7 => {
                let host = if self.chance.bool() { name("b") } else { name("c") };
                self.runs.insert(host, self.chance.bool());
            }
            _ => {}
        }
        let millis = self.chance.u64(1..3000);
        self.pass(Duration::from_millis(millis));
    }

    /// An action ends: as it should, or else.
    fn end(&mut self, how: u8) {
        let Some((host, on)) = self.acts.pop_first() else { return };
        if how == 0 || how > 1 && self.chance.bool() {
            self.runs.insert(host.clone(), on);
        }
        let ended = match how {
            0 => Ok(()),
            1 => failed("no quota", false),
            _ => failed("it hung", true),
        };
        self.stand.ends(host.as_str(), ended);
    }

    /// Takes a turn, and looks at what is about to be done.
    fn turn(&mut self) {
        let facts = self.stand.facts.clone();
        let used =
            |host: &HostName| facts.instances().any(|(instance, _)| instance.host.as_ref() == Some(host));
        let plan = self.stand.turn();
        for instance in placed(&plan) {
            let (host, is_new) = (instance.host.clone().unwrap(), facts.get(&instance.key()).is_none());
            let power = facts.standing(&host).and_then(|(standing, _)| standing.power.clone());
            let runs = power.is_none_or(|power| power.state == PowerState::Running);
            assert!(!is_new || runs, "something is placed on {host}, which does not run");
        }
        let mut called = BTreeSet::new();
        for action in &plan.actions {
            let (host, starts) = (&action.host, action.call.name == "wake");
            assert!(called.insert(host.clone()) && !self.acts.contains_key(host), "{host} is called twice");
            assert!(starts || !used(host), "{host} is stopped with something on it");
            self.acts.insert(host.clone(), starts);
            self.stand.memory.acting.insert(host.clone());
        }
    }

    /// Nothing goes wrong any more, for so long.
    fn rest(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.end(0);
            self.end(0);
            self.pass(SECOND);
            self.turn();
        }
    }
}

fn placed(plan: &Plan) -> impl Iterator<Item = &Instance> {
    plan.edits.iter().filter_map(|edit| match &edit.fact {
        Some(Fact::Instance(instance)) => Some(&**instance),
        _ => None,
    })
}

#[test]
fn whatever_happens_nothing_is_stopped_that_is_used_and_nothing_runs_for_ever() {
    for seed in 0..300 {
        let mut walk = Walk::new(seed);
        for _ in 0..60 {
            walk.happen();
            walk.turn();
        }

        walk.stand.state(Fact::Service(Box::new(web(2))));
        walk.rest(1500);
        let places = walk.stand.places();
        let used = ["b", "c"].map(|host| places.iter().any(|place| place == host));
        assert_eq!(places.len(), 2, "seed {seed}: {places:?}, b {}", walk.stand.power("b"));
        assert_eq!(walk.runs.values().copied().collect::<Vec<_>>(), used, "seed {seed}: {places:?}");

        walk.stand.state(Fact::Service(Box::new(web(0))));
        walk.rest(200);
        assert!(walk.runs.values().all(|runs| !runs), "seed {seed}: what is idle is stopped");
    }
}
