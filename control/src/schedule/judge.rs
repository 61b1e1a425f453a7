//! Whether a service's instance may be on a host: the wishes, one after the other.

use model::ServiceName;

use super::fleet::State;
use super::tally::Tally;
use super::wanted::{Copies, Wanted};
use super::why::Why;

/// A service, and what of other services' wishes concerns it.
pub(super) struct Judge<'a> {
    pub(super) service: &'a ServiceName,
    pub(super) wanted: &'a Wanted,
    /// Whom it must be beside, of those that are decided before it.
    pub(super) beside: Vec<&'a ServiceName>,
    /// Who must not be beside it.
    pub(super) shunned_by: Vec<&'a ServiceName>,
}

impl Judge<'_> {
    /// Why an instance that runs there cannot stay.
    pub(super) fn stays(&self, host: &Tally<'_>) -> Result<(), Why> {
        match host.machine.state {
            State::Available | State::Cordoned | State::Silent => {
                let there = |service: &ServiceName| host.count(service) + host.count_leaving(service);
                self.wishes(host, |service| host.count(service), there)
            }
            State::Lost => Err(Why::Lost),
        }
    }

    /// Why none can start there.
    pub(super) fn starts(&self, host: &Tally<'_>) -> Result<(), Why> {
        let unready = &host.machine.unready;
        match host.machine.state {
            State::Available => {}
            State::Cordoned => return Err(Why::Cordoned),
            // That it is not heard of is no wonder where it does not run.
            State::Lost | State::Silent if unready.is_some() => {}
            State::Lost => return Err(Why::Lost),
            State::Silent => return Err(Why::Silent),
        }
        let in_the_way = |service: &ServiceName| host.count(service) + host.count_leaving(service);
        self.wishes(host, in_the_way, |service| host.count(service))?;
        let needs = self.wanted.resources;
        match (host.free_cpu(), host.free_memory()) {
            (Some(free), _) if free < needs.cpu => Err(Why::Cpu { free, needs: needs.cpu }),
            (_, Some(free)) if free < needs.memory => Err(Why::Memory { free, needs: needs.memory }),
            _ => unready.as_ref().map_or(Ok(()), |why| Err(Why::Unready(why.clone()))),
        }
    }

    /// `in_the_way`: how many of a service are so for what must be apart from it; `company`: how many are with what must be beside it.
    /// Whoever leaves is in the way of what starts and no company for it; it is company still for what stays, and not in its way.
    fn wishes(
        &self,
        host: &Tally<'_>,
        in_the_way: impl Fn(&ServiceName) -> u32,
        company: impl Fn(&ServiceName) -> u32,
    ) -> Result<(), Why> {
        let wishes = &self.wanted.wishes;
        for (key, value) in wishes.required.iter() {
            let has = host.label(key);
            if has != Some(value) {
                return Err(Why::Lacks { key: key.into(), value: value.into(), has: has.map(Into::into) });
            }
        }
        let is_nowhere = |other: &&&ServiceName| company(other) == 0;
        if let Some(other) = self.beside.iter().find(is_nowhere) {
            return Err(Why::Without((*other).clone()));
        }
        let is_there = |other: &&ServiceName| *other != self.service && in_the_way(other) > 0;
        if let Some(other) = wishes.not_beside.iter().find(is_there) {
            return Err(Why::Beside(other.clone()));
        }
        if let Some(other) = self.shunned_by.iter().copied().find(is_there) {
            return Err(Why::Shunned(other.clone()));
        }
        if self.one_per_host() && in_the_way(self.service) > 0 {
            return Err(Why::HasOne);
        }
        Ok(())
    }

    pub(super) fn one_per_host(&self) -> bool {
        match self.wanted.copies {
            Copies::OnePerHost(_) | Copies::EveryHost => true,
            Copies::Counted(_) => self.wanted.wishes.not_beside.contains(self.service),
        }
    }
}
