//! What DNS counts.

use dnsd::Dnsd;
use dnsd::forward::Forwarded;
use dnsd::metrics::Limit;
use dnsd::wire::Code;

use super::exposition::Exposition;

/// Adds what DNS counted so far.
pub(super) fn expose(out: &mut Exposition, dns: &Dnsd) {
    let (totals, served) = (dns.totals(), dns.served());
    let over = [("udp", totals.udp), ("tcp", totals.tcp)];
    out.counters("portico_dns_messages_total", "DNS messages that came, by transport.", "transport", over);
    let answers = Code::ALL.iter().map(|code| code.name()).zip(totals.answers);
    out.counters("portico_dns_answers_total", "DNS answers, by code.", "code", answers);
    let help = "DNS answers that did not fit and were cut (TC): the client asks again over TCP.";
    out.counter("portico_dns_truncated_total", help, totals.truncated);
    let help = "Zones that were begun to be handed over to other servers.";
    out.counter("portico_dns_transfers_total", help, totals.transfers);
    let help = "DNS messages that are not answered: answers themselves, or shorter than a head.";
    out.counter("portico_dns_ignored_total", help, totals.dropped);
    let help = "DNS answers over UDP above dns.rate_limit, by what was done: not sent, or sent cut (TC).";
    let limited = [("dropped", totals.limited), ("slipped", totals.slipped)];
    out.counters("portico_dns_rate_limited_total", help, "action", limited);
    out.counter("portico_dns_unsent_total", "DNS answers that the system did not send.", totals.unsent);
    out.counter("portico_dns_connections_total", "TCP connections to DNS accepted.", totals.connections);
    let limits = Limit::ALL.iter().map(|(_, name)| *name).zip(totals.limits);
    let help = "TCP connections to DNS that were closed, and transfers refused, by the setting (dns.…) that they met.";
    out.counters("portico_dns_limits_total", help, "limit", limits);
    let help = "Questions that ended in a panic, which is a defect of portico.";
    out.counter("portico_dns_panics_total", help, totals.panics);
    let help = "DNS messages that are answered later: an upstream is asked first, for example.";
    out.counter("portico_dns_later_total", help, totals.later);
    let help = "Those of them that were refused at once (SERVFAIL), because too many waited.";
    out.counter("portico_dns_later_refused_total", help, totals.later_refused);
    if let Some(forwarded) = dns.forwarded() {
        expose_forwarded(out, &forwarded);
    }
    out.gauge("portico_dns_zones", "Zones that are answered from.", served.zones().zones().len() as f64);
    let help = "Zones whose names are not told any more: the registry is lost for longer than dns.max_age.";
    out.gauge("portico_dns_zones_too_old", help, served.zones().too_old() as f64);
    let help = "The revision questions are answered at.";
    out.gauge("portico_dns_serving_revision", help, served.zones().revision().number() as f64);
}

/// What was forwarded.
fn expose_forwarded(out: &mut Exposition, counted: &Forwarded) {
    let by = [("udp", counted.asked), ("tcp", counted.asked_over_tcp)];
    let help =
        "Questions sent to upstreams (dns.forward), by transport: over TCP those whose answer was cut.";
    out.counters("portico_dns_upstream_questions_total", help, "transport", by);
    let by = [("late", counted.late), ("failed", counted.failures), ("unfit", counted.unfit)];
    let help = "What went wrong with upstreams: late (another one is asked), failed (unreachable, or an error as answer), unfit (an \
                answer to nothing that was asked, ignored).";
    out.counters("portico_dns_upstream_faults_total", help, "fault", by);
    let by = [("cache", counted.hits), ("joined", counted.joined), ("unanswered", counted.unanswered)];
    let help = "Forwarded questions that were answered from the cache, joined the same one on its way, or nobody could answer.";
    out.counters("portico_dns_forwarded_total", help, "outcome", by);
    let help = "Questions for other names by clients that are not in dns.forward_allow.";
    out.counter("portico_dns_forward_refused_total", help, counted.refused);
    out.gauge("portico_dns_cached_answers", "Answers of upstreams in the cache.", counted.kept as f64);
}
