//! What a controller counts, and how what it launched stands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use control::Control;
use control::metrics::{Histogram, Totals};
use control::plan::HostView;
use model::{InstanceState, Snapshot, Stage};

use super::exposition::Exposition;

/// The most services that are told by name, the first ones: the sums of the others are told without one.
const SERVICES: usize = 500;
/// How a host's engine may be.
const HOST_STATES: [&str; 4] = ["up", "silent", "lost", "unknown"];

/// Adds what a controller counted so far; of facts and hosts only where it controls: sums over nodes would count them twice.
pub(super) fn expose(out: &mut Exposition, control: &Control, facts: &Snapshot, now: Instant) {
    let (totals, outlook) = (control.totals(), control.outlook());
    let help = "1 while this node controls what is launched.";
    out.gauge("portico_control_leading", help, f64::from(u8::from(outlook.leads)));
    of_work(out, &totals);
    if outlook.leads {
        of_hosts(out, control, &outlook.hosts, now);
        let help = "Images that are being fetched and of which an engine said how large they are.";
        out.gauge("portico_control_pulling_images", help, outlook.pulls.len() as f64);
        of_services(out, facts);
    }
}

fn of_work(out: &mut Exposition, totals: &Totals) {
    let help = "How long turns of the controller took: looking, deciding, writing.";
    histogram(out, "portico_control_turn_duration_seconds", help, &totals.turns);
    let help = "Calls to engines that ended, by host, by what was asked, and by how they ended: done, refused by the engine, unreachable \
                (no answer in time), given_up (nobody waited any more).";
    let calls = totals.calls.iter();
    let calls = calls.map(|((host, call, ended), count)| (vec![host.as_str(), *call, ended.name()], *count));
    out.counters_by("portico_control_engine_calls_total", help, &["host", "call", "outcome"], calls);
    let help = "How long images were fetched, whatever came of it.";
    histogram(out, "portico_control_pull_duration_seconds", help, &totals.pulls);
    let rollouts = [("done", totals.rollouts_done), ("failed", totals.rollouts_failed)];
    let help = "Versions of services that ended on their way: done (they run), failed (rolled back where there was one to go back to).";
    out.counters("portico_control_rollouts_total", help, "outcome", rollouts);
    let hooks = totals.hooks.iter().map(|((hook, failed), count)| {
        (vec![hook.as_str(), if *failed { "failed" } else { "done" }], *count)
    });
    let help = "Hooks that ended, by their name in control.hooks and by outcome.";
    out.counters_by("portico_control_hooks_total", help, &["hook", "outcome"], hooks);
    let help = "From when an instance got its place to when it was healthy.";
    histogram(out, "portico_control_start_duration_seconds", help, &totals.healthy);
    let help = "From when an instance left every set to when its container was gone.";
    histogram(out, "portico_control_stop_duration_seconds", help, &totals.stopped);
}

fn histogram(out: &mut Exposition, name: &str, help: &str, histogram: &Histogram) {
    out.buckets(name, help, histogram.cumulative(), histogram.count, histogram.sum.as_secs_f64());
}

fn of_hosts(
    out: &mut Exposition,
    control: &Control,
    hosts: &BTreeMap<model::HostName, HostView>,
    now: Instant,
) {
    let state = |view: &HostView| match (view.silent, view.listed) {
        (Some(_), _) if control.is_lost(view) => "lost",
        (Some(_), _) => "silent",
        (None, Some(_)) => "up",
        (None, None) => "unknown",
    };
    let states = hosts.iter().flat_map(|(host, view)| {
        let is = state(view);
        HOST_STATES.map(|one| (vec![host.as_str(), one], f64::from(u8::from(one == is))))
    });
    let help = "1 for how the engine of a host is: up, silent (it does not answer), lost (for longer than control.host_grace), unknown (not \
                asked yet).";
    out.gauges("portico_control_host_state", help, &["host", "state"], states);
    let silent = hosts.iter().map(|(host, view)| {
        let silent = view.silent.map(|since| now.saturating_duration_since(since));
        (vec![host.as_str()], silent.unwrap_or_default().as_secs_f64())
    });
    let help = "For how long the engine of a host has not answered; 0 while it does.";
    out.gauges("portico_control_host_silent_seconds", help, &["host"], silent);
}

fn of_services(out: &mut Exposition, facts: &Snapshot) {
    let launched = facts.services().filter(|(service, _)| service.launch.is_some());
    let names: BTreeSet<&str> = launched.map(|(service, _)| service.name.as_str()).take(SERVICES).collect();
    let mut stages: BTreeMap<(&str, Stage), u32> = BTreeMap::new();
    let mut healthy: BTreeMap<&str, u32> = names.iter().map(|name| (*name, 0)).collect();
    for (instance, _) in facts.instances() {
        let Some(run) = &instance.run else { continue };
        let service = names.get(instance.service.as_str()).copied().unwrap_or("");
        *stages.entry((service, run.stage)).or_default() += 1;
        let counts = healthy.entry(service).or_default();
        *counts += u32::from(instance.state == InstanceState::Healthy);
    }
    let help = "Instances that were launched or joined by labels, by service (the first 500; the others without a name) and by stage.";
    let stages = stages.iter().map(|((service, stage), n)| (vec![*service, stage.name()], f64::from(*n)));
    out.gauges("portico_control_instances", help, &["service", "stage"], stages);
    let help = "Those of them that are healthy, by service.";
    let healthy = healthy.iter().map(|(service, n)| (vec![*service], f64::from(*n)));
    out.gauges("portico_control_healthy_instances", help, &["service"], healthy);
    let progressing = facts.deployments();
    let progressing = progressing.filter(|(it, _)| it.state == model::DeploymentState::Progressing).count();
    let help = "Services that are not as they are wanted yet.";
    out.gauge("portico_control_progressing_services", help, progressing as f64);
}
