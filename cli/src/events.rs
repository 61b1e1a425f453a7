//! `portico events`: what happens, as it does.

use std::io::Write;

use admin::wire::{Event, Member};
use clap::Args;

use crate::answer::Answer;
use crate::client::Client;
use crate::fact::says;
use crate::failure::Failure;
use crate::frontend::line;
use crate::json;
use crate::name::encode;

const EXAMPLES: &str = "\
Examples:
  portico events
  portico events --type _http._tcp
  portico events --type _http._tcp --json

It ends when the server does, or after admin.connection_lifetime (5 min); asked again, it begins with who is there.";

/// What happens, one line each, as it does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EventsArgs {
    /// Who joins and leaves services of this type (DNS-SD), beginning with who is there [default: every change of a fact]
    #[arg(long = "type", value_name = "TYPE")]
    service_type: Option<String>,
}

/// Runs it, to the end of the stream.
pub(crate) fn run(args: &EventsArgs, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    let query = args.service_type.as_deref().map(|of| format!("?type={}", encode(of))).unwrap_or_default();
    client.lines(&format!("/v1/events{query}"), |told| {
        let text = shown(told, as_json);
        let mut out = std::io::stdout().lock();
        // Who reads no more wants no more.
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    })?;
    Ok(Answer { text: String::new(), json: String::new(), code: 0 })
}

/// What a line of the stream is to whoever reads it; one that is not understood is shown as it came, and steers no terminal.
fn shown(told: &str, as_json: bool) -> String {
    match serde_json::from_str::<Event>(told) {
        Ok(event) if !as_json => text(&event),
        // Within strings only does JSON hold what is to be written in another way.
        Ok(_) => json::safe(told) + "\n",
        Err(_) => line(told),
    }
}

fn text(event: &Event) -> String {
    match event {
        Event::Joined(member) => told("joined", member),
        Event::Moved(member) => told("moved", member),
        Event::Left(member) => told("left", member),
        Event::Present { revision } => line(&format!("{revision} present")),
        Event::Put { revision, key, fact, .. } => line(&format!("{revision} put {key} -> {}", says(fact))),
        Event::Removed { revision, key, .. } => line(&format!("{revision} removed {key}")),
    }
}

fn told(what: &str, member: &Member) -> String {
    let Member { revision, service, instance, addresses, ports, .. } = member;
    let ports = ports.iter().map(|(name, port)| format!(" {name}={port}")).collect::<String>();
    line(&format!("{revision} {what} {service}/{instance} {}{ports}", addresses.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_steers_the_terminal() {
        let event = "{\"event\":\"removed\",\"revision\":8,\"key\":\"a\u{202e}b\"}";
        assert_eq!(shown(event, true), "{\"event\":\"removed\",\"revision\":8,\"key\":\"a\\u202eb\"}\n");
        assert_eq!(shown(event, false), "8 removed a\\u{202e}b\n");
        for as_json in [true, false] {
            assert_eq!(shown("later \u{1b}[2J", as_json), "later \\u{1b}[2J\n");
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let check = |json: &str, expected: &str| {
            assert_eq!(text(&serde_json::from_str(json).unwrap()), expected);
        };
        check(
            r#"{"event":"joined","revision":7,"type":"_http._tcp","service":"web","instance":"web-1",
               "addresses":["10.0.0.7","fd00::7"],"ports":{"http":8080}}"#,
            "7 joined web/web-1 10.0.0.7,fd00::7 http=8080\n",
        );
        check(r#"{"event":"present","revision":7}"#, "7 present\n");
        check(r#"{"event":"removed","revision":8,"key":"service:web"}"#, "8 removed service:web\n");
    }
}
