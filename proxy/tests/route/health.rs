//! Marks of this node: who may be marked, what a mark does, how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::DeadEndpoint;
use proxy::balance::RequestKey;
use proxy::health::{DeadReason, Marked, Out};
use proxy::route::{Route, Tried};

use crate::world::{World, address, frontend, key};

const TTL: u64 = 30_000;

fn three() -> World {
    World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])])
}

/// Who is picked when all are tried one after the other, in the order of the list.
fn reachable(route: &Route, now_ms: u64) -> Vec<usize> {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut tried = Tried::new();
    while let Some(picked) = route.pick(RequestKey::NONE, &tried, &mut dice, now_ms) {
        tried.insert(picked.index);
    }
    (0..route.endpoints().len()).filter(|&index| tried.contains(index)).collect()
}

#[test]
fn a_marked_endpoint_is_left_out_until_its_mark_ends() {
    let world = three();
    let route = world.route("a.b");

    assert_eq!(world.states.mark_dead(&route, 1, DeadReason::Status(502), 5_000, TTL), Marked::Now);

    assert_eq!(reachable(&route, 5_000), [0, 2]);
    assert_eq!(reachable(&route, 34_999), [0, 2]);
    assert_eq!(reachable(&route, 35_000), [0, 1, 2]);
}

#[test]
fn a_second_failure_does_not_lengthen_a_mark() {
    let world = three();
    let route = world.route("a.b");
    world.states.mark_dead(&route, 1, DeadReason::Refused, 0, TTL);
    assert_eq!(world.states.mark_dead(&route, 1, DeadReason::Reset, 20_000, TTL), Marked::Already);
    assert_eq!(reachable(&route, 30_000), [0, 1, 2]);
    assert_eq!(world.states.mark_dead(&route, 1, DeadReason::Reset, 30_000, TTL), Marked::Now);
}

#[test]
fn the_last_live_endpoint_is_never_marked() {
    let world = three();
    let route = world.route("a.b");
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL);
    world.states.mark_dead(&route, 1, DeadReason::Refused, 0, TTL);
    assert_eq!(world.states.mark_dead(&route, 2, DeadReason::Refused, 0, TTL), Marked::Spared);
    assert_eq!(reachable(&route, 1), [2]);
}

#[test]
fn the_only_endpoint_is_never_marked() {
    let world = World::with([frontend("a.b", &["10.0.0.1:1"])]);
    let route = world.route("a.b");
    assert_eq!(world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL), Marked::Spared);
    assert_eq!(world.states.mark_dead(&route, 7, DeadReason::Refused, 0, TTL), Marked::Spared);
    assert_eq!(reachable(&route, 1), [0]);
}

#[test]
fn marks_of_ours_alone_do_not_bury_a_list_that_shrank() {
    // given: the only one that is left was marked while there were others
    let mut world = three();
    world.states.mark_dead(&world.route("a.b"), 0, DeadReason::Refused, 0, TTL);
    world.put([frontend("a.b", &["10.0.0.1:1"])]);

    // then: a list of one is tried in any case
    assert_eq!(reachable(&world.route("a.b"), 1), [0]);
    let seen = world.table.explain("a.b", b"/", 1).matched.unwrap().endpoints.remove(0);
    assert!(seen.out.is_some() && seen.serves);
}

#[test]
fn one_frontends_marks_are_not_anothers() {
    let world = World::with([
        frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"]),
        frontend("c.d", &["10.0.0.1:1", "10.0.0.2:1"]),
    ]);
    world.states.mark_dead(&world.route("a.b"), 0, DeadReason::Refused, 0, TTL);
    assert_eq!(reachable(&world.route("a.b"), 1), [1]);
    assert_eq!(reachable(&world.route("c.d"), 1), [0, 1]);
}

#[test]
fn two_threads_cannot_take_the_last_two_out() {
    for _ in 0..200 {
        let world = Arc::new(World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]));
        let marked = AtomicUsize::new(0);
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for index in 0..2 {
                let (world, marked, both) = (&world, &marked, &both);
                scope.spawn(move || {
                    let route = world.route("a.b");
                    both.wait();
                    if world.states.mark_dead(&route, index, DeadReason::Refused, 0, TTL) == Marked::Now {
                        marked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(marked.into_inner(), 1);
    }
}

#[test]
fn what_is_out_is_listed_with_why_and_how_long() {
    // given
    let world = three();
    let route = world.route("a.b");
    world.states.mark_dead(&route, 2, DeadReason::Status(502), 0, TTL);
    world.states.mark_dead(&route, 0, DeadReason::Refused, 10_000, TTL);

    // when, then
    let entry = |at, reason: &str, left| DeadEndpoint {
        frontend: key("a.b", "/"),
        address: address(at),
        reason: reason.into(),
        by_check: false,
        back_in_ms: Some(left),
    };
    let first = entry("10.0.0.1:1", "connect refused", 20_000);
    let both = vec![first.clone(), entry("10.0.0.3:1", "502 from the endpoint", 10_000)];
    assert_eq!(world.states.dead(&world.table, 20_000), both);
    assert_eq!(
        world.states.dead(&world.table, 30_000),
        vec![DeadEndpoint { back_in_ms: Some(10_000), ..first }]
    );
    assert_eq!(world.states.dead(&world.table, 40_000), vec![]);

    let out: Vec<_> = world.table.explain("a.b", b"/", 20_000).matched.unwrap().endpoints;
    let ours = |reason, left| Some(Out { ours: Some((reason, left)), by_others: false, by_check: false });
    let expected = [ours(DeadReason::Refused, 20_000), None, ours(DeadReason::Status(502), 10_000)];
    assert_eq!(out.iter().map(|view| view.out).collect::<Vec<_>>(), expected);
    assert_eq!(out.iter().map(|view| view.serves).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn what_left_the_table_is_not_listed() {
    let mut world = three();
    world.states.mark_dead(&world.route("a.b"), 0, DeadReason::Refused, 0, TTL);
    world.put([frontend("a.b", &["10.0.0.2:1", "10.0.0.3:1"])]);
    assert_eq!(world.states.dead(&world.table, 1), vec![]);
    world.remove("a.b");
    assert_eq!(world.states.dead(&world.table, 1), vec![]);
}

#[test]
fn a_request_of_an_older_table_marks_nothing_that_the_newest_lists() {
    let mut world = three();
    let older = world.route("a.b");
    world.put([frontend("a.b", &["10.0.0.2:1", "10.0.0.3:1"])]);
    assert_eq!(world.states.mark_dead(&older, 0, DeadReason::Refused, 0, TTL), Marked::Now);
    assert_eq!(world.states.dead(&world.table, 1), vec![]);

    // It comes back before the mark ended.
    world.put([frontend("a.b", &["10.0.0.2:1", "10.0.0.3:1", "10.0.0.1:1"])]);
    assert_eq!(reachable(&world.route("a.b"), 1), [0, 1]);
    assert_eq!(world.states.dead(&world.table, 1).len(), 1);
}
