//! After 101 Switching Protocols: octets both ways, unread by us, until both sides have ended or fell silent.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::connect::Connection;
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::accept::transport::Transport;
use crate::worker::Worker;

/// One direction of a tunnel.
#[derive(Debug)]
struct Way {
    buffer: Buffer,
    moved: u64,
    ended: bool,
    done: bool,
}

impl Way {
    fn new(buffer: Buffer) -> Self {
        Self { buffer, moved: 0, ended: false, done: false }
    }

    /// Moves what can be moved; ready once the source has ended and the sink was told, or one of them broke (`Err`).
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        to: &mut Transport,
    ) -> Poll<Result<(), ()>> {
        loop {
            while !self.buffer.is_empty() {
                match ready!(to.poll_write(cx, self.buffer.filled())) {
                    Ok(n) if n > 0 => {
                        self.buffer.consume(n);
                        self.moved += n as u64;
                    }
                    _ => return Poll::Ready(Err(())),
                }
            }
            if self.ended {
                if !self.done {
                    to.finish();
                    self.done = true;
                }
                return Poll::Ready(Ok(()));
            }
            self.buffer.reserve_front(0);
            match ready!(from.poll_read(cx, self.buffer.space())) {
                Ok(0) => self.ended = true,
                Ok(n) => self.buffer.extend(n),
                Err(_) => return Poll::Ready(Err(())),
            }
        }
    }
}

/// Octets that a tunnel moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// From the client to the endpoint.
    pub(crate) up: u64,
    /// From the endpoint to the client.
    pub(crate) down: u64,
}

/// Joins client and endpoint, until both ended, one broke, or neither said a word for `idle_ms` milliseconds. `up` and `down`
/// hold what was read already.
pub(crate) async fn tunnel(
    worker: &Worker,
    client: &mut Client,
    connection: &mut Connection,
    (up, down): (Buffer, Buffer),
    idle_ms: u64,
) -> Moved {
    let (mut up, mut down) = (Way::new(up), Way::new(down));
    let mut armed_at = None;
    poll_fn(|cx| {
        let sent = up.poll(cx, &mut client.transport, &mut connection.transport);
        let received = down.poll(cx, &mut connection.transport, &mut client.transport);
        match (sent, received) {
            (Poll::Ready(Err(())), _)
            | (_, Poll::Ready(Err(())))
            | (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(());
            }
            _ => {}
        }
        if armed_at != Some((up.moved, down.moved)) {
            armed_at = Some((up.moved, down.moved));
            client.deadline.arm(worker.now() + idle_ms);
        }
        if client.deadline.poll_expired(cx) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Moved { up: up.moved, down: down.moved }
}
