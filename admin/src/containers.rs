//! The container of an instance, at its host's engine.
//!
//! In: an instance's fact. Out: an engine and a container there. Never here: a container that is not an instance's.

use std::sync::Arc;

use axum::http::StatusCode;
use control::Control;
use control::plan::{Labels, adopted};
use control::runtime::{Runtime, RuntimeError};
use model::{Instance, Snapshot, Stage};

use crate::doors::App;
use crate::problem::Problem;

/// The container of an instance, where it is.
pub(crate) struct Found {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) id: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoContainer {
    #[error("nobody launched it: it registered itself")]
    NotLaunched,
    #[error("it has no container now ({0})")]
    None(&'static str),
    #[error(transparent)]
    Engine(#[from] RuntimeError),
}

/// The controller of this node, where it has one.
///
/// # Errors
/// It has none; the one that controls is named.
pub(crate) fn control<'a>(app: &'a App, facts: &Snapshot) -> Result<&'a Control, Problem> {
    app.doors.control.as_ref().ok_or_else(|| {
        let remedy = match facts.controller() {
            Some((controller, _)) => format!("ask node {}, which controls: --server URL", controller.node),
            None => "no node controls: start one that may (`portico run`, control.enabled), and ask that"
                .to_owned(),
        };
        let detail = format!("node {} knows no engine: it does not control", app.doors.node);
        Problem::new(StatusCode::CONFLICT, "no-control", detail, remedy)
    })
}

/// The container of an instance.
///
/// # Errors
/// [`NoContainer`].
pub(crate) async fn find(
    control: &Control,
    facts: &Snapshot,
    instance: &Instance,
) -> Result<Found, NoContainer> {
    let (Some(run), Some(host)) = (&instance.run, &instance.host) else {
        return Err(NoContainer::NotLaunched);
    };
    let runtime = control.runtime(facts, host)?;
    let all = runtime.list().await?;
    let container = match run.stage {
        Stage::Adopted => adopted(facts, control.fleet(), instance, &all),
        // Another fleet on the same engine may have one of the same name.
        _ => all.iter().find(|container| {
            Labels::of(container).is_some_and(|labels| {
                labels.fleet == *control.fleet()
                    && labels.service == instance.service
                    && labels.instance == instance.name
            })
        }),
    };
    let container = container.ok_or(NoContainer::None(run.stage.name()))?;
    Ok(Found { id: container.id.clone(), runtime })
}
