//! The thin shell around checks: follows the tables, starts what is due, takes in what came of it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{Address, FactKey, HealthReport, HealthVerdict, HostPattern, Revision, Snapshot};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::agenda::{Agenda, Target, next_due};
use super::outcome::{Failure, Outcome};
use super::tally::{Seen, Turn};
use crate::caught::{Panicked, caught};
use crate::clock::{Millis, millis, now_ms};
use crate::config::CheckRules;
use crate::health::Marked;
use crate::route::{Route, RouteTable};
use crate::upstream::probe::probe;
use crate::upstream::resolve::Resolver;
use crate::worker::Shared;

/// How long the registry's mark of one that fails holds, in seconds, and how often it is told again: hipache-hchecker's numbers.
const MARK_SECONDS: u32 = 60;
const TELL_AGAIN_MS: u64 = 30_000;
/// How long nothing may happen before the settings are looked at again.
const IDLE: Duration = Duration::from_secs(1);

/// What the checks of this node count.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    passed: AtomicU64,
    failed: AtomicU64,
    delayed: AtomicU64,
    dropped: AtomicU64,
    checked: AtomicU64,
    panicked: AtomicU64,
}

/// What the checks of this node counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks {
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// Checks that were due while as many went on as may at once.
    pub delayed: u64,
    /// Results that found the registry's queue full.
    pub dropped: u64,
    /// Endpoints that are checked now, each as often as frontends want it.
    pub checked: u64,
}

impl Counts {
    /// Checks that were lost to a panic.
    pub(crate) fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> Checks {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Checks {
            passed: read(&self.passed),
            failed: read(&self.failed),
            delayed: read(&self.delayed),
            dropped: read(&self.dropped),
            checked: read(&self.checked),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A check that ended.
type Ended = (u64, Millis, Arc<Target>, Outcome);

/// Checks the endpoints of all frontends that want it.
#[derive(Debug)]
pub(crate) struct Checker {
    shared: Arc<Shared>,
    resolver: Resolver,
    counts: Arc<Counts>,
    agenda: Agenda,
    /// What the agenda was made of.
    snapshot: Arc<Snapshot>,
    running: JoinSet<Ended>,
    dice: fastrand::Rng,
}

impl Checker {
    pub(crate) fn new(shared: Arc<Shared>, resolver: Resolver, counts: Arc<Counts>) -> Self {
        Self {
            shared,
            resolver,
            counts,
            agenda: Agenda::default(),
            snapshot: Arc::new(Snapshot::empty()),
            running: JoinSet::new(),
            dice: fastrand::Rng::new(),
        }
    }

    /// Checks until the proxy drains, or its follower has ended. `served` tells of new tables.
    pub(crate) async fn run(
        mut self,
        mut served: watch::Receiver<Revision>,
        mut draining: watch::Receiver<bool>,
    ) {
        self.follow();
        loop {
            self.start_due();
            let pause = self.pause();
            tokio::select! {
                changed = served.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok(ended) = ended {
                        self.take(&ended);
                    }
                }
                _ = draining.wait_for(|draining| *draining) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes a check in that ended, and puts the next one on the agenda.
    fn take(&mut self, (id, begun, target, outcome): &Ended) {
        self.settle(*id, target, outcome);
        let rules = self.rules();
        let interval = target.check.interval.unwrap_or(rules.interval);
        let chance = self.dice.f64();
        self.agenda.again(*id, next_due(*begun, millis(interval), rules.jitter_percent, chance));
    }

    fn rules(&self) -> CheckRules {
        self.shared.settings.load().config.health.check.clone()
    }

    /// How long there is nothing to start.
    fn pause(&self) -> Duration {
        let full = self.running.len() >= self.rules().at_once.max(1);
        match self.agenda.next_due().filter(|_| !full) {
            Some(at) => Duration::from_millis(at.saturating_sub(now_ms())).min(IDLE),
            None => IDLE,
        }
    }

    /// Takes over what differs in the newest table.
    fn follow(&mut self) {
        let newest = Arc::clone(self.shared.table.load().snapshot());
        let (before, rules) = (std::mem::replace(&mut self.snapshot, Arc::clone(&newest)), self.rules());
        let (agenda, dice) = (&mut self.agenda, &mut self.dice);
        let mut ended: Vec<(FactKey, Vec<model::Address>)> = Vec::new();
        for difference in newest.diff(&before) {
            let gone = match difference.after.and_then(|stated| stated.fact.as_frontend()) {
                Some(frontend) => match &frontend.policy.check {
                    Some(check) => {
                        let interval = check.interval.unwrap_or(rules.interval);
                        // New ones are spread over an interval: a start does not ask everybody at once.
                        agenda.put(frontend, || now_ms() + dice.u64(0..=millis(interval)))
                    }
                    None => agenda.remove(&difference.key),
                },
                None => agenda.remove(&difference.key),
            };
            if !gone.is_empty() {
                ended.push((difference.key, gone));
            }
        }
        let table = self.shared.table.load();
        for (frontend, addresses) in ended {
            let ended = |address| self.shared.states.check_ended(&frontend, address, &table);
            addresses.iter().for_each(ended);
        }
        self.counts.checked.store(self.agenda.checked() as u64, Ordering::Relaxed);
    }

    /// Starts what is due, as far as there is room.
    fn start_due(&mut self) {
        let (now, rules) = (now_ms(), self.rules());
        while self.running.len() < rules.at_once.max(1) {
            let Some((id, target)) = self.agenda.take_due(now) else { return };
            let patience = target.check.timeout.unwrap_or(rules.timeout);
            let (shared, resolver) = (Arc::clone(&self.shared), self.resolver.clone());
            let (limit, dice) = (rules.body_bytes, self.dice.usize(..));
            let counts = Arc::clone(&self.counts);
            self.running.spawn(async move {
                let probing = caught(pin!(probe(&shared, &resolver, &target, patience, limit, dice))).await;
                let outcome = probing.unwrap_or_else(|Panicked| {
                    count(&counts.panicked);
                    tracing::error!(address = %target.address, "a check was lost to a panic, which is a defect of portico");
                    Outcome::Ours
                });
                (id, now, target, outcome)
            });
        }
        if self.agenda.next_due().is_some_and(|at| at <= now) {
            count(&self.counts.delayed);
        }
    }

    /// Takes a result in, for each frontend that wants it.
    fn settle(&mut self, id: u64, target: &Target, outcome: &Outcome) {
        let failure = match outcome {
            Outcome::Passed => None,
            Outcome::Failed(failure) => Some(failure),
            Outcome::Ours => return,
        };
        count(if failure.is_some() { &self.counts.failed } else { &self.counts.passed });
        let (table, now, rules) = (self.shared.table.load_full(), now_ms(), self.rules());
        let (rise, fall) = (target.check.rise.unwrap_or(rules.rise), target.check.fall.unwrap_or(rules.fall));
        let hand = Hand { shared: &self.shared, counts: &self.counts, table: &table, now };
        for user in self.agenda.users(id) {
            let Some(route) = hand.table.get(&user.frontend) else { continue };
            let places = 0..route.endpoints().len();
            let at = |index: &usize| route.candidate(*index).is_some_and(|c| *c.address() == target.address);
            let Some(index) = places.into_iter().find(at) else { continue };
            let Some(candidate) = route.candidate(index) else { continue };
            let seen = Seen {
                out: user.failing || candidate.state.is_out_by_check(),
                marked: candidate.state.is_marked_by_us(now) || candidate.state.is_marked_by_others(),
            };
            let turn = user.tally.take(failure.is_none(), seen, rise.get(), fall.get());
            if user.tally.has_risen(rise.get()) && !candidate.state.passes_its_check() {
                self.shared.states.check_passes(route, index);
            }
            match (turn, failure) {
                (Turn::Falls, Some(failure)) => {
                    user.failing = true;
                    user.told = hand.fell(route, index, failure, user.tally.fails(), user.told);
                }
                (Turn::Rises, _) => {
                    user.failing = false;
                    hand.rose(route, index);
                    let told = hand.tell(route, index, HealthVerdict::CheckPassed);
                    user.told = user.told.filter(|_| !told);
                }
                // The queue was full when it rose, and a mark still says otherwise.
                (Turn::Stays, None) if user.told.is_some() && !user.failing => {
                    let told = hand.tell(route, index, HealthVerdict::CheckPassed);
                    user.told = user.told.filter(|_| !told);
                }
                _ => {}
            }
        }
    }
}

/// What acts on results.
struct Hand<'a> {
    shared: &'a Shared,
    counts: &'a Counts,
    table: &'a RouteTable,
    now: Millis,
}

impl Hand<'_> {
    /// The endpoint failed as often as it may. `told`: when the registry was last told; answers the same.
    fn fell(
        &self,
        route: &Route,
        index: usize,
        failure: &Failure,
        fails: u8,
        told: Option<Millis>,
    ) -> Option<Millis> {
        let more = if fails == u8::MAX { " or more" } else { "" };
        let why = format!("check failed: {failure}, {fails}{more} in a row");
        let marked = self.shared.states.check_failed(route, index, &why, self.now);
        let address = route.candidate(index).map(|candidate| candidate.address());
        if let (Marked::Now, Some(address)) = (marked, address) {
            tracing::warn!(frontend = %route.key(), %address, %why, "an endpoint is out");
        }
        let due = told.is_none_or(|told| self.now.saturating_sub(told) >= TELL_AGAIN_MS);
        // Each node judges addresses by its own settings and listeners, and the last live one is marked for nobody.
        if marked == Marked::Spared || matches!(failure, Failure::Forbidden(_)) || !due {
            return told;
        }
        let verdict = HealthVerdict::CheckFailed { ttl_seconds: MARK_SECONDS, again: told.is_some() };
        if self.tell(route, index, verdict) { Some(self.now) } else { told }
    }

    fn rose(&self, route: &Route, index: usize) {
        let was_out = route.candidate(index).filter(|candidate| candidate.state.is_out(self.now));
        self.shared.states.check_passed(route, index);
        if let Some(candidate) = was_out {
            tracing::info!(frontend = %route.key(), address = %candidate.address(), "an endpoint is back");
        }
    }

    /// Tells the registry, for frontends that are hosts: hipache's marks have the name of one. False: it takes no more now.
    fn tell(&self, route: &Route, index: usize, verdict: HealthVerdict) -> bool {
        let frontend = route.frontend();
        let (HostPattern::Exact(host) | HostPattern::OnPort(host)) = &frontend.host else { return true };
        let Some(candidate) = route.candidate(index).filter(|_| frontend.path.is_root()) else { return true };
        if matches!(candidate.address(), Address::Unix(_)) {
            // On another machine it is another socket.
            return true;
        }
        let report = HealthReport {
            host: host.as_str().into(),
            frontend: route.key(),
            address: candidate.address().clone(),
            verdict,
        };
        let taken = self.shared.health.try_send(report).is_ok();
        if !taken {
            count(&self.counts.dropped);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Backend, BackendName, Check, CheckKind, Endpoint, ExpectedStatus, Frontend, HttpCheck, PathPrefix,
        Policy, Rare, Weight,
    };

    use super::*;
    use crate::config::UpstreamLimits;
    use crate::upstream::names::Found;
    use crate::worker::Worker;

    /// One that is checked without a pause.
    fn frontend() -> Frontend {
        let check = HttpCheck::new("/", ExpectedStatus::Any, "").expect("a check");
        let (interval, kind) = (Some(Duration::ZERO), CheckKind::Http(check));
        let check = Some(Check { kind, interval, timeout: None, rise: None, fall: None }.into());
        let address = Address::parse_url("http://127.0.0.1:9").expect("an address");
        let endpoints = vec![Endpoint { address, weight: Weight::ONE }].into();
        let name = BackendName::parse("web").expect("a name");
        Frontend {
            host: HostPattern::parse("panic.test").expect("a host"),
            path: PathPrefix::root(),
            backend: Backend { name, endpoints, rejected: Rare::default() },
            policy: Policy { check, ..Policy::default() }.into(),
        }
    }

    #[tokio::test]
    async fn a_check_that_panics_says_nothing_and_is_due_again() {
        let alone = model::Alarm::default();
        let resolver =
            Resolver::with(&UpstreamLimits::default(), &alone, |_| std::future::ready(Found::Nothing));
        let worker = Worker::alone(resolver.clone());
        let counts = Arc::<Counts>::default();
        let mut checker = Checker::new(Arc::clone(&worker.shared), resolver, Arc::clone(&counts));
        checker.agenda.put(&frontend(), || 0);

        for turn in 1..=2 {
            checker.start_due();
            assert_eq!(checker.agenda.next_due(), None, "it goes on");
            let ended = checker.running.join_next().await.expect("one goes on").expect("it does not panic");
            checker.take(&ended);

            assert!(checker.agenda.next_due().is_some(), "it is due again");
            assert_eq!((counts.panicked(), counts.read().passed, counts.read().failed), (turn, 0, 0));
        }
    }
}
