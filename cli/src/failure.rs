//! Why a command could not do its work, and the exit code that says so.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use admin::wire::Problem;

use crate::{json, printable};

/// Why a command could not do its work; named by what the caller does next.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Correct the arguments.
    Usage(String),
    /// Start the server, or name another.
    Unreachable {
        /// Which server.
        server: String,
        /// What happened.
        reason: String,
    },
    /// Name the right port: something answered, but not as an admin listener does.
    Foreign {
        /// Which server.
        server: String,
        /// What it answered.
        answer: String,
    },
    /// Name another file, or see to this one.
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Do what the problem's remedy says.
    Refused(Box<Problem>),
}

impl Failure {
    /// What this command line itself refuses: `detail` says what cannot be, `remedy` what to do about it.
    pub(crate) fn refused(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused(Box::new(Problem {
            kind: "urn:portico:problem:refused".to_owned(),
            title: "Refused".to_owned(),
            status: 0,
            detail: detail.into(),
            remedy: remedy.into(),
            field: None,
            revision: None,
        }))
    }

    /// 1, 2 or 3, as the crate's table says.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::File { .. } => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Foreign { .. } => 3,
        }
    }

    /// As a problem, whatever it is.
    pub(crate) fn problem(&self) -> Problem {
        let problem = |kind: &str, title: &str, detail: String, remedy: &str| Problem {
            kind: format!("urn:portico:problem:{kind}"),
            title: title.to_owned(),
            status: 0,
            detail,
            remedy: remedy.to_owned(),
            field: None,
            revision: None,
        };
        match self {
            Self::Refused(problem) => (**problem).clone(),
            Self::Usage(detail) => problem("usage", "Usage", detail.clone(), ""),
            Self::File { path, reason } => {
                problem("file", "File", format!("{}: {reason}", path.display()), "name another file")
            }
            Self::Unreachable { server, reason } => problem(
                "unreachable",
                "Unreachable",
                format!("cannot reach {server}: {reason}"),
                "start it with `portico run`, or name another with --server or PORTICO_SERVER",
            ),
            Self::Foreign { server, answer } => problem(
                "foreign",
                "Not portico",
                format!("{server} is not portico's admin listener: it answered {answer}"),
                "name the admin address (not the HTTP one) with --server or PORTICO_SERVER",
            ),
        }
    }

    /// One line for people: what and where, then the remedy.
    pub(crate) fn line(&self) -> String {
        let Problem { detail, remedy, field, .. } = self.problem();
        let place = field.filter(|f| !f.is_empty()).map(|f| format!("{f}: ")).unwrap_or_default();
        // Some details say the remedy themselves.
        let remedy = if detail.contains(&remedy) { String::new() } else { format!("; {remedy}") };
        printable::line(&format!("error: {place}{detail}{remedy}")).into_owned()
    }

    /// Prints it to stderr.
    pub(crate) fn print(&self, as_json: bool) -> ExitCode {
        let text = match json::pretty(&self.problem()) {
            Ok(problem) if as_json => problem,
            _ => format!(
                "{}
",
                self.line()
            ),
        };
        // There is nowhere left to say that stderr is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        ExitCode::from(self.code())
    }
}
