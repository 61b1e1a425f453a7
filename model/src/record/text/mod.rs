//! Presentation form of a record's data (RFC 1035 §5.1 and each type's own), read and written; any type's as RFC 3597 §5 writes it.
//!
//! In: one line of text, or tokens of a line. Out: [`RecordData`], and the text of one: what is written reads back as the same octets.
//! Never here: lines, directives, TTLs and owners of a zone file, which `dnsd` reads.
//!
//! ```text
//! text ─► tokens (quotes, escapes) ─► read (by the type's fields) ─► RecordData ─► write ─► text
//! ```

mod numbers;
mod parameters;
mod read;
mod tokens;
mod write;

#[cfg(test)]
mod tests;

pub use numbers::{base64, seconds};
pub use read::name;
pub use tokens::Token;

use std::borrow::Cow;

use super::data::RecordData;
use super::record_type::RecordType;
use crate::domain_name::DomainName;

/// Why a text is not the data of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordTextError {
    /// A name has no dot at its end, and there is nothing it could be below.
    #[error("`{0}` is relative, and there is no origin; end it with a dot")]
    Relative(String),
    /// Anything else; what is wrong, and what to write instead.
    #[error("{0}")]
    Malformed(String),
}

/// How much of a text a message quotes, in characters.
const QUOTED: usize = 80;

/// A text as messages quote it, which are kept and logged: the beginning of a long one.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

impl RecordTextError {
    fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }
}

impl RecordData {
    /// Parses the data of one record: what stands behind the type in a line of a zone file. Names are absolute: they end with a dot.
    ///
    /// # Errors
    /// [`RecordTextError`] says what is wrong, and what to write instead.
    pub fn parse(record_type: RecordType, text: &str) -> Result<Self, RecordTextError> {
        Self::of_tokens(record_type, &tokens::of_line(text)?, None)
    }

    /// Reads the data of one record from its tokens. Relative names are below `origin`.
    ///
    /// # Errors
    /// [`RecordTextError`] says what is wrong, and what to write instead.
    pub fn of_tokens(
        record_type: RecordType,
        tokens: &[Token<'_>],
        origin: Option<&DomainName>,
    ) -> Result<Self, RecordTextError> {
        let octets = read::octets(record_type, tokens, origin)?;
        Self::new(record_type, octets).map_err(|error| RecordTextError::malformed(error.to_string()))
    }
}
