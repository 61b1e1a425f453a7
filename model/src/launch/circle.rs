//! Services that wait for each other, so that none of them would ever start.

use std::collections::{BTreeMap, BTreeSet};

use crate::label::ServiceName;
use crate::service::Service;
use crate::snapshot::Snapshot;

/// A way from a service back to itself by what services wait for, if there is one through `changed`, which take the place of those among
/// the facts: each waits for the next one, the last for the first. It costs work in proportion to the services that these wait for.
pub fn circle<'a>(
    facts: &'a Snapshot,
    changed: impl IntoIterator<Item = &'a Service>,
) -> Option<Vec<ServiceName>> {
    let changed: BTreeMap<&ServiceName, &Service> =
        changed.into_iter().map(|service| (&service.name, service)).collect();
    let awaited = |name: &ServiceName| {
        let there = || facts.service(name).map(|(service, _)| service);
        let launch = changed.get(name).copied().or_else(there)?.launch.as_deref()?;
        Some(launch.depends_on.keys())
    };
    // Those from which no way leads back.
    let mut fine = BTreeSet::new();
    for start in changed.keys().copied() {
        // The way here, each with those that it waits for and that were not looked at yet.
        let mut way = Vec::from_iter(awaited(start).map(|rest| (start, rest)));
        while let Some((name, rest)) = way.last_mut() {
            match rest.next() {
                Some(next) if fine.contains(next) => {}
                Some(next) => {
                    if let Some(at) = way.iter().position(|(name, _)| *name == next) {
                        return Some(way.into_iter().skip(at).map(|(name, _)| name.clone()).collect());
                    }
                    way.extend(awaited(next).map(|rest| (next, rest)));
                }
                None => {
                    fine.insert((*name).clone());
                    way.pop();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Image, Launch, Readiness};
    use crate::{Change, Fact, Origin, Revision, Stated};

    /// `web: db cache` waits for two.
    fn service(text: &str) -> Service {
        let (own, awaited) = text.split_once(':').expect("name: names");
        let name = |text: &str| ServiceName::parse(text).expect("a name");
        let mut launch = Launch::new(Image::parse("web").expect("an image"));
        launch.depends_on = awaited.split_whitespace().map(|text| (name(text), Readiness::Healthy)).collect();
        Service { launch: Some(Box::new(launch)), ..Service::new(name(own)) }
    }

    fn check(there: &[&str], changed: &[&str], expected: Option<&str>) {
        let put = |text: &&str| {
            let fact = Fact::Service(Box::new(service(text))).into();
            Change::Put(Stated { fact, origin: Origin::Native, revision: Revision::new(1) })
        };
        let facts = Snapshot::default().apply(Revision::new(1), there.iter().map(put));
        let changed: Vec<Service> = changed.iter().map(|text| service(text)).collect();
        let found = circle(&facts, &changed)
            .map(|names| names.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), expected, "{there:?} {changed:?}");
    }

    #[test]
    fn services_that_wait_for_each_other_are_found_through_those_that_change() {
        check(&[], &["web: web"], Some("web"));
        check(&[], &["web: db", "db: web"], Some("db web"));
        check(&["db: cache", "cache: web"], &["web: db"], Some("web db cache"));
        check(&["db: web"], &["web: nobody cache", "cache:"], None);
        // What takes the place of the one that was there no longer waits.
        check(&["db: web"], &["web: db", "db:"], None);
        // A way that leads into a circle is not one itself, and the circle is named.
        check(&["b: c", "c: b"], &["a: b"], Some("b c"));
        // Two ways to one are no circle.
        check(&["left: end", "right: end", "end:"], &["web: left right"], None);
    }
}
