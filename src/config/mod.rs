//! Start-up configuration: a file, variables and flags in, [`Settings`] out, each crate's `Config` inside them.
//!
//! Later ones go before earlier ones: defaults, file, variables, flags. Never here: facts (those live in the registry), and
//! a value that is taken over without having been understood: whatever is unknown or malformed is a [`Problem`] with its place.
//!
//! ```text
//! code's defaults ◄─ file (TOML, or hipache's JSON) ◄─ PORTICO_… ◄─ flags ──► Settings ──► proxy, registry, admin, log
//! ```

mod assignment;
mod dns;
mod environment;
mod file;
mod hipache;
pub(crate) mod listener;
mod problem;
#[cfg(test)]
mod properties;
mod settings;
mod validate;
mod value;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

pub(crate) use assignment::Assignment;
pub(crate) use problem::{Place, Problem, Problems};
pub(crate) use settings::{Format, Log, SETTINGS, Setting, Settings};
pub(crate) use validate::registry_url;
pub(crate) use value::Value;

/// Finds an address for a name and a port.
pub(crate) type ByName<'n> = &'n dyn Fn(&str, u16) -> Option<SocketAddr>;

/// Where settings come from; kept, so that SIGHUP reads the same again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`: a file, or a folder as hipache's `config/`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// What the command line says.
    pub flags: Vec<Assignment>,
}

/// A configuration that was read and understood.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The result.
    pub settings: Settings,
    /// Which file it came from.
    pub file: Option<PathBuf>,
    /// True when that file is hipache's.
    pub hipache: bool,
    /// Where each setting that is not a default was said last.
    pub places: BTreeMap<&'static str, Place>,
    /// What was said and is not followed, and why.
    pub remarks: Vec<String>,
}

impl Sources {
    /// The real environment with these flags.
    pub(crate) fn new(file: Option<PathBuf>, flags: Vec<Assignment>) -> Self {
        let text = |pair: (std::ffi::OsString, std::ffi::OsString)| {
            Some((pair.0.into_string().ok()?, pair.1.into_string().ok()?))
        };
        Self { file, variables: std::env::vars_os().filter_map(text).collect(), flags }
    }

    /// Reads everything, or says all that is wrong.
    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        let file = self.chosen_file()?.map(|path| {
            let text = read_file(&path);
            (path, text)
        });
        let by_name = |name: &str, port| (name, port).to_socket_addrs().ok()?.next();
        self.understand(file, &by_name)
    }

    /// As [`Sources::load`], of a file that was read already. `by_name` finds the address to listen on for a name.
    pub(crate) fn understand(
        &self,
        file: Option<(PathBuf, Result<String, Problems>)>,
        by_name: ByName<'_>,
    ) -> Result<Loaded, Problems> {
        let mut loaded = Loaded {
            settings: Settings::default(),
            file: file.as_ref().map(|(path, _)| path.clone()),
            hipache: false,
            places: BTreeMap::new(),
            remarks: Vec::new(),
        };
        // What is wrong in one place hides nothing in another: everything is read, then all of it is told.
        let mut problems = Vec::new();
        let mut assignments = Vec::new();
        if let Some((path, text)) = file {
            match text {
                Ok(text) if hipache::is_hipache(&text, &path) => {
                    loaded.hipache = true;
                    match hipache::read(&text, &path, by_name) {
                        Ok(translated) => {
                            loaded.remarks = translated.remarks;
                            assignments = translated.assignments;
                        }
                        Err(Problems(wrong)) => problems.extend(wrong),
                    }
                }
                Ok(text) => assignments = file::read(&text, &path, &mut problems),
                Err(Problems(wrong)) => problems.extend(wrong),
            }
        }
        let variables = self.variables.clone().into_iter();
        assignments.extend(environment::read(variables, &mut loaded.remarks, &mut problems));
        assignments.extend(self.flags.iter().cloned());
        loaded.apply(assignments, &mut problems);
        validate::validate(&loaded, &mut problems);
        Problems::of(problems).map(|()| loaded)
    }

    /// `--config`, `PORTICO_CONFIG`, or what hipache's `SETTINGS_FLAVOR` chooses.
    fn chosen_file(&self) -> Result<Option<PathBuf>, Problems> {
        let flavor = self.variables.get("SETTINGS_FLAVOR").filter(|flavor| !flavor.is_empty());
        let name = flavor.map_or_else(|| "config.json".to_owned(), |flavor| format!("config_{flavor}.json"));
        let named = self.file.clone().or_else(|| self.variables.get("PORTICO_CONFIG").map(PathBuf::from));
        match (named, flavor) {
            (Some(folder), _) if folder.is_dir() => Ok(Some(folder.join(name))),
            (Some(file), _) => Ok(Some(file)),
            (None, Some(flavor)) => {
                let tried = [Path::new("config").join(&name), PathBuf::from(&name)];
                let found = tried.into_iter().find(|path| path.exists());
                found.map(Some).ok_or_else(|| {
                    let message =
                        format!("is {flavor:?}, but there is neither config/{name} nor {name} here");
                    Problems::one(Place::Variable("SETTINGS_FLAVOR".into()), message)
                })
            }
            (None, None) => Ok(None),
        }
    }
}

impl Loaded {
    fn apply(&mut self, assignments: Vec<Assignment>, problems: &mut Vec<Problem>) {
        for Assignment { key, value, place } in assignments {
            let outcome = Setting::named(key).map(|setting| setting.set(&mut self.settings, &value));
            match outcome {
                Some(Ok(())) => {
                    self.places.insert(key, place);
                }
                Some(Err(wrong)) => problems.push(Problem { place, message: format!("`{key}` {wrong}") }),
                None => problems.push(Problem { place, message: format!("unknown key `{key}`") }),
            }
        }
    }

    /// Where a setting was said.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.places.get(key).cloned().unwrap_or(Place::Default)
    }

    /// The settings that differ from another configuration.
    pub(crate) fn changed(&self, other: &Self) -> Vec<&'static str> {
        let differs = |setting: &&Setting| setting.get(&self.settings) != setting.get(&other.settings);
        SETTINGS.iter().filter(differs).map(|setting| setting.key).collect()
    }

    /// Those of them that need a restart to be followed.
    pub(crate) fn not_live(&self, other: &Self) -> Vec<&'static str> {
        let fixed = |key: &&str| {
            Setting::named(key).is_some_and(|setting| setting.needs_restart(&self.settings, &other.settings))
        };
        self.changed(other).into_iter().filter(fixed).collect()
    }
}

fn read_file(path: &Path) -> Result<String, Problems> {
    let octets = std::fs::read(path).map_err(|error| {
        Problems::one(Place::File(path.to_owned(), None), format!("cannot be read: {error}"))
    })?;
    String::from_utf8(octets).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|&&o| o == b'\n').count()
                + 1;
        Problems::one(Place::File(path.to_owned(), Some(line)), "is not UTF-8 text")
    })
}

#[cfg(test)]
mod tests;
