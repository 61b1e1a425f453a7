//! What is wrong with the registry, in a snapshot, with what is served of it, and with the endpoints: functions of values.
//!
//! Order: the registry itself, what is served otherwise than it says, entries that were set aside (clashes of two formats are among them),
//! then the frontends, then what DNS does not serve, then dead endpoints.

mod found;
pub(crate) mod routes;
pub(crate) mod zones;

use dnsd::zone::facts::Reason;
use model::{
    Address, DeadEndpoint, Endpoints, FactKey, Frontend, HostPattern, ProxyReport, ServiceRef, Snapshot,
};
use proxy::Refusal;
use registry::{Link, State};

use crate::wire::{Finding, FindingKind, Verification};
pub(crate) use found::Found;

/// The lookup tries suffixes of at most this many labels, as hipache does.
const SUFFIX_LABELS: usize = 5;

/// Everything that is not as it should be, the first `limit` of it. `refused` says why the proxy connects to no endpoint of an address;
/// `unserved` are the facts that have no place in DNS, where this process has it; `served` is what was found in the routes and zones.
pub(crate) fn verify(
    state: &State,
    snapshot: &Snapshot,
    report: Option<&ProxyReport>,
    refused: impl Fn(&Address) -> Option<Refusal>,
    unserved: Vec<(FactKey, Reason)>,
    served: Found,
    limit: usize,
) -> Verification {
    let quarantined = snapshot.quarantine().map(|(key, why)| Finding {
        kind: FindingKind::Quarantined,
        key: key.to_owned(),
        endpoint: None,
        reason: why.reason.to_string(),
        remedy: why.remedy.to_string(),
    });
    let frontends = snapshot.frontends().flat_map(|(frontend, _)| {
        let written =
            of_frontend(frontend).chain(of_refused(frontend, &frontend.backend.endpoints, &refused));
        written.chain(of_service(frontend, snapshot, &refused))
    });
    // Who may not be where it is, is out for that; said once, with its frontend.
    let dead = report.into_iter().flat_map(|report| &report.dead);
    let dead = dead.filter(|dead| refused(&dead.address).is_none()).map(of_dead);
    let registry = of_registry(state).into_iter().chain(of_hold(state));
    let (differing, more) = served.into_parts();
    let in_snapshot = quarantined.chain(frontends).chain(unserved.into_iter().map(of_unserved));
    let mut all = registry.chain(differing).chain(in_snapshot).chain(dead);
    let findings: Vec<_> = all.by_ref().take(limit).collect();
    Verification {
        revision: snapshot.revision().number(),
        facts: snapshot.len(),
        findings,
        left_out: all.count() + more,
    }
}

/// A fact that has no place in DNS.
fn of_unserved((key, reason): (FactKey, Reason)) -> Finding {
    Finding {
        kind: FindingKind::Unserved,
        key: key.to_string(),
        endpoint: None,
        reason: reason.to_string(),
        remedy: reason.remedy(),
    }
}

/// A registry that cannot be reached: nothing that was written since is served.
fn of_registry(state: &State) -> Option<Finding> {
    let Link::Lost { error } = &state.link else { return None };
    let serve =
        if state.from_cache { "the last known good routes from disk serve" } else { "the last routes serve" };
    Some(Finding {
        kind: FindingKind::Registry,
        key: state.url.clone(),
        endpoint: None,
        reason: format!("it is lost ({error}): {serve}"),
        remedy: "start it, or see to its address, its password and the network; portico goes on trying"
            .to_owned(),
    })
}

/// A view that is not believed yet.
fn of_hold(state: &State) -> Option<Finding> {
    let held = state.held?;
    let seconds = held.until.saturating_duration_since(held.since).as_secs();
    Some(Finding {
        kind: FindingKind::Registry,
        key: state.url.clone(),
        endpoint: None,
        reason: format!(
            "it {} {} of {} frontends: they are served on, and its view is held for {seconds} s before it is believed",
            if held.older { "is an older copy of itself, which takes back" } else { "suddenly lost" },
            held.removes,
            held.of
        ),
        remedy: "restore what it lost; or, if it was meant: portico registry accept".to_owned(),
    })
}

fn of_frontend(frontend: &Frontend) -> impl Iterator<Item = Finding> {
    let key = frontend.key();
    let name = quoted(crate::api::name_of(&key));
    let finding = move |kind, endpoint: Option<&str>, reason: String, remedy: String| Finding {
        kind,
        key: key.to_string(),
        endpoint: endpoint.map(str::to_owned),
        reason,
        remedy,
    };
    let rejected = frontend.backend.rejected.iter().map({
        let finding = finding.clone();
        move |entry| {
            let remedy =
                "write it as `http://host:port` or `unix:/path`, or remove it; the other endpoints serve"
                    .to_owned();
            finding(FindingKind::Rejected, Some(&entry.text), entry.reason.to_string(), remedy)
        }
    });
    let endpoints = &frontend.backend.endpoints;
    let empty = (endpoints.is_empty() && endpoints.service().is_none()).then(|| {
        let reason = "it has no endpoint: its requests are answered 502".to_owned();
        finding(
            FindingKind::Empty,
            None,
            reason,
            match frontend.backend.rejected.is_empty() {
                true => format!("portico frontend add {name} http://HOST:PORT, or rm {name}"),
                false => format!("portico frontend add {name} http://HOST:PORT --replace, or rm {name}"),
            },
        )
    });
    let unreachable = is_unreachable(&frontend.host).then(|| {
        let reason =
            format!("no request reaches it: suffixes of more than {SUFFIX_LABELS} labels are not looked up");
        finding(
            FindingKind::Unreachable,
            None,
            reason,
            "shorten the suffix, or name the hosts one by one".to_owned(),
        )
    });
    rejected.chain(empty).chain(unreachable)
}

/// A service that answers for a frontend, when nobody does or may.
fn of_service(
    frontend: &Frontend,
    snapshot: &Snapshot,
    refused: &impl Fn(&Address) -> Option<Refusal>,
) -> Vec<Finding> {
    let Some(asked) = frontend.backend.endpoints.service() else { return Vec::new() };
    let endpoints = snapshot.endpoints_of(asked);
    if !endpoints.is_empty() {
        return of_refused(frontend, &endpoints, refused).collect();
    }
    let ServiceRef { service, port } = asked;
    let (why, remedy) = match (snapshot.answering(service).is_empty(), port) {
        (true, _) => ("no instance of it is healthy", format!("look at them: portico instance ls {service}")),
        (false, Some(port)) => ("no instance has its port", format!("give the service a port `{port}`")),
        (false, None) => ("no instance has a port", "give the service a TCP port".to_owned()),
    };
    vec![Finding {
        kind: FindingKind::Empty,
        key: frontend.key().to_string(),
        endpoint: None,
        reason: format!("service {service} answers for it, and {why}: its requests are answered 502"),
        remedy,
    }]
}

/// Endpoints at an address that none may have.
fn of_refused(
    frontend: &Frontend,
    endpoints: &Endpoints,
    refused: &impl Fn(&Address) -> Option<Refusal>,
) -> impl Iterator<Item = Finding> {
    endpoints.iter().filter_map(move |endpoint| {
        let refusal = refused(&endpoint.address)?;
        Some(Finding {
            kind: FindingKind::Rejected,
            key: frontend.key().to_string(),
            endpoint: Some(endpoint.address.url()),
            reason: refusal.to_string(),
            remedy: refusal.remedy().to_owned(),
        })
    })
}

/// As a shell takes it; of what it would read itself, a key has `*` and brackets only.
fn quoted(name: String) -> String {
    if name.contains(['*', '[']) { format!("'{name}'") } else { name }
}

fn is_unreachable(host: &HostPattern) -> bool {
    match host {
        HostPattern::Suffix(suffix) => suffix.split('.').count() > SUFFIX_LABELS,
        HostPattern::Any | HostPattern::Exact(_) | HostPattern::OnPort(_) => false,
    }
}

fn of_dead(dead: &DeadEndpoint) -> Finding {
    let back = match dead.back_in_ms {
        Some(ms) => format!("; tried again in {} s", ms.div_ceil(1000)),
        None if dead.by_check => "; back when it passes".to_owned(),
        None => "; tried again when its mark in the registry ends".to_owned(),
    };
    Finding {
        kind: FindingKind::Dead,
        key: dead.frontend.to_string(),
        endpoint: Some(dead.address.url()),
        reason: format!("{}{back}", dead.reason),
        remedy: "look at the endpoint, or remove it from the frontend".to_owned(),
    }
}
