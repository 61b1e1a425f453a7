//! Zone files: master format (RFC 1035 §5) as text in, a [`Zone`] out.
//!
//! In: the text of a file, and the origin where the command line names one. Out: the zone, or the first thing that is wrong, with its line
//! and what to do. Never here: a file system. `$INCLUDE` is refused: a file can name no other one.
//!
//! ```text
//! text ─► tokens (lines, parentheses, comments) ─► entries (origin, TTL, class, type) ─► model::record::text (data) ─► sets ─► Zone
//! ```

mod entries;
mod tokens;

use std::fmt;

use model::DomainName;

use super::tree::{Zone, ZoneError};

/// What is wrong in a zone file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ZoneFileError {
    /// The line it begins in, from 1; `None`: in the zone as a whole.
    pub line: Option<usize>,
    /// What, and what to do about it.
    pub message: String,
}

impl fmt::Display for ZoneFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Reads a zone. Its apex is where its SOA record is. `origin` is what relative names are below, until an `$ORIGIN` says otherwise.
///
/// # Errors
/// [`ZoneFileError`] names the first line that is wrong.
pub fn read(text: &str, origin: Option<&DomainName>) -> Result<Zone, ZoneFileError> {
    let records = entries::read(text, origin)?;
    let apex = records.apex.clone().ok_or_else(|| ZoneFileError {
        line: None,
        message: "there is no SOA record; a zone file begins with one".into(),
    })?;
    let sets = records.sets().map_err(|(line, message)| ZoneFileError { line: Some(line), message })?;
    Zone::new(apex, sets).map_err(|error| {
        let line = match &error {
            ZoneError::NoSoa(_) | ZoneError::NoNs(_) => None,
            ZoneError::Soa(name)
            | ZoneError::Outside(name, _)
            | ZoneError::Twice(name, _)
            | ZoneError::Alias(name)
            | ZoneError::Wildcard(name, _)
            | ZoneError::BelowDname(_, name) => records.line_of(name),
        };
        ZoneFileError { line, message: error.to_string() }
    })
}

#[cfg(test)]
mod tests;
