//! `/v1/verify`: everything that is not as it should be.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dnsd::{Dnsd, Served};
use model::Revision;
use proxy::route::RouteTable;

use super::same::{self, Same};
use super::{json, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::verify::{self, Found, routes, zones};
use crate::wire::{Finding, FindingKind};

/// How often a difference has to be seen: once may be a change on its way (files that are read again, a view that is replaced).
const LOOKS: usize = 3;
/// How long between two looks: many times what such a change takes.
const PAUSE: Duration = Duration::from_millis(100);

/// `GET /v1/verify`
pub(crate) async fn verify(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut snapshot = writing::snapshot(&app)?;
    let mut served = Found::new(app.config.page);
    for turn in 0..LOOKS {
        if turn > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        served = look(&app).await?;
        if served.is_empty() {
            break;
        }
    }
    // As late as what was just compared.
    snapshot = writing::snapshot(&app).unwrap_or(snapshot);
    let report = app.doors.proxy.as_ref().map(|proxy| proxy.reports().borrow().clone());
    let state = app.doors.registry.state().borrow().clone();
    let limit = app.config.page;
    let proxy = app.doors.proxy.clone();
    let dns = app.doors.dns.clone();
    let refused = move |address: &model::Address| proxy.as_ref()?.refuses(address);
    // A million facts take a while: other tasks of the runtime go on meanwhile.
    let verified = apart(move || {
        let unserved = dns.map(|dns| dns.unserved(&snapshot)).unwrap_or_default();
        verify::verify(&state, &snapshot, report.as_deref(), refused, unserved, served, limit)
    });
    Ok(json(StatusCode::OK, &verified.await?))
}

/// Compares what is served with what the registry says, once.
async fn look(app: &App) -> Result<Found, Problem> {
    let routes = match &app.doors.proxy {
        Some(proxy) => Some(same::routes(app, proxy).await),
        None => None,
    };
    let zones = match &app.doors.dns {
        Some(dns) => Some((dns.clone(), same::zones(app, dns).await)),
        None => None,
    };
    let limit = app.config.page;
    apart(move || compare(routes, zones, limit)).await
}

fn compare(
    routes: Option<Same<Arc<RouteTable>>>,
    zones: Option<(Dnsd, Same<Arc<Served>>)>,
    limit: usize,
) -> Found {
    let mut found = Found::new(limit);
    match routes {
        Some(same) if same.is_same() => routes::compare(&same.served, &same.snapshot, &mut found),
        Some(same) => found.add(|| behind("proxy", same.revision, same.snapshot.revision())),
        None => {}
    }
    match zones {
        Some((dns, same)) if same.is_same() => {
            let tell = &mut |difference| found.add(|| zones::finding(difference));
            dns.verify(&same.served, &same.snapshot, tell);
        }
        Some((_, same)) => found.add(|| behind("dns", same.revision, same.snapshot.revision())),
        None => {}
    }
    found
}

/// What is served stands at another revision, and stays there.
fn behind(who: &str, serves: Revision, registry: Revision) -> Finding {
    let name = if who == "dns" { "DNS" } else { "the proxy" };
    Finding {
        kind: FindingKind::Behind,
        key: who.to_owned(),
        endpoint: None,
        reason: format!(
            "{name} serves revision {serves}, the registry is at {registry}: they were not compared"
        ),
        remedy: "ask again; if it stays so, see the log of this node".to_owned(),
    }
}

/// Does something that takes long, away from what answers requests.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let remedy = "this is a defect of portico; please report it";
        let detail = format!("verify ended early: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, remedy)
    })
}
