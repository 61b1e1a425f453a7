//! What DNS counts.

use dnsd::Dnsd;
use dnsd::metrics::Limit;
use dnsd::wire::Code;

use super::exposition::Exposition;

/// Adds what DNS counted so far.
pub(super) fn expose(out: &mut Exposition, dns: &Dnsd) {
    let (totals, zones) = (dns.totals(), dns.zones());
    let over = [("udp", totals.udp), ("tcp", totals.tcp)];
    out.counters("portico_dns_messages_total", "DNS messages that came, by transport.", "transport", over);
    let answers = Code::ALL.iter().map(|code| code.name()).zip(totals.answers);
    out.counters("portico_dns_answers_total", "DNS answers, by code.", "code", answers);
    let help = "DNS answers that did not fit and were cut (TC): the client asks again over TCP.";
    out.counter("portico_dns_truncated_total", help, totals.truncated);
    let help = "DNS messages that are not answered: answers themselves, or shorter than a head.";
    out.counter("portico_dns_ignored_total", help, totals.dropped);
    let help = "DNS answers over UDP above dns.rate_limit, by what was done: not sent, or sent cut (TC).";
    let limited = [("dropped", totals.limited), ("slipped", totals.slipped)];
    out.counters("portico_dns_rate_limited_total", help, "action", limited);
    out.counter("portico_dns_unsent_total", "DNS answers that the system did not send.", totals.unsent);
    out.counter("portico_dns_connections_total", "TCP connections to DNS accepted.", totals.connections);
    let limits = Limit::ALL.iter().map(|(_, name)| *name).zip(totals.limits);
    let help = "TCP connections to DNS that were closed, by the setting (dns.…) that they met.";
    out.counters("portico_dns_limits_total", help, "limit", limits);
    let help = "Questions that ended in a panic, which is a defect of portico.";
    out.counter("portico_dns_panics_total", help, totals.panics);
    out.gauge("portico_dns_zones", "Zones that are answered from.", zones.zones().len() as f64);
    let help = "Zones whose names are not told any more: the registry is lost for longer than dns.max_age.";
    out.gauge("portico_dns_zones_too_old", help, zones.too_old() as f64);
    let help = "The revision questions are answered at.";
    out.gauge("portico_dns_serving_revision", help, zones.revision().number() as f64);
}
