//! Formats: how facts look outside this house.
//!
//! In: octets of a store, a file or the API. Out: facts that cannot hold nonsense, or a [`FormatError`] that names the place and the
//! remedy. Never here: a connection; a fact that is half right.

use model::Quarantined;

pub mod facts;
pub mod hipache;
pub mod native;
pub mod planb;
pub mod traefik;

/// Why some octets are not a fact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}; {remedy}", place_prefix(.place))]
pub struct FormatError {
    /// Where in the document, as `endpoints[2].weight`; empty for the whole.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
    /// How to put it right.
    pub remedy: String,
}

fn place_prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl FormatError {
    /// The same, of a document that stands in a field of another one.
    pub(crate) fn within(self, field: &str) -> Self {
        let place = if self.place.is_empty() { field.to_owned() } else { format!("{field}.{}", self.place) };
        Self { place, ..self }
    }

    pub(crate) fn at(
        place: impl Into<String>,
        reason: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        Self { place: plain(&place.into()), reason: plain(&reason.to_string()), remedy: remedy.into() }
    }
}

/// Text as operators may see it on a terminal: a control character as its escape, any other as it is.
pub(crate) fn plain(text: &str) -> String {
    let escaped = |c: char| {
        let escape = c.is_control().then(|| c.escape_default());
        (!c.is_control()).then_some(c).into_iter().chain(escape.into_iter().flatten())
    };
    text.chars().flat_map(escaped).collect()
}

impl From<FormatError> for Quarantined {
    fn from(error: FormatError) -> Self {
        let reason = format!("{}{}", place_prefix(&error.place), error.reason);
        Self { reason: reason.into(), remedy: error.remedy.into() }
    }
}
