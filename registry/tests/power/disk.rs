//! A disk whose power can be cut.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use redb::StorageBackend;

/// What a disk writes whole or not at all, in octets.
const SECTOR: usize = 512;

/// A disk; clones of its backend share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    /// What survives a cut for sure.
    durable: Vec<u8>,
    /// What is read back while the power is on.
    seen: Vec<u8>,
    /// Written and not synced, in order.
    unsynced: Vec<Operation>,
    /// Operations until the cut.
    left: u64,
}

#[derive(Debug, Clone)]
enum Operation {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The power stays for so many writes, syncs and changes of length.
    pub(crate) fn power_on(&self, operations: u64) {
        self.state().left = operations;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.state().left == 0
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend(self.clone())
    }

    /// The same disk, with power that stays.
    pub(crate) fn clone_powered(&self) -> Self {
        let copy = self.state().clone();
        Self(Arc::new(Mutex::new(State { left: u64::MAX, ..copy })))
    }

    /// What is on the disk after the cut: all that was synced, and of the rest what chance says: each operation is kept, lost, or
    /// torn at sectors (a few even within one).
    pub(crate) fn reboot(&self, dice: &mut Rng) -> Self {
        let mut state = self.state();
        let mut durable = std::mem::take(&mut state.durable);
        // Some cuts lose everything, some nothing, most a part.
        let keep = *dice.choice(&[0.0, 0.3, 0.5, 0.8, 1.0]).unwrap_or(&0.5);
        for operation in state.unsynced.drain(..) {
            match operation {
                Operation::Write(at, data) if dice.f64() < keep => put(&mut durable, at, &data),
                Operation::Write(at, data) if dice.bool() => tear(&mut durable, at, &data, dice),
                Operation::Length(length) if dice.f64() < keep.max(0.5) => durable.resize(length, 0),
                Operation::Write(..) | Operation::Length(_) => {}
            }
        }
        let seen = durable.clone();
        Self(Arc::new(Mutex::new(State { durable, seen, ..State::default() })))
    }
}

/// Writes some sectors of `data`, and of one of them only the beginning.
fn tear(durable: &mut Vec<u8>, at: usize, data: &[u8], dice: &mut Rng) {
    let first = SECTOR - at % SECTOR;
    let mut from = 0;
    while from < data.len() {
        let whole = if from == 0 { first.min(data.len()) } else { SECTOR.min(data.len() - from) };
        let written = match dice.u8(0..16) {
            0 => dice.usize(0..=whole),
            1..8 => whole,
            _ => 0,
        };
        put(durable, at + from, &data[from..from + written]);
        from += whole;
    }
}

fn put(disk: &mut Vec<u8>, at: usize, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    if disk.len() < at + data.len() {
        disk.resize(at + data.len(), 0);
    }
    disk[at..at + data.len()].copy_from_slice(data);
}

/// The disk as redb sees it.
#[derive(Debug)]
pub(crate) struct Backend(Disk);

impl Backend {
    /// The state, unless the power is off; one operation less is left.
    fn operate(&self) -> Result<MutexGuard<'_, State>, io::Error> {
        let mut state = self.0.state();
        if state.left == 0 {
            return Err(io::Error::other("the power is off"));
        }
        state.left -= 1;
        Ok(state)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let state = self.0.state();
        let read = state.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let length = usize::try_from(len).map_err(io::Error::other)?;
        let mut state = self.operate()?;
        state.seen.resize(length, 0);
        state.unsynced.push(Operation::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut state = self.operate()?;
        if state.left == 0 {
            // The cut came during the sync: it may have done anything, and nobody was told.
            return Err(io::Error::other("the power went off"));
        }
        let State { durable, unsynced, .. } = &mut *state;
        for operation in unsynced.drain(..) {
            match operation {
                Operation::Write(at, data) => put(durable, at, &data),
                Operation::Length(length) => durable.resize(length, 0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let mut state = self.operate()?;
        put(&mut state.seen, at, data);
        state.unsynced.push(Operation::Write(at, data.to_vec()));
        Ok(())
    }
}
