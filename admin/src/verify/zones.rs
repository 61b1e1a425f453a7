//! What DNS found when it walked its zones, as findings.

use dnsd::verify::{Difference, Kind};

use crate::wire::{Finding, FindingKind};

/// One of them.
pub(crate) fn finding(difference: Difference) -> Finding {
    let Difference { kind, key, reason, remedy } = difference;
    let kind = match kind {
        Kind::Records => FindingKind::Records,
        Kind::Ready => FindingKind::Ready,
        Kind::File => FindingKind::ZoneFile,
    };
    Finding { kind, key, endpoint: None, reason, remedy }
}
