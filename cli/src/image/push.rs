//! `portico image push`: the engine of a host sends an image.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use admin::wire::{PushImage, Pushing};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::frontend::line;
use crate::name::encode;
use crate::named::Kind;
use crate::{printable, terminal};

const EXAMPLES: &str = "\
Examples:
  portico image push registry.example.com/shop/web:2 --host node-1
  portico image push 127.0.0.1:5000/web --host node-1

The node that controls has the credentials (control.login). What an engine began to send it sends to its end.";

/// Lines are not told more often than that, where there is no terminal; nor is a push asked for again sooner.
const PAUSE: Duration = Duration::from_secs(1);

/// Let the engine of a host send an image to the registry that its name begins with
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PushArgs {
    /// Which: REGISTRY/NAME[:TAG]; without a tag, `latest`
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The host whose engine has it
    #[arg(long, value_name = "NAME")]
    host: String,
}

/// Runs it.
pub(crate) fn run(args: &PushArgs, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    let path = format!("/v1/hosts/{}/images/push", encode(&args.host));
    let asked = PushImage { image: args.image.clone() };
    let mut view = View { image: &args.image, as_json, told: None };
    loop {
        let (begin, mut last) = (Instant::now(), None);
        let ended = client.post_lines(&path, &asked, |told| {
            match serde_json::from_str(told) {
                Ok(Pushing::Progress { done, of }) => view.show(done, of),
                Ok(other) => last = Some(other),
                Err(_) => {}
            }
            true
        });
        ended.map_err(|failure| Kind::Host.not_found(failure, &args.host, client))?;
        view.end();
        match last {
            Some(Pushing::Failed { failed }) => return Err(Failure::refused(failed, "")),
            Some(Pushing::Pushed { ref pushed, ref digest }) => {
                let text = match digest.is_empty() {
                    true => format!("{pushed}: sent"),
                    false => format!("{pushed}: sent ({digest})"),
                };
                return Answer::new(&last, line(&text));
            }
            // The server ends a stream when its connection is old enough: the engine goes on, and is asked how far it is.
            _ => thread::sleep(PAUSE.saturating_sub(begin.elapsed())),
        }
    }
}

/// How far it is, for who looks.
struct View<'a> {
    image: &'a str,
    as_json: bool,
    told: Option<Instant>,
}

impl View<'_> {
    fn show(&mut self, done: u64, of: u64) {
        if self.as_json || of == 0 {
            return;
        }
        let line = printable::line(&format!("{}: {}", self.image, amount(done, of))).into_owned();
        let text = match terminal::width() {
            Some(width) => format!("\r{}\x1b[K", terminal::cut(&line, width)),
            None if self.told.is_some_and(|told| told.elapsed() < PAUSE) => return,
            None => format!("{line}\n"),
        };
        self.told = Some(Instant::now());
        write(&text);
    }

    /// The line of a terminal is free again.
    fn end(&mut self) {
        if self.told.take().is_some() && terminal::width().is_some() {
            write("\r\x1b[K");
        }
    }
}

/// There is nobody to tell that nobody reads.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// `12 of 40 MiB`.
fn amount(done: u64, of: u64) -> String {
    let (shift, unit) = if of >= 1 << 20 { (20, "MiB") } else { (10, "KiB") };
    format!("{} of {} {unit}", done >> shift, of.div_ceil(1 << shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_told_in_a_unit_that_fits() {
        assert_eq!(amount(12 << 20, 40 << 20), "12 of 40 MiB");
        assert_eq!(amount(1000, 1025), "0 of 2 KiB");
    }
}
