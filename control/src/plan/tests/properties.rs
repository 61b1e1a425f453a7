//! What holds for any fleet, whatever an operator says, as long as nothing fails.

use model::{Change, Snapshot, Stated};
use proptest::collection::vec;
use proptest::prelude::*;

use super::fleet::{Fleet, MEMORY, host};

/// What an operator says.
#[derive(Debug, Clone)]
enum Said {
    Host(String),
    Service(String),
    NoService(&'static str),
    /// Nothing, for so many turns.
    Nothing(usize),
    /// Another controller goes on.
    Anew,
}

const HOSTS: [(&str, u64); 3] = [("a", 2), ("b", 3), ("c", 4)];
/// How many turns it takes at most until nothing happens any more.
const TURNS: usize = 300;

fn a_word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn a_host() -> impl Strategy<Value = String> {
    let state = a_word(&["", "", "", "cordoned", "drained"]);
    (prop::sample::select(&HOSTS[..]), a_word(&["zone=eu", "zone=us"]), state)
        .prop_map(|((name, memory), zone, state)| format!("{name} mem={memory} {zone} {state}"))
}

fn a_service() -> impl Strategy<Value = String> {
    let name = a_word(&["db", "log", "web"]);
    let image = a_word(&["app:1", "app:2", "app:3"]);
    let count = prop_oneof![4 => (0..4_u8).prop_map(|count| format!("x{count}")), 1 => Just("x1-4".to_owned()), 1 => Just("every".to_owned())];
    let takes = a_word(&["", "mem=1", "mem=2"]);
    let wish = a_word(&["", "", "", "need:zone=eu", "each", "apart:db", "apart:web", "beside:db"]);
    let how = a_word(&["", "", "stop-first", "parallel=2", "min=2", "off"]);
    (name, image, count, takes, wish, how).prop_map(|(name, image, count, takes, wish, how)| {
        let is_itself = wish.ends_with(&format!(":{name}"));
        format!("{name} {image} {count} {takes} {} {how} deadline=3600", if is_itself { "" } else { wish })
    })
}

fn all_said() -> impl Strategy<Value = Vec<Said>> {
    let said = prop_oneof![
        3 => a_host().prop_map(Said::Host),
        6 => a_service().prop_map(Said::Service),
        1 => a_word(&["db", "log", "web"]).prop_map(Said::NoService),
        4 => (1..12_usize).prop_map(Said::Nothing),
        1 => Just(Said::Anew),
    ];
    vec(said, 1..12)
}

/// The same facts, told in another order.
fn turned(facts: &Snapshot) -> Snapshot {
    let (hosts, services) = (facts.hosts().map(|(_, it)| it), facts.services().map(|(_, it)| it));
    let (instances, deployments) =
        (facts.instances().map(|(_, it)| it), facts.deployments().map(|(_, it)| it));
    let all: Vec<Stated> = hosts.chain(services).chain(instances).chain(deployments).cloned().collect();
    Snapshot::default().apply(facts.revision(), all.into_iter().rev().map(Change::Put))
}

/// A turn, with what holds at each.
fn turn(fleet: &mut Fleet) -> Result<String, TestCaseError> {
    let planned = fleet.look();
    prop_assert_eq!(&fleet.look(), &planned, "of the same follows the same");
    let facts = turned(&fleet.facts);
    prop_assert_eq!(&super::super::plan(fleet.seen(&facts)), &planned, "in whatever order facts are told");
    let said = fleet.turn();
    for (name, memory) in HOSTS {
        let taken = fleet.taken(&host(name));
        prop_assert!(taken <= memory * MEMORY, "{} of {memory} are taken on {name}", taken / MEMORY);
    }
    Ok(said)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_is_always_the_same_fills_no_host_too_much_and_comes_to_an_end(all in all_said()) {
        let mut fleet = Fleet::of("a mem=2 zone=eu; b mem=3; c mem=4 zone=eu", "");
        for said in &all {
            match said {
                Said::Host(text) => fleet.host(text),
                Said::Service(text) => fleet.service(text),
                Said::NoService(name) => fleet.no_service(name),
                Said::Anew => fleet.begin_anew(),
                Said::Nothing(turns) => {
                    for _ in 0..*turns {
                        turn(&mut fleet)?;
                    }
                }
            }
        }
        let mut quiet = 0;
        let mut told = Vec::new();
        while quiet < 10 && told.len() < TURNS {
            let said = turn(&mut fleet)?;
            quiet = if said.is_empty() { quiet + 1 } else { 0 };
            told.push(said);
        }
        let last = told[told.len().saturating_sub(12)..].join("\n");
        prop_assert!(quiet >= 10, "it never ends:\n{last}");
    }
}
