use std::sync::Arc;

use model::launch::{Canary, Image, Instances, Percent, Resources};
use model::{
    Addresses, CanaryDeployment, Change, Controller, Fact, HostName, InstanceName, Lease, NodeId, Origin,
    Revision, ServiceName, Stated,
};

use super::*;

fn name() -> ServiceName {
    ServiceName::parse("web").unwrap()
}

fn service(image: &str, least: u64) -> Service {
    let mut launch = Launch::new(Image::parse(image).unwrap());
    launch.instances = Instances::new(least, least).unwrap();
    Service { launch: Some(Box::new(launch)), ..Service::new(name()) }
}

fn deployment(of: &Service, state: DeploymentState, reason: &str) -> Fact {
    Fact::Deployment(Box::new(Deployment {
        service: name(),
        version: of.version().unwrap(),
        revision: Revision::new(1),
        state,
        reason: reason.into(),
        stable: None,
        instances: 0,
        canary: None,
        previous: None,
    }))
}

/// An instance on `node-1`, as `1 healthy running`.
fn instance(of: &Service, said: &str) -> Fact {
    let mut words = said.split(' ');
    let mut word = || words.next().unwrap();
    let addresses = Addresses::new([std::net::Ipv4Addr::new(10, 0, 0, 7).into()]).unwrap();
    let mut instance = Instance::new(name(), InstanceName::parse(word()).unwrap(), addresses);
    instance.state = match word() {
        "healthy" => InstanceState::Healthy,
        "draining" => InstanceState::Draining,
        _ => InstanceState::Starting,
    };
    let stage = word();
    instance.host = Some(HostName::parse("node-1").unwrap());
    instance.run = Some(Box::new(Run {
        version: of.version().unwrap(),
        stage: Stage::ALL.into_iter().find(|one| one.name() == stage).unwrap(),
        image: "".into(),
        failures: 0,
        reason: "".into(),
        resources: Resources::default(),
        release: None,
    }));
    Fact::Instance(Box::new(instance))
}

fn controller() -> Fact {
    let node = NodeId("a".into());
    Fact::Controller(Box::new(Controller { node, term: 1, lease: Lease::new(10).unwrap() }))
}

/// What is missing of `wanted`, beside these facts.
fn check(wanted: &Service, facts: Vec<Fact>, expected: &str) {
    let facts = facts.into_iter().chain([Fact::Service(Box::new(wanted.clone()))]);
    let revision = Revision::new(9);
    let put = |fact| Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native });
    let snapshot = Snapshot::empty().apply(revision, facts.map(put));
    let rollout = of(&snapshot, wanted).unwrap();
    let said = match (rollout.settled, rollout.failed) {
        (true, _) => "settled".to_owned(),
        (false, true) => format!("failed: {}", rollout.reason),
        (false, false) => rollout.missing.clone(),
    };
    assert_eq!(said, expected, "{rollout:#?}");
}

#[test]
fn what_was_done_before_is_not_what_is_wanted_now() {
    use DeploymentState::{Done, Failed, Progressing};
    let (old, new) = (service("web:1", 2), service("web:2", 2));
    let was = || vec![controller(), instance(&old, "1 healthy running"), instance(&old, "2 healthy running")];
    let with = |more: Vec<Fact>| was().into_iter().chain(more).collect::<Vec<_>>();
    check(&old, with(vec![deployment(&old, Done, "")]), "settled");
    check(&new, with(vec![deployment(&old, Done, "")]), "no controller took it up yet");
    check(
        &new,
        with(vec![deployment(&new, Progressing, ""), instance(&new, "3 starting placed")]),
        "0 of 2 healthy; 2 instances of another version",
    );
    check(&new, with(vec![deployment(&new, Failed, "no such image")]), "failed: no such image");
    let on_its_way = |state| {
        vec![
            controller(),
            deployment(&new, state, ""),
            instance(&old, "1 draining draining"),
            instance(&new, "3 healthy running"),
            instance(&new, "4 healthy running"),
        ]
    };
    check(&new, on_its_way(Progressing), "the controller says progressing");
    check(&new, on_its_way(Done), "settled");
}

#[test]
fn a_count_is_settled_when_so_many_are_healthy() {
    let done = |of: &Service| deployment(of, DeploymentState::Done, "");
    let two = |of: &Service| {
        vec![controller(), done(of), instance(of, "1 healthy running"), instance(of, "2 healthy running")]
    };
    check(&service("web:1", 3), two(&service("web:1", 3)), "2 of 3 healthy");
    check(&service("web:1", 1), two(&service("web:1", 1)), "1 more than wanted");
    check(&service("web:1", 0), two(&service("web:1", 0)), "2 instances still there");
    check(&service("web:1", 0), vec![], "settled");
    let mut stopped = service("web:1", 2);
    stopped.launch.as_mut().unwrap().active = false;
    check(&stopped, two(&stopped), "2 instances still there");
}

#[test]
fn a_job_is_settled_when_it_ended_as_it_should() {
    let job = service("job:1", 1);
    let failed = |mut fact: Fact| {
        let Fact::Instance(instance) = &mut fact else { unreachable!() };
        instance.run.as_mut().unwrap().failures = 1;
        fact
    };
    let with = |state, ended| vec![controller(), deployment(&job, state, "it failed"), ended];
    let ended = || instance(&job, "1 draining ended");

    check(&job, with(DeploymentState::Done, ended()), "settled");
    check(&job, with(DeploymentState::Progressing, ended()), "the controller says progressing");
    check(&job, with(DeploymentState::Failed, failed(ended())), "failed: it failed");
}

/// `web:1`, of which `web:2` is tried.
fn with_canary(least: u64) -> Service {
    let mut service = service("web:1", least);
    let canary = Canary { image: Image::parse("web:2").unwrap(), percent: Percent::new(10).unwrap() };
    service.launch.as_mut().unwrap().canary = Some(canary);
    service
}

/// The deployment of that, whose canary has come so far.
fn with_canary_at(wanted: &Service, state: DeploymentState, reason: &str) -> Fact {
    let Fact::Deployment(mut said) = deployment(wanted, DeploymentState::Done, "") else { unreachable!() };
    let version = service("web:2", 1).version().unwrap();
    said.canary = Some(CanaryDeployment { version, state, reason: reason.into() });
    Fact::Deployment(said)
}

#[test]
fn a_canary_is_settled_when_it_is_healthy_and_when_it_has_failed_and_is_gone() {
    use DeploymentState::{Done, Failed, Progressing};
    let (web, tried) = (with_canary(2), service("web:2", 1));
    let with = |more: Vec<Fact>| {
        let usual = ["1", "2"].map(|name| instance(&web, &format!("{name} healthy running")));
        [controller()].into_iter().chain(usual).chain(more).collect::<Vec<_>>()
    };
    check(&web, with(vec![deployment(&web, Done, "")]), "no controller took the canary up yet");
    check(
        &web,
        with(vec![with_canary_at(&web, Progressing, ""), instance(&tried, "3 starting placed")]),
        "0 of 1 healthy of the canary",
    );
    let healthy = || instance(&tried, "3 healthy running");
    check(
        &web,
        with(vec![with_canary_at(&web, Progressing, ""), healthy()]),
        "the controller says progressing of the canary",
    );
    check(&web, with(vec![with_canary_at(&web, Done, ""), healthy()]), "settled");
    check(
        &web,
        with(vec![with_canary_at(&web, Failed, "exit code 1"), healthy()]),
        "1 instance of another version",
    );
    check(&web, with(vec![with_canary_at(&web, Failed, "exit code 1")]), "settled");
}

#[test]
fn nothing_comes_where_nobody_controls() {
    let web = service("web:1", 1);
    let expected = "no node controls: nothing is launched or ended (no controller took it up yet)";
    check(&web, vec![], expected);
}
