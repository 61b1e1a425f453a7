//! Where healthy proxies are, told anew when that is elsewhere: nodes report far more often than they come and go.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Nodes;
use tokio::sync::watch;

use crate::zone::frontends::Proxies;

/// Follows what nodes report, until nobody asks any more; `own` is where this node's proxy is, until any is heard.
pub(crate) fn follow(
    mut nodes: watch::Receiver<Arc<Nodes>>,
    own: Vec<IpAddr>,
) -> watch::Receiver<Arc<[IpAddr]>> {
    let (tell, told) = watch::channel(Proxies::heard(&nodes.borrow_and_update(), &own));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tell.closed() => return,
                changed = nodes.changed() => if changed.is_err() {
                    return;
                },
            }
            let healthy = Proxies::heard(&nodes.borrow_and_update(), &own);
            tell.send_if_modified(|told| {
                let is_news = *told != healthy;
                *told = healthy;
                is_news
            });
        }
    });
    told
}

/// The second of the clock; 0 before 1970.
pub(crate) fn second() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
