//! One admin listener, spoken to over HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use admin::wire::{EXEC_PROTOCOL, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::{Method, Request, Response, StatusCode, Uri};

use crate::failure::Failure;
use crate::file;

/// How long a connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a whole request may take; the server itself gives up earlier.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The same for what reads or writes all that a registry holds.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same for a stream, which its server ends.
const ENDLESS: Duration = Duration::from_secs(7 * 86_400);
/// The header that says which revision a file is of.
const REVISION: &str = "portico-revision";
/// The largest answer, in octets: a page of 10,000 large frontends.
const ANSWER_BYTES: u64 = 256 << 20;

/// The longest head of an answer that upgrades a connection, in octets.
const HEAD_BYTES: usize = 16 << 10;

/// One admin listener.
pub(crate) struct Client {
    agent: ureq::Agent,
    server: String,
    token: Option<String>,
}

impl Client {
    /// A client of the listener at `server`, a URL; `http://` may be left out.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is not the URL of one.
    pub(crate) fn new(server: &str, token: Option<&str>) -> Result<Self, Failure> {
        let server = server.trim().trim_end_matches('/');
        let server = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let wrong = |why: &str| Failure::Usage(format!("server `{server}`: {why}; write http://HOST:PORT"));
        if server.starts_with("https://") {
            return Err(wrong("the admin listener speaks plain HTTP (use an SSH tunnel across networks)"));
        }
        let uri: Uri = server.parse().map_err(|_| wrong("not a URL"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(wrong("not the URL of an admin listener"));
        }
        let token = token.map(str::trim).filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { agent: agent(TIMEOUT), server, token })
    }

    /// The same, for requests that take long.
    pub(crate) fn patient(&self) -> Self {
        Self { agent: agent(PATIENCE), server: self.server.clone(), token: self.token.clone() }
    }

    /// Reads.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, None, &[])
    }

    /// Reads what a server answers in either case: that it is so, or that it was not in time (504).
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused.
    pub(crate) fn get_in_time<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let mut response = self.ask(Method::GET, path, None, &[])?;
        if !response.status().is_success() && response.status() != StatusCode::GATEWAY_TIMEOUT {
            return Err(self.refusal(response));
        }
        let answer = self.read(&mut response)?;
        serde_json::from_slice(&answer).map_err(|_| self.foreign(&response))
    }

    /// Reads lines as they come, to the end of the answer or until `take` wants no more.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused; or cut in the middle.
    pub(crate) fn lines(&self, path: &str, take: impl FnMut(&str) -> bool) -> Result<(), Failure> {
        self.told(Method::GET, path, None, take)
    }

    /// The same, of what is told about something that is asked for.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused; or cut in the middle.
    pub(crate) fn post_lines(
        &self,
        path: &str,
        asked: &impl Serialize,
        take: impl FnMut(&str) -> bool,
    ) -> Result<(), Failure> {
        let body = serde_json::to_vec(asked).map_err(|error| Failure::Usage(error.to_string()))?;
        self.told(Method::POST, path, Some(body), take)
    }

    fn told(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        mut take: impl FnMut(&str) -> bool,
    ) -> Result<(), Failure> {
        let endless = Self { agent: agent(ENDLESS), server: self.server.clone(), token: self.token.clone() };
        let mut response = endless.ask(method, path, body, &[])?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        let mut reader = BufReader::new(response.body_mut().as_reader());
        loop {
            let mut line = String::new();
            match reader.by_ref().take(ANSWER_BYTES).read_line(&mut line) {
                Ok(0) => return Ok(()),
                Ok(_) if take(line.trim_end()) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(self.unreachable(&ureq::Error::Io(error))),
            }
        }
    }

    /// Writes or removes; `conditions` are header fields.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused.
    pub(crate) fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        conditions: &[(&str, String)],
    ) -> Result<T, Failure> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| Failure::Usage(error.to_string()))?;
        self.send(method, path, body, conditions)
    }

    /// Writes a JSON document as it is.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, document: Vec<u8>) -> Result<T, Failure> {
        self.send(Method::POST, path, Some(document), &[])
    }

    /// Reads a file, whatever its size, into `to`, which `place` is an operator's name of. Answers its revision and its size.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused; or `to` does not take it.
    pub(crate) fn download(
        &self,
        path: &str,
        to: &mut impl Write,
        place: &Path,
    ) -> Result<(u64, u64), Failure> {
        let mut response = self.ask(Method::GET, path, None, &[])?;
        let revision = response.headers().get(REVISION).and_then(|value| value.to_str().ok()?.parse().ok());
        let (true, Some(revision)) = (response.status().is_success(), revision) else {
            return Err(self.refusal(response));
        };
        let (mut reader, mut octets, mut chunk) = (response.body_mut().as_reader(), 0, vec![0; 64 << 10]);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok((revision, octets)),
                Ok(read) => {
                    to.write_all(&chunk[..read]).map_err(|error| file::failed(place, &error))?;
                    octets += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreachable(&ureq::Error::Io(error))),
            }
        }
    }

    /// A connection that is upgraded for a command.
    ///
    /// # Errors
    /// [`Failure`]: unreachable, not portico, or refused.
    pub(crate) fn upgrade(&self, path: &str, asked: &impl Serialize) -> Result<TcpStream, Failure> {
        let body = serde_json::to_vec(asked).map_err(|error| Failure::Usage(error.to_string()))?;
        let uri: Uri =
            self.server.parse().map_err(|_| Failure::Usage(format!("{} is no URL", self.server)))?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let addresses =
            (host, uri.port_u16().unwrap_or(80)).to_socket_addrs().map_err(|error| self.cut(&error))?;
        let mut opened = Err(io::Error::other("its name has no address"));
        for address in addresses {
            opened = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT);
            if opened.is_ok() {
                break;
            }
        }
        let mut stream = opened.map_err(|error| self.cut(&error))?;
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST {}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: {EXEC_PROTOCOL}\r\n\
             Content-Type: application/json\r\nPortico-Who: {}\r\n{}Content-Length: {}\r\n\r\n",
            uri.path().trim_end_matches('/'),
            who(),
            token.unwrap_or_default(),
            body.len()
        );
        let sent = stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.write_all(head.as_bytes()));
        sent.and_then(|()| stream.write_all(&body)).map_err(|error| self.cut(&error))?;
        let head = head_of(&mut stream).map_err(|error| self.cut(&error))?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status == "101" {
            stream.set_read_timeout(None).map_err(|error| self.cut(&error))?;
            return Ok(stream);
        }
        let length = head.lines().filter_map(|line| line.split_once(':'));
        let length =
            length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
        let length = length.filter_map(|value| value.trim().parse().ok()).next().unwrap_or(0);
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES.min(length)).read_to_end(&mut answer).map_err(|error| self.cut(&error))?;
        Err(match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) => Failure::Refused(Box::new(problem)),
            Err(_) => Failure::Foreign { server: self.server.clone(), answer: status.to_owned() },
        })
    }

    /// A connection that could not be, or that ended too early.
    pub(crate) fn cut(&self, error: &io::Error) -> Failure {
        Failure::Unreachable { server: self.server.clone(), reason: plain(error) }
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        conditions: &[(&str, String)],
    ) -> Result<T, Failure> {
        let mut response = self.ask(method, path, body, conditions)?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        let answer = self.read(&mut response)?;
        serde_json::from_slice(&answer).map_err(|_| self.foreign(&response))
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        conditions: &[(&str, String)],
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("Accept", "application/json, application/problem+json")
            .header("Portico-Who", who());
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in conditions {
            request = request.header(*name, value);
        }
        let usage =
            |error: ureq::http::Error| Failure::Usage(format!("the request cannot be written: {error}"));
        let sent = match body {
            Some(body) => self.agent.run(request.body(body).map_err(usage)?),
            None => self.agent.run(request.body(()).map_err(usage)?),
        };
        sent.map_err(|error| self.unreachable(&error))
    }

    fn read(&self, response: &mut Response<Body>) -> Result<Vec<u8>, Failure> {
        let read = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        read.map_err(|error| self.unreachable(&error))
    }

    /// Why an answer is not the one that was asked for.
    fn refusal(&self, mut response: Response<Body>) -> Failure {
        let answer = match self.read(&mut response) {
            Ok(answer) => answer,
            Err(failure) => return failure,
        };
        match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) if !response.status().is_success() => Failure::Refused(Box::new(problem)),
            _ => self.foreign(&response),
        }
    }

    fn foreign(&self, response: &Response<Body>) -> Failure {
        Failure::Foreign { server: self.server.clone(), answer: response.status().to_string() }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let reason = match error {
            ureq::Error::Io(error) => plain(error),
            ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
            ureq::Error::HostNotFound => "its name is not known".to_owned(),
            other => other.to_string(),
        };
        Failure::Unreachable { server: self.server.clone(), reason }
    }
}

/// The head of an answer, octet by octet: what follows it is the protocol's that the connection is upgraded to.
fn head_of(stream: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES {
            return Err(io::Error::other("its answer has no end"));
        }
        stream.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn agent(timeout: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(timeout))
        .user_agent(concat!("portico/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// What the system said, without its number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// Who sits here, for the history: `user@host`.
fn who() -> String {
    let named =
        ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    let who = format!("{}@{host}", named.or_else(account).as_deref().unwrap_or("unknown"));
    who.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// The name of the account this process runs as; cron and containers set no `USER`.
fn account() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str())).map(|fields| fields[0].to_owned())
}
