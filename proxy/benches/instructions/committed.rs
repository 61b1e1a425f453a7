//! The committed figures: a name and a count a line, and by which compiler and for which architecture.

use std::path::PathBuf;
use std::process::Command;

/// The file, from the root of the repository.
pub(crate) const FILE: &str = "proxy/benches/instructions/committed.txt";

const ABOUT: &str = "\
# Instructions of one request in each case. `cargo bench -p proxy --bench instructions` fails where more than 3 % are added;
# `-- --accept` writes this file. Whoever commits it says what the instructions are spent for.
";

/// One case.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) count: u64,
}

/// What the file says, or would say now.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Compiler and architecture.
    pub(crate) by: String,
    pub(crate) rows: Vec<Row>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/committed.txt")
}

impl Committed {
    /// Reads the file. What is not there was not committed.
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let mut committed = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
            else {
                continue;
            };
            match value.parse() {
                Ok(count) => committed.rows.push(Row { name: name.to_owned(), count }),
                Err(_) => committed.by = value.to_owned(),
            }
        }
        committed
    }

    /// What was counted just now.
    pub(crate) fn now(rows: Vec<Row>) -> Self {
        // Cargo's own compiler: this program was made by it a moment ago.
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let said =
            Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let version: Vec<&str> = said.split_whitespace().take(2).collect();
        Self { by: format!("{}, {}", version.join(" "), std::env::consts::ARCH), rows }
    }

    /// Writes the file.
    pub(crate) fn write(&self) {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let rows = self.rows.iter().map(|row| format!("{:width$} = {}\n", row.name, row.count));
        let text = format!("{ABOUT}{:width$} = {}\n{}", "by", self.by, rows.collect::<String>());
        std::fs::write(path(), text).unwrap();
    }

    /// The architecture that was counted for; empty when nothing was.
    pub(crate) fn architecture(&self) -> &str {
        self.by.rsplit(", ").next().unwrap_or_default()
    }

    /// The count of the case of this name.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.rows.iter().find(|row| row.name == name).map(|row| row.count)
    }
}
