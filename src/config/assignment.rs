//! A value that somebody gave to a setting.

use super::problem::Place;
use super::value::Value;

/// A value that a file, a variable or a flag gives to a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Which setting.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it was said.
    pub place: Place,
}
