//! hipache's `config.json`, as it is: both the 0.3 and the 0.4 spelling in, assignments and remarks out.
//!
//! Keys that are left out have hipache's own defaults (`lib/config/defaults.js`), not portico's. What cannot be followed is
//! never silently dropped: it becomes a remark that is logged at start.

mod bind;
mod driver;
mod server;

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::ByName;
use super::assignment::Assignment;
use super::problem::{Place, Problem, Problems, did_you_mean};
use super::value::Value;

/// What a `config.json` means.
#[derive(Debug)]
pub(crate) struct Translated {
    /// What it sets.
    pub assignments: Vec<Assignment>,
    /// What it says that portico does otherwise, or not at all, and why.
    pub remarks: Vec<String>,
}

/// Whether a file is hipache's rather than TOML: its name, or its first character, says so.
pub(crate) fn is_hipache(text: &str, path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        || text.trim_start().starts_with('{')
}

/// The keys of the top level.
const TOP: [&str; 17] = [
    "server",
    "http",
    "https",
    "driver",
    "user",
    "group",
    "redis",
    "redisHost",
    "redisPort",
    "redisDatabase",
    "redisPassword",
    "redisMasterHost",
    "redisMasterPort",
    "redisMasterDatabase",
    "redisMasterPassword",
    "etcd",
    "api",
];

/// Translates a whole file.
pub(crate) fn read(text: &str, path: &Path, by_name: ByName<'_>) -> Result<Translated, Problems> {
    let file = |line| Place::File(path.to_owned(), line);
    let json: Json = serde_json::from_str(text).map_err(|error| {
        let message = format!("not JSON: {error}");
        Problems::one(file(Some(error.line())), message)
    })?;
    let Json::Object(top) = json else {
        return Err(Problems::one(file(None), "must be a JSON object, as hipache's config.json is"));
    };
    let mut out = Translation {
        place: file(None),
        by_name,
        assignments: Vec::new(),
        remarks: Vec::new(),
        problems: Vec::new(),
    };
    let empty = Map::new();
    let server = out.section(&top, "server").unwrap_or(&empty);
    server::translate(&mut out, server);
    bind::translate(&mut out, &top, server);
    driver::translate(&mut out, &top);
    identity(&mut out, &top);
    out.set("http.debug_headers", Value::Flag(true));
    out.unknown("", &top, &TOP);
    if top.contains_key("api") {
        out.remark("`api` is ignored: portico calls nobody when an endpoint dies");
    }
    out.remark(
        "X-Forwarded-… and X-Real-IP of clients are taken over only from the peers in `http.trusted` \
         (PORTICO_HTTP__TRUSTED), where hipache believes everybody",
    );
    match out.problems {
        problems if problems.is_empty() => {
            Ok(Translated { assignments: out.assignments, remarks: out.remarks })
        }
        problems => Err(Problems(problems)),
    }
}

/// `user` and `group`: whom to become after the bind. hipache refuses to stay root unless told to.
fn identity(out: &mut Translation, top: &Map<String, Json>) {
    for (key, default) in [("user", "www-data"), ("group", "")] {
        let name = match top.get(key) {
            None | Some(Json::Null) => default.to_owned(),
            Some(Json::String(name)) if key == "user" && name.is_empty() => {
                out.problem("`user` is empty; write the user to become, or \"root\" to stay root");
                continue;
            }
            Some(Json::String(name)) => name.clone(),
            Some(Json::Number(id)) => id.to_string(),
            Some(other) => {
                out.problem(format!("`{key}` is {other}, but must be a name or a number"));
                continue;
            }
        };
        out.set(key, Value::Text(name));
    }
}

/// A translation under way.
struct Translation<'n> {
    place: Place,
    by_name: ByName<'n>,
    assignments: Vec<Assignment>,
    remarks: Vec<String>,
    problems: Vec<Problem>,
}

impl Translation<'_> {
    fn set(&mut self, key: &'static str, value: Value) {
        self.assignments.push(Assignment { key, value, place: self.place.clone() });
    }

    fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem { place: self.place.clone(), message: message.into() });
    }

    /// An object of the top level; `None` when it is not there.
    fn section<'j>(&mut self, top: &'j Map<String, Json>, key: &str) -> Option<&'j Map<String, Json>> {
        match top.get(key) {
            None | Some(Json::Null) => None,
            Some(Json::Object(section)) => Some(section),
            Some(other) => {
                self.problem(format!("`{key}` is {other}, but must be an object"));
                None
            }
        }
    }

    /// A whole number that is not negative; numbers in quotes count, as in JavaScript.
    fn number(&mut self, name: &str, value: &Json) -> Option<u64> {
        let number = match value {
            Json::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.problem(format!("`{name}` is {value}, but must be a whole number"));
        }
        number
    }

    /// Remarks on keys that nobody knows; hipache ignores them silently.
    fn unknown(&mut self, prefix: &str, section: &Map<String, Json>, known: &[&str]) {
        for key in section.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = did_you_mean(key, known.iter().copied());
            self.remark(format!("`{prefix}{key}` is ignored: no such key{hint}"));
        }
    }
}

/// `30.0` as 30.
fn whole(number: f64) -> Option<u64> {
    // The range is checked first, so that the cast is exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the same expression"
    )]
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests;
