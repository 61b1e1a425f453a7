//! An origin for thousands of connections at once, in one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A listening origin that reads each request whole and answers with so many octets; ended when dropped.
pub(crate) struct WideOrigin {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WideOrigin {
    /// One whose answers have a body of `octets`.
    pub(crate) fn start(octets: usize) -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        // Its connections have buffers of this size, so that thousands do not use up what the system has for all.
        listener.set_send_buffer_size(32 << 10).unwrap();
        listener.listen(4096).unwrap();
        let listener = std::net::TcpListener::from(listener);
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = thread::spawn(move || {
            let accepting = async {
                let listener = TcpListener::from_std(listener).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {octets}\r\n\r\n");
                let answer: Arc<[u8]> = [head.into_bytes(), vec![b'x'; octets]].concat().into();
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream, Arc::clone(&answer)));
                    }
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = accepting => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, end: Some(end), thread: Some(thread) }
    }

    /// Its URL, as a frontend names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for WideOrigin {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection: a request after the other, until either side has enough.
async fn serve(stream: TcpStream, answer: Arc<[u8]>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await.ok()?;
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
    }
}
