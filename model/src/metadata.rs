//! What is said of a thing beside what portico acts on: keys and values.

use std::collections::BTreeMap;

/// The most entries.
pub const MAX_METADATA: usize = 64;
/// The most octets of an entry, `key=value`: it is one string of a TXT record (RFC 1035 §3.3.14).
const MAX_ENTRY: usize = 255;

/// Keys and their values, as a TXT record tells them (RFC 6763 §6): a key is printable ASCII without `=`, however spelled; a value is
/// any text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Metadata(BTreeMap<Box<str>, Box<str>>);

/// Why something cannot be among the metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A key that cannot be told.
    #[error("`{}` is no key; write printable ASCII without `=`", .0.escape_default())]
    Key(String),
    /// The same key, perhaps spelled otherwise.
    #[error("`{0}` is there already, and how a key is spelled does not matter; say it once")]
    Repeated(String),
    /// A value that cannot be told.
    #[error("the value of `{0}` has control characters; take them out")]
    Value(String),
    /// More than 255 octets.
    #[error("`{0}` and its value have more than {MAX_ENTRY} octets together; shorten them")]
    TooLong(String),
    /// More than [`MAX_METADATA`] entries.
    #[error("there are more than {MAX_METADATA} entries; leave some out")]
    TooMany,
}

impl Metadata {
    /// Checks keys and values.
    ///
    /// # Errors
    /// [`MetadataError`] names the key and the remedy.
    pub fn new<K: Into<String>, V: Into<String>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, MetadataError> {
        let mut metadata = BTreeMap::new();
        let mut folded = std::collections::BTreeSet::new();
        for (key, value) in entries {
            let (key, value) = (key.into(), value.into());
            let fine = |octet: u8| matches!(octet, b' '..=b'~') && octet != b'=';
            if key.is_empty() || !key.bytes().all(fine) {
                return Err(MetadataError::Key(key.chars().take(MAX_ENTRY).collect()));
            }
            if key.len() + 1 + value.len() > MAX_ENTRY {
                return Err(MetadataError::TooLong(key.chars().take(MAX_ENTRY).collect()));
            }
            if value.chars().any(char::is_control) {
                return Err(MetadataError::Value(key));
            }
            if metadata.len() == MAX_METADATA {
                return Err(MetadataError::TooMany);
            }
            if !folded.insert(key.to_ascii_lowercase()) {
                return Err(MetadataError::Repeated(key));
            }
            metadata.insert(key.into(), value.into());
        }
        Ok(Self(metadata))
    }

    /// The entries, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_what_a_text_record_can_tell() {
        let check = |entries: &[(&str, &str)], expected: Result<(), MetadataError>| {
            let read = Metadata::new(entries.iter().copied());
            assert_eq!(
                read.map(|read| assert_eq!(read.iter().len(), entries.len())),
                expected,
                "{entries:?}"
            );
        };
        check(&[], Ok(()));
        check(&[("version", "1.4"), ("note", "grün = gut"), ("empty", "")], Ok(()));
        check(&[("", "x")], Err(MetadataError::Key(String::new())));
        check(&[("a=b", "x")], Err(MetadataError::Key("a=b".into())));
        check(&[("a\n", "x")], Err(MetadataError::Key("a\n".into())));
        check(&[("a", "x\ny")], Err(MetadataError::Value("a".into())));
        check(&[("a", "x"), ("A", "y")], Err(MetadataError::Repeated("A".into())));
        check(&[("a", &"x".repeat(253))], Ok(()));
        check(&[("a", &"x".repeat(254))], Err(MetadataError::TooLong("a".into())));
        let many: Vec<(String, &str)> = (0..=MAX_METADATA).map(|n| (n.to_string(), "")).collect();
        assert_eq!(Metadata::new(many), Err(MetadataError::TooMany));
    }
}
