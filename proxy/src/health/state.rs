//! One endpoint of one frontend, as this node sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Requests in flight and dead marks of one endpoint of one frontend. Outlives the tables that list it.
///
/// 16 octets, because there is one for every endpoint of every frontend. Its numbers are relaxed atomics: they steer
/// chance, nothing is published through them. Marks are written under the lock of [`super::States`] alone.
#[derive(Debug, Default)]
pub struct EndpointState {
    /// The marks, as a [`Word`].
    word: AtomicU64,
    in_flight: AtomicU32,
    /// How many of those are tunnels by now.
    tunnels: AtomicU32,
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
    /// Somebody's mark in the registry names it too (it may be ours, read back), and no check of this node's speaks for it.
    pub by_others: bool,
    /// It failed its active check, and has not passed it since.
    pub by_check: bool,
}

/// Everything about marks in one word, so that "is it out?" is one load:
/// bits 16–63 the end of our mark in milliseconds, 15 "failed its check", 14 "passes its check", 1–13 our mark's reason, 0 "marked by
/// others".
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const OTHERS: u64 = 1;
    const CHECK: u64 = 1 << 15;
    const PASSES: u64 = 1 << 14;
    /// What does not belong to our mark.
    const APART: u64 = Self::OTHERS | Self::CHECK | Self::PASSES;

    /// A mark of ours, beside whatever else `self` says.
    const fn marked(self, until_ms: u64, reason: DeadReason) -> Self {
        let until = if until_ms >> 48 == 0 { until_ms } else { (1 << 48) - 1 };
        Self(until << 16 | reason.code() << 1 | self.0 & Self::APART)
    }

    const fn until(self) -> u64 {
        self.0 >> 16
    }

    const fn reason(self) -> DeadReason {
        DeadReason::from_code((self.0 & 0x3fff) >> 1)
    }

    const fn others(self) -> bool {
        self.0 & Self::OTHERS != 0
    }

    /// Marks of others count: no check of ours says better.
    const fn out_by_others(self) -> bool {
        self.0 & (Self::OTHERS | Self::PASSES) == Self::OTHERS
    }

    const fn check(self) -> bool {
        self.0 & Self::CHECK != 0
    }

    const fn ours(self, now_ms: u64) -> bool {
        self.until() > now_ms
    }
}

impl EndpointState {
    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// True while a mark of ours holds, its check failed, or others marked it and no check of ours passes: it gets no new requests.
    #[inline]
    pub fn is_out(&self, now_ms: u64) -> bool {
        let word = self.word();
        word.out_by_others() || word.check() || word.ours(now_ms)
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

    /// True while marks that this node had no part in keep it out: it has neither marked it itself since it was well, nor checked it.
    #[inline]
    pub fn is_out_by_others_alone(&self) -> bool {
        let word = self.word();
        word.out_by_others() && !word.check() && word.until() == 0
    }

    /// True while this node's checks of it pass, whatever others say: it passed as often as it must, and did not fail as often as it may.
    #[inline]
    pub fn passes_its_check(&self) -> bool {
        self.word().0 & Word::PASSES != 0
    }

    /// True while it is out because its active check failed.
    #[inline]
    pub fn is_out_by_check(&self) -> bool {
        self.word().check()
    }

    /// Why it is out; `None` when it is not.
    pub fn out(&self, now_ms: u64) -> Option<Out> {
        let word = self.word();
        let ours = word.ours(now_ms).then(|| (word.reason(), word.until() - now_ms));
        let out = Out { ours, by_others: word.out_by_others(), by_check: word.check() };
        self.is_out(now_ms).then_some(out)
    }

    /// Requests that were given to it and have not ended, tunnels among them, over all threads.
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

    /// How many of the requests in flight are tunnels by now.
    #[inline]
    pub fn tunnels(&self) -> u32 {
        self.tunnels.load(Ordering::Relaxed)
    }

    /// True when it has a mark, though perhaps one that ended.
    pub(super) fn has_marks(&self) -> bool {
        self.word().0 & !Word::PASSES != 0
    }

    /// Our mark. Only under the lock of `States`.
    pub(super) fn mark(&self, until_ms: u64, reason: DeadReason) {
        self.word.store(self.word().marked(until_ms, reason).0, Ordering::Relaxed);
    }

    /// Its check failed, or does no longer; marks stay. Only under the lock of `States`.
    pub(super) fn set_out_by_check(&self, out: bool) {
        let rest = self.word().0 & !Word::CHECK;
        self.word.store(rest | if out { Word::CHECK } else { 0 }, Ordering::Relaxed);
    }

    /// Its check passes, or is no word any more; marks stay. Only under the lock of `States`.
    pub(super) fn set_passes(&self, passes: bool) {
        let rest = self.word().0 & !Word::PASSES;
        self.word.store(rest | if passes { Word::PASSES } else { 0 }, Ordering::Relaxed);
    }

    /// No mark of ours any more. Only under the lock of `States`.
    pub(super) fn unmark(&self) {
        self.word.store(self.word().0 & Word::APART, Ordering::Relaxed);
    }

    /// The registry names it, or no longer does; our own mark stays. Only under the lock of `States`.
    pub(super) fn set_marked_by_others(&self, marked: bool) {
        let rest = self.word().0 & !Word::OTHERS;
        self.word.store(rest | u64::from(marked), Ordering::Relaxed);
    }

    /// No mark at all; what its check says stays. Only under the lock of `States`.
    pub(super) fn clear(&self) {
        self.word.store(self.word().0 & (Word::CHECK | Word::PASSES), Ordering::Relaxed);
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

    /// It is a tunnel, until the guard is dropped.
    pub fn tunnel(&self) -> Tunnel<'_> {
        self.0.tunnels.fetch_add(1, Ordering::Relaxed);
        Tunnel(&self.0)
    }
}

/// One request in flight whose connection was upgraded; dropping it counts the tunnel out.
#[derive(Debug)]
pub struct Tunnel<'a>(&'a EndpointState);

impl Drop for Tunnel<'_> {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Ordering::Relaxed);
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
            for apart in [0, Word::OTHERS, Word::CHECK, Word::APART] {
                let word = Word(apart).marked(123_456, reason);
                assert_eq!((word.until(), word.reason(), word.0 & Word::APART), (123_456, reason, apart));
            }
        }
    }

    #[test]
    fn our_mark_ends_by_time_and_the_mark_of_others_does_not() {
        let state = EndpointState::default();

        state.mark(1_000, DeadReason::Refused);
        let ours = Out { ours: Some((DeadReason::Refused, 600)), by_others: false, by_check: false };
        assert_eq!(state.out(400), Some(ours));
        assert!(state.is_out(999) && !state.is_out(1_000));

        state.set_marked_by_others(true);
        assert_eq!(state.out(2_000), Some(Out { ours: None, by_others: true, by_check: false }));
        state.set_marked_by_others(false);
        assert!(state.is_out(999) && !state.is_out(1_000), "only the others' mark was taken back");
    }

    #[test]
    fn what_a_check_says_is_apart_from_marks() {
        let state = EndpointState::default();
        state.mark(1_000, DeadReason::Refused);
        state.set_out_by_check(true);
        state.unmark();
        assert_eq!(state.out(0), Some(Out { ours: None, by_others: false, by_check: true }));
        state.mark(1_000, DeadReason::Refused);
        state.clear();
        assert!(state.is_out(u64::MAX) && state.is_out_by_check());
        state.set_out_by_check(false);
        assert!(!state.is_out(0));
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
        let tunnel = second.tunnel();
        assert_eq!((state.in_flight(), state.tunnels()), (1, 1));
        drop(tunnel);
        assert_eq!((state.in_flight(), state.tunnels()), (1, 0));
        drop(second);
        assert_eq!(state.in_flight(), 0);
    }
}
