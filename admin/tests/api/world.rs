//! A real listener over a registry in memory, and a client that sends exactly what a test wants.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use admin::{Config, Doors};
use model::NodeId;
use registry::RegistryUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// One admin listener.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// What the proxy, if there is one, says of itself.
    pub(crate) reports: Option<watch::Receiver<std::sync::Arc<model::ProxyReport>>>,
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) ended: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(crate) shutdown: Option<oneshot::Sender<()>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl World {
    /// On a free loopback port, with the default limits.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Beside a real proxy on a free loopback port.
    pub(crate) async fn with_proxy() -> (Self, SocketAddr) {
        let mut config = proxy::config::Config { workers: 1, ..proxy::config::Config::default() };
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()];
        config.access_log.target = None;
        let bound = proxy::bind(&config).unwrap();
        let address = bound.addresses()[0];
        (Self::start(|_| {}, Some(bound)).await, address)
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start(change, None).await
    }

    async fn start(change: impl FnOnce(&mut Config), proxy: Option<proxy::Bound>) -> Self {
        let mut config = Config { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Config::default() };
        change(&mut config);
        let bound = admin::bind(&config).unwrap().unwrap();
        let address = bound.address();
        let url = RegistryUrl::parse("memory:", Path::new("")).unwrap();
        let registry = registry::open(&url, registry::Config::default()).await.unwrap();
        let (draining, drains) = watch::channel(false);
        let inputs = proxy::Inputs {
            snapshots: registry.snapshots(),
            marks: registry.marks(),
            known: watch::channel(true).1,
            health: registry.health_reports(),
            alarm: model::Alarm::default(),
        };
        let doors = Doors {
            registry,
            proxy: proxy.map(|bound| bound.start(inputs).unwrap()),
            control: None,
            dns: None,
            node: NodeId("node-1".into()),
            version: "1.2.3",
            started: Instant::now(),
            started_at: SystemTime::now(),
            log_dropped: || 0,
            listeners: vec![admin::wire::Listener { role: "admin".to_owned(), address: address.to_string() }],
            draining: drains,
        };
        let reports = doors.proxy.as_ref().map(proxy::Proxy::reports);
        if let Some(reports) = reports.clone() {
            doors.registry.report(whole(reports));
        }
        let (shutdown, asked) = oneshot::channel();
        let ended = tokio::spawn(admin::serve(bound, doors, async move {
            let _ = asked.await;
        }));
        Self { address, reports, draining, ended, shutdown: Some(shutdown) }
    }

    /// What the proxy at this address answers to a request for this host.
    pub(crate) async fn request(&self, proxy: SocketAddr, host: &str, path: &str) -> Reply {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let octets = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(octets.as_bytes()).await.unwrap();
        read_reply(&mut stream).await
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these octets on a connection of their own and reads to its end.
    pub(crate) async fn raw(&self, octets: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(octets.as_bytes()).await.unwrap();
        read_reply(&mut stream).await
    }

    /// Sends a request with a proper `Host`, further header lines and a body.
    pub(crate) async fn send(&self, request: &str, lines: &[&str], body: &str) -> Reply {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let host = self.address;
        let length = body.len();
        let octets = format!(
            "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
        );
        self.raw(&octets).await
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(&format!("GET {path}"), &[], "").await
    }
}

/// A node's whole word where its proxy is all there is.
fn whole(
    mut reports: watch::Receiver<std::sync::Arc<model::ProxyReport>>,
) -> watch::Receiver<std::sync::Arc<model::Report>> {
    let (tell, told) = watch::channel(std::sync::Arc::default());
    tokio::spawn(async move {
        loop {
            let proxy = Some(std::sync::Arc::clone(&reports.borrow_and_update()));
            tell.send_replace(std::sync::Arc::new(model::Report { proxy, ..model::Report::default() }));
            if reports.changed().await.is_err() {
                return;
            }
        }
    });
    told
}

/// Reads an answer to the end of the connection.
pub(crate) async fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut octets = Vec::new();
    // A reset behind the answer (of a request that was not read whole) is no reason to forget the answer.
    let read =
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut octets)).await.expect("no answer in time");
    assert!(read.is_ok() || !octets.is_empty(), "{read:?}");
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => unchunk(body),
        false => body.to_owned(),
    };
    Reply { status, head: head.to_owned(), body }
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&more[..size]);
        rest = &more[size + 2..];
        if size == 0 {
            break;
        }
    }
    body
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Checks the status, and that an error is a problem in the form of RFC 9457 that says what to do.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        if status >= 400 {
            assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
            let problem: admin::wire::Problem = serde_json::from_str(&self.body).unwrap();
            assert_eq!(problem.status, status);
            assert!(problem.kind.starts_with("urn:portico:problem:"), "{problem:?}");
            assert!(!problem.detail.is_empty() && !problem.remedy.is_empty(), "{problem:?}");
        }
        self
    }
}
