//! The `PORTICO_…` variables: names and values in, assignments out.
//!
//! The rule: `PORTICO_` and the setting's key in capitals, its dot as two underscores (`client.head_timeout` is
//! `PORTICO_CLIENT__HEAD_TIMEOUT`). What is set most has a short name. Lists are separated by commas.

use super::assignment::Assignment;
use super::problem::{Place, Problem, did_you_mean};
use super::settings::{SETTINGS, Setting, Settings};
use super::value::Value;

/// The short names.
pub(crate) const SHORT: &[(&str, &str)] = &[
    ("PORTICO_HTTP", "http.listen"),
    ("PORTICO_DNS", "dns.listen"),
    ("PORTICO_ADMIN", "admin.listen"),
    ("PORTICO_ADMIN_TOKEN", "admin.token"),
    ("PORTICO_REGISTRY", "registry.url"),
    ("PORTICO_NODE", "registry.node"),
    ("PORTICO_WORKERS", "http.workers"),
    ("PORTICO_ACCESS_LOG", "access_log.path"),
    ("PORTICO_ACTIVE_CHECKS", "health.active_checks"),
    ("PORTICO_LOG", "log.level"),
    ("PORTICO_LOG_FORMAT", "log.format"),
];

/// Variables that are not settings: which file, and the command line's own.
const OTHERS: [&str; 3] = ["PORTICO_CONFIG", "PORTICO_SERVER", "PORTICO_TOKEN"];

/// Reads all variables; remarks on those that look like ours and are not.
///
/// A name that follows the long rule and is no setting is a problem. Another unknown name is a remark: it may be somebody
/// else's, and what container engines make after a service of that name (`PORTICO_PORT`, `PORTICO_SERVICE_HOST`) is not even that.
pub(crate) fn read(
    variables: impl Iterator<Item = (String, String)>,
    remarks: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Vec<Assignment> {
    let defaults = Settings::default();
    let mut assignments = Vec::new();
    for (name, text) in variables {
        if !name.starts_with("PORTICO_") || OTHERS.contains(&&*name) {
            continue;
        }
        if let Some(setting) = setting_of(&name) {
            let value = Value::from_text(&text, &setting.get(&defaults));
            assignments.push(Assignment { key: setting.key, value, place: Place::Variable(name) });
        } else if name.contains("__") {
            let names: Vec<String> = SETTINGS.iter().map(|setting| long_name(setting.key)).collect();
            let hint = did_you_mean(&name, names.iter().map(String::as_str));
            problems
                .push(Problem { place: Place::Variable(name), message: format!("names no setting{hint}") });
        } else if !made_by_engines(&name) {
            let names = SHORT.iter().map(|(short, _)| *short).chain(OTHERS);
            let hint = did_you_mean(&name, names);
            remarks.push(format!("variable {name} is ignored: it names no setting{hint}"));
        }
    }
    // Short names stand before long ones, so that the more exact one has the last word.
    assignments.sort_by_key(|a| matches!(&a.place, Place::Variable(name) if *name == long_name(a.key)));
    assignments
}

fn setting_of(name: &str) -> Option<&'static Setting> {
    if let Some((_, key)) = SHORT.iter().find(|(short, _)| *short == name) {
        return Setting::named(key);
    }
    SETTINGS.iter().find(|setting| long_name(setting.key) == name)
}

fn made_by_engines(name: &str) -> bool {
    name.ends_with("_PORT") || ["_PORT_", "_SERVICE_", "_ENV_"].iter().any(|part| name.contains(part))
}

/// The variable of a setting, by the rule.
pub(crate) fn long_name(key: &str) -> String {
    format!("PORTICO_{}", key.replace('.', "__").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Result<Vec<Assignment>, Problems> {
        with_remarks(pairs).0
    }

    fn with_remarks(pairs: &[(&str, &str)]) -> (Result<Vec<Assignment>, Problems>, Vec<String>) {
        let mut remarks = Vec::new();
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut problems = Vec::new();
        let assignments = read(pairs, &mut remarks, &mut problems);
        (Problems::of(problems).map(|()| assignments), remarks)
    }

    #[test]
    fn every_setting_has_a_variable() {
        for setting in SETTINGS {
            let name = long_name(setting.key);
            let text = setting.get(&Settings::default()).to_string();
            let read = variables(&[(&name, text.trim_matches('"'))]).unwrap();
            assert_eq!(read.first().map(|a| a.key), Some(setting.key), "{name}");
        }
        for (short, key) in SHORT {
            assert_eq!(variables(&[(short, "x")]).unwrap()[0].key, *key);
        }
    }

    #[test]
    fn the_long_name_has_the_last_word() {
        let read =
            variables(&[("PORTICO_HTTP__WORKERS", "2"), ("PORTICO_WORKERS", "1"), ("HOME", "/")]).unwrap();
        assert_eq!(read.last().map(|a| a.value.clone()), Some(Value::Number(2)));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_misspelt_variable_is_a_problem_and_a_stranger_is_not() {
        let error = variables(&[("PORTICO_CLIENT__HEAD_TIMOUT", "1s")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "variable PORTICO_CLIENT__HEAD_TIMOUT: names no setting; did you mean `PORTICO_CLIENT__HEAD_TIMEOUT`?"
        );
        let strangers =
            [("PORTICO_PORT", "tcp://10.0.0.1:80"), ("PORTICO_SERVER", "x"), ("PORTICO_WORKER", "2")];
        let (read, remarks) = with_remarks(&strangers);
        assert_eq!(read, Ok(vec![]));
        let expected =
            "variable PORTICO_WORKER is ignored: it names no setting; did you mean `PORTICO_WORKERS`?"
                .to_owned();
        assert_eq!(remarks, [expected]);
    }
}
