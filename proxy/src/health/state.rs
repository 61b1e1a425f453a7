//! One endpoint of one frontend, as this node sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Requests in flight and dead marks of one endpoint of one frontend. Outlives the tables that list it.
///
/// 16 octets, because there is one for every endpoint of every frontend. Both numbers are relaxed atomics: they steer
/// chance, nothing is published through them. Marks are written under the lock of [`super::States`] alone.
#[derive(Debug, Default)]
pub struct EndpointState {
    /// The marks, as a [`Word`].
    word: AtomicU64,
    in_flight: AtomicU32,
}

/// Why this node took an endpoint out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadReason {
    /// The connect was refused.
    Refused,
    /// The connect failed otherwise (no route, name not resolved).
    Unreachable,
    /// The connect took too long.
    ConnectTimeout,
    /// The connection ended before an answer.
    Reset,
    /// No answer within the response timeout.
    ResponseTimeout,
    /// Silence in the middle of an exchange.
    IdleTimeout,
    /// What came was not HTTP.
    Malformed,
    /// It has an address that no endpoint may have.
    Forbidden,
    /// A status that counts as death.
    Status(u16),
}

impl DeadReason {
    const fn code(self) -> u64 {
        match self {
            Self::Refused => 0,
            Self::Unreachable => 1,
            Self::ConnectTimeout => 2,
            Self::Reset => 3,
            Self::ResponseTimeout => 4,
            Self::IdleTimeout => 5,
            Self::Malformed => 6,
            Self::Forbidden => 7,
            Self::Status(status) if status > 999 => 999,
            Self::Status(status) if status < 100 => 100,
            Self::Status(status) => status as u64,
        }
    }

    const fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Refused,
            1 => Self::Unreachable,
            2 => Self::ConnectTimeout,
            3 => Self::Reset,
            4 => Self::ResponseTimeout,
            5 => Self::IdleTimeout,
            7 => Self::Forbidden,
            code if code < 100 => Self::Malformed,
            status => Self::Status(if status > 999 { 999 } else { status as u16 }),
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connect refused"),
            Self::Unreachable => f.write_str("connect failed"),
            Self::ConnectTimeout => f.write_str("connect timed out"),
            Self::Reset => f.write_str("connection ended before an answer"),
            Self::ResponseTimeout => f.write_str("no answer in time"),
            Self::IdleTimeout => f.write_str("silent in the middle of an exchange"),
            Self::Forbidden => f.write_str("its address is refused"),
            Self::Malformed => f.write_str("answer was not HTTP"),
            Self::Status(status) => write!(f, "{status} from the endpoint"),
        }
    }
}

/// Why an endpoint gets no new requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// The mark of ours: why, and for how many more milliseconds.
    pub ours: Option<(DeadReason, u64)>,
    /// Somebody's mark in the registry names it too (it may be ours, read back).
    pub by_others: bool,
}

/// Everything about marks in one word, so that "is it out?" is one load:
/// bits 16–63 the end of our mark in milliseconds, 1–15 its reason, 0 "marked by others".
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const OTHERS: u64 = 1;

    const fn new(until_ms: u64, reason: DeadReason, others: bool) -> Self {
        let until = if until_ms >> 48 == 0 { until_ms } else { (1 << 48) - 1 };
        Self(until << 16 | reason.code() << 1 | others as u64)
    }

    const fn until(self) -> u64 {
        self.0 >> 16
    }

    const fn reason(self) -> DeadReason {
        DeadReason::from_code((self.0 & 0xffff) >> 1)
    }

    const fn others(self) -> bool {
        self.0 & Self::OTHERS != 0
    }

    const fn ours(self, now_ms: u64) -> bool {
        self.until() > now_ms
    }
}

impl EndpointState {
    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// True while a mark of ours or of others holds: it gets no new requests.
    #[inline]
    pub fn is_out(&self, now_ms: u64) -> bool {
        let word = self.word();
        word.others() || word.ours(now_ms)
    }

    /// True while a mark of this node holds.
    #[inline]
    pub fn is_marked_by_us(&self, now_ms: u64) -> bool {
        self.word().ours(now_ms)
    }

    /// True while a mark in the registry names it; that mark may be ours, read back.
    #[inline]
    pub fn is_marked_by_others(&self) -> bool {
        self.word().others()
    }

    /// Why it is out; `None` when it is not.
    pub fn out(&self, now_ms: u64) -> Option<Out> {
        let word = self.word();
        let ours = word.ours(now_ms).then(|| (word.reason(), word.until() - now_ms));
        (ours.is_some() || word.others()).then_some(Out { ours, by_others: word.others() })
    }

    /// Requests that were given to it and have not ended, over all threads.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request in, until the guard is dropped.
    #[inline]
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// True when it has a mark, though perhaps one that ended.
    pub(super) fn has_marks(&self) -> bool {
        self.word().0 != 0
    }

    /// Our mark. Only under the lock of `States`.
    pub(super) fn mark(&self, until_ms: u64, reason: DeadReason) {
        self.word.store(Word::new(until_ms, reason, self.word().others()).0, Ordering::Relaxed);
    }

    /// The registry names it, or no longer does; our own mark stays. Only under the lock of `States`.
    pub(super) fn set_marked_by_others(&self, marked: bool) {
        let rest = self.word().0 & !Word::OTHERS;
        self.word.store(rest | u64::from(marked), Ordering::Relaxed);
    }

    /// No mark at all. Only under the lock of `States`.
    pub(super) fn clear(&self) {
        self.word.store(0, Ordering::Relaxed);
    }
}

/// One request in flight at an endpoint; dropping it counts the request out.
#[derive(Debug)]
pub struct InFlight(Arc<EndpointState>);

impl InFlight {
    /// The endpoint's state.
    pub fn state(&self) -> &Arc<EndpointState> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_small() {
        assert_eq!(size_of::<EndpointState>(), 16);
    }

    #[test]
    fn every_reason_survives_the_word() {
        let reasons = [
            DeadReason::Refused,
            DeadReason::Unreachable,
            DeadReason::Forbidden,
            DeadReason::ConnectTimeout,
            DeadReason::Reset,
            DeadReason::ResponseTimeout,
            DeadReason::IdleTimeout,
            DeadReason::Malformed,
            DeadReason::Status(100),
            DeadReason::Status(502),
            DeadReason::Status(999),
        ];
        for reason in reasons {
            for others in [false, true] {
                let word = Word::new(123_456, reason, others);
                assert_eq!((word.until(), word.reason(), word.others()), (123_456, reason, others));
            }
        }
    }

    #[test]
    fn our_mark_ends_by_time_and_the_mark_of_others_does_not() {
        let state = EndpointState::default();

        state.mark(1_000, DeadReason::Refused);
        assert_eq!(state.out(400), Some(Out { ours: Some((DeadReason::Refused, 600)), by_others: false }));
        assert!(state.is_out(999) && !state.is_out(1_000));

        state.set_marked_by_others(true);
        assert_eq!(state.out(2_000), Some(Out { ours: None, by_others: true }));
        state.set_marked_by_others(false);
        assert!(state.is_out(999) && !state.is_out(1_000), "only the others' mark was taken back");
    }

    #[test]
    fn a_far_end_does_not_spill_into_the_reason() {
        let state = EndpointState::default();
        state.mark(u64::MAX, DeadReason::Status(504));
        assert_eq!(
            state.out(0).and_then(|out| out.ours).map(|(reason, _)| reason),
            Some(DeadReason::Status(504))
        );
    }

    #[test]
    fn a_dropped_guard_counts_its_request_out() {
        let state = Arc::new(EndpointState::default());
        let first = state.enter();
        let second = state.enter();
        assert_eq!(state.in_flight(), 2);
        drop(first);
        assert_eq!(second.state().in_flight(), 1);
        drop(second);
        assert_eq!(state.in_flight(), 0);
    }
}
