//! Marks that others wrote, and their end.

use model::{Address, DeadMarks, FactKey, HostPattern};

use super::states::{Inner, States};
use crate::route::RouteTable;

/// Where the marks of one host were applied.
#[derive(Debug)]
pub(super) struct Resolved {
    frontend: FactKey,
    addresses: Box<[Address]>,
}

impl States {
    /// Takes over the marks of all writers: of each host whose marks differ from those handed in before.
    ///
    /// A host's marks hold for the endpoints of the frontend that serves it (path `/`) in `table`. When the last mark of
    /// an endpoint was taken back or ended, a mark of ours ends too: it was among those that were taken back, or it would
    /// not have been read. To be called by the task that makes the tables, with the newest one.
    pub fn apply_marks(&self, marks: &DeadMarks, table: &RouteTable) {
        let before = std::mem::replace(&mut self.lock().marks, marks.clone());
        for item in before.by_host.diff(&marks.by_host) {
            let (imbl::ordmap::DiffItem::Add(host, _)
            | imbl::ordmap::DiffItem::Remove(host, _)
            | imbl::ordmap::DiffItem::Update { new: (host, _), .. }) = item;
            self.lock().settle(host, table);
        }
    }

    /// Applies all marks to a table that was made from nothing.
    pub(crate) fn settle_all(&self, table: &RouteTable) {
        let mut hosts: Vec<Box<str>> = {
            let inner = self.lock();
            inner.marks.by_host.keys().chain(inner.resolved.keys()).cloned().collect()
        };
        hosts.sort_unstable();
        hosts.dedup();
        // The lock is let go of between hosts, so that a failed attempt does not wait for all of them.
        for host in hosts {
            self.lock().settle(&host, table);
        }
    }

    /// Applies marks again where the frontends under `changed` may have taken hosts over or let them go.
    pub(crate) fn settle_changed(&self, table: &RouteTable, changed: &[FactKey]) {
        {
            let inner = self.lock();
            if inner.marks.by_host.is_empty() && inner.resolved.is_empty() {
                return;
            }
        }
        let mut hosts = Vec::new();
        for key in changed {
            let FactKey::Frontend { host, .. } = key else { continue };
            match host {
                HostPattern::Exact(host) | HostPattern::OnPort(host) => hosts.push(host),
                // Which of the marked hosts it takes is for the lookup to say.
                HostPattern::Suffix(_) | HostPattern::Any => return self.settle_all(table),
            }
        }
        for host in hosts {
            self.lock().settle(host, table);
        }
    }
}

impl Inner {
    /// Makes the states say what the marks of `host` say, by the frontend that serves it in `table`.
    fn settle(&mut self, host: &str, table: &RouteTable) {
        let marked = self.marks.by_host.get(host).cloned();
        let marked = marked.as_deref().unwrap_or_default();
        let route = if marked.is_empty() { None } else { table.find_marked(host) };
        let now = route.map(|route| {
            let frontend = route.key();
            let mut addresses = Vec::with_capacity(marked.len());
            for index in 0..route.endpoints().len() {
                let Some(candidate) = route.candidate(index) else { continue };
                if marked.contains(candidate.address()) {
                    self.note(&frontend, candidate.address(), candidate.state).marked_by += 1;
                    candidate.state.set_marked_by_others(true);
                    addresses.push(candidate.address().clone());
                }
            }
            Resolved { frontend, addresses: addresses.into() }
        });
        // New ones first: a mark that only moved must not look like one that ended.
        let before = match now {
            Some(now) => self.resolved.insert(host.into(), now),
            None => self.resolved.remove(host),
        };
        for address in before.iter().flat_map(|before| &before.addresses) {
            let Some(noted) = before.as_ref().and_then(|before| self.noted(&before.frontend, address)) else {
                continue;
            };
            noted.marked_by = noted.marked_by.saturating_sub(1);
            match noted.marked_by {
                0 if marked.contains(address) => noted.state.set_marked_by_others(false),
                0 => noted.state.clear(),
                _ => {}
            }
        }
    }
}
