//! Containers that carry our labels and that no fact states: what a lost host, or a controller before, left behind.

use std::time::Duration;

use model::FactKey;

use super::{Labels, Order, Plan, Seen};
use model::Revision;

/// How long a stray has to end.
const GRACE: Duration = Duration::from_secs(10);

/// Ends them: no set has had them since their facts went, which every node that lives has to have served.
pub(crate) fn end(seen: Seen<'_>, plan: &mut Plan) {
    let reach = seen.nodes.reach(seen.facts.revision(), &model::Door::ALL);
    if !reach.laggards.is_empty() {
        return;
    }
    for (host, view) in seen.hosts {
        let Some(_) = seen.view(host, None) else { continue };
        for container in &view.containers {
            let Some(labels) = Labels::of(container).filter(|labels| labels.fleet == seen.config.fleet)
            else {
                continue;
            };
            let key = labels.key();
            let stated = seen.facts.get(&FactKey::Instance { service: key.0.clone(), name: key.1.clone() });
            let is_stated = stated.is_some_and(|stated| match &*stated.fact {
                model::Fact::Instance(instance) => {
                    instance.run.is_some() && instance.host.as_ref() == Some(host)
                }
                _ => false,
            });
            if is_stated || seen.memory.busy.contains(&key) || seen.view(host, Some(&key)).is_none() {
                continue;
            }
            if let Some(step) = super::end(seen, container, None, GRACE) {
                plan.orders.push(Order { key, host: host.clone(), revision: Revision::ZERO, step });
            }
        }
    }
}
