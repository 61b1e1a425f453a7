//! Many facts brought to what is wanted: decided on a snapshot, written expecting just that, decided anew when others were faster.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use model::{Fact, FactKey, FactKind, Revision, Snapshot};
use registry::{Plan, PublishError, Was};

use super::{name_of, past, writing};
use crate::doors::App;
use crate::problem::Problem;
use crate::weight::weights;
use crate::wire::{Applied, Differing, FactDoc, Refused};

/// How often somebody else may be faster before we give up.
const ATTEMPTS: usize = 8;
/// How long to wait for our own snapshot to show what made a write fail.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How a plan is to be written.
pub(crate) struct Order {
    /// Who writes, for the history.
    pub(crate) who: String,
    /// Write nothing.
    pub(crate) dry_run: bool,
    /// Several writes are fine.
    pub(crate) in_parts: bool,
    /// How a client says that, for the remedy.
    pub(crate) parts_flag: &'static str,
}

/// What the facts shall be.
pub(crate) enum Wanted {
    /// What they were at a revision; with `keep_unknown`, those of which nobody saw what they were stay as they are.
    ///
    /// Of these kinds, and desired ones only: what is observed was so then, which does not make it so now.
    Past { at: Revision, keep_unknown: bool, only: Vec<FactKind> },
    /// These, and with `replace` no others.
    Facts { facts: Vec<Arc<Fact>>, replace: bool },
    /// These gone.
    Gone(Vec<FactKey>),
}

/// Brings the facts to where they are wanted, and says what that took.
pub(crate) async fn apply(app: &App, order: &Order, wanted: &Wanted) -> Result<Applied, Problem> {
    let most = app.doors.registry.max_edits();
    // What the first decision was, once a part of it is written: later ones only name the rest.
    let mut begun: Option<Plan> = None;
    let mut done = 0;
    for _ in 0..ATTEMPTS {
        let snapshot = writing::snapshot(app)?;
        let mut revision = snapshot.revision();
        let (plan, kept) = wanted.decide(app, &snapshot).await?;
        let wishes = plan.steps.iter().map(|step| (&step.key, step.after.as_deref()));
        writing::left_behind(&snapshot, wishes).map_err(|problem| halfway(problem, done))?;
        let writes = plan.writes(&order.who, most);
        if writes.len() > 1 && !order.in_parts && !order.dry_run {
            return Err(too_much(plan.steps.len(), most, order.parts_flag));
        }
        if order.dry_run {
            return Ok(told(app, &plan, kept, writes.len(), revision, true));
        }
        let mut lost = None;
        for write in writes {
            match app.doors.registry.publish(write).await {
                Ok(published) => (revision, done) = (published.revision, done + 1),
                Err(PublishError::Conflict { key, actual }) => {
                    lost = Some((key, actual));
                    break;
                }
                Err(error) => return Err(halfway(writing::refused(&error), done)),
            }
        }
        let plan = if done > 0 { begun.get_or_insert(plan) } else { &plan };
        let Some((key, actual)) = lost else {
            let mut applied = told(app, plan, kept, done, revision, false);
            applied.live = writing::is_live(app, revision).await;
            return Ok(applied);
        };
        catch_up(app, &key, actual).await;
    }
    let detail = format!("the same facts were changed by others {ATTEMPTS} times in the meantime");
    Err(halfway(Problem::new(StatusCode::CONFLICT, "busy", detail, "try again"), done))
}

impl Wanted {
    /// The plan from `now` to what is wanted, and what it leaves alone.
    async fn decide(&self, app: &App, now: &Snapshot) -> Result<(Plan, Vec<Refused>), Problem> {
        let (at, keep_unknown, only) = match self {
            Self::Facts { facts, replace: true } => {
                return Ok((Plan::replacing(now, facts.iter().cloned()), Vec::new()));
            }
            Self::Facts { facts, replace: false } => {
                let facts = facts.iter().map(|fact| (fact.key(), Some(Arc::clone(fact))));
                return Ok((Plan::towards(now, facts), Vec::new()));
            }
            Self::Gone(keys) => {
                return Ok((Plan::towards(now, keys.iter().map(|key| (key.clone(), None))), Vec::new()));
            }
            Self::Past { at, keep_unknown, only } => (*at, *keep_unknown, only),
        };
        // Asked for after `now` was taken: whatever `now` shows is in this part of the history.
        let present = app.doors.registry.snapshots().borrow().revision();
        let touched = app.doors.registry.touched(present, at).await;
        let mut touched = touched.map_err(|error| past::refused(&error))?;
        let is_desired = |was: &Was| !matches!(was, Was::Known(Some(fact)) if !fact.is_desired());
        touched.retain(|touched| {
            let wanted = only.contains(&touched.key.kind());
            wanted && is_desired(&touched.before) && is_desired(&touched.after)
        });
        let unknown = touched.iter().filter(|touched| touched.after == Was::Unknown);
        let unknown: Vec<String> = unknown.map(|touched| name_of(&touched.key)).collect();
        if !unknown.is_empty() && !keep_unknown {
            return Err(past::nobody_saw(&unknown, at));
        }
        let known = touched.into_iter().filter_map(|touched| match touched.after {
            Was::Known(fact) => Some((touched.key, fact)),
            Was::Unknown => None,
        });
        let kept = unknown.into_iter().map(|place| Refused {
            place,
            reason: format!("nobody saw what it said at revision {at}: it was left as it is"),
            remedy: "write it by hand where that is not right".to_owned(),
        });
        Ok((Plan::towards(now, known), kept.collect()))
    }
}

fn too_much(edits: usize, most: usize, flag: &str) -> Problem {
    let detail =
        format!("{edits} facts differ, and this registry writes at most {most} at once, all or nothing");
    let remedy = format!("say {flag} to have it written in parts, each of them all or nothing");
    Problem::new(StatusCode::CONFLICT, "too-much", detail, remedy)
}

fn halfway(problem: Problem, done: usize) -> Problem {
    match done {
        0 => problem,
        done => problem.behind(&format!("{done} parts were written, the rest was not: ")),
    }
}

/// Waits until our snapshot says of `key` what made the write fail, or lets the next attempt tell.
async fn catch_up(app: &App, key: &FactKey, actual: Option<Revision>) {
    let mut snapshots = app.doors.registry.snapshots();
    let shown = snapshots.wait_for(|snapshot| snapshot.get(key).map(|stated| stated.revision) == actual);
    let _ = tokio::time::timeout(CATCH_UP, shown).await;
}

/// The answer; `kept`: facts that were left alone.
fn told(
    app: &App,
    plan: &Plan,
    kept: Vec<Refused>,
    writes: usize,
    revision: Revision,
    dry_run: bool,
) -> Applied {
    let mut applied = Applied {
        dry_run,
        revision: revision.number(),
        unchanged: plan.unchanged,
        writes,
        ignored: kept,
        ..Applied::default()
    };
    for step in &plan.steps {
        *match (&step.before, &step.after) {
            (None, _) => &mut applied.made,
            (Some(_), Some(_)) => &mut applied.changed,
            (Some(_), None) => &mut applied.removed,
        } += 1;
    }
    let size = |step: &&registry::Step| weights([step.before.as_deref(), step.after.as_deref()]);
    let (shown, _) = super::page(plan.steps.iter(), app.config.page, app.config.page_endpoints, size);
    applied.more = plan.steps.len() - shown.len();
    let shown = shown.into_iter();
    applied.changes =
        shown.map(|step| differing(&step.key, step.before.as_deref(), step.after.as_deref())).collect();
    applied
}

/// A difference, both of whose sides are known.
pub(crate) fn differing(key: &FactKey, before: Option<&Fact>, after: Option<&Fact>) -> Differing {
    let doc = |fact: Option<&Fact>| fact.map(FactDoc::from);
    Differing { frontend: name_of(key), before: doc(before), after: doc(after), unknown: Vec::new() }
}
