//! planb's form of a check: a hash `healthcheck:<host>` of `path`, `body` and `status`, beside hipache's list of that host.
//!
//! As planb reads it (`backend/redismonitor.go`): a GET of the path, `/` in front of it; the status must be that one, unless it is 0 or
//! left out; the body must hold the text, unless that is empty. planb asks once an announcement says that an endpoint is dead; here it is
//! checked all the time. Never here: a connection.

use model::{Check, CheckKind, ExpectedStatus, HttpCheck, Quarantined};

/// The fields, in the order of their digest.
pub const FIELDS: [&str; 3] = ["path", "body", "status"];

/// Reads a check from the values of [`FIELDS`].
///
/// # Errors
/// [`Quarantined`] says which field cannot be used, and how to write it.
pub fn read_check(fields: [Option<&[u8]>; 3]) -> Result<Check, Quarantined> {
    let [path, body, status] = fields.map(|value| std::str::from_utf8(value.unwrap_or_default()));
    let not_text = |field: &str| set_aside(&format!("its `{field}` is not text"));
    let path = path.map_err(|_| not_text("path"))?;
    let body = body.map_err(|_| not_text("body"))?;
    let status = match status.map_err(|_| not_text("status"))?.trim() {
        "" | "0" => ExpectedStatus::Any,
        digits => {
            ExpectedStatus::Code(digits.parse().map_err(|_| set_aside("its `status` is not a number"))?)
        }
    };
    let path = format!("/{}", path.trim_start_matches('/'));
    let http = HttpCheck::new(&path, status, body).map_err(|error| set_aside(&error.to_string()))?;
    Ok(Check::new(CheckKind::Http(http)))
}

fn set_aside(reason: &str) -> Quarantined {
    Quarantined {
        reason: format!("the check cannot be made: {reason}; the frontend serves without it").into(),
        remedy: "write it with `HSET` (`path`, `status`, `body`), or `DEL` the key".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::native::CheckDoc;

    fn check(fields: [Option<&str>; 3], expected: Result<&str, &str>) {
        let read = read_check(fields.map(|field| field.map(str::as_bytes)));
        match (read, expected) {
            (Ok(check), Ok(json)) => {
                let doc = serde_json::to_string(&CheckDoc::from(&check)).expect("json");
                assert_eq!(doc, json, "{fields:?}");
            }
            (Err(why), Err(part)) => assert!(why.reason.contains(part), "{fields:?}: {}", why.reason),
            (read, _) => panic!("{fields:?}: {read:?}"),
        }
    }

    #[test]
    fn checks_are_read_as_planb_reads_them() {
        check([None, None, None], Ok(r#"{"kind":"http","status":"any"}"#));
        check([Some("up"), Some(""), Some("0")], Ok(r#"{"kind":"http","path":"/up","status":"any"}"#));
        let whole = r#"{"kind":"http","path":"/up?x","status":200,"body":"OK"}"#;
        check([Some("//up?x"), Some("OK"), Some("200")], Ok(whole));
        check([Some("/a b"), None, None], Err("a check's path"));
        check([None, None, Some("fine")], Err("not a number"));
        check([None, None, Some("99")], Err("200 to 599"));
        assert!(read_check([Some(&[0xff]), None, None]).is_err());
    }
}
