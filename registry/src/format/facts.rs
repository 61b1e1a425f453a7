//! The file of `portico export`: all facts at one revision.
//!
//! ```json
//! {"format":"portico.facts","version":1,"revision":42,"exported_at":"2026-01-31T12:00:00.000Z",
//! "frontends":[
//! {"host":"www.example.com","endpoints":[{"url":"http://10.0.0.7:8000"}]}
//! ],
//! "left_out":[]}
//! ```
//!
//! Behind the frontends stand `services`, `instances`, `hosts` and `records`, where there are any.
//!
//! `config/facts.example.json` shows one with more in it. Each fact is in its native form, on a line of its own, by key: two exports compare well. `left_out` names what the registry holds
//! and no fact can say (`place`, `reason`, `remedy`); readers pass it over. A reader refuses a version or a field it does not know: a
//! kind of fact that it would drop must not look imported.

use model::{FactKind, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::native;
use super::{FormatError, plain};
use crate::import::Gathered;

/// What the file says it is.
pub const FORMAT: &str = "portico.facts";
/// The version that is written, and the only one that is read.
pub const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsDoc {
    format: String,
    version: u64,
    #[serde(default, rename = "revision")]
    _revision: u64,
    #[serde(default, rename = "exported_at")]
    _exported_at: String,
    frontends: Vec<Value>,
    #[serde(default)]
    services: Vec<Value>,
    #[serde(default)]
    instances: Vec<Value>,
    #[serde(default)]
    hosts: Vec<Value>,
    #[serde(default)]
    records: Vec<Value>,
    #[serde(default, rename = "left_out")]
    _left_out: Vec<Value>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    place: &'a str,
    reason: &'a str,
    remedy: &'a str,
}

/// Writes all facts of a snapshot. `exported_at`: now, as RFC 3339 text.
pub fn write(snapshot: &Snapshot, exported_at: &str) -> String {
    let of_kind =
        |kind| list(snapshot.of_kind(kind, None).map(|stated| native::write_fact(&stated.fact)).collect());
    let mut left_out = Vec::new();
    for (frontend, _) in snapshot.frontends() {
        let place = frontend.key().to_string();
        left_out.extend(frontend.backend.rejected.iter().map(|entry| {
            let place = format!("{place}: `{}`", entry.text);
            line(&LeftOut { place: &place, reason: &entry.reason, remedy: "correct it, or take it out" })
        }));
    }
    left_out.extend(
        snapshot
            .quarantine()
            .map(|(place, why)| line(&LeftOut { place, reason: &why.reason, remedy: &why.remedy })),
    );
    let revision = snapshot.revision();
    let at = line(&exported_at);
    let left_out = list(left_out);
    // What a controller says is no part: where this is read, another one controls.
    let kinds = FactKind::WRITTEN.into_iter();
    let stated = kinds.filter(|kind| *kind == FactKind::Frontend || snapshot.count(*kind) > 0);
    let facts: String = stated.map(|kind| format!("\"{}\":{},\n", kind.plural(), of_kind(kind))).collect();
    format!(
        "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"revision\":{revision},\"exported_at\":{at},\n\
         {facts}\"left_out\":{left_out}}}\n"
    )
}

/// Texts and numbers always have a JSON form.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn list(lines: Vec<String>) -> String {
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) }
}

/// Reads such a file. A fact that cannot be one is among the refused; all others are read.
///
/// # Errors
/// [`FormatError`] when it is no such file at all, or one of a version that this portico does not read.
pub fn read(json: &[u8]) -> Result<Gathered, FormatError> {
    let remedy = "name a file that `portico export` wrote";
    let wrong = |place: &str, reason: String| FormatError::at(place, reason, remedy);
    let value: Value =
        serde_json::from_slice(json).map_err(|error| wrong("", format!("not JSON: {error}")))?;
    match value.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => return Err(wrong("format", format!("`{other}` is not `{FORMAT}`"))),
        None => return Err(wrong("format", format!("it does not say `{FORMAT}`"))),
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        other => {
            let said = other.map_or_else(|| "none".to_owned(), |version| version.to_string());
            let reason = format!("version {said} is not {VERSION}, which this portico reads");
            return Err(FormatError::at("version", reason, "import it with the portico that wrote it"));
        }
    }
    let doc: FactsDoc = serde_path_to_error::deserialize(value)
        .map_err(|error| wrong(&error.path().to_string(), error.inner().to_string()))?;
    debug_assert!(doc.format == FORMAT && doc.version == VERSION);
    let mut gathered = Gathered::default();
    let FactsDoc { frontends, services, instances, hosts, records, .. } = doc;
    let kinds = FactKind::WRITTEN.into_iter().zip([frontends, services, instances, hosts, records]);
    for (kind, values) in kinds {
        for (i, value) in values.into_iter().enumerate() {
            let field = if kind == FactKind::Frontend { "host" } else { "name" };
            let name = value.get(field).and_then(Value::as_str);
            let place =
                format!("{}[{i}] ({})", kind.plural(), name.map_or(format!("no {field}"), str::to_owned));
            match native::fact_of(kind, value) {
                Ok(fact) => gathered.add("", fact),
                Err(error) => gathered.refuse(plain(&place), error),
            }
        }
    }
    Ok(gathered.without_repetitions())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Change, Fact, Origin, Quarantined, Revision, Stated};

    use super::*;

    fn stated(json: &str) -> Change {
        of_kind(FactKind::Frontend, json)
    }

    fn of_kind(kind: FactKind, json: &str) -> Change {
        let fact = Arc::new(native::read_fact(kind, json.as_bytes()).expect("fact"));
        Change::Put(Stated { fact, revision: Revision::new(1), origin: Origin::Native })
    }

    #[test]
    fn what_is_written_is_read_back_and_what_no_fact_says_is_named() {
        let aside = Quarantined { reason: "no \"host\"".into(), remedy: "DEL it".into() };
        let snapshot = Snapshot::empty().apply(
            Revision::new(42),
            [
                stated(
                    r#"{"host":"www.example.com","path":"/api","endpoints":["http://a"],"balance":"random"}"#,
                ),
                stated(r#"{"host":"*","endpoints":[]}"#),
                Change::Quarantine("frontend:a b".into(), aside),
                of_kind(FactKind::Service, r#"{"name":"web","ttl":5}"#),
                of_kind(FactKind::Host, r#"{"name":"node-1","addresses":["10.0.0.1"]}"#),
                of_kind(FactKind::Record, r#"{"name":"A.example","type":"TXT","data":["é"]}"#),
            ],
        );

        let text = write(&snapshot, "2026-01-31T12:00:00.000Z");

        assert_eq!(
            text,
            "{\"format\":\"portico.facts\",\"version\":1,\"revision\":42,\"exported_at\":\"2026-01-31T12:00:00.000Z\",\n\
             \"frontends\":[\n{\"host\":\"*\",\"endpoints\":[]},\n\
             {\"host\":\"www.example.com\",\"path\":\"/api\",\"endpoints\":[{\"url\":\"http://a:80\"}],\"balance\":\"random\"}\n],\n\
             \"services\":[\n{\"name\":\"web\",\"ttl\":5}\n],\n\
             \"hosts\":[\n{\"name\":\"node-1\",\"addresses\":[\"10.0.0.1\"]}\n],\n\
             \"records\":[\n{\"name\":\"a.example.\",\"type\":\"TXT\",\"data\":[\"\\\"\\\\195\\\\169\\\"\"]}\n],\n\
             \"left_out\":[\n{\"place\":\"frontend:a b\",\"reason\":\"no \\\"host\\\"\",\"remedy\":\"DEL it\"}\n]}\n"
        );
        let read = read(text.as_bytes()).expect("facts");
        let facts: Vec<_> = snapshot.facts().map(|stated| Fact::clone(&stated.fact)).collect();
        assert_eq!((read.facts, read.refused), (facts, Vec::new()));
    }

    #[test]
    fn the_example_is_such_a_file() {
        let read = read(include_bytes!("../../../config/facts.example.json")).expect("facts");

        assert_eq!((read.facts.len(), read.refused.len()), (2, 0));
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        for (text, part) in [
            ("", "not JSON"),
            ("[]", "portico.facts"),
            (r#"{"format":"x"}"#, "`x` is not"),
            (r#"{"format":"portico.facts","version":2,"frontends":[]}"#, "version 2"),
            (r#"{"format":"portico.facts","version":1,"frontends":[],"zones":[]}"#, "zones"),
            (r#"{"format":"portico.facts","version":1}"#, "frontends"),
        ] {
            let error = read(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_bad_frontend_is_refused_by_its_place_and_the_others_are_read() {
        let text = r#"{"format":"portico.facts","version":1,"frontends":[
            {"host":"a","endpoints":[]}, {"host":"b","endpoints":["ftp://x"]}, {"host":"A","endpoints":[]}, 7],
            "hosts":[{"name":"a b","addresses":[]}]}"#;

        let read = read(text.as_bytes()).expect("facts");

        assert_eq!(read.facts.len(), 1);
        let places: Vec<&str> = read.refused.iter().map(|refused| refused.place.as_str()).collect();
        assert_eq!(places, ["frontends[1] (b)", "frontends[3] (no host)", "hosts[0] (a b)", "frontend:a"]);
        assert!(read.refused[0].reason.contains("endpoints[0].url"), "{:?}", read.refused);
    }
}
