//! Active checks: who is on the agenda, what results do to endpoints. Simulated, with the time and chance in hand.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Address, BalanceKind, Check, CheckKind, ExpectedStatus, Frontend, HttpCheck};
use proptest::prelude::*;
use proxy::balance::RequestKey;
use proxy::health::check::Agenda;
use proxy::health::{DeadReason, Marked};
use proxy::route::{Route, Tried};

use crate::world::{World, frontend, key, nth_address, weighted};

const TTL: u64 = 30_000;

fn three() -> (World, Route) {
    let world = World::with([frontend("a.b", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])]);
    let route = world.route("a.b");
    (world, route)
}

fn live(route: &Route, now_ms: u64) -> Vec<usize> {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut tried = Tried::new();
    while let Some(picked) = route.pick(RequestKey::NONE, &tried, &mut dice, now_ms) {
        tried.insert(picked.index);
    }
    (0..route.endpoints().len()).filter(|&index| tried.contains(index)).collect()
}

#[test]
fn one_that_failed_its_check_is_out_until_it_passes() {
    let (world, route) = three();

    assert_eq!(world.states.check_failed(&route, 1, "check failed: 503", 0), Marked::Now);

    assert_eq!(live(&route, u64::MAX), [0, 2]);
    world.states.sweep(u64::MAX);
    let dead = world.states.dead(&world.table, u64::MAX);
    assert_eq!((&*dead[0].reason, dead[0].by_check, dead[0].back_in_ms), ("check failed: 503", true, None));
    world.states.check_passed(&route, 1);
    assert_eq!(live(&route, 0), [0, 1, 2]);
    world.states.sweep(0);
    assert_eq!(world.states.remembered(), 0);
}

#[test]
fn the_last_live_one_serves_on_and_goes_when_another_is_back() {
    let (world, route) = three();
    world.states.check_failed(&route, 0, "x", 0);
    world.states.mark_dead(&route, 1, DeadReason::Refused, 0, TTL);

    assert_eq!(world.states.check_failed(&route, 2, "the last", 0), Marked::Spared);

    assert_eq!(live(&route, 0), [2]);
    let why = world.states.check_failure(&key("a.b", "/"), route.candidate(2).unwrap().address());
    assert_eq!(why.as_deref(), Some("the last"));
    world.states.check_passed(&route, 0);
    assert_eq!(world.states.check_failed(&route, 2, "still", 0), Marked::Now);
    assert_eq!(live(&route, 0), [0]);
}

#[test]
fn one_that_passes_loses_the_mark_of_this_node_and_is_not_kept_out_by_those_of_others() {
    let (world, route) = three();
    world.states.mark_dead(&route, 0, DeadReason::Refused, 0, TTL);
    world.states.check_passed(&route, 0);
    assert_eq!(live(&route, 1), [0, 1, 2]);

    let mut marks = model::DeadMarks::default();
    marks.by_host.insert("a.b".into(), [route.candidate(1).unwrap().address().clone()].into());
    world.states.apply_marks(&marks, &world.table);
    assert_eq!(live(&route, 1), [0, 2], "no check has said anything of it yet");
    world.states.check_failed(&route, 2, "x", 0);
    world.states.check_passed(&route, 1);
    world.states.sweep(1);
    assert_eq!(live(&route, 1), [0, 1]);

    world.states.apply_marks(&model::DeadMarks::default(), &world.table);
    assert_eq!(live(&route, 1), [0, 1], "what was taken back says nothing of the check");
    assert!(!route.candidate(1).unwrap().state.is_marked_by_others());
}

#[test]
fn marks_of_others_count_for_those_whose_check_fails_or_ended() {
    let (world, route) = three();
    let all: Vec<Address> = route.endpoints().iter().map(|endpoint| endpoint.address.clone()).collect();
    let mut marks = model::DeadMarks::default();
    marks.by_host.insert("a.b".into(), all.as_slice().into());
    (0..3).for_each(|index| world.states.check_passes(&route, index));

    world.states.apply_marks(&marks, &world.table);

    assert_eq!(live(&route, 0), [0, 1, 2]);
    world.states.check_failed(&route, 0, "x", 0);
    world.states.check_ended(&key("a.b", "/"), &all[1], &world.table);
    assert_eq!(live(&route, 0), [2]);
    assert_eq!(world.states.check_failed(&route, 2, "the last", 0), Marked::Spared);
    assert_eq!(live(&route, 0), [2], "the last one serves on, whatever others say");
}

#[test]
fn a_check_that_ended_keeps_nobody_out_wherever_the_endpoint_went() {
    let (mut world, route) = three();
    let address = route.candidate(1).unwrap().address().clone();
    world.states.check_failed(&route, 1, "x", 0);
    world.put([frontend("a.b", &["10.0.0.1:1", "10.0.0.3:1"])]);

    world.states.check_ended(&key("a.b", "/"), &address, &world.table);
    world.put([frontend("a.b", &["10.0.0.3:1", "10.0.0.2:1", "10.0.0.1:1"])]);

    assert_eq!(live(&world.route("a.b"), 0), [0, 1, 2]);
}

/// A frontend of these endpoints with one of a few checks.
fn checked(host: &str, endpoints: &BTreeSet<usize>, kind: u8) -> Frontend {
    let endpoints = endpoints.iter().map(|&n| (nth_address(n), 1)).collect();
    let mut frontend = weighted(host, "/", BalanceKind::default(), endpoints).as_frontend().unwrap().clone();
    let http = |path| CheckKind::Http(HttpCheck::new(path, ExpectedStatus::Success, "").unwrap());
    frontend.policy.check = match kind {
        0 => None,
        1 => Some(Box::new(Check::new(CheckKind::Tcp))),
        2 => Some(Box::new(Check::new(http("/up")))),
        _ => Some(Box::new(Check::new(http("/other")))),
    };
    frontend
}

#[test]
fn frontends_that_want_the_same_share_a_check() {
    let mut agenda = Agenda::default();
    let both = BTreeSet::from([1, 2]);
    for host in ["a.b", "*.b", "c.b"] {
        agenda.put(&checked(host, &both, 1), || 0);
    }
    assert_eq!((agenda.checked(), agenda.targets()), (6, 2));
    // Over HTTP each asks for a host of its own.
    agenda.put(&checked("a.b", &both, 2), || 0);
    assert_eq!((agenda.checked(), agenda.targets()), (6, 4));
    let hosts: BTreeSet<_> = std::iter::from_fn(|| agenda.take_due(0)).map(|(_, t)| t.host.clone()).collect();
    assert_eq!(hosts, BTreeSet::from(["".into(), "a.b".into()]));
    agenda.put(&checked("*.d", &both, 2), || 0);
    let (_, target) = agenda.take_due(0).unwrap();
    assert_eq!(*target.host, *target.address.to_string(), "no host: the endpoint's own");
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, BTreeSet<usize>, u8),
    Remove(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let endpoints = || prop::collection::btree_set(0usize..5, 0..4);
    let step = prop_oneof![
        3 => (0u8..6, endpoints(), 0u8..4).prop_map(|(host, list, kind)| Step::Put(host, list, kind)),
        1 => (0u8..6).prop_map(Step::Remove),
        4 => (0u64..2_500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

const INTERVAL: u64 = 1_000;

proptest! {
    /// Whoever wants a check gets one every interval, nobody more, and who is left is named.
    #[test]
    fn everybody_is_checked_once_an_interval(steps in steps(), seed in any::<u64>()) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut agenda, mut now) = (Agenda::default(), 0u64);
        let mut wants: BTreeMap<u8, Frontend> = BTreeMap::new();
        // By target: when it was checked last, or when it came.
        let mut last: HashMap<String, (u64, bool)> = HashMap::new();
        let name = |frontend: &Frontend, address: &Address| match frontend.policy.check.as_deref() {
            None => None,
            Some(Check { kind: CheckKind::Tcp, .. }) => Some(format!("{address}")),
            Some(Check { kind: CheckKind::Http(http), .. }) => {
                Some(format!("{address} {} {}", frontend.host, http.path()))
            }
        };
        let all = |wants: &BTreeMap<u8, Frontend>| -> BTreeSet<String> {
            let of = |f: &Frontend| f.backend.endpoints.iter().filter_map(|e| name(f, &e.address)).collect::<Vec<_>>();
            wants.values().flat_map(of).collect()
        };
        for step in steps {
            let gone = match &step {
                Step::Put(host, list, kind) => {
                    let frontend = checked(&format!("h{host}.b"), list, *kind);
                    let gone = agenda.put(&frontend, || now + dice.u64(0..=INTERVAL));
                    let before = wants.insert(*host, frontend);
                    Some((*host, gone, before))
                }
                Step::Remove(host) => {
                    let gone = agenda.remove(&key(&format!("h{host}.b"), "/"));
                    Some((*host, gone, wants.remove(host)))
                }
                Step::Wait(ms) => {
                    let until = now + ms;
                    while let Some(at) = agenda.next_due().filter(|&at| at <= until) {
                        now = now.max(at);
                        let (id, target) = agenda.take_due(now).expect("it is due");
                        let http = match &target.check.kind {
                            CheckKind::Tcp => String::new(),
                            CheckKind::Http(http) => format!(" {} {}", target.host, http.path()),
                        };
                        let name = format!("{}{http}", target.address);
                        let (before, was_checked) = last.insert(name.clone(), (now, true)).expect("somebody wants it");
                        prop_assert!(!was_checked || now >= before + INTERVAL, "{} after {}", now, before);
                        prop_assert!(now <= before + INTERVAL, "{name} waited from {before} to {now}");
                        prop_assert!(!agenda.users(id).is_empty());
                        agenda.again(id, now + INTERVAL);
                    }
                    now = until;
                    None
                }
            };
            if let Some((host, gone, before)) = gone {
                let checked_by = |f: Option<&Frontend>| -> BTreeSet<Address> {
                    let listed = f.into_iter().filter(|f| f.policy.check.is_some()).flat_map(|f| &f.backend.endpoints);
                    listed.map(|e| e.address.clone()).collect()
                };
                let (was, is) = (checked_by(before.as_ref()), checked_by(wants.get(&host)));
                prop_assert_eq!(gone.into_iter().collect::<BTreeSet<_>>(), &was - &is);
            }
            let wanted = all(&wants);
            last.retain(|name, _| wanted.contains(name));
            for name in &wanted {
                last.entry(name.clone()).or_insert((now, false));
            }
            prop_assert_eq!(agenda.targets(), wanted.len());
            let users: usize = wants.values().filter(|f| f.policy.check.is_some()).map(|f| f.backend.endpoints.len()).sum();
            prop_assert_eq!(agenda.checked(), users);
        }
    }
}
