//! How a service in a Compose file is deployed: how many, where, with how much, and one version after another.

use serde_json::Value;

use super::at::{At, Wrong};
use super::service::{Doc, set_within};
use super::{Around, REMEDY};
use crate::amount;

/// Why most of it has none.
const OTHERWISE: &str = "the controller has its own way";

/// Reads `deploy`.
pub(super) fn read(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in at.fields()? {
        match field {
            "replicas" => count(&at, doc)?,
            "mode" => mode(&at, doc)?,
            "resources" => resources(&at, doc, around)?,
            "update_config" => update(&at, doc, around)?,
            "restart_policy" => restart(&at, doc, around)?,
            "placement" => placement(&at, doc, around)?,
            "labels" => around.no_meaning(&at, "write them below the service's own `labels`"),
            "endpoint_mode" | "rollback_config" => around.no_meaning(&at, OTHERWISE),
            field => return Err(no_field(&at, field)),
        }
    }
    Ok(())
}

fn no_field(at: &At<'_>, field: &str) -> Wrong {
    at.wrong(format!("`{field}` is no field of a deployment"), REMEDY)
}

/// How many; said at two places, it has to be the same.
pub(super) fn count(at: &At<'_>, doc: &mut Doc) -> Result<(), Wrong> {
    let count = at.number()?;
    match doc.insert("instances".to_owned(), count.into()) {
        Some(before) if before != count => {
            Err(at.wrong(format!("it is {before} at another place"), "say it once: `deploy.replicas`"))
        }
        _ => Ok(()),
    }
}

/// How many cores at most.
pub(super) fn cpus(at: &At<'_>, doc: &mut Doc) -> Result<(), Wrong> {
    let millis =
        amount::cpu_millis(&at.text()?).map_err(|reason| at.wrong(reason, "correct it, or take it out"))?;
    set_within(doc, "resources", "cpu_millis", millis);
    Ok(())
}

/// How much memory at most.
pub(super) fn memory(at: &At<'_>, doc: &mut Doc) -> Result<(), Wrong> {
    let mib =
        amount::memory_mib(&at.text()?).map_err(|reason| at.wrong(reason, "correct it, or take it out"))?;
    set_within(doc, "resources", "memory_mib", mib);
    Ok(())
}

fn mode(at: &At<'_>, doc: &mut Doc) -> Result<(), Wrong> {
    match &*at.text()? {
        "replicated" => {}
        "global" => set_within(doc, "placement", "per_host", "every"),
        other => return Err(at.wrong(format!("`{other}` cannot be launched"), "write replicated or global")),
    }
    Ok(())
}

fn resources(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in at.fields()? {
        match field {
            "limits" => {
                for (field, at) in at.fields()? {
                    match field {
                        "cpus" => cpus(&at, doc)?,
                        "memory" => memory(&at, doc)?,
                        "pids" => around.no_meaning(&at, "the engine's own limit holds"),
                        field => return Err(no_field(&at, field)),
                    }
                }
            }
            "reservations" => match at.get("devices") {
                Some(devices) => {
                    return Err(devices.wrong(
                        "it would give the container devices of its host",
                        "take it out of the file",
                    ));
                }
                None => around.no_meaning(&at, "what is a limit is kept free, too"),
            },
            field => return Err(no_field(&at, field)),
        }
    }
    Ok(())
}

fn update(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in at.fields()? {
        let text = at.text()?;
        let (name, value): (_, Value) = match (field, &*text) {
            // All at once: no service has more.
            ("parallelism", "0") => ("parallel", 1000.into()),
            ("parallelism", _) => ("parallel", at.number()?.into()),
            ("order", "start-first") => ("order", "start_first".into()),
            ("order", "stop-first") => ("order", "stop_first".into()),
            ("order", _) => {
                return Err(at.wrong(format!("`{text}` is no order"), "write start-first or stop-first"));
            }
            ("monitor", _) => ("min_healthy_ms", at.millis()?.into()),
            ("failure_action", "rollback") => ("rollback", true.into()),
            ("failure_action", "pause") => ("rollback", false.into()),
            ("failure_action", "continue") => {
                return Err(at.wrong("what fails is not rolled out further", "write rollback or pause"));
            }
            ("failure_action", _) => {
                return Err(at.wrong(format!("`{text}` is no action"), "write rollback or pause"));
            }
            ("delay" | "max_failure_ratio", _) => {
                around.no_meaning(&at, OTHERWISE);
                continue;
            }
            (field, _) => return Err(no_field(&at, field)),
        };
        set_within(doc, "rollout", name, value);
    }
    Ok(())
}

fn restart(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in at.fields()? {
        let text = at.text()?;
        let restart = match (field, &*text) {
            ("condition", "none") => "never",
            ("condition", "on-failure") => "on_failure",
            ("condition", "any") => "always",
            ("condition", _) => {
                return Err(at.wrong(format!("`{text}` is no condition"), "write none, on-failure or any"));
            }
            ("delay" | "max_attempts" | "window", _) => {
                around.no_meaning(&at, "it is started again as often as it ends, ever more slowly");
                continue;
            }
            (field, _) => return Err(no_field(&at, field)),
        };
        doc.insert("restart".to_owned(), restart.into());
    }
    Ok(())
}

fn placement(at: &At<'_>, doc: &mut Doc, around: &mut Around<'_>) -> Result<(), Wrong> {
    for (field, at) in at.fields()? {
        match field {
            "constraints" => constraints(&at, doc)?,
            "max_replicas_per_node" if at.number()? == 1 => set_within(doc, "placement", "per_host", "one"),
            "max_replicas_per_node" | "preferences" => {
                around.no_meaning(&at, "hosts are filled evenly, or have one each at most");
            }
            field => return Err(no_field(&at, field)),
        }
    }
    Ok(())
}

/// `node.labels.KEY==VALUE`
fn constraints(at: &At<'_>, doc: &mut Doc) -> Result<(), Wrong> {
    let mut required = Doc::new();
    for entry in at.entries() {
        let text = entry.text()?;
        let said = text.strip_prefix("node.labels.").and_then(|label| label.split_once("=="));
        let (key, value) = said.ok_or_else(|| {
            let remedy =
                "write node.labels.KEY==VALUE, and give hosts such labels (portico host add --label)";
            entry.wrong(format!("`{text}` is not known of hosts"), remedy)
        })?;
        required.insert(key.trim().to_owned(), value.trim().into());
    }
    set_within(doc, "placement", "required", required);
    Ok(())
}
