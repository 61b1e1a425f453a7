//! What stands for something else in Compose files: `${VAR}` and its siblings; and files of `KEY=VALUE` lines.

use serde_json::Value;

use super::Around;
use super::at::{At, Wrong};

/// How deep a default may stand within a default.
const DEPTH: u8 = 8;

/// Puts in every text of a value, at `place`, what its variables say.
pub(super) fn fill(place: &str, value: &mut Value, around: &mut Around<'_>) -> Result<(), Wrong> {
    match value {
        Value::String(text) if text.contains('$') => {
            let filled = filled(text, DEPTH, around);
            let at = At::new(place, value);
            *value =
                filled.map_err(|reason| at.wrong(reason, "correct it; a `$` that is meant is `$$`"))?.into();
        }
        Value::Array(values) => {
            for (n, value) in values.iter_mut().enumerate() {
                fill(&format!("{place}[{n}]"), value, around)?;
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let dot = if place.is_empty() { "" } else { "." };
                fill(&format!("{place}{dot}{key}"), value, around)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A text with what its variables say: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR:?why}`, `${VAR:+instead}`, each also without the colon;
/// `$$` is a `$`.
fn filled(text: &str, depth: u8, around: &mut Around<'_>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let name_end = |text: &str| text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
        rest = match behind.chars().next() {
            Some('$') => {
                out.push('$');
                &behind[1..]
            }
            Some('{') => {
                let end = closing(behind).ok_or_else(|| format!("`${behind}` has no closing `}}`"))?;
                out.push_str(&named(&behind[1..end], depth, around)?);
                &behind[end + 1..]
            }
            Some(c) if is_of_name(c) && !c.is_ascii_digit() => {
                let (name, behind) = behind.split_at(name_end(behind));
                out.push_str(&around.variable(name));
                behind
            }
            _ => return Err(format!("`${behind}` is no variable")),
        };
    }
    Ok(out + rest)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the brace that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_u32;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

/// What stands within braces.
fn named(text: &str, depth: u8, around: &mut Around<'_>) -> Result<String, String> {
    let depth = depth.checked_sub(1).ok_or_else(|| "defaults stand within defaults too deep".to_owned())?;
    let (name, how) = text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`${{{text}}}` is no variable"));
    }
    let (colon, how) = how.strip_prefix(':').map_or((false, how), |how| (true, how));
    let said = around.known(name).filter(|said| !(colon && said.is_empty()));
    match (how.chars().next(), said) {
        (None, _) if !colon => Ok(around.variable(name)),
        (Some('-' | '?'), Some(said)) => Ok(said),
        (Some('-'), None) | (Some('+'), Some(_)) => filled(&how[1..], depth, around),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(format!("`{name}` is not set: {}", filled(&how[1..], depth, around)?)),
        _ => Err(format!("`${{{text}}}` is no variable")),
    }
}

/// The lines of a file of variables: `KEY=VALUE`, perhaps behind `export`; a value in quotation marks may hold `#` and blanks at its ends.
/// Within single ones `$` means itself.
///
/// # Errors
/// The number of the line, and what is wrong with it.
pub(super) fn lines(text: &str, around: &mut Around<'_>) -> Result<Vec<(String, Option<String>)>, String> {
    let mut pairs = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason: String| format!("line {}: {reason}", n + 1);
        let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong(format!("`{name}` is no name of a variable")));
        }
        let value = value.map(|value| value_of(value.trim(), around)).transpose().map_err(wrong)?;
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

fn value_of(text: &str, around: &mut Around<'_>) -> Result<String, String> {
    let quoted = |mark: char| {
        let (within, behind) = text.strip_prefix(mark)?.split_once(mark)?;
        let behind = behind.trim_start();
        (behind.is_empty() || behind.starts_with('#')).then_some(within)
    };
    if let Some(within) = quoted('\'') {
        return Ok(within.to_owned());
    }
    if let Some(within) = quoted('"') {
        return filled(&within.replace("\\n", "\n"), DEPTH, around);
    }
    let plain = text.split_once(" #").map_or(text, |(value, _)| value.trim_end());
    filled(plain, DEPTH, around)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::around;

    #[test]
    fn variables_are_filled_in() {
        let check = |text: &str, expected: &str| {
            let said = filled(text, DEPTH, &mut around()).unwrap_or_else(|error| format!("error: {error}"));
            assert_eq!(said, expected, "{text}");
        };
        check("a $TAG ${TAG}", "a 2.1 2.1");
        check("$TAG.x", "2.1.x");
        check("cost: $$5 $${TAG}", "cost: $5 ${TAG}");
        check("${NONE:-x}${NONE-y}${EMPTY:-z}${EMPTY-w}", "xyz");
        check("${NONE:-${TAG}-${NONE:-b}}", "2.1-b");
        check("${TAG:+set}${NONE:+set}${EMPTY+set}${EMPTY:+set}", "setset");
        check("${TAG:?needed}", "2.1");
        check("[$NONE]", "[]");
        check("${NONE:?say which}", "error: `NONE` is not set: say which");
        check("${TAG", "error: `${TAG` has no closing `}`");
        for text in ["$", "$1", "${}", "${1A}", "${A B}", "${A:}", "a$-b"] {
            assert!(filled(text, DEPTH, &mut around()).is_err(), "{text}");
        }
        let deep = format!("{}x{}", "${NONE:-".repeat(20), "}".repeat(20));
        check(&deep, "error: defaults stand within defaults too deep");
    }

    #[test]
    fn a_file_of_variables_has_one_a_line() {
        let text = "# of the shop\n\nA=1\n export B = two words # not\nC='$TAG # x'\nD=\"$TAG # \"  # y\nE=\nF\nG=a=b\n";
        let read = lines(text, &mut around()).unwrap();
        let read: Vec<String> = read
            .into_iter()
            .map(|(name, value)| format!("{name}:{}", value.as_deref().unwrap_or("?")))
            .collect();
        assert_eq!(read, ["A:1", "B:two words", "C:$TAG # x", "D:2.1 # ", "E:", "F:?", "G:a=b"]);
        assert_eq!(lines("A=1\n=2\n", &mut around()).unwrap_err(), "line 2: `` is no name of a variable");
        assert!(lines("A B=2\n", &mut around()).is_err());
    }
}
