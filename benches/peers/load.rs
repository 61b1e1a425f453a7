//! As much load as one core can make (wrk), and what the proxy took for it.

use std::time::{Duration, Instant};

use crate::case::Case;
use crate::machine::{CoreTime, LOAD_CORE, PROXY_CORE, on_core, taken};
use crate::peer::{HOST, Running};

/// What one measurement says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// CPU microseconds of the proxy's processes for each request.
    pub(crate) cpu_us: f64,
    pub(crate) requests_per_second: f64,
    /// Of the proxy's core, how much the proxy used: 1 is all …
    pub(crate) proxy_busy: f64,
    /// … and how much others did.
    pub(crate) others: f64,
    /// Of the load's core, how much was used.
    pub(crate) load_busy: f64,
    /// Resident memory of the proxy, in MB.
    pub(crate) resident_mb: f64,
    pub(crate) errors: u64,
}

/// Loads `running` for `time`, after a second that does not count.
pub(crate) fn measure(running: &Running, case: &Case, time: Duration) -> Figures {
    wrk(running, case, Duration::from_secs(1));
    let cores = [LOAD_CORE, PROXY_CORE].map(CoreTime::of);
    let (before, began) = (taken(running.process()), Instant::now());
    let said = wrk(running, case, time);
    let (elapsed, after) = (began.elapsed().as_secs_f64(), taken(running.process()));
    let [load_busy, core_busy] =
        [0, 1].map(|i| CoreTime::of([LOAD_CORE, PROXY_CORE][i]).busy_since(cores[i]));
    let (requests, errors) = read(&said, case);
    let cpu = (after.cpu_ns - before.cpu_ns) as f64;
    let proxy_busy = cpu / 1e9 / elapsed;
    Figures {
        cpu_us: cpu / 1e3 / requests.max(1) as f64,
        requests_per_second: requests as f64 / elapsed,
        proxy_busy,
        others: (core_busy - proxy_busy).max(0.0),
        load_busy,
        resident_mb: after.resident_kib as f64 / 1024.0,
        errors,
    }
}

fn wrk(running: &Running, case: &Case, time: Duration) -> String {
    let (connections, seconds) = (format!("-c{}", case.connections), format!("-d{}s", time.as_secs().max(1)));
    let (host, url) = (format!("Host: {HOST}"), format!("http://{}{}", running.http, case.path));
    let mut arguments = vec!["-t1", &connections, &seconds, "--timeout", "5s", "-H", &host];
    if case.close {
        arguments.extend(["-H", "Connection: close"]);
    }
    arguments.push(&url);
    let output = on_core(LOAD_CORE, "wrk", &arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Requests and errors in what wrk said.
fn read(said: &str, case: &Case) -> (u64, u64) {
    let number = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap_or(0);
    let requests = said.lines().find(|line| line.contains("requests in"));
    let requests = requests.unwrap_or_else(|| panic!("wrk did not run to its end:\n{said}"));
    let requests = number(requests.split_whitespace().next().unwrap_or_default());
    let refused = said
        .lines()
        .find_map(|line| line.split_once("Non-2xx or 3xx responses:"))
        .map_or(0, |(_, n)| number(n));
    let broken = said.lines().find_map(|line| line.split_once("Socket errors:")).map_or(0, |(_, errors)| {
        let of = |kind: &str| errors.split(',').find_map(|e| e.trim().strip_prefix(kind)).map_or(0, number);
        // With a connection each, wrk takes every close for an error of reading.
        of("connect") + of("write") + of("timeout") + if case.close { 0 } else { of("read") }
    });
    (requests, refused + broken)
}
