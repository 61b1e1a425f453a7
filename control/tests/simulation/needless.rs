//! What runs as it is wanted is left alone: whoever leaves has a reason that anybody can see.

use model::{Fact, FactKey, HostName, Instance, Snapshot, Stage, Version};

use crate::check::{Check, instance};
use crate::fleet::Machine;
use crate::registry::Written;
use crate::tried::wanted_of;

impl Check {
    /// Whoever leaves is of an old version, of a host that is drained or was lost, or one too many.
    pub(crate) fn is_needed(&self, written: &Written, machines: &[Machine]) -> Result<(), String> {
        let planned_by = self.planned_by(written);
        for difference in written.after.diff(&written.before) {
            let Some((before, version)) = stays(&written.before, &difference.key) else {
                self.is_missing(written, &planned_by, &difference.key, machines)?;
                continue;
            };
            if stays(&written.after, &difference.key).is_some() {
                continue;
            }
            let host = before.host.as_ref();
            if machines.iter().any(|machine| Some(&machine.host.name) == host && machine.was_lost) {
                continue;
            }
            if instance(&written.after, &difference.key).is_none() {
                return Err(format!("{} is forgotten while {host:?} is there", difference.key));
            }
            let service = &before.service;
            let of_it = written.before.instances_of(service).filter(|(other, _)| {
                stays(&written.before, &other.key()).is_some_and(|(_, other)| other == version)
            });
            let there = of_it.count();
            let is_needed = |facts: &&Snapshot| {
                wanted_of(facts, service, version).is_none_or(|wanted| there > wanted)
                    || host.is_none_or(|host| is_draining(facts, host))
            };
            if !planned_by.iter().any(is_needed) {
                let reason = instance(&written.after, &difference.key).and_then(|it| it.run.as_deref());
                return Err(format!("{} leaves needlessly: {reason:?}", difference.key));
            }
        }
        Ok(())
    }

    /// Whoever is placed is one that was missing: fewer were there than are wanted, on hosts that keep what they have.
    fn is_missing(
        &self,
        written: &Written,
        planned_by: &[&Snapshot],
        key: &FactKey,
        machines: &[Machine],
    ) -> Result<(), String> {
        let Some((placed, version)) = stays(&written.after, key) else { return Ok(()) };
        let is_kept = |host: &HostName| {
            let is_lost = machines.iter().any(|machine| machine.host.name == *host && machine.was_lost);
            !is_lost && !planned_by.iter().any(|facts| is_draining(facts, host))
        };
        let of_it = written.before.instances_of(&placed.service).filter(|(other, _)| {
            stays(&written.before, &other.key()).is_some_and(|(_, other)| other == version)
                && other.host.as_ref().is_some_and(is_kept)
        });
        let (there, most) = (
            of_it.count(),
            planned_by.iter().filter_map(|facts| wanted_of(facts, &placed.service, version)).max(),
        );
        if there >= most.unwrap_or(0) {
            return Err(format!("{key} is placed needlessly: {there} of it are there, {most:?} are wanted"));
        }
        Ok(())
    }
}

/// An instance that is not on its way out, and its version.
fn stays<'a>(facts: &'a Snapshot, key: &FactKey) -> Option<(&'a Instance, Version)> {
    let instance = instance(facts, key)?;
    let run = instance.run.as_ref()?;
    (!matches!(run.stage, Stage::Draining | Stage::Stopping)).then_some((instance, run.version))
}

fn is_draining(facts: &Snapshot, host: &HostName) -> bool {
    match facts.get(&FactKey::Host(host.clone())).map(|stated| &*stated.fact) {
        Some(Fact::Host(host)) => host.draining,
        _ => true,
    }
}
