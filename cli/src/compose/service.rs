//! One service of a Compose file: the fact of a service, and of the frontends that its labels ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::at::{At, Wrong};
use super::fields::{self, Meaning};
use super::{Around, REMEDY, deploy, frontends, heartbeat, ports, variables, volumes};

/// Why networks have none.
pub(super) const NETWORKS: &str =
    "services find each other by their names in DNS, and nothing keeps them apart";

/// What is waited for of a job.
const COMPLETED: &str = "service_completed_successfully";

/// The fact of a service, as it is gathered.
pub(super) type Doc = Map<String, Value>;

/// The facts of a service; `services` are the names of all in the file, and whether each of them runs; `named` is what its volumes are
/// called.
pub(super) fn facts(
    name: &str,
    at: &At<'_>,
    services: &BTreeMap<&str, bool>,
    named: &BTreeMap<String, String>,
    around: &mut Around<'_>,
) -> Result<Vec<Value>, Wrong> {
    let mut doc = Doc::new();
    doc.insert("kind".to_owned(), "service".into());
    doc.insert("name".to_owned(), name.into());
    fields::judged(at, around)?;
    let ports = ports::read(at, around)?;
    if !ports.is_empty() {
        let documents = ports.iter().map(ports::Port::document);
        doc.insert("ports".to_owned(), documents.collect());
    }
    let mut environment = Vec::new();
    let mut frontends = Vec::new();
    for (field, at) in at.fields()? {
        match (fields::meaning(field), field) {
            (Some(Meaning::Taken), "env_file") => from_files(&at, &mut environment, around)?,
            (Some(Meaning::Taken), "labels") => {
                let (labels, leads) = frontends::read(&at, name, &ports)?;
                set(&mut doc, "labels", labels);
                frontends = leads;
            }
            (Some(Meaning::Taken), "volumes") => set(&mut doc, "volumes", volumes::read(&at, named, around)?),
            (Some(Meaning::Taken), "depends_on") => {
                set(&mut doc, "depends_on", awaited(&at, services, around)?)
            }
            (Some(Meaning::Taken), _) => simple(field, &at, &mut doc, around)?,
            _ => {}
        }
    }
    if !doc.contains_key("image") {
        return Err(at.wrong("it says no `image`", "write `image`: an image is all that can be launched"));
    }
    // What the service says itself goes before what its files say.
    if let Some(at) = at.get("environment") {
        environment.extend(at.pairs()?);
    }
    set(&mut doc, "environment", settled(environment, at, around));
    if !doc.contains_key("restart") {
        unsaid(at, &mut doc, around.ends.contains(name), around);
    }
    if around.ends.contains(name) && doc.get("restart").is_some_and(|word| word == "always") {
        let reason = "another service waits until it has completed, and it is started again whenever it ends";
        return Err(at.wrong(reason, "write `restart: on-failure`, or wait for service_healthy"));
    }
    Ok(std::iter::once(Value::Object(doc)).chain(frontends).collect())
}

/// A field, unless it says nothing.
fn set(doc: &mut Doc, field: &str, value: Value) {
    let is_empty = match &value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(values) => values.is_empty(),
        value => value.is_null(),
    };
    if !is_empty {
        doc.insert(field.to_owned(), value);
    }
}

/// The field `part` of the part of a fact that is called `name`.
pub(super) fn set_within(doc: &mut Doc, name: &str, part: &str, value: impl Into<Value>) {
    let within = doc.entry(name).or_insert_with(|| json!({}));
    if let Value::Object(fields) = within {
        fields.insert(part.to_owned(), value.into());
    }
}

/// Fields that say one thing.
fn simple(field: &str, at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    match field {
        "image" | "user" | "working_dir" => set(doc, field, at.text()?.into()),
        "command" | "entrypoint" => set(doc, field, at.words()?.into()),
        "healthcheck" => heartbeat::read(at, doc, around)?,
        "restart" => restart(at, doc, around)?,
        "stop_signal" => set_within(doc, "stop", "signal", at.text()?),
        "stop_grace_period" => set_within(doc, "stop", "grace_ms", at.millis()?),
        "scale" => deploy::count(at, doc)?,
        "deploy" => deploy::read(at, doc, around)?,
        "cpus" => deploy::cpus(at, doc)?,
        "mem_limit" => deploy::memory(at, doc)?,
        "networks" => networks(at, around)?,
        // Ports were read before; variables are read behind.
        _ => {}
    }
    Ok(())
}

/// What is done when it ends by itself; `deploy.restart_policy` goes before it.
fn restart(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    let text = at.text()?;
    let (word, times) = text.split_once(':').map_or((&*text, None), |(word, times)| (word, Some(times)));
    let restart = match word {
        // YAML 1.1 reads a bare `no` as false.
        "no" | "false" => "never",
        "always" | "unless-stopped" => "always",
        "on-failure" => "on_failure",
        _ => {
            return Err(at.wrong(
                format!("`{text}` is no restart policy"),
                "write no, always, on-failure or unless-stopped",
            ));
        }
    };
    if times.is_some() {
        around.no_meaning(at, "it is started again as often as it fails, ever more slowly");
    }
    doc.entry("restart").or_insert_with(|| restart.into());
    Ok(())
}

/// What is done when nothing is said of it: Compose starts nothing again. What others connect to is kept up; what ended with 0 beside that
/// is a job that is done, and what failed has work left.
fn unsaid(at: &At<'_>, doc: &mut Doc, ends: bool, around: &mut Around<'_>) {
    let reason = if ends {
        doc.insert("restart".to_owned(), "on_failure".into());
        "it says no `restart` and another service waits until it has completed: it is started again when it fails; write `restart: \"no\"` where \
         that is not right"
    } else if doc.contains_key("ports") {
        "it has ports and says no `restart`: it is started again whenever it ends; write `restart: \"no\"` where it is to run once"
    } else {
        doc.insert("restart".to_owned(), "on_failure".into());
        "it says no `restart` and has no ports: it is started again when it fails, and is done when it ends with 0; write `restart: \"no\"` or \
         `restart: always` where that is not right"
    };
    around.note(&at.place, reason);
}

fn networks(at: &At<'_>, around: &mut Around<'_>) -> Result<(), Wrong> {
    let names: Vec<String> = match at.value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        _ => at.entries().iter().map(At::text).collect::<Result<_, _>>()?,
    };
    let said_more = at.value.as_object().is_some_and(|fields| fields.values().any(|value| !value.is_null()));
    if said_more || names.iter().any(|name| name != "default") {
        around.no_meaning(at, NETWORKS);
    }
    Ok(())
}

/// The services that others wait for until they have completed.
pub(super) fn awaited_to_end(services: &[(&str, At<'_>)]) -> BTreeSet<String> {
    let completes = |at: &At<'_>| at.get("condition").is_some_and(|at| at.value == COMPLETED);
    let awaited = services.iter().filter_map(|(_, at)| at.get("depends_on")?.fields().ok());
    awaited.flatten().filter(|(_, at)| completes(at)).map(|(name, _)| name.to_owned()).collect()
}

/// Services that are there before this one starts.
fn awaited(at: &At<'_>, services: &BTreeMap<&str, bool>, around: &mut Around<'_>) -> Result<Value, Wrong> {
    let mut awaited = Doc::new();
    let known = |at: &At<'_>, name: &str| match services.get(name) {
        Some(true) => Ok(()),
        Some(false) => Err(at.wrong(
            format!("service `{name}` is in a profile and left out: it would be waited for without an end"),
            format!("take `profiles` out of `{name}`, or this out"),
        )),
        None => Err(
            at.wrong(format!("there is no service `{name}` in the file"), "correct its name, or take it out")
        ),
    };
    if !at.value.is_object() {
        for entry in at.entries() {
            let name = entry.text()?;
            known(&entry, &name)?;
            awaited.insert(name, "started".into());
        }
        return Ok(awaited.into());
    }
    for (name, at) in at.fields()? {
        let is_required = at.get("required").map(|at| at.is_true()).transpose()?.unwrap_or(true);
        match known(&at, name) {
            Err(lacks) if !is_required => {
                around.note(&at.place, format!("it is not waited for: {}", lacks.reason));
                continue;
            }
            known => known?,
        }
        let mut readiness = "started";
        for (field, at) in at.fields()? {
            match (field, &*at.text()?) {
                ("condition", "service_started") => readiness = "started",
                ("condition", "service_healthy") => readiness = "healthy",
                ("condition", COMPLETED) => readiness = "done",
                ("condition", condition) => {
                    let reason = format!("`{condition}` is no condition");
                    let remedy = "write service_started, service_healthy or service_completed_successfully";
                    return Err(at.wrong(reason, remedy));
                }
                ("required", "true") => {}
                _ => around.no_meaning(
                    &at,
                    "who waits for it is not restarted with it, and waits until it is there",
                ),
            }
        }
        awaited.insert(name.to_owned(), readiness.into());
    }
    Ok(awaited.into())
}

/// Variables out of the files that are named.
fn from_files(
    at: &At<'_>,
    environment: &mut Vec<(String, Option<String>)>,
    around: &mut Around<'_>,
) -> Result<(), Wrong> {
    for entry in at.entries() {
        let mut is_required = true;
        let path = match entry.value.is_object() {
            false => entry.text()?,
            true => {
                is_required = entry.get("required").map(|at| at.is_true()).transpose()?.unwrap_or(true);
                let is_raw = entry.get("format").map(|at| at.text()).transpose()?;
                if is_raw.is_some() {
                    return Err(entry.wrong("files of another format are not read", "take `format` out"));
                }
                entry.get("path").ok_or_else(|| entry.wrong("it names no `path`", REMEDY))?.text()?
            }
        };
        let wrong =
            |reason: String| entry.wrong(format!("{path}: {reason}"), "correct the file, or name another");
        match (around.file)(Path::new(&path)).map_err(wrong)? {
            Some(text) => environment.extend(variables::lines(&text, around).map_err(wrong)?),
            None if is_required => return Err(wrong("there is no such file".to_owned())),
            None => around.note(&entry.place, format!("{path} is not there: nothing is taken from it")),
        }
    }
    Ok(())
}

/// Each variable once, the last word counts; one without a value is taken from the environment, or is none.
fn settled(said: Vec<(String, Option<String>)>, at: &At<'_>, around: &mut Around<'_>) -> Value {
    let mut environment = Doc::new();
    for (name, value) in said {
        match value.or_else(|| around.known(&name)) {
            Some(value) => {
                environment.insert(name, value.into());
            }
            None => {
                environment.remove(&name);
                let reason =
                    format!("the variable `{name}` has no value, here or in the environment: it is left out");
                around.note(&format!("{}.environment", at.place), reason);
            }
        }
    }
    environment.into()
}
