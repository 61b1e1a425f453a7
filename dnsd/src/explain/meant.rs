//! Which name may have been meant, where one is not there.

use model::{DomainName, RecordSet};

use super::steps::is_there;
use crate::zone::{Key, Zone, ZoneSet};

/// How many names are looked at for one that is spelled nearly so.
const LOOKED_AT: usize = 100_000;
/// One letter of so many may be another one, be missing, or have changed its place with the next.
const LETTERS: usize = 4;

/// The nearest name above that is there: at last the apex.
pub(super) fn nearest(zone: &Zone, name: &DomainName) -> DomainName {
    let above = std::iter::successors(name.parent(), DomainName::parent);
    let mut within = above.take_while(|name| name.is_at_or_below(zone.apex()));
    within.find(|name| is_there(zone, name)).unwrap_or_else(|| zone.apex().clone())
}

/// The name that `name` would be if its label below `above` were spelled as one that is there.
pub(super) fn below(zone: &Zone, above: &DomainName, name: &DomainName) -> Option<DomainName> {
    let depth = above.label_count();
    let label_at = |name: &DomainName| {
        let count = name.label_count();
        let at = count.checked_sub(depth + 1)?;
        name.labels().nth(at).map(|label| String::from_utf8_lossy(label).to_ascii_lowercase())
    };
    let asked = label_at(name)?;
    let key = Key::of(above);
    let names = zone.behind(key.octets()).take_while(|(other, _)| other.starts_with(key.octets()));
    let mut labels: Vec<String> = Vec::new();
    for (_, node) in names.take(LOOKED_AT) {
        if let Some(label) = node.sets().first().map(RecordSet::name).and_then(label_at)
            && labels.last() != Some(&label)
        {
            labels.push(label);
        }
    }
    let near = labels.iter().filter_map(|label| Some((distance(&asked, label)?, label)));
    let near = near.min_by_key(|(distance, _)| *distance)?.1;
    let meant = above.child(near.as_bytes()).ok()?;
    // With the labels before it, where that is there too.
    let rest: Vec<_> = name.labels().take(name.label_count() - depth - 1).collect();
    let whole = rest.iter().rev().try_fold(meant.clone(), |below, label| below.child(label)).ok();
    whole.filter(|whole| is_there(zone, whole)).or(Some(meant))
}

/// The name in one of our zones that a name of nobody's may be meant to be: below an apex that was left out, or is spelled otherwise.
pub(super) fn in_another_zone(
    zones: &ZoneSet,
    apexes: &[&DomainName],
    name: &DomainName,
) -> Option<DomainName> {
    let there = |name: &DomainName| {
        let key = Key::of(name);
        zones.find(&key, key.depth()).is_some_and(|zone| is_there(zone, name))
    };
    let left_out = apexes.iter().filter_map(|apex| name.below(apex).ok()).find(|name| there(name));
    left_out.or_else(|| {
        let near = apexes.iter().filter_map(|apex| {
            let rest = name.label_count().checked_sub(apex.label_count())?;
            let end = (0..rest).try_fold(name.clone(), |name, _| name.parent())?;
            let distance = distance(&end.to_string().to_ascii_lowercase(), &apex.to_string())?;
            let labels: Vec<_> = name.labels().take(rest).collect();
            let meant =
                labels.iter().rev().try_fold((*apex).clone(), |below, label| below.child(label)).ok()?;
            there(&meant).then_some((distance, meant))
        });
        near.min_by_key(|(distance, _)| *distance).map(|(_, meant)| meant)
    })
}

/// How far one spelling is from another, where it may be meant to be it.
fn distance(asked: &str, known: &str) -> Option<usize> {
    let letters = asked.chars().count();
    // Not all of them: any one letter is one other letter away.
    let most = (letters / LETTERS).max(1).min(letters.saturating_sub(1));
    Some(strsim::osa_distance(asked, known)).filter(|distance| (1..=most).contains(distance))
}
