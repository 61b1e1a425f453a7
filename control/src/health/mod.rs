//! Whether an instance does what it should.
//!
//! In: what its checks said. Out: a [`Verdict`]; what is asked, and the asking itself (`probe`). Never here: a fact.

mod probe;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use model::launch::{Heartbeat, HeartbeatKind, Launch, ProbeTimes, Restart};
use model::{Addresses, HttpCheck, InstanceState, PortName, Protocol, Service};

use crate::plan::Pulse;
use crate::runtime::Container;

pub use probe::Asker;
pub(crate) use probe::pause;

/// A check that is to be asked again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Of which container.
    pub container: String,
    /// What is asked.
    pub question: Question,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many pass in a row until it is healthy: what passes beyond that says nothing new.
    pub rise: u8,
}

/// What is asked of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether it takes a connection.
    Tcp(SocketAddr),
    /// Whether it answers as expected.
    Http(SocketAddr, HttpCheck),
    /// Whether a command in it succeeds.
    Command(Vec<String>),
}

/// What follows from what checks said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it was.
    Stays,
    /// It takes requests.
    Healthy,
    /// It is not ready yet.
    Starting,
    /// It does not do what it should, and why.
    Unhealthy(String),
}

impl Probe {
    /// The check of a container; `None`: it is healthy when it runs, or its engine checks it.
    ///
    /// A service that says nothing of it is asked whether it takes connections at its first TCP port.
    ///
    /// # Errors
    /// The port that is to be asked is not there.
    pub fn of(
        launch: Option<&Launch>,
        service: Option<&Service>,
        container: &Container,
        addresses: &Addresses,
        ports: &BTreeMap<PortName, NonZeroU16>,
    ) -> Result<Option<Self>, String> {
        let at = |port: &PortName| {
            let missing = || format!("its port `{port}` is not there to be checked");
            let there = addresses.iter().next().zip(ports.get(port));
            there.map(|(ip, port)| SocketAddr::new(ip, port.get())).ok_or_else(missing)
        };
        let heartbeat = launch.and_then(|launch| launch.heartbeat.as_ref());
        let question = match heartbeat.map(|heartbeat| &heartbeat.kind) {
            Some(HeartbeatKind::Image) => return Ok(None),
            Some(HeartbeatKind::Http { port, check }) => Question::Http(at(port)?, check.clone()),
            Some(HeartbeatKind::Tcp { port }) => Question::Tcp(at(port)?),
            Some(HeartbeatKind::Command(words)) => {
                Question::Command(words.iter().map(str::to_owned).collect())
            }
            None => {
                let mut ports = service.into_iter().flat_map(|service| service.ports.iter());
                match ports.find(|port| port.protocol == Protocol::Tcp) {
                    Some(first) => Question::Tcp(at(&first.name)?),
                    None => return Ok(None),
                }
            }
        };
        let times = heartbeat.map_or_else(ProbeTimes::default, |heartbeat| heartbeat.times);
        let container = container.id.clone();
        let rise = heartbeat.map_or(1, |heartbeat| heartbeat.rise.get());
        Ok(Some(Self { container, question, interval: times.interval(), timeout: times.timeout(), rise }))
    }
}

/// Whether a service's instances are there to end: they run once, at no port, and nothing can be asked of them until they have.
pub fn is_job(service: &Service) -> bool {
    let runs_once = |launch: &Launch| launch.restart == Restart::Never && launch.heartbeat.is_none();
    service.launch.as_deref().is_some_and(runs_once) && service.ports.iter().next().is_none()
}

/// What follows for an instance in `state` from its pulse; `is_checked`: there is something to ask it.
pub fn verdict(
    state: InstanceState,
    heartbeat: Option<&Heartbeat>,
    pulse: Option<&Pulse>,
    is_checked: bool,
    now: Instant,
) -> Verdict {
    if !is_checked {
        return Verdict::Healthy;
    }
    let (rise, fall) = heartbeat.map_or((1, 3), |heartbeat| (heartbeat.rise.get(), heartbeat.fall.get()));
    let times = heartbeat.map_or_else(ProbeTimes::default, |heartbeat| heartbeat.times);
    let Some(pulse) = pulse else {
        return if state == InstanceState::Starting { Verdict::Starting } else { Verdict::Stays };
    };
    if pulse.passed >= rise.into() {
        return Verdict::Healthy;
    }
    let starts = state == InstanceState::Starting;
    let has_time = starts && now.saturating_duration_since(pulse.since) < times.start_period();
    if pulse.failed >= fall.into() && !has_time {
        return Verdict::Unhealthy(format!("its check failed: {}", pulse.reason));
    }
    Verdict::Stays
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: InstanceState, passed: u32, failed: u32, after: u64, expected: Verdict) {
        let since = Instant::now();
        let mut pulse = Pulse::new("c", since);
        (pulse.passed, pulse.failed, pulse.reason) = (passed, failed, "refused".to_owned());
        let now = since + Duration::from_secs(after);
        assert_eq!(
            verdict(state, None, Some(&pulse), true, now),
            expected,
            "{state:?} {passed} {failed} {after}"
        );
    }

    #[test]
    fn an_instance_rises_by_one_check_and_falls_by_three_but_not_while_it_starts() {
        let unhealthy = || Verdict::Unhealthy("its check failed: refused".to_owned());
        check(InstanceState::Starting, 1, 0, 0, Verdict::Healthy);
        check(InstanceState::Starting, 0, 9, 59, Verdict::Stays);
        check(InstanceState::Starting, 0, 9, 60, unhealthy());
        check(InstanceState::Healthy, 0, 2, 0, Verdict::Stays);
        check(InstanceState::Healthy, 0, 3, 0, unhealthy());
        check(InstanceState::Unhealthy, 1, 0, 0, Verdict::Healthy);
    }

    #[test]
    fn who_is_not_asked_anything_is_healthy_and_who_was_not_asked_yet_is_as_it_was() {
        let now = Instant::now();
        assert_eq!(verdict(InstanceState::Starting, None, None, false, now), Verdict::Healthy);
        assert_eq!(verdict(InstanceState::Starting, None, None, true, now), Verdict::Starting);
        assert_eq!(verdict(InstanceState::Healthy, None, None, true, now), Verdict::Stays);
    }
}
