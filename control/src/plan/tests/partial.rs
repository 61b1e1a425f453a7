//! What follows while an engine can tell of a container no more than its list does.

use super::fleet::{Fleet, host};
use crate::runtime::{Container, ContainerState, Exit, Health};

fn each(fleet: &mut Fleet, change: impl Fn(&mut Container)) {
    let views = fleet.hosts.values_mut();
    views.flat_map(|view| &mut view.containers).for_each(change);
}

/// What a list has of a container.
fn in_part(container: &mut Container) {
    (container.partial, container.health) = (true, None);
    container.addresses.clear();
    container.published.clear();
}

fn says(health: Health) -> impl Fn(&mut Container) {
    move |container| (container.partial, container.health) = (false, Some(health.clone()))
}

/// Where its only instance is reached.
fn at(fleet: &Fleet) -> String {
    let (instance, _) = fleet.facts.instances().next().unwrap();
    let (address, port) = (instance.addresses.iter().next(), instance.ports.values().next());
    format!("{}:{}", address.unwrap(), port.unwrap())
}

#[test]
fn who_is_known_in_part_is_reached_where_it_was() {
    for (named, expected) in [("a inside", "10.9.0.1:80"), ("a", "10.0.0.1:32768")] {
        let mut fleet = Fleet::of(named, "web web:1");
        assert_eq!(at(&fleet), expected);

        each(&mut fleet, in_part);

        fleet.check(9, "");
        assert_eq!(at(&fleet), expected, "{named}");
    }
}

#[test]
fn who_is_at_its_container_is_never_at_its_host() {
    let mut fleet = Fleet::of("a inside", "web web:1");

    each(&mut fleet, |container| container.addresses.clear());
    fleet.check(9, "");

    assert_eq!(at(&fleet), "10.9.0.1:80");
}

#[test]
fn who_was_nowhere_yet_starts_and_says_so_until_its_address_is_known() {
    let mut fleet = Fleet::of("a inside", "");
    fleet.service("web web:1");
    fleet.check(2, "0: web/1@a placed; web progressing of web:1\n1: launch web/1@a");

    each(&mut fleet, in_part);
    let said =
        "web/1@a placed: its engine does not tell at which address it is; look at it with `docker inspect`";
    fleet.check(1, &format!("0: {said}"));
    fleet.run(1);
    fleet.check(7, "");
    let address = "10.9.0.7".parse().unwrap();
    each(&mut fleet, |container| (container.partial, container.addresses) = (false, vec![address]));
    fleet.run(2);

    assert_eq!(at(&fleet), "10.9.0.7:80");
}

#[test]
fn who_is_checked_by_its_engine_is_as_it_was_while_that_is_not_known() {
    let mut fleet = Fleet::of("a", "");
    fleet.service("web web:1 checked");
    fleet.run(2);
    each(&mut fleet, |container| container.partial = true);
    fleet.check(5, "0: web/1@a runs");
    each(&mut fleet, says(Health::Healthy));
    fleet.run(30);

    each(&mut fleet, in_part);
    fleet.check(5, "");
    each(&mut fleet, says(Health::Unhealthy("no page".to_owned())));
    fleet.check(1, "0: web/1@a unhealthy: its image's check failed: no page");
    each(&mut fleet, in_part);

    fleet.check(5, "0: web done of web:1: 1 on a: its image's check failed: no page");
}

#[test]
fn who_joined_by_labels_stays_as_it_was_and_nobody_joins_who_is_known_in_part() {
    let labels = [("portico.service", "web"), ("portico.port", "80")];
    let mut fleet = Fleet::of("a inside", "");
    fleet.foreign("a", "cron", &labels);
    each(&mut fleet, says(Health::Unhealthy("no page".to_owned())));
    fleet.check(5, "0: web/cron@a adopted: its image's check failed: no page");

    fleet.foreign("a", "late", &labels);
    each(&mut fleet, in_part);
    fleet.check(5, "");
    assert_eq!(at(&fleet), "10.9.0.1:80");
    fleet.becomes("cron", Some(ContainerState::Exited(Exit::default())));

    fleet.check(5, "0: web/cron@a is gone");
    assert_eq!(fleet.hosts[&host("a")].containers.len(), 2);
}
