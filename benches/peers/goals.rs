//! Goals and what came out, for people and programs; `benches/table` speaks the same way.

use serde_json::{Value, json};

/// A core that is busier than this is full: nobody gets all of one.
pub(crate) const FULL: f64 = 0.93;

/// Where a core is busier than this without us, the machine is not quiet.
pub(crate) const QUIET: f64 = 0.05;

/// A goal, and what came out.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) goal: String,
    pub(crate) outcome: Outcome,
}

/// What is said of a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reached,
    Missed,
    /// What was found says nothing of it, and why not.
    Withheld(String),
}

impl Outcome {
    /// Reached, or missed.
    pub(crate) fn of(is_reached: bool) -> Self {
        if is_reached { Self::Reached } else { Self::Missed }
    }

    /// In words.
    fn name(&self) -> String {
        match self {
            Self::Reached => "reached".into(),
            Self::Missed => "MISSED".into(),
            Self::Withheld(why) => format!("not comparable: {why}"),
        }
    }
}

impl Verdict {
    /// For programs; `reached` is null where nothing can be said.
    pub(crate) fn json(&self) -> Value {
        let (reached, withheld) = match &self.outcome {
            Outcome::Reached => (Some(true), None),
            Outcome::Missed => (Some(false), None),
            Outcome::Withheld(why) => (None, Some(why)),
        };
        json!({
            "what": self.what,
            "found": self.found,
            "goal": self.goal,
            "reached": reached,
            "not_comparable": withheld,
        })
    }
}

/// The middle one, and the ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of these; `None` of none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self { median, least, most })
    }

    /// For programs.
    pub(crate) fn json(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

/// Every goal, with what was found; nothing when there is none.
pub(crate) fn table(verdicts: &[Verdict]) -> String {
    let rows = verdicts.iter().map(|verdict| {
        vec![verdict.what.clone(), verdict.found.clone(), verdict.goal.clone(), verdict.outcome.name()]
    });
    if verdicts.is_empty() {
        return String::new();
    }
    columns(&["goal", "found", "wanted", ""], rows.collect()) + "\n"
}

/// Whether the machine was quiet, by how busy its busier core was before anything began.
pub(crate) fn quiet(noise: f64) -> String {
    if noise > QUIET {
        format!("not quiet: one core was {:.0} % busy before anything began", noise * 100.0)
    } else {
        "quiet".to_owned()
    }
}

/// A median, and its range.
pub(crate) fn range(spread: &Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$}-{:.digits$})", spread.median, spread.least, spread.most)
}

/// A table whose columns stand below one another; the first is text, the rest are figures, or text again where the head is empty.
pub(crate) fn columns(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([heads[at].len(), 3]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(heads.to_vec()) + &line(rules.iter().map(String::as_str).collect());
    for row in &rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}
