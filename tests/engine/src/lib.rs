//! For tests alone: a Docker engine of a test's own.
//!
//! In: what images are to have in them and to run. Out: an engine's URL, with those images there; an engine that ends, hangs, comes back.
//! Never here: an engine, a container, a mount or a bridge that outlives its [`Engine`], or the process that had it, however that ended;
//! a rule of the machine's firewall; a setting of its kernel.
//!
//! ```text
//!   test ── words on its input ──► sh keeper.sh ──► dockerd ──► containers, on a bridge of their own
//!                                  (its input ends with the test: then it takes all of it away)
//! ```
//!
//! Ports that containers publish are reachable at 127.0.0.1, which needs no firewall rules: Docker's own proxy passes them on.

mod ask;
mod certificates;
mod image;
mod registry;
mod sshd;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use ask::Answer;
pub use certificates::{Authority, Certificate};
pub use registry::{PASSWORD, Registry, USER};
pub use sshd::Sshd;

const KEEPER: &str = include_str!("keeper.sh");
/// How many engines this process has started.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// The one that tests of a process share.
static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// A running engine, until it is dropped.
#[derive(Debug)]
pub struct Engine {
    folder: PathBuf,
    keeper: Mutex<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    process: Child,
    /// `None` once it is to end.
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Engine {
    /// Starts an engine with nothing in it, which takes a second or two. Needs root, `dockerd` and `busybox` (`tests/install`).
    ///
    /// # Errors
    /// What is missing, or the last lines of the engine's own log.
    pub fn start() -> io::Result<Self> {
        Self::start_with("")
    }

    /// The same, which speaks TLS on a free port of 127.0.0.1, too, to who has a certificate of this authority; with its port.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_tls(authority: &Authority, own: &Certificate) -> io::Result<(Self, u16)> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (ca, cert, key) = (authority.file(), own.certificate.display(), own.key.display());
        let ca = ca.display();
        let arguments = format!(
            "--host tcp://127.0.0.1:{port} --tlsverify --tlscacert {ca} --tlscert {cert} --tlskey {key}"
        );
        Ok((Self::start_with(&arguments)?, port))
    }

    /// `arguments`: dockerd's, between spaces.
    fn start_with(arguments: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("engine.").tempdir()?;
        image::lay_base(folder.path())?;
        // The keeper takes it away.
        let folder = folder.keep();
        let (process, nth) = (std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let subnets = (0..20).map(|next| {
            let number = process.wrapping_mul(7).wrapping_add(nth).wrapping_add(next * 131) % 2560;
            format!("10.{}.{}", 210 + number / 256, number % 256)
        });
        // A group of its own: an interrupt at the terminal is the test's, whose end is what it waits for.
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper.sh"])
            .arg(&folder)
            .arg(format!("pt{process}n{nth}"))
            .args(subnets)
            .env("DOCKERD_ARGUMENTS", arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let words = keeper.stdin.take();
        let answers = keeper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let keeper = Keeper { process: keeper, words, answers: BufReader::new(answers) };
        let engine = Self { folder, keeper: Mutex::new(keeper) };
        engine.start_again()?;
        Ok(engine)
    }

    /// The engine that all tests of this process share, as long as one of them has it: what they make there needs names of their own.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn shared() -> io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return Ok(engine);
        }
        let engine = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&engine);
        Ok(engine)
    }

    /// `unix:///…/docker.sock`
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The socket it listens at.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Ends it as a machine does that is shut down: its containers end too.
    ///
    /// # Errors
    /// Its keeper is gone.
    pub fn stop(&self) -> io::Result<()> {
        self.tell("stop")
    }

    /// Ends it at once; its containers go on, and end when it comes back.
    ///
    /// # Errors
    /// Its keeper is gone.
    pub fn kill(&self) -> io::Result<()> {
        self.tell("kill")
    }

    /// Starts it again, with what it had.
    ///
    /// # Errors
    /// The last lines of its log.
    pub fn start_again(&self) -> io::Result<()> {
        self.tell("start")
    }

    /// From now on it does nothing, and its socket is there.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> io::Result<()> {
        self.tell("freeze")
    }

    /// It goes on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> io::Result<()> {
        self.tell("thaw")
    }

    /// Makes an image that has busybox, its commands in `/bin`, and `files` (a path and its text each). `instructions` are a Dockerfile's,
    /// without `FROM`: `CMD`, `HEALTHCHECK`, `STOPSIGNAL`, one a line.
    ///
    /// # Errors
    /// What the engine says of it.
    pub fn image(&self, name: &str, files: &[(&str, &str)], instructions: &str) -> io::Result<()> {
        let context = image::context(&self.folder, files, instructions)?;
        let answer = self.ask("POST", &format!("/build?t={name}&q=1"), "application/x-tar", &context)?;
        if answer.status != 200 || answer.text.contains("errorDetail") {
            return Err(io::Error::other(format!("image {name}: {answer:?}")));
        }
        Ok(())
    }

    /// Makes an image that serves a page over HTTP, at port 8080.
    ///
    /// # Errors
    /// What the engine says of it.
    pub fn web(&self, name: &str, page: &str) -> io::Result<()> {
        let serve = r#"CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]"#;
        self.image(name, &[("www/index.html", page)], serve)
    }

    /// Gives an image that is there to a registry, and forgets it; what it is called from now on: `127.0.0.1:40123/web:1`.
    ///
    /// # Errors
    /// What the engine, or the registry, says of it.
    pub fn push(&self, image: &str, registry: &Registry) -> io::Result<String> {
        let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let there = format!("{}/{name}", registry.name());
        let steps = [
            ("POST", format!("/images/{image}/tag?repo={there}&tag={tag}")),
            ("POST", format!("/images/{there}/push?tag={tag}")),
            ("DELETE", format!("/images/{there}:{tag}")),
            ("DELETE", format!("/images/{image}")),
        ];
        for (method, path) in steps {
            let answer = self.ask(method, &path, "application/json", b"")?;
            if answer.status >= 300 || answer.text.contains("errorDetail") {
                return Err(io::Error::other(format!("{method} {path}: {answer:?}")));
            }
        }
        Ok(format!("{there}:{tag}"))
    }

    /// Asks the engine's API itself, so that a test has another word than that of the code it tests: `GET`, `/containers/web-1/json`.
    ///
    /// # Errors
    /// It cannot be reached, or does not speak HTTP.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        ask::ask(&self.socket(), method, path, kind, body)
    }

    fn tell(&self, word: &str) -> io::Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let words = keeper.words.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(words, "{word}")?;
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer)?;
        match answer.trim() {
            "done" => Ok(()),
            why => Err(io::Error::other(format!(
                "{word}: {why} (dockerd needs root; tests/install installs it)"
            ))),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.words.take());
        // It may be gone, which is what is wanted.
        drop(keeper.process.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// `path` below `folder`, whether it begins with a slash or not.
fn below(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}
