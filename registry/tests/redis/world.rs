//! Nodes on a server, and waiting for what they serve.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{DeadMarks, FactKey, HostPattern, NodeId, PathPrefix, Snapshot, Stated};
use registry::format::native;
use registry::{Config, Edit, Expected, Link, Registry, RegistryUrl, State, Write};

/// Ten times what is promised for a change by anyone: 50 ms.
pub(crate) const SEEN: Duration = Duration::from_millis(500);
/// Ten times what is promised for the return of a lost store: 2 s.
pub(crate) const BACK: Duration = Duration::from_secs(20);

pub(crate) fn config(name: &str) -> Config {
    Config { node: NodeId(name.into()), timeout: Duration::from_millis(500), ..Config::default() }
}

pub(crate) struct Node(pub(crate) Registry);

impl Node {
    /// A node that follows the store at `url`.
    pub(crate) async fn live(url: &str) -> Self {
        Self::live_with(url, config("n1")).await
    }

    pub(crate) async fn live_with(url: &str, config: Config) -> Self {
        let node = Self::open(url, config).await;
        node.state("live", BACK, |state| state.link == Link::Live).await;
        node
    }

    pub(crate) async fn open(url: &str, config: Config) -> Self {
        let url = RegistryUrl::parse(url, Path::new("/nonexistent")).unwrap();
        Self(registry::open(&url, config).await.unwrap())
    }

    pub(crate) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshots().borrow())
    }

    pub(crate) fn revision(&self) -> u64 {
        self.now().revision().number()
    }

    /// What is served for a frontend, as `host=name:endpoint,endpoint@revision`; `-` where nothing is.
    pub(crate) fn says(&self, host: &str) -> String {
        says(&self.now(), host)
    }

    /// Waits until a snapshot is as told.
    pub(crate) async fn until(
        &self,
        what: &str,
        within: Duration,
        mut is: impl FnMut(&Snapshot) -> bool,
    ) -> Arc<Snapshot> {
        let mut snapshots = self.0.snapshots();
        let found = tokio::time::timeout(within, snapshots.wait_for(|snapshot| is(snapshot))).await;
        match found {
            Ok(found) => Arc::clone(&found.unwrap()),
            Err(_) => panic!("{what}: not within {within:?}; state {:?}", self.0.state().borrow()),
        }
    }

    /// Waits until a frontend says this, within ten times what is promised.
    pub(crate) async fn sees(&self, host: &str, expected: &str) {
        let mut last = String::new();
        let mut snapshots = self.0.snapshots();
        let seen = snapshots.wait_for(|snapshot| {
            last = says(snapshot, host);
            last.split('@').next() == Some(expected)
        });
        let seen = tokio::time::timeout(SEEN, seen).await.is_ok();
        assert!(seen, "{host} says {last}, not {expected}");
    }

    pub(crate) async fn state(&self, what: &str, within: Duration, mut is: impl FnMut(&State) -> bool) {
        let mut states = self.0.state();
        let found = tokio::time::timeout(within, states.wait_for(|state| is(state))).await;
        assert!(found.is_ok(), "{what}: not within {within:?}; state {:?}", self.0.state().borrow());
    }

    pub(crate) async fn marks(&self, what: &str, within: Duration, mut is: impl FnMut(&DeadMarks) -> bool) {
        let mut marks = self.0.marks();
        let found = tokio::time::timeout(within, marks.wait_for(|marks| is(marks))).await;
        assert!(found.is_ok(), "{what}: not within {within:?}; marks {:?}", self.0.marks().borrow());
    }

    /// The marked addresses of a host, parted by spaces.
    pub(crate) async fn sees_marks(&self, host: &str, expected: &str) {
        self.marks(&format!("{host} has {expected:?}"), SEEN, |marks| dead(marks, host) == expected).await;
    }

    /// Waits until the node has nothing left to tell: a later change is seen.
    pub(crate) async fn publish(&self, edit: Edit) -> Result<u64, registry::PublishError> {
        let write = Write { who: "test".to_owned(), edits: vec![edit], guards: Vec::new() };
        self.0.publish(write).await.map(|published| published.revision.number())
    }
}

pub(crate) fn dead(marks: &DeadMarks, host: &str) -> String {
    let dead = marks.by_host.get(host).map(|dead| dead.iter().map(ToString::to_string).collect::<Vec<_>>());
    dead.unwrap_or_default().join(" ")
}

pub(crate) fn says(snapshot: &Snapshot, host: &str) -> String {
    let Some(Stated { fact, revision, .. }) = snapshot.get(&key(host)) else { return "-".to_owned() };
    let frontend = fact.as_frontend().unwrap();
    let endpoints: Vec<String> = frontend.backend.endpoints.iter().map(|e| e.address.to_string()).collect();
    format!("{}:{}@{revision}", frontend.backend.name, endpoints.join(","))
}

/// `host` or `host/path`.
pub(crate) fn key(text: &str) -> FactKey {
    let at = text.find('/').unwrap_or(text.len());
    let path = if at == text.len() { PathPrefix::root() } else { PathPrefix::parse(&text[at..]).unwrap() };
    FactKey::Frontend { host: HostPattern::parse(&text[..at]).unwrap(), path }
}

pub(crate) fn put(json: &str, expected: Expected) -> Edit {
    let fact = model::Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap());
    Edit { key: fact.key(), fact: Some(fact), expected }
}

pub(crate) fn remove(host: &str, expected: Expected) -> Edit {
    Edit { key: key(host), fact: None, expected }
}
