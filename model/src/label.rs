//! Names that are one label of a domain name.

use std::fmt;

use smol_str::SmolStr;

use crate::domain_name::MAX_LABEL;

/// One label of a domain name: 1 to 63 lower-case letters, digits and hyphens, none of these at an end (RFC 1123 §2.1).
///
/// A text of up to 23 octets stands in its place; a longer one is shared by its copies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(SmolStr);

/// Why a text is not a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing.
    #[error("the name is empty; write 1 to {MAX_LABEL} letters, digits or hyphens")]
    Empty,
    /// More than 63 octets.
    #[error("the name is too long; write at most {MAX_LABEL} letters, digits or hyphens")]
    TooLong,
    /// Something else than letters, digits and hyphens.
    #[error(
        "the name has a character other than letters, digits and `-`, as a part of a domain name is written"
    )]
    Character,
    /// A hyphen at an end.
    #[error("the name begins or ends with `-`; put a letter or a digit there")]
    Hyphen,
}

impl Label {
    /// Parses a label; letters become lower case.
    ///
    /// # Errors
    /// [`LabelError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        match text.len() {
            0 => return Err(LabelError::Empty),
            1..=MAX_LABEL => {}
            _ => return Err(LabelError::TooLong),
        }
        if !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            return Err(LabelError::Character);
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(LabelError::Hyphen);
        }
        let is_canonical = !text.bytes().any(|octet| octet.is_ascii_uppercase());
        Ok(Self(if is_canonical { text.into() } else { text.to_ascii_lowercase().into() }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names of one kind of thing each: none is taken for another.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Label);

        impl $name {
            /// Parses a name; letters become lower case.
            ///
            /// # Errors
            /// [`LabelError`] says which rule of a label the text breaks.
            pub fn parse(text: &str) -> Result<Self, LabelError> {
                Label::parse(text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

names! {
    /// The name of a service.
    ServiceName;
    /// The name of an instance, among those of its service.
    InstanceName;
    /// The name of a host: a machine.
    HostName;
    /// The name of a port of a service: `http`.
    PortName;
    /// What instances of a service may be told apart by: `v2`.
    Tag;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, LabelError>) {
        let label = Label::parse(text);
        assert_eq!(label.as_ref().map(Label::as_str).map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn a_label_is_what_can_stand_between_two_dots() {
        check("web", Ok("web"));
        check("Web-1", Ok("web-1"));
        check("7", Ok("7"));
        check(&"a".repeat(63), Ok(&"a".repeat(63)));
        check("", Err(LabelError::Empty));
        check(&"a".repeat(64), Err(LabelError::TooLong));
        for text in ["a.b", "a_b", "a b", "ä", "a/b", "*", "a\n"] {
            check(text, Err(LabelError::Character));
        }
        for text in ["-", "-a", "a-"] {
            check(text, Err(LabelError::Hyphen));
        }
    }
}
