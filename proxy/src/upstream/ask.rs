//! One attempt at one endpoint: the request goes out, the head of its answer comes back.

use std::future::poll_fn;
use std::task::Poll;

use super::connect::Connection;
use super::pump::{Pump, PumpError};
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::http::{Asked, Limits, Parsed, ResponseError, ResponseHead};
use crate::worker::Worker;

/// Room before an answer's head, so that a rewritten one that is longer still fits in front of the body.
pub(crate) const HEADROOM: usize = 1 << 10;

/// Why an endpoint's answer did not come.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended or broke before the answer's head was whole. `silent`: without one octet of an answer.
    Closed {
        /// Nothing at all was answered.
        silent: bool,
    },
    /// No head within the response timeout.
    TimedOut,
    /// Not an answer that can be passed on.
    Malformed(ResponseError),
    /// The request itself failed, on the client's side.
    Request(PumpError),
    /// The client sent nothing more of its body for too long.
    ClientStalled,
}

/// How long the phases of an attempt may take, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the request's end to the answer's head.
    pub(crate) response: u64,
    /// Without any progress of the request.
    pub(crate) client_idle: u64,
    /// Without any progress of a body that an endpoint takes or sends.
    pub(crate) idle: u64,
}

/// Sends what `pump` holds over `connection`, and reads the head of an answer (an interim one included) into `head`, its
/// octets and what follows into `answer`.
pub(crate) async fn ask(
    worker: &Worker,
    client: &mut Client,
    pump: &mut Pump,
    connection: &mut Connection,
    (head, answer): (&mut ResponseHead, &mut Buffer),
    patience: Patience,
) -> Result<(), Fault> {
    let settings = worker.settings();
    let limits = &settings.config.upstream;
    let asked = client.head.asked();
    let Client { transport, deadline, buffer, .. } = client;
    let Some(buffer) = buffer else { return Err(Fault::Request(PumpError::ClientGone)) };
    if !answer.is_empty() && parse(head, answer, asked, &settings.response_limits)? {
        return Ok(());
    }
    deadline.arm(worker.now() + if pump.is_done() { patience.response } else { patience.client_idle });
    let mut endpoint_takes = true;
    poll_fn(|cx| {
        if endpoint_takes && !pump.is_done() {
            let before = pump.progress();
            match pump.poll(cx, transport, buffer, &mut connection.transport, limits.replay_bytes) {
                Poll::Ready(Ok(())) => deadline.arm(worker.now() + patience.response),
                // It may have answered before it closed its ears: read on.
                Poll::Ready(Err(PumpError::EndpointGone)) => endpoint_takes = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Request(error))),
                Poll::Pending if pump.progress() > before => {
                    deadline.arm(worker.now() + patience.client_idle)
                }
                Poll::Pending => {}
            }
        }
        loop {
            if !answer.make_space(1, HEADROOM + limits.head_bytes.max(crate::worker::RESPONSE_BUFFER)) {
                return Poll::Ready(Err(Fault::Malformed(ResponseError::HeadTooLarge)));
            }
            match connection.transport.poll_read(cx, answer.space()) {
                Poll::Ready(Ok(n)) if n > 0 => {
                    answer.extend(n);
                    if parse(head, answer, asked, &settings.response_limits)? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Ok(_) | Err(_)) => {
                    return Poll::Ready(Err(Fault::Closed { silent: answer.is_empty() }));
                }
                Poll::Pending => break,
            }
        }
        if !deadline.poll_expired(cx) {
            return Poll::Pending;
        }
        let stalled = endpoint_takes && !pump.is_done() && pump.awaits_client();
        Poll::Ready(Err(if stalled { Fault::ClientStalled } else { Fault::TimedOut }))
    })
    .await
}

fn parse(head: &mut ResponseHead, answer: &Buffer, asked: Asked, limits: &Limits) -> Result<bool, Fault> {
    match head.parse(answer.filled(), asked, limits) {
        Ok(Parsed::Complete) => Ok(true),
        Ok(Parsed::Partial) => Ok(false),
        Err(error) => Err(Fault::Malformed(error)),
    }
}
