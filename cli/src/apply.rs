//! `portico apply` and `portico delete`: facts of any kind from files of YAML or JSON.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use admin::wire::{Applied, Apply};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use ureq::http::Method;

use crate::answer::Answer;
use crate::changes;
use crate::compose::{self, Around, Facts, Note};
use crate::controls;
use crate::env_files;
use crate::failure::Failure;
use crate::file;
use crate::follow::FollowArgs;
use crate::frontend::line;
use crate::launched::To;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico apply -f service.yaml
  portico apply -f services.yaml -f hosts.json --dry-run
  portico apply --compose compose.yaml --dry-run
  portico apply -f services.yaml --wait=2m
  generate | portico apply -f -

With --wait, services that are launched are waited for until all that is wanted of them is so, 5m where no TIME is said.

Of a Compose file's service that says no `restart`, Compose starts nothing again. Here one with ports is started again whenever it ends, \
one without when it fails: ended with 0 it is a job that is done. Its volumes are the project's own, called PROJECT_VOLUME as with Compose: the project is \
COMPOSE_PROJECT_NAME, the file's `name`, or its folder's name.

A document of a service:
  kind: service
  name: web
  ports: [{name: http, port: 8080}]
---
  kind: instance
  service: web
  name: web-1
  addresses: [10.0.0.7]";

pub(crate) const DELETE_EXAMPLES: &str = "\
Examples:
  portico delete -f services.yaml --dry-run
  portico delete -f services.yaml

Of a document, only its kind and what names it are read.";

/// The largest file that is read, in octets; the server's own limit is lower.
const MAX_FILE: u64 = 1 << 30;

/// Facts from files
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ApplyArgs {
    /// A file of YAML or JSON, with as many documents as it likes, each with its `kind`; `-` is standard input; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required_unless_present = "compose")]
    files: Vec<PathBuf>,
    /// A Compose file: its services, as far as they have a meaning here; what has none is named
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    compose: Option<PathBuf>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write in parts, each all or nothing, what is too much for one write
    #[arg(long)]
    in_parts: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Runs `apply`, or `delete`.
pub(crate) fn run(args: &ApplyArgs, delete: bool, (client, as_json): To<'_>) -> Result<Answer, Failure> {
    let (mut documents, mut places) = (Vec::new(), Vec::new());
    for path in &args.files {
        let read = documents_of(&text_of(path)?);
        let failed = |reason| Failure::File { path: path.clone(), reason };
        let mut read = read.map_err(failed)?;
        env_files::read(&mut read, path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        places.extend((1..=read.len()).map(|n| format!("{}, document {n}", path.display())));
        documents.extend(read);
    }
    let mut notes = Vec::new();
    if let Some(path) = &args.compose {
        let facts = composed(path)?;
        places.extend(facts.places.iter().map(|place| format!("{}, {place}", path.display())));
        (documents, notes) = (facts.documents, facts.notes);
    }
    let asked = Apply { documents, delete, dry_run: args.dry_run, in_parts: args.in_parts };
    let applied = client.patient().write(Method::POST, "/v1/apply", Some(&asked), &[]);
    let applied: Applied = applied.map_err(|failure| in_our_words(failure, &places))?;
    let done = match (delete, args.dry_run) {
        (false, false) => "applied",
        (false, true) => "would be applied",
        (true, false) => "deleted",
        (true, true) => "would be deleted",
    };
    let plan = applied.plan.as_ref().map(controls::plan).unwrap_or_default();
    let text = plan + &changes::text(&applied, done);
    let said = Said { applied: &applied, notes };
    if args.dry_run {
        return Answer::new(&said, text);
    }
    if applied.launched.is_empty() {
        return wait::answer(&args.wait, client, applied.revision, &said, text);
    }
    let served = wait::served(&args.wait, client, applied.revision)?;
    let (reached, told) = served.unzip();
    let text = text + &told.unwrap_or_default();
    let follow = FollowArgs::of(&args.wait).behind(reached);
    follow.answer(&applied.launched, applied.revision, &said, text, (client, as_json))
}

/// What was applied, and what of a Compose file has no meaning here.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    applied: &'a Applied,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
}

/// A Compose file as facts; its notes are told on standard error.
fn composed(path: &Path) -> Result<Facts, Failure> {
    let failed = |error: std::io::Error| file::failed(path, &error);
    let folder = std::path::absolute(path).map_err(failed)?;
    let folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
    let environment = |name: &str| std::env::var(name).ok();
    let read = |path: &Path| match std::fs::read_to_string(folder.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(crate::client::plain(&error)),
    };
    let text = text_of(path)?;
    let facts = compose::facts(&text, &mut Around::new(&environment, &read, &folder)).map_err(|wrong| {
        let place = if wrong.place.is_empty() { String::new() } else { format!("{}: ", wrong.place) };
        Failure::refused(format!("{}: {place}{}", path.display(), wrong.reason), wrong.remedy)
    })?;
    for Note { place, reason } in &facts.notes {
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        // There is nowhere left to say that stderr is gone.
        let _ = std::io::stderr().lock().write_all(line(&format!("note: {place}{reason}")).as_bytes());
    }
    Ok(facts)
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MAX_FILE).read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)),
    };
    read.map_err(|error| file::failed(path, &error))?;
    Ok(text)
}

/// The documents of a file: JSON, one after the other or in a list, or YAML. Documents with nothing in them do not count.
fn documents_of(text: &str) -> Result<Vec<Value>, String> {
    let read: Vec<Value> = match text.trim_start().starts_with(['{', '[']) {
        true => {
            let all = serde_json::Deserializer::from_str(text).into_iter::<Value>();
            all.collect::<Result<_, _>>().map_err(|error| format!("not JSON: {error}"))?
        }
        false => serde_saphyr::from_multiple(text).map_err(|error| not_yaml(&error))?,
    };
    let lists = read.into_iter().flat_map(|document| match document {
        Value::Array(documents) => documents,
        document => vec![document],
    });
    let documents: Vec<Value> = lists.filter(|document| !document.is_null()).collect();
    if documents.is_empty() {
        return Err("there is no document in it".to_owned());
    }
    Ok(documents)
}

/// What is wrong and where, on one line.
pub(crate) fn not_yaml(error: &serde_saphyr::Error) -> String {
    let said = error.without_snippet().to_string();
    let line = said.lines().next().unwrap_or_default();
    // What follows is advice to whoever calls the library.
    format!("not YAML: {}", line.split(", set DuplicateKeyPolicy").next().unwrap_or(line))
}

/// `documents[2].name` as the place in a file.
fn in_our_words(failure: Failure, places: &[String]) -> Failure {
    let Failure::Refused(mut problem) = failure else { return failure };
    let place = |text: &str| {
        let (number, rest) = text.strip_prefix("documents[")?.split_once(']')?;
        let place = places.get(number.parse::<usize>().ok()?)?;
        Some(match rest.strip_prefix('.') {
            Some(field) => format!("{place}: {field}"),
            None => place.clone(),
        })
    };
    if let Some(told) = problem.field.as_deref().and_then(place) {
        problem.field = Some(told);
    }
    Failure::Refused(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> String {
        match documents_of(text) {
            Ok(documents) => {
                let name = |document: &Value| document.get("name").map_or("?".to_owned(), Value::to_string);
                documents.iter().map(name).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error,
        }
    }

    #[test]
    fn a_file_has_as_many_documents_as_it_likes() {
        assert_eq!(names("kind: service\nname: web\n"), "\"web\"");
        assert_eq!(names("---\nname: a\n---\n# nothing\n---\nname: b\n...\n"), "\"a\" \"b\"");
        assert_eq!(names("- name: a\n- {name: b}\n"), "\"a\" \"b\"");
        assert_eq!(names(r#" {"name":"a"} {"name":"b"}"#), "\"a\" \"b\"");
        assert_eq!(names(r#"[{"name":"a"},{"name":"b"}]"#), "\"a\" \"b\"");
    }

    #[test]
    fn what_is_no_document_says_why() {
        for (text, part) in [
            ("", "no document"),
            ("# nothing\n", "no document"),
            ("{", "not JSON"),
            ("a: [", "not YAML"),
            ("name: a\nname: b\n", "duplicate mapping key: name"),
        ] {
            assert!(names(text).contains(part), "{text:?}: {}", names(text));
        }
    }

    #[test]
    fn the_documented_examples_are_the_same_in_yaml_and_json() {
        let same = |yaml: &str, json: &str, kind: &str| {
            let mut yaml = documents_of(yaml).unwrap().remove(0);
            assert_eq!(yaml.as_object_mut().unwrap().remove("kind"), Some(kind.into()));
            assert_eq!(yaml, documents_of(json).unwrap()[0], "{kind}");
        };
        same(
            include_str!("../../config/service.example.yaml"),
            include_str!("../../config/service.example.json"),
            "service",
        );
        same(
            include_str!("../../config/launched.example.yaml"),
            include_str!("../../config/launched.example.json"),
            "service",
        );
        same(
            include_str!("../../config/instance.example.yaml"),
            include_str!("../../config/instance.example.json"),
            "instance",
        );
        same(
            include_str!("../../config/host.example.yaml"),
            include_str!("../../config/host.example.json"),
            "host",
        );
        same(
            include_str!("../../config/record.example.yaml"),
            include_str!("../../config/record.example.json"),
            "record",
        );
    }
}
