//! The limits that somebody ran into.

/// A limit that was reached, other than those that alone have an answer of their own (see [`crate::respond::LocalReply`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// A connection ended because it had as many requests as one may have.
    RequestsPerConnection,
    /// A connection was refused because its client's address had as many as one may have.
    ConnectionsPerAddress,
    /// A connection was refused as above, and closed without a word: too many others were being told.
    RefusalsAtOnce,
    /// A client sent its body, or took its answer, more slowly than it must.
    ClientRate,
    /// A request had to wait, because its endpoint had as many connections in use as one may have.
    UpstreamConnections,
    /// A request found as many others waiting for its endpoint as may wait.
    UpstreamQueue,
    /// A request waited for its endpoint for too long.
    UpstreamQueueTimeout,
    /// A connection to an endpoint was closed after its exchange, because as many unused ones were kept as may be.
    UpstreamIdle,
    /// Descriptors ran out, or only those kept in reserve were left: unused connections were closed, accepting pauses.
    OpenFiles,
    /// A connection was refused because memory is nearly used up.
    Memory,
    /// A listener had as many connections as it may have: accepting there pauses.
    ListenerConnections,
    /// There were as many client connections as there may be: accepting pauses.
    Connections,
    /// A request had a larger head than it may have.
    ClientHead,
    /// A request had more header fields than it may have.
    ClientHeaders,
    /// A request's head took too long.
    ClientHeadTimeout,
    /// A client was silent in a body, or took nothing of an answer, for too long.
    ClientIdleTimeout,
    /// A connection ended with our own answer, because more of its request was left than is read and thrown away.
    ClientDrain,
    /// A tunnel was silent for too long.
    TunnelTimeout,
    /// An answer had a larger head than it may have.
    UpstreamHead,
    /// An answer had more header fields than it may have.
    UpstreamHeaders,
    /// An endpoint sent more interim answers (1xx) than it may.
    UpstreamInformational,
}

impl Limit {
    /// Every limit, in the order of [`super::Totals::limits`].
    pub const ALL: [Self; 21] = [
        Self::RequestsPerConnection,
        Self::ConnectionsPerAddress,
        Self::RefusalsAtOnce,
        Self::ClientRate,
        Self::UpstreamConnections,
        Self::UpstreamQueue,
        Self::UpstreamQueueTimeout,
        Self::UpstreamIdle,
        Self::OpenFiles,
        Self::Memory,
        Self::ListenerConnections,
        Self::Connections,
        Self::ClientHead,
        Self::ClientHeaders,
        Self::ClientHeadTimeout,
        Self::ClientIdleTimeout,
        Self::ClientDrain,
        Self::TunnelTimeout,
        Self::UpstreamHead,
        Self::UpstreamHeaders,
        Self::UpstreamInformational,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestsPerConnection => "requests_per_connection",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::RefusalsAtOnce => "refusals_at_once",
            Self::ClientRate => "client_rate",
            Self::UpstreamConnections => "upstream_connections",
            Self::UpstreamQueue => "upstream_queue",
            Self::UpstreamQueueTimeout => "upstream_queue_timeout",
            Self::UpstreamIdle => "upstream_idle",
            Self::OpenFiles => "open_files",
            Self::Memory => "memory",
            Self::ListenerConnections => "listener_connections",
            Self::Connections => "connections",
            Self::ClientHead => "client_head",
            Self::ClientHeaders => "client_headers",
            Self::ClientHeadTimeout => "client_head_timeout",
            Self::ClientIdleTimeout => "client_idle_timeout",
            Self::ClientDrain => "client_drain",
            Self::TunnelTimeout => "tunnel_timeout",
            Self::UpstreamHead => "upstream_head",
            Self::UpstreamHeaders => "upstream_headers",
            Self::UpstreamInformational => "upstream_informational",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_counted_in_the_order_they_are_listed_in() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index, "{}", limit.name());
        }
    }
}
