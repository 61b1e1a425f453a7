//! What follows for hosts that are found, started and stopped.

mod deadline;
mod stand;
mod walk;

use std::collections::BTreeMap;

use model::launch::{PerHost, Resources};
use model::{Fact, FactKey, Host, Instance, InstanceName, InstanceState, Stage, Standing};

use self::stand::{SECOND, Stand, addresses, host, label, name, spare, tried, web};
use crate::act::Failed;
use crate::publish::Edit;
use crate::runtime::{Container, ContainerState};

fn failed(why: &str, hung: bool) -> Result<(), Failed> {
    Err(Failed { why: why.to_owned(), hung })
}

#[test]
fn a_host_is_started_for_what_fits_nowhere_else_and_placed_on_once_it_answers() {
    let mut stand = Stand::new([host("a"), spare("b")]);
    stand.answers("a");
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    assert_eq!((stand.calls(), stand.power("b")), (vec![], "stopped 0".to_owned()), "there is room on a");

    stand.state(Fact::Service(Box::new(web(2))));
    let begins = (stand.calls(), stand.power("b"), stand.explained("b"));
    let called = stand.calls();
    let waits = stand.calls();
    stand.ends("b", Ok(()));
    let done = (stand.calls(), stand.power("b"));
    stand.answers("b");
    let answers = (stand.calls(), stand.power("b"));
    stand.turn();

    assert_eq!(begins, (vec![], "starting 0".to_owned(), "it is being started".to_owned()), "written ahead");
    assert_eq!((called, waits), (vec!["b wake".to_owned()], vec![]), "once");
    assert_eq!(done, (vec![], "starting done 0".to_owned()));
    assert_eq!(answers, (vec![], "running 0".to_owned()));
    assert_eq!(stand.places(), ["a", "b"]);
}

#[test]
fn an_action_is_told_of_its_host() {
    let mut stand = Stand::new([spare("b")]);
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();

    let told = &stand.plan().actions[0].call;

    let of = |variable: &str| told.environment.iter().find(|(name, _)| name == variable).unwrap().1.as_str();
    assert_eq!(told.name, "wake");
    assert_eq!([of("PORTICO_ACTION"), of("PORTICO_HOST")], ["start", "b"]);
    assert_eq!([of("PORTICO_ENGINE"), of("PORTICO_CLOUD_MACHINE_TYPE")], ["tcp://b:2376", "small"]);
}

#[test]
fn of_hosts_that_could_be_started_those_of_the_first_tier_are_and_no_more_than_are_needed() {
    let far = Host { priority: 7, ..spare("far") };
    let mut stand = Stand::new([far, spare("near"), spare("other")]);
    for host in ["far", "near", "other"] {
        stand.silent(host);
    }
    stand.off("far");
    stand.state(Fact::Service(Box::new(web(2))));
    stand.turn();

    let called = stand.calls();

    assert_eq!(called, ["near wake", "other wake"]);
    assert_eq!(stand.power("far"), "stopped 0");
    assert_eq!(stand.calls(), Vec::<String>::new(), "what is being started counts");
}

#[test]
fn what_stands_in_the_way_of_starting_a_host_is_told_and_holds_up_no_other() {
    let check = |change: fn(&mut Host), expected: &str| {
        let mut b = spare("b");
        change(&mut b);
        let mut stand = Stand::new([b, Host { priority: 1, ..spare("c") }]);
        stand.silent("c");
        stand.off("b");
        stand.state(Fact::Service(Box::new(web(1))));
        stand.turn();

        assert_eq!(stand.calls(), ["c wake"], "{expected}");
        assert!(stand.explained("b").contains(expected), "{}", stand.explained("b"));
    };
    check(|host| host.start = Some(label("other")), "`other` is not defined; define it in `control.actions`");
    check(|host| host.capacity = Resources::new(Some(1000), None).unwrap(), "say `capacity.cpu_millis` and");
    check(|host| host.capacity = Resources::new(Some(999), Some(64 << 20)).unwrap(), "has 999m of CPU free");
    check(|host| host.cordoned = true, "cordoned");
}

#[test]
fn nothing_is_started_for_one_on_every_host_nor_for_what_has_room_soon() {
    let mut stand = Stand::new([host("a"), spare("b")]);
    stand.answers("a");
    stand.off("b");
    let mut every = web(1);
    every.launch.as_mut().unwrap().placement.per_host = PerHost::Every;
    stand.state(Fact::Service(Box::new(every)));
    for _ in 0..3 {
        assert_eq!(stand.calls(), Vec::<String>::new());
    }
    assert_eq!((stand.power("b"), stand.places()), ("stopped 0".to_owned(), vec!["a".to_owned()]));

    let mut stand = Stand::new([host("a"), spare("b")]);
    stand.answers("a");
    stand.off("b");
    stand.silent("a");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    assert_eq!(stand.calls(), Vec::<String>::new(), "that a is silent may be over soon");
    stand.pass(stand.config.host_grace);
    stand.turn();
    assert_eq!(stand.calls(), ["b wake"], "a is lost");
}

#[test]
fn a_host_is_started_for_a_canary_that_fits_nowhere_else_but_for_none_that_has_room_soon() {
    let mut stand = Stand::new([host("a"), spare("b")]);
    stand.answers("a");
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    let mut instance = Instance::new(web(1).name, InstanceName::parse("9").unwrap(), addresses("10.0.0.1"));
    (instance.host, instance.state) = (Some(name("a")), InstanceState::Draining);
    instance.run = stand.facts.instances().next().unwrap().0.run.clone();
    instance.run.as_mut().unwrap().stage = Stage::Draining;
    let leaving = instance.key();
    stand.state(Fact::Instance(Box::new(instance)));
    stand.state(Fact::Service(Box::new(tried(1))));
    let while_one_leaves = stand.plan().edits;

    stand.remove(leaving);
    stand.turn();
    let called = stand.calls();
    stand.ends("b", Ok(()));
    stand.answers("b");
    stand.turn();
    stand.turn();

    let is_of_host = |edit: &Edit| matches!(edit.key, FactKey::Standing(_));
    assert!(!while_one_leaves.iter().any(is_of_host), "{while_one_leaves:?}");
    assert_eq!((called, stand.power("b")), (vec!["b wake".to_owned()], "running 0".to_owned()));
    assert_eq!(stand.places(), ["a", "b"]);
    stand.state(Fact::Service(Box::new(web(1))));
    for _ in 0..3 {
        stand.turn();
    }
    stand.pass(stand.config.host_idle);
    stand.turn();
    assert_eq!(stand.power("b"), "stopping 0", "it was aborted");
}

#[test]
fn a_start_that_fails_is_tried_again_after_a_pause_that_grows() {
    let mut stand = Stand::new([spare("b")]);
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    for (failures, pause) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(stand.calls(), ["b wake"]);
        stand.ends("b", failed("no quota", false));
        stand.turn();
        assert_eq!(
            (stand.power("b"), stand.reason("b")),
            (format!("stopped {failures}"), "no quota".to_owned())
        );
        stand.turn();
        assert!(
            stand.explained("b").contains(&format!("after failure {failures}")),
            "{}",
            stand.explained("b")
        );

        stand.pass(SECOND * pause - SECOND / 2);
        stand.turn();
        assert_eq!(stand.power("b"), format!("stopped {failures}"), "its pause is not over");
        stand.pass(SECOND);
        stand.turn();
        assert_eq!(stand.power("b"), format!("starting {failures}"));
    }
    stand.answers("b");
    stand.turn();
    assert_eq!(stand.power("b"), "running 0");
}

#[test]
fn what_may_have_been_started_and_does_not_answer_is_stopped() {
    let begun = || {
        let mut stand = Stand::new([spare("b")]);
        stand.off("b");
        stand.state(Fact::Service(Box::new(web(1))));
        stand.turn();
        assert_eq!(stand.calls(), ["b wake"]);
        stand
    };
    let stopped = |mut stand: Stand, why: &str| {
        stand.turn();
        assert_eq!(stand.power("b"), "stopping 1");
        stand.turn();
        stand.pass(SECOND);
        assert_eq!(stand.calls(), ["b sleep"], "after a pause");
        stand.ends("b", Ok(()));
        stand.turn();
        stand.turn();
        assert_eq!(stand.power("b"), "stopped 1");
        assert!(stand.reason("b").contains(why), "{}", stand.reason("b"));
    };

    let mut hung = begun();
    hung.ends("b", failed("action `wake` took longer than 2m", true));
    stopped(hung, "took longer than 2m");

    let mut mute = begun();
    mute.ends("b", Ok(()));
    mute.turn();
    mute.turn();
    mute.pass(mute.config.host_wait);
    stopped(mute, "its engine does not answer 300s after that: no route");
}

#[test]
fn a_controller_that_takes_over_waits_for_what_another_may_have_begun() {
    let mut stand = Stand::new([spare("b")]);
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    assert_eq!(stand.calls(), ["b wake"]);

    stand.control(2);
    let at_once = stand.calls();
    stand.pass(stand.config.action_timeout - SECOND);
    let early = stand.calls();
    stand.pass(SECOND);
    let late = stand.calls();

    assert_eq!((at_once, early, late), (vec![], vec![], vec!["b wake".to_owned()]));
    stand.ends("b", Ok(()));
    stand.turn();
    stand.control(3);
    stand.pass(stand.config.action_timeout);
    assert_eq!(stand.calls(), Vec::<String>::new(), "it is known to have ended well");
}

#[test]
fn a_host_is_stopped_when_it_was_idle_for_long_enough_and_is_not_needed() {
    let mut stand = Stand::new([spare("b")]);
    stand.answers("b");
    stand.turn();
    assert_eq!(stand.power("b"), "running 0", "whoever started it");
    stand.turn();
    stand.pass(stand.config.host_idle - SECOND);
    stand.turn();
    assert_eq!(stand.power("b"), "running 0");

    stand.pass(SECOND);
    stand.turn();
    let begins = stand.power("b");
    let called = stand.calls();
    stand.ends("b", Ok(()));
    stand.turn();
    let answers_still = (stand.calls(), stand.power("b"));
    stand.silent("b");
    stand.turn();

    assert_eq!(begins, "stopping 0", "written ahead");
    assert_eq!(called, ["b sleep"]);
    assert_eq!(answers_still, (vec![], "stopping done 0".to_owned()));
    assert_eq!(stand.power("b"), "stopped 0");
}

#[test]
fn a_host_with_anything_on_it_is_not_stopped() {
    let idle = |stand: &mut Stand| {
        stand.turn();
        stand.pass(stand.config.host_idle * 2);
        stand.turn();
        stand.power("b")
    };
    let running = || {
        let mut stand = Stand::new([spare("b")]);
        stand.answers("b");
        stand.turn();
        stand
    };

    let mut leaves = running();
    let mut instance = Instance::new(web(1).name, InstanceName::parse("x").unwrap(), addresses("10.0.0.1"));
    (instance.host, instance.state) = (Some(name("b")), InstanceState::Draining);
    leaves.state(Fact::Instance(Box::new(instance)));
    assert_eq!(idle(&mut leaves), "running 0");

    let mut others = running();
    others.views.get_mut(&name("b")).unwrap().containers.push(container());
    assert_eq!(idle(&mut others), "running 0");

    let mut undefined = running();
    undefined.config.actions.retain(|action| action.name != label("sleep"));
    assert_eq!(idle(&mut undefined), "running 0");
    assert!(undefined.reason("b").contains("`sleep` is not defined"), "{}", undefined.reason("b"));
}

#[test]
fn what_came_before_a_host_is_stopped_keeps_it() {
    let stopping = || {
        let mut stand = Stand::new([spare("b")]);
        stand.answers("b");
        stand.turn();
        stand.turn();
        stand.pass(stand.config.host_idle);
        stand.turn();
        assert_eq!(stand.power("b"), "stopping 0");
        stand
    };

    // A turn that had not seen yet that it is to be stopped.
    let mut raced = stopping();
    let mut instance = Instance::new(web(1).name, InstanceName::parse("1").unwrap(), addresses("10.0.0.1"));
    instance.host = Some(name("b"));
    raced.state(Fact::Instance(Box::new(instance)));
    assert_eq!(raced.calls(), Vec::<String>::new());
    assert_eq!(raced.power("b"), "running 0");

    let mut taken_over = stopping();
    assert_eq!(taken_over.calls(), ["b sleep"]);
    taken_over.control(2);
    taken_over.silent("b");
    assert_eq!(taken_over.calls(), Vec::<String>::new());
    taken_over.pass(taken_over.config.action_timeout);
    assert_eq!(taken_over.calls(), ["b sleep"], "nobody knows whether it was: nothing runs for ever");
}

#[test]
fn a_stop_that_fails_is_tried_again_and_a_host_that_stays_is_told() {
    let mut stand = Stand::new([spare("b")]);
    stand.answers("b");
    stand.turn();
    stand.turn();
    stand.pass(stand.config.host_idle);
    stand.turn();
    assert_eq!(stand.calls(), ["b sleep"]);
    stand.ends("b", failed("no such machine", false));
    stand.turn();
    assert_eq!(
        (stand.power("b"), stand.reason("b")),
        ("stopping 1".to_owned(), "no such machine".to_owned())
    );
    assert_eq!(stand.calls(), Vec::<String>::new());
    stand.pass(SECOND);
    assert_eq!(stand.calls(), ["b sleep"]);

    stand.ends("b", Ok(()));
    stand.turn();
    stand.turn();
    stand.pass(stand.config.host_wait);
    stand.turn();

    assert_eq!(stand.power("b"), "running 2");
    assert!(stand.reason("b").contains("answers still 300s after"), "{}", stand.reason("b"));
}

#[test]
fn a_host_that_is_found_while_its_action_runs_is_called_once() {
    let mut stand = Stand::new([Host { addresses: None, ..spare("b") }]);
    stand.off("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    assert_eq!(stand.calls(), ["b wake"]);
    let revision = |stand: &Stand| stand.facts.standing(&name("b")).unwrap().1.revision;
    let begun = revision(&stand);

    stand.views.get_mut(&name("b")).unwrap().found = Some(Ok(addresses("10.0.0.7")));
    stand.turn();
    let while_it_runs = revision(&stand);
    stand.ends("b", Ok(()));
    let ended = (stand.calls(), stand.power("b"));
    stand.turn();

    assert_eq!(while_it_runs, begun, "what becomes of it is of the fact from which it followed");
    assert_eq!(ended, (vec![], "starting done 0".to_owned()));
    assert_eq!(stand.facts.standing(&name("b")).unwrap().0.addresses, Some(addresses("10.0.0.7")));
}

#[test]
fn a_host_without_an_address_is_placed_on_once_it_is_found_and_followed_from_then() {
    let mut stand = Stand::new([Host { addresses: None, ..host("b") }]);
    stand.answers("b");
    stand.state(Fact::Service(Box::new(web(1))));
    stand.turn();
    assert_eq!(stand.explained("b"), "its address is not known yet");
    let found = |stand: &mut Stand, found: Result<&str, &str>| {
        let found = found.map(addresses).map_err(str::to_owned);
        stand.views.get_mut(&name("b")).unwrap().found = Some(found);
        stand.turn();
        stand.turn();
    };
    let at = |stand: &Stand| -> Vec<String> {
        let all =
            stand.facts.instances().flat_map(|(instance, _)| instance.addresses.iter().collect::<Vec<_>>());
        all.map(|ip| ip.to_string()).collect()
    };

    found(&mut stand, Err("no such name; say `addresses` of the host"));
    assert_eq!(stand.explained("b"), "its address is not known: no such name; say `addresses` of the host");
    assert_eq!(at(&stand), Vec::<String>::new());
    found(&mut stand, Ok("10.0.0.7"));
    assert_eq!(at(&stand), ["10.0.0.7"]);
    found(&mut stand, Err("the resolver is away"));
    let standing = stand.facts.standing(&name("b")).unwrap().0.clone();

    let known = Standing { addresses: Some(addresses("10.0.0.7")), ..Standing::new(name("b")) };
    assert_eq!(standing, known, "what was known stays");
    stand.remove(FactKey::Host(name("b")));
    stand.turn();
    assert_eq!(stand.facts.standing(&name("b")), None, "nothing stands that is not there");
}

/// One that another fleet's controller launched.
fn container() -> Container {
    Container {
        id: "c".to_owned(),
        name: "c".to_owned(),
        labels: BTreeMap::from([("portico.controller".to_owned(), "other".to_owned())]),
        image: String::new(),
        state: ContainerState::Running,
        health: None,
        published: Vec::new(),
        addresses: Vec::new(),
        partial: false,
    }
}
