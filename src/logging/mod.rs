//! portico's own log: which messages, in which form, on standard error.
//!
//! In: what the parts of the house have to say. Out: lines, in order. Never here: a wait of whoever says something: what standard
//! error does not take is dropped and counted (`queue`).

mod queue;

use std::backtrace::BacktraceStatus;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Format, Log};
use queue::Queue;
pub(crate) use queue::dropped;

/// Changes which messages are logged, while running. Its end waits, for a bounded time, until what was said is written.
#[derive(Debug)]
pub(crate) struct Handle {
    filter: reload::Handle<Targets, tracing_subscriber::Registry>,
    queue: Option<Queue>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.finish();
        }
    }
}

impl Handle {
    /// Takes another level over; one that is malformed was refused when the configuration was read.
    pub(crate) fn set_level(&self, level: &str) {
        if let Ok(targets) = parse_level(level) {
            // It fails only when the subscriber is gone, and with it everything that could be logged.
            let _ = self.filter.reload(targets);
        }
    }
}

/// Starts logging. Called once; a second call changes nothing.
pub(crate) fn start(log: &Log) -> Handle {
    let targets = parse_level(&log.level).unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let (filter, handle) = reload::Layer::new(targets);
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let Ok(queue) = Queue::start() else {
        // Without a thread of its own the log waits for its reader, which is better than no log.
        let _ = registry.with(layer().with_writer(std::io::stderr).with_ansi(colours)).try_init();
        return Handle { filter: handle, queue: None };
    };
    let outcome = match log.format {
        Format::Text => registry.with(layer().with_writer(queue.clone()).with_ansi(colours)).try_init(),
        Format::Json => {
            registry.with(layer().json().flatten_event(true).with_writer(queue.clone())).try_init()
        }
    };
    // It fails only when another subscriber is there already, as in tests.
    let _ = outcome;
    // The standard library's own words of a panic would wait for standard error.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("without a word");
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        let thread = std::thread::current();
        tracing::error!(
            thread = thread.name(),
            place,
            message,
            backtrace = backtrace.map(tracing::field::display),
            "panicked; this is a defect of portico, please report it"
        );
    }));
    Handle { filter: handle, queue: Some(queue) }
}

/// Parses `info` or `info,proxy=debug`.
pub(crate) fn parse_level(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (target, level) =
            part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let level = match level {
            "off" => LevelFilter::OFF,
            other => other.parse::<Level>().map_err(|_| format!("has no level {other:?}"))?.into(),
        };
        targets = match target {
            Some(target) => targets.with_target(target, level),
            None => targets.with_default(level),
        };
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_for_all_or_for_a_part() {
        for fine in ["info", "debug,registry=warn", "off", "warn, proxy=trace"] {
            assert!(parse_level(fine).is_ok(), "{fine}");
        }
        assert_eq!(parse_level("loud").unwrap_err(), "has no level \"loud\"");
        assert_eq!(parse_level("info,proxy=x").unwrap_err(), "has no level \"x\"");
    }
}
