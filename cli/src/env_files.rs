//! `env_files` of services in files of facts: variables that stand in files beside.
//!
//! In: documents, the folder that paths are relative to. Out: the documents, with what the files say in `environment`. What the document says
//! itself goes before a file, a later file before an earlier one. Never here: a variable of this shell.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

/// The largest file, in octets: more than an environment may have.
const MAX_FILE: u64 = 1 << 20;

/// Reads them into the documents.
///
/// # Errors
/// Which file, and what is wrong with it.
pub(crate) fn read(documents: &mut [Value], folder: &Path) -> Result<(), String> {
    for document in documents.iter_mut().filter_map(Value::as_object_mut) {
        let Some(files) = document.remove("env_files") else { continue };
        let wrong = || "`env_files` is no list of paths; write `env_files: [web.env]`".to_owned();
        let mut environment = Map::new();
        for path in files.as_array().ok_or_else(wrong)? {
            let path = path.as_str().ok_or_else(wrong)?;
            environment.extend(file(&folder.join(path)).map_err(|reason| format!("{path}: {reason}"))?);
        }
        match document.get_mut("environment") {
            None => drop(document.insert("environment".to_owned(), environment.into())),
            Some(Value::Object(own)) => {
                for (name, value) in environment {
                    own.entry(name).or_insert(value);
                }
            }
            // What it is the server says.
            Some(_) => {}
        }
    }
    Ok(())
}

fn file(path: &Path) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    read.map_err(|error| crate::client::plain(&error))?;
    variables(&text)
}

/// Lines `NAME=value`; empty ones, and those that begin with `#`, say nothing. Quotes around a whole value are not part of it.
fn variables(text: &str) -> Result<Map<String, Value>, String> {
    let mut variables = Map::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("line {number} is not `NAME=value`"))?;
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        variables.insert(name.trim_end().to_owned(), value.into());
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_file_says_is_in_the_environment_unless_the_document_says_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.env"), "# first\nA=1\nB = 2\nexport C=\"x y\"\n").unwrap();
        std::fs::write(folder.path().join("b.env"), "A='3'\n").unwrap();
        let mut documents = [
            json!({"kind": "service", "env_files": ["a.env", "b.env"], "environment": {"C": "own"}}),
            json!({"kind": "host"}),
        ];

        read(&mut documents, folder.path()).unwrap();

        assert_eq!(
            documents,
            [
                json!({"kind": "service", "environment": {"A": "3", "B": " 2", "C": "own"}}),
                json!({"kind": "host"})
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.env"), "A=1\nB\n").unwrap();
        let check = |files: Value, expected: &str| {
            let said = read(&mut [json!({ "env_files": files })], folder.path()).unwrap_err();
            assert!(said.contains(expected), "{said}");
        };
        check(json!(["none.env"]), "none.env: ");
        check(json!(["bad.env"]), "bad.env: line 2 is not `NAME=value`");
        check(json!("bad.env"), "no list of paths");
    }
}
