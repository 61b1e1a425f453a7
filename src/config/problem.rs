//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Nobody set it.
    Default,
    /// A line of a file; hipache's JSON knows its file only.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub place: Place,
    /// What, and how to write it.
    pub message: String,
}

/// Everything that is wrong with a configuration: at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problems(pub Vec<Problem>);

impl Problems {
    /// A single one.
    pub(crate) fn one(place: Place, message: impl Into<String>) -> Self {
        Self(vec![Problem { place, message: message.into() }])
    }

    /// Nothing is wrong, or all of this, ordered by place, as text that cannot act on a terminal: keys and values may hold anything.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Result<(), Self> {
        for problem in problems.iter_mut().filter(|problem| problem.message.contains(char::is_control)) {
            problem.message = problem.message.chars().flat_map(plain).collect();
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

/// A control character as its escape, any other as it is.
fn plain(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    (!c.is_control()).then_some(c).into_iter().chain(escaped.into_iter().flatten())
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}", problem.place, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The known spelling nearest to an unknown one, when it is near enough to be meant.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let scored = known.map(|key| (strsim::jaro_winkler(unknown, key), key));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(score, _)| *score > 0.8).map(|(_, key)| key)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn did_you_mean<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(unknown, known).map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}
