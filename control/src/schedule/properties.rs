//! What holds for any hosts, services and instances.

use std::collections::{BTreeMap, BTreeSet};

use model::launch::Fill;
use model::{HostName, InstanceName, Metadata, ServiceName};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;

const SERVICES: [&str; 5] = ["app", "cache", "db", "log", "web"];

fn a_service() -> impl Strategy<Value = ServiceName> {
    (0..SERVICES.len()).prop_map(|at| ServiceName::parse(SERVICES[at]).expect("a name"))
}

fn a_host() -> impl Strategy<Value = HostName> {
    (0..7_u8).prop_map(|n| HostName::parse(&format!("h{n}")).expect("a name"))
}

fn a_label() -> impl Strategy<Value = (String, String)> {
    (prop_oneof![Just("zone"), Just("disk")], 0..2_u8)
        .prop_map(|(key, value)| (key.into(), value.to_string()))
}

fn labels(most: usize) -> impl Strategy<Value = Metadata> {
    vec(a_label(), 0..=most)
        .prop_map(|labels| Metadata::new(labels.into_iter().collect::<BTreeMap<_, _>>()).expect("labels"))
}

fn a_machine() -> impl Strategy<Value = Machine> {
    let states = prop_oneof![6 => Just(State::Available), 1 => Just(State::Silent), 1 => Just(State::Cordoned), 1 => Just(State::Lost)];
    let limit = || prop::option::weighted(0.8, 0..9_u64);
    (labels(2), 0..3_u32, limit(), limit(), states).prop_map(|(labels, tier, cpu, memory, state)| Machine {
        labels,
        tier,
        capacity: Capacity { cpu, memory },
        state,
        unready: None,
    })
}

fn resources() -> impl Strategy<Value = Resources> {
    (0..4_u64, 0..4_u64).prop_map(|(cpu, memory)| Resources { cpu, memory })
}

fn copies() -> impl Strategy<Value = Copies> {
    let count =
        || (0..5_u32, 0..3_u32).prop_map(|(least, more)| Count::new(least, least + more).expect("it"));
    prop_oneof![
        3 => count().prop_map(Copies::Counted),
        2 => count().prop_map(Copies::OnePerHost),
        1 => Just(Copies::EveryHost),
    ]
}

fn a_wanted() -> impl Strategy<Value = Wanted> {
    let preferred =
        (a_label(), 0..3_u32).prop_map(|((key, value), weight)| Preference { key, value, weight });
    let wishes = (
        prop_oneof![3 => Just(Metadata::default()), 1 => labels(1)],
        vec(preferred, 0..3),
        prop_oneof![Just(Fill::Spread), Just(Fill::Pack)],
        prop_oneof![3 => Just(BTreeSet::new()), 1 => btree_set(a_service(), 1..3)],
        prop_oneof![2 => Just(BTreeSet::new()), 1 => btree_set(a_service(), 1..3)],
    );
    (copies(), resources(), wishes).prop_map(|(copies, resources, wishes)| {
        let (required, preferred, fill, beside, not_beside) = wishes;
        Wanted { copies, resources, wishes: Wishes { required, preferred, fill, beside, not_beside } }
    })
}

fn a_placed() -> impl Strategy<Value = Placed> {
    (a_service(), 1..6_u8, a_host(), resources()).prop_map(|(service, number, host, resources)| Placed {
        service,
        instance: InstanceName::parse(&number.to_string()).expect("a name"),
        host,
        resources,
    })
}

fn a_fleet() -> impl Strategy<Value = Fleet> {
    (
        btree_map(a_host(), a_machine(), 0..7),
        btree_map(a_service(), a_wanted(), 0..6),
        btree_set(a_placed(), 0..10),
    )
        .prop_map(|(machines, wanted, placed)| Fleet { machines, wanted, placed, ..Fleet::default() })
}

/// The fleet when all that was decided is done.
fn done(fleet: &Fleet) -> (Schedule, Fleet) {
    let decided = schedule(fleet);
    let placed = decided.stay.iter().chain(&decided.start).cloned().collect();
    let after = Fleet { placed, ..fleet.clone() };
    (decided, after)
}

fn on<'a>(placed: &'a BTreeSet<Placed>, host: &HostName) -> Vec<&'a Placed> {
    placed.iter().filter(|placed| placed.host == *host).collect()
}

fn one_per_host(service: &ServiceName, wanted: &Wanted) -> bool {
    !matches!(wanted.copies, Copies::Counted(_)) || wanted.wishes.not_beside.contains(service)
}

/// Told anew, from what is there: that a host's labels and state are such that an instance may stay.
fn is_one_for(machine: &Machine, wanted: &Wanted) -> bool {
    let has: BTreeSet<_> = machine.labels.iter().collect();
    machine.state != State::Lost && wanted.wishes.required.iter().all(|label| has.contains(&label))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_host_that_something_starts_on_is_over_its_capacity(fleet in a_fleet()) {
        let (decided, after) = done(&fleet);
        for started in &decided.start {
            let there = on(&after.placed, &started.host);
            let cpu: u64 = there.iter().map(|placed| placed.resources.cpu).sum();
            let memory: u64 = there.iter().map(|placed| placed.resources.memory).sum();
            let capacity = fleet.machines[&started.host].capacity;
            // What takes nothing may start where it is full.
            prop_assert!(started.resources.cpu == 0 || capacity.cpu.is_none_or(|all| cpu <= all));
            prop_assert!(started.resources.memory == 0 || capacity.memory.is_none_or(|all| memory <= all));
        }
    }

    #[test]
    fn the_order_in_which_things_are_told_does_not_matter(
        (fleet, machines, wanted, placed) in a_fleet().prop_flat_map(|fleet| {
            let machines: Vec<_> = fleet.machines.clone().into_iter().collect();
            let wanted: Vec<_> = fleet.wanted.clone().into_iter().collect();
            let placed: Vec<_> = fleet.placed.iter().cloned().collect();
            let shuffled = (Just(machines).prop_shuffle(), Just(wanted).prop_shuffle(), Just(placed).prop_shuffle());
            (Just(fleet), shuffled).prop_map(|(fleet, (machines, wanted, placed))| (fleet, machines, wanted, placed))
        })
    ) {
        let turned = wanted.into_iter().map(|(name, mut wanted)| {
            wanted.wishes.preferred.reverse();
            (name, wanted)
        });
        let shuffled = Fleet {
            wanted: turned.collect(),
            machines: machines.into_iter().collect(),
            placed: placed.into_iter().collect(),
            ..Fleet::default()
        };
        prop_assert_eq!(schedule(&shuffled), schedule(&fleet));
    }

    #[test]
    fn what_runs_stays_or_leaves_for_a_reason_that_is_true(fleet in a_fleet()) {
        let decided = schedule(&fleet);
        let both: BTreeSet<_> = decided.stay.iter().chain(decided.leave.keys()).cloned().collect();
        prop_assert_eq!(&both, &fleet.placed);
        prop_assert_eq!(both.len(), decided.stay.len() + decided.leave.len());
        for (placed, why) in &decided.leave {
            let wanted = &fleet.wanted[&placed.service];
            let machine = fleet.machines.get(&placed.host);
            let stays = |service: &ServiceName| on(&decided.stay, &placed.host).iter().any(|other| other.service == *service);
            let of_it = decided.stay.iter().filter(|other| other.service == placed.service);
            let is_true = match why {
                Leaving::Gone => machine.is_none(),
                Leaving::Twice => of_it.clone().any(|other| other.instance == placed.instance)
                    || decided.leave.iter().any(|(other, why)| *why == Leaving::Surplus && other.instance == placed.instance),
                Leaving::Surplus => match wanted.copies {
                    Copies::Counted(count) | Copies::OnePerHost(count) => of_it.count() == count.most() as usize,
                    Copies::EveryHost => false,
                },
                Leaving::Host(Why::Lost | Why::Lacks { .. }) => machine.is_some_and(|machine| !is_one_for(machine, wanted)),
                Leaving::Host(Why::Silent | Why::Unready(_)) => false,
                Leaving::Host(Why::Without(other)) => !stays(other) && wanted.wishes.beside.contains(other),
                Leaving::Host(Why::Beside(other)) => stays(other) && wanted.wishes.not_beside.contains(other),
                Leaving::Host(Why::Shunned(other)) => stays(other) && fleet.wanted[other].wishes.not_beside.contains(&placed.service),
                Leaving::Host(Why::HasOne) => one_per_host(&placed.service, wanted)
                    && (stays(&placed.service) || decided.leave.iter().any(|(other, why)| *why == Leaving::Surplus
                        && (&other.host, &other.service) == (&placed.host, &placed.service))),
                Leaving::Host(Why::Cordoned | Why::Cpu { .. } | Why::Memory { .. } | Why::Tier { .. }) => false,
            };
            prop_assert!(is_true, "{:?}: {}", placed, why);
        }
    }

    #[test]
    fn what_is_wanted_of_hosts_holds_when_it_is_done(fleet in a_fleet()) {
        let (decided, after) = done(&fleet);
        for (service, wanted) in &fleet.wanted {
            let of_it: Vec<_> = after.placed.iter().filter(|placed| placed.service == *service).collect();
            let hosts: BTreeSet<_> = of_it.iter().map(|placed| &placed.host).collect();
            let names: BTreeSet<_> = of_it.iter().map(|placed| &placed.instance).collect();
            prop_assert_eq!(names.len(), of_it.len());
            prop_assert!(!one_per_host(service, wanted) || hosts.len() == of_it.len());
            for host in hosts {
                prop_assert!(is_one_for(&fleet.machines[host], wanted));
                let there = on(&after.placed, host);
                let apart = |other: &&Placed| other.service != *service && wanted.wishes.not_beside.contains(&other.service);
                prop_assert_eq!(there.into_iter().find(apart), None);
            }
            let missing = decided.unplaced.get(service).map_or(0, |unplaced| unplaced.missing);
            match wanted.copies {
                Copies::Counted(count) | Copies::OnePerHost(count) => {
                    prop_assert!(of_it.len() <= count.most() as usize);
                    prop_assert_eq!(missing, count.least().saturating_sub(u32::try_from(of_it.len()).expect("few")));
                }
                Copies::EveryHost => {
                    let explained = explain(&after, service).expect("it is wanted");
                    prop_assert!(explained.values().all(|host| host.next.is_err()), "a host that fits has none");
                }
            }
        }
        for placed in &decided.start {
            prop_assert_eq!(fleet.machines[&placed.host].state, State::Available);
        }
    }

    #[test]
    fn who_must_be_beside_another_is_unless_wishes_go_in_a_circle(fleet in a_fleet()) {
        let (_, after) = done(&fleet);
        for placed in &after.placed {
            let Some(wanted) = fleet.wanted.get(&placed.service) else { continue };
            for other in wanted.wishes.beside.iter().filter(|other| **other != placed.service) {
                let mut reached = BTreeSet::from([other]);
                for _ in SERVICES {
                    let next = reached.iter().filter_map(|name| fleet.wanted.get(*name));
                    reached.extend(next.flat_map(|wanted| &wanted.wishes.beside).collect::<Vec<_>>());
                }
                let is_there = on(&after.placed, &placed.host).iter().any(|there| there.service == *other);
                prop_assert!(is_there || reached.contains(&placed.service), "{:?} without {}", placed, other);
            }
        }
    }

    #[test]
    fn a_tier_is_left_only_when_it_is_full(fleet in a_fleet()) {
        let (decided, after) = done(&fleet);
        for placed in &decided.start {
            if fleet.wanted[&placed.service].copies == Copies::EveryHost {
                continue;
            }
            let tier = fleet.machines[&placed.host].tier;
            for (host, explained) in explain(&after, &placed.service).expect("it is wanted") {
                prop_assert!(fleet.machines[&host].tier >= tier || explained.next.is_err(), "{:?}: {}", placed, host);
            }
        }
    }

    #[test]
    fn deciding_again_changes_nothing(fleet in a_fleet()) {
        let (decided, after) = done(&fleet);
        let again = schedule(&after);
        prop_assert_eq!(&again.stay, &after.placed);
        prop_assert_eq!(again.start, vec![]);
        prop_assert_eq!(again.leave, BTreeMap::new());
        prop_assert_eq!(again.unplaced, decided.unplaced);
    }

    #[test]
    fn a_host_that_goes_moves_nothing_on_others(fleet in a_fleet(), gone in a_host()) {
        let (_, mut after) = done(&fleet);
        after.machines.remove(&gone);
        for placed in schedule(&after).leave.keys() {
            prop_assert_eq!(&placed.host, &gone);
        }
    }

    #[test]
    fn what_is_explained_is_what_is_done(fleet in a_fleet()) {
        let decided = schedule(&fleet);
        for (service, wanted) in &fleet.wanted {
            let explained = explain(&fleet, service).expect("it is wanted");
            let hosts = decided.start.iter().filter(|placed| placed.service == *service).map(|placed| &placed.host);
            if let Some(first) = hosts.clone().next() {
                prop_assert_eq!(&explained[first].next, &Ok(1));
            }
            for host in hosts.clone() {
                let next = &explained[host].next;
                prop_assert!(matches!(next, Ok(_) | Err(Why::Tier { .. })), "{} {:?}", host, next);
            }
            for (host, explained) in &explained {
                let stay = on(&decided.stay, host).iter().filter(|placed| placed.service == *service).count();
                prop_assert_eq!(explained.stay as usize, stay);
            }
            let could = explained.values().any(|explained| explained.next.is_ok());
            let stay: u32 = explained.values().map(|explained| explained.stay).sum();
            let starts = match wanted.copies {
                Copies::Counted(count) | Copies::OnePerHost(count) => count.least() > stay,
                Copies::EveryHost => true,
            };
            prop_assert_eq!(hosts.count() > 0, could && starts);
        }
    }
}
