//! One attempt at one endpoint: the request goes out, the head of its answer comes back.

use std::future::poll_fn;
use std::task::Poll;

use super::connect::Connection;
use super::pump::{Awaited, Pump, PumpError};
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::http::{Framing, HeadScan, Parsed, ResponseError, ResponseHead};
use crate::metrics::Limit;
use crate::worker::{RESPONSE_BUFFER, Worker};

/// Room before an answer's head, so that a rewritten one that is longer still fits in front of the body.
pub(crate) const HEADROOM: usize = 1 << 10;

/// The largest body that is waited for with its head: what fits into few segments comes as one, or is never whole.
const SMALL: u64 = 16 << 10;
/// How long such a body may lag behind its head, in milliseconds.
const LAG: u64 = 10;

/// Why an endpoint's answer did not come.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended or broke before the answer's head was whole. `silent`: without one octet of an answer.
    Closed {
        /// Nothing at all was answered.
        silent: bool,
    },
    /// The connection ended or broke in a small answer, of which the client has nothing yet.
    Cut,
    /// No head within the response timeout.
    TimedOut,
    /// Not an answer that can be passed on.
    Malformed(ResponseError),
    /// The request itself failed, on the client's side.
    Request(PumpError),
    /// The client sent nothing more of its body for too long.
    ClientStalled,
    /// The client waits no longer.
    ClientLeft,
}

impl Fault {
    /// The limit that an answer is beyond.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Malformed(ResponseError::HeadTooLarge) => Some(Limit::UpstreamHead),
            Self::Malformed(ResponseError::TooManyFields) => Some(Limit::UpstreamHeaders),
            Self::Malformed(ResponseError::TooManyInterim) => Some(Limit::UpstreamInformational),
            _ => None,
        }
    }
}

/// How long the phases of an attempt may take, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the request's end to the answer's head.
    pub(crate) response: u64,
    /// Without any progress of what the client sends or takes.
    pub(crate) client_idle: u64,
    /// Without any progress of a body that an endpoint takes or sends.
    pub(crate) idle: u64,
    /// Without an octet of a tunnel, either way.
    pub(crate) tunnel: u64,
}

impl Patience {
    fn with(self, awaited: Awaited) -> u64 {
        match awaited {
            Awaited::Client => self.client_idle,
            Awaited::Endpoint => self.idle,
            Awaited::Answer => self.response,
        }
    }
}

/// Sends what `pump` holds over `connection`, and reads the head of an answer (an interim one included) into `head`, its
/// octets and what follows into `answer`.
///
/// A small answer to a request that may be sent twice is waited for a moment until it is whole: an endpoint that dies between head and
/// body (HTTP servers often write them apart) has not answered yet, and another one can.
pub(crate) async fn ask(
    worker: &Worker,
    client: &mut Client,
    pump: &mut Pump,
    connection: &mut Connection,
    (head, answer): (&mut ResponseHead, &mut Buffer),
    patience: Patience,
) -> Result<(), Fault> {
    let settings = worker.settings();
    let (limits, most) = (&settings.response_limits, settings.config.upstream.replay_bytes);
    let (asked, is_last) = (client.head.asked(), !client.head.keep_alive());
    let may_repeat = client.head.method().is_idempotent();
    let Client { transport, deadline, buffer, .. } = client;
    let Some(buffer) = buffer else { return Err(Fault::ClientLeft) };
    let mut scan = HeadScan::new(limits.head, limits.head);
    let mut parse = |head: &mut ResponseHead, answer: &Buffer| match scan.is_worth_parsing(answer.filled()) {
        true => head.parse(answer.filled(), asked, limits).map_err(Fault::Malformed),
        false => Ok(Parsed::Partial),
    };
    if !answer.is_empty() && parse(head, answer)? == Parsed::Complete {
        return Ok(());
    }
    let mut endpoint_takes = true;
    let mut armed_for = None;
    let mut lags = false;
    poll_fn(|cx| {
        if endpoint_takes && !pump.is_done() {
            endpoint_takes = takes(pump.poll(cx, transport, buffer, &mut connection.transport, most))?;
        }
        let awaited = pump.awaited();
        if armed_for != Some((awaited, pump.progress())) {
            armed_for = Some((awaited, pump.progress()));
            deadline.arm(worker.after(patience.with(awaited)));
        }
        loop {
            // One without an octet takes memory when there is something to be read.
            if !answer.is_empty() && !answer.make_space(1, HEADROOM + limits.head.max(RESPONSE_BUFFER)) {
                // Behind a large head is no room for a body, however small.
                let begins = lags.then_some(());
                return Poll::Ready(begins.ok_or(Fault::Malformed(ResponseError::HeadTooLarge)));
            }
            match connection.transport.poll_fill(cx, answer) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    if lags || parse(head, answer)? == Parsed::Complete {
                        if !may_repeat || !lacks_little(head, answer) || !pump.is_done() {
                            return Poll::Ready(Ok(()));
                        }
                        if !std::mem::replace(&mut lags, true) {
                            deadline.arm(worker.after(LAG));
                        }
                    }
                }
                Poll::Ready(_) if lags => return Poll::Ready(Err(Fault::Cut)),
                Poll::Ready(_) => return Poll::Ready(Err(Fault::Closed { silent: answer.is_empty() })),
                Poll::Pending => break,
            }
        }
        // Who said that this request is the last, or sent more behind it, may close its side and be answered.
        if pump.is_done() && transport.poll_left(cx, deadline, is_last || buffer.len() > pump.parsed()) {
            return Poll::Ready(Err(Fault::ClientLeft));
        }
        if pump.is_done() && buffer.len() == pump.parsed() {
            buffer.settle(&worker.snug);
        }
        if !deadline.poll_expired(cx) {
            deadline.pace((endpoint_takes && awaited == Awaited::Client).then(|| pump.received()));
            return Poll::Pending;
        }
        if lags {
            return Poll::Ready(Ok(()));
        }
        let stalled = endpoint_takes && awaited == Awaited::Client;
        if stalled {
            worker.waited_out(deadline, Limit::ClientIdleTimeout);
        }
        Poll::Ready(Err(if stalled { Fault::ClientStalled } else { Fault::TimedOut }))
    })
    .await
}

/// Whether an endpoint takes more of a request, of which so much could be sent.
fn takes(sent: Poll<Result<(), PumpError>>) -> Result<bool, Fault> {
    match sent {
        // It may have answered before it closed its ears: read on.
        Poll::Ready(Err(PumpError::EndpointGone)) => Ok(false),
        Poll::Ready(Err(PumpError::ClientGone)) => Err(Fault::ClientLeft),
        Poll::Ready(Err(error)) => Err(Fault::Request(error)),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(true),
    }
}

/// Whether a small answer is not whole yet.
fn lacks_little(head: &ResponseHead, answer: &Buffer) -> bool {
    let Framing::Length(length) = head.framing() else { return false };
    length <= SMALL && ((answer.len() - head.len()) as u64) < length
}
