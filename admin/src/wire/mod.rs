//! The API's types, as JSON carries them: what this listener answers and what the command line reads.
//!
//! In: values of `model`, `registry` and `proxy`, by way of `api`. Out: JSON. Never here: a decision.
//! A client ignores fields it does not know, so that a newer listener can answer an older one.

mod control;
mod dns;
mod events;
mod exec;
mod explain;
mod fact;
mod frontend;
mod history;
mod image;
mod output;
mod placement;
mod problem;
mod rollout;
mod status;
mod verify;
mod wait;
mod way_back;

pub use control::{ControlStatus, EngineStatus, Foreseen, ForeseenInstance, Undone, Unplaced, UnplacedAt};
pub use dns::{DnsExplained, DnsFact, DnsLeftOut, DnsRecord, DnsStep, DnsZone, DnsZones};
pub use events::{Event, Member};
pub use exec::{EXEC_PROTOCOL, Exec, Frame, MAX_FRAME};
pub use explain::{Considered, EndpointView, Explained, Match};
pub use fact::{Apply, FactList, FactView, FactWritten, Listed, Named};
pub use frontend::{Addition, FrontendList, FrontendView, Rejected, Written};
pub use history::{History, HistoryRecord};
pub use image::{PushImage, Pushing};
pub use output::{LogLine, Stream};
pub use placement::{Placement, PlacementHost};
pub use problem::Problem;
pub use registry::format::native::{
    BalanceDoc, CanaryDeploymentDoc, CanaryDoc, CheckDoc, CheckKindDoc, ControllerDoc, DeploymentDoc,
    DeploymentStateDoc, DnsSdDoc, EndpointDoc, Entries, FactDoc, FrontendDoc, HashDoc, HeartbeatDoc,
    HeartbeatKindDoc, HostDoc, InstanceDoc, InstanceStateDoc, InstancesAtDoc, OrderDoc, PerHostDoc,
    PlacementDoc, PortDoc, PowerDoc, PowerStateDoc, ProtocolDoc, ReadinessDoc, RecordDoc, ReleasedDoc,
    ResourcesDoc, RestartDoc, RolloutDoc, RunDoc, ServiceDoc, ServiceRefDoc, StageDoc, StandingDoc,
    StatusDoc, StopDoc, TimeoutsDoc, VolumeDoc, WhenEmptyDoc,
};
pub use rollout::{Rollout, RolloutCanary, RolloutInstance};
pub use status::{Accepted, HeldView, Listener, ProxyStatus, Readiness, RegistryStatus, Status};
pub use verify::{Finding, FindingKind, Verification};
pub use wait::{Laggard, LeavingStatus, LostNode, NodeStatus, Others, Reached};
pub use way_back::{Applied, Diff, Differing, ImportFrom, Kind, Refused, Rollback, Side};
