//! `If-Match` and `If-None-Match` (RFC 9110 §13.1): what a writer expects of the fact it touches.
//!
//! An entity tag is the fact's revision in quotes: `"42"`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use model::Revision;
use registry::Expected;

use crate::problem::Problem;

/// What a request expects of the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing was said.
    None,
    /// What the header said.
    Expects(Expected),
}

/// The entity tag of a fact at `revision`.
pub(crate) fn etag(revision: Revision) -> HeaderValue {
    // `"` and digits are always a valid header value.
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// What a write expects.
pub(crate) fn of_write(headers: &HeaderMap) -> Result<Condition, Problem> {
    let (matching, none) = (only(headers, header::IF_MATCH)?, only(headers, header::IF_NONE_MATCH)?);
    match (matching, none) {
        (None, None) => Ok(Condition::None),
        (Some("*"), None) => Ok(Condition::Expects(Expected::Present)),
        (Some(tag), None) => match parse_tag(tag) {
            Some(revision) => Ok(Condition::Expects(Expected::At(revision))),
            None => Err(Problem::invalid(
                "If-Match",
                "not a revision as this listener gives it in ETag",
                "send one revision in quotes, as in `If-Match: \"42\"`, or `If-Match: *`",
            )),
        },
        (None, Some("*")) => Ok(Condition::Expects(Expected::Absent)),
        (None, Some(_)) => Err(Problem::invalid(
            "If-None-Match",
            "a write takes `*` here only",
            "send `If-None-Match: *` to create what is not there, or If-Match with a revision",
        )),
        (Some(_), Some(_)) => {
            let remedy = "send one of the two";
            Err(Problem::invalid("If-Match", "If-Match and If-None-Match exclude each other", remedy))
        }
    }
}

/// Whether a reader already has what is at `revision` (`If-None-Match`, compared weakly).
pub(crate) fn reader_has(headers: &HeaderMap, revision: Revision) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || parse_tag(tag.strip_prefix("W/").unwrap_or(tag)) == Some(revision))
    })
}

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(Problem::invalid(name.as_str(), "repeated or not ASCII", "send it once")),
    }
}

fn parse_tag(tag: &str) -> Option<Revision> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Revision::new)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&'static str, &'static str)], expected: Result<Condition, u16>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(of_write(&headers).map_err(|p| p.status().as_u16()), expected, "{fields:?}");
    }

    #[test]
    fn a_write_says_what_it_expects() {
        let at = |n| Ok(Condition::Expects(Expected::At(Revision::new(n))));
        check(&[], Ok(Condition::None));
        check(&[("if-match", "\"42\"")], at(42));
        check(&[("if-match", " \"0\" ")], at(0));
        check(&[("if-match", "*")], Ok(Condition::Expects(Expected::Present)));
        check(&[("if-none-match", "*")], Ok(Condition::Expects(Expected::Absent)));
        check(&[("if-match", "42")], Err(400));
        check(&[("if-match", "\"x\"")], Err(400));
        check(&[("if-match", "\"+4\"")], Err(400));
        check(&[("if-match", "\"99999999999999999999999\"")], Err(400));
        check(&[("if-match", "W/\"4\"")], Err(400));
        check(&[("if-match", "\"4\""), ("if-match", "\"5\"")], Err(400));
        check(&[("if-none-match", "\"4\"")], Err(400));
        check(&[("if-match", "*"), ("if-none-match", "*")], Err(400));
    }

    #[test]
    fn a_reader_is_spared_what_it_has() {
        let has = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            reader_has(&headers, Revision::new(7))
        };
        assert!(has("\"7\"") && has("W/\"7\"") && has("\"6\", \"7\"") && has("*"));
        assert!(!has("\"8\"") && !has("7") && !has(""));
    }
}
