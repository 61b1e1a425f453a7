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
