//! JSON for programs, and safe for people who look at it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::printable;

/// Indented JSON, its last line ended. What could steer a terminal is written as `\uXXXX`, which is the same JSON.
///
/// # Errors
/// Whatever keeps the value from being JSON; nothing, for the types of the API.
pub(crate) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(safe(&serde_json::to_string_pretty(value)?) + "\n")
}

/// JSON with what could steer a terminal written as `\uXXXX`; lines stay lines.
pub(crate) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c != '\n' && printable::is_unsafe(c) {
            // Serialised JSON holds such characters within strings only.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::Value::from("a\x1b\u{9b}\u{202e}\u{e0041}\n\"");
        let text = pretty(&serde_json::json!({ "x": value })).expect("JSON");
        assert_eq!(text, "{\n  \"x\": \"a\\u001b\\u009b\\u202e\\udb40\\udc41\\n\\\"\"\n}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["x"], value);
    }
}
