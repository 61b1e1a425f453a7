//! A Docker engine, over its API (1.41 and later: Docker 20.10).
//!
//! In: where it is, and what is asked of it. Out: its answers as values, its errors as the caller's next step.
//! Never here: a connection before the first call; a retry of what changes anything.
//!
//! ```text
//!   Spec ──► asked ──► client (bollard) ──► transport ──► dial ──► unix socket · TCP · TLS · ssh
//!   Container ◄── told ◄── │ ──► failure ──► RuntimeError
//! ```

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    CreateContainerOptions, EventsOptions, InspectContainerOptions, KillContainerOptions,
    ListContainersOptions, RemoveContainerOptions, StartContainerOptions,
};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use model::EngineUrl;
use model::launch::{Image, Signal};
use tokio::sync::{Notify, mpsc, watch};

use super::{
    Answer, BoxFuture, Container, ContainerState, Engine, Exec, Exit, Health, Input, LogLine, LogQuery,
    Progress, Published, Runtime, RuntimeError, Spec,
};

mod asked;
mod credentials;
mod dial;
mod failure;
mod image;
mod output;
mod ssh;
mod tls;
mod told;
mod transport;

use dial::Dial;
use failure::About;
use transport::{Transport, Version};

/// The newest version of the API that the client knows: 1.53.
const NEWEST: usize = 53;
/// What every label of ours begins with.
const OURS: &str = "portico.";
/// How many containers an engine is asked about at the same time.
const AT_ONCE: usize = 4;
/// After so long without an event an engine is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(30);
/// How long an engine that is there may say nothing of an image that it fetches or sends.
const SPEECHLESS: Duration = Duration::from_secs(300);
/// The client's own limit, which is never reached: calls have ours.
const NEVER: u64 = 365 * 24 * 3600;

/// How an engine is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a call may take.
    pub timeout: Duration,
    /// The certificates for engines at `tcp://`; `None`: only those of `plain` are spoken to.
    pub tls: Option<Tls>,
    /// Engines at `tcp://` that are spoken to without TLS.
    pub plain: Vec<EngineUrl>,
    /// The file of settings for `ssh` (`ssh -F`); `None`: its own.
    pub ssh_config: Option<PathBuf>,
    /// Where `docker login` keeps credentials: `~/.docker/config.json`; `None`: images are fetched without.
    pub login: Option<PathBuf>,
}

impl Default for Settings {
    /// 15 seconds; no certificates, no credentials.
    fn default() -> Self {
        let timeout = Duration::from_secs(15);
        Self { timeout, tls: None, plain: Vec::new(), ssh_config: None, login: None }
    }
}

/// Where certificates are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Of the authority that signed the engine's.
    pub authority: PathBuf,
    /// Ours.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A Docker engine.
pub struct Docker {
    url: String,
    settings: Settings,
    client: bollard::Docker,
    version: Version,
    transport: Transport,
}

impl Docker {
    /// The engine at a URL, which is not asked for anything yet.
    ///
    /// # Errors
    /// [`RuntimeError::Refused`] when it is at `tcp://`, and there are no certificates for it.
    pub fn open(url: &EngineUrl, settings: Settings) -> Result<Self, RuntimeError> {
        let (version, timeout) = (Version::default(), settings.timeout);
        let transport = Transport::new(Dial::new(url, &settings)?, version.clone(), timeout);
        let way = transport.clone();
        let send = move |request: bollard::BollardRequest| {
            // An engine says nothing of an image until it has heard of it from a registry.
            let limit = if is_of_an_image(request.uri().path()) { SPEECHLESS } else { timeout };
            let sent = way.clone().send(request);
            async move {
                let head = tokio::time::timeout(limit, sent).await;
                head.unwrap_or(Err(Error::RequestTimeoutError))
            }
        };
        let newest = bollard::API_DEFAULT_VERSION;
        let client =
            bollard::Docker::connect_with_custom_transport(send, Some("http://docker"), NEVER, newest)
                .map_err(|error| failure::failure(error, &url.to_string(), About::Engine))?;
        Ok(Self { url: url.to_string(), settings, client, version, transport })
    }

    /// What `work` comes to, within the time that a call has.
    async fn within<T>(
        &self,
        about: About<'_>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, RuntimeError> {
        let call = async {
            self.negotiate().await?;
            work.await
        };
        let done = tokio::time::timeout(self.settings.timeout, call).await;
        done.unwrap_or(Err(Error::RequestTimeoutError)).map_err(|error| self.failure(error, about))
    }

    /// Before what has no limit of time.
    async fn negotiated(&self) -> Result<(), RuntimeError> {
        self.within(About::Engine, async { Ok(()) }).await
    }

    /// Asks which version of the API it speaks, if that is not known: engines refuse what is newer than they are, and new ones refuse
    /// what is old.
    async fn negotiate(&self) -> Result<(), Error> {
        if self.version.load(Ordering::Relaxed) != 0 {
            return Ok(());
        }
        let told = self.client.version().await?.api_version.unwrap_or_default();
        let minor = told.strip_prefix("1.").and_then(|minor| minor.parse::<usize>().ok());
        let minor = minor.filter(|minor| *minor != 0).ok_or(Error::APIVersionParseError {})?;
        self.version.store(minor.min(NEWEST), Ordering::Relaxed);
        Ok(())
    }

    fn failure(&self, error: Error, about: About<'_>) -> RuntimeError {
        let failure = failure::failure(error, &self.url, about);
        // Another version may come back, by another way.
        if matches!(failure, RuntimeError::Unreachable(_)) {
            self.version.store(0, Ordering::Relaxed);
            self.transport.forget();
        }
        failure
    }

    async fn about_it(&self) -> Result<Engine, RuntimeError> {
        let told = self.within(About::Engine, self.client.info()).await?;
        let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Ok(Engine {
            version: told.server_version.unwrap_or_default(),
            cpu_millis: count(told.ncpu).saturating_mul(1000),
            memory: count(told.mem_total),
        })
    }

    async fn list_ours(&self) -> Result<Vec<Container>, RuntimeError> {
        // The API knows labels, and no beginnings of labels.
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let all = self.within(About::Engine, self.client.list_containers(Some(options))).await?;
        let ours = all
            .into_iter()
            .filter(|summary| summary.labels.iter().flatten().any(|(label, _)| label.starts_with(OURS)));
        // Each has a limit of its own: however many there are, and however slow the way, who answers is not silent.
        let inspected = ours.map(|summary| self.within(About::Engine, self.inspect(summary)));
        let inspected = stream::iter(inspected).buffered(AT_ONCE);
        let mut found: Vec<Container> =
            inspected.try_collect::<Vec<_>>().await?.into_iter().flatten().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// `None`: it is gone by now. Of one that the engine cannot tell more of, what its list says stands: it hides no other.
    async fn inspect(&self, summary: ContainerSummary) -> Result<Option<Container>, Error> {
        let id = summary.id.clone().unwrap_or_default();
        let told = self.client.inspect_container(&id, None::<InspectContainerOptions>);
        match tokio::time::timeout(self.settings.timeout / 3, told).await {
            Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Ok(None),
            Ok(Err(Error::DockerResponseServerError { .. })) | Err(_) => Ok(told::listed(summary)),
            Ok(told) => told.map(told::container),
        }
    }

    async fn follow_events(&self, changed: &Notify) -> RuntimeError {
        if let Err(error) = self.negotiated().await {
            return error;
        }
        // With those that the engine remembers (since the epoch), so that none is lost between this and when it begins to tell.
        let mut events = self.client.events(Some(EventsOptions {
            since: Some("1".to_owned()),
            until: None,
            filters: Some([("type".to_owned(), vec!["container".to_owned()])].into()),
        }));
        changed.notify_one();
        loop {
            match self.heard(&mut events, About::Engine).await {
                Ok(Some(event)) => {
                    if event.action.as_deref().is_some_and(matters) {
                        changed.notify_one();
                    }
                }
                Err(error) => return error,
                Ok(None) => {
                    self.version.store(0, Ordering::Relaxed);
                    return RuntimeError::Unreachable(format!("{}: it ended the stream of events", self.url));
                }
            }
        }
    }

    /// What comes next of an answer in pieces, which may be silent for as long as the engine is there: it is asked.
    async fn heard<T>(
        &self,
        pieces: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
        about: About<'_>,
    ) -> Result<Option<T>, RuntimeError> {
        loop {
            match tokio::time::timeout(QUIET, pieces.next()).await {
                Ok(piece) => return piece.transpose().map_err(|error| self.failure(error, about)),
                Err(_) => _ = self.within(About::Engine, self.client.ping()).await?,
            }
        }
    }

    /// The next word about an image, which an engine that is there may not owe for ever.
    async fn word<T>(
        &self,
        words: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
        image: &Image,
        about: About<'_>,
    ) -> Result<Option<T>, RuntimeError> {
        let word = tokio::time::timeout(SPEECHLESS, self.heard(words, about)).await;
        word.unwrap_or_else(|_| {
            let minutes = SPEECHLESS.as_secs() / 60;
            let reason =
                format!("the engine said nothing of it for {minutes} minutes; can it reach its registry?");
            Err(RuntimeError::NoImage { image: image.to_string(), reason })
        })
    }

    async fn send_signal(&self, id: &str, signal: Option<Signal>) -> Result<(), RuntimeError> {
        let send = async {
            let signal = match signal {
                Some(signal) => Some(format!("SIG{signal}")),
                None => {
                    let told = self.client.inspect_container(id, None::<InspectContainerOptions>).await?;
                    told.config.and_then(|config| config.stop_signal)
                }
            };
            let signal = signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".to_owned());
            match self.client.kill_container(id, Some(KillContainerOptions { signal })).await {
                // It does not run.
                Err(Error::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
                sent => sent,
            }
        };
        self.within(About::Container(id), send).await
    }

    async fn take_away(&self, id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        let remove = async {
            match self.client.remove_container(id, Some(options)).await {
                // It is gone, or somebody takes it away already.
                Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
                removed => removed,
            }
        };
        self.within(About::Container(id), remove).await
    }
}

/// Whether a request has an image fetched or sent.
fn is_of_an_image(path: &str) -> bool {
    path.ends_with("/images/create") || (path.contains("/images/") && path.ends_with("/push"))
}

/// Whether an event says that a container may be another one: checks and commands that run in it do not.
fn matters(action: &str) -> bool {
    !["exec_", "top", "attach", "detach", "resize", "copy", "export", "archive", "extract"]
        .iter()
        .any(|other| action.starts_with(other))
}

impl Runtime for Docker {
    fn about(&self) -> Answer<'_, Engine> {
        Box::pin(self.about_it())
    }

    fn list(&self) -> Answer<'_, Vec<Container>> {
        Box::pin(self.list_ours())
    }

    fn follow<'a>(&'a self, changed: &'a Notify) -> BoxFuture<'a, RuntimeError> {
        Box::pin(self.follow_events(changed))
    }

    fn pull<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(self.fetch(image, progress))
    }

    fn push<'a>(&'a self, image: &'a Image, progress: &'a watch::Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(self.send(image, progress))
    }

    fn image<'a>(&'a self, image: &'a Image) -> Answer<'a, Option<String>> {
        Box::pin(self.digest(image))
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, String> {
        Box::pin(async {
            let options =
                CreateContainerOptions { name: Some(spec.name.clone()), ..CreateContainerOptions::default() };
            let create = self.client.create_container(Some(options), asked::body(spec));
            let about = About::New(&spec.name, spec.image.as_str());
            Ok(self.within(about, create).await?.id)
        })
    }

    fn start<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        let start = self.client.start_container(id, None::<StartContainerOptions>);
        Box::pin(self.within(About::Container(id), start))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Option<Signal>) -> Answer<'a, ()> {
        Box::pin(self.send_signal(id, signal))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answer<'a, ()> {
        Box::pin(self.take_away(id))
    }

    fn logs<'a>(&'a self, id: &'a str, asked: LogQuery, lines: mpsc::Sender<LogLine>) -> Answer<'a, ()> {
        Box::pin(self.read_logs(id, asked, lines))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: Exec,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<LogLine>,
    ) -> Answer<'a, i64> {
        Box::pin(self.run(id, command, input, output))
    }
}
