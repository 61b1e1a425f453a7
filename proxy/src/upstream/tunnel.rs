//! After 101 Switching Protocols: octets both ways, unread by us, until both sides have ended or fell silent.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::ask::Patience;
use super::connect::Connection;
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::accept::transport::Transport;
use crate::accept::turn::{TURN_OCTETS, end_turn};
use crate::metrics::Limit;
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

    /// Moves what can be moved; ready once the source has ended and the sink was told.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        to: &mut Transport,
    ) -> Poll<Result<(), Broken>> {
        let start = self.moved;
        loop {
            if self.moved - start > TURN_OCTETS as u64 {
                return end_turn(cx);
            }
            while !self.buffer.is_empty() {
                match ready!(to.poll_write(cx, self.buffer.filled())) {
                    Ok(n) if n > 0 => {
                        self.buffer.consume(n);
                        self.moved += n as u64;
                    }
                    _ => return Poll::Ready(Err(Broken::Sink)),
                }
            }
            if self.ended {
                if !self.done {
                    to.finish();
                    self.done = true;
                }
                return Poll::Ready(Ok(()));
            }
            match ready!(from.poll_fill(cx, &mut self.buffer)) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(Broken::Source)),
            }
        }
    }
}

/// Which side of a way broke.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Source,
    Sink,
}

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TunnelEnd {
    /// Both sides ended.
    Ended,
    /// Neither side said a word for too long.
    Silent,
    /// The client's connection broke.
    ClientGone,
    /// The endpoint's connection broke.
    EndpointGone,
    /// The drain's deadline has passed.
    GivenUp,
}

/// Octets that a tunnel moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// From the client to the endpoint.
    pub(crate) up: u64,
    /// From the endpoint to the client.
    pub(crate) down: u64,
}

/// Joins client and endpoint, until both ended, one broke, or neither said a word for too long: a tunnel's patience while both
/// are open, that of a body once one of them has ended. `up` and `down` hold what was read already.
pub(crate) async fn tunnel(
    worker: &Worker,
    client: &mut Client,
    connection: &mut Connection,
    (up, down): (Buffer, Buffer),
    patience: Patience,
) -> (Moved, TunnelEnd) {
    let (mut up, mut down) = (Way::new(up), Way::new(down));
    let mut armed_at = None;
    let end = poll_fn(|cx| {
        let sent = up.poll(cx, &mut client.transport, &mut connection.transport);
        let received = down.poll(cx, &mut connection.transport, &mut client.transport);
        match (sent, received) {
            (Poll::Ready(Err(Broken::Source)), _) | (_, Poll::Ready(Err(Broken::Sink))) => {
                return Poll::Ready(TunnelEnd::ClientGone);
            }
            (Poll::Ready(Err(Broken::Sink)), _) | (_, Poll::Ready(Err(Broken::Source))) => {
                return Poll::Ready(TunnelEnd::EndpointGone);
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(TunnelEnd::Ended),
            _ if worker.is_over() => return Poll::Ready(TunnelEnd::GivenUp),
            _ => {}
        }
        let half_open = up.done || down.done;
        if armed_at != Some((up.moved, down.moved, half_open)) {
            armed_at = Some((up.moved, down.moved, half_open));
            let idle = if half_open { patience.idle.min(patience.tunnel) } else { patience.tunnel };
            client.deadline.arm(worker.after(idle));
        }
        if !client.deadline.poll_expired(cx) {
            return Poll::Pending;
        }
        worker.waited_out(&client.deadline, Limit::TunnelTimeout);
        Poll::Ready(TunnelEnd::Silent)
    })
    .await;
    (Moved { up: up.moved, down: down.moved }, end)
}
