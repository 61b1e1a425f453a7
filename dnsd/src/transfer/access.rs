//! What the configuration allows other servers, and how much of it at once.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use model::DomainName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::allowed::Allowed;
use super::key::Keys;
use super::update::MayUpdate;
use crate::config::Config;

/// Who may have what.
#[derive(Debug)]
pub struct Access {
    keys: Keys,
    transfers: Vec<Allowed>,
    updates: Vec<MayUpdate>,
    room: Arc<Semaphore>,
    /// How often there was no room.
    full: AtomicU64,
}

impl Access {
    /// As the configuration says.
    pub(crate) fn new(config: &Config, keys: Keys) -> Self {
        let most = config.transfers.min(Semaphore::MAX_PERMITS);
        let transfers = config.transfer_allow.clone();
        let updates = config.update_allow.clone();
        Self { keys, updates, transfers, room: Arc::new(Semaphore::new(most)), full: AtomicU64::new(0) }
    }

    /// As the configuration says, with the keys of this text, which is written as BIND writes it.
    ///
    /// # Errors
    /// The line, and what is wrong in it.
    pub fn of(config: &Config, keys: &str) -> Result<Self, (usize, String)> {
        super::read_keys(keys).map(|keys| Self::new(config, keys))
    }

    /// Nobody may do anything.
    pub(crate) fn nobody() -> &'static Self {
        static NOBODY: LazyLock<Access> =
            LazyLock::new(|| Access::new(&Config { transfers: 0, ..Config::default() }, Keys::default()));
        &NOBODY
    }

    /// The keys that messages may be signed with.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether zones are handed over to whoever asks from there, signed with that key.
    pub(super) fn may_transfer(&self, address: IpAddr, signed: Option<&DomainName>) -> bool {
        self.transfers.iter().any(|allowed| allowed.is(address, signed))
    }

    /// Whether a zone may be changed by whoever asks from there, signed with that key.
    pub(super) fn may_update(&self, zone: &DomainName, address: IpAddr, signed: Option<&DomainName>) -> bool {
        self.updates.iter().any(|may| may.is(zone, address, signed))
    }

    /// Room for one transfer, as long as this is held; `None`: there are as many as may be.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok();
        if room.is_none() {
            self.full.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// How often there was no room for a transfer.
    pub(crate) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }
}
