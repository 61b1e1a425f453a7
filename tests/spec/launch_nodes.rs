//! Several nodes of one fleet: one of them controls, all of them let go before an instance ends.

use engine::Engine;
use serde_json::Value;

use crate::world::{Portico, Redis, World, eventually, get, until};

/// A fleet on a Redis.
struct Nodes {
    world: World,
    redis: Redis,
    engine: std::sync::Arc<Engine>,
    fleet: String,
}

impl Nodes {
    fn new(fleet: &str) -> Self {
        let world = World::new();
        let redis = world.redis();
        Self {
            redis,
            world,
            engine: Engine::shared().unwrap(),
            fleet: format!("{fleet}{}", std::process::id()),
        }
    }

    fn start(&self, name: &str, only: &[&str]) -> Portico {
        let url = format!("redis://127.0.0.1:{}", self.redis.port());
        let data = self.world.path(name).display().to_string();
        let mut arguments = vec!["--registry", &url, "--access-log", "off", "--data", &data];
        only.iter().for_each(|role| arguments.extend(["--only", role]));
        let command = self.world.portico_command(&arguments).env("PORTICO_REGISTRY__NODE", name);
        let command = command.env("PORTICO_CONTROL__FLEET", &self.fleet).env("PORTICO_CONTROL__LEASE", "2s");
        command.env("PORTICO_REGISTRY__LEASE", "6s").env("PORTICO_CONTROL__NODE_GRACE", "7s").start()
    }

    /// What is the fleet's on the engine.
    fn containers(&self) -> Vec<String> {
        let answer = self.engine.ask("GET", "/containers/json?all=true", "", b"").unwrap();
        let list: Value = serde_json::from_str(&answer.text).unwrap();
        let names = list.as_array().unwrap().iter().filter_map(|it| it["Names"][0].as_str());
        let own = format!("/{}-", self.fleet);
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_prefix(&own)).map(str::to_owned).collect();
        names.sort();
        names
    }

    fn apply(&self, node: &Portico, image: &str, rest: &str) {
        let engine = self.engine.url();
        self.engine.web(image, "page").unwrap();
        node.does(&["host", "add", "one", "--engine", &engine, "--address", "127.0.0.1"]);
        let facts = format!(
            "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n{rest}\n\
             ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
        );
        let path = self.world.write("facts.yaml", &facts);
        node.does(&["apply", "-f", path.to_str().unwrap()]);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for name in self.containers() {
            let _ =
                self.engine.ask("DELETE", &format!("/containers/{}-{name}?force=true", self.fleet), "", b"");
        }
    }
}

fn asks(node: &Portico, path: &str) -> Value {
    serde_json::from_str(&get(node.admin(), "127.0.0.1", path).body).unwrap()
}

fn leader(node: &Portico) -> Option<String> {
    let list = asks(node, "/v1/controllers");
    list["controllers"][0]["controller"]["controls"].as_str().map(str::to_owned)
}

fn healthy(node: &Portico) -> usize {
    let list = asks(node, "/v1/services/web/instances");
    let views = list["instances"].as_array().cloned().unwrap_or_default();
    views.iter().filter(|view| view["instance"]["state"].is_null()).count()
}

#[test]
fn one_node_controls_and_another_goes_on_when_it_is_paused_which_writes_nothing_any_more() {
    let nodes = Nodes::new("paused");
    let proxy = nodes.start("proxy", &["proxy"]);
    let first = nodes.start("first", &["control"]);
    nodes.apply(&proxy, "paused-web:1", "instances: 2");
    eventually("it runs", || healthy(&proxy) == 2);
    assert_eq!(leader(&proxy).as_deref(), Some("first"));
    let second = nodes.start("second", &["control"]);

    first.signal("STOP");
    eventually("another one controls", || leader(&proxy).as_deref() == Some("second"));
    proxy.does(&["scale", "web", "3"]);
    eventually("it goes on", || healthy(&proxy) == 3);
    first.signal("CONT");
    until("it knows", || first.log().contains("controls no more").then_some(()));
    proxy.does(&["scale", "web", "1"]);

    eventually("the other one controls still", || healthy(&proxy) == 1 && nodes.containers().len() == 1);
    assert_eq!(leader(&proxy).as_deref(), Some("second"));
    drop(second);
    eventually("the first one takes over", || leader(&proxy).as_deref() == Some("first"));
    assert_eq!((healthy(&proxy), nodes.containers().len()), (1, 1));
}

#[test]
fn a_node_that_is_lost_is_waited_for_and_then_named() {
    let nodes = Nodes::new("lost");
    let control = nodes.start("control", &["control"]);
    let proxy = nodes.start("proxy", &["proxy"]);
    let lost = nodes.start("lost", &["proxy"]);
    nodes.apply(&control, "node-lost-web:1", "instances: 2");
    eventually("it runs", || healthy(&proxy) == 2);
    eventually("both serve it", || get(lost.http(), "web.example.com", "/").status == 200);

    lost.signal("STOP");
    control.does(&["scale", "web", "1"]);
    let release = until("it is told to end", || {
        let list = asks(&control, "/v1/services/web/instances");
        let views = list["instances"].as_array()?.clone();
        views.into_iter().map(|view| view["instance"]["run"]["release"].clone()).find(|it| !it.is_null())
    });

    assert_eq!(release["unconfirmed"][0], "lost");
    assert!(release["after_ms"].as_u64().unwrap() > 3000, "{release}");
    lost.signal("CONT");
    eventually("it is gone", || nodes.containers().len() == 1);
}
