//! Dumps of key/value pairs, as stores write them.
//!
//! In: JSON, in one of four shapes: texts (`{"key": "value"}`, or `[{"key": …, "value": …}]`), `consul kv export` and Consul's API (`flags`
//! beside them, values in Base64), `etcdctl get --prefix -w json` (`kvs`, keys and values in Base64). Out: pairs. Never here: a guess
//! whether a value is text or Base64: the shape says it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::format::FormatError;

#[derive(Deserialize)]
#[serde(untagged)]
enum Dump {
    Etcd { kvs: Vec<Coded> },
    Texts(BTreeMap<String, String>),
    List(Vec<Item>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Consul {
        #[serde(alias = "Key")]
        key: String,
        #[serde(alias = "Value")]
        value: Option<String>,
        #[serde(alias = "Flags", rename = "flags")]
        _flags: u64,
    },
    Text {
        key: String,
        value: String,
    },
}

#[derive(Deserialize)]
struct Coded {
    key: String,
    #[serde(default)]
    value: String,
}

/// The pairs of a dump.
///
/// # Errors
/// [`FormatError`] when it has none of the shapes, or what should be Base64 is not.
pub(crate) fn read(json: &[u8]) -> Result<Vec<(String, Vec<u8>)>, FormatError> {
    let dump = serde_json::from_slice(json).map_err(|error| {
        let remedy = "write {\"key\": \"value\", …} or [{\"key\": \"…\", \"value\": \"…\"}, …], all of them texts, or what \
                      `consul kv export` or `etcdctl get --prefix -w json` print";
        let syntax = error.is_syntax() || error.is_eof();
        let reason = if syntax { error.to_string() } else { "not a dump of key/value pairs".to_owned() };
        FormatError::at("", reason, remedy)
    })?;
    match dump {
        Dump::Texts(pairs) => Ok(pairs.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()),
        Dump::List(items) => items.into_iter().map(pair).collect(),
        Dump::Etcd { kvs } => kvs
            .into_iter()
            .map(|Coded { key, value }| {
                let name = String::from_utf8(octets(&key, &key)?).map_err(|_| wrong(&key))?;
                let value = octets(&name, &value)?;
                Ok((name, value))
            })
            .collect(),
    }
}

fn pair(item: Item) -> Result<(String, Vec<u8>), FormatError> {
    match item {
        Item::Text { key, value } => Ok((key, value.into_bytes())),
        Item::Consul { key, value, .. } => {
            let value = octets(&key, &value.unwrap_or_default())?;
            Ok((key, value))
        }
    }
}

fn octets(key: &str, text: &str) -> Result<Vec<u8>, FormatError> {
    decode(text).ok_or_else(|| wrong(key))
}

fn wrong(key: &str) -> FormatError {
    FormatError::at(key, "it is not Base64, as this kind of dump has it", "export it anew, as it is")
}

/// Base64 with padding, as RFC 4648 §4 has it; `None`: it is not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.extend(u8::try_from(bits >> held));
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) {
        let pairs = read(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(pairs, [("traefik/a".to_owned(), b"Host(`a`)".to_vec())], "{json}");
    }

    #[test]
    fn the_shapes_that_stores_write_are_read() {
        check(r#"{"traefik/a": "Host(`a`)"}"#);
        check(r#"[{"key": "traefik/a", "value": "Host(`a`)"}]"#);
        check(r#"[{"key": "traefik/a", "flags": 0, "value": "SG9zdChgYWAp"}]"#);
        check(
            r#"[{"LockIndex": 0, "Key": "traefik/a", "Flags": 0, "Value": "SG9zdChgYWAp", "CreateIndex": 7}]"#,
        );
        check(
            r#"{"header": {"revision": 4}, "kvs": [{"key": "dHJhZWZpay9h", "version": 1, "value": "SG9zdChgYWAp"}], "count": 1}"#,
        );
    }

    #[test]
    fn what_is_no_dump_or_no_base64_is_said() {
        for (json, expected) in [
            (r#"[{"key": "traefik/a", "flags": 0, "value": "Host"}x"#, "expected"),
            (r#"[{"key": "traefik/a", "flags": 0, "value": "Host(`a`)"}]"#, "traefik/a"),
            (r#"{"kvs": [{"key": "/w==", "value": ""}]}"#, "Base64"),
            ("[1]", "not a dump"),
        ] {
            let error = read(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        for (text, octets) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode(text), Some(octets.as_bytes().to_vec()), "{text}");
        }
        assert_eq!(decode("+/8="), Some(vec![0xfb, 0xff]));
        for text in ["Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9v\n", "Zm-v", "=Zm9"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
