//! What follows from containers that join by their labels.

use model::InstanceState;

use super::fleet::Fleet;
use crate::runtime::{ContainerState, Published};

const WEB: [(&str, &str); 2] = [("portico.service", "web"), ("portico.port", "80")];

#[test]
fn of_one_name_on_two_hosts_both_join_and_keep_their_names() {
    let mut fleet = Fleet::of("a; b; c", "");

    fleet.foreign("a", "web", &WEB);
    fleet.foreign("b", "web", &WEB);
    fleet.check(5, "0: web/web@a adopted; web/web-b@b adopted");
    fleet.begin_anew();
    fleet.hosts.get_mut(&super::fleet::host("a")).unwrap().containers.clear();

    fleet.check(5, "0: web/web@a is gone");
    fleet.foreign("c", "web", &WEB);
    fleet.check(5, "0: web/web@c adopted");
    fleet.foreign("a", "web", &WEB);
    fleet.check(5, "0: web/web-a@a adopted");
}

#[test]
fn whose_host_is_silent_has_its_name_still() {
    let mut fleet = Fleet::of("a; b", "");
    fleet.foreign("b", "web", &WEB);
    fleet.check(5, "0: web/web@b adopted");

    fleet.silence("b");
    fleet.foreign("a", "web", &WEB);

    fleet.check(5, "0: web/web-a@a adopted");
    fleet.answers("b");
    fleet.check(5, "");
}

#[test]
fn who_are_spelled_almost_alike_on_one_host_join_each_and_keep_their_names() {
    let mut fleet = Fleet::of("a", "");

    fleet.foreign("a", "web_1", &WEB);
    fleet.check(5, "0: web/web-1@a adopted");
    fleet.foreign("a", "web-1", &WEB);
    fleet.check(5, "0: web/web-1-a@a adopted");
    fleet.foreign("a", "web.1", &WEB);
    fleet.check(5, "0: web/web-1-0825d695@a adopted");
    fleet.becomes("web_1", Some(ContainerState::Dead));

    fleet.check(5, "0: web/web-1@a is gone");
}

#[test]
fn whose_name_is_no_label_joins_by_one_that_is() {
    let mut fleet = Fleet::of("a", "");

    fleet.foreign("a", "web_", &WEB);
    fleet.foreign("a", &"x".repeat(64), &WEB);

    let cut = "x".repeat(63);
    fleet.check(5, &format!("0: web/web@a adopted; web/{cut}@a adopted"));
}

#[test]
fn who_is_seen_through_two_hosts_is_one() {
    let mut fleet = Fleet::of("a; b", "");
    fleet.foreign("a", "web", &WEB);

    let same = fleet.hosts[&super::fleet::host("a")].containers.clone();
    fleet.hosts.get_mut(&super::fleet::host("b")).unwrap().containers = same;

    fleet.check(5, "0: web/web@a adopted");
}

#[test]
fn whose_name_a_launched_instance_has_gets_another_one() {
    let mut fleet = Fleet::of("a", "web web:1");

    fleet.foreign("a", "1", &WEB);

    fleet.check(5, "0: web/1-a@a adopted");
}

#[test]
fn whose_port_is_not_clear_gets_no_request_and_says_so() {
    let mut fleet = Fleet::of("a", "");

    fleet.foreign("a", "web", &WEB[..1]);
    let containers = &mut fleet.hosts.get_mut(&super::fleet::host("a")).unwrap().containers;
    let first = containers[0].published[0];
    containers[0].published.push(Published { inside: super::port(9090), ..first });

    let said = "it publishes the ports 80, 9090, none of which its service states, and it has no label `portico.port`; give it a label \
        `portico.port` with one of these numbers";
    fleet.check(5, &format!("0: web/web@a adopted: {said}"));
    assert_eq!(fleet.facts.instances().next().unwrap().0.state, InstanceState::Unhealthy);
}
