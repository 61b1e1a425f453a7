//! Which services, instances and hosts an answer is made of, and why others of them are not in it.

use model::{
    Fact, FactKey, HostName, Instance, InstanceName, InstanceState, RecordData, RecordSet, RecordType,
    Service, ServiceName, Stated, WhenEmpty, answering,
};

use super::meaning::{Meaning, Which};
use super::{Explanation, From};
use crate::zone::derived::Derivation;

/// Tells of those that a name means. `served` are the sets that stand there.
pub(super) fn tell(
    from: From<'_>,
    zone: &Derivation,
    meaning: &Meaning,
    wanted: RecordType,
    served: &[RecordSet],
    into: &mut Explanation,
) {
    match meaning {
        Meaning::Own(_) => {}
        Meaning::Host(name) => of_host(from, name, wanted, into),
        Meaning::Service { service, which } => {
            let asked = Asked { from, zone, wanted, served };
            if let Some(of) = Of::new(from, service) {
                asked.of_service(&of, which, into);
            }
        }
        Meaning::Instance { service, name } => {
            let asked = Asked { from, zone, wanted, served };
            if let (Some(of), Ok(name)) = (Of::new(from, service), InstanceName::parse(name)) {
                asked.of_instance(&of, &name, into);
            }
        }
        Meaning::Type { service_type, spelled } => {
            let asked = Asked { from, zone, wanted, served };
            asked.of_type(service_type, spelled.as_deref(), into);
        }
    }
}

/// Whether there is what a name means.
pub(super) fn is_known(from: From<'_>, meaning: &Meaning) -> bool {
    match meaning {
        Meaning::Own(_) | Meaning::Type { .. } => true,
        Meaning::Host(name) => {
            HostName::parse(name).is_ok_and(|name| from.snapshot.get(&FactKey::Host(name)).is_some())
        }
        Meaning::Service { service, .. } => Of::new(from, service).is_some(),
        Meaning::Instance { service, name } => Of::new(from, service)
            .is_some_and(|of| of.instances.iter().any(|(instance, _)| instance.name.as_str() == name)),
    }
}

fn of_host(from: From<'_>, name: &str, wanted: RecordType, into: &mut Explanation) {
    let Ok(name) = HostName::parse(name) else { return };
    let key = FactKey::Host(name);
    let Some(stated) = from.snapshot.get(&key) else { return };
    let Fact::Host(host) = &*stated.fact else { return };
    let Some(addresses) = from.snapshot.addresses_of(host) else {
        return into.left_out.push((key, "its address is not known yet".to_owned()));
    };
    match lacks_family(addresses.iter(), wanted) {
        Some(reason) => into.left_out.push((key, reason)),
        None => into.made_of.push((key, stated.revision)),
    }
}

/// A service with its instances, stated or not.
struct Of<'a> {
    service: Service,
    stated: Option<&'a Stated>,
    instances: Vec<(&'a Instance, &'a Stated)>,
}

impl<'a> Of<'a> {
    /// `None`: there is neither.
    fn new(from: From<'a>, name: &str) -> Option<Self> {
        let name = ServiceName::parse(name).ok()?;
        let instances: Vec<_> = from.snapshot.instances_of(&name).collect();
        match from.snapshot.service(&name) {
            Some((service, stated)) => {
                Some(Self { service: service.clone(), stated: Some(stated), instances })
            }
            None if instances.is_empty() => None,
            None => Some(Self { service: Service::new(name), stated: None, instances }),
        }
    }

    fn made(&self, into: &mut Explanation) {
        into.made_of.extend(self.stated.map(|stated| (self.service.key(), stated.revision)));
    }

    /// Why none of its instances is looked at.
    fn elsewhere(&self) -> Option<String> {
        let target = self.service.external.as_ref()?;
        Some(format!("the service is elsewhere, at {target}: instances of it are not looked at"))
    }
}

/// What is asked at a name of the registry's zone.
struct Asked<'a> {
    from: From<'a>,
    zone: &'a Derivation,
    wanted: RecordType,
    served: &'a [RecordSet],
}

impl Asked<'_> {
    fn of_service(&self, of: &Of<'_>, which: &Which, into: &mut Explanation) {
        of.made(into);
        if self.zone.takes(&of.service.name) {
            let reason = format!("{} has that name for itself", self.zone.apex);
            into.left_out.push((of.service.key(), reason));
            return;
        }
        let tells_of_instances = [RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::ANY];
        let is_told = tells_of_instances.contains(&self.wanted) || self.served.is_empty();
        if !is_told {
            return;
        }
        if of.instances.is_empty() && of.service.external.is_none() {
            into.notes.push(format!("service {} has no instances", of.service.name));
        }
        if self.wanted == RecordType::SRV && of.service.ports.iter().next().is_none() {
            into.notes.push(format!(
                "service {} has no port, so there is nothing an SRV record could say",
                of.service.name
            ));
        }
        self.of_instances(of, which, into);
    }

    /// Each instance is in it or not, and why.
    fn of_instances(&self, of: &Of<'_>, which: &Which, into: &mut Explanation) {
        let meant: Vec<&Instance> = of
            .instances
            .iter()
            .map(|(instance, _)| *instance)
            .filter(|instance| not_meant(instance, which).is_none())
            .collect();
        let chosen = answering(meant.iter().copied(), of.service.when_empty);
        let healthy = meant.iter().any(|instance| instance.state == InstanceState::Healthy);
        if !healthy && !meant.is_empty() && of.service.external.is_none() {
            into.notes.push(match of.service.when_empty {
                WhenEmpty::NoData => {
                    "none of them is healthy: the name has no address (when_empty is nodata)".to_owned()
                }
                WhenEmpty::All => {
                    "none of them is healthy: all of the lowest priority are told (when_empty is all)"
                        .to_owned()
                }
                WhenEmpty::NxDomain => {
                    "none of them is healthy: the name is not there (when_empty is nxdomain)".to_owned()
                }
            });
        }
        let tier = chosen.first().map(|instance| instance.priority);
        for (instance, stated) in &of.instances {
            let is_chosen = chosen.iter().any(|one| one.name == instance.name);
            let reason = of
                .elsewhere()
                .or_else(|| not_meant(instance, which))
                .or_else(|| (!is_chosen).then(|| not_chosen(instance, tier, healthy)).flatten())
                .or_else(|| lacks_family(instance.addresses.iter(), self.wanted))
                .or_else(|| self.no_room(instance));
            match reason {
                Some(reason) => into.left_out.push((instance.key(), reason)),
                None => into.made_of.push((instance.key(), stated.revision)),
            }
        }
    }

    /// Where its records would be among others, and are not.
    fn no_room(&self, instance: &Instance) -> Option<String> {
        let set = self.served.iter().find(|set| set.record_type() == self.wanted)?;
        let is_in = match self.wanted {
            RecordType::A | RecordType::AAAA => instance.addresses.iter().any(|address| {
                let data = match address {
                    std::net::IpAddr::V4(address) => RecordData::a(address),
                    std::net::IpAddr::V6(address) => RecordData::aaaa(address),
                };
                set.data().binary_search(&data).is_ok()
            }),
            RecordType::SRV => set.data().iter().filter_map(RecordData::target).any(|target| {
                target
                    .labels()
                    .next()
                    .is_some_and(|label| label.eq_ignore_ascii_case(instance.name.as_str().as_bytes()))
            }),
            _ => true,
        };
        (!is_in).then(|| "its set has no more room: it is told as far as a message has room".to_owned())
    }

    /// An instance under its own name.
    fn of_instance(&self, of: &Of<'_>, name: &InstanceName, into: &mut Explanation) {
        of.made(into);
        let Some((instance, stated)) = of.instances.iter().find(|(instance, _)| instance.name == *name)
        else {
            into.notes.push(format!("service {} has no instance {name}", of.service.name));
            return;
        };
        let is_hidden = of.service.when_empty == WhenEmpty::NxDomain
            && answering(of.instances.iter().map(|(instance, _)| *instance), of.service.when_empty)
                .is_empty();
        let hidden = is_hidden.then(|| {
            "no instance of the service is healthy, so that nothing of it is there (when_empty is nxdomain)".to_owned()
        });
        let reason =
            of.elsewhere().or(hidden).or_else(|| lacks_family(instance.addresses.iter(), self.wanted));
        match reason {
            Some(reason) => into.left_out.push((instance.key(), reason)),
            None => into.made_of.push((instance.key(), stated.revision)),
        }
        if instance.state != InstanceState::Healthy {
            into.notes.push(format!(
                "it is {}: under its own name an instance is told all the same",
                state(instance)
            ));
        }
    }

    /// All services of a type, or whose name for people it is.
    fn of_type(&self, service_type: &str, spelled: Option<&str>, into: &mut Explanation) {
        let typed = self.from.snapshot.services().filter_map(|(service, _)| {
            let found = service.dns_sd.as_ref()?;
            let is_of_type = found.service_type.to_string().eq_ignore_ascii_case(service_type);
            is_of_type.then_some((service.name.as_str(), found))
        });
        for (name, found) in typed {
            let Some(mut of) = Of::new(self.from, name) else { continue };
            let people = found.name.as_ref().map(model::SpelledName::as_str);
            match (spelled, people) {
                (Some(spelled), Some(people)) if !people.eq_ignore_ascii_case(spelled) => continue,
                (Some(spelled), None) => {
                    of.instances.retain(|(instance, _)| instance.name.as_str().eq_ignore_ascii_case(spelled));
                    if of.instances.is_empty() {
                        continue;
                    }
                }
                _ => {}
            }
            if of.service.ports.iter().next().is_none() {
                let reason = "it has no port, so that nobody is found by its type".to_owned();
                into.left_out.push((of.service.key(), reason));
                continue;
            }
            of.made(into);
            let asked = Asked { served: &[], wanted: RecordType::SRV, ..*self };
            asked.of_instances(&of, &Which::All, into);
        }
    }
}

/// Why an instance is not one of those that a name means.
fn not_meant(instance: &Instance, which: &Which) -> Option<String> {
    match which {
        Which::All | Which::Port(_) => None,
        Which::Tag(tag) => {
            let has = instance.tags.iter().any(|of| of.as_str().eq_ignore_ascii_case(tag));
            (!has).then(|| format!("has no tag {tag}"))
        }
        Which::Host(host) => match &instance.host {
            Some(on) if on.as_str().eq_ignore_ascii_case(host) => None,
            Some(on) => Some(format!("runs on host {on}")),
            None => Some("says no host it runs on".to_owned()),
        },
    }
}

/// Why an instance that is meant is not chosen.
fn not_chosen(instance: &Instance, tier: Option<u16>, healthy: bool) -> Option<String> {
    if instance.state != InstanceState::Healthy && (healthy || tier.is_none()) {
        return Some(state(instance).to_owned());
    }
    let tier = tier.filter(|tier| *tier != instance.priority)?;
    let which = if healthy { "healthy ones" } else { "some" };
    Some(format!("its priority {} is not used while there are {which} of priority {tier}", instance.priority))
}

fn state(instance: &Instance) -> &'static str {
    match instance.state {
        InstanceState::Healthy => "healthy",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Draining => "draining",
        InstanceState::Starting => "starting",
    }
}

/// Why something with these addresses has none of the type's.
fn lacks_family(mut addresses: impl Iterator<Item = std::net::IpAddr>, wanted: RecordType) -> Option<String> {
    let family = match wanted {
        RecordType::A => (!addresses.any(|address| address.is_ipv4())).then_some("IPv4"),
        RecordType::AAAA => (!addresses.any(|address| address.is_ipv6())).then_some("IPv6"),
        _ => None,
    };
    family.map(|family| format!("has no {family} address"))
}
