//! What a difference, a rollback or an import changes, for people.

use admin::wire::{Applied, Differing, FactDoc, Refused, Side};

use crate::fact::says;
use crate::frontend::line;
use crate::history::difference;
use crate::table::Table;

/// The changes, one a line; nothing when there is none.
pub(crate) fn table(changes: &[Differing], more: usize) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let is_frontend = |doc: Option<&FactDoc>| doc.is_none_or(|doc| matches!(doc, FactDoc::Frontend(_)));
    let of_frontends = changes
        .iter()
        .all(|change| is_frontend(change.before.as_ref()) && is_frontend(change.after.as_ref()));
    let mut table = Table::new(&[if of_frontends { "FRONTEND" } else { "FACT" }, "CHANGE", "WHAT"]);
    for change in changes {
        let (word, what) = said(change);
        table.row([&change.frontend, word, &what]);
    }
    let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
    table.text() + &more
}

fn said(change: &Differing) -> (&'static str, String) {
    let unseen = match &*change.unknown {
        [] => None,
        [Side::Before] => Some("what it said first"),
        [Side::After] => Some("what it said then"),
        _ => Some("what it said"),
    };
    if let Some(unseen) = unseen {
        let doc = change.before.as_ref().or(change.after.as_ref()).map(|doc| format!("{}; ", says(doc)));
        return ("unknown", format!("{}nobody saw {unseen}", doc.unwrap_or_default()));
    }
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => ("changed", difference(before, after)),
        (None, Some(after)) => ("added", format!("-> {}", says(after))),
        (Some(before), None) => ("removed", says(before)),
        (None, None) => ("none", String::new()),
    }
}

/// What was not taken in, under a heading; nothing when there is none.
pub(crate) fn refused(heading: &str, refused: &[Refused]) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let lines = refused.iter().map(|Refused { place, reason, remedy }| {
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        line(&format!("  {place}{reason}; {remedy}"))
    });
    format!("{heading}:\n{}", lines.collect::<String>())
}

/// The whole answer to a rollback or an import; `done`: what is said of it in the end.
pub(crate) fn text(applied: &Applied, done: &str) -> String {
    let Applied { made, changed, removed, unchanged, writes, .. } = applied;
    let mut text = table(&applied.changes, applied.more);
    text += &refused("not taken in", &applied.refused);
    text += &refused("left out", &applied.ignored);
    let counts = format!("{made} added, {changed} changed, {removed} removed, {unchanged} unchanged");
    let parts = if *writes > 1 { format!(" in {writes} parts") } else { String::new() };
    let standing = match (applied.dry_run, writes) {
        (true, _) => format!("nothing was written; revision {}", applied.revision),
        (false, 0) => format!("nothing to be done; revision {}", applied.revision),
        (false, _) if applied.live => format!("revision {}, live", applied.revision),
        (false, _) => format!("revision {}, not live on this node yet", applied.revision),
    };
    text + &line(&format!("{done}: {counts}{parts} ({standing})"))
}
