//! Aligned columns for people.

use crate::printable;

/// Rows under a heading; columns are as wide as their widest value.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with this heading; an empty one has none.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = Self { rows: Vec::new(), indent: 0 };
        if !heading.is_empty() {
            table.row(heading.iter().copied());
        }
        table
    }

    /// The same, moved to the right.
    pub(crate) fn indented(mut self, spaces: usize) -> Self {
        self.indent = spaces;
        self
    }

    /// Adds a row; what could steer a terminal is escaped.
    pub(crate) fn row<V: AsRef<str>>(&mut self, values: impl IntoIterator<Item = V>) {
        self.rows
            .push(values.into_iter().map(|value| printable::line(value.as_ref()).into_owned()).collect());
    }

    /// The rows as lines; no blanks at their ends.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|v| v.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (value, width) in row.iter().zip(&widths) {
                let padding = width - value.chars().count() + 2;
                line.push_str(value);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_value() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(["grüße.example", "1"]);
        table.row(["\x1b[2J", ""]);
        assert_eq!(table.text(), "NAME           N\ngrüße.example  1\n\\u{1b}[2J\n");
    }
}
