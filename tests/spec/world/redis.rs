//! A Redis of the test's own, on a free port, and a client for it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::redis_tls;
use super::wait::{PATIENCE, until};

/// Replication has a user of its own, so that it can be cut off, and every server can be master or replica.
const REPLICATION: [&str; 15] = [
    "--repl-diskless-sync-delay",
    "0",
    "--repl-timeout",
    "5",
    "--masteruser",
    "copy",
    "--masterauth",
    "pw",
    "--user",
    "copy",
    "on",
    ">pw",
    "+psync",
    "+replconf",
    "+ping",
];

/// A running redis-server; killed when dropped.
pub(crate) struct Redis {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    /// Starts one in `folder`; on that port when one is named (to come back where it was).
    pub(crate) fn start(folder: &Path, port: Option<u16>) -> Self {
        Self::start_with(folder, port, &[])
    }

    /// Starts a replica of another one.
    pub(crate) fn start_replica(folder: &Path, of: &Self) -> Self {
        Self::start_with(folder, None, &["--replicaof", "127.0.0.1", &of.port.to_string()])
    }

    /// Starts one that speaks TLS as well, with a certificate of an authority of its own; with its URL.
    pub(crate) fn start_tls(folder: &Path) -> (Self, String) {
        fs::create_dir_all(folder).unwrap();
        let port = free_port();
        let redis = Self::start_with(folder, None, &redis_tls::settings(folder, &port.to_string()));
        (redis, format!("rediss://127.0.0.1:{port}"))
    }

    fn start_with(folder: &Path, port: Option<u16>, settings: &[&str]) -> Self {
        let kept_in_memory = ["--save", "", "--appendonly", "no"];
        Self::start_as(folder, port, &[&kept_in_memory[..], &REPLICATION, settings].concat())
    }

    /// Starts a sentinel that watches `master` by the name `m`, and is quick to find it dead.
    pub(crate) fn start_sentinel(folder: &Path, master: &Self) -> Self {
        let watched = format!(
            "sentinel monitor m 127.0.0.1 {} 2\nsentinel down-after-milliseconds m 500\n\
             sentinel failover-timeout m 2000\n",
            master.port
        );
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("sentinel.conf"), watched).unwrap();
        Self::start_as(folder, None, &["sentinel.conf", "--sentinel"])
    }

    fn start_as(folder: &Path, port: Option<u16>, settings: &[&str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        // Another process may take the free port before Redis does: then it is another one's turn.
        until("redis-server starts", || {
            let port = port.unwrap_or_else(free_port);
            let log = fs::File::create(folder.join("log")).unwrap();
            let mut child = Command::new("redis-server")
                .args(settings)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(log)
                .spawn()
                .expect("redis-server, which tests/run installs");
            let alive = until("redis-server answers or ends", || match child.try_wait().unwrap() {
                Some(_) => Some(false),
                None => answers(port).then_some(true),
            });
            alive.then(|| Self { child, folder: folder.to_owned(), port })
        })
    }

    /// Ends it, and starts another, empty one in its place.
    pub(crate) fn restart(mut self) -> Self {
        self.stop();
        Self::start(&self.folder.clone(), Some(self.port))
    }

    /// Ends it, and starts a replica of `of` in its place.
    pub(crate) fn restart_as_replica(mut self, of: &Self) -> Self {
        self.stop();
        let of = of.port.to_string();
        Self::start_with(&self.folder.clone(), Some(self.port), &["--replicaof", "127.0.0.1", &of])
    }

    /// A file in its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Ends it at once.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Listens on a channel.
    pub(crate) fn subscribe(&self, channel: &str) -> Subscription {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("SUBSCRIBE {channel}\r\n").as_bytes()).unwrap();
        let mut subscription = Subscription(BufReader::new(stream));
        subscription.next();
        subscription
    }

    /// Runs a command; the answer as redis-cli would print it without quotes, items one a line.
    pub(crate) fn command(&self, parts: &[&str]) -> String {
        let mut request = format!("*{}\r\n", parts.len());
        for part in parts {
            request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        // A server that changes its role cuts who has just come, before it reads what they ask.
        let mut stream = until("Redis answers", || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(request.as_bytes()).ok()?;
            let mut reader = BufReader::new(stream);
            reader.fill_buf().is_ok_and(|octets| !octets.is_empty()).then_some(reader)
        });
        read(&mut stream)
    }
}

/// A channel that is listened to.
pub(crate) struct Subscription(BufReader<TcpStream>);

impl Subscription {
    /// Waits for the next message.
    pub(crate) fn next(&mut self) -> String {
        read(&mut self.0).lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut reply = [0; 7];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n"
}

/// One RESP2 answer.
fn read(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    match kind {
        "$" if rest == "-1" => String::new(),
        "$" => {
            let mut octets = vec![0; rest.parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut octets).unwrap();
            String::from_utf8_lossy(&octets[..octets.len() - 2]).into_owned()
        }
        "*" => {
            let items: Vec<String> = (0..rest.parse().unwrap_or(0)).map(|_| read(stream)).collect();
            items.join("\n")
        }
        "-" => panic!("Redis says {rest}"),
        _ => rest.to_owned(),
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listener.local_addr().unwrap().port()
}
