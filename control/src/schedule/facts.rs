//! What facts say to the scheduler: hosts with an engine are machines, services that say how they are launched are wanted.

use std::collections::{BTreeMap, BTreeSet};

use model::launch::{Launch, PerHost};
use model::{Host, HostName, ServiceName, Snapshot};

use super::fleet::{Capacity, Fleet, Machine, Placed, Resources, State};
use super::wanted::{Copies, Count, Preference, Wanted, Wishes};

impl Fleet {
    /// Of these facts, and of what was seen: what engines say that their machines hold, who was not heard of for too long, what runs.
    ///
    /// A service that is not active, or is no more among the facts while instances of it run, is wanted no times: they leave.
    pub fn of(
        facts: &Snapshot,
        held: &BTreeMap<HostName, Capacity>,
        lost: &BTreeSet<HostName>,
        placed: BTreeSet<Placed>,
    ) -> Self {
        let mut fleet = Self { placed, ..Self::default() };
        for (host, _) in facts.hosts().filter(|(host, _)| host.engine.is_some()) {
            let held = held.get(&host.name).copied().unwrap_or_default();
            fleet.machines.insert(host.name.clone(), machine(host, held, lost.contains(&host.name)));
        }
        for (service, _) in facts.services() {
            if let Some(launch) = &service.launch {
                fleet.wanted.insert(service.name.clone(), wanted(launch));
            }
        }
        let running: BTreeSet<ServiceName> =
            fleet.placed.iter().map(|placed| placed.service.clone()).collect();
        for service in running {
            fleet.wanted.entry(service).or_insert_with(|| Wanted { copies: none(), ..Wanted::default() });
        }
        fleet
    }
}

/// What is said of a host goes before what its engine tells.
fn machine(host: &Host, held: Capacity, is_lost: bool) -> Machine {
    let capacity = Capacity {
        cpu: host.capacity.cpu().map(u64::from).or(held.cpu),
        memory: host.capacity.memory().or(held.memory),
    };
    let state = match (is_lost, host.cordoned || host.draining) {
        (true, _) => State::Lost,
        (false, true) => State::Cordoned,
        (false, false) => State::Available,
    };
    Machine { labels: host.labels.clone(), tier: host.priority.into(), capacity, state, unready: None }
}

fn none() -> Copies {
    Copies::Counted(Count::NONE)
}

fn wanted(launch: &Launch) -> Wanted {
    let (placement, resources) = (&launch.placement, launch.resources);
    let count = Count::of(launch.instances);
    let copies = match placement.per_host {
        _ if !launch.active => none(),
        PerHost::Any => Copies::Counted(count),
        PerHost::One => Copies::OnePerHost(count),
        PerHost::Every => Copies::EveryHost,
    };
    let preferred = placement.preferred.iter();
    Wanted {
        copies,
        resources: Resources {
            cpu: resources.cpu().map_or(0, u64::from),
            memory: resources.memory().unwrap_or(0),
        },
        wishes: Wishes {
            required: placement.required.clone(),
            preferred: preferred
                .map(|(key, value)| Preference { key: key.to_owned(), value: value.to_owned(), weight: 1 })
                .collect(),
            fill: placement.fill,
            beside: placement.beside.clone(),
            not_beside: placement.not_beside.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use model::launch::{Image, Instances};
    use model::{
        Addresses, Change, EngineUrl, Fact, InstanceName, Metadata, Origin, Revision, Service, Stated,
    };

    use super::super::schedule;
    use super::*;

    fn host(name: &str, change: impl FnOnce(&mut Host)) -> Fact {
        let addresses = Addresses::new(["10.0.0.1".parse().expect("an address")]).expect("addresses");
        let mut host = Host::new(HostName::parse(name).expect("a name"), addresses);
        host.engine = Some(EngineUrl::parse("unix:///run/docker.sock").expect("a URL"));
        change(&mut host);
        Fact::Host(Box::new(host))
    }

    fn service(name: &str, change: impl FnOnce(&mut Launch)) -> Fact {
        let mut launch = Launch::new(Image::parse("web:1").expect("an image"));
        change(&mut launch);
        let service = Service::new(ServiceName::parse(name).expect("a name"));
        Fact::Service(Box::new(Service { launch: Some(Box::new(launch)), ..service }))
    }

    fn snapshot(facts: impl IntoIterator<Item = Fact>) -> Snapshot {
        let put = |fact: Fact| {
            let (fact, revision) = (fact.into(), Revision::new(1));
            Change::Put(Stated { fact, origin: Origin::Native, revision })
        };
        Snapshot::default().apply(Revision::new(1), facts.into_iter().map(put))
    }

    fn placed(service: &str, host: &str) -> Placed {
        Placed {
            service: ServiceName::parse(service).expect("a name"),
            instance: InstanceName::parse("one").expect("a name"),
            host: HostName::parse(host).expect("a name"),
            resources: Resources::default(),
        }
    }

    #[test]
    fn hosts_with_an_engine_get_what_is_wanted_and_what_is_not_wanted_any_more_leaves() {
        let facts = snapshot([
            host("a", |host| host.cordoned = true),
            host("b", |host| host.labels = Metadata::new([("zone", "x")]).expect("labels")),
            host("c", |host| host.draining = true),
            host("bare", |host| host.engine = None),
            service("web", |launch| {
                launch.instances = Instances::new(2, 2).expect("a range");
                launch.placement.preferred = Metadata::new([("zone", "x")]).expect("labels");
            }),
            service("idle", |launch| launch.active = false),
        ]);
        let running = BTreeSet::from([placed("web", "a"), placed("idle", "b"), placed("gone", "b")]);

        let fleet = Fleet::of(&facts, &BTreeMap::new(), &BTreeSet::new(), running);
        let decided = schedule(&fleet);

        assert_eq!(fleet.machines.len(), 3, "nothing is launched where there is no engine");
        assert_eq!(decided.stay, [placed("web", "a")].into(), "a cordoned host keeps what it has");
        let starts: Vec<_> =
            decided.start.iter().map(|start| (start.service.as_str(), start.host.as_str())).collect();
        assert_eq!(starts, [("web", "b")]);
        assert_eq!(
            decided.leave.keys().cloned().collect::<Vec<_>>(),
            [placed("gone", "b"), placed("idle", "b")]
        );
    }

    #[test]
    fn of_too_many_those_go_first_that_are_not_well() {
        let facts = snapshot([host("a", |_| {}), host("b", |_| {}), service("web", |_| {})]);
        let (first, second) = (
            placed("web", "a"),
            Placed { instance: InstanceName::parse("two").expect("a name"), ..placed("web", "b") },
        );
        let check = |ailing: &Placed, stays: &Placed| {
            let running = BTreeSet::from([first.clone(), second.clone()]);
            let mut fleet = Fleet::of(&facts, &BTreeMap::new(), &BTreeSet::new(), running);
            fleet.ailing.insert((ailing.service.clone(), ailing.instance.clone()));
            assert_eq!(schedule(&fleet).stay, [stays.clone()].into());
        };

        check(&first, &second);
        check(&second, &first);
    }

    #[test]
    fn what_is_said_of_a_host_goes_before_what_its_engine_tells() {
        let said = model::launch::Resources::new(Some(500), None).expect("resources");
        let facts = snapshot([host("a", |host| host.capacity = said), host("b", |_| {})]);
        let name = |text| HostName::parse(text).expect("a name");
        let tells = Capacity { cpu: Some(4000), memory: Some(1 << 30) };
        let held = [(name("a"), tells), (name("b"), tells)].into();

        let fleet = Fleet::of(&facts, &held, &[name("b")].into(), BTreeSet::new());

        assert_eq!(fleet.machines[&name("a")].capacity, Capacity { cpu: Some(500), memory: Some(1 << 30) });
        assert_eq!(fleet.machines[&name("b")].capacity, tells);
        let states = fleet.machines.values().map(|machine| machine.state);
        assert_eq!(states.collect::<Vec<_>>(), [State::Available, State::Lost]);
    }
}
