//! This node's word about itself, put together from what its parts say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::{DnsReport, ProxyReport, Report, Revision};
use tokio::sync::watch;

/// What the parts say; a part that does not run says nothing.
pub(crate) struct Parts {
    pub(crate) proxy: Option<watch::Receiver<Arc<ProxyReport>>>,
    pub(crate) dns: Option<watch::Receiver<Revision>>,
    /// With which TTL DNS names services.
    pub(crate) ttl: Duration,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) draining: watch::Receiver<bool>,
}

/// The word of a node that has these doors (DNS: with this TTL for services) and serves nothing at them yet; nothing comes after it.
pub(crate) fn first(
    proxy: bool,
    dns: Option<Duration>,
    addresses: &[IpAddr],
) -> watch::Receiver<Arc<Report>> {
    let report = Report {
        proxy: proxy.then(Arc::default),
        dns: dns.map(|ttl| DnsReport { serving: Revision::default(), ttl }),
        addresses: addresses.to_vec(),
        draining: false,
    };
    watch::channel(Arc::new(report)).1
}

/// Where the world reaches the proxy: as configured, else where it listens, unless that is everywhere.
pub(crate) fn addresses(configured: &[IpAddr], listeners: &[SocketAddr]) -> Vec<IpAddr> {
    if !configured.is_empty() {
        return configured.to_vec();
    }
    let mut addresses: Vec<IpAddr> =
        listeners.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

impl Parts {
    fn report(&mut self) -> Report {
        Report {
            proxy: self.proxy.as_mut().map(|proxy| Arc::clone(&proxy.borrow_and_update())),
            dns: self.dns.as_mut().map(|dns| DnsReport { serving: *dns.borrow_and_update(), ttl: self.ttl }),
            addresses: self.addresses.clone(),
            draining: *self.draining.borrow_and_update(),
        }
    }

    /// Says it, anew whenever a part says something else, until nobody listens.
    pub(crate) fn merge(mut self) -> watch::Receiver<Arc<Report>> {
        let (tell, told) = watch::channel(Arc::new(self.report()));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tell.closed() => return,
                    () = changed(self.proxy.as_mut()) => {}
                    () = changed(self.dns.as_mut()) => {}
                    () = changed(Some(&mut self.draining)) => {}
                }
                tell.send_replace(Arc::new(self.report()));
            }
        });
        told
    }
}

/// Waits until a part says something else; for ever, where there is none or it has ended.
async fn changed<T>(part: Option<&mut watch::Receiver<T>>) {
    let is_news = match part {
        Some(part) => part.changed().await.is_ok(),
        None => false,
    };
    if !is_news {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use model::Door;

    use super::*;

    #[test]
    fn the_addresses_are_those_that_are_configured_or_where_it_listens() {
        let check = |configured: &[&str], listeners: &[&str], expected: &[&str]| {
            let configured: Vec<IpAddr> = configured.iter().map(|text| text.parse().unwrap()).collect();
            let listeners: Vec<SocketAddr> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            let found: Vec<String> =
                addresses(&configured, &listeners).iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected);
        };
        check(&[], &["10.0.0.7:80", "[fd00::7]:80", "10.0.0.7:443"], &["10.0.0.7", "fd00::7"]);
        check(&[], &["0.0.0.0:80", "[::]:80"], &[]);
        check(&["192.0.2.1"], &["10.0.0.7:80"], &["192.0.2.1"]);
        check(&[], &[], &[]);
    }

    #[test]
    fn the_first_word_names_the_doors_and_says_that_they_serve_nothing() {
        let ttl = Duration::from_secs(5);
        let word = first(false, Some(ttl), &["10.0.0.7".parse().unwrap()]).borrow().clone();
        assert_eq!(Door::ALL.map(|door| word.serving(door)), [None, Some(Revision::new(0))]);
        assert_eq!((word.addresses.len(), word.dns.map(|dns| dns.ttl)), (1, Some(ttl)));
        let word = first(true, None, &[]).borrow().clone();
        assert_eq!(Door::ALL.map(|door| word.serving(door)), [Some(Revision::new(0)), None]);
    }

    #[tokio::test]
    async fn what_a_part_says_is_said_anew() {
        let (proxy, proxies) = watch::channel(Arc::new(ProxyReport::default()));
        let (dns, serves) = watch::channel(Revision::new(1));
        let (draining, drains) = watch::channel(false);
        let (addresses, ttl) = (Vec::new(), Duration::from_secs(5));
        let parts = Parts { proxy: Some(proxies), dns: Some(serves), ttl, addresses, draining: drains };
        let mut told = parts.merge();

        proxy.send_replace(Arc::new(ProxyReport { serving: Revision::new(7), ..ProxyReport::default() }));
        dns.send_replace(Revision::new(7));
        drop(proxy);
        draining.send_replace(true);

        let dns = Some(DnsReport { serving: Revision::new(7), ttl });
        let both = told.wait_for(|report| report.draining && report.dns == dns);
        let proxy = both.await.unwrap().proxy.clone();
        assert_eq!(proxy.map(|proxy| proxy.serving), Some(Revision::new(7)));
    }
}
