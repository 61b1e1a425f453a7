//! The command line: arguments in, a [`Command`] out.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Assignment, Place, Sources, Value};

/// What stands below `portico --help`.
const EXAMPLES: &str = "\
Examples:
  portico demo
      Start everything on this machine, with two small origins, and print what to try.
  portico run --http 0.0.0.0:80 --data /var/lib/portico
      Serve port 80 by the routes in portico's own registry.
  portico run --registry redis://127.0.0.1:6379/0
      Serve by the routes that hipache users keep in Redis.
  portico run --config /etc/hipache.json
      Take hipache's place, with its configuration as it is.
  portico frontend add www.example.com http://10.0.0.7:8000 http://10.0.0.8:8000
      Route a host to two endpoints (asks the admin API of a running portico).

Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong usage, 3 the admin API cannot be reached.";

/// The front door of a fleet of containers: an HTTP proxy on a live registry.
#[derive(Debug, Parser)]
#[command(name = "portico", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) server: cli::GlobalArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: proxy, DNS, registry and admin in one process.
    Run(Run),
    /// Start everything in a temporary folder with two origins of its own, and print what to try.
    Demo,
    /// Read a configuration and say what it would do, without doing it.
    Check(Check),
    #[command(flatten)]
    Client(cli::Command),
}

/// `portico run`.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Settings: defaults, then the file, then PORTICO_… variables, then flags; the later one counts.
A setting's variable is PORTICO_ and its key in capitals, the dot as two underscores:
client.head_timeout is PORTICO_CLIENT__HEAD_TIMEOUT. All settings, with defaults and reasons:
config/example.toml.

Signals: SIGTERM and SIGINT end, after requests in flight (a second one at once); SIGHUP reads the
configuration again; SIGUSR1 opens the access log anew."
)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    /// Run only this role; may be repeated.
    #[arg(long, value_name = "ROLE")]
    pub(crate) only: Vec<Role>,
}

/// `portico check`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

/// A part of the house that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// The HTTP data path.
    Proxy,
    /// The DNS data path.
    Dns,
    /// What starts and stops instances.
    Control,
}

/// Flags that are settings.
#[derive(Debug, Args)]
pub(crate) struct SettingFlags {
    /// A TOML file as config/example.toml, or hipache's config.json as it is (also in PORTICO_CONFIG).
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to speak HTTP; may be repeated [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    http: Vec<SocketAddr>,
    /// Where to speak DNS, over UDP and TCP, or `off`; may be repeated [default: 127.0.0.1:8053].
    #[arg(long, value_name = "ADDR|off")]
    dns: Vec<String>,
    /// A zone to serve, in master format; relative names in it are below ORIGIN; may be repeated.
    #[arg(long, value_name = "[ORIGIN=]PATH")]
    zone_file: Vec<String>,
    /// Where to speak the admin API, or `off` [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR|off")]
    admin: Option<String>,
    /// embedded:PATH, memory: or redis://[:password@]host:port/db#prefix; twice: to read from, to write to
    /// [default: embedded: (a file in the data folder)].
    #[arg(long, value_name = "URL")]
    registry: Vec<String>,
    /// Where to keep what must not be lost [default: /var/lib/portico as root, else ~/.local/state/portico].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Threads that serve; 0: one a core [default: 0].
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Where to log accesses: a path, `-` for standard output, or `off` [default: -].
    #[arg(long, value_name = "PATH|off|-", allow_hyphen_values = true)]
    access_log: Option<String>,
    /// Active checks of endpoints: portico's own, and those of a foreign checker that proves itself alive [default: on].
    #[arg(long, value_name = "on|off")]
    active_checks: Option<Switch>,
    /// The form of portico's own log, on standard error [default: text].
    #[arg(long, value_name = "text|json")]
    log_format: Option<String>,
    /// Which messages of its own: error, warn, info, debug, or by part: info,proxy=debug [default: info].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl SettingFlags {
    /// The sources of settings that these flags are part of.
    pub(crate) fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        let mut set = |key, flag, value| flags.push(Assignment { key, value, place: Place::Flag(flag) });
        let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::Text).collect());
        if !self.http.is_empty() {
            set("http.listen", "--http", texts(self.http.iter().map(SocketAddr::to_string).collect()));
        }
        if !self.dns.is_empty() {
            set("dns.listen", "--dns", texts(self.dns.clone()));
        }
        if !self.zone_file.is_empty() {
            set("dns.zone_files", "--zone-file", texts(self.zone_file.clone()));
        }
        if !self.registry.is_empty() {
            set("registry.url", "--registry", texts(self.registry.clone()));
        }
        if let Some(workers) = self.workers {
            set("http.workers", "--workers", Value::Number(i64::try_from(workers).unwrap_or(i64::MAX)));
        }
        if let Some(active) = self.active_checks {
            set("health.active_checks", "--active-checks", Value::Flag(active == Switch::On));
        }
        let data = self.data.as_ref().map(|data| data.display().to_string());
        for (key, flag, text) in [
            ("admin.listen", "--admin", &self.admin),
            ("data", "--data", &data),
            ("access_log.path", "--access-log", &self.access_log),
            ("log.format", "--log-format", &self.log_format),
            ("log.level", "--log-level", &self.log_level),
        ] {
            if let Some(text) = text {
                set(key, flag, Value::Text(text.clone()));
            }
        }
        Sources::new(self.config.clone(), flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_settings() {
        let cli = Cli::try_parse_from([
            "portico",
            "run",
            "--http",
            "127.0.0.1:0",
            "--http",
            "[::1]:0",
            "--admin",
            "off",
            "--registry",
            "memory:",
            "--data",
            "/d",
            "--workers",
            "2",
            "--access-log",
            "-",
            "--active-checks",
            "off",
            "--dns",
            "off",
            "--zone-file",
            "example.com=/z",
            "--only",
            "proxy",
        ]);
        let Command::Run(run) = cli.unwrap().command else { panic!("not run") };
        let mut sources = run.settings.sources();
        sources.variables.clear();
        let settings = sources.load().unwrap().settings;
        assert_eq!(settings.proxy.listen.len(), 2);
        assert_eq!(settings.admin.listen, None);
        assert_eq!(settings.registry.url, ["memory:"]);
        assert_eq!(settings.proxy.workers, 2);
        assert!(!settings.registry.config.active_checks);
        assert_eq!((settings.dns.listen.len(), settings.dns.zone_files.len()), (0, 1));
        assert_eq!(run.only, [Role::Proxy]);
    }
}
