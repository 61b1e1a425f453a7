//! A real redis-server on a free port in a temporary folder, ended by its process id.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, Value};

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server with these settings, as on redis-server's command line.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::within(tempfile::tempdir().unwrap(), settings)
    }

    /// The same, in a folder where something lies already.
    pub(crate) fn within(folder: tempfile::TempDir, settings: &[&str]) -> Self {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        // Somebody else may take the port between our asking for a free one and the server's binding it.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(port, &folder, &settings);
            if answers(&mut child, port) {
                return Self { child, port, folder, settings };
            }
        }
        panic!("redis-server does not start; see whether `redis-server --port 0` works by hand");
    }

    /// A sentinel that watches the master `m` on that port, and is quick to find it dead.
    pub(crate) fn sentinel(master: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watched = format!(
            "sentinel monitor m 127.0.0.1 {master} 2\nsentinel down-after-milliseconds m 1000\n\
             sentinel failover-timeout m 2000\n"
        );
        std::fs::write(folder.path().join("sentinel.conf"), watched).unwrap();
        Self::within(folder, &["sentinel.conf", "--sentinel"])
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection of somebody who knows nothing of portico.
    pub(crate) fn client(&self) -> Connection {
        self.client_at("")
    }

    /// The same, with credentials (`:password@`) or a database (`/2`) in the URL.
    pub(crate) fn client_at(&self, place: &str) -> Connection {
        let (login, db) = place.split_once('/').unwrap_or((place, "0"));
        let url = format!("redis://{login}127.0.0.1:{}/{db}", self.port);
        let client = redis::Client::open(url).unwrap();
        let deadline = Instant::now() + START;
        loop {
            match client.get_connection_with_timeout(START) {
                Ok(connection) => return connection,
                // A server that changes its role cuts connections.
                Err(error) => assert!(Instant::now() < deadline, "port {}: {error}", self.port),
            }
        }
    }

    /// Runs one command and panics when Redis refuses it.
    pub(crate) fn run(&self, command: &str) -> Value {
        run(&mut self.client(), command)
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with whatever its folder holds.
    pub(crate) fn start_again(&mut self) {
        let deadline = Instant::now() + START;
        loop {
            self.child = spawn(self.port, &self.folder, &self.settings);
            if answers(&mut self.child, self.port) {
                return;
            }
            assert!(Instant::now() < deadline, "redis-server does not start again on port {}", self.port);
        }
    }

    /// Lets the server hang: it keeps its connections and answers nothing.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been ended by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &tempfile::TempDir, settings: &[String]) -> Child {
    // A file, if there is one, comes first and says all.
    let file = settings.first().filter(|first| !first.starts_with('-'));
    let kept_in_memory: &[&str] = if file.is_some() { &[] } else { &["--save", "", "--appendonly", "no"] };
    Command::new("redis-server")
        .current_dir(folder.path())
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(kept_in_memory)
        .arg("--dir")
        .arg(folder.path())
        .args(settings.iter().skip(usize::from(file.is_some())))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server cannot be started: install the package `redis-server`")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn answers(child: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // Connecting waits for nothing else; refused connections are tried again at once, a little apart.
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    false
}

/// Runs one command, its words parted by spaces; `'…'` keeps what is in it together, with `'` for `"` in there.
pub(crate) fn run(client: &mut Connection, command: &str) -> Value {
    let (plain, quoted) = command.split_once(" '").unwrap_or((command, ""));
    let mut words = plain.split_whitespace().map(str::to_owned);
    let mut sent = redis::cmd(&words.next().unwrap());
    for word in words {
        sent.arg(word);
    }
    if let Some(quoted) = quoted.strip_suffix('\'') {
        sent.arg(quoted.replace('\'', "\""));
    }
    sent.query(client).unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// Text of a reply.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::Int(number) => number.to_string(),
        Value::SimpleString(text) => text.clone(),
        Value::Nil => String::new(),
        other => panic!("not text: {other:?}"),
    }
}

/// Texts of a reply, sorted.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = match value {
        Value::Array(values) | Value::Set(values) => values.iter().map(text).collect(),
        other => panic!("not a list: {other:?}"),
    };
    texts.sort();
    texts
}
