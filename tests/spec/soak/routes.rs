//! Which host is answered by whom, and by whom it may still be answered because that has just changed.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::origins::Origins;
use crate::world::{Redis, eventually, get};

/// Hosts whose routes change, and that are asked for.
const HOSTS: usize = 300;
/// How long after a change the state before it may still be answered: the time in which portico promises to find what a lost message
/// hid.
const GRACE: Duration = Duration::from_secs(5);
/// A host that nobody else asks for: what is written to it last is served once all that was written before is.
const MARK: &str = "mark.soak.test";

/// By whom: an origin's number, or nobody.
pub(super) type Owner = Option<usize>;

#[derive(Debug, Clone, Copy)]
struct State {
    now: Owner,
    before: Owner,
    changed: Instant,
}

pub(super) struct Routes {
    urls: Vec<String>,
    states: Vec<Mutex<State>>,
    changed: AtomicUsize,
    probed: AtomicUsize,
    /// The longest time after a change that the state before it was seen, in milliseconds.
    stalest: AtomicUsize,
}

/// What may be answered to a request that is on its way.
pub(super) struct Allowed {
    asked: Instant,
    state: State,
}

impl Routes {
    /// All hosts have an origin.
    pub(super) fn new(origins: &Origins) -> Self {
        let urls = origins.urls();
        let state = |host: usize| {
            let owner = Some(host % urls.len());
            Mutex::new(State { now: owner, before: owner, changed: Instant::now() })
        };
        Self {
            states: (0..HOSTS).map(state).collect(),
            urls,
            changed: AtomicUsize::new(0),
            probed: AtomicUsize::new(0),
            stalest: AtomicUsize::new(0),
        }
    }

    /// The name of a host.
    pub(super) fn host(number: usize) -> String {
        format!("h{}.soak.test", number % HOSTS)
    }

    /// Writes all of them.
    pub(super) fn fill(&self, redis: &Redis) {
        for (number, state) in self.states.iter().enumerate() {
            let owner = state.lock().unwrap().now;
            self.write(redis, &Self::host(number), owner);
        }
    }

    /// The last one written is served.
    pub(super) fn are_served(&self, http: SocketAddr) -> bool {
        self.probe(http, &Self::host(HOSTS - 1)).is_some()
    }

    /// The next change: another origin, or now and then none, of the host that was not changed for longest.
    pub(super) fn change(&self, redis: &Redis) {
        let number = self.changed.fetch_add(1, Ordering::SeqCst);
        let now = if number % 7 == 3 { None } else { Some((number / 3 + number % 11) % self.urls.len()) };
        let mut state = self.states[number * 7 % HOSTS].lock().unwrap();
        self.write(redis, &Self::host(number * 7), now);
        *state = State { now, before: state.now, changed: Instant::now() };
    }

    /// Waits until portico follows Redis and has seen all that was written.
    pub(super) fn wait(&self, redis: &Redis, http: SocketAddr) {
        let before = self.probe(http, MARK);
        let next = before.map_or(0, |before| (before + 1) % self.urls.len());
        self.write(redis, MARK, Some(next));
        eventually("what was written last is served", || self.probe(http, MARK) == Some(next));
    }

    fn write(&self, redis: &Redis, host: &str, owner: Owner) {
        let key = format!("frontend:{host}");
        match owner.map(|owner| &self.urls[owner]) {
            None => redis.command(&["DEL", &key]),
            // Both in one: there is no moment without a route.
            Some(url) => {
                let script = "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'soak', ARGV[1])";
                redis.command(&["EVAL", script, "1", &key, url])
            }
        };
    }

    fn probe(&self, http: SocketAddr, host: &str) -> Owner {
        self.probed.fetch_add(1, Ordering::SeqCst);
        get(http, host, "/").body.split(' ').next()?.parse().ok()
    }

    /// To be taken before a request is sent.
    pub(super) fn allowed(&self, host: usize) -> Allowed {
        Allowed { asked: Instant::now(), state: *self.states[host % HOSTS].lock().unwrap() }
    }

    /// Whether that request may be answered by this one.
    pub(super) fn may_answer(&self, host: usize, allowed: &Allowed, owner: Owner) -> bool {
        let after = *self.states[host % HOSTS].lock().unwrap();
        if owner == after.now || owner == allowed.state.now {
            return true;
        }
        let late = allowed.asked.saturating_duration_since(allowed.state.changed);
        if owner == allowed.state.before && late < GRACE {
            self.stalest.fetch_max(late.as_millis() as usize, Ordering::Relaxed);
            return true;
        }
        false
    }

    pub(super) fn changed(&self) -> usize {
        self.changed.load(Ordering::SeqCst)
    }

    pub(super) fn probed(&self) -> usize {
        self.probed.load(Ordering::SeqCst)
    }

    pub(super) fn stalest(&self) -> Duration {
        Duration::from_millis(self.stalest.load(Ordering::Relaxed) as u64)
    }
}
