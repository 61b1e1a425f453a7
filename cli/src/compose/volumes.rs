//! The volumes of a Compose file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::at::{At, Wrong};
use super::{Around, REMEDY};

/// Why an unnamed one has none.
const UNNAMED: &str = "what is written there stays in the container; give it a name to keep it";
/// How one is written.
const SHORT: &str = "write `NAME:/PATH` or `/PATH/OF/HOST:/PATH`, perhaps with `:ro` behind it";

/// What the volumes beside the services are called by the engine: as they say themselves, else the project's name and their own, so that two
/// files that both have a volume `data` have one each. One that is `external` is nobody's.
///
/// # Errors
/// [`Wrong`] for one that is more than a folder kept by the engine, and for a project without a name.
pub(super) fn called(file: &At<'_>, around: &mut Around<'_>) -> Result<BTreeMap<String, String>, Wrong> {
    let mut called = BTreeMap::new();
    let volumes = file.get("volumes");
    let Some(named) = volumes.as_ref().and_then(|volumes| volumes.value.as_object()) else {
        return Ok(called);
    };
    // What is empty says something, too: a volume needs no more than its name.
    for (name, value) in named {
        let at = At::new(format!("volumes.{name}"), value);
        let (own, is_external) = if value.is_null() { (None, false) } else { read_named(&at, around)? };
        let name_there = match own {
            Some(own) => own,
            None if is_external => name.clone(),
            None => format!("{}_{name}", project(file, around)?),
        };
        called.insert(name.clone(), name_there);
    }
    Ok(called)
}

/// The name of the project, as Compose finds it: of the environment, of the file, of its folder.
fn project(file: &At<'_>, around: &Around<'_>) -> Result<String, Wrong> {
    let is_plain = |c: &char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    let stated = match around.known("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()) {
        Some(name) => Some(name),
        None => file.get("name").map(|name| name.text()).transpose()?,
    };
    let name = stated.unwrap_or_else(|| {
        let folder = around.folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let plain: String = folder.chars().filter(is_plain).collect();
        plain.trim_start_matches(['_', '-']).to_owned()
    });
    if name.is_empty() || name.starts_with(['_', '-']) || !name.chars().all(|c| is_plain(&c)) {
        return Err(Wrong {
            place: "name".to_owned(),
            reason: format!("`{name}` is no name of a project, with which those of its volumes begin"),
            remedy: "write `name:` of lower-case letters, digits, `_` and `-`, beside `services:`".to_owned(),
        });
    }
    Ok(name)
}

/// What a volume says that it is called, and whether others made it.
fn read_named(at: &At<'_>, around: &mut Around<'_>) -> Result<(Option<String>, bool), Wrong> {
    let (mut name, mut is_external) = (None, false);
    for (field, at) in at.fields()? {
        match field {
            "name" => name = Some(at.text()?),
            "driver" if at.text()? == "local" => {}
            "driver" | "driver_opts" => {
                let remedy = "mount it on the hosts, and name its path there; take it out of the file";
                return Err(at.wrong("volumes are kept by the engine alone, as folders of its own", remedy));
            }
            "external" if !at.is_true()? => {}
            "external" => {
                is_external = true;
                around.no_meaning(&at, "a volume that is not there is made, and one that is there is taken")
            }
            _ => around.no_meaning(&at, "the engine makes it when it is first asked for"),
        }
    }
    Ok((name, is_external))
}

/// The volumes of a service; `named` says what those beside the services are called.
pub(super) fn read(
    at: &At<'_>,
    named: &BTreeMap<String, String>,
    around: &mut Around<'_>,
) -> Result<Value, Wrong> {
    let mut volumes = Vec::new();
    for entry in at.entries() {
        let volume = if entry.value.is_object() { long(&entry, around)? } else { short(&entry, around)? };
        let Some((source, target, read_only)) = volume else { continue };
        let source = match source.starts_with(['/', '.', '~']) {
            true => path(&entry, &source, around)?,
            false => {
                let reason = || format!("there is no volume `{source}` in the file");
                let called = named.get(&source);
                called
                    .ok_or_else(|| entry.wrong(reason(), "write it below `volumes:`, beside the services"))?
                    .clone()
            }
        };
        volumes.push(match read_only {
            true => json!({"source": source, "target": target, "read_only": true}),
            false => json!({"source": source, "target": target}),
        });
    }
    Ok(volumes.into())
}

/// Source, target, whether it is only read.
type Volume = (String, String, bool);

/// `SOURCE:TARGET[:OPTIONS]`
fn short(at: &At<'_>, around: &mut Around<'_>) -> Result<Option<Volume>, Wrong> {
    let text = at.text()?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match *parts {
        [target] if !target.is_empty() => {
            around.no_meaning(at, UNNAMED);
            return Ok(None);
        }
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(at.wrong(format!("`{text}` is no volume"), SHORT)),
    };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => {}
            other => around.no_meaning(at, &format!("`{other}`: the engine mounts it as it does by default")),
        }
    }
    Ok(Some((source.to_owned(), target.to_owned(), read_only)))
}

fn long(at: &At<'_>, around: &mut Around<'_>) -> Result<Option<Volume>, Wrong> {
    let (mut source, mut target, mut read_only, mut kind) = (None, None, false, String::new());
    for (field, at) in at.fields()? {
        match field {
            "type" => kind = at.text()?,
            "source" => source = Some(at.text()?),
            "target" => target = Some(at.text()?),
            "read_only" => read_only = at.is_true()?,
            "bind" | "volume" | "tmpfs" | "consistency" => {
                around.no_meaning(&at, "the engine mounts it as it does by default");
            }
            _ => return Err(at.wrong(format!("`{field}` is no field of a volume"), REMEDY)),
        }
    }
    match (&*kind, source, target) {
        ("tmpfs", ..) | ("volume", None, Some(_)) => {
            around.no_meaning(at, UNNAMED);
            Ok(None)
        }
        ("volume" | "bind", Some(source), Some(target)) => Ok(Some((source, target, read_only))),
        ("volume" | "bind", ..) => Err(at.wrong("it does not say both `source` and `target`", REMEDY)),
        (other, ..) => {
            Err(at.wrong(format!("volumes of type `{other}` cannot be mounted"), "write volume or bind"))
        }
    }
}

/// A path of the host; one that begins at the Compose file is as it is on this machine.
fn path(at: &At<'_>, source: &str, around: &mut Around<'_>) -> Result<String, Wrong> {
    if source.starts_with('~') {
        return Err(at.wrong("nobody is at home on a host", "write an absolute path"));
    }
    if source.starts_with('/') {
        return Ok(source.to_owned());
    }
    let mut path = PathBuf::from(around.folder);
    for part in Path::new(source).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    let path = path.display().to_string();
    around
        .note(&at.place, format!("`{source}` is {path} on each host: it has to be there, and to be allowed"));
    Ok(path)
}
