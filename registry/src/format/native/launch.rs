//! How instances of a service are launched, as JSON: fields of the service, of which only `image` has to be there.
//! `config/launched.example.json` shows all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use model::launch::{
    Environment, Fill, Hooks, Image, Instances, Launch, MAX_DEPENDENCIES, MAX_PROBE_TIME, MAX_STOP,
    MAX_VOLUMES, Order, PerHost, Placement, Readiness, Resources, Restart, Rollout, Signal, Stop, Volume,
    Words,
};
use model::{Label, ServiceName};
use serde::{Deserialize, Serialize};

use super::canary::CanaryDoc;
use super::heartbeat::HeartbeatDoc;
use super::service::{NAME_REMEDY, ServiceDoc, entries, metadata};
use super::{Entries, FormatError};

/// The most labels of containers.
const MAX_LABELS: usize = 256;
/// The longest label with its value, user, or folder, in octets.
const MAX_TEXT: usize = 4096;
/// Octets of a mebibyte.
const MIB: u64 = 1 << 20;

/// A volume as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeDoc {
    /// A volume's name, or an absolute path of the host, which the controller's configuration has to allow.
    pub source: String,
    /// An absolute path inside.
    pub target: String,
    /// Whether it cannot be written to; default: it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// What an instance, or all of a host's, may take, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourcesDoc {
    /// Thousandths of a core; default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Mebibytes of memory, 6 or more; default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

impl ResourcesDoc {
    /// Checks it, at `place`.
    pub(super) fn read(self, place: &str) -> Result<Resources, FormatError> {
        let memory = self.memory_mib.map(|mib| mib.saturating_mul(MIB));
        Resources::new(self.cpu_millis, memory)
            .map_err(|e| FormatError::at(place, e, "correct it, or leave it out"))
    }

    /// The reverse; nothing where there is no limit.
    pub(super) fn said(resources: Resources) -> Option<Self> {
        let memory_mib = resources.memory().map(|memory| memory / MIB);
        said(Self { cpu_millis: resources.cpu().map(Into::into), memory_mib })
    }
}

/// Where instances may run, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementDoc {
    /// Labels that a host has to have; default: none.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub required: Entries<String>,
    /// Labels that a host had better have; default: none.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub preferred: Entries<String>,
    /// How hosts are filled; default `spread`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<FillDoc>,
    /// How many on one host; default `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_host: Option<PerHostDoc>,
    /// Services beside which alone it runs; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Services beside which it never runs; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_beside: Vec<String>,
}

/// How one version takes the place of another, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutDoc {
    /// What comes first; default `start_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderDoc>,
    /// How many at once, 1 to 65535; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<NonZeroU16>,
    /// How long a new one has to be healthy before it counts, in milliseconds up to a day; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy_ms: Option<u64>,
    /// When a version that is not healthy by then has failed, in milliseconds up to a day; default five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Whether the version before comes back by itself then; default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
}

/// How an instance is ended, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopDoc {
    /// How it is told: `TERM`, `INT`, `QUIT` …; default: as the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How long it may take then, before it is killed, in milliseconds up to an hour; default 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// How long its requests may take before it is told, in milliseconds up to an hour; default 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
}

/// What a controller does around an instance, as JSON: names that its own configuration gives a meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HooksDoc {
    /// Before it starts; one that fails keeps it from starting; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_start: Vec<String>,
    /// After it ended; default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_stop: Vec<String>,
}

/// Enumerations as JSON, and what each word means.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident of $of:ident { $($(#[$word:meta])* $variant:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word])* $variant,)*
        }

        impl From<$name> for $of {
            fn from(doc: $name) -> Self {
                match doc { $($name::$variant => Self::$variant,)* }
            }
        }

        impl From<$of> for $name {
            fn from(value: $of) -> Self {
                match value { $($of::$variant => Self::$variant,)* }
            }
        }
    )*};
}

words! {
    /// What is done when an instance ends by itself, as JSON.
    RestartDoc of Restart {
        /// It is started again.
        Always,
        /// It is started again unless it ended with 0.
        OnFailure,
        /// It has run.
        Never,
    }
    /// How hosts are filled, as JSON.
    FillDoc of Fill {
        /// Evenly.
        Spread,
        /// One after the other.
        Pack,
    }
    /// How many instances are on one host, as JSON.
    PerHostDoc of PerHost {
        /// As many as fit.
        Any,
        /// One at most.
        One,
        /// One on each.
        Every,
    }
    /// What comes first in a rollout, as JSON.
    OrderDoc of Order {
        /// The new one starts before the old one stops.
        StartFirst,
        /// The old one stops before the new one starts.
        StopFirst,
    }
    /// What a service waits for in another, as JSON.
    ReadinessDoc of Readiness {
        /// An instance of it runs.
        Started,
        /// An instance of it is healthy.
        Healthy,
        /// An instance of it has ended with 0.
        Done,
    }
}

/// A word, unless it is the default.
fn unless_default<T: Default + PartialEq + Copy, D: From<T>>(value: T) -> Option<D> {
    (value != T::default()).then(|| D::from(value))
}

/// How the service is launched, if it is: taken out of its fields.
pub(super) fn read(doc: &mut ServiceDoc) -> Result<Option<Box<Launch>>, FormatError> {
    let Some(image) = doc.image.take() else {
        return match without_image(doc) {
            Some(field) => Err(FormatError::at(
                field,
                "it says how instances are launched, and of no image",
                "write `image`, or leave it out",
            )),
            None => Ok(None),
        };
    };
    if doc.external.is_some() {
        return Err(FormatError::at(
            "external",
            "what runs elsewhere is not launched",
            "leave it or `image` out",
        ));
    }
    let image = Image::parse(&image).map_err(|e| FormatError::at("image", e, "correct it"))?;
    let placement = placement(doc.placement.take().unwrap_or_default())?;
    let canary = doc.canary.take().map(|canary| canary.read(&image, placement.per_host)).transpose()?;
    let environment = std::mem::take(&mut doc.environment).0;
    let least = doc.instances.unwrap_or(1);
    let instances = Instances::new(least, doc.max_instances.take().unwrap_or(least));
    doc.instances = None;
    Ok(Some(Box::new(Launch {
        canary,
        command: words("command", doc.command.take())?,
        entrypoint: words("entrypoint", doc.entrypoint.take())?,
        environment: Environment::new(environment)
            .map_err(|e| FormatError::at("environment", e, "correct it"))?,
        labels: labels(std::mem::take(&mut doc.labels))?,
        volumes: volumes(std::mem::take(&mut doc.volumes))?,
        user: text("user", doc.user.take())?,
        working_dir: text("working_dir", doc.working_dir.take())?,
        restart: doc.restart.take().map(Restart::from).unwrap_or_default(),
        active: doc.active.take().unwrap_or(true),
        restarts: doc.restarts.take().unwrap_or(0),
        instances: instances
            .map_err(|e| FormatError::at("instances", e, "correct `instances` or `max_instances`"))?,
        resources: doc.resources.take().unwrap_or_default().read("resources")?,
        heartbeat: doc.heartbeat.take().map(|heartbeat| heartbeat.read(&doc.ports)).transpose()?,
        placement,
        rollout: rollout(doc.rollout.take().unwrap_or_default())?,
        stop: stop(doc.stop.take().unwrap_or_default())?,
        depends_on: dependencies(std::mem::take(&mut doc.depends_on))?,
        hooks: hooks(doc.hooks.take().unwrap_or_default())?,
        ..Launch::new(image)
    })))
}

/// A field that says how instances are launched.
fn without_image(doc: &ServiceDoc) -> Option<&'static str> {
    let said = [
        ("canary", doc.canary.is_some()),
        ("command", doc.command.is_some()),
        ("entrypoint", doc.entrypoint.is_some()),
        ("environment", !doc.environment.is_empty()),
        ("labels", !doc.labels.is_empty()),
        ("volumes", !doc.volumes.is_empty()),
        ("user", doc.user.is_some()),
        ("working_dir", doc.working_dir.is_some()),
        ("restart", doc.restart.is_some()),
        ("active", doc.active.is_some()),
        ("restarts", doc.restarts.is_some()),
        ("instances", doc.instances.is_some()),
        ("max_instances", doc.max_instances.is_some()),
        ("resources", doc.resources.is_some()),
        ("heartbeat", doc.heartbeat.is_some()),
        ("placement", doc.placement.is_some()),
        ("rollout", doc.rollout.is_some()),
        ("stop", doc.stop.is_some()),
        ("depends_on", !doc.depends_on.is_empty()),
        ("hooks", doc.hooks.is_some()),
    ];
    said.into_iter().find_map(|(field, said)| said.then_some(field))
}

fn words(place: &str, said: Option<Vec<String>>) -> Result<Option<Words>, FormatError> {
    said.map(|said| Words::new(said).map_err(|e| FormatError::at(place, e, "correct the list"))).transpose()
}

fn text(place: &str, said: Option<String>) -> Result<Option<Box<str>>, FormatError> {
    match said {
        Some(text) if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) => {
            let reason = format!("it is empty, longer than {MAX_TEXT} octets, or has control characters");
            Err(FormatError::at(place, reason, "correct it, or leave it out"))
        }
        said => Ok(said.map(Into::into)),
    }
}

fn labels(said: Entries<String>) -> Result<BTreeMap<Box<str>, Box<str>>, FormatError> {
    let wrong = |reason: String| FormatError::at("labels", reason, "correct it");
    if said.0.len() > MAX_LABELS {
        return Err(wrong(format!("there are more than {MAX_LABELS}")));
    }
    let mut labels = BTreeMap::new();
    for (key, value) in said.0 {
        if key.is_empty() || key.len() + value.len() > MAX_TEXT || key.chars().any(char::is_control) {
            return Err(wrong(format!(
                "a key is empty, has control characters, or is longer than {MAX_TEXT} octets with its value"
            )));
        }
        if key.starts_with("portico.") {
            return Err(wrong(format!("`{key}` is one of the controller's own (`portico.`)")));
        }
        if labels.insert(key.as_str().into(), value.into()).is_some() {
            return Err(wrong(format!("`{key}` is there already")));
        }
    }
    Ok(labels)
}

fn volumes(said: Vec<VolumeDoc>) -> Result<Box<[Volume]>, FormatError> {
    if said.len() > MAX_VOLUMES {
        let reason = format!("{} are more than {MAX_VOLUMES}", said.len());
        return Err(FormatError::at("volumes", reason, "leave some out"));
    }
    let mut volumes: Vec<Volume> = Vec::with_capacity(said.len());
    for (i, doc) in said.into_iter().enumerate() {
        let volume = Volume::new(&doc.source, &doc.target, doc.read_only.unwrap_or(false));
        let volume = volume.map_err(|e| FormatError::at(format!("volumes[{i}]"), e, "correct it"))?;
        if volumes.iter().any(|other| other.target() == volume.target()) {
            let reason = format!("`{}` is there already", volume.target());
            return Err(FormatError::at(format!("volumes[{i}].target"), reason, "give it another target"));
        }
        volumes.push(volume);
    }
    Ok(volumes.into())
}

fn services(place: &str, said: Vec<String>) -> Result<BTreeSet<ServiceName>, FormatError> {
    let name = |text: &String| ServiceName::parse(text).map_err(|e| FormatError::at(place, e, NAME_REMEDY));
    if said.len() > MAX_DEPENDENCIES {
        return Err(FormatError::at(
            place,
            format!("there are more than {MAX_DEPENDENCIES}"),
            "leave some out",
        ));
    }
    said.iter().map(name).collect()
}

fn placement(doc: PlacementDoc) -> Result<Placement, FormatError> {
    Ok(Placement {
        required: metadata("placement.required", doc.required)?,
        preferred: metadata("placement.preferred", doc.preferred)?,
        fill: doc.fill.map(Fill::from).unwrap_or_default(),
        per_host: doc.per_host.map(PerHost::from).unwrap_or_default(),
        beside: services("placement.beside", doc.beside)?,
        not_beside: services("placement.not_beside", doc.not_beside)?,
    })
}

/// Milliseconds up to a longest time.
pub(super) fn time(
    place: &str,
    ms: Option<u64>,
    default: Duration,
    longest: Duration,
) -> Result<Duration, FormatError> {
    let time = ms.map_or(default, Duration::from_millis);
    if time > longest {
        let reason = format!("{} ms are more than {} ms", time.as_millis(), longest.as_millis());
        return Err(FormatError::at(place, reason, "write milliseconds, or leave it out"));
    }
    Ok(time)
}

fn rollout(doc: RolloutDoc) -> Result<Rollout, FormatError> {
    let default = Rollout::default();
    Ok(Rollout {
        order: doc.order.map(Order::from).unwrap_or_default(),
        parallel: doc.parallel.unwrap_or(default.parallel),
        min_healthy: time("rollout.min_healthy_ms", doc.min_healthy_ms, default.min_healthy, MAX_PROBE_TIME)?,
        deadline: time("rollout.deadline_ms", doc.deadline_ms, default.deadline, MAX_PROBE_TIME)?,
        rollback: doc.rollback.unwrap_or(default.rollback),
    })
}

fn stop(doc: StopDoc) -> Result<Stop, FormatError> {
    let (default, signal) = (Stop::default(), doc.signal.as_deref().map(Signal::parse).transpose());
    Ok(Stop {
        signal: signal.map_err(|e| FormatError::at("stop.signal", e, "correct it, or leave it out"))?,
        grace: time("stop.grace_ms", doc.grace_ms, default.grace, MAX_STOP)?,
        drain: time("stop.drain_ms", doc.drain_ms, default.drain, MAX_STOP)?,
    })
}

fn dependencies(said: Entries<ReadinessDoc>) -> Result<BTreeMap<ServiceName, Readiness>, FormatError> {
    let names = services("depends_on", said.0.iter().map(|(name, _)| name.clone()).collect())?;
    if names.len() < said.0.len() {
        return Err(FormatError::at("depends_on", "a service is there twice", "say it once"));
    }
    let readiness = |(name, readiness): (String, ReadinessDoc)| {
        ServiceName::parse(&name).ok().map(|name| (name, readiness.into()))
    };
    Ok(said.0.into_iter().filter_map(readiness).collect())
}

fn hooks(doc: HooksDoc) -> Result<Hooks, FormatError> {
    let names = |place: &str, said: Vec<String>| {
        said.iter()
            .map(|text| Label::parse(text).map_err(|e| FormatError::at(place, e, NAME_REMEDY)))
            .collect::<Result<BTreeSet<_>, _>>()
    };
    Ok(Hooks {
        before_start: names("hooks.before_start", doc.before_start)?,
        after_stop: names("hooks.after_stop", doc.after_stop)?,
    })
}

/// Milliseconds, unless it is the default.
pub(super) fn ms(time: Duration, default: Duration) -> Option<u64> {
    (time != default).then(|| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Writes how a service is launched among its fields.
pub(super) fn write(launch: &Launch, doc: &mut ServiceDoc) {
    let Launch { resources, placement, rollout, stop, hooks, .. } = launch;
    let list = |words: &Option<Words>| words.as_ref().map(|words| words.iter().map(str::to_owned).collect());
    let texts = |texts: &BTreeSet<ServiceName>| texts.iter().map(ToString::to_string).collect();
    let labels = |texts: &BTreeSet<Label>| texts.iter().map(ToString::to_string).collect();
    let (least, most) = (launch.instances.least(), launch.instances.most());
    doc.image = Some(launch.image.to_string());
    doc.canary = launch.canary.as_ref().map(CanaryDoc::from);
    doc.command = list(&launch.command);
    doc.entrypoint = list(&launch.entrypoint);
    doc.environment = Entries(launch.environment.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    doc.labels = Entries(launch.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    doc.volumes = launch
        .volumes
        .iter()
        .map(|volume| VolumeDoc {
            source: volume.source.to_string(),
            target: volume.target().to_owned(),
            read_only: volume.read_only.then_some(true),
        })
        .collect();
    doc.user = launch.user.as_deref().map(str::to_owned);
    doc.working_dir = launch.working_dir.as_deref().map(str::to_owned);
    doc.restart = unless_default(launch.restart);
    doc.active = (!launch.active).then_some(false);
    doc.restarts = (launch.restarts != 0).then_some(launch.restarts);
    doc.instances = (least != 1).then(|| least.into());
    doc.max_instances = (most != least).then(|| most.into());
    doc.resources = ResourcesDoc::said(*resources);
    doc.heartbeat = launch.heartbeat.as_ref().map(HeartbeatDoc::from);
    doc.placement = said(PlacementDoc {
        required: entries(&placement.required),
        preferred: entries(&placement.preferred),
        fill: unless_default(placement.fill),
        per_host: unless_default(placement.per_host),
        beside: texts(&placement.beside),
        not_beside: texts(&placement.not_beside),
    });
    let default = Rollout::default();
    doc.rollout = said(RolloutDoc {
        order: unless_default(rollout.order),
        parallel: (rollout.parallel != default.parallel).then_some(rollout.parallel),
        min_healthy_ms: ms(rollout.min_healthy, default.min_healthy),
        deadline_ms: ms(rollout.deadline, default.deadline),
        rollback: (!rollout.rollback).then_some(false),
    });
    let default = Stop::default();
    doc.stop = said(StopDoc {
        signal: stop.signal.map(|signal| signal.to_string()),
        grace_ms: ms(stop.grace, default.grace),
        drain_ms: ms(stop.drain, default.drain),
    });
    let depends_on =
        launch.depends_on.iter().map(|(name, readiness)| (name.to_string(), (*readiness).into()));
    doc.depends_on = Entries(depends_on.collect());
    doc.hooks =
        said(HooksDoc { before_start: labels(&hooks.before_start), after_stop: labels(&hooks.after_stop) });
}

/// A part, unless it says nothing.
fn said<T: Default + PartialEq>(doc: T) -> Option<T> {
    (doc != T::default()).then_some(doc)
}
