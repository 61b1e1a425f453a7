//! What a fact says, in a few words.

use admin::wire::{
    DeploymentDoc, FactDoc, HostDoc, InstanceDoc, PortDoc, ProtocolDoc, RecordDoc, ServiceDoc,
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
        FactDoc::Controller(doc) => doc.controls.clone(),
    }
}

/// What is launched, and its ports.
fn service(doc: &ServiceDoc) -> String {
    let ports = doc.ports.iter().map(port);
    let said: Vec<String> = doc.image.iter().cloned().chain(ports).collect();
    if said.is_empty() { "no ports".to_owned() } else { said.join(", ") }
}

/// How far a version has come, and why no further.
fn deployment(doc: &DeploymentDoc) -> String {
    let why = if doc.reason.is_empty() { String::new() } else { format!(": {}", doc.reason) };
    format!("{} {}{why}", doc.version, word(&doc.deployment))
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

fn instance(doc: &InstanceDoc) -> String {
    let state = doc.state.map(|state| word(&state));
    let reason = doc.run.as_ref().map(|run| run.reason.clone()).filter(|reason| !reason.is_empty());
    let said: Vec<String> = state.into_iter().chain(reason).collect();
    let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(": ")) };
    format!("{}{said}", doc.addresses.join(", "))
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
