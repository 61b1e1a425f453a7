//! The controller put in: how it writes to the registry, and how it opens engines.

use std::sync::Arc;

use control::observe::Open;
use control::publish::{Edit, Publish, PublishError, Request};
use control::runtime::docker::{Docker, Settings, Tls};
use control::runtime::{Runtime, RuntimeError};
use model::{Alarm, Controller, EngineUrl, NodeId, Revision};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Loaded;

/// Starts a controller of this node.
pub(crate) fn start(
    loaded: &Loaded,
    node: NodeId,
    registry: &registry::Registry,
    stop: watch::Receiver<bool>,
    alarm: &Alarm,
) -> (control::Control, JoinHandle<()>) {
    let settings = &loaded.settings.control;
    let mut config = settings.config.clone();
    config.node = node.clone();
    config.term = std::process::id();
    let (publish, requests) = Publish::channel();
    tokio::spawn(answer(registry.clone(), format!("control:{node}"), requests));
    let tls = match (&settings.tls_ca, &settings.tls_cert, &settings.tls_key) {
        (Some(authority), Some(certificate), Some(key)) => {
            Some(Tls { authority: authority.clone(), certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    let settings = Settings {
        timeout: config.call_timeout,
        tls,
        plain: settings.plain_engines.clone(),
        ssh_config: settings.ssh_config.clone(),
        login: settings.login.clone(),
    };
    let open: Open = Arc::new(move |url: &EngineUrl| -> Result<Arc<dyn Runtime>, RuntimeError> {
        Ok(Arc::new(Docker::open(url, settings.clone())?))
    });
    let (find, call) = (control::observe::finder(config.addresses.clone()), control::act::caller(&config));
    let (snapshots, nodes) = (registry.snapshots(), registry.nodes());
    let inputs = control::turn::Inputs { snapshots, nodes, publish, open, find, call };
    control::Control::start(config, inputs, stop, alarm.watch("the controller"))
}

/// Answers what the controller asks of the registry, until it has ended.
async fn answer(registry: registry::Registry, who: String, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        // Who asked may be gone.
        match request {
            Request::Write { edits, token, answer } => {
                let written = registry.publish(write(who.clone(), edits, token)).await;
                let written = written.map(|published| published.revision).map_err(refused);
                let _ = answer.send(written);
            }
            Request::Renew { token, answer } => {
                let renewed = registry.renew(Controller::key(), Some(token)).await.map_err(refused);
                let _ = answer.send(renewed);
            }
        }
    }
}

fn write(who: String, edits: Vec<Edit>, token: Option<Revision>) -> registry::Write {
    let expected =
        |revision: Option<Revision>| revision.map_or(registry::Expected::Absent, registry::Expected::At);
    let edit =
        |edit: Edit| registry::Edit { key: edit.key, fact: edit.fact, expected: expected(edit.expected) };
    let guard = |token| registry::Guard { key: Controller::key(), expected: registry::Expected::At(token) };
    registry::Write {
        who,
        edits: edits.into_iter().map(edit).collect(),
        guards: token.into_iter().map(guard).collect(),
    }
}

fn refused(error: registry::PublishError) -> PublishError {
    let said = error.to_string();
    match error {
        registry::PublishError::Conflict { .. } => PublishError::Conflict(said),
        registry::PublishError::Invalid(_) | registry::PublishError::ReadOnly(_) => {
            PublishError::Refused(said)
        }
        _ => PublishError::Unavailable(said),
    }
}
