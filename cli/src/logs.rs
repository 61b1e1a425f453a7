//! `portico logs`: what the instances of a service print.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use admin::wire::{LogLine, Stream};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::parse_time;
use crate::name::encode;
use crate::named::Kind;
use crate::{escapes, json, printable, terminal};

const EXAMPLES: &str = "\
Examples:
  portico logs web
  portico logs -f --tail 20 web
  portico logs --since 5m --timestamps web/2

What would steer a terminal is left out of what was printed; --raw leaves it in.";

/// Colours of the names before lines (ECMA-48).
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];
/// A stream that ended sooner is not asked for again at once.
const SHORT: Duration = Duration::from_secs(1);

/// What the instances of a service print
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// The service, or one instance of it
    #[arg(value_name = "SERVICE[/INSTANCE]")]
    of: String,
    /// And what they print from now on, also those that start, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines of each that are there
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<u32>,
    /// Only what is not older than that: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<u64>,
    /// Each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// As it was printed, whatever that does to a terminal
    #[arg(long)]
    raw: bool,
}

/// How lines are written.
struct Writer<'a> {
    service: &'a str,
    args: &'a LogsArgs,
    as_json: bool,
    colours: bool,
    /// How wide a name before a line is.
    width: usize,
    /// When the last line of each instance was printed, on standard output and on standard error.
    last: Last,
    /// The same, as it was when the stream was asked for anew: only what comes behind that is written.
    behind: Last,
    /// Why there is more than was told.
    cut: Option<String>,
}

type Last = BTreeMap<(String, bool), String>;

/// Runs it.
pub(crate) fn run(args: &LogsArgs, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    let (service, instance) = match args.of.split_once('/') {
        Some((service, instance)) => (service, Some(instance)),
        None => (&*args.of, None),
    };
    let colours = terminal::width().is_some() && std::env::var_os("NO_COLOR").is_none();
    let (last, behind) = (Last::new(), Last::new());
    let mut writer = Writer { service, args, as_json, colours, width: 0, last, behind, cut: None };
    let mut since = args.since;
    let mut tail = args.tail;
    loop {
        let mut query = format!("follow={}", args.follow);
        instance.iter().for_each(|name| query += &format!("&instance={}", encode(name)));
        tail.iter().for_each(|tail| query += &format!("&tail={tail}"));
        since.iter().for_each(|ms| query += &format!("&since={ms}ms"));
        let (begin, mut is_read) = (Instant::now(), true);
        let path = format!("/v1/services/{}/logs?{query}", encode(service));
        let ended = client.lines(&path, |told| {
            is_read = writer.write(told);
            is_read
        });
        ended.map_err(|failure| meant(failure, service, &args.of, client))?;
        if let Some(why) = writer.cut.take() {
            let remedy = "ask for less with --since or --tail, or raise admin.connection_lifetime";
            return Err(Failure::refused(why, remedy));
        }
        if !args.follow || !is_read {
            return Ok(Answer { text: String::new(), json: String::new(), code: 0 });
        }
        // The server ends a stream when its connection is old enough: what follows is asked for anew.
        writer.behind.clone_from(&writer.last);
        let lasted = begin.elapsed();
        thread::sleep(SHORT.saturating_sub(lasted));
        let lasted = lasted.max(SHORT) + SHORT;
        (tail, since) = (None, Some(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)));
    }
}

/// With what was perhaps meant.
pub(crate) fn meant(failure: Failure, service: &str, of: &str, client: &Client) -> Failure {
    let is_instance =
        matches!(&failure, Failure::Refused(problem) if problem.detail.starts_with("there is no instance"));
    match is_instance {
        true => Kind::Instance.not_found(failure, of, client),
        false => Kind::Service.not_found(failure, service, client),
    }
}

impl Writer<'_> {
    /// Writes what was told; false: nobody reads any more.
    fn write(&mut self, told: &str) -> bool {
        let Ok(line) = serde_json::from_str::<LogLine>(told) else { return true };
        if line.stream == Stream::Cut {
            self.cut = Some(line.text);
            return true;
        }
        if let Some(at) = &line.at {
            let which = (line.instance.clone(), line.stream == Stream::Stderr);
            if self.behind.get(&which).is_some_and(|behind| at <= behind) {
                return true;
            }
            self.last.insert(which, at.clone());
        }
        let mut out = std::io::stdout().lock();
        if self.as_json {
            let text = json::safe(told) + "\n";
            return out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok();
        }
        let text = self.text(&line);
        if line.stream == Stream::Portico {
            return std::io::stderr().lock().write_all(text.as_bytes()).is_ok();
        }
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// `web-1 | hello`.
    fn text(&mut self, line: &LogLine) -> String {
        let name = format!("{}-{}", self.service, line.instance);
        let name =
            if line.instance.starts_with(&format!("{}-", self.service)) { &line.instance } else { &name };
        let name = printable::line(name);
        self.width = self.width.max(name.chars().count());
        let width = self.width;
        let prefix = match self.colours {
            true => format!("\x1b[{}m{name:width$} |\x1b[0m ", colour(&line.instance)),
            false => format!("{name:width$} | "),
        };
        let at = line.at.as_deref().filter(|_| self.args.timestamps);
        let at = at.map(|at| format!("{} ", printable::line(at))).unwrap_or_default();
        let text = match (line.stream, self.args.raw) {
            (Stream::Portico, _) => format!("portico: {}", printable::line(&line.text)),
            (_, true) => line.text.clone(),
            (_, false) => escapes::strip(&line.text),
        };
        format!("{prefix}{at}{text}\n")
    }
}

/// The same for a name, always.
fn colour(name: &str) -> u8 {
    let sum = name.bytes().fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
    COLOURS[sum % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_instance_before_it() {
        let args = |raw, timestamps| LogsArgs {
            of: "web".into(),
            follow: false,
            tail: None,
            since: None,
            timestamps,
            raw,
        };
        let check = |args: &LogsArgs, colours, line: LogLine, expected: &str| {
            let width = 6;
            let mut writer = Writer {
                service: "web",
                args,
                as_json: false,
                colours,
                width,
                last: Last::new(),
                behind: Last::new(),
                cut: None,
            };
            assert_eq!(writer.text(&line), expected);
        };
        let line = |instance: &str, stream, text: &str| LogLine {
            instance: instance.into(),
            stream,
            at: Some("2026-11-28T09:00:00Z".into()),
            text: text.into(),
        };
        let red = "\x1b[31mhello\x1b[0m";
        check(&args(false, false), false, line("1", Stream::Stdout, red), "web-1  | hello\n");
        check(&args(false, false), false, line("web-10", Stream::Stderr, red), "web-10 | hello\n");
        check(&args(true, false), false, line("1", Stream::Stdout, red), &format!("web-1  | {red}\n"));
        check(
            &args(false, true),
            false,
            line("1", Stream::Stdout, "hello"),
            "web-1  | 2026-11-28T09:00:00Z hello\n",
        );
        check(
            &args(true, false),
            false,
            line("1", Stream::Portico, "gone\n"),
            "web-1  | portico: gone\\u{a}\n",
        );
        check(
            &args(false, false),
            true,
            line("1", Stream::Stdout, "hello"),
            "\x1b[33mweb-1  |\x1b[0m hello\n",
        );
    }
}
