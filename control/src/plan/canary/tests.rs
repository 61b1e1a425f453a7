//! What follows for a version that is tried, and for the one that runs beside it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::launch::{Canary, Image, Instances, Launch, PerHost, Percent, Resources};
use model::{
    Addresses, CanaryDeployment, Change, Deployment, DeploymentState, EngineUrl, Fact, Host, HostName,
    Instance, InstanceName, InstanceState, NodeId, Nodes, Origin, Others, Revision, Run, Service,
    ServiceName, Snapshot, Stage, Stated, Version, Weight,
};

use crate::config::Config;
use crate::plan::{HostView, Memory, Seen, plan, spec};
use crate::runtime::{Container, ContainerState};

/// `web:1`, so often, of which `tried` takes a tenth.
fn web(least: u64, tried: Option<&str>) -> Service {
    let image = |text: &str| Image::parse(text).unwrap();
    let mut launch = Launch::new(image("web:1"));
    launch.instances = Instances::new(least, least).unwrap();
    launch.canary = tried.map(|tried| Canary { image: image(tried), percent: Percent::new(10).unwrap() });
    let name = ServiceName::parse("web").unwrap();
    Service { launch: Some(Box::new(launch)), ..Service::new(name) }
}

fn version(image: &str) -> Version {
    let mut service = web(1, None);
    service.launch.as_mut().unwrap().image = Image::parse(image).unwrap();
    service.version().unwrap()
}

/// What is said of `web:1`, which is done, and of `web:2`, which is tried.
fn said(tried: Option<DeploymentState>) -> Fact {
    let canary = tried.map(|state| CanaryDeployment { version: version("web:2"), state, reason: "".into() });
    Fact::Deployment(Box::new(Deployment {
        service: web(1, None).name,
        version: version("web:1"),
        revision: Revision::new(1),
        state: DeploymentState::Done,
        reason: "".into(),
        instances: 0,
        canary,
        stable: Some(Box::new(web(2, None))),
        previous: None,
    }))
}

/// An instance, as `3 web:2 9 healthy`: its weight, and its state or how often it failed.
fn instance(text: &str, host: &HostName) -> Instance {
    let words: Vec<&str> = text.split(' ').collect();
    let addresses = Addresses::new([IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))]).unwrap();
    let mut instance = Instance::new(web(1, None).name, InstanceName::parse(words[0]).unwrap(), addresses);
    let failures = words[3].strip_prefix("failed:").map_or(0, |failures| failures.parse().unwrap());
    let is_healthy = words[3] == "healthy";
    instance.state = if is_healthy { InstanceState::Healthy } else { InstanceState::Unhealthy };
    instance.weight = Weight::new(words[2].parse().unwrap()).unwrap();
    instance.host = Some(host.clone());
    let (stage, image) = (if is_healthy { Stage::Running } else { Stage::Backoff }, Box::default());
    let reason = if is_healthy { "" } else { "exit code 1" }.into();
    instance.run = Some(Box::new(Run {
        version: version(words[1]),
        stage,
        resources: Resources::default(),
        image,
        failures,
        reason,
        release: None,
    }));
    instance
}

/// What a plan makes of facts on one host, in words; `change` says what the host is beside.
fn planned(
    service: &Service,
    deployment: Fact,
    instances: &[&str],
    change: impl FnOnce(&mut Host),
) -> Vec<String> {
    let (now, config) = (Instant::now(), Config::default());
    let name = HostName::parse("host-1").unwrap();
    let addresses = Addresses::new([IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))]).unwrap();
    let mut host = Host::new(name.clone(), addresses);
    host.engine = Some(EngineUrl::parse("tcp://host-1:2376").unwrap());
    change(&mut host);
    let instances: Vec<Instance> = instances.iter().map(|text| instance(text, &name)).collect();
    let container = |instance: &Instance| {
        let run = instance.run.as_deref().filter(|run| run.stage == Stage::Running)?;
        let (version, fleet) = (run.version.to_string(), config.fleet.as_str());
        let labels = [
            ("service", "web"),
            ("instance", instance.name.as_str()),
            ("version", &version),
            ("controller", fleet),
        ];
        Some(Container {
            id: format!("c{}", instance.name),
            name: spec::container_name(&config.fleet, &instance.service, &instance.name),
            labels: labels.map(|(name, value)| (format!("portico.{name}"), value.to_owned())).into(),
            image: String::new(),
            state: ContainerState::Running,
            health: None,
            published: Vec::new(),
            addresses: Vec::new(),
            partial: false,
        })
    };
    let view = HostView {
        containers: instances.iter().filter_map(container).collect(),
        listed: Some(now),
        ..HostView::default()
    };
    let facts = [Fact::Host(Box::new(host)), Fact::Service(Box::new(service.clone())), deployment];
    let facts = facts.into_iter().chain(instances.into_iter().map(|it| Fact::Instance(Box::new(it))));
    let put = |fact| {
        Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
    };
    let facts = Snapshot::default().apply(Revision::new(1), facts.map(put));
    let hosts = BTreeMap::from([(name, view)]);
    let nodes = Nodes { own: NodeId("n".into()), others: Others::None, by_name: BTreeMap::new() };
    let mut memory = Memory::new(now);
    memory.look(&facts, &hosts, &nodes, &config, now);
    // Pauses after failures are not over.
    let now = now + Duration::from_millis(1);
    let seen = Seen { facts: &facts, hosts: &hosts, nodes: &nodes, memory: &memory, config: &config, now };
    plan(seen).edits.into_iter().map(|edit| told(edit.fact.as_ref())).collect()
}

/// What is stated, in words.
fn told(fact: Option<&Fact>) -> String {
    match fact {
        Some(Fact::Instance(it)) => {
            let run = it.run.as_deref().unwrap();
            let image = ["web:1", "web:2", "web:3"].into_iter().find(|image| version(image) == run.version);
            let why = if run.reason.is_empty() { String::new() } else { format!(": {}", run.reason) };
            format!("{} {} {} {}{why}", it.name, image.unwrap(), it.weight.get(), run.stage.name())
        }
        Some(Fact::Deployment(deployment)) => match &deployment.canary {
            Some(CanaryDeployment { state, reason, .. }) => {
                format!("canary {} {reason}", state.name()).trim().to_owned()
            }
            None => format!("no canary, {}", deployment.state.name()),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_canary_starts_beside_all_that_is_wanted_and_every_weight_is_set_before_it_is_healthy() {
    let all =
        planned(&web(2, Some("web:2")), said(None), &["1 web:1 1 healthy", "2 web:1 1 healthy"], |_| {});

    assert_eq!(all, ["1 web:1 9 running", "2 web:1 9 running", "3 web:2 2 placed", "canary progressing"]);
}

#[test]
fn a_canarys_share_is_that_of_as_many_as_run() {
    let mut ranging = web(2, Some("web:2"));
    ranging.launch.as_mut().unwrap().instances = Instances::new(2, 6).unwrap();
    let Fact::Deployment(mut deployment) = said(None) else { unreachable!() };
    deployment.instances = 3;
    let there = ["1 web:1 1 healthy", "2 web:1 1 healthy", "3 web:1 1 healthy"];

    let all = planned(&ranging, Fact::Deployment(deployment), &there, |_| {});

    let usual = ["1 web:1 3 running", "2 web:1 3 running", "3 web:1 3 running"];
    assert_eq!(all[..3], usual);
    assert_eq!(all[3..], ["4 web:2 1 placed", "canary progressing"]);
}

#[test]
fn a_canary_that_is_healthy_is_done_and_nothing_more_is_changed() {
    let there = ["1 web:1 9 healthy", "2 web:1 9 healthy", "3 web:2 2 healthy"];

    let all = planned(&web(2, Some("web:2")), said(Some(DeploymentState::Progressing)), &there, |_| {});

    assert_eq!(all, ["canary done"]);
}

#[test]
fn a_canary_that_fails_again_and_again_has_failed_and_then_leaves() {
    let there = ["1 web:1 9 healthy", "2 web:1 9 healthy", "3 web:2 2 failed:9"];
    let (web, state) = (web(2, Some("web:2")), |state| said(Some(state)));

    let judged = planned(&web, state(DeploymentState::Done), &there, |_| {});
    let after = planned(&web, state(DeploymentState::Failed), &there, |_| {});

    assert_eq!(judged, ["canary failed it fails again and again: 3 on host-1: exit code 1"]);
    let why = "the canary failed, or its service is stopped";
    assert_eq!(after[..2], ["1 web:1 1 running", "2 web:1 1 running"]);
    assert_eq!(after[2], format!("3 web:2 2 draining: {why}"));
    assert_eq!(after.len(), 3);
}

#[test]
fn a_canary_that_is_aborted_leaves_at_once_whatever_else_is_there() {
    let there = ["1 web:1 9 healthy", "2 web:1 9 failed:1", "3 web:2 2 healthy"];

    let all = planned(&web(2, None), said(Some(DeploymentState::Done)), &there, |_| {});

    let ends = "3 web:2 2 draining: the canary was aborted";
    assert!(
        all.iter().any(|edit| edit == ends) && all.iter().any(|edit| edit == "no canary, done"),
        "{all:?}"
    );
}

#[test]
fn a_canary_of_a_service_that_is_stopped_is_neither_done_nor_late() {
    let mut stopped = web(2, Some("web:2"));
    stopped.launch.as_mut().unwrap().active = false;

    let all = planned(&stopped, said(Some(DeploymentState::Progressing)), &[], |_| {});

    assert_eq!(all, [""; 0]);
}

#[test]
fn a_canary_that_is_promoted_stays_and_the_others_follow_it() {
    let there = ["1 web:1 9 healthy", "2 web:1 9 healthy", "3 web:2 2 healthy"];
    let mut promoted = web(2, None);
    promoted.launch.as_mut().unwrap().image = Image::parse("web:2").unwrap();

    let all = planned(&promoted, said(Some(DeploymentState::Done)), &there, |_| {});

    let leaves = format!("1 web:1 9 draining: version {} takes its place", version("web:2"));
    assert_eq!(
        all,
        [&*leaves, "2 web:1 1 running", "3 web:2 1 running", "4 web:2 1 placed", "no canary, progressing"]
    );
}

#[test]
fn a_canary_takes_no_room_of_what_runs() {
    let there = ["1 web:1 9 healthy"];
    let mut alone = web(1, Some("web:2"));
    alone.launch.as_mut().unwrap().placement.per_host = PerHost::One;

    let all = planned(&alone, said(Some(DeploymentState::Progressing)), &there, |_| {});

    assert_eq!(
        all,
        [
            "canary progressing 1 instance fits nowhere (host-1: runs an instance of it already (one per host))"
        ]
    );
}

#[test]
fn fewer_instances_have_fewer_canaries_and_one_on_a_drained_host_is_not_waited_for() {
    let there = ["1 web:1 9 healthy", "3 web:2 2 healthy", "4 web:2 2 healthy"];
    let (web, done) = (web(1, Some("web:2")), || said(Some(DeploymentState::Done)));

    let fewer = planned(&web, done(), &there, |_| {});
    let drained = planned(&web, done(), &there[..2], |host| host.draining = true);

    assert!(fewer.contains(&"4 web:2 2 draining: fewer of the canary are wanted".to_owned()), "{fewer:?}");
    assert!(drained.contains(&"3 web:2 2 draining: its host is drained".to_owned()), "{drained:?}");
}

#[test]
fn what_runs_since_the_wanted_version_failed_is_not_tried_beside_itself() {
    let Fact::Deployment(mut deployment) = said(None) else { unreachable!() };
    let mut wanted = web(2, Some("web:1"));
    wanted.launch.as_mut().unwrap().image = Image::parse("web:3").unwrap();
    (deployment.version, deployment.state) = (version("web:3"), DeploymentState::Failed);

    let all =
        planned(&wanted, Fact::Deployment(deployment), &["1 web:1 1 healthy", "2 web:1 1 healthy"], |_| {});

    assert_eq!(all, [""; 0]);
}
