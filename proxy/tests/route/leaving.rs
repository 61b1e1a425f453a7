//! Who left a route is not free before nobody can pick it and nothing is in flight at it.

use std::sync::Arc;

use model::{Change, Fact, MAX_LEAVING, Revision};
use proxy::health::{DeadReason, Standing};

use crate::world::{World, frontend, key, nth_address, put, weighted};

/// What is not free, once no older table is held: `oldest: address requests+tunnels …`.
fn standing(world: &World, now_ms: u64) -> String {
    said(&world.states.let_go(&world.table, None, now_ms))
}

fn said(standing: &Standing) -> String {
    let oldest = standing.oldest.map_or_else(|| "-".to_owned(), |oldest| oldest.to_string());
    let leaving = standing.leaving.iter().map(|l| format!(" {} {}+{}", l.address, l.in_flight, l.tunnels));
    oldest + ":" + &leaving.collect::<String>()
}

fn list(addresses: &[&str]) -> [Fact; 1] {
    [frontend("a.b", addresses)]
}

#[test]
fn who_may_still_pick_it_keeps_the_table_old_and_who_was_given_to_it_counts() {
    for before in [&["10.0.0.1:1"][..], &["10.0.0.1:1", "10.0.0.2:1"]] {
        // given: one exchange has its route, another was given to its endpoint and picks no more
        let mut world = World::with(list(before));
        let [picking, picked] = [world.route("a.b"), world.route("a.b")];
        let given = picked.candidate(0).unwrap().enter();
        let frontend = picked.picked();

        // when
        world.put(list(&["10.0.0.2:1"]));

        // then
        assert!(!world.states.nothing_left());
        assert_eq!(standing(&world, 0), "1: 10.0.0.1:1 1+0");
        let retry = picking.candidate(0).unwrap().enter();
        assert_eq!(standing(&world, 0), "1: 10.0.0.1:1 2+0");
        drop((retry, picking));
        assert_eq!(standing(&world, 0), "-: 10.0.0.1:1 1+0");
        let tunnel = given.tunnel();
        assert_eq!(standing(&world, 0), "-: 10.0.0.1:1 0+1");
        drop(tunnel);
        drop((given, frontend));
        assert_eq!((standing(&world, 0).as_str(), world.states.nothing_left()), ("-:", true));
    }
}

#[test]
fn a_table_that_is_held_keeps_all_that_left_with_it() {
    let mut world = World::with(list(&["10.0.0.1:1"]));
    let old = std::mem::take(&mut world.table);
    world.table = old.update(Arc::new(old.snapshot().apply(Revision::new(2), [remove()])), &world.states);

    let while_held = said(&world.states.let_go(&world.table, Some(old.revision()), 0));
    let by_its_states = standing(&world, 0);
    drop(old);

    assert_eq!([while_held, by_its_states, standing(&world, 0)], ["1:", "1:", "-:"]);
}

fn remove() -> Change {
    Change::Remove(key("a.b", "/"))
}

#[test]
fn an_endpoint_that_is_dead_is_free_although_its_mark_is_remembered() {
    let mut world = World::with(list(&["10.0.0.1:1", "10.0.0.2:1"]));
    world.states.mark_dead(&world.route("a.b"), 0, DeadReason::Refused, 0, 30_000);

    world.put(list(&["10.0.0.2:1"]));

    assert_eq!((standing(&world, 0).as_str(), world.states.remembered()), ("-:", 1));
}

#[test]
fn an_endpoint_that_another_route_has_or_that_came_back_is_not_leaving() {
    // given: two frontends share an endpoint that is busy by one of them
    let mut world = World::with([frontend("a.b", &["10.0.0.1:1"]), frontend("c.d", &["10.0.0.1:1"])]);
    let given = world.route("a.b").candidate(0).unwrap().enter();

    // when, then: one lets go of it, then the other
    world.put(list(&["10.0.0.2:1"]));
    assert_eq!(standing(&world, 0), "-:");
    world.remove("c.d");
    assert_eq!(standing(&world, 1), "-: 10.0.0.1:1 1+0", "nobody says that it is free before it was looked");
    assert_eq!(standing(&world, 60_000), "-: 10.0.0.1:1 1+0");

    // when, then: it comes back, as itself and as another one's
    world.put([frontend("e.f", &["10.0.0.1:1"])]);
    assert_eq!(standing(&world, 120_000), "-:");
    world.remove("e.f");
    world.put(list(&["10.0.0.1:1"]));
    assert_eq!((standing(&world, 180_000).as_str(), world.states.nothing_left()), ("-:", true));
    world.put(list(&["10.0.0.2:1"]));
    assert_eq!(standing(&world, 240_000), "-: 10.0.0.1:1 1+0");
    drop(given);
    assert_eq!(standing(&world, 240_000), "-:");
}

#[test]
fn while_more_leave_than_are_named_the_table_stays_old() {
    let all = |count: usize| {
        let endpoints = (0..count).map(|n| (nth_address(n), 1)).collect();
        weighted("a.b", "/", model::BalanceKind::default(), endpoints)
    };
    let mut world = World::default();
    world.change([put(all(MAX_LEAVING + 1), 1)]);
    let route = world.route("a.b");
    let mut given: Vec<_> = (0..=MAX_LEAVING).map(|index| route.candidate(index).unwrap().enter()).collect();
    drop(route);
    world.remove("a.b");

    let many = world.states.let_go(&world.table, None, 0);
    given.pop();
    let fewer = world.states.let_go(&world.table, None, 0);

    assert_eq!((many.oldest, many.leaving.len()), (Some(Revision::new(1)), MAX_LEAVING));
    assert_eq!((fewer.oldest, fewer.leaving.len()), (None, MAX_LEAVING));
}

#[test]
fn many_that_leave_at_once_are_let_go_of_as_soon_as_their_table_is() {
    let many = |n: usize| frontend(&format!("h{n}.b"), &["10.0.0.1:1"]);
    let mut world = World::with((0..10_000).map(many));
    let busy = world.route("h7.b").candidate(0).unwrap().enter();
    let empty = world
        .snapshot()
        .apply(Revision::new(2), (0..10_000).map(|n| Change::Remove(key(&format!("h{n}.b"), "/"))));

    world.table = world.table.update(Arc::new(empty), &world.states);

    assert_eq!(standing(&world, 0), "-: 10.0.0.1:1 1+0");
    drop(busy);
    assert_eq!(standing(&world, 0), "-:");
}
