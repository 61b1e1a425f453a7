//! Whether this node should get traffic.
//!
//! Ready: there are routes (from the store, or the last known good ones from disk), the proxy serves them, and the process is
//! not taking its leave. A registry that is gone, or whose view is held, does not make a node unready: the last snapshot serves.

use model::Revision;
use proxy::memory::{Memory, Pressure};
use registry::{Link, State};

use crate::doors::App;
use crate::wire::Readiness;

/// This node's readiness now.
pub(crate) fn of(app: &App) -> Readiness {
    let state = app.doors.registry.state().borrow().clone();
    if state.ready {
        app.first.get_or_init(|| app.doors.registry.snapshots().borrow().revision());
    }
    let serving = app.doors.proxy.as_ref().map(|proxy| proxy.reports().borrow().serving);
    let dns = app.doors.dns.as_ref().map(|dns| *dns.serving().borrow());
    let serving = Serving { proxy: serving, dns };
    let mut readiness = judge(&state, *app.doors.draining.borrow(), serving, app.first.get().copied());
    if let Some(reason) = app.doors.proxy.as_ref().and_then(|proxy| out_of_memory(proxy.memory())) {
        readiness.ready = false;
        readiness.reasons.push(reason);
    }
    readiness
}

/// The revisions that are served, by the parts that this process has.
#[derive(Clone, Copy)]
struct Serving {
    proxy: Option<Revision>,
    dns: Option<Revision>,
}

/// `first`: the first revision that was worth serving.
fn judge(state: &State, draining: bool, serving: Serving, first: Option<Revision>) -> Readiness {
    let mut reasons = Vec::new();
    if draining {
        reasons.push("this node is draining: it takes its leave".to_owned());
    }
    if !state.ready {
        let why = match &state.link {
            Link::Lost { error } => format!(" ({error})"),
            Link::Connecting | Link::Live => String::new(),
        };
        reasons.push(format!(
            "no routes yet: the registry was not read and there is no last known good copy{why}"
        ));
    }
    for (part, what, serving) in [("the proxy", "routes", serving.proxy), ("DNS", "names", serving.dns)] {
        if let (Some(serving), Some(first)) = (serving, first)
            && serving < first
        {
            reasons.push(format!(
                "{part} does not serve the {what} yet: it is at revision {serving} of {first}"
            ));
        }
    }
    Readiness {
        ready: reasons.is_empty(),
        reasons,
        registry: link_name(&state.link).to_owned(),
        from_cache: state.from_cache,
        held: state.held.is_some(),
    }
}

/// Why a proxy that refuses connections for lack of memory should get none.
fn out_of_memory(memory: Memory) -> Option<String> {
    let limit = memory.limit.filter(|_| memory.pressure == Pressure::Critical)?;
    Some(format!("memory is nearly used up ({} of {limit} octets): new connections are refused", memory.used))
}

/// `live`, `connecting` or `lost`.
pub(crate) fn link_name(link: &Link) -> &'static str {
    match link {
        Link::Connecting => "connecting",
        Link::Live => "live",
        Link::Lost { .. } => "lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(ready: bool, link: Link) -> State {
        State {
            driver: "redis",
            url: "redis://h".into(),
            link,
            follows_by: "",
            ready,
            from_cache: ready,
            confirmed: None,
            saved_ms: None,
            read_only: false,
            held: None,
        }
    }

    fn check(state: &State, draining: bool, serving: Option<u64>, first: Option<u64>, expected: &[&str]) {
        let serving = Serving { proxy: serving.map(Revision::new), dns: None };
        let readiness = judge(state, draining, serving, first.map(Revision::new));
        assert_eq!(readiness.ready, expected.is_empty());
        assert_eq!(readiness.reasons.len(), expected.len(), "{:?}", readiness.reasons);
        for (reason, part) in readiness.reasons.iter().zip(expected) {
            assert!(reason.contains(part), "{reason:?} does not say {part:?}");
        }
    }

    #[test]
    fn a_node_without_memory_for_another_connection_is_not_ready() {
        let memory = |pressure| Memory { pressure, used: 96, limit: Some(100) };
        assert_eq!(out_of_memory(memory(Pressure::High)), None);
        assert!(out_of_memory(memory(Pressure::Critical)).is_some_and(|why| why.contains("96 of 100")));
    }

    #[test]
    fn a_node_whose_dns_lags_is_not_ready() {
        let at = |revision| Serving { proxy: Some(Revision::new(7)), dns: Some(Revision::new(revision)) };
        let judged = |revision| judge(&state(true, Link::Live), false, at(revision), Some(Revision::new(7)));
        assert!(judged(7).ready && judged(8).ready);
        assert_eq!(judged(6).reasons, ["DNS does not serve the names yet: it is at revision 6 of 7"]);
    }

    #[test]
    fn a_node_is_ready_when_it_serves_routes_and_stays() {
        let lost = Link::Lost { error: "connection refused".into() };
        check(&state(true, Link::Live), false, Some(7), Some(7), &[]);
        check(&state(true, lost.clone()), false, Some(9), Some(7), &[]);
        check(&state(true, Link::Live), false, None, Some(7), &[]);
        check(&state(true, Link::Live), false, Some(6), Some(7), &["revision 6 of 7"]);
        check(&state(true, Link::Live), true, Some(7), Some(7), &["draining"]);
        check(&state(false, lost), false, Some(0), None, &["connection refused"]);
        check(&state(false, Link::Connecting), true, Some(0), None, &["draining", "no routes"]);
    }
}
