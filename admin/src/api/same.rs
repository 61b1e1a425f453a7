//! What is served and what the registry says, at one revision: both go on while they are taken.

use std::sync::Arc;
use std::time::Duration;

use dnsd::Dnsd;
use model::{Revision, Snapshot};
use proxy::Proxy;
use proxy::route::RouteTable;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::doors::App;

/// How long what is served may take to reach the registry's revision, or the registry to stand still for as long as it takes to look.
const WAIT: Duration = Duration::from_secs(3);

/// Something derived of a snapshot, beside that snapshot as the registry gave it.
#[derive(Debug)]
pub(crate) struct Same<T> {
    /// What is served.
    pub(crate) served: T,
    /// What the registry says; of the same revision, unless that took too long.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The revision that is served.
    pub(crate) revision: Revision,
}

impl<T> Same<T> {
    /// Whether they can be compared.
    pub(crate) fn is_same(&self) -> bool {
        self.revision == self.snapshot.revision()
    }
}

/// The routes of the proxy.
pub(crate) async fn routes(app: &App, proxy: &Proxy) -> Same<Arc<RouteTable>> {
    let take = || {
        let table = proxy.table();
        let revision = table.revision();
        (table, revision)
    };
    same(app, &mut proxy.reports(), take).await
}

/// The zones of DNS.
pub(crate) async fn zones(app: &App, dns: &Dnsd) -> Same<Arc<dnsd::Served>> {
    let take = || {
        let served = dns.served();
        let revision = served.zones().revision();
        (served, revision)
    };
    same(app, &mut dns.serving(), take).await
}

/// Takes both until they are of one revision; `changes` tells when what is served is another one.
async fn same<T, C>(
    app: &App,
    changes: &mut watch::Receiver<C>,
    take: impl Fn() -> (T, Revision),
) -> Same<T> {
    let mut snapshots = app.doors.registry.snapshots();
    let end = Instant::now() + WAIT;
    loop {
        changes.mark_unchanged();
        let (served, revision) = take();
        // Of what is served first, then of the registry: that one leads.
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let both = Same { served, snapshot, revision };
        if both.is_same() {
            return both;
        }
        let changed = async {
            tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                changed = snapshots.changed() => changed.is_ok(),
            }
        };
        if !matches!(timeout_at(end, changed).await, Ok(true)) {
            return both;
        }
    }
}
