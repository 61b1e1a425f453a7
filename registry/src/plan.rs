//! From what is to what is wanted: the edits between them, each expecting what it was decided on.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Fact, FactKey, Revision, Snapshot};

use crate::{Edit, Expected, Write};

/// One fact that has to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub key: FactKey,
    /// What it says now.
    pub before: Option<Arc<Fact>>,
    /// What it shall say; `None`: it shall go.
    pub after: Option<Arc<Fact>>,
    /// The revision of what it says now.
    pub revision: Option<Revision>,
}

/// All that has to change, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What has to change.
    pub steps: Vec<Step>,
    /// How many facts are as they are wanted already.
    pub unchanged: usize,
}

impl Plan {
    /// What has to change in `now` so that each of `wanted` is as told (`None`: not there); all others stay. Of several
    /// wishes for one fact the last one counts.
    pub fn towards(now: &Snapshot, wanted: impl IntoIterator<Item = (FactKey, Option<Arc<Fact>>)>) -> Self {
        let wanted: BTreeMap<FactKey, Option<Arc<Fact>>> = wanted.into_iter().collect();
        let mut plan = Self::default();
        for (key, after) in wanted {
            let stated = now.get(&key);
            let before = stated.map(|stated| Arc::clone(&stated.fact));
            if same(before.as_deref(), after.as_deref()) {
                plan.unchanged += 1;
                continue;
            }
            plan.steps.push(Step { key, before, after, revision: stated.map(|stated| stated.revision) });
        }
        plan
    }

    /// What has to change in `now` so that its facts are `wanted` and no others.
    pub fn replacing(now: &Snapshot, wanted: impl IntoIterator<Item = Arc<Fact>>) -> Self {
        let others = now.facts().map(|stated| (stated.fact.key(), None));
        let wanted = wanted.into_iter().map(|fact| (fact.key(), Some(fact)));
        Self::towards(now, others.chain(wanted))
    }

    /// The writes that make it so, each of at most `most` edits, all expecting what is now.
    pub fn writes(&self, who: &str, most: usize) -> Vec<Write> {
        let edit = |step: &Step| Edit {
            key: step.key.clone(),
            fact: step.after.as_deref().cloned(),
            expected: step.revision.map_or(Expected::Absent, Expected::At),
        };
        let parts = self.steps.chunks(most.max(1));
        let write = |part: &[Step]| Write {
            who: who.to_owned(),
            edits: part.iter().map(edit).collect(),
            guards: Vec::new(),
        };
        parts.map(write).collect()
    }
}

/// Whether two facts mean the same: entries of a list that are no endpoints do not count.
fn same(one: Option<&Fact>, other: Option<&Fact>) -> bool {
    match (one, other) {
        (Some(Fact::Frontend(one)), Some(Fact::Frontend(other))) => {
            one.policy == other.policy
                && one.backend.name == other.backend.name
                && one.backend.endpoints == other.backend.endpoints
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use model::{Change, Origin, Stated};

    use super::*;
    use crate::format::native;

    fn fact(text: &str) -> Arc<Fact> {
        let (host, name) = text.split_once('=').expect("host=name");
        let json = format!(r#"{{"host":"{host}","backend":"{name}","endpoints":[]}}"#);
        Arc::new(Fact::Frontend(native::read_frontend(json.as_bytes()).expect("frontend")))
    }

    fn now(facts: &[&str]) -> Snapshot {
        let put = |(fact, n): (&&str, u64)| {
            Change::Put(Stated { fact: self::fact(fact), revision: Revision::new(n), origin: Origin::Native })
        };
        Snapshot::empty().apply(Revision::new(facts.len() as u64), facts.iter().zip(1..).map(put))
    }

    fn shown(plan: &Plan) -> String {
        let steps = plan.steps.iter().map(|step| {
            let what = match (&step.before, &step.after) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            format!("{what}{}", step.key.to_string().replace("frontend:", ""))
        });
        format!("{} ={}", steps.collect::<Vec<_>>().join(" "), plan.unchanged)
    }

    #[test]
    fn only_what_differs_is_written_and_each_edit_expects_what_it_was_decided_on() {
        let now = now(&["a=x", "b=x", "c=x"]);
        let wanted = ["a=x", "b=y", "d=x"].map(fact);
        let keyed = wanted.clone().map(|fact| (fact.key(), Some(fact)));
        let gone = FactKey::parse("frontend:e").expect("key");

        let merged = Plan::towards(&now, keyed.into_iter().chain([(gone, None)]));
        let replaced = Plan::replacing(&now, wanted);

        assert_eq!(shown(&merged), "~b +d =2");
        assert_eq!(shown(&replaced), "~b -c +d =1");
        let writes = replaced.writes("test", 2);
        assert_eq!(writes.iter().map(|write| write.edits.len()).collect::<Vec<_>>(), [2, 1]);
        let expected = [Expected::At(Revision::new(2)), Expected::At(Revision::new(3)), Expected::Absent];
        assert!(writes.iter().flat_map(|write| &write.edits).map(|edit| edit.expected).eq(expected));
    }
}
