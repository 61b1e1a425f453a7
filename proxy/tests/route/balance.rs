//! What every balancer promises, and what each one adds.

use std::net::{IpAddr, Ipv4Addr};

use model::{BalanceKind, HashKey};
use proptest::prelude::*;
use proxy::balance::RequestKey;
use proxy::health::{DeadReason, InFlight, Marked};
use proxy::route::{Route, Tried};

use crate::world::{World, nth_address, weighted};

fn kinds() -> [BalanceKind; 7] {
    [
        BalanceKind::RandomOfTwo,
        BalanceKind::RoundRobin,
        BalanceKind::Random,
        BalanceKind::LeastLoaded,
        BalanceKind::Hash(HashKey::ClientAddress),
        BalanceKind::Hash(HashKey::Header("x-user".into())),
        BalanceKind::Hash(HashKey::Cookie("sid".into())),
    ]
}

/// A frontend with endpoints 0, 1, … of these weights.
fn world(kind: &BalanceKind, weights: &[u64]) -> World {
    let endpoints = weights.iter().enumerate().map(|(n, &weight)| (nth_address(n), weight)).collect();
    World::with([weighted("a.b", "/", kind.clone(), endpoints)])
}

/// The key of the n-th client, user and session.
fn nth_key(route: &Route, n: u32) -> RequestKey {
    let value = format!("sid={n}");
    route.request_key(|| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)), |_| Some(value.as_bytes()))
}

/// How often each endpoint is picked for `picks` requests of as many clients.
fn shares(route: &Route, tried: &Tried, picks: u32) -> Vec<u32> {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut counts = vec![0; route.endpoints().len()];
    for n in 0..picks {
        let picked = route.pick(nth_key(route, n), tried, &mut dice, 0).expect("a candidate");
        counts[picked.index] += 1;
    }
    counts
}

/// Each share lies within five standard deviations of its expectation.
#[track_caller]
fn assert_shares(kind: &BalanceKind, counts: &[u32], weights: &[u64]) {
    let (picks, total) = (counts.iter().sum::<u32>(), weights.iter().sum::<u64>());
    for (&count, &weight) in counts.iter().zip(weights) {
        let chance = weight as f64 / total as f64;
        let expected = chance * f64::from(picks);
        let bound = 5.0 * (expected * (1.0 - chance)).sqrt();
        assert!((f64::from(count) - expected).abs() <= bound, "{kind:?}: {counts:?} for {weights:?}");
    }
}

#[test]
fn every_balancer_gives_an_idle_list_its_weights() {
    for kind in kinds() {
        for weights in
            [&[1, 1][..], &[1, 1, 1, 1, 1], &[1, 2, 3, 4, 10], &[1000, 1], &[3; 40], &[1, 1000, 500]]
        {
            let route = world(&kind, weights).route("a.b");
            assert_shares(&kind, &shares(&route, &Tried::new(), 8_000), weights);
        }
    }
}

#[test]
fn every_balancer_gives_the_share_of_one_that_is_out_to_the_others_by_weight() {
    for kind in kinds() {
        // given: one is out, another was tried
        let world = world(&kind, &[5, 1, 2, 7, 3]);
        let route = world.route("a.b");
        assert_eq!(world.states.mark_dead(&route, 3, DeadReason::Refused, 0, 1_000), Marked::Now);
        let mut tried = Tried::new();
        tried.insert(0);

        // when, then
        assert_shares(&kind, &shares(&route, &tried, 20_000), &[0, 1, 2, 0, 3]);
    }
}

#[test]
fn every_balancer_picks_the_only_endpoint_and_nothing_from_nothing() {
    for kind in kinds() {
        let mut dice = fastrand::Rng::with_seed(1);
        let mut tried = Tried::new();
        assert!(world(&kind, &[]).route("a.b").pick(RequestKey::NONE, &tried, &mut dice, 0).is_none());

        let route = world(&kind, &[3]).route("a.b");
        assert_eq!(route.pick(RequestKey::NONE, &tried, &mut dice, 0).map(|picked| picked.index), Some(0));
        tried.insert(0);
        assert!(route.pick(RequestKey::NONE, &tried, &mut dice, 0).is_none());
    }
}

#[test]
fn every_balancer_tries_each_endpoint_once() {
    for kind in kinds() {
        let route = world(&kind, &[1; 64]).route("a.b");
        let mut dice = fastrand::Rng::with_seed(1);
        let mut tried = Tried::new();
        for n in 0..64 {
            let picked = route.pick(nth_key(&route, 1), &tried, &mut dice, 0).expect("one is left");
            assert!(!tried.contains(picked.index), "{kind:?} gave {} twice", picked.index);
            tried.insert(picked.index);
            assert_eq!(tried.len(), n + 1);
        }
        assert!(route.pick(nth_key(&route, 1), &tried, &mut dice, 0).is_none(), "{kind:?}");
    }
}

#[test]
fn every_balancer_finds_the_last_one_of_the_longest_list() {
    for kind in kinds() {
        let route = world(&kind, &[1; model::MAX_ENDPOINTS]).route("a.b");
        let mut dice = fastrand::Rng::with_seed(1);
        let mut tried = Tried::new();
        (0..model::MAX_ENDPOINTS).filter(|&index| index != 777).for_each(|index| tried.insert(index));
        let picked = route.pick(nth_key(&route, 1), &tried, &mut dice, 0).map(|picked| picked.index);
        assert_eq!(picked, Some(777), "{kind:?}");
    }
}

#[test]
fn no_balancer_allocates() {
    for kind in kinds() {
        for len in [1, 2, 8, 64, 1024] {
            let world = world(&kind, &vec![2; len]);
            let route = world.route("a.b");
            let mut dice = fastrand::Rng::with_seed(1);
            let cookie = b"sid=1";
            let measured = allocation_counter::measure(|| {
                let key = route.request_key(|| Ipv4Addr::LOCALHOST.into(), |_| Some(cookie));
                let mut tried = Tried::new();
                for _ in 0..8 {
                    let Some(picked) = route.pick(key, &tried, &mut dice, 0) else { break };
                    drop(picked.enter());
                    tried.insert(picked.index);
                }
            });
            assert_eq!(measured.count_total, 0, "{kind:?} over {len}");
        }
    }
}

proptest! {
    #[test]
    fn every_balancer_picks_only_who_is_eligible_and_none_only_when_nobody_is(
        endpoints in prop::collection::vec((1u64..20, any::<bool>(), any::<bool>(), 0usize..3), 0..20),
        seed in any::<u64>(),
    ) {
        for kind in kinds() {
            // given: some are out, some were tried, some are busy
            let weights: Vec<_> = endpoints.iter().map(|&(weight, ..)| weight).collect();
            let world = world(&kind, &weights);
            let route = world.route("a.b");
            let mut tried = Tried::new();
            let mut busy: Vec<InFlight> = Vec::new();
            for (index, &(_, dead, was_tried, load)) in endpoints.iter().enumerate() {
                if dead {
                    world.states.mark_dead(&route, index, DeadReason::Refused, 0, 1_000);
                }
                if was_tried {
                    tried.insert(index);
                }
                busy.extend((0..load).map(|_| route.candidate(index).unwrap().enter()));
            }
            let eligible: Vec<_> = (0..endpoints.len())
                .filter(|&index| !tried.contains(index) && !route.candidate(index).unwrap().state.is_out(0))
                .collect();

            // when, then
            let mut dice = fastrand::Rng::with_seed(seed);
            for n in 0..8 {
                let picked = route.pick(nth_key(&route, n), &tried, &mut dice, 0).map(|picked| picked.index);
                match picked {
                    Some(index) => prop_assert!(eligible.contains(&index), "{:?} picked {}", kind, index),
                    None => prop_assert!(eligible.is_empty(), "{:?} picked none of {:?}", kind, eligible),
                }
            }
        }
    }
}

/// Puts `load` requests in flight at each endpoint.
fn load(route: &Route, load: &[usize]) -> Vec<InFlight> {
    let each = load.iter().enumerate();
    each.flat_map(|(index, &n)| (0..n).map(move |_| route.candidate(index).unwrap().enter())).collect()
}

#[test]
fn the_less_loaded_of_two_takes_the_request() {
    let route = world(&BalanceKind::RandomOfTwo, &[1, 1]).route("a.b");
    let _busy = load(&route, &[5, 4]);
    assert_eq!(shares(&route, &Tried::new(), 1_000), [0, 1_000]);
}

#[test]
fn one_that_weighs_little_keeps_its_share_while_a_few_requests_are_in_flight() {
    let route = world(&BalanceKind::RandomOfTwo, &[9, 9, 2]).route("a.b");
    for busy in [[1, 1, 0], [1, 0, 0], [2, 1, 0]] {
        let _busy = load(&route, &busy);
        let share = shares(&route, &Tried::new(), 10_000)[2];
        assert!((800..=1200).contains(&share), "{share} of 10,000 with {busy:?} in flight");
    }
}

#[test]
fn two_draws_keep_a_long_list_nearly_even() {
    // given: 50 endpoints and 5,000 requests that all stay
    let route = world(&BalanceKind::RandomOfTwo, &[1; 50]).route("a.b");
    let mut dice = fastrand::Rng::with_seed(3);

    // when
    let mut pick = || route.pick(RequestKey::NONE, &Tried::new(), &mut dice, 0).unwrap().enter();
    let _stay: Vec<_> = (0..5_000).map(|_| pick()).collect();

    // then: by chance alone the fullest would have some 125
    let fullest = (0..50).map(|index| route.candidate(index).unwrap().state.in_flight()).max().unwrap();
    assert!(fullest <= 104, "{fullest} instead of about 100");
}

#[test]
fn the_least_loaded_by_weight_takes_the_request() {
    let route = world(&BalanceKind::LeastLoaded, &[1, 10, 2]).route("a.b");
    let _busy = load(&route, &[2, 11, 4]);
    assert_eq!(shares(&route, &Tried::new(), 100), [0, 100, 0]);
}

#[test]
fn turns_are_taken_in_the_order_of_the_list() {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut turns = |weights: &[u64], n: usize| -> Vec<usize> {
        let route = world(&BalanceKind::RoundRobin, weights).route("a.b");
        let mut turn = || route.pick(RequestKey::NONE, &Tried::new(), &mut dice, 0).unwrap().index;
        (0..n).map(|_| turn()).collect()
    };
    assert_eq!(turns(&[1, 1, 1], 7), [0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(turns(&[3, 1, 2], 12), [0, 1, 2, 0, 2, 0, 0, 1, 2, 0, 2, 0]);
    assert_eq!(turns(&[5, 5], 4), [0, 1, 0, 1]);
}

#[test]
fn a_key_stays_where_it_is_when_others_come_go_or_move() {
    let kind = BalanceKind::Hash(HashKey::ClientAddress);
    let home = |list: &[usize]| -> Vec<model::Address> {
        let endpoints = list.iter().map(|&n| (nth_address(n), 1)).collect();
        let route = World::with([weighted("a.b", "/", kind.clone(), endpoints)]).route("a.b");
        let mut dice = fastrand::Rng::with_seed(1);
        let mut home =
            |n| route.pick(nth_key(&route, n), &Tried::new(), &mut dice, 0).unwrap().address().clone();
        (0..2_000).map(&mut home).collect()
    };
    let all = home(&[0, 1, 2, 3, 4]);

    assert_eq!(all, home(&[4, 2, 0, 1, 3]), "the order of the list does not matter");
    for (was, is) in all.iter().zip(home(&[0, 1, 2, 3])) {
        assert!(*was == is || *was == nth_address(4), "only the keys of the one that left may move");
    }
    for (was, is) in all.iter().zip(home(&[0, 1, 2, 3, 4, 5])) {
        assert!(*was == is || is == nth_address(5), "keys may move to the one that came only");
    }
}
