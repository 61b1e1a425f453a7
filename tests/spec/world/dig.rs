//! dig, of BIND: a client of DNS that is not ours, asked as a user would.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What dig printed.
#[derive(Debug)]
pub(crate) struct Dug(String);

/// Asks a server. Arguments as dig takes them: `["www.example", "AAAA", "+tcp"]`.
pub(crate) fn dig(server: SocketAddr, arguments: &[&str]) -> Dug {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let mut command = Command::new("dig");
    // No file of the machine's user has a say.
    command.args(["-r", &at, "-p", &port, "+tries=1", "+time=10"]).args(arguments);
    of_itself_again(|| {
        let output = command.output().expect("dig, of bind9-dnsutils");
        vec![Dug(String::from_utf8_lossy(&output.stdout).into_owned())]
    })
    .remove(0)
}

/// dig shares ports with processes of its own user (SO_REUSEPORT): now and then the one that it draws is the server's, and it hears
/// its own question. It asks again then.
fn of_itself_again(mut ask: impl FnMut() -> Vec<Dug>) -> Vec<Dug> {
    loop {
        let dug = ask();
        if dug.iter().all(|one| !one.0.contains(";; flags: ") || one.flags().starts_with("qr")) {
            return dug;
        }
    }
}

/// Asks a server many questions, each a name and a type, one after the other. `file`: where they are written for dig.
pub(crate) fn dig_all(server: SocketAddr, file: &Path, questions: &[(String, &str)]) -> Vec<Dug> {
    let lines: String =
        questions.iter().map(|(name, record_type)| format!("{name} {record_type}\n")).collect();
    std::fs::write(file, lines).unwrap();
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let mut command = Command::new("dig");
    command.args(["-r", &at, "-p", &port, "+tries=3", "+time=5", "+nocookie", "-f"]).arg(file);
    of_itself_again(|| {
        let output = command.output().expect("dig, of bind9-dnsutils");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let dug: Vec<_> = text.split(";; Got answer:").skip(1).map(|one| Dug(one.to_owned())).collect();
        assert_eq!(dug.len(), questions.len(), "each question is answered: {text}");
        dug
    })
}

impl Dug {
    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    fn after(&self, mark: &str) -> &str {
        let rest = self.0.split_once(mark).unwrap_or_else(|| panic!("no {mark:?} in {}", self.0)).1;
        rest.split([',', ';', '\n']).next().unwrap_or_default().trim()
    }

    /// The code: `NOERROR`, `NXDOMAIN` …
    pub(crate) fn status(&self) -> &str {
        self.after("status: ")
    }

    /// The flags that are set, as dig writes them: `qr aa rd`.
    pub(crate) fn flags(&self) -> &str {
        self.after(";; flags: ")
    }

    /// The records of a section (`ANSWER`, `AUTHORITY`, `ADDITIONAL`, `QUESTION`), one space between their parts, sorted.
    pub(crate) fn section(&self, name: &str) -> Vec<String> {
        let Some((_, rest)) = self.0.split_once(&format!(";; {name} SECTION:\n")) else { return Vec::new() };
        let lines = rest.lines().take_while(|line| !line.is_empty());
        let mut records: Vec<_> =
            lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        records.sort();
        records
    }

    /// The records of the answer.
    pub(crate) fn answer(&self) -> Vec<String> {
        self.section("ANSWER")
    }
}
