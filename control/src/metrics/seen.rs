//! How long instances are on their way, and what became of versions: read off the facts of each turn.

use std::collections::BTreeMap;
use std::time::Instant;

use model::{DeploymentState, InstanceState, ServiceName, Snapshot, Stage, Version};

use super::Metrics;
use crate::plan::Key;

/// What is remembered from one turn to the next. What was under way before the first one is not measured: nobody saw it begin.
#[derive(Default)]
pub(crate) struct Ages {
    has_looked: bool,
    /// Instances that are not healthy yet, since when.
    coming: BTreeMap<Key, Option<Instant>>,
    /// Instances that leave, since when.
    leaving: BTreeMap<Key, Option<Instant>>,
    /// What the last version of a service came to.
    ended: BTreeMap<ServiceName, (Version, DeploymentState)>,
}

impl Ages {
    /// Looks at the facts of a turn.
    pub(crate) fn look(&mut self, facts: &Snapshot, metrics: &Metrics, now: Instant) {
        let begun = self.has_looked.then_some(now);
        let (mut coming, mut leaving) = (BTreeMap::new(), BTreeMap::new());
        let mut totals = metrics.lock();
        for (instance, _) in facts.instances() {
            let Some(run) = &instance.run else { continue };
            let key = (instance.service.clone(), instance.name.clone());
            match run.stage {
                Stage::Placed | Stage::Running if instance.state == InstanceState::Starting => {
                    let since = self.coming.remove(&key).unwrap_or(begun);
                    coming.insert(key, since);
                }
                Stage::Placed | Stage::Running if instance.state == InstanceState::Unhealthy => {
                    // On its way still, if it ever was.
                    coming.extend(self.coming.remove(&key).map(|since| (key, since)));
                }
                Stage::Running if instance.state == InstanceState::Healthy => {
                    if let Some(since) = self.coming.remove(&key).flatten() {
                        totals.healthy.record(now.saturating_duration_since(since));
                    }
                }
                Stage::Draining | Stage::Stopping => {
                    let since = self.leaving.remove(&key).unwrap_or(begun);
                    leaving.insert(key, since);
                }
                _ => {}
            }
        }
        // What is left is gone.
        for since in self.leaving.values().flatten() {
            totals.stopped.record(now.saturating_duration_since(*since));
        }
        let mut ended = BTreeMap::new();
        for (deployment, _) in facts.deployments() {
            let (service, last) = (&deployment.service, self.ended.remove(&deployment.service));
            let is_over = deployment.state != DeploymentState::Progressing;
            let this = (deployment.version, deployment.state);
            if is_over && self.has_looked && last != Some(this) {
                match deployment.state {
                    DeploymentState::Failed => totals.rollouts_failed += 1,
                    _ => totals.rollouts_done += 1,
                }
            }
            ended.extend(Some(this).filter(|_| is_over).or(last).map(|this| (service.clone(), this)));
        }
        *self = Self { has_looked: true, coming, leaving, ended };
    }
}
