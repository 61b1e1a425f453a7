//! DNS as the rest of the house sees it: bound, started, asked about, drained.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use model::{Alarm, FactKey, Nodes, Revision, Snapshot};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;
use tokio::time::{Instant as Time, sleep_until};

use crate::config::Config;
use crate::derived::{Derived, sources};
use crate::explain::{self, Explanation, ZoneView};
use crate::files::{FileError, FileZones, load_keys};
use crate::forward::{self, Forward, ForwardError, Forwarded};
use crate::healthy;
use crate::listen::{self, BindError, Running, Shared, Sockets};
use crate::metrics::{Limit, Metrics, Totals};
use crate::served::Served;
use crate::transfer::{Keys, Updater, Updates};
use crate::verify::{self, Difference};
use crate::zone::Question;
use crate::zone::facts::{Grounds, Reason, unserved};
use crate::zone::frontends::FrontendNames;
use crate::zone::reverse::{Range, ReverseError, ranges};
use crate::zone::sources::Sources;

/// How long what was read may take to be answered once all ends.
const END: Duration = Duration::from_secs(2);

/// What the registry gives.
#[derive(Debug)]
pub struct Inputs {
    /// The facts, one snapshot after the other.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// False until the facts are known: what no zone holds may be there until then.
    pub known: watch::Receiver<bool>,
    /// The nodes of the fleet: where their proxies are is what frontends' names are answered with.
    pub nodes: watch::Receiver<Arc<Nodes>>,
    /// Where this node's proxy is, until it is heard of any node.
    pub own: Vec<IpAddr>,
    /// Who writes what updates change; `None`: nobody does, and they fail.
    pub updates: Option<Updates>,
    /// Since when the registry is not heard; `None`: it is.
    pub lost: watch::Receiver<Option<Instant>>,
    /// Told when a part that DNS lives by ends by a panic.
    pub alarm: Alarm,
}

/// Why DNS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A zone file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nobody can be asked for names of others.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Ranges of addresses.
    #[error("dns.reverse {0}")]
    Reverse(#[from] ReverseError),
}

/// Sockets that are bound, zone files that were read: nothing is served yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    sockets: Vec<Sockets>,
    files: FileZones,
    ranges: Vec<Range>,
    upstreams: Vec<SocketAddr>,
    keys: Keys,
}

/// Reads the zone files and keys, and binds every address: what has to be done before privileges are dropped.
///
/// # Errors
/// [`OpenError`] names the address, or the file and its line.
pub fn bind(config: &Config) -> Result<Bound, OpenError> {
    let ranges = ranges(&config.reverse, config.zone.as_ref())?;
    let (files, keys) = (load_all(config)?, load_keys(config)?);
    let threads = match config.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let sockets =
        config.listen.iter().map(|address| listen::bind(*address, threads, config.receive_buffer_bytes));
    let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
    let listens: Vec<_> = sockets.iter().map(|sockets| sockets.address).collect();
    let upstreams = forward::resolve(&config.forward, &listens)?;
    Ok(Bound { config: config.clone(), sockets, files, ranges, keys, upstreams })
}

/// Whether the zone files can be served, and the keys be used.
///
/// # Errors
/// [`FileError`] for the first one that cannot.
pub fn check(config: &Config) -> Result<(), FileError> {
    load_all(config)?;
    load_keys(config).map(drop)
}

fn load_all(config: &Config) -> Result<FileZones, FileError> {
    let (files, errors) = FileZones::load(config, &FileZones::default());
    errors.into_iter().next().map_or(Ok(files), Err)
}

impl Bound {
    /// The addresses, with the ports that were found for port 0, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|sockets| sockets.address).collect()
    }

    /// Starts the threads, and on the current runtime what follows the registry.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(self, inputs: Inputs) -> std::io::Result<Dnsd> {
        let addresses: Arc<[SocketAddr]> = self.addresses().into();
        let (snapshot, known) = (Arc::clone(&inputs.snapshots.borrow()), *inputs.known.borrow());
        let sources = Arc::new(sources(&self.config, self.ranges, &addresses));
        let mut derived = Derived::new(Arc::clone(&sources));
        let healthy = healthy::follow(inputs.nodes, inputs.own);
        derived.hear(Arc::clone(&healthy.borrow()), healthy::second());
        derived.follow(&snapshot, known, self.files.apexes());
        let age = Age::of(*inputs.lost.borrow(), self.config.max_age);
        let served = Served::new(derived.with(&self.files, age.is_too_old));
        let (shared, jobs) = Shared::new(served, self.config, (&self.upstreams, self.keys))?;
        let (end, ended) = watch::channel(false);
        let files = Arc::new(Mutex::new(self.files));
        let (reloaded, reloads) = watch::channel(());
        let at = if derived.is_whole() { snapshot.revision() } else { Revision::default() };
        let ((serving, serves), (swapped, swaps)) = (watch::channel(at), watch::channel(()));
        let (stands_on, grounds) = watch::channel(Arc::new(derived.grounds()));
        let updater = Updater::new(inputs.snapshots.clone(), serves.clone(), grounds, inputs.updates);
        let Running { threads, blocks } =
            listen::start(self.sockets, (&shared, jobs, updater), &ended, &inputs.alarm)?;
        let follower = Follower {
            shared: Arc::clone(&shared),
            derived,
            files: Arc::clone(&files),
            snapshots: inputs.snapshots,
            known: inputs.known,
            healthy: healthy.clone(),
            lost: inputs.lost,
            too_old: age.is_too_old,
            reloads,
            grounds: stands_on,
            serving,
            swapped,
        };
        for secondary in &shared.config.notify {
            let telling = listen::tell(secondary.clone(), Arc::clone(&shared), swaps.clone(), ended.clone());
            let watched = inputs.alarm.watch("what tells secondaries of changes");
            tokio::spawn(async move {
                let _watched = watched;
                telling.await;
            });
        }
        let watched = inputs.alarm.watch("what follows the registry for DNS");
        tokio::spawn(async move {
            let _watched = watched;
            follower.run().await;
        });
        Ok(Dnsd {
            shared,
            metrics: Metrics::of(blocks),
            addresses,
            files,
            sources,
            healthy,
            reloaded: Arc::new(reloaded),
            serves,
            end: Arc::new(end),
            threads: Arc::new(tokio::sync::Mutex::new(threads)),
        })
    }
}

/// Keeps the zones at what the registry and the files say.
struct Follower {
    shared: Arc<Shared>,
    derived: Derived,
    files: Arc<Mutex<FileZones>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    known: watch::Receiver<bool>,
    /// Where healthy proxies are.
    healthy: watch::Receiver<Arc<[IpAddr]>>,
    lost: watch::Receiver<Option<Instant>>,
    /// Whether the registry is lost for so long that its names are told no more.
    too_old: bool,
    reloads: watch::Receiver<()>,
    grounds: watch::Sender<Arc<Grounds>>,
    serving: watch::Sender<Revision>,
    /// Told whenever other zones are served.
    swapped: watch::Sender<()>,
}

impl Follower {
    async fn run(mut self) {
        // Whoever tells whether the facts are known is gone once they are.
        let mut told = true;
        let mut hears = true;
        let mut meets = true;
        loop {
            // Whether it is known is asked before what: what was not known is never told not to be there.
            let known = *self.known.borrow_and_update();
            let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
            let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.derived.hear(Arc::clone(&self.healthy.borrow_and_update()), healthy::second());
            beside_others(|| self.derived.follow(&snapshot, known, files.apexes()));
            let ends = self.look_at_age();
            let zones = self.derived.with(&files, self.too_old);
            let served = self.shared.served.load().next(zones);
            self.shared.served.store(Arc::new(served));
            self.grounds.send_replace(Arc::new(self.derived.grounds()));
            self.swapped.send_replace(());
            // Where a zone could not follow, names of an older revision are served: the revision before is all that can be said.
            if self.derived.is_whole() {
                self.serving.send_replace(snapshot.revision());
            }
            // The registry is gone, or DNS itself: what is served is served on.
            let changed = tokio::select! {
                changed = self.snapshots.changed() => changed.is_ok(),
                changed = self.known.changed(), if told => {
                    told = changed.is_ok();
                    true
                }
                changed = self.reloads.changed() => changed.is_ok(),
                changed = self.lost.changed(), if hears => {
                    hears = changed.is_ok();
                    true
                }
                changed = self.healthy.changed(), if meets => {
                    meets = changed.is_ok();
                    true
                }
                () = sleep_until(ends.unwrap_or_else(Time::now)), if ends.is_some() => true,
            };
            if !changed {
                return;
            }
        }
    }
}

impl Follower {
    /// Finds out whether the registry is lost for too long; when it will be, if nothing changes.
    fn look_at_age(&mut self) -> Option<Time> {
        let max_age = self.shared.config.max_age;
        let age = Age::of(*self.lost.borrow_and_update(), max_age);
        if age.is_too_old && !self.too_old {
            tracing::warn!(
                ?max_age,
                "the registry is lost for longer than dns.max_age: its names are SERVFAIL"
            );
        } else if self.too_old && !age.is_too_old {
            tracing::info!("the registry is heard again: its names are answered");
        }
        self.too_old = age.is_too_old;
        age.ends.map(Time::from_std)
    }
}

/// Does what may take long, while other tasks of this thread go on at another one; where there is none, here.
fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// How old what is known of the registry is.
struct Age {
    is_too_old: bool,
    /// When it will be too old, if nothing is heard until then.
    ends: Option<Instant>,
}

impl Age {
    fn of(lost: Option<Instant>, max_age: Option<Duration>) -> Self {
        let ends = lost.zip(max_age).and_then(|(since, max_age)| since.checked_add(max_age));
        let is_too_old = ends.is_some_and(|ends| ends <= Instant::now());
        Self { is_too_old, ends: ends.filter(|_| !is_too_old) }
    }
}

/// DNS, served.
#[derive(Debug, Clone)]
pub struct Dnsd {
    shared: Arc<Shared>,
    metrics: Metrics,
    addresses: Arc<[SocketAddr]>,
    /// Locked when files are read and when zones are put together or looked at, never for a question.
    files: Arc<Mutex<FileZones>>,
    sources: Arc<Sources>,
    healthy: watch::Receiver<Arc<[IpAddr]>>,
    reloaded: Arc<watch::Sender<()>>,
    serves: watch::Receiver<Revision>,
    end: Arc<watch::Sender<bool>>,
    /// Closes when the last thread has ended. Locked by [`Dnsd::drain`] alone.
    threads: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
}

impl Dnsd {
    /// The addresses it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it has counted so far.
    pub fn totals(&self) -> Totals {
        let mut totals = self.metrics.totals();
        totals.limits[Limit::Transfers as usize] += self.shared.access.full();
        totals
    }

    /// What forwarding has counted so far; `None` where it is off.
    pub fn forwarded(&self) -> Option<Forwarded> {
        self.shared.forward.as_ref().map(Forward::totals)
    }

    /// What it answers from now.
    pub fn served(&self) -> Arc<Served> {
        self.shared.served.load_full()
    }

    /// The facts of a snapshot that it does not serve and that mean something to DNS, each with why: record sets, then services. Looks
    /// at all of them: not for the way of a question.
    pub fn unserved(&self, snapshot: &Snapshot) -> Vec<(FactKey, Reason)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).apexes();
        unserved(snapshot, &self.sources, files, Arc::clone(&self.healthy.borrow()))
    }

    /// Walks `served` back into what it was made of, and tells of each thing that is otherwise than `snapshot` says, which is to be of the
    /// same revision; then of zone files that are not what is on disk now, and of ready answers that are none of the zones'. Looks at
    /// all that is served, and reads files: not for the way of a question.
    pub fn verify(&self, served: &Served, snapshot: &Snapshot, tell: &mut dyn FnMut(Difference)) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let zones = served.zones();
        if zones.is_known() {
            let healthy = Arc::clone(&self.healthy.borrow());
            verify::of_registry(zones, snapshot, &self.sources, &files.apexes(), &healthy, tell);
        }
        verify::of_files(zones, files.all(), self.shared.config.zone_file_bytes, tell);
        verify::of_ready(served, tell);
    }

    /// Why a question is answered as it is from `served`, whose facts are those of `snapshot`, where that is of the same revision. Looks at
    /// many facts: not for the way of a question.
    pub fn explain(&self, served: &Served, snapshot: &Snapshot, question: &Question) -> Explanation {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (frontends, healthy) = (FrontendNames::of(snapshot), Arc::clone(&self.healthy.borrow()));
        explain::explain(self.explained_from(served, snapshot, &files, (&frontends, &healthy)), question)
    }

    /// The zones of `served`, whose facts are those of `snapshot`, by apex.
    pub fn zones(&self, served: &Served, snapshot: &Snapshot) -> Vec<ZoneView> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (frontends, healthy) = (FrontendNames::of(snapshot), Arc::clone(&self.healthy.borrow()));
        let from = self.explained_from(served, snapshot, &files, (&frontends, &healthy));
        served.zones().zones().map(|zone| from.view(zone)).collect()
    }

    fn explained_from<'a>(
        &'a self,
        served: &'a Served,
        snapshot: &'a Snapshot,
        files: &'a FileZones,
        (frontends, healthy): (&'a FrontendNames, &'a Arc<[IpAddr]>),
    ) -> explain::From<'a> {
        let forwards = self.shared.forward.is_some();
        let (zones, sources) = (served.zones(), &self.sources);
        explain::From { zones, snapshot, sources, files, frontends, healthy, forwards }
    }

    /// The revision it answers at, with every zone of the registry, anew whenever that is another one.
    pub fn serving(&self) -> watch::Receiver<Revision> {
        self.serves.clone()
    }

    /// Reads the zone files of `config` anew, off the way of questions, and sets its guards. A file that is wrong keeps the zone it had;
    /// what is wrong is returned. Everything else in `config` takes a restart.
    pub fn reload(&self, config: &Config) -> Vec<FileError> {
        let old = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (new, errors) = beside_others(|| FileZones::load(config, &old));
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.shared.guard(config);
        self.reloaded.send_replace(());
        errors
    }

    /// Takes nothing more, and answers what was taken. Returns false when that took too long.
    pub async fn drain(&self) -> bool {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.end.send_replace(true);
        let mut threads = self.threads.lock().await;
        let end = async { while threads.recv().await.is_some() {} };
        tokio::time::timeout(END, end).await.is_ok()
    }
}
