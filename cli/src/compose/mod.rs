//! Compose files as facts: what `portico apply --compose` writes.
//!
//! In: the text of a file, the variables and the files beside it. Out: documents as `portico apply -f` reads them, and notes on what has
//! no meaning here. Never here: a field that is dropped in silence; one that cannot be ignored safely and is.
//! Which fields there are says the Compose Specification.

mod at;
mod deploy;
mod fields;
mod frontends;
mod heartbeat;
mod ports;
mod service;
mod variables;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use at::At;
pub(crate) use at::Wrong;

/// What the specification's remedy is for what is written wrongly.
const REMEDY: &str = "write it as in the Compose Specification";

/// A Compose file as facts.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Each a fact with its `kind`.
    pub(crate) documents: Vec<Value>,
    /// Where each of them stands in the file.
    pub(crate) places: Vec<String>,
    /// What has no meaning here.
    pub(crate) notes: Vec<Note>,
}

/// Something in the file that has no meaning here, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// `services.web.container_name`.
    pub(crate) place: String,
    /// What becomes of it.
    pub(crate) reason: String,
}

/// What is around a Compose file, and what was found to be said of it.
pub(crate) struct Around<'a> {
    /// A variable of the environment.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
    /// A file, by a path that is absolute or begins at the folder of the Compose file; nothing where there is none.
    pub(crate) file: &'a dyn Fn(&Path) -> Result<Option<String>, String>,
    /// Where the Compose file is: an absolute path.
    pub(crate) folder: &'a Path,
    /// Variables of the file `.env` beside.
    defaults: BTreeMap<String, String>,
    /// The services that others wait for until they have completed.
    ends: BTreeSet<String>,
    notes: Vec<Note>,
}

impl<'a> Around<'a> {
    /// Of a file in this folder.
    pub(crate) fn new(
        environment: &'a dyn Fn(&str) -> Option<String>,
        file: &'a dyn Fn(&Path) -> Result<Option<String>, String>,
        folder: &'a Path,
    ) -> Self {
        let (defaults, ends, notes) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self { environment, file, folder, defaults, ends, notes }
    }

    fn note(&mut self, place: &str, reason: impl Into<String>) {
        let note = Note { place: place.to_owned(), reason: reason.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Names something that has no meaning here.
    fn no_meaning(&mut self, at: &At<'_>, why: &str) {
        self.note(&at.place, format!("has no meaning here: {why}"));
    }

    /// What a variable says, if it is set.
    fn known(&self, name: &str) -> Option<String> {
        (self.environment)(name).or_else(|| self.defaults.get(name).cloned())
    }

    /// What a variable says; nothing, and a note, where it is not set.
    fn variable(&mut self, name: &str) -> String {
        self.known(name).unwrap_or_else(|| {
            self.note("", format!("the variable `{name}` is not set: it is empty"));
            String::new()
        })
    }
}

/// Converts the text of a Compose file.
///
/// # Errors
/// [`Wrong`] names the place of what cannot be said here, or cannot be ignored safely, and what to do.
pub(crate) fn facts(text: &str, around: &mut Around<'_>) -> Result<Facts, Wrong> {
    around.defaults = defaults(around)?;
    let mut file: Value = serde_saphyr::from_str(text).map_err(|error| Wrong {
        place: String::new(),
        reason: crate::apply::not_yaml(&error),
        remedy: "correct it".to_owned(),
    })?;
    variables::fill("", &mut file, around)?;
    let file = At::new("", &file);
    let services = file.get("services").map(|services| services.fields()).transpose()?.unwrap_or_default();
    if services.is_empty() {
        let remedy = "write `services:` and what each is; facts are applied with `portico apply -f`";
        return Err(file.wrong("it has no services", remedy));
    }
    let volumes = top_level(&file, around)?;
    let names = services.iter().map(|(name, at)| (*name, profiles(at).is_none())).collect();
    around.ends = service::awaited_to_end(&services);
    let mut facts = Facts::default();
    for (name, at) in &services {
        if let Some(profiles) = profiles(at) {
            around.note(
                &profiles.place,
                "the service is left out: what is in a profile runs only when it is asked for",
            );
            continue;
        }
        let converted = service::facts(name, at, &names, &volumes, around)?;
        facts.places.extend(converted.iter().map(|_| at.place.clone()));
        facts.documents.extend(converted);
    }
    if facts.documents.is_empty() {
        return Err(
            file.wrong("all its services are in profiles", "take `profiles` out of those that shall run")
        );
    }
    facts.notes = std::mem::take(&mut around.notes);
    Ok(facts)
}

/// The profiles of a service, where it is in any.
fn profiles<'v>(service: &At<'v>) -> Option<At<'v>> {
    service.get("profiles").filter(|profiles| !profiles.entries().is_empty())
}

/// The variables of the file `.env`, if there is one.
fn defaults(around: &mut Around<'_>) -> Result<BTreeMap<String, String>, Wrong> {
    let wrong = |reason| Wrong { place: ".env".to_owned(), reason, remedy: "correct it".to_owned() };
    let text = (around.file)(Path::new(".env")).map_err(wrong)?.unwrap_or_default();
    let lines = variables::lines(&text, around).map_err(wrong)?;
    Ok(lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What stands beside the services. Answers what each volume is called by the engine.
fn top_level(file: &At<'_>, around: &mut Around<'_>) -> Result<BTreeMap<String, String>, Wrong> {
    let volumes = volumes::called(file, around)?;
    for (key, at) in file.fields()? {
        match key {
            "services" | "volumes" | "version" | "name" => {}
            "networks" => {
                for (_, network) in at.fields()?.into_iter().filter(|(name, _)| *name != "default") {
                    around.no_meaning(&network, service::NETWORKS);
                }
            }
            "secrets" | "configs" => around.no_meaning(&at, "no service can ask for it"),
            "include" => {
                return Err(at.wrong(
                    "other files are not taken in",
                    "write it all into one: `docker compose config`",
                ));
            }
            key if key.starts_with("x-") => {}
            key => {
                return Err(
                    at.wrong(format!("`{key}` is no field of a Compose file"), "correct it, or take it out")
                );
            }
        }
    }
    Ok(volumes)
}

#[cfg(test)]
mod tests;
