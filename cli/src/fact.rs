//! What a fact says, in a few words.

use admin::wire::{
    DeploymentDoc, FactDoc, HostDoc, InstanceDoc, InstanceStateDoc, PortDoc, PowerDoc, ProtocolDoc,
    RecordDoc, ReleasedDoc, ServiceDoc, StandingDoc,
};
use serde_json::Value;

use crate::frontend::answers_of;

/// What a fact says, on one line.
pub(crate) fn says(doc: &FactDoc) -> String {
    match doc {
        FactDoc::Frontend(doc) => answers_of(doc),
        FactDoc::Service(doc) => service(doc),
        FactDoc::Instance(doc) => instance(doc),
        FactDoc::Host(HostDoc { addresses, .. }) => addresses.join(", "),
        FactDoc::Record(doc) => data(doc),
        FactDoc::Deployment(doc) => deployment(doc),
        FactDoc::Standing(doc) => standing(doc),
        FactDoc::Controller(doc) => doc.controls.clone(),
    }
}

/// What is launched, and its ports.
fn service(doc: &ServiceDoc) -> String {
    let ports = doc.ports.iter().map(port);
    let canary = doc.canary.iter().map(|canary| format!("canary {} {} %", canary.image, canary.percent));
    let said: Vec<String> = doc.image.iter().cloned().chain(canary).chain(ports).collect();
    if said.is_empty() { "no ports".to_owned() } else { said.join(", ") }
}

/// How far a version has come, and why no further.
fn deployment(doc: &DeploymentDoc) -> String {
    let why = if doc.reason.is_empty() { String::new() } else { format!(": {}", doc.reason) };
    let canary = doc.canary.as_ref().map(|canary| {
        let why = if canary.reason.is_empty() { String::new() } else { format!(": {}", canary.reason) };
        format!("; canary {} {}{why}", canary.version, word(&canary.state))
    });
    format!("{} {}{why}{}", doc.version, word(&doc.deployment), canary.unwrap_or_default())
}

/// Where a host was found, whether it runs, and why not: `running, 10.0.0.7`.
fn standing(doc: &StandingDoc) -> String {
    let power = doc.power.as_ref().map(power);
    let lost = (!doc.lost.is_empty()).then(|| format!("no address: {}", doc.lost));
    let said = power.into_iter().chain(doc.found.iter().cloned()).chain(lost);
    said.collect::<Vec<_>>().join(", ")
}

/// Whether a host runs, and why not: `stopped after 2 failures: action `wake` took longer than 2s`.
pub(crate) fn power(doc: &PowerDoc) -> String {
    let failures = match doc.failures {
        0 => String::new(),
        1 => " after a failure".to_owned(),
        failures => format!(" after {failures} failures"),
    };
    let why = if doc.reason.is_empty() { String::new() } else { format!(": {}", doc.reason) };
    format!("{}{failures}{why}", word(&doc.state))
}

/// The first records, and the number of the others.
pub(crate) fn data(doc: &RecordDoc) -> String {
    const NAMED: usize = 3;
    let mut named: Vec<String> = doc.data.iter().take(NAMED).cloned().collect();
    if doc.data.len() > NAMED {
        named.push(format!("{} more", doc.data.len() - NAMED));
    }
    named.join(", ")
}

/// `http 8080` or `dns 53/udp`.
pub(crate) fn port(port: &PortDoc) -> String {
    let udp = if port.protocol == Some(ProtocolDoc::Udp) { "/udp" } else { "" };
    format!("{} {}{udp}", port.name, port.port)
}

/// Where it is, how it is, and where in its life a controller sees it: `10.0.0.7 (draining: released after 120 ms)`.
fn instance(doc: &InstanceDoc) -> String {
    let mut said: Vec<String> = doc.state.map(|state| word(&state)).into_iter().collect();
    if let Some(run) = &doc.run {
        if said.is_empty() {
            said.push(word(&InstanceStateDoc::Healthy));
        }
        let stage = word(&run.stage);
        said.extend((!said.contains(&stage)).then_some(stage));
    }
    let mut said = said.join(", ");
    let reason = doc.run.as_ref().map(|run| run.reason.clone()).filter(|reason| !reason.is_empty());
    let release = doc.run.as_ref().and_then(|run| run.release.as_ref()).map(released);
    let why: Vec<String> = reason.into_iter().chain(release).collect();
    if !why.is_empty() {
        said += &format!(": {}", why.join("; "));
    }
    let said = if said.is_empty() { said } else { format!(" ({said})") };
    format!("{}{said}", doc.addresses.join(", "))
}

/// How an instance was let go of.
fn released(doc: &ReleasedDoc) -> String {
    let mut said = format!("released after {} ms", doc.after_ms);
    if !doc.unconfirmed.is_empty() {
        said += &format!(", not confirmed by {}", doc.unconfirmed.join(", "));
    }
    for (what, count) in [("requests", doc.cut), ("tunnels", doc.tunnels)] {
        if count > 0 {
            said += &format!(", {count} {what} cut");
        }
    }
    said
}

/// A value that JSON says in one word.
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Which fields of two facts differ.
pub(crate) fn changed_fields(before: &FactDoc, after: &FactDoc) -> String {
    let fields = |doc: &FactDoc| match serde_json::to_value(doc) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(before), fields(after));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let differing: Vec<&str> =
        names.into_iter().filter(|name| old.get(*name) != new.get(*name)).map(String::as_str).collect();
    match differing.is_empty() {
        true => "written again".to_owned(),
        false => format!("{} changed", differing.join(", ")),
    }
}
