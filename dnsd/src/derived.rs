//! The derived zone, kept at what the registry says; off the way of questions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Revision, Snapshot};

use crate::config::Config;
use crate::files::FileZones;
use crate::zone::derived::Derivation;
use crate::zone::{Zone, ZoneSet};

/// The derived zone, and the snapshot it is of.
pub(crate) struct Derived {
    derivation: Option<Derivation>,
    /// None until the facts are known.
    current: Option<(Arc<Snapshot>, Arc<Zone>)>,
    revision: Revision,
    known: bool,
}

impl Derived {
    pub(crate) fn new(config: &Config, listens: &[SocketAddr]) -> Self {
        let mut name_servers = config.name_servers.clone();
        if name_servers.is_empty() {
            name_servers =
                listens.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect();
            name_servers.sort();
            name_servers.dedup();
        }
        let seconds =
            |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).min(model::record::MAX_TTL);
        let derivation = config.zone.clone().map(|apex| Derivation {
            apex,
            ttl_service: seconds(config.ttl_service),
            ttl_host: seconds(config.ttl_host),
            negative_ttl: seconds(config.negative_ttl),
            name_servers,
        });
        Self { derivation, current: None, revision: Revision::default(), known: false }
    }

    /// Brings the zone to this snapshot, once that is known to be what the registry says.
    pub(crate) fn follow(&mut self, snapshot: &Arc<Snapshot>, known: bool) {
        (self.revision, self.known) = (snapshot.revision(), known);
        let Some(derivation) = self.derivation.as_ref().filter(|_| known) else { return };
        let followed = match &self.current {
            Some((old, zone)) => derivation.update(zone, old, snapshot),
            None => derivation.build(snapshot).map(Some),
        };
        match (followed, &self.current) {
            (Ok(Some(zone)), _) => self.current = Some((Arc::clone(snapshot), Arc::new(zone))),
            (Ok(None), Some((_, zone))) => self.current = Some((Arc::clone(snapshot), Arc::clone(zone))),
            (Ok(None), None) => {}
            // The names that were served are served on.
            (Err(error), _) => tracing::error!(%error, "the zone of the registry cannot be made (dns.zone)"),
        }
    }

    /// All zones there are. `too_old`: whether those that are derived are told no more.
    pub(crate) fn with(&self, files: &FileZones, too_old: bool) -> ZoneSet {
        let derived = self.current.iter().map(|(_, zone)| Arc::clone(zone));
        let old: Vec<_> = derived.clone().filter(|_| too_old).collect();
        ZoneSet::new(self.revision, self.known, derived.chain(files.zones().map(Arc::clone)))
            .with_too_old(old)
    }
}
