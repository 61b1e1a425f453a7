//! Who controls: the one node that launches and ends containers.

use crate::fact::FactKey;
use crate::instance::Lease;
use crate::report::NodeId;

/// The node that controls, for as long as its lease holds. The revision of this fact is its fencing token: every write of the controller
/// expects it to be there still.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// Which node.
    pub node: NodeId,
    /// Which process of that node: a number of its own, so that no two say the same.
    pub term: u32,
    /// How long it is believed without saying so again.
    pub lease: Lease,
}

impl Controller {
    /// The key under which a registry keeps it: there is one.
    pub const fn key() -> FactKey {
        FactKey::Controller
    }
}
