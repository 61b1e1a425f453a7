//! What follows from containers that ask for frontends by a label.

use model::{Backend, BackendName, Fact, Frontend, HostPattern, ServiceName, ServiceRef};

use super::fleet::{Fleet, host};
use crate::publish::Edit;

/// Where containers may have frontends below `example.com`.
fn fleet(hosts: &str) -> Fleet {
    let mut fleet = Fleet::of(hosts, "");
    fleet.config.label_frontends = vec![HostPattern::parse("*.example.com").unwrap()];
    fleet
}

fn asks(fleet: &mut Fleet, on: &str, name: &str, service: &str, frontends: &str) {
    let labels = [("portico.service", service), ("portico.port", "80"), ("portico.frontend", frontends)];
    fleet.foreign(on, name, &labels);
}

/// Somebody states a frontend of a service, with a backend of that name.
fn states(fleet: &mut Fleet, name: &str, service: &str, backend: &str) {
    let to = ServiceRef { service: ServiceName::parse(service).unwrap(), port: None };
    let backend = BackendName::parse(backend).unwrap();
    let backend = Backend { name: backend, endpoints: to.into(), ..Frontend::default().backend };
    let frontend = Frontend { host: HostPattern::parse(name).unwrap(), backend, ..Frontend::default() };
    fleet.write(vec![Edit { key: frontend.key(), fact: Some(Fact::Frontend(frontend)), expected: None }]);
}

/// All frontends, and where they lead.
fn led(fleet: &Fleet) -> String {
    let told = fleet.facts.frontends().map(|(frontend, _)| {
        let to = frontend.backend.endpoints.service().unwrap();
        let port = to.port.as_ref().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{}>{}{port}", frontend.host, frontend.path, frontend.backend.name)
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_frontend_is_there_as_long_as_a_container_asks_for_it() {
    let mut fleet = fleet("a; b");

    asks(&mut fleet, "a", "one", "web", "www.example.com, www.example.com/api");
    asks(&mut fleet, "b", "two", "web", "www.example.com");
    fleet.check(5, "0: web/one@a adopted; web/two@b adopted");
    assert_eq!(led(&fleet), "www.example.com/>label:web:http www.example.com/api>label:web:http");
    fleet.becomes("one", None);
    fleet.check(5, "0: web/one@a is gone");
    assert_eq!(led(&fleet), "www.example.com/>label:web:http");
    fleet.silence("b");
    fleet.begin_anew();
    fleet.check(5, "");
    assert_eq!(led(&fleet), "www.example.com/>label:web:http");
    fleet.answers("b");
    fleet.becomes("two", None);

    fleet.check(5, "0: web/two@b is gone");
    assert_eq!(led(&fleet), "");
}

#[test]
fn a_frontend_that_somebody_has_stays_his_and_who_asks_for_it_says_so() {
    let mut fleet = fleet("a");
    states(&mut fleet, "own.example.com", "shop", "shop");
    states(&mut fleet, "web.example.com", "web", "web");

    asks(&mut fleet, "a", "web", "web", "own.example.com, web.example.com, both.example.com");
    fleet.run(5);
    asks(&mut fleet, "a", "other", "other", "both.example.com");
    let why = "leads elsewhere already; take it out of the label, or remove that frontend";
    fleet.check(5, &format!("0: other/other@a adopted: portico.frontend: `both.example.com` {why}"));

    let all = "both.example.com/>label:web:http own.example.com/>shop web.example.com/>web";
    assert_eq!(led(&fleet), all);
    let reason = fleet.facts.instances().nth(1).unwrap().0.run.as_ref().unwrap().reason.to_string();
    assert_eq!(reason, format!("portico.frontend: `own.example.com` {why}"));
    fleet.hosts.get_mut(&host("a")).unwrap().containers.remove(0);
    fleet.check(5, "0: other/other@a adopted; web/web@a is gone");
    let all = "both.example.com/>label:other:http own.example.com/>shop web.example.com/>web";
    assert_eq!(led(&fleet), all);
}

#[test]
fn a_container_gets_no_frontend_that_the_configuration_does_not_let_it_have() {
    let remedy = "containers may not ask for it; add it to `control.label_frontends`";
    for name in ["www.example.org", "example.com", "*", "*.example.org", "www.example.com:81"] {
        let mut fleet = fleet("a");

        asks(&mut fleet, "a", "web", "web", name);

        fleet.check(5, &format!("0: web/web@a adopted: portico.frontend: `{name}`: {remedy}"));
        assert_eq!(led(&fleet), "");
    }
}

#[test]
fn a_container_that_asks_for_too_many_frontends_gets_the_first_and_says_so() {
    let mut fleet = fleet("a");
    let many: Vec<String> = (0..40).map(|number| format!("{number}.example.com")).collect();

    asks(&mut fleet, "a", "web", "web", &many.join(","));

    fleet.check(5, "0: web/web@a adopted: portico.frontend: 8 more than 32 are left out");
    assert_eq!(fleet.facts.frontends().count(), 32);
}
