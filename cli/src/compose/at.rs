//! A value of a Compose file, and where it stands.

use serde_json::Value;

/// Why a Compose file cannot be applied: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// `services.web.ports[0]`.
    pub(crate) place: String,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// A value that is there, and its place.
#[derive(Debug, Clone)]
pub(super) struct At<'v> {
    /// `services.web.ports[0]`.
    pub(super) place: String,
    /// What stands there.
    pub(super) value: &'v Value,
}

impl<'v> At<'v> {
    /// A value at a place.
    pub(super) fn new(place: impl Into<String>, value: &'v Value) -> Self {
        Self { place: place.into(), value }
    }

    /// Something is wrong here.
    pub(super) fn wrong(&self, reason: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { place: self.place.clone(), reason: reason.into(), remedy: remedy.into() }
    }

    /// Its fields that say something, in their order.
    pub(super) fn fields(&self) -> Result<Vec<(&'v str, Self)>, Wrong> {
        let Value::Object(fields) = self.value else {
            return Err(self.wrong("it has no fields", "write it as in the Compose Specification"));
        };
        let said = fields.iter().filter(|(_, value)| !value.is_null());
        Ok(said.map(|(key, value)| (key.as_str(), self.field(key, value))).collect())
    }

    fn field(&self, key: &str, value: &'v Value) -> Self {
        let dot = if self.place.is_empty() { "" } else { "." };
        Self::new(format!("{}{dot}{key}", self.place), value)
    }

    /// The field of this name, where it says something.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.value.get(key).filter(|value| !value.is_null()).map(|value| self.field(key, value))
    }

    /// Its entries; something that is no list is one.
    pub(super) fn entries(&self) -> Vec<Self> {
        match self.value {
            Value::Array(values) => {
                let place = |n| format!("{}[{n}]", self.place);
                values.iter().enumerate().map(|(n, value)| Self::new(place(n), value)).collect()
            }
            value => vec![Self::new(&self.place, value)],
        }
    }

    /// A text; numbers and truths as they are written.
    pub(super) fn text(&self) -> Result<String, Wrong> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(self.value.to_string()),
            _ => Err(self.wrong("it is no text", "write it as in the Compose Specification")),
        }
    }

    /// Yes or no.
    pub(super) fn is_true(&self) -> Result<bool, Wrong> {
        match self.text()?.as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            text => Err(self.wrong(format!("`{text}` is neither true nor false"), "write `true` or `false`")),
        }
    }

    /// A whole number.
    pub(super) fn number(&self) -> Result<u64, Wrong> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(format!("`{text}` is no whole number"), "write digits"))
    }

    /// A time, as `1m30s` or `500ms`, in milliseconds.
    pub(super) fn millis(&self) -> Result<u64, Wrong> {
        let text = self.text()?;
        millis(&text).ok_or_else(|| {
            self.wrong(format!("`{text}` is no length of time"), "write it like `500ms`, `10s` or `1m30s`")
        })
    }

    /// A command: a list of words, or a text of words as a shell parts them.
    pub(super) fn words(&self) -> Result<Vec<String>, Wrong> {
        match self.value {
            Value::Array(_) => self.entries().iter().map(Self::text).collect(),
            _ => {
                let text = self.text()?;
                words(&text).ok_or_else(|| self.wrong("a quotation mark is not closed", "close it"))
            }
        }
    }

    /// `KEY: value`, or a list of `KEY=value`; what has no value is a name alone.
    pub(super) fn pairs(&self) -> Result<Vec<(String, Option<String>)>, Wrong> {
        if let Value::Object(fields) = self.value {
            let pair = |(key, value): (&String, &'v Value)| match value {
                Value::Null => Ok((key.clone(), None)),
                value => Ok((key.clone(), Some(self.field(key, value).text()?))),
            };
            return fields.iter().map(pair).collect();
        }
        let split = |entry: &Self| {
            let text = entry.text()?;
            Ok(match text.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (text, None),
            })
        };
        self.entries().iter().map(split).collect()
    }
}

/// A length of time as Go writes it.
fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut micros) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let unit = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let factor: u64 = match &behind[..unit] {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        micros = micros.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = &behind[unit..];
    }
    (!text.is_empty()).then_some(micros / 1000)
}

/// Words as a shell parts them: by blanks, but for what is within quotation marks or behind a backslash. Nothing is expanded.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut within) = (Vec::new(), None::<String>, None::<char>);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (within, c) {
            (Some(mark), c) if c == mark => within = None,
            (Some('"') | None, '\\') => {
                let escaped = rest.next()?;
                let word = word.get_or_insert_default();
                if within.is_some() && !matches!(escaped, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(escaped);
            }
            (None, '"' | '\'') => {
                within = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    within.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1h5m", Some(3_900_000)),
            ("500ms", Some(500)),
            ("2500us", Some(2)),
            ("", None),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("10 s", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(millis(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_command_is_parted_as_a_shell_does() {
        for (text, expected) in [
            ("serve --port 80", Some(&["serve", "--port", "80"][..])),
            ("  a\t'b c'  \"d \\\"e\\\"\" f\\ g ", Some(&["a", "b c", "d \"e\"", "f g"])),
            ("sh -c 'echo $X \\n'", Some(&["sh", "-c", "echo $X \\n"])),
            ("a\"\"b ''", Some(&["ab", ""])),
            ("\"a\\n\"", Some(&["a\\n"])),
            ("", Some(&[])),
            ("'a", None),
            ("a\\", None),
        ] {
            let expected =
                expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(words(text), expected, "{text:?}");
        }
    }
}
