//! What time counts until a rollout's deadline, while hosts are started for it.

use model::Fact;

use super::failed;
use super::stand::{SECOND, Stand, host, spare, tried, web};

/// What is said of a version that came too late.
fn late(why: &str) -> String {
    format!("failed: it was not healthy in time{why}")
}

#[test]
fn the_time_in_which_a_host_is_started_is_none_of_a_rollouts() {
    let mut stand = Stand::new([spare("b")]);
    let deadline = web(1).launch.unwrap().rollout.deadline;
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    assert_eq!(stand.calls(), ["b wake"]);

    stand.pass(deadline * 2);
    stand.turn();
    let while_it_starts = stand.rollout();
    stand.ends("b", Ok(()));
    stand.answers("b");
    stand.turn();
    stand.turn();
    stand.pass(deadline - SECOND);
    stand.turn();
    let while_it_runs = stand.rollout();
    stand.pass(SECOND);
    stand.turn();

    let waits = "progressing: 1 instance fits nowhere (b: it is being started)";
    assert_eq!((while_it_starts.as_str(), while_it_runs.as_str()), (waits, "progressing: "));
    assert_eq!((stand.places(), stand.rollout()), (vec!["b".to_owned()], late("")));
}

#[test]
fn what_waits_for_a_host_that_fails_again_and_again_has_failed_by_its_deadline() {
    let mut stand = Stand::new([spare("b")]);
    let deadline = web(1).launch.unwrap().rollout.deadline;
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    for failures in 1..=stand.config.failures {
        assert_eq!(stand.calls(), ["b wake"]);
        stand.pass(deadline);
        stand.turn();
        assert!(stand.rollout().starts_with("progressing: "), "{}", stand.rollout());
        stand.ends("b", failed("no quota", false));
        stand.turn();
        stand.turn();
        stand.pass(SECOND * (1 << failures));
        stand.turn();
    }

    assert_eq!(stand.calls(), ["b wake"]);
    stand.pass(deadline);
    stand.turn();

    let why = ": 1 instance fits nowhere (b: it is being started, after failure 3: no quota)";
    assert_eq!(stand.rollout(), late(why));
}

#[test]
fn the_time_in_which_a_host_is_started_for_a_canary_is_none_of_the_canarys() {
    let mut stand = Stand::new([host("a"), spare("b")]);
    let deadline = web(1).launch.unwrap().rollout.deadline;
    stand.answers("a");
    stand.off("b");
    stand.state(Fact::Service(Box::new(tried(1))));
    stand.turn();
    assert_eq!(stand.calls(), ["b wake"]);

    stand.pass(deadline);
    stand.turn();
    let while_it_starts = (stand.rollout(), stand.canary());
    stand.ends("b", Ok(()));
    stand.answers("b");
    stand.turn();
    stand.turn();
    stand.pass(deadline - SECOND);
    stand.turn();
    let while_it_runs = stand.canary();
    stand.pass(SECOND);
    stand.turn();

    let why = "1 instance fits nowhere (a: has 0m of CPU free, needs 1000m, b: it is being started)";
    assert_eq!(while_it_starts, (late(""), format!("progressing: {why}")), "what runs on a waits for none");
    assert_eq!((while_it_runs, stand.canary()), ("progressing: ".to_owned(), late("")));
}
