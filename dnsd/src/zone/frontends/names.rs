//! Which frontends have names of their own, kept at a snapshot.

use std::collections::BTreeSet;
use std::net::IpAddr;

use imbl::OrdMap;
use model::{DomainName, Fact, FactKey, Frontend, HostPattern, PathPrefix, Snapshot};

/// What of a name frontends want to have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// The name itself.
    pub(super) own: bool,
    /// What is below it.
    pub(super) below: bool,
}

/// The names that frontends want to have answered. A copy costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrontendNames(OrdMap<DomainName, Wanted>);

impl FrontendNames {
    /// From nothing.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut names = Self::default();
        for (frontend, _) in snapshot.frontends().filter(|(frontend, _)| frontend.policy.dns) {
            names.follow_host(&frontend.host, snapshot);
        }
        names
    }

    /// At another snapshot. The apexes of which something else is wanted now.
    pub(crate) fn follow(&mut self, old: &Snapshot, new: &Snapshot) -> BTreeSet<DomainName> {
        let mut changed = BTreeSet::new();
        for difference in new.diff(old) {
            let both = difference.before.into_iter().chain(difference.after);
            let wants = |fact: &Fact| matches!(fact, Fact::Frontend(frontend) if frontend.policy.dns);
            let FactKey::Frontend { host, .. } = &difference.key else { continue };
            if both.into_iter().any(|stated| wants(&stated.fact)) {
                changed.extend(self.follow_host(host, new));
            }
        }
        changed
    }

    /// What is wanted of a name.
    pub(super) fn get(&self, apex: &DomainName) -> Wanted {
        self.0.get(apex).copied().unwrap_or_default()
    }

    /// Whether a zone is wanted to begin there.
    pub(crate) fn contains(&self, apex: &DomainName) -> bool {
        self.0.contains_key(apex)
    }

    /// All of them.
    pub(crate) fn apexes(&self) -> impl Iterator<Item = &DomainName> {
        self.0.keys()
    }

    /// Looks at the frontends of a host anew; its apex, where something else is wanted of that now.
    fn follow_host(&mut self, host: &HostPattern, snapshot: &Snapshot) -> Option<DomainName> {
        let (apex, is_below) = place(host)?;
        let (before, is_wanted) = (self.get(&apex), is_wanted(host, snapshot));
        let now = match is_below {
            true => Wanted { below: is_wanted, ..before },
            false => Wanted { own: is_wanted, ..before },
        };
        match now == Wanted::default() {
            true => drop(self.0.remove(&apex)),
            false => drop(self.0.insert(apex.clone(), now)),
        }
        (before != now).then_some(apex)
    }
}

/// Where the zone of a host begins, and whether what is below that is meant; `None`: it has no name of its own.
pub(crate) fn place(host: &HostPattern) -> Option<(DomainName, bool)> {
    let (name, is_below) = match host {
        HostPattern::Exact(host) if host.parse::<IpAddr>().is_err() => (host, false),
        HostPattern::Suffix(suffix) => (suffix, true),
        HostPattern::Exact(_) | HostPattern::OnPort(_) | HostPattern::Any => return None,
    };
    // An address of IPv6 stands in brackets.
    let is_name = !name.starts_with('[');
    Some((DomainName::parse(name).ok().filter(|_| is_name)?, is_below))
}

/// Whether one of the frontends of a host, whatever their paths, wants its name to be answered.
fn is_wanted(host: &HostPattern, snapshot: &Snapshot) -> bool {
    let root = FactKey::Frontend { host: host.clone(), path: PathPrefix::root() };
    let at_root = snapshot.get(&root).is_some_and(|stated| match &*stated.fact {
        Fact::Frontend(frontend) => frontend.policy.dns,
        _ => false,
    });
    let of_host = |frontend: &Frontend| frontend.host == *host;
    let mut others = snapshot.frontends_after(Some(&root)).map(|(frontend, _)| frontend);
    at_root || others.by_ref().take_while(|frontend| of_host(frontend)).any(|frontend| frontend.policy.dns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_unless_it_is_an_address_or_has_a_port() {
        let check = |host: &str, expected: Option<(&str, bool)>| {
            let found = place(&HostPattern::parse(host).expect("a host"));
            let found = found.map(|(apex, is_below)| (apex.to_string(), is_below));
            assert_eq!(found, expected.map(|(apex, is_below)| (apex.to_owned(), is_below)), "{host}");
        };
        check("www.example.com", Some(("www.example.com.", false)));
        check("*.example.com", Some(("example.com.", true)));
        check("under_score", Some(("under_score.", false)));
        check("*", None);
        check("www.example.com:8080", None);
        check("10.0.0.1", None);
        check("[fd00::1]", None);
    }
}
