//! The chart: for each case a group of bars, as shares of what the slowest takes.

use std::fmt::Write as _;

use crate::peer::Peer;
use crate::report::{Medians, Summary};

const WIDTH: usize = 860;
const LABELS: usize = 130;
const BAR: usize = 18;
const GAP: usize = 34;
/// The longest bar, where the text of its figure still fits behind it.
const LONGEST: f64 = 600.0;

/// CPU time per request as an SVG.
pub(crate) fn svg(summary: &Summary) -> String {
    let bars: usize = summary.cases.iter().map(|(_, all)| all.len() * BAR + GAP).sum();
    let height = bars + GAP;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut y = 24;
    for (case, all) in &summary.cases {
        let _ = writeln!(
            text,
            "<text x=\"{LABELS}\" y=\"{y}\" font-weight=\"bold\">{} {}: CPU microseconds per request</text>",
            case.letter, case.name
        );
        y += 8;
        let longest = all.iter().map(|one| one.figures.cpu_us).fold(1.0, f64::max);
        for one in all {
            bar(&mut text, one, y, one.figures.cpu_us / longest * LONGEST);
            y += BAR;
        }
        y += GAP - 8;
    }
    text + "</svg>\n"
}

fn bar(text: &mut String, one: &Medians, y: usize, length: f64) {
    let colour = if one.peer == Peer::Portico { "#1b6ca8" } else { "#b8c4cc" };
    let (middle, end) = (y + BAR - 5, LABELS as f64 + length + 6.0);
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>\
         <text x=\"{end:.1}\" y=\"{middle}\">{:.1}</text>",
        LABELS - 8,
        one.peer.name(),
        BAR - 4,
        one.figures.cpu_us,
    );
}
