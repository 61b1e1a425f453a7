//! Until the proxy's handle lands.
use model::Report;
use std::sync::Arc;
use tokio::sync::watch;
/// Stand-in.
#[derive(Clone)]
pub struct Proxy {
    reports: watch::Receiver<Arc<Report>>,
}
impl Proxy {
    pub(crate) fn reports(&self) -> watch::Receiver<Arc<Report>> {
        self.reports.clone()
    }
    pub(crate) fn explain(&self, host: &str, path: &str) -> proxy::route::Explanation {
        proxy::route::RouteTable::from_snapshot(
            Arc::new(model::Snapshot::empty()),
            &proxy::health::States::default(),
        )
        .explain(host, path.as_bytes(), 0)
    }
    pub(crate) fn totals(&self) -> proxy::metrics::Totals {
        proxy::metrics::Totals::default()
    }
}
