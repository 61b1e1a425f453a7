//! Whom changes of zones are told to, and when (RFC 1996).
//!
//! Pure: time is an argument. What sends is `listen/notify.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::DomainName;
use tokio::time::Instant;

use crate::config::{NOTIFY_PAUSE, NOTIFY_RETRY, NOTIFY_TRIES};

/// The port of DNS.
const PORT: u16 = 53;
/// What a key's name follows.
const KEY: &str = "key:";

/// A server that has zones of ours, and is told when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secondary {
    /// Which zone it has; `None`: all.
    pub zone: Option<DomainName>,
    /// Where it is.
    pub address: SocketAddr,
    /// The key it is told with; `None`: none.
    pub key: Option<DomainName>,
}

impl Secondary {
    /// Reads `[ZONE=]ADDRESS[:PORT] [key:NAME]`.
    ///
    /// # Errors
    /// What is wrong, so that it can follow the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = |text: &str| DomainName::parse(text).map_err(|error| format!("`{text}`: {error}"));
        let (zone, rest) = match text.split_once('=') {
            Some((zone, rest)) => (Some(name(zone.trim())?), rest),
            None => (None, text),
        };
        let (address, key) = match rest.trim().split_once(char::is_whitespace) {
            Some((address, key)) => (address, Some(key.trim())),
            None => (rest.trim(), None),
        };
        let key = key.map(|word| match word.strip_prefix(KEY) {
            Some(key) => name(key),
            None => Err(format!("{word:?} is no key; write key:NAME")),
        });
        let address = address
            .parse()
            .or_else(|_| address.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)))
            .map_err(|_| {
                format!("{address:?} is no address; write 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:53")
            })?;
        Ok(Self { zone, address, key: key.transpose()? })
    }

    /// Whether it has that zone.
    pub(crate) fn has(&self, apex: &DomainName) -> bool {
        self.zone.as_ref().is_none_or(|zone| zone == apex)
    }
}

impl fmt::Display for Secondary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(zone) = &self.zone {
            write!(f, "{zone}=")?;
        }
        write!(f, "{}", self.address)?;
        self.key.iter().try_for_each(|key| write!(f, " {KEY}{key}"))
    }
}

/// What one secondary knows of each of its zones, and when it is told more.
#[derive(Debug, Default)]
pub(crate) struct Schedule(BTreeMap<DomainName, State>);

#[derive(Debug)]
struct State {
    serial: u32,
    /// What it has answered to, or was given up for.
    told: Option<u32>,
    /// How often it was told of it in vain.
    tries: u32,
    /// Not before.
    next: Instant,
}

impl Schedule {
    /// The zones are these now. One whose serial is another one is told of, at most once in [`NOTIFY_PAUSE`]; while that is in vain, the
    /// latest serial is what is told of next.
    pub(crate) fn follow(&mut self, zones: impl IntoIterator<Item = (DomainName, u32)>, now: Instant) {
        let mut old = std::mem::take(&mut self.0);
        for (apex, serial) in zones {
            let state = match old.remove(&apex) {
                Some(state) => State { serial, ..state },
                None => State { serial, told: None, tries: 0, next: now },
            };
            self.0.insert(apex, state);
        }
    }

    /// A zone that is to be told of now.
    pub(crate) fn due(&self, now: Instant) -> Option<(&DomainName, u32)> {
        let due = |state: &State| state.told != Some(state.serial) && state.next <= now;
        self.0.iter().find(|(_, state)| due(state)).map(|(apex, state)| (apex, state.serial))
    }

    /// When the next one is to be told of.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().filter(|state| state.told != Some(state.serial)).map(|state| state.next).min()
    }

    /// It has answered to this serial.
    pub(crate) fn answered(&mut self, apex: &DomainName, serial: u32, now: Instant) {
        if let Some(state) = self.0.get_mut(apex) {
            *state = State { told: Some(serial), tries: 0, next: now + NOTIFY_PAUSE, ..*state };
        }
    }

    /// It has not. Later each time, and at last no more, until the zone changes again; true then.
    pub(crate) fn unanswered(&mut self, apex: &DomainName, serial: u32, now: Instant) -> bool {
        let Some(state) = self.0.get_mut(apex) else { return false };
        let wait = NOTIFY_RETRY.saturating_mul(1 << state.tries.min(16));
        *state = State { tries: state.tries + 1, next: now + wait, ..*state };
        let given_up = state.tries >= NOTIFY_TRIES;
        if given_up {
            *state = State { told: Some(serial), tries: 0, ..*state };
        }
        given_up
    }
}

/// How long all tries take together, at most.
pub(crate) fn patience() -> Duration {
    NOTIFY_RETRY.saturating_mul((1 << NOTIFY_TRIES) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secondary_is_named_by_its_address_and_what_it_has() {
        let check = |text: &str, shown: &str| {
            let secondary = Secondary::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(secondary.to_string(), shown);
            assert_eq!(Secondary::parse(shown), Ok(secondary));
        };
        check("10.0.0.2", "10.0.0.2:53");
        check("10.0.0.2:5353  key:Second", "10.0.0.2:5353 key:Second.");
        check("example.com=fd00::2", "example.com.=[fd00::2]:53");
        check(". = [fd00::2]:5353 key:a", ".=[fd00::2]:5353 key:a.");
        let wrong = |text: &str, expected: &str| {
            let error = Secondary::parse(text).expect_err("wrong");
            assert!(error.contains(expected), "{text}: {error}");
        };
        wrong("", "\"\" is no address");
        wrong("second.example", "is no address");
        wrong("a..b=10.0.0.2", "`a..b`");
        wrong("10.0.0.2 second", "is no key; write key:NAME");
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn a_zone_is_told_of_at_once_and_then_at_most_once_a_second() {
        let (mut schedule, start) = (Schedule::default(), Instant::now());
        schedule.follow([(name("a"), 1), (name("b"), 1)], start);
        assert_eq!(schedule.due(start), Some((&name("a"), 1)));
        schedule.answered(&name("a"), 1, start);
        assert_eq!(schedule.due(start), Some((&name("b"), 1)), "each by itself");
        schedule.answered(&name("b"), 1, start);
        assert_eq!((schedule.due(start), schedule.next()), (None, None));

        for serial in 2..50 {
            schedule.follow([(name("a"), serial), (name("b"), 1)], start);
            assert_eq!(schedule.due(start), None);
        }
        assert_eq!(schedule.next(), Some(start + NOTIFY_PAUSE));
        assert_eq!(schedule.due(start + NOTIFY_PAUSE), Some((&name("a"), 49)), "the latest");
        schedule.follow([(name("a"), 50), (name("b"), 1)], start + NOTIFY_PAUSE);
        schedule.answered(&name("a"), 49, start + NOTIFY_PAUSE);
        assert_eq!(schedule.due(start + 2 * NOTIFY_PAUSE), Some((&name("a"), 50)), "what came meanwhile");
    }

    #[test]
    fn who_does_not_answer_is_told_later_each_time_and_at_last_no_more() {
        let (mut schedule, start) = (Schedule::default(), Instant::now());
        schedule.follow([(name("a"), 1)], start);
        let mut now = start;
        for tries in 1..=NOTIFY_TRIES {
            // However often it changes meanwhile.
            schedule.follow([(name("a"), tries)], now);
            assert_eq!(schedule.due(now), Some((&name("a"), tries)));
            let given_up = schedule.unanswered(&name("a"), tries, now);
            assert_eq!((given_up, schedule.due(now)), (tries == NOTIFY_TRIES, None));
            now = schedule.next().unwrap_or(now);
        }
        assert_eq!(
            (schedule.next(), now - start),
            (None, patience() - NOTIFY_RETRY * (1 << (NOTIFY_TRIES - 1)))
        );
        schedule.follow([(name("a"), 99)], now);
        assert!(schedule.due(now + patience()).is_some(), "until it changes again");
        schedule.follow([], now);
        assert_eq!(schedule.next(), None, "a zone that is gone is forgotten");
    }
}
