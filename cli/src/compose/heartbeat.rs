//! The health check of a service in a Compose file, as a heartbeat.

use serde_json::{Value, json};

use super::at::{At, Wrong};
use super::service::Doc;
use super::{Around, REMEDY};

/// Reads it; none, where it is switched off.
pub(super) fn read(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    if at.get("disable").map(|at| at.is_true()).transpose()? == Some(true) {
        return Ok(());
    }
    // Where it does not say what is run, the image does.
    let Some(mut heartbeat) = at.get("test").map_or(Ok(Some(image())), |at| test(&at))? else {
        return Ok(());
    };
    for (field, at) in at.fields()? {
        let (name, value) = match field {
            "interval" => ("interval_ms", at.millis()?),
            "timeout" => ("timeout_ms", at.millis()?),
            "start_period" => ("start_period_ms", at.millis()?),
            "retries" => ("fall", at.number()?),
            "start_interval" => {
                around.no_meaning(&at, "`interval` holds from the start");
                continue;
            }
            "test" | "disable" => continue,
            _ => return Err(at.wrong(format!("`{field}` is no field of a health check"), REMEDY)),
        };
        heartbeat.insert(name.to_owned(), value.into());
    }
    doc.insert("heartbeat".to_owned(), heartbeat.into());
    Ok(())
}

fn image() -> Doc {
    Doc::from_iter([("kind".to_owned(), "image".into())])
}

/// `[CMD, …]`, `[CMD-SHELL, …]`, `[NONE]`, or a line for a shell.
fn test(at: &At<'_>) -> Result<Option<Doc>, Wrong> {
    let words = match at.value {
        Value::Array(_) => at.words()?,
        _ => vec!["CMD-SHELL".to_owned(), at.text()?],
    };
    let command = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["NONE"] => return Ok(None),
        ["CMD", command @ ..] if !command.is_empty() => json!(command),
        ["CMD-SHELL", line] => json!(["/bin/sh", "-c", line]),
        _ => return Err(at.wrong("it is no test", "begin it with CMD, CMD-SHELL or NONE")),
    };
    Ok(Some(Doc::from_iter([("kind".to_owned(), "command".into()), ("command".to_owned(), command)])))
}
