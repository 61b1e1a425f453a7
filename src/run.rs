//! `portico run`: from the configuration to the last request.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::args::{Role, Run};
use crate::compose::{self, Bound, House, Parts};
use crate::config::{Loaded, Setting, Sources};
use crate::failure::Failure;
use crate::logging;
use crate::notify::{Notice, notify};
use crate::signals::{Asked, Signals};

/// Threads for registry, admin and whatever else waits; the proxy's are its own.
const HOUSE_THREADS: usize = 2;

/// Runs until a signal ends it.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let parts = parts(&arguments.only);
    let sources = arguments.settings.sources();
    let loaded = sources.load()?;
    let settings = &loaded.settings;
    let speaks_dns = parts.dns && !settings.dns.listen.is_empty();
    let controls = parts.control && settings.control.enabled;
    if !(parts.proxy || speaks_dns || controls) {
        return Err(Failure::Nothing(if parts.control {
            "--only control, and control.enabled is false: there is nothing to do; set it to true"
        } else {
            "--only dns, and dns.listen is \"off\": there is nothing to serve; write --dns ADDR"
        }));
    }
    let log = logging::start(&loaded.settings.log);
    for remark in &loaded.remarks {
        tracing::warn!("{remark}");
    }
    raise_file_limit();
    let bound = compose::bind(&loaded, parts)?;
    in_runtime(async move {
        let mut signals = listen()?;
        let Some(house) = open(bound, &loaded, &mut signals).await? else { return Ok(ExitCode::SUCCESS) };
        ready(&house, &loaded);
        let fallen = tokio::select! {
            () = serve(&house, sources, loaded, &log, &mut signals) => None,
            failure = house.fall() => Some(failure),
        };
        if let Some(failure) = &fallen {
            tracing::error!("{failure}");
        }
        let code = leave(house, &mut signals).await;
        fallen.map_or(Ok(code), Err)
    })
}

/// Which parts were asked for.
fn parts(only: &[Role]) -> Parts {
    let runs = |role| only.is_empty() || only.contains(&role);
    Parts { proxy: runs(Role::Proxy), dns: runs(Role::Dns), control: runs(Role::Control) }
}

/// Runs a future on the house's runtime.
pub(crate) fn in_runtime<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HOUSE_THREADS)
        .thread_name("house")
        .enable_all()
        .build()
        .map_err(|error| Failure::System { what: "cannot start the runtime", error })?;
    let outcome = runtime.block_on(future);
    // Whatever still waits there is let go of: a name that is being resolved must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// Listens for signals.
pub(crate) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|error| Failure::System { what: "cannot listen for signals", error })
}

/// Opens the house; `None` when a signal came first.
pub(crate) async fn open(
    bound: Bound,
    loaded: &Loaded,
    signals: &mut Signals,
) -> Result<Option<House>, Failure> {
    tokio::select! {
        house = compose::open(bound, loaded) => house.map(Some),
        () = signals.end() => Ok(None),
    }
}

/// Says, to people and to the service manager, that requests are served, and at which addresses.
fn ready(house: &House, loaded: &Loaded) {
    let joined = |addresses: Option<&[SocketAddr]>| {
        let texts = addresses.unwrap_or_default().iter().map(ToString::to_string);
        let text = texts.collect::<Vec<_>>().join(",");
        if text.is_empty() { "off".to_owned() } else { text }
    };
    let http = joined(house.proxy.as_ref().map(proxy::Proxy::addresses));
    let dns = joined(house.dns.as_ref().map(dnsd::Dnsd::addresses));
    let admin = house.admin_address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let registry = house.registry.state().borrow().url.clone();
    tracing::info!(
        %http, %dns, %admin, %registry, data = %loaded.settings.data.display(),
        version = %env!("CARGO_PKG_VERSION"), pid = std::process::id(), "ready"
    );
    notify(Notice::Ready);
}

/// Serves until a signal asks for the end.
async fn serve(
    house: &House,
    sources: Sources,
    mut loaded: Loaded,
    log: &logging::Handle,
    signals: &mut Signals,
) {
    loop {
        match signals.next().await {
            Asked::End => return,
            Asked::Reopen => {
                if let Some(proxy) = &house.proxy {
                    proxy.reopen_log();
                }
                tracing::info!("the access log is opened anew");
            }
            Asked::Reload => {
                notify(Notice::Reloading);
                if let Some(taken) = reload(house, &sources, &loaded, log) {
                    loaded = taken;
                }
                notify(Notice::Ready);
            }
        }
    }
}

/// Takes a new configuration over, or keeps the old one and says why.
fn reload(house: &House, sources: &Sources, old: &Loaded, log: &logging::Handle) -> Option<Loaded> {
    let mut new = match sources.load() {
        Ok(new) => new,
        Err(problems) => {
            tracing::error!(%problems, "the configuration is not taken over, the old one stays");
            return None;
        }
    };
    let restart = new.not_live(old);
    for setting in restart.iter().filter_map(|key| Setting::named(key)) {
        // What was read once can be read again.
        let _ = setting.set(&mut new.settings, &setting.get(&old.settings));
    }
    let taken = house.proxy.as_ref().map_or(Ok(()), |proxy| proxy.reload(&new.settings.proxy));
    if let Err(error) = taken {
        tracing::error!(%error, "the configuration is not taken over, the old one stays");
        return None;
    }
    let wrong = house.dns.as_ref().map(|dns| dns.reload(&new.settings.dns)).unwrap_or_default();
    for error in wrong {
        tracing::error!(%error, "a zone file is not taken over; the zone that it held before, if any, is served on");
    }
    log.set_level(&new.settings.log.level);
    let changed = new.changed(old);
    tracing::info!(changed = %changed.join(","), "the configuration is taken over");
    if !restart.is_empty() {
        tracing::warn!(settings = %restart.join(","), "these changed too, but only a restart takes them over");
    }
    Some(new)
}

/// Finishes what is in flight; a second signal ends at once.
pub(crate) async fn leave(house: House, signals: &mut Signals) -> ExitCode {
    notify(Notice::Stopping);
    tracing::info!("ending: requests in flight finish, no new ones are taken");
    tokio::select! {
        finished = house.leave() => {
            if finished {
                tracing::info!("ended");
            } else {
                tracing::warn!("ended; some requests took longer than http.drain allows and were cut");
            }
            ExitCode::SUCCESS
        }
        () = signals.end() => {
            tracing::warn!("ended at once, as the second signal asks");
            ExitCode::FAILURE
        }
    }
}

/// Each connection is a file: as many as the system lets us have. Quietly, because the default serves too.
pub(crate) fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard));
    match raised {
        Ok(files) => tracing::debug!(files, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
