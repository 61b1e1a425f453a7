//! What is launched, for people: who controls, how engines stand, what is not done, what would be done.

use admin::wire::{
    ControlStatus, EngineStatus, Foreseen, ForeseenInstance, PowerStateDoc, Unplaced, UnplacedAt,
};

use crate::fact;
use crate::status::duration;
use crate::table::Table;

/// The rows of `portico status`.
pub(crate) fn rows(control: &ControlStatus, table: &mut Table) {
    let controls = match (&control.controller, control.this) {
        (Some(node), true) => format!("node {node} controls (this one)"),
        (Some(node), false) => format!("node {node} controls"),
        (None, _) => "no node controls: nothing is launched or ended".to_owned(),
    };
    table.row(["control", &controls]);
    for engine in &control.engines {
        table.row(["host", &format!("{}: {}", engine.host, state(engine))]);
    }
    for undone in &control.undone {
        let failed = if undone.failed { "failed: " } else { "" };
        table.row(["service", &format!("{}: {failed}{}", undone.service, undone.why)]);
    }
    if control.more > 0 {
        table.row(["service", &format!("and {} more that are not done", control.more)]);
    }
}

/// `answers (20.10.24), 3 containers`, or for how long it does not.
pub(crate) fn state(engine: &EngineStatus) -> String {
    let containers = match engine.containers {
        1 => "1 container".to_owned(),
        many => format!("{many} containers"),
    };
    if let Some(power) = engine.power.as_ref().filter(|power| power.state != PowerStateDoc::Running) {
        return fact::power(power);
    }
    let why = if engine.error.is_empty() { String::new() } else { format!(": {}", engine.error) };
    match (engine.answers, engine.silent_ms) {
        (true, _) if engine.version.is_empty() => format!("answers, {containers}"),
        (true, _) => format!("answers ({}), {containers}", engine.version),
        (false, Some(ms)) => format!("silent for {}{why}", duration(ms)),
        (false, None) => format!("did not answer yet{why}"),
    }
}

/// What a controller would do first; nothing where it would do nothing.
pub(crate) fn plan(plan: &Foreseen) -> String {
    let Foreseen { start, leave, unplaced } = plan;
    if start.is_empty() && leave.is_empty() && unplaced.is_empty() {
        return "nothing would start or leave\n".to_owned();
    }
    let mut table = Table::new(&["INSTANCE", "PLAN", "HOST", "WHY"]);
    for (what, instances) in [("starts", start), ("leaves", leave)] {
        for ForeseenInstance { service, instance, host, why } in instances {
            table.row([&format!("{service}/{instance}"), what, host, why]);
        }
    }
    for Unplaced { service, missing, hosts } in unplaced {
        let why = hosts.iter().map(|UnplacedAt { host, why }| format!("{host}: {why}"));
        let why = why.collect::<Vec<_>>().join(", ");
        let why = if why.is_empty() { "there is no host with an engine".to_owned() } else { why };
        table.row([&**service, &format!("{missing} fit nowhere"), "-", &why]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_controls_and_what_is_not_done_is_told() {
        let json = r#"{"controller":"a","this":true,"engines":[
            {"host":"node-1","answers":true,"silent_ms":null,"error":"","version":"20.10.24","containers":3},
            {"host":"node-2","answers":false,"silent_ms":12000,"error":"connection refused","version":"","containers":1},
            {"host":"node-3","answers":false,"silent_ms":null,"error":"","version":"","containers":0},
            {"host":"node-4","answers":false,"silent_ms":9000,"error":"no route","version":"","containers":0,"power":{"state":"stopped","failures":2,"reason":"no quota"}}],
            "undone":[{"service":"api","failed":true,"why":"no such image"},{"service":"web","failed":false,"why":"1 of 2 healthy"}],"more":3}"#;
        let mut table = Table::new(&[]);
        rows(&serde_json::from_str(json).unwrap(), &mut table);
        insta::assert_snapshot!(table.text(), @r"
        control  node a controls (this one)
        host     node-1: answers (20.10.24), 3 containers
        host     node-2: silent for 12 s: connection refused
        host     node-3: did not answer yet
        host     node-4: stopped after 2 failures: no quota
        service  api: failed: no such image
        service  web: 1 of 2 healthy
        service  and 3 more that are not done
        ");
    }

    #[test]
    fn a_plan_says_what_starts_what_leaves_and_what_fits_nowhere() {
        let json = r#"{"start":[{"service":"web","instance":"3","host":"node-1"}],
            "leave":[{"service":"web","instance":"1","host":"node-2","why":"another version takes its place"}],
            "unplaced":[{"service":"db","missing":2,"hosts":[{"host":"node-1","why":"cordoned"}]},{"service":"x","missing":1,"hosts":[]}]}"#;
        insta::assert_snapshot!(plan(&serde_json::from_str(json).unwrap()), @r"
        INSTANCE  PLAN           HOST    WHY
        web/3     starts         node-1
        web/1     leaves         node-2  another version takes its place
        db        2 fit nowhere  -       node-1: cordoned
        x         1 fit nowhere  -       there is no host with an engine
        ");
        assert_eq!(plan(&Foreseen::default()), "nothing would start or leave\n");
    }
}
