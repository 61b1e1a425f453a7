//! Variables of an instance.

use std::collections::BTreeMap;

/// The most variables.
pub const MAX_ENVIRONMENT: usize = 256;
/// The most octets of all names and values together.
pub const MAX_ENVIRONMENT_BYTES: usize = 64 << 10;

/// Variables and their values: a name has no `=` and no NUL and is not empty (POSIX.1-2024, 8.1), a value has no NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Environment(BTreeMap<Box<str>, Box<str>>);

/// Why variables cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A name that cannot be one.
    #[error("`{}` is no name of a variable; write it without `=`", .0.escape_default())]
    Name(String),
    /// A value with a NUL.
    #[error("the value of `{0}` has a NUL octet; take it out")]
    Value(String),
    /// The same name again.
    #[error("`{0}` is there already; say it once")]
    Repeated(String),
    /// More than [`MAX_ENVIRONMENT`] variables or [`MAX_ENVIRONMENT_BYTES`].
    #[error(
        "there are more than {MAX_ENVIRONMENT} variables, or more than {MAX_ENVIRONMENT_BYTES} octets; put them into a file that the service reads"
    )]
    TooMuch,
}

impl Environment {
    /// Checks variables.
    ///
    /// # Errors
    /// [`EnvironmentError`] names the one that cannot be set.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, EnvironmentError> {
        const SHOWN: usize = 64;
        let (mut all, mut octets) = (BTreeMap::new(), 0);
        for (name, value) in variables {
            octets += name.len() + value.len();
            if all.len() == MAX_ENVIRONMENT || octets > MAX_ENVIRONMENT_BYTES {
                return Err(EnvironmentError::TooMuch);
            }
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(EnvironmentError::Name(name.chars().take(SHOWN).collect()));
            }
            if value.contains('\0') {
                return Err(EnvironmentError::Value(name));
            }
            if all.insert(name.as_str().into(), value.into()).is_some() {
                return Err(EnvironmentError::Repeated(name));
            }
        }
        Ok(Self(all))
    }

    /// The variables, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// True when none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_a_value_and_stands_once() {
        let check = |pairs: &[(&str, &str)], expected: &str| {
            let read = Environment::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
            let said = read.map_or_else(|error| error.to_string(), |all| all.iter().len().to_string());
            assert!(said.contains(expected), "{pairs:?}: {said}");
        };
        check(&[], "0");
        check(&[("A", "a=b"), ("a.b-c", "")], "2");
        check(&[("", "x")], "`` is no name");
        check(&[("a=b", "x")], "`a=b` is no name");
        check(&[("A", "a\0")], "the value of `A` has a NUL");
        check(&[("A", "1"), ("A", "2")], "`A` is there already");
        check(&[("A", &"a".repeat(MAX_ENVIRONMENT_BYTES))], "more than 65536 octets");
        let many: Vec<String> = (0..=MAX_ENVIRONMENT).map(|n| format!("V{n}")).collect();
        check(&many.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>(), "more than 256 variables");
    }
}
