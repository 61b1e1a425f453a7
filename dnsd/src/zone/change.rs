//! Zones of names that are known with all their sets, and zones made from others: what follows the registry.

use std::sync::Arc;

use model::{DomainName, RecordSet, RecordType};

use super::key::Key;
use super::tree::{Node, Nodes, Zone, ZoneError, check, check_apex, has_asterisk};

impl Zone {
    /// Puts a zone together of names, each with its sets; one without any is there, and has no records.
    pub(crate) fn of(
        apex: DomainName,
        names: impl IntoIterator<Item = (DomainName, Node)>,
    ) -> Result<Self, ZoneError> {
        let mut nodes = Nodes::new();
        for (name, node) in names {
            node.check(&apex)?;
            nodes.insert(Key::of(&name).octets().into(), Arc::new(node));
        }
        Self::of_nodes(apex, nodes)
    }

    /// The zone without the names of `gone`, and then with `names`; costs work in proportion to them.
    pub(crate) fn with<'n>(
        &self,
        gone: impl Iterator<Item = &'n DomainName>,
        names: impl IntoIterator<Item = (DomainName, Node)>,
    ) -> Result<Self, ZoneError> {
        let mut zone = self.clone();
        for name in gone {
            let key = Key::of(name);
            if let Some(node) = zone.nodes.remove(key.octets()) {
                zone.uncount(key.octets(), &node);
            }
        }
        let mut dnames = Vec::new();
        for (name, node) in names {
            node.check(&self.apex)?;
            if node.get(RecordType::DNAME).is_some() {
                dnames.push(name.clone());
            }
            let key = Key::of(&name);
            zone.cuts += usize::from(node.is_cut(&self.apex));
            zone.wildcards += usize::from(has_asterisk(key.octets()));
            if let Some(before) = zone.nodes.insert(key.octets().into(), Arc::new(node)) {
                zone.uncount(key.octets(), &before);
            }
        }
        zone.negative = check_apex(&zone.apex, &zone.nodes)?;
        dnames.iter().try_for_each(|name| zone.check_dname(name))?;
        Ok(zone)
    }

    /// A node is there no more.
    fn uncount(&mut self, key: &[u8], node: &Node) {
        self.cuts -= usize::from(node.is_cut(&self.apex));
        self.wildcards -= usize::from(has_asterisk(key));
    }
}

impl Node {
    /// Adds a set. Weights are those of its records, in their order; none where all are alike.
    pub(super) fn add(&mut self, set: RecordSet, weights: Box<[u16]>) {
        if !weights.is_empty() {
            self.weights.push((set.record_type(), weights));
        }
        let at = self.sets.partition_point(|other| other.record_type() < set.record_type());
        self.sets.insert(at, set);
    }

    /// What can be told of it alone.
    fn check(&self, apex: &DomainName) -> Result<(), ZoneError> {
        self.sets.iter().try_for_each(|set| check(apex, set))?;
        let twice = self.sets.windows(2).find(|pair| pair[0].record_type() == pair[1].record_type());
        if let Some([set, _]) = twice {
            return Err(ZoneError::Twice(set.name().clone(), set.record_type()));
        }
        match self.sets.first().filter(|_| !self.is_fine_alias()) {
            Some(set) => Err(ZoneError::Alias(set.name().clone())),
            None => Ok(()),
        }
    }
}
