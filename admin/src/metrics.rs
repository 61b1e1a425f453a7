//! `/metrics`: this node's numbers in Prometheus' text format. Numbers of this process only; sums over nodes are the reader's.

mod control;
mod dns;
mod exposition;

use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::ProxyReport;
use proxy::health::check::Checks;
use proxy::memory::Memory;
use proxy::metrics::{Limit, Rejected, Totals, UpstreamFailure};
use proxy::respond::LocalReply;

use crate::api::registry_status;
use crate::doors::App;
use crate::problem::Problem;
use crate::readiness;
use crate::wire::{HeldView, RegistryStatus};
use exposition::Exposition;

/// The format's name (Prometheus exposition format 0.0.4).
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `GET /metrics`
pub(crate) async fn scrape(State(app): State<Arc<App>>) -> Response {
    match expose(&app) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            let remedy = "this is a defect of portico; please report it";
            let detail = format!("the metrics could not be written: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail, remedy).into_response()
        }
    }
}

fn expose(app: &App) -> prometheus::Result<String> {
    let mut out = Exposition::default();
    let doors = &app.doors;
    out.gauges(
        "portico_build_info",
        "Always 1; the labels say what runs.",
        &["version", "node"],
        [(vec![doors.version, &doors.node.0], 1.0)],
    );
    let started = doors.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    out.gauge(
        "process_start_time_seconds",
        "When this process started, since the Unix epoch.",
        started.as_secs_f64(),
    );
    let help = "Messages of portico's own log that standard error did not take in time.";
    out.counter("portico_log_dropped_total", help, (doors.log_dropped)());
    let ready = readiness::of(app).ready;
    out.gauge("portico_ready", "1 while /readyz says 200.", f64::from(u8::from(ready)));
    of_registry(&mut out, &registry_status(app, Instant::now()));
    if let Some(proxy) = &doors.proxy {
        let report = proxy.reports().borrow().clone();
        out.gauge(
            "portico_proxy_serving_revision",
            "The revision new requests are routed by.",
            report.serving.number() as f64,
        );
        out.gauge("portico_dead_endpoints", "Endpoints that are out at this node.", report.dead.len() as f64);
        of_checks(&mut out, proxy.checks(), &report);
        of_memory(&mut out, proxy.memory());
        of_proxy(&mut out, &proxy.totals());
        of_durations(&mut out, &proxy.totals());
        of_workers(&mut out, &proxy.by_worker());
    }
    if let Some(dns) = &doors.dns {
        dns::expose(&mut out, dns);
    }
    if let Some(control) = &doors.control {
        control::expose(&mut out, control, &doors.registry.snapshots().borrow().clone(), Instant::now());
    }
    out.text()
}

fn of_checks(out: &mut Exposition, checks: Checks, report: &ProxyReport) {
    let results = [("passed", checks.passed), ("failed", checks.failed)];
    out.counters("portico_checks_total", "Active checks of endpoints, by result.", "result", results);
    out.gauge(
        "portico_checked_endpoints",
        "Endpoints that are checked, for each frontend.",
        checks.checked as f64,
    );
    let failing = report.dead.iter().filter(|dead| dead.by_check).count();
    out.gauge(
        "portico_failing_endpoints",
        "Endpoints that are out because their check failed.",
        failing as f64,
    );
    let help = "Times that a check was due and as many went on as may at once (health.checks_at_once).";
    out.counter("portico_checks_delayed_total", help, checks.delayed);
    let help = "Results of checks that found the registry's queue full.";
    out.counter("portico_checks_dropped_total", help, checks.dropped);
}

fn of_registry(out: &mut Exposition, registry: &RegistryStatus) {
    let up = f64::from(u8::from(registry.link == "live"));
    out.gauges(
        "portico_registry_up",
        "1 while the registry can be reached and is followed.",
        &["driver"],
        [(vec![registry.driver.as_str()], up)],
    );
    if let Some(age) = registry.age_ms {
        let help = "How long ago the routes were last known to be what the registry says.";
        out.gauge("portico_registry_age_seconds", help, age as f64 / 1000.0);
    }
    of_hold(out, registry.held.as_ref());
    let cached = f64::from(u8::from(registry.from_cache));
    out.gauge(
        "portico_registry_from_cache",
        "1 while the routes are the last known good ones from disk.",
        cached,
    );
    out.gauge("portico_registry_revision", "The revision of the newest snapshot.", registry.revision as f64);
    out.gauge("portico_facts", "Facts in the newest snapshot.", registry.facts as f64);
    let kinds = registry.facts_by_kind.iter().map(|(kind, count)| (vec![kind.as_str()], *count as f64));
    out.gauges("portico_facts_by_kind", "Facts in the newest snapshot, by kind.", &["kind"], kinds);
    let help = "Entries of the registry that are set aside; `portico verify` lists them.";
    out.gauge("portico_quarantined_entries", help, registry.quarantined as f64);
}

/// Always there, so that an alarm needs no `absent()`.
fn of_hold(out: &mut Exposition, held: Option<&HeldView>) {
    let help = "1 while a view of the registry's that suddenly lost most of its frontends is held before it is believed.";
    out.gauge("portico_registry_view_held", help, f64::from(u8::from(held.is_some())));
    let seconds = |ms: Option<u64>| ms.unwrap_or(0) as f64 / 1000.0;
    let help = "For how long it has been held.";
    out.gauge("portico_registry_view_held_seconds", help, seconds(held.map(|held| held.for_ms)));
    let help = "How long until it is believed.";
    out.gauge("portico_registry_view_held_left_seconds", help, seconds(held.map(|held| held.left_ms)));
    let help = "Frontends that are served and that it would remove.";
    out.gauge("portico_registry_view_held_removes", help, held.map_or(0, |held| held.removes) as f64);
}

fn of_memory(out: &mut Exposition, memory: Memory) {
    let help =
        "How near the memory limit is: 1: connections end with the request in hand; 2: new ones are refused.";
    out.gauge("portico_memory_pressure", help, f64::from(memory.pressure as u8));
    if let Some(limit) = memory.limit {
        out.gauge(
            "portico_memory_used_bytes",
            "Octets that count towards the memory limit.",
            memory.used as f64,
        );
        out.gauge("portico_memory_limit_bytes", "The memory limit.", limit as f64);
    }
}

fn of_proxy(out: &mut Exposition, t: &Totals) {
    out.counter("portico_connections_total", "Client connections accepted.", t.connections_accepted);
    let help = "Client connections open now; read thread by thread: one that changes threads meanwhile may count \
                twice or not at all.";
    out.gauge("portico_connections_open", help, t.connections_open() as f64);
    let help =
        "Client connections that went from a thread with more than its share at work to one with less.";
    out.counter("portico_connections_moved_total", help, t.connections_taken);
    out.gauge("portico_requests_in_flight", "Requests in flight now.", t.in_flight() as f64);
    let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let help = "Requests that ended, by class of the status that was sent; none: the client was gone before.";
    out.counters("portico_requests_total", help, "class", classes.into_iter().zip(t.requests_by_class));
    let help = "Answers of portico's own, by kind.";
    out.counters(
        "portico_local_replies_total",
        help,
        "kind",
        LocalReply::NAMES.into_iter().zip(t.local_replies),
    );
    out.counter("portico_received_bytes_total", "Octets read from clients.", t.bytes_in);
    out.counter("portico_sent_bytes_total", "Octets written to clients.", t.bytes_out);
    out.counter(
        "portico_upstream_connects_total",
        "Connections to endpoints that were opened.",
        t.upstream_connects,
    );
    let help = "Requests that went over a connection that was open already.";
    out.counter("portico_upstream_reuses_total", help, t.upstream_reuses);
    let failures = UpstreamFailure::ALL.into_iter().map(UpstreamFailure::name).zip(t.upstream_failures);
    out.counters("portico_upstream_failures_total", "Attempts at an endpoint that failed.", "why", failures);
    out.counter("portico_retries_total", "Further attempts that were made.", t.retries);
    out.counter(
        "portico_retries_denied_total",
        "Further attempts that the budget forbade.",
        t.retries_denied,
    );
    out.counter("portico_dead_marks_total", "Endpoints marked dead by this node.", t.dead_marks);
    let help = "Health reports that found the queue to the registry full.";
    out.counter("portico_health_reports_dropped_total", help, t.health_reports_dropped);
    let help = "Lines of the access log that could not be written.";
    out.counter("portico_access_log_dropped_total", help, t.log_lines_dropped);
    let help = "Exchanges, checks and lookups that were lost to a panic, each a defect of portico.";
    out.counter("portico_panics_total", help, t.panics);
    let help = "Limits that somebody ran into, but for those that show as an answer of portico's own.";
    let limits = Limit::ALL.into_iter().map(Limit::name).zip(t.limits);
    out.counters("portico_limits_reached_total", help, "limit", limits);
    let help = "Connections that a listener's policy kept out before their first request.";
    let rejected = Rejected::ALL.into_iter().map(Rejected::name).zip(t.rejected);
    out.counters("portico_connections_rejected_total", help, "why", rejected);
}

/// By thread, so that one that starves, or has it all, can be seen.
fn of_workers(out: &mut Exposition, workers: &[Totals]) {
    let numbers: Vec<String> = (0..workers.len()).map(|number| number.to_string()).collect();
    let each = || numbers.iter().map(String::as_str).zip(workers);
    let help = "Client connections open now, by the thread that serves them.";
    let open = each().map(|(number, t)| (vec![number], t.connections_open() as f64));
    out.gauges("portico_worker_connections_open", help, &["worker"], open);
    let help = "Requests that ended, by the thread that served them.";
    let ended = each().map(|(number, t)| (number, t.requests()));
    out.counters("portico_worker_requests_total", help, "worker", ended);
}

fn of_durations(out: &mut Exposition, t: &Totals) {
    let help = "From the first octet of a request to the end of its answer.";
    out.histogram("portico_request_duration_seconds", help, &t.duration);
    let help = "The part of it spent with endpoints, of requests that reached one.";
    out.histogram("portico_upstream_duration_seconds", help, &t.upstream_duration);
}
