//! What holds for any text at all that is given as a configuration. The tests ask it of the seeds, `fuzz/` of what it makes of them.

use std::path::PathBuf;

use crate::config::{Loaded, Place, Problems, SETTINGS, Sources};

/// A TOML file: accepted, or each problem names one of its lines. True when it was accepted.
pub(crate) fn toml(text: &str) -> bool {
    let Some(problems) = check(text, "portico.toml") else { return true };
    for problem in &problems.0 {
        let Place::File(_, Some(line)) = problem.place else { panic!("no line: {problems}") };
        assert!((1..=text.lines().count() + 1).contains(&line), "line {line} of {text:?}: {problems}");
    }
    false
}

/// hipache's `config.json`: accepted, or each problem names the file. True when it was accepted.
pub(crate) fn hipache(text: &str) -> bool {
    let Some(problems) = check(text, "config.json") else { return true };
    assert!(problems.0.iter().all(|problem| matches!(problem.place, Place::File(..))), "{problems}");
    false
}

/// What is accepted is accepted again as `portico check` writes it, and says the same; what is not is said in plain text.
fn check(text: &str, name: &str) -> Option<Problems> {
    let read = |text: &str, name: &str| {
        // Nobody is asked for names: that would be slow, and say something else tomorrow.
        let by_name = |name: &str, port| (name == "localhost").then(|| ([127, 0, 0, 1], port).into());
        Sources::default().understand(Some((PathBuf::from(name), Ok(text.to_owned()))), &by_name)
    };
    let loaded = match read(text, name) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in &problems.0 {
                let message = &problem.message;
                assert!(
                    !message.is_empty() && !message.contains(char::is_control),
                    "{message:?} of {text:?}"
                );
            }
            return (!problems.0.is_empty()).then_some(problems).or_else(|| panic!("no reason: {text:?}"));
        }
    };
    let written = write(&loaded);
    let again = read(&written, "written.toml").unwrap_or_else(|problems| panic!("{problems}: {written}"));
    assert_eq!(again.changed(&loaded), [""; 0], "{written}");
    assert_eq!(write(&again), written);
    None
}

fn write(loaded: &Loaded) -> String {
    SETTINGS.iter().map(|setting| format!("{} = {}\n", setting.key, setting.get(&loaded.settings))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn replay(target: &str, property: fn(&str) -> bool) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let files = std::fs::read_dir(&folder).unwrap();
        let seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        let texts = seeds.iter().filter_map(|seed| std::str::from_utf8(seed).ok());
        let accepted = texts.filter(|text| property(text)).count();
        // What is only ever refused early leads nowhere.
        assert!(accepted >= 8 && accepted < seeds.len(), "{accepted} of {} seeds are accepted", seeds.len());
    }

    #[test]
    fn seeds_of_toml_files_hold() {
        replay("toml_config", toml);
    }

    #[test]
    fn seeds_of_hipache_files_hold() {
        replay("hipache_config", hipache);
    }
}
