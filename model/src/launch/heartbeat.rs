//! How an instance is known to be well.

use std::num::NonZeroU8;
use std::time::Duration;

use super::Words;
use crate::check::HttpCheck;
use crate::label::PortName;

/// The longest interval, timeout or start period: a day.
pub const MAX_PROBE_TIME: Duration = Duration::from_secs(24 * 3600);
/// The shortest interval: more often, a probe is a load of its own.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// How an instance is asked whether it is well, and when that is believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// What is done.
    pub kind: HeartbeatKind,
    /// How often, and for how long.
    pub times: ProbeTimes,
    /// Well after passing so many in a row.
    pub rise: NonZeroU8,
    /// Not well after failing so many in a row.
    pub fall: NonZeroU8,
}

/// What is done to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeartbeatKind {
    /// Asks over HTTP at a port of the service, and looks at the answer.
    Http {
        /// At which port.
        port: PortName,
        /// What for, and what is expected.
        check: HttpCheck,
    },
    /// A port of the service is connected to.
    Tcp {
        /// Which.
        port: PortName,
    },
    /// A command is run inside; passes when it ends with 0.
    Command(Words),
    /// The image says how (its HEALTHCHECK), and the engine does it.
    Image,
}

/// How often an instance is asked, and for how long it may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeTimes {
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
}

/// Why times cannot be those of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeTimesError {
    /// Outside 100 ms to a day.
    #[error("the interval is outside 100 ms to a day")]
    Interval,
    /// Outside 1 ms to a day.
    #[error("the timeout is outside 1 ms to a day")]
    Timeout,
    /// Longer than a day.
    #[error("the start period is longer than a day")]
    StartPeriod,
}

impl Default for ProbeTimes {
    /// Every 2 s, for 1 s each, after a start of up to a minute in which failing does not count.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            start_period: Duration::from_secs(60),
        }
    }
}

impl ProbeTimes {
    /// Checks times.
    ///
    /// # Errors
    /// [`ProbeTimesError`] names the one that cannot be.
    pub fn new(
        interval: Duration,
        timeout: Duration,
        start_period: Duration,
    ) -> Result<Self, ProbeTimesError> {
        if !(LEAST_INTERVAL..=MAX_PROBE_TIME).contains(&interval) {
            return Err(ProbeTimesError::Interval);
        }
        if timeout < Duration::from_millis(1) || timeout > MAX_PROBE_TIME {
            return Err(ProbeTimesError::Timeout);
        }
        if start_period > MAX_PROBE_TIME {
            return Err(ProbeTimesError::StartPeriod);
        }
        Ok(Self { interval, timeout, start_period })
    }

    /// From one probe to the next.
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// How long one may take.
    pub const fn timeout(self) -> Duration {
        self.timeout
    }

    /// How long after its start failing does not count.
    pub const fn start_period(self) -> Duration {
        self.start_period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_heartbeat_are_no_load_and_end_within_a_day() {
        let check = |ms: [u64; 3], expected: Result<(), ProbeTimesError>| {
            let [interval, timeout, start] = ms.map(Duration::from_millis);
            assert_eq!(ProbeTimes::new(interval, timeout, start).map(drop), expected, "{ms:?}");
        };
        check([100, 1, 0], Ok(()));
        check([86_400_000; 3], Ok(()));
        check([99, 1, 0], Err(ProbeTimesError::Interval));
        check([86_400_001, 1, 0], Err(ProbeTimesError::Interval));
        check([100, 0, 0], Err(ProbeTimesError::Timeout));
        check([100, 86_400_001, 0], Err(ProbeTimesError::Timeout));
        check([100, 1, 86_400_001], Err(ProbeTimesError::StartPeriod));
    }
}
