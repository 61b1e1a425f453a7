//! The real binary: started on free ports, watched by what it logs, ended by its id.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wait::until;

/// Where the binary is.
const BINARY: &str = env!("CARGO_BIN_EXE_portico");

/// The binary with arguments, not yet started.
pub(crate) struct Command {
    command: std::process::Command,
    unread: bool,
}

/// The binary with these arguments, and no `PORTICO_…` variables of whoever runs the tests.
pub(crate) fn portico(arguments: &[&str]) -> Command {
    let mut command = std::process::Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTICO_")
            || name == "SETTINGS_FLAVOR"
            || name == "NOTIFY_SOCKET"
        {
            command.env_remove(name);
        }
    }
    // Many run side by side, and few are asked for names.
    command.env("PORTICO_DNS", "off");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Command { command, unread: false }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// May have so many files and sockets open, and not one more.
    pub(crate) fn open_files(self, most: u32) -> Self {
        self.after(&format!("ulimit -n {most}"))
    }

    /// A limit on the size of its files ([`Portico::file_size`]) is an error to it, not its end.
    pub(crate) fn file_size_is_an_error(self) -> Self {
        self.after("trap '' XFSZ")
    }

    /// Standard output and standard error are pipes that nobody reads, the latter once it serves.
    pub(crate) fn unread(self) -> Self {
        Self { unread: true, ..self }
    }

    /// The same, started by a shell that has run `script` before.
    fn after(self, script: &str) -> Self {
        self.through(&["sh", "-c", &format!("{script} && exec \"$0\" \"$@\"")])
    }

    /// In a network of its own, which has nothing but the loopback interface, where names are asked for at this address.
    pub(crate) fn alone(self, resolver: &str, folder: &std::path::Path) -> Self {
        let file = folder.join("resolv.conf");
        std::fs::write(&file, format!("nameserver {resolver}\n")).unwrap();
        let mount = format!("mount --bind '{}' /etc/resolv.conf", file.display());
        let script = format!("ip link set lo up && {mount} && exec \"$0\" \"$@\"");
        self.through(&["unshare", "--net", "--mount", "sh", "-c", &script])
    }

    /// In the network of another one.
    pub(crate) fn beside(self, other: &Portico) -> Self {
        self.through(&["nsenter", "--net", "--mount", "--target", &other.pid().to_string()])
    }

    /// The same, started by this command, which becomes it.
    fn through(self, by: &[&str]) -> Self {
        let mut command = std::process::Command::new(by[0]);
        command.args(&by[1..]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, ..self }
    }

    /// Runs in this folder.
    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.command.current_dir(folder.into());
        self
    }

    /// Runs to the end.
    pub(crate) fn finish(mut self) -> Finished {
        let output = self.command.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts without waiting for anything.
    pub(crate) fn spawn(mut self) -> Portico {
        let mut child = self.command.spawn().unwrap();
        let (stdout, stderr) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<String>>::default());
        let mut unread = Vec::new();
        if self.unread {
            unread.push(collect(child.stdout.take().unwrap(), &stdout, |_| true));
            unread.push(collect(child.stderr.take().unwrap(), &stderr, is_ready));
        } else {
            collect(child.stdout.take().unwrap(), &stdout, |_| false);
            collect(child.stderr.take().unwrap(), &stderr, |_| false);
        }
        Portico { child, stdout, stderr, _unread: unread }
    }

    /// Starts and waits until it serves.
    pub(crate) fn start(self) -> Portico {
        let mut portico = self.spawn();
        until("portico is ready", || {
            let ended = portico.child.try_wait().unwrap();
            assert!(ended.is_none(), "portico ended with {ended:?}: {}", portico.log());
            portico.ready_line().map(drop)
        });
        portico
    }
}

/// Gathers what a stream says, in a thread that ends with the stream. Once it has said `enough`, the stream is kept and read no more, until
/// what is returned is gone.
fn collect(
    stream: impl Read + Send + 'static,
    into: &Arc<Mutex<String>>,
    enough: fn(&str) -> bool,
) -> SyncSender<()> {
    let into = Arc::clone(into);
    let (keep, kept) = sync_channel(0);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while !enough(&into.lock().unwrap()) {
            if reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                return;
            }
        }
        let _ = kept.recv();
    });
    keep
}

/// Whether a log says where portico serves.
fn is_ready(log: &str) -> bool {
    log.lines().any(|line| line.contains(": ready "))
}

/// A running portico; killed when dropped.
pub(crate) struct Portico {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    /// Streams that are kept and not read.
    _unread: Vec<SyncSender<()>>,
}

impl Portico {
    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// What it wrote to standard output so far: the access log, or the demo's text.
    pub(crate) fn output(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Waits until it has written this to standard output.
    pub(crate) fn says(&mut self, text: &str) -> String {
        until(&format!("portico says {text:?}"), || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "portico ended with {ended:?}: {}", self.log());
            let output = self.output();
            output.contains(text).then_some(output)
        })
    }

    /// The line that says where it serves.
    fn ready_line(&self) -> Option<String> {
        self.log().lines().find(|line| line.contains(": ready ")).map(str::to_owned)
    }

    fn addresses(&self, role: &str) -> Vec<SocketAddr> {
        let line = self.ready_line().expect("it is ready");
        let field = format!(" {role}=");
        let value = line.split(&field).nth(1).unwrap_or_else(|| panic!("no {role} in {line}"));
        value.split(' ').next().unwrap().split(',').map(|address| address.parse().unwrap()).collect()
    }

    /// Where it speaks HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.addresses("http")[0]
    }

    /// All addresses where it speaks HTTP.
    pub(crate) fn listeners(&self) -> Vec<SocketAddr> {
        self.addresses("http")
    }

    /// Where it speaks DNS.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.addresses("dns")[0]
    }

    /// Everywhere it speaks DNS.
    pub(crate) fn dns_listeners(&self) -> Vec<SocketAddr> {
        self.addresses("dns")
    }

    /// Where it speaks the admin API.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.addresses("admin")[0]
    }

    /// How much of the processors it has used so far (proc(5): hundredths of a second).
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
        Duration::from_millis(fields.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }

    /// From now on no file of its may grow beyond so many octets; `None`: it may again.
    pub(crate) fn file_size(&self, most: Option<u64>) {
        let most = most.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
        let limit = format!("--fsize={most}:unlimited");
        let set =
            std::process::Command::new("prlimit").args(["--pid", &self.pid().to_string(), &limit]).status();
        assert!(set.expect("prlimit, of util-linux").success());
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// How much memory it uses, in octets (proc(5): resident).
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// The value of a metric, by its name with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = super::client::get(self.admin(), "127.0.0.1", "/metrics").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command of the command line against it.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Finished {
        let server = format!("http://{}", self.admin());
        let mut all = arguments.to_vec();
        all.extend(["--server", &server]);
        portico(&all).finish()
    }

    /// Runs a command that has to succeed; what it said.
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        let finished = self.cli(arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("portico ends", || self.child.try_wait().unwrap())
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Portico {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            // What it logged is half of what a failed test has to say.
            eprintln!("portico {} logged:\n{}", self.pid(), self.log());
        }
    }
}
