//! What a log line says, as plain values.

use crate::http::Version;
use crate::respond::LocalReply;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum End {
    /// The answer was sent as a whole.
    Complete,
    /// The client went away, or took nothing in for too long.
    ClientGone,
    /// The endpoint's answer broke off after its head had been sent.
    UpstreamBroken,
    /// Nobody said: the exchange was given up, as at the end of the drain.
    #[default]
    Abandoned,
    /// A fault of ours.
    Panicked,
}

impl End {
    /// Its name in the JSON log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamBroken => "upstream_broken",
            Self::Abandoned => "abandoned",
            Self::Panicked => "panicked",
        }
    }
}

/// The request of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// A request that was understood.
    Parsed { method: &'a [u8], target: &'a [u8], version: Version },
    /// The first line of one that was not, as it came; empty when nothing came.
    Raw(&'a [u8]),
}

/// One exchange. Every text may hold any octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Microseconds since 1970.
    pub unix_us: i64,
    /// An IP address: the client's word for itself when its peer is trusted, else the peer.
    pub client: &'a [u8],
    /// The other side of the connection.
    pub peer: &'a [u8],
    pub asked: Asked<'a>,
    pub host: &'a [u8],
    pub referer: &'a [u8],
    pub user_agent: &'a [u8],
    /// The backend's name: hipache's identifier, its `virtualHost`.
    pub backend: &'a [u8],
    /// The address of the endpoint that was tried last.
    pub endpoint: &'a [u8],
    /// 0: none was sent.
    pub status: u16,
    pub reply: Option<LocalReply>,
    pub end: End,
    pub attempts: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub total_us: u64,
    /// From the start of the last attempt to the end of the exchange, as hipache counts.
    pub upstream_us: Option<u64>,
    /// From the start of the last attempt to the head of its answer.
    pub upstream_head_us: Option<u64>,
}
