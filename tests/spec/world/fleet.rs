//! A portico that controls a Docker engine of the test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::Engine;
use serde_json::Value;

use super::{Portico, World, eventually, get};

static FLEETS: AtomicU32 = AtomicU32::new(0);

/// A portico, and the engine whose containers it launches; its containers are taken away at the end.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) portico: Portico,
    pub(crate) engine: Arc<Engine>,
    name: String,
}

impl Fleet {
    /// On the engine that tests share, with a host `one`.
    pub(crate) fn new() -> Self {
        Self::with(Engine::shared().unwrap(), &[])
    }

    /// On an engine, with these variables beside.
    pub(crate) fn with(engine: Arc<Engine>, variables: &[(&str, &str)]) -> Self {
        let world = World::new();
        // Others use the engine too.
        let name = format!("t{}-{}", std::process::id(), FLEETS.fetch_add(1, Ordering::Relaxed));
        let portico = start(&world, &name, variables);
        let fleet = Self { world, portico, engine, name };
        fleet.host("one", &fleet.engine);
        fleet
    }

    /// States a host whose engine this is.
    pub(crate) fn host(&self, name: &str, engine: &Engine) {
        let url = engine.url();
        self.portico.does(&["host", "add", name, "--engine", &url, "--address", "127.0.0.1"]);
    }

    /// Starts another portico in place of this one, which is ended by a signal before.
    pub(crate) fn restart(&mut self, signal: &str, variables: &[(&str, &str)]) {
        self.portico.signal(signal);
        self.portico.ended();
        self.portico = start(&self.world, &self.name, variables);
    }

    /// Applies facts; what was said.
    pub(crate) fn apply(&self, yaml: &str) -> String {
        let path = self.world.write("facts.yaml", yaml);
        self.portico.does(&["apply", "-f", path.to_str().unwrap()])
    }

    /// What the API says at a path.
    pub(crate) fn asks(&self, path: &str) -> Value {
        serde_json::from_str(&get(self.portico.admin(), "127.0.0.1", path).body).unwrap()
    }

    /// The instances of a service, each as the API says it.
    pub(crate) fn instances(&self, service: &str) -> Vec<Value> {
        let list = self.asks(&format!("/v1/services/{service}/instances"));
        let views = list["instances"].as_array().cloned().unwrap_or_default();
        views.into_iter().map(|view| view["instance"].clone()).collect()
    }

    /// How far a service has come: `done`, `failed` …, and why.
    pub(crate) fn deployment(&self, service: &str) -> (String, String) {
        let view = self.asks(&format!("/v1/deployments/{service}"));
        let text = |field: &str| view["deployment"][field].as_str().unwrap_or_default().to_owned();
        (text("deployment"), text("reason"))
    }

    /// Waits until a service is as it should be: so many healthy instances, and no others.
    pub(crate) fn settles(&self, service: &str, healthy: usize) {
        eventually(&format!("{service} settles with {healthy}: {:?}", self.deployment(service)), || {
            let instances = self.instances(service);
            let is_healthy = |instance: &Value| instance["state"].is_null();
            self.deployment(service).0 == "done"
                && instances.len() == healthy
                && instances.iter().all(is_healthy)
        });
    }

    /// The names of this fleet's containers on an engine, whatever their state.
    pub(crate) fn containers(&self, engine: &Engine) -> Vec<String> {
        let answer = engine.ask("GET", "/containers/json?all=true", "", b"").unwrap();
        let list: Value = serde_json::from_str(&answer.text).unwrap();
        let own = format!("/{}-", self.name);
        let names = list.as_array().unwrap().iter().filter_map(|it| it["Names"][0].as_str());
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_prefix(&own)).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The name of a container of this fleet's.
    pub(crate) fn container(&self, short: &str) -> String {
        format!("{}-{short}", self.name)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for name in self.containers(&self.engine) {
            let path = format!("/containers/{}-{name}?force=true", self.name);
            let _ = self.engine.ask("DELETE", &path, "", b"");
        }
    }
}

fn start(world: &World, name: &str, variables: &[(&str, &str)]) -> Portico {
    let mut command = world.portico_command(&["--access-log", "off"]).env("PORTICO_CONTROL__FLEET", name);
    for (name, value) in variables {
        command = command.env(name, value);
    }
    command.start()
}
