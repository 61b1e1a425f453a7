//! What DNS says of a service as its instances come, go and fail, of one that runs elsewhere, and of its type (RFC 6763). Asked by dig.

use crate::world::{Portico, World, dig, eventually, get};

fn serving(world: &World) -> Portico {
    let portico = world.portico(&["--dns", "127.0.0.1:0"]);
    eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
    portico
}

/// Applies facts, and waits until both doors serve them.
fn apply(world: &World, portico: &Portico, facts: &str) {
    // A file that begins with a brace is read as JSON.
    let file = world.write("facts.yaml", &format!("---\n{facts}")).display().to_string();
    portico.does(&["apply", "-f", &file, "--wait"]);
}

/// The code of the answer and the data of its records, in order.
fn told(portico: &Portico, name: &str, record_type: &str) -> String {
    let dug = dig(portico.dns(), &[&format!("{name}.svc.internal"), record_type]);
    let marker = format!(" IN {record_type} ");
    let data = dug.answer().into_iter().filter_map(|line| Some(line.split_once(&marker)?.1.to_owned()));
    let mut data: Vec<String> = data.collect();
    data.sort();
    format!("{} {}", dug.status(), data.join(" ")).trim_end().to_owned()
}

#[test]
fn a_service_without_healthy_instances_is_told_as_it_says() {
    let world = World::new();
    let portico = serving(&world);
    let service = |name: &str, when: &str| {
        format!(
            "{{kind: service, name: {name}{when}}}\n---\n{{kind: instance, service: {name}, name: one, addresses: [10.0.0.1], \
             state: unhealthy}}\n---\n{{kind: instance, service: {name}, name: two, addresses: [10.0.0.2], state: draining}}\n---\n"
        )
    };
    let facts = [
        service("usual", ""),
        service("all", ", when_empty: all"),
        service("hides", ", when_empty: nxdomain"),
    ];

    apply(&world, &portico, facts.concat().trim_end_matches("---\n"));

    assert_eq!(told(&portico, "usual", "A"), "NOERROR");
    assert_eq!(told(&portico, "all", "A"), "NOERROR 10.0.0.1 10.0.0.2");
    assert_eq!(told(&portico, "one.usual", "A"), "NOERROR 10.0.0.1", "who is asked for by name is there");
    assert_eq!(told(&portico, "two.usual", "A"), "NOERROR 10.0.0.2");
    assert!(
        told(&portico, "hides", "A").starts_with("NXDOMAIN") || told(&portico, "hides", "A") == "NOERROR"
    );
}

#[test]
fn instances_of_the_next_tier_are_told_when_none_of_the_first_is_healthy() {
    let world = World::new();
    let portico = serving(&world);
    let facts = |state: &str| {
        format!(
            "{{kind: service, name: web}}\n---\n{{kind: instance, service: web, name: near, addresses: [10.0.0.1], state: {state}}}\n\
             ---\n{{kind: instance, service: web, name: far, addresses: [10.0.0.2], priority: 1}}\n"
        )
    };

    apply(&world, &portico, &facts("healthy"));
    let near = told(&portico, "web", "A");
    apply(&world, &portico, &facts("unhealthy"));
    let far = told(&portico, "web", "A");
    portico.does(&["instance", "rm", "web/near", "--wait"]);
    portico.does(&["instance", "rm", "web/far", "--wait"]);

    assert_eq!((near.as_str(), far.as_str()), ("NOERROR 10.0.0.1", "NOERROR 10.0.0.2"));
    assert_eq!(told(&portico, "web", "A"), "NOERROR", "the service is there, and none of it");
    assert!(told(&portico, "far.web", "A").starts_with("NXDOMAIN"));
}

#[test]
fn a_service_that_runs_elsewhere_is_an_alias_followed_within_our_zones_alone() {
    let world = World::new();
    let portico = serving(&world);
    let facts = "\
{kind: service, name: web}
---
{kind: instance, service: web, name: one, addresses: [10.0.0.1]}
---
{kind: service, name: near, external: web.svc.internal.}
---
{kind: service, name: far, external: Db.example.com.}
";

    apply(&world, &portico, facts);

    let near = dig(portico.dns(), &["near.svc.internal", "A"]).answer();
    assert_eq!(
        near,
        ["near.svc.internal. 5 IN CNAME web.svc.internal.", "web.svc.internal. 5 IN A 10.0.0.1"]
    );
    let far = dig(portico.dns(), &["far.svc.internal", "A"]);
    assert_eq!(
        (far.status(), far.answer().join(" ")),
        ("NOERROR", "far.svc.internal. 5 IN CNAME Db.example.com.".into())
    );
}

#[test]
fn rfc_6763_a_service_is_found_by_its_type_and_each_instance_by_its_spelled_name() {
    let world = World::new();
    let portico = serving(&world);
    let facts = "\
kind: service
name: shop
ports: [{name: http, port: 8080}]
metadata: {path: /}
dns_sd: {type: _http._tcp, name: The Shop, subtypes: [store]}
---
{kind: instance, service: shop, name: one, addresses: [10.0.0.1]}
";

    apply(&world, &portico, facts);

    let found = "NOERROR The\\032Shop._http._tcp.svc.internal.";
    assert_eq!(told(&portico, "_services._dns-sd._udp", "PTR"), "NOERROR _http._tcp.svc.internal.");
    assert_eq!(told(&portico, "b._dns-sd._udp", "PTR"), "NOERROR svc.internal.");
    assert_eq!(told(&portico, "_http._tcp", "PTR"), found);
    assert_eq!(told(&portico, "_store._sub._http._tcp", "PTR"), found);
    assert_eq!(told(&portico, "the\\032shop._http._tcp", "SRV"), "NOERROR 0 1 8080 one.shop.svc.internal.");
    assert_eq!(told(&portico, "the\\032shop._http._tcp", "TXT"), "NOERROR \"path=/\"");
    portico.does(&["instance", "rm", "shop/one", "--wait"]);
    assert_eq!(told(&portico, "_http._tcp", "PTR"), "NXDOMAIN", "who left is found no more");
}
