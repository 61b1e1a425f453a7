//! The chart: for each case two groups of bars, CPU time on the left, p99 at equal load on the right. Shorter is better.

use std::fmt::Write as _;

use crate::peer::Peer;
use crate::summary::{Group, Line, Summary};

const WIDTH: usize = 980;
const LABELS: usize = 100;
const RIGHT: usize = 570;
const BAR: usize = 18;
const GAP: usize = 44;
/// The longest bar, where the text of its figure still fits behind it.
const LONGEST: f64 = 320.0;

/// CPU time per request and p99 as an SVG.
pub(crate) fn svg(summary: &Summary) -> String {
    let height = GAP / 2 + summary.groups.iter().map(|group| group.lines.len() * BAR + GAP).sum::<usize>();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut y = 24;
    for group in &summary.groups {
        group_of_bars(&mut text, group, y);
        y += group.lines.len() * BAR + GAP;
    }
    text + "</svg>\n"
}

fn group_of_bars(text: &mut String, group: &Group, y: usize) {
    let _ = writeln!(
        text,
        "<text x=\"{LABELS}\" y=\"{y}\" font-weight=\"bold\">{}: {}, CPU us a request</text>",
        group.case.letter, group.case.name
    );
    if let Some((rate, _)) = group.paced {
        let _ = writeln!(
            text,
            "<text x=\"{RIGHT}\" y=\"{y}\" font-weight=\"bold\">p99 ms at {rate} a second</text>"
        );
    }
    let cpu = |line: &Line| Some(line.cpu_us.median);
    let p99 = |line: &Line| line.p99_ms.map(|p99| p99.median);
    let longest = |of: &dyn Fn(&Line) -> Option<f64>| group.lines.iter().filter_map(of).fold(1e-9, f64::max);
    for (i, line) in group.lines.iter().enumerate() {
        let top = y + 8 + i * BAR;
        let middle = top + BAR - 5;
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LABELS - 8,
            line.peer.name()
        );
        bar(text, line, (LABELS, top), cpu(line).map(|us| (us / longest(&cpu), format!("{us:.1}"))));
        bar(text, line, (RIGHT, top), p99(line).map(|ms| (ms / longest(&p99), format!("{ms:.2}"))));
    }
}

fn bar(text: &mut String, line: &Line, (x, y): (usize, usize), value: Option<(f64, String)>) {
    let Some((share, said)) = value else { return };
    let colour = if line.peer == Peer::Portico { "#1b6ca8" } else { "#b8c4cc" };
    let (length, end) = (share * LONGEST, x as f64 + share * LONGEST + 6.0);
    let _ = writeln!(
        text,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{end:.1}\" y=\"{}\">{said}</text>",
        BAR - 4,
        y + BAR - 5,
    );
}
