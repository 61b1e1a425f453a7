//! Launched services and the hosts they are launched on, as an operator commands them.

use crate::world::{World, eventually, get};

const SHOP: &str = "\
kind: service
name: web
image: shop/web:1
ports: [{name: http, port: 8080}]
---
kind: service
name: cache
";

#[test]
fn a_service_is_scaled_stopped_started_restarted_and_deployed_by_its_name() {
    let world = World::new();
    let redis = world.redis();
    let on_redis = redis.url();
    for arguments in [&[][..], &["--registry", &on_redis]] {
        let portico = world.portico(arguments);
        eventually("portico follows", || get(portico.admin(), "127.0.0.1", "/readyz").status == 200);
        portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

        let said: Vec<String> = [
            &["scale", "web", "5"][..],
            &["scale", "web", "5"],
            &["scale", "web", "2", "6"],
            &["stop", "web"],
            &["stop", "web"],
            &["start", "web"],
            &["restart", "web"],
            &["restart", "web"],
            &["deploy", "web", "--image", "shop/web:2"],
        ]
        .into_iter()
        .map(|command| portico.does(command))
        .collect();

        let expected = [
            "web: instances 1 -> 5 (revision 3)\n",
            "web: instances are 5 already (nothing to be done; revision 3)\n",
            "web: instances 5 -> 2 to 6 (revision 4)\n",
            "web: stopped (revision 5)\n",
            "web: is stopped already (nothing to be done; revision 5)\n",
            "web: started, instances 2 to 6 (revision 6)\n",
            "web: restarts 0 -> 1 (revision 7)\n",
            "web: restarts 1 -> 2 (revision 8)\n",
            "web: image shop/web:1 -> shop/web:2 (revision 9)\n",
        ];
        assert_eq!(said, expected);
        let shown = portico.does(&["service", "show", "web", "--json"]);
        for part in [r#""image": "shop/web:2""#, r#""restarts": 2"#, r#""max_instances": 6"#] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn a_service_that_cannot_be_scaled_is_told_with_the_remedy_and_left_as_it_is() {
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    for (command, parts) in [
        (
            &["scale", "wbe", "5"][..],
            &["there is no service wbe", "did you mean web?", "portico service ls"][..],
        ),
        (&["restart", "elsewhere"], &["there is no service elsewhere; list"]),
        (&["scale", "cache", "5"], &["service cache says of no image", "write `image` into it"]),
        (&["scale", "web", "1001"], &["0 to 1000"]),
        (&["scale", "web", "3", "2"], &["3 to 2 instances are no range"]),
        (&["deploy", "web", "--image", "A B"], &["image: its name is not one of lower-case"]),
    ] {
        let finished = portico.cli(command);
        assert_eq!(finished.code, Some(1), "{command:?}: {}", finished.stdout);
        for part in parts {
            assert!(finished.stderr.contains(part), "{command:?}: {part}: {}", finished.stderr);
        }
    }

    let history = portico.does(&["history", "--fact", "service:web"]);
    assert_eq!(history.matches("service:web").count(), 1, "{history}");
}

#[test]
fn changes_of_one_service_from_many_terminals_at_once_are_all_made() {
    let world = World::new();
    let portico = world.portico(&[]);
    portico.does(&["apply", "-f", &world.write("shop.yaml", SHOP).display().to_string()]);

    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| portico.does(&["restart", "web"]));
        }
    });

    let shown = portico.does(&["service", "show", "web", "--json"]);
    assert!(shown.contains(r#""restarts": 3"#), "{shown}");
}

#[test]
fn a_host_is_made_known_closed_emptied_opened_again_and_removed() {
    let world = World::new();
    // A controller would write facts of its own between these.
    let portico = world.portico_command(&[]).env("PORTICO_CONTROL__ENABLED", "false").start();
    let add = [
        "host",
        "add",
        "node-1",
        "--engine",
        "tcp://10.0.0.1",
        "--address",
        "10.0.0.1",
        "--address",
        "fd00::1",
    ];
    let wishes = ["--label", "zone=a", "--priority", "2", "--cpu", "0.5", "--memory", "8GiB"];
    let whole = [&add[..], &wishes].concat();

    let said: Vec<String> = [
        &whole[..],
        &whole,
        &["host", "cordon", "node-1"],
        &["host", "cordon", "node-1"],
        &["host", "drain", "node-1"],
        &["host", "uncordon", "node-1"],
        &["host", "drain", "node-1"],
    ]
    .into_iter()
    .map(|command| portico.does(command))
    .collect();

    let expected = [
        "node-1: added, 10.0.0.1, fd00::1 (revision 1)\n",
        "node-1: is there already, and says the same (nothing to be done)\n",
        "node-1: cordoned: nothing new is launched on it (revision 2)\n",
        "node-1: is cordoned already: nothing new is launched on it (nothing to be done; revision 2)\n",
        "node-1: draining: its instances leave it (revision 3)\n",
        "node-1: available (revision 4)\n",
        "node-1: draining: its instances leave it (revision 5)\n",
    ];
    assert_eq!(said, expected);
    let listed = portico.does(&["host", "ls"]);
    assert!(listed.contains("tcp://10.0.0.1:2376  10.0.0.1, fd00::1  zone=a  draining  5"), "{listed}");
    let shown = portico.does(&["host", "show", "node-1", "--json"]);
    for part in [r#""draining": true"#, r#""cpu_millis": 500"#, r#""memory_mib": 8192"#, r#""priority": 2"#] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let other = portico.cli(&add);
    let typo = portico.cli(&["host", "drain", "node1"]);
    assert_eq!((other.code, typo.code), (Some(1), Some(1)));
    assert!(
        other.stderr.contains("says something else; look at it with `portico host show node-1`"),
        "{}",
        other.stderr
    );
    assert!(typo.stderr.contains("did you mean node-1?"), "{}", typo.stderr);
    portico.does(&["host", "rm", "node-1"]);
    assert!(portico.does(&["host", "ls"]).contains("portico host add NAME"));
}

#[test]
fn a_list_of_services_says_how_many_are_well_of_how_many_are_wanted() {
    let world = World::new();
    let portico = world.portico(&[]);
    let instance = |name: &str, more: &str| {
        format!(
            "---\nkind: instance\nservice: web\nname: {name}\naddresses: [10.0.0.1]\nhost: node-1\n{more}"
        )
    };
    let instances = instance("a", "ports: {http: 18080}\n") + &instance("b", "state: starting\n");
    portico.does(&[
        "apply",
        "-f",
        &world.write("shop.yaml", &(SHOP.to_owned() + &instances)).display().to_string(),
    ]);
    portico.does(&["scale", "web", "3"]);

    let listed = portico.does(&["service", "ls"]);
    let shown = portico.does(&["service", "show", "web"]);
    let in_json = portico.does(&["service", "ls", "--json"]);
    let instances = portico.does(&["instance", "ls", "web"]);

    assert!(listed.contains("web      shop/web:1  1/3        http 8080"), "{listed}");
    assert!(shown.contains("1/3 (1 starting)"), "{shown}");
    assert!(
        in_json.contains(r#""starting": 1"#) && in_json.contains(r#""image": "shop/web:1""#),
        "{in_json}"
    );
    assert!(instances.contains("web/a     healthy   node-1  10.0.0.1:18080"), "{instances}");
}

#[test]
fn what_services_have_in_common_is_written_once_and_they_claim_their_frontends() {
    let world = World::new();
    let node = world.portico(&[]);
    world.write("web.env", "MODE=live\nCOLOR=red\n");
    let facts = "---\nkind: service\nname: base\nimage: web:1\nactive: false\nports: [{name: http, port: 80}]\n\
        env_files: [web.env]\n\
        ---\nkind: service\nname: shop\nextends: base\ninstances: 3\nenvironment: {COLOR: blue}\n\
        frontends: [shop.example.com, shop.example.com/api]\n";
    let path = world.write("facts.yaml", facts).display().to_string();

    node.does(&["apply", "-f", &path]);

    let shop: serde_json::Value =
        serde_json::from_str(&node.does(&["service", "show", "shop", "--json"])).unwrap();
    let shop = &shop["service"];
    assert_eq!(
        (shop["image"].as_str(), shop["instances"].as_u64(), shop["active"].is_null()),
        (Some("web:1"), Some(3), true)
    );
    assert_eq!(
        (&shop["environment"]["MODE"], &shop["environment"]["COLOR"]),
        (&"live".into(), &"blue".into())
    );
    assert!(node.does(&["frontend", "ls"]).contains("shop.example.com/api"));
    let none = world.write("none.yaml", "kind: service\nname: a\nextends: nobody\n").display().to_string();
    let refused = node.cli(&["apply", "-f", &none]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("there is no service `nobody`"), "{}", refused.stderr);
    node.does(&["delete", "-f", &path]);
    assert!(!node.does(&["frontend", "ls"]).contains("shop.example.com"));
}
