//! A small origin: answers every request with its name and what it was asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once; more wait.
const CONNECTIONS: usize = 256;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(90);
/// The largest head.
const HEAD: u64 = 64 << 10;

/// Starts one on a free port of the loopback address; it ends with the runtime.
pub(super) async fn start(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener, name));
    Ok(address)
}

async fn accept(listener: TcpListener, name: &'static str) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    // A client that goes away is the usual end.
                    let _ = serve(stream, name).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an origin of the demo cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, name: &str) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some(request) = tokio::time::timeout(IDLE, read(&mut stream)).await?? else { return Ok(()) };
        let text = format!("{name} answers {} for {}\n", request.line, request.host);
        let length = text.len();
        // As if the text were sent, for HEAD.
        let body = if request.line.starts_with("HEAD ") { "" } else { &text };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Origin: {name}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        stream.flush().await?;
    }
}

struct Request {
    /// Method and path.
    line: String,
    host: String,
}

/// Reads a request, its body thrown away; `None` at the end of the connection. The only client is portico, which frames
/// a body by its length or as chunks.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut request = Request { line: String::new(), host: String::new() };
    let (mut length, mut chunked, mut first) = (0, false, true);
    let mut left = HEAD;
    loop {
        let mut line = String::new();
        left -= (&mut *stream).take(left).read_line(&mut line).await? as u64;
        let text = line.trim_end();
        if !line.ends_with('\n') {
            return Ok(None);
        }
        if first {
            request.line = text.rsplit_once(' ').map_or(text, |(line, _version)| line).to_owned();
            first = false;
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "host" => request.host = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "transfer-encoding" => chunked = true,
                _ => {}
            }
        }
    }
    if chunked {
        while skip_chunk(stream).await? {}
    } else {
        skip(stream, length).await?;
    }
    Ok(Some(request))
}

/// One chunk with its line end; false when it was the last, its trailers included.
async fn skip_chunk(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let mut line = String::new();
    (&mut *stream).take(64).read_line(&mut line).await?;
    let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if size > 0 {
        skip(stream, size.saturating_add(2)).await?;
        return Ok(true);
    }
    loop {
        line.clear();
        if (&mut *stream).take(HEAD).read_line(&mut line).await? == 0 || line == "\r\n" {
            return Ok(false);
        }
    }
}

async fn skip(stream: &mut BufReader<TcpStream>, length: u64) -> io::Result<()> {
    tokio::io::copy_buf(&mut stream.take(length), &mut tokio::io::sink()).await.map(drop)
}
