//! A table made of the one before is the table made from nothing; what is known of endpoints survives.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Address, BalanceKind, Change, FactKey};
use proptest::prelude::*;
use proxy::balance::RequestKey;
use proxy::health::{DeadReason, EndpointState, Marked, States};
use proxy::route::{RouteTable, Tried};

use crate::lookup::{asked, find, paths, patterns};
use crate::world::{World, address, frontend, key, nth_address, put, weighted};

/// The state of an endpoint, to be compared by identity.
fn state(world: &World, host: &str, at: &str) -> Arc<EndpointState> {
    let route = world.route(host);
    let mut all = (0..route.endpoints().len()).filter_map(|index| route.candidate(index));
    let found = all.find(|candidate| *candidate.address() == address(at)).expect("the endpoint");
    Arc::clone(found.state)
}

#[test]
fn a_reordered_list_keeps_every_mark_and_count_with_its_address() {
    // given: one endpoint is dead, one is busy
    let mut world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])]);
    let route = world.route("a.b");
    assert_eq!(world.states.mark_dead(&route, 0, DeadReason::Refused, 0, 30_000), Marked::Now);
    let request = route.candidate(1).unwrap().enter();

    // when
    world.put([frontend("a.b", &["10.0.0.3:1", "10.0.0.2:1", "10.0.0.4:1", "10.0.0.1:1"])]);

    // then
    let out = |at| state(&world, "a.b", at).is_out(1_000);
    assert_eq!(
        ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"].map(out),
        [true, false, false, false]
    );
    assert_eq!(state(&world, "a.b", "10.0.0.2:1").in_flight(), 1);
    drop(request);
    assert_eq!(state(&world, "a.b", "10.0.0.2:1").in_flight(), 0);
}

#[test]
fn an_endpoint_that_comes_back_is_met_as_it_was() {
    // given: a frontend with a dead endpoint and a busy one is removed
    let mut world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    let route = world.route("a.b");
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, 30_000);
    let request = route.candidate(1).unwrap().enter();
    world.remove("a.b");
    world.states.sweep(1_000);

    // when
    world.put([frontend("a.b", &["10.0.0.2:1", "10.0.0.1:1"])]);

    // then
    assert!(state(&world, "a.b", "10.0.0.1:1").is_out(1_000));
    assert_eq!(world.states.dead(&world.table, 1_000).len(), 1);
    assert!(Arc::ptr_eq(&state(&world, "a.b", "10.0.0.2:1"), request.state()));
}

#[test]
fn what_nobody_holds_is_forgotten() {
    // given: an endpoint is removed while a request is with it, another after its mark ended
    let mut world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    let route = world.route("a.b");
    world.states.mark_dead(&route, 1, DeadReason::Refused, 0, 30_000);
    let request = route.candidate(0).unwrap().enter();
    drop(route);
    world.remove("a.b");
    assert_eq!(world.states.remembered(), 2);

    // when, then
    world.states.sweep(29_999);
    assert_eq!(world.states.remembered(), 2);
    world.states.sweep(30_000);
    assert_eq!(world.states.remembered(), 1);
    drop(request);
    world.states.sweep(30_000);
    assert_eq!(world.states.remembered(), 0);
}

#[test]
fn endpoints_that_are_well_are_not_remembered_beside_the_table() {
    let mut world = World::with((0..100).map(|n| frontend(&format!("h{n}.b"), &["10.0.0.1:1"])));
    world.put([frontend("h1.b", &["10.0.0.1:1", "10.0.0.2:1"])]);
    world.remove("h2.b");
    assert_eq!(world.states.remembered(), 0);
}

#[test]
fn whose_turn_it_is_survives_an_update() {
    // given
    let list = |names: &[usize]| {
        weighted("a.b", "/", BalanceKind::RoundRobin, names.iter().map(|&n| (nth_address(n), 1)).collect())
    };
    let mut dice = fastrand::Rng::with_seed(1);
    let mut world = World::with([list(&[0, 1, 2])]);
    let mut turn = |world: &World| {
        let route = world.route("a.b");
        route.pick(RequestKey::NONE, &Tried::new(), &mut dice, 0).unwrap().address().clone()
    };

    // when: between two requests the list is written again, with another name of the backend or not
    let first = turn(&world);
    world.put([list(&[0, 1, 2, 3])]);
    let second = turn(&world);
    world.put([list(&[0, 1, 2])]);
    let third = turn(&world);

    // then
    assert_eq!([first, second, third], [0, 1, 2].map(nth_address));
}

#[test]
fn one_change_costs_little_however_large_the_table() {
    // given
    let mut world = World::with((0..20_000).map(|n| frontend(&format!("h{n}.example.com"), &["10.0.0.1:1"])));
    let snapshot = world.snapshot();
    let next = Arc::new(
        snapshot.apply(snapshot.revision().next(), [put(frontend("new.example.com", &["10.0.0.1:1"]), 2)]),
    );

    // when
    let before = world.table.find("h7.example.com", b"/").unwrap().clone();
    let cost = allocation_counter::measure(|| world.table = world.table.update(next, &world.states));

    // then
    assert!(cost.count_total < 100, "{} allocations", cost.count_total);
    assert!(world.table.find("h7.example.com", b"/").unwrap().is(&before));
    assert!(world.table.find("new.example.com", b"/").is_some());
}

#[test]
fn a_large_table_loses_and_regains_most_of_its_frontends() {
    // given
    let host = |n: usize| format!("h{n}.example.com");
    let mut world = World::with((0..20_000).map(|n| frontend(&host(n), &["10.0.0.1:1"])));
    let full = world.table.update(Arc::clone(world.table.snapshot()), &world.states);
    let found = |table: &RouteTable| (0..20_000).filter(|&n| table.find(&host(n), b"/").is_some()).count();

    // when
    world.change((0..20_000).filter(|n| n % 100 != 0).map(|n| Change::Remove(key(&host(n), "/"))));
    let sparse = world.table.update(Arc::clone(world.table.snapshot()), &world.states);
    world.put((0..10_000).map(|n| frontend(&host(n), &["10.0.0.2:1"])));

    // then
    assert_eq!([&full, &sparse, &world.table].map(found), [20_000, 200, 10_100]);
}

#[derive(Debug, Clone)]
enum Step {
    Put(String, String, Vec<usize>),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let endpoints = || prop::collection::vec(0usize..6, 0..4);
    let root_mostly = prop_oneof![2 => Just("/".to_owned()), 1 => paths()];
    let step = prop_oneof![
        3 => (patterns(), root_mostly, endpoints()).prop_map(|(host, path, list)| Step::Put(host, path, list)),
        2 => any::<usize>().prop_map(Step::Remove),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..8), 1..12)
}

/// The changes of a step; what is removed or put again is mostly something that was put.
fn changes(world: &World, steps: Vec<Step>, seen: &mut Vec<FactKey>) -> Vec<Change> {
    let of = |step| match step {
        Step::Remove(nth) if seen.is_empty() => Change::Remove(key(&format!("n{nth}"), "/")),
        Step::Remove(nth) => Change::Remove(seen[nth % seen.len()].clone()),
        Step::Put(host, path, list) => {
            let mut unique = list;
            unique.sort_unstable();
            unique.dedup();
            if unique.len() % 2 == 1 {
                unique.reverse();
            }
            let endpoints = unique.into_iter().map(|n| (nth_address(n), 1)).collect();
            seen.push(key(&host, &path));
            put(
                weighted(&host, &path, BalanceKind::default(), endpoints),
                world.table.revision().number() + 1,
            )
        }
    };
    steps.into_iter().map(of).collect()
}

/// The states of all endpoints in the table.
fn all_states(world: &World) -> HashMap<(FactKey, Address), Arc<EndpointState>> {
    let mut all = HashMap::new();
    for (frontend, _) in world.snapshot().frontends() {
        let route = world.table.get(&frontend.key()).expect("every frontend has a route");
        for index in 0..route.endpoints().len() {
            let candidate = route.candidate(index).expect("an endpoint");
            all.insert((frontend.key(), candidate.address().clone()), Arc::clone(candidate.state));
        }
    }
    all
}

proptest! {
    #[test]
    fn a_table_that_followed_changes_is_the_table_from_nothing(
        rounds in steps(),
        asked in prop::collection::vec((asked(), paths()), 1..30),
    ) {
        let mut world = World::default();
        let mut seen = Vec::new();
        for round in rounds {
            let before = all_states(&world);
            let old = std::mem::take(&mut world.table);
            world.table = old.update(Arc::clone(old.snapshot()), &world.states);
            let changes = changes(&world, round, &mut seen);
            world.change(changes);
            let anew = RouteTable::from_snapshot(Arc::clone(world.table.snapshot()), &States::default());

            prop_assert_eq!(world.table.revision(), anew.revision());
            for key in &seen {
                let (followed, from_nothing) = (world.table.get(key), anew.get(key));
                prop_assert_eq!(followed.map(|route| route.frontend()), from_nothing.map(|route| route.frontend()));
                // The table before still says what its snapshot says.
                let stated = old.snapshot().get(key).map(|stated| &stated.fact);
                prop_assert_eq!(old.get(key).map(|route| route.fact()), stated);
                // A route that no change touched is the same one, not a copy.
                if let (Some(was), Some(is)) = (old.get(key), followed)
                    && Arc::ptr_eq(was.fact(), is.fact())
                {
                    prop_assert!(was.is(is));
                }
                let model::FactKey::Frontend { host, path } = key else { panic!("{key}") };
                let below = host.to_string().replace('*', "a");
                let found = |table: &RouteTable| find(table, &below, path.as_str()).map(|route| route.key());
                prop_assert_eq!(found(&world.table), found(&anew));
            }
            for (host, path) in &asked {
                let found = |table: &RouteTable| find(table, host, path).map(|route| route.fact().clone());
                prop_assert_eq!(found(&world.table), found(&anew));
            }
            // An endpoint that stayed has the state it had.
            for (of, state) in all_states(&world) {
                prop_assert!(before.get(&of).is_none_or(|was| Arc::ptr_eq(was, &state)));
            }
        }
    }
}
