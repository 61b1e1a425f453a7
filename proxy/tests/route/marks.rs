//! Marks of others: which endpoints they name, and what their end ends.

use std::sync::Arc;

use model::DeadMarks;
use proptest::prelude::*;
use proxy::health::{DeadReason, Out};

use crate::lookup::{hosts, patterns};
use crate::world::{World, address, frontend};

const TTL: u64 = 30_000;

/// The marks of all writers: by host, the addresses.
fn marks(by_host: &[(&str, &[&str])]) -> DeadMarks {
    let list = |addresses: &[&str]| -> Arc<[_]> { addresses.iter().map(|at| address(at)).collect() };
    let by_host = by_host.iter().map(|(host, addresses)| (Box::from(*host), list(addresses))).collect();
    DeadMarks { by_host, active_checker: false }
}

impl World {
    fn marked(&self, by_host: &[(&str, &[&str])]) {
        self.states.apply_marks(&marks(by_host), &self.table);
    }

    /// Which of a host's endpoints are out, by the first letters "1", "2" … of their places.
    fn out(&self, host: &str, now_ms: u64) -> Vec<usize> {
        let route = self.route(host);
        let is_out = |index: &usize| route.candidate(*index).unwrap().state.is_out(now_ms);
        (0..route.endpoints().len()).filter(is_out).collect()
    }
}

fn three(host: &str) -> model::Fact {
    frontend(host, &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])
}

#[test]
fn marks_of_others_hold_until_they_are_taken_back() {
    let world = World::with([three("a.b")]);
    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.3:1"])]);
    assert_eq!(world.out("a.b", u64::MAX - 1), [0, 2]);
    world.marked(&[("a.b", &["10.0.0.3:1"])]);
    assert_eq!(world.out("a.b", 0), [2]);
    world.marked(&[]);
    assert_eq!(world.out("a.b", 0), []);
    world.states.sweep(0);
    assert_eq!(world.states.remembered(), 0);
}

#[test]
fn others_may_mark_the_last_one_too() {
    let world = World::with([three("a.b")]);
    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])]);
    let mut dice = fastrand::Rng::with_seed(1);
    let picked =
        world.route("a.b").pick(Default::default(), &Default::default(), &mut dice, 0).map(|c| c.index);
    assert_eq!(picked, None);
}

#[test]
fn marks_of_ours_that_are_read_back_bury_no_route() {
    let world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    let route = world.route("a.b");
    let picked = |now_ms| {
        let mut dice = fastrand::Rng::with_seed(1);
        route.pick(Default::default(), &Default::default(), &mut dice, now_ms).map(|picked| picked.index)
    };
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL);

    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);

    // Another's mark of the second renewed ours of the first in the registry.
    world.states.sweep(TTL + 1);
    assert_eq!((picked(10), picked(TTL + 1)), (Some(0), Some(0)));
    world.marked(&[]);
    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    assert_eq!(picked(10), None, "these are all of others");
}

#[test]
fn a_mark_of_ours_that_ended_unread_is_no_part_in_a_later_one() {
    let world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    let route = world.route("a.b");
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL);
    world.states.sweep(TTL);

    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);

    assert!((0..2).all(|index| route.candidate(index).unwrap().state.is_out_by_others_alone()));
}

#[test]
fn a_mark_of_ours_that_others_see_ends_when_it_is_taken_back() {
    // given: our mark was written to the registry and read back
    let world = World::with([three("a.b")]);
    let route = world.route("a.b");
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL);
    world.marked(&[("a.b", &["10.0.0.1:1"])]);
    let both = Some(Out { ours: Some((DeadReason::Refused, TTL - 10)), by_others: true, by_check: false });
    assert_eq!(route.candidate(0).unwrap().state.out(10), both);
    assert_eq!(world.states.dead(&world.table, 10)[0].back_in_ms, None);

    // when: a checker takes it back
    world.marked(&[]);

    // then
    assert_eq!(world.out("a.b", 10), []);
}

#[test]
fn a_mark_of_ours_that_nobody_saw_ends_by_its_own_time() {
    // given: an active checker runs, so nothing was written; it marks another one and takes that back
    let world = World::with([three("a.b")]);
    world.states.mark_dead(&world.route("a.b"), 0, DeadReason::Refused, 0, TTL);
    world.marked(&[("a.b", &["10.0.0.2:1"])]);
    world.marked(&[]);
    assert_eq!(world.out("a.b", 10), [0]);
    assert_eq!(world.out("a.b", TTL), []);
}

#[test]
fn a_mark_under_a_wildcard_holds_while_any_host_names_it() {
    let world = World::with([three("*.b")]);
    world.marked(&[("a.b", &["10.0.0.1:1"]), ("c.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    assert_eq!(world.out("x.b", 0), [0, 1]);
    world.marked(&[("c.b", &["10.0.0.1:1"])]);
    assert_eq!(world.out("x.b", 0), [0]);
    world.marked(&[]);
    assert_eq!(world.out("x.b", 0), []);
}

#[test]
fn marks_that_came_before_the_frontend_hold_for_it() {
    let mut world = World::default();
    world.marked(&[("a.b", &["10.0.0.1:1"])]);
    world.put([three("a.b")]);
    assert_eq!(world.out("a.b", 0), [0]);
}

#[test]
fn a_host_that_gets_a_frontend_of_its_own_takes_its_marks_along() {
    let mut world = World::with([three("*.b")]);
    world.states.mark_dead(&world.route("x.b"), 0, DeadReason::Refused, 0, TTL);
    world.marked(&[("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);

    world.put([three("a.b")]);

    assert_eq!(world.out("a.b", 0), [0, 1]);
    assert_eq!(world.out("x.b", 0), [0], "our own mark there was not taken back by anybody");
    world.remove("a.b");
    assert_eq!(world.out("x.b", 0), [0, 1]);
}

#[test]
fn a_reordered_list_keeps_the_marks_of_others_with_their_addresses() {
    let mut world = World::with([three("a.b")]);
    world.marked(&[("a.b", &["10.0.0.1:1"])]);
    world.put([frontend("a.b", &["10.0.0.3:1", "10.0.0.1:1"])]);
    assert_eq!(world.out("a.b", 0), [1]);
}

#[derive(Debug, Clone)]
enum Event {
    Put(String, Vec<u8>),
    Remove(String),
    Marks(Vec<(String, Vec<u8>)>),
    Sweep,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let some = || prop::collection::vec(1u8..5, 0..4);
    let event = prop_oneof![
        3 => (patterns(), some()).prop_map(|(host, list)| Event::Put(host, list)),
        1 => patterns().prop_map(Event::Remove),
        3 => prop::collection::vec((hosts(), some()), 0..6).prop_map(Event::Marks),
        1 => Just(Event::Sweep),
    ];
    prop::collection::vec(event, 1..25)
}

fn addresses(numbers: &[u8]) -> Vec<String> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().map(|n| format!("10.0.0.{n}:1")).collect()
}

proptest! {
    /// Whatever order tables and marks arrive in: an endpoint is marked by others when, and only when, some host whose
    /// marks name it is served by its frontend.
    #[test]
    fn the_marks_of_others_are_always_those_that_were_read_last(events in events()) {
        let mut world = World::default();
        let mut last = DeadMarks::default();
        for event in events {
            match event {
                Event::Put(host, list) => {
                    let list = addresses(&list);
                    let list: Vec<_> = list.iter().map(String::as_str).collect();
                    world.put([frontend(&host, &list)]);
                }
                Event::Remove(host) => world.remove(&host),
                Event::Sweep => world.states.sweep(0),
                Event::Marks(by_host) => {
                    let lists: Vec<_> = by_host.iter().map(|(host, list)| (host, addresses(list))).collect();
                    let of = |list: &Vec<String>| -> Arc<[_]> { list.iter().map(|at| address(at)).collect() };
                    last.by_host = lists.iter().map(|(host, list)| (Box::from(host.as_str()), of(list))).collect();
                    world.states.apply_marks(&last, &world.table);
                }
            }
            for (frontend, _) in world.snapshot().frontends() {
                let route = world.table.get(&frontend.key()).unwrap();
                for index in 0..route.endpoints().len() {
                    let candidate = route.candidate(index).unwrap();
                    let named = last.by_host.iter().any(|(host, list)| {
                        let serves = world.table.find(host, b"/").is_some_and(|found| found.is(route));
                        serves && list.contains(candidate.address())
                    });
                    prop_assert_eq!(candidate.state.is_marked_by_others(), named, "{} {}", route.key(), candidate.address());
                }
            }
        }
        world.states.apply_marks(&DeadMarks::default(), &world.table);
        world.table = Default::default();
        world.states.sweep(0);
        prop_assert_eq!(world.states.remembered(), 0);
    }
}
