//! Who is to be checked, when, and for whom: a function of the facts, the time and chance.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{Address, Check, CheckKind, FactKey, Frontend, HostPattern};

use super::tally::Tally;
use crate::clock::Millis;

/// One thing to check: frontends that want the same of the same address share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where.
    pub address: Address,
    /// The host that is asked for; empty where nothing is asked.
    pub host: Box<str>,
    /// How.
    pub check: Check,
}

/// What stands on the agenda for one target.
#[derive(Debug)]
struct Item {
    target: Arc<Target>,
    users: Vec<User>,
    /// When its next check is due; `None` while one goes on.
    due: Option<Millis>,
}

/// A frontend whose endpoint is checked.
#[derive(Debug)]
pub struct User {
    /// Which.
    pub frontend: FactKey,
    /// The results so far.
    pub tally: Tally,
    /// It failed as often as it may, and has not risen since.
    pub failing: bool,
    /// When the registry was last told so.
    pub told: Option<Millis>,
}

/// Names an item for as long as the agenda lives.
type Id = u64;

/// All that is to be checked.
#[derive(Debug, Default)]
pub struct Agenda {
    ids: HashMap<Arc<Target>, Id>,
    items: HashMap<Id, Item>,
    of: HashMap<FactKey, Vec<Id>>,
    due: BTreeSet<(Millis, Id)>,
    next: Id,
    users: usize,
}

impl Agenda {
    /// The frontend is what it says now. `first` says when a new target is checked first. Answers the endpoints it has checked no
    /// more.
    pub fn put(&mut self, frontend: &Frontend, mut first: impl FnMut() -> Millis) -> Vec<Address> {
        let key = frontend.key();
        let before = self.of.remove(&key).unwrap_or_default();
        let mut now = Vec::new();
        if let Some(check) = &frontend.policy.check {
            for endpoint in &frontend.backend.endpoints {
                let target = target(frontend, &endpoint.address, check);
                let id = self.item(target, &mut first);
                if !now.contains(&id) {
                    now.push(id);
                }
            }
        }
        for id in now.iter().filter(|id| !before.contains(id)) {
            if let Some(item) = self.items.get_mut(id) {
                let tally = Tally::default();
                item.users.push(User { frontend: key.clone(), tally, failing: false, told: None });
                self.users += 1;
            }
        }
        let gone: Vec<Id> = before.into_iter().filter(|id| !now.contains(id)).collect();
        let gone: Vec<Address> = gone.into_iter().filter_map(|id| self.leave(id, &key)).collect();
        // Checked in another way now is checked still.
        let still = |address: &Address| {
            now.iter().any(|id| self.items.get(id).is_some_and(|item| item.target.address == *address))
        };
        let gone = gone.into_iter().filter(|address| !still(address)).collect();
        if !now.is_empty() {
            self.of.insert(key, now);
        }
        gone
    }

    /// The frontend is gone. Answers its endpoints.
    pub fn remove(&mut self, key: &FactKey) -> Vec<Address> {
        let before = self.of.remove(key).unwrap_or_default();
        before.into_iter().filter_map(|id| self.leave(id, key)).collect()
    }

    /// The target that is due longest by `now`; it is not due again before [`Agenda::again`].
    pub fn take_due(&mut self, now: Millis) -> Option<(u64, Arc<Target>)> {
        let &(at, id) = self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, id));
        let item = self.items.get_mut(&id)?;
        item.due = None;
        Some((id, Arc::clone(&item.target)))
    }

    /// The users of a target whose check ended; none when nobody wants it any more.
    pub fn users(&mut self, id: u64) -> &mut [User] {
        self.items.get_mut(&id).map_or(&mut [], |item| &mut item.users)
    }

    /// The target's next check is due then.
    pub fn again(&mut self, id: u64, at: Millis) {
        if let Some(item) = self.items.get_mut(&id).filter(|item| item.due.is_none()) {
            item.due = Some(at);
            self.due.insert((at, id));
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many endpoints are checked, each as often as frontends want it.
    pub fn checked(&self) -> usize {
        self.users
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.items.len()
    }

    fn item(&mut self, target: Target, first: &mut impl FnMut() -> Millis) -> Id {
        if let Some(&id) = self.ids.get(&target) {
            return id;
        }
        let (id, target, at) = (self.next, Arc::new(target), first());
        self.next += 1;
        self.ids.insert(Arc::clone(&target), id);
        self.items.insert(id, Item { target, users: Vec::new(), due: Some(at) });
        self.due.insert((at, id));
        id
    }

    /// A frontend does not want it any more; answers whose address it is.
    fn leave(&mut self, id: Id, key: &FactKey) -> Option<Address> {
        let item = self.items.get_mut(&id)?;
        let address = item.target.address.clone();
        let before = item.users.len();
        item.users.retain(|user| user.frontend != *key);
        self.users -= before - item.users.len();
        if item.users.is_empty()
            && let Some(item) = self.items.remove(&id)
        {
            self.ids.remove(&item.target);
            if let Some(at) = item.due {
                self.due.remove(&(at, id));
            }
        }
        Some(address)
    }
}

/// What a frontend wants of one of its endpoints. Where its pattern is no host, the endpoint's own is asked for, as planb does.
fn target(frontend: &Frontend, address: &Address, check: &Check) -> Target {
    let host = match (&check.kind, &frontend.host) {
        (CheckKind::Tcp, _) => Box::default(),
        (CheckKind::Http(_), HostPattern::Exact(host) | HostPattern::OnPort(host)) => host.as_str().into(),
        (CheckKind::Http(_), HostPattern::Any | HostPattern::Suffix(_)) => address.to_string().into(),
    };
    Target { address: address.clone(), host, check: check.clone() }
}

/// When the next check is due: an interval from `begun`, and at most `jitter_percent` of it later, so that a fleet's checks spread.
/// `chance` is from 0 to 1.
pub(super) fn next_due(begun: Millis, interval_ms: u64, jitter_percent: u32, chance: f64) -> Millis {
    let most = interval_ms.saturating_mul(jitter_percent.into()) / 100;
    begun.saturating_add(interval_ms).saturating_add((most as f64 * chance) as u64)
}
