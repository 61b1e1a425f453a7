//! What an instance may take.

/// The least memory: what an engine accepts (Docker: 6 MiB).
const LEAST_MEMORY: u64 = 6 << 20;
/// The most memory, and the most processor time: more than any host has.
const MOST_MEMORY: u64 = 1 << 50;
const MOST_CPU: u64 = 1_000_000;

/// What an instance may take, and what a host has to have free for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Resources {
    cpu: Option<u32>,
    memory: Option<u64>,
}

/// Why it cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResourcesError {
    /// Processor time outside a thousandth to 1,000 cores.
    #[error("{0} thousandths of a core are outside 1 to {MOST_CPU}")]
    Cpu(u64),
    /// Memory outside 6 MiB to 1 PiB.
    #[error("{0} octets of memory are outside {LEAST_MEMORY} (6 MiB) to {MOST_MEMORY} (1 PiB)")]
    Memory(u64),
}

impl Resources {
    /// So many thousandths of a core and so many octets; `None`: no limit, and nothing is set aside.
    ///
    /// # Errors
    /// [`ResourcesError`] for what no host gives.
    pub fn new(cpu: Option<u64>, memory: Option<u64>) -> Result<Self, ResourcesError> {
        let cpu = cpu.map(|cpu| match u32::try_from(cpu) {
            Ok(fine) if (1..=MOST_CPU).contains(&cpu) => Ok(fine),
            _ => Err(ResourcesError::Cpu(cpu)),
        });
        if let Some(memory) = memory
            && !(LEAST_MEMORY..=MOST_MEMORY).contains(&memory)
        {
            return Err(ResourcesError::Memory(memory));
        }
        Ok(Self { cpu: cpu.transpose()?, memory })
    }

    /// Thousandths of a core.
    pub const fn cpu(self) -> Option<u32> {
        self.cpu
    }

    /// Octets.
    pub const fn memory(self) -> Option<u64> {
        self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_what_a_host_can_give() {
        let check =
            |cpu, memory, fine| assert_eq!(Resources::new(cpu, memory).is_ok(), fine, "{cpu:?} {memory:?}");
        check(None, None, true);
        check(Some(1), Some(6 << 20), true);
        check(Some(1_000_000), Some(1 << 50), true);
        check(Some(0), None, false);
        check(Some(1_000_001), None, false);
        check(None, Some((6 << 20) - 1), false);
        check(None, Some(u64::MAX), false);
    }
}
