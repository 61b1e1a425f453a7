//! The TOML file: text in, settings with their lines out. Unknown keys are problems.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::assignment::Assignment;
use super::listener::{self, PARTS};
use super::problem::{Place, Problem, did_you_mean, nearest};
use super::settings::SETTINGS;
use super::value::Value;

/// Reads a whole file: what it sets, and everything that is wrong with its shape.
pub(crate) fn read(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Vec<Assignment> {
    let at = |offset: usize| {
        let line = text.as_bytes().iter().take(offset).filter(|&&octet| octet == b'\n').count() + 1;
        Place::File(path.to_owned(), Some(line))
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let place =
                error.span().map_or_else(|| Place::File(path.to_owned(), None), |span| at(span.start));
            problems.push(Problem { place, message: error.message().replace('\n', " ") });
            return Vec::new();
        }
    };
    let mut reader = Reader { at: &at, assignments: Vec::new(), problems };
    reader.table("", table.get_ref());
    reader.assignments
}

struct Reader<'r> {
    at: &'r dyn Fn(usize) -> Place,
    assignments: Vec<Assignment>,
    problems: &'r mut Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let place = (self.at)(key.span().start);
            let path = format!("{prefix}{}", key.get_ref());
            let section =
                SETTINGS.iter().any(|s| s.key.strip_prefix(&*path).is_some_and(|rest| rest.starts_with('.')));
            match (value.get_ref(), SETTINGS.iter().find(|setting| setting.key == path)) {
                (DeValue::Table(inner), None) if section => self.table(&format!("{path}."), inner),
                (_, None) if section => {
                    let message = format!("`{path}` is a section; write [{path}] and its settings below");
                    self.problems.push(Problem { place, message });
                }
                (_, None) => {
                    let hint = hint(prefix, key.get_ref());
                    self.problems.push(Problem { place, message: format!("unknown key `{path}`{hint}") });
                }
                (_, Some(setting)) if setting.key == listener::KEY => {
                    if let Some(value) = self.listeners(value, &place) {
                        self.assignments.push(Assignment { key: setting.key, value, place });
                    }
                }
                (_, Some(setting)) => {
                    if let Some(value) = self.value(&path, value, &place) {
                        self.assignments.push(Assignment { key: setting.key, value, place });
                    }
                }
            }
        }
    }

    /// A value; `None`, and a problem, where it is of a kind that no setting has.
    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, place: &Place) -> Option<Value> {
        let read = read_value(value);
        if read.is_none() {
            let message = format!("`{path}` cannot be a {}", value.get_ref().type_str());
            self.problems.push(Problem { place: place.clone(), message });
        }
        read
    }

    /// Listeners: addresses and tables. `None`, and problems with the lines of the keys, where one cannot be understood.
    fn listeners(&mut self, value: &Spanned<DeValue<'_>>, place: &Place) -> Option<Value> {
        match value.get_ref() {
            DeValue::Array(listeners) => {
                // All are read, so that all problems are told.
                let read: Vec<_> = listeners.iter().map(|listener| self.listeners(listener, place)).collect();
                read.into_iter().collect::<Option<_>>().map(Value::List)
            }
            DeValue::Table(table) => self.listener(table),
            _ => self.value(listener::KEY, value, place),
        }
    }

    fn listener(&mut self, table: &DeTable<'_>) -> Option<Value> {
        let read: Vec<_> = table
            .iter()
            .map(|(key, value)| self.part(key.get_ref(), value, (self.at)(key.span().start)))
            .collect();
        read.into_iter().collect::<Option<_>>().map(Value::Table)
    }

    /// One key of a listener.
    fn part(&mut self, key: &str, value: &Spanned<DeValue<'_>>, place: Place) -> Option<(String, Value)> {
        let path = format!("{}.{key}", listener::KEY);
        let Some(part) = PARTS.iter().find(|part| part.key == key) else {
            let hint = did_you_mean(key, PARTS.iter().map(|part| part.key));
            self.problems.push(Problem { place, message: format!("unknown key `{path}`{hint}") });
            return None;
        };
        let value = self.value(&path, value, &place)?;
        match part.check(&value) {
            Ok(()) => Some((key.to_owned(), value)),
            Err(wrong) => {
                self.problems.push(Problem { place, message: format!("`{path}` {wrong}") });
                None
            }
        }
    }
}

/// The nearest spelling among the settings of the same section (at the top, also the sections), else the same name elsewhere.
fn hint(prefix: &str, unknown: &str) -> String {
    let siblings = SETTINGS.iter().filter_map(|setting| setting.key.strip_prefix(prefix));
    let names: BTreeSet<&str> = siblings.filter_map(|rest| rest.split('.').next()).collect();
    let elsewhere = || SETTINGS.iter().map(|s| s.key).find(|key| key.rsplit('.').next() == Some(unknown));
    match nearest(unknown, names.into_iter()) {
        Some(name) => format!("; did you mean `{prefix}{name}`?"),
        None => elsewhere().map_or_else(String::new, |key| format!("; did you mean `{key}`?")),
    }
}

fn read_value(value: &Spanned<DeValue<'_>>) -> Option<Value> {
    match value.get_ref() {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(Value::Number)
        }
        DeValue::Boolean(flag) => Some(Value::Flag(*flag)),
        DeValue::Array(values) => values.iter().map(read_value).collect::<Option<_>>().map(Value::List),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::*;

    fn problem(text: &str) -> String {
        let mut problems = Vec::new();
        read(text, Path::new("p.toml"), &mut problems);
        Problems::of(problems).unwrap_err().to_string()
    }

    #[test]
    fn settings_know_their_lines() {
        let text = "data = \"/d\"\n\n[http]\nlisten = [\"127.0.0.1:80\"]\nworkers = 0x10\nqqq.x = 1\n";
        let error = problem(text);
        assert_eq!(error, "p.toml:6: unknown key `http.qqq`");
        let read = read(text, Path::new("p.toml"), &mut Vec::new());
        let workers = read.iter().find(|a| a.key == "http.workers").unwrap();
        assert_eq!(workers.value, Value::Number(16));
        assert_eq!(workers.place, Place::File("p.toml".into(), Some(5)));
    }

    #[test]
    fn unknown_keys_are_told_the_nearest_spelling() {
        assert_eq!(
            problem("[client]\nhead_timout = \"1s\""),
            "p.toml:2: unknown key `client.head_timout`; did you mean `client.head_timeout`?"
        );
        assert_eq!(problem("\n[htpp]\nlisten = 1"), "p.toml:2: unknown key `htpp`; did you mean `http`?");
        assert_eq!(
            problem("[client]\nretries = 1"),
            "p.toml:2: unknown key `client.retries`; did you mean `upstream.retries`?"
        );
        assert_eq!(problem("dta = \"x\""), "p.toml:1: unknown key `dta`; did you mean `data`?");
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let error = problem("zzz = 1\n[http]\nworkers = 1.5\n");
        assert_eq!(error, "p.toml:1: unknown key `zzz`\np.toml:3: `http.workers` cannot be a float");
    }

    #[test]
    fn a_key_of_a_listener_that_is_wrong_is_told_with_its_own_line() {
        let text = "[[http.listen]]\naddress = \"127.0.0.1:80\"\n[[http.listen]]\naddress = \"80\"\n\
            proxy_protocl = [\"10.0.0.0/8\"]\nscheme = \"ftp\"\nallow = 1.5\nproxy_protocol = true\n";
        let error = problem(text);
        let starts = [
            "p.toml:4: `http.listen.address` is \"80\", but must be an IP address with a port",
            "p.toml:5: unknown key `http.listen.proxy_protocl`; did you mean `proxy_protocol`?",
            "p.toml:6: `http.listen.scheme` is \"ftp\", but must be \"http\" or \"https\"",
            "p.toml:7: `http.listen.allow` cannot be a float",
            "p.toml:8: `http.listen.proxy_protocol` is true, but must name the peers that send it",
        ];
        assert_eq!(error.lines().count(), starts.len(), "{error}");
        for (line, start) in error.lines().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn what_a_file_holds_cannot_act_on_a_terminal() {
        assert_eq!(problem("\"\\u001b[31m\\n\" = 1"), "p.toml:1: unknown key `\\u{1b}[31m\\n`");
    }

    #[test]
    fn broken_toml_names_its_line() {
        assert!(problem("a = 1\nb = \n").starts_with("p.toml:2: "), "{}", problem("a = 1\nb = \n"));
        assert_eq!(problem("http = 1"), "p.toml:1: `http` is a section; write [http] and its settings below");
    }
}
