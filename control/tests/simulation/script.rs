//! What happens to a fleet: operators, engines, nodes, controllers, clocks.

use std::num::NonZeroU16;
use std::time::Duration;

use control::runtime::fake::Fault;
use control::runtime::{ContainerState, Exit, Spec};
use model::launch::{Canary, Image, Instances, Launch, Order, Percent};
use tokio::time::{Instant, advance};

use crate::fleet::{self, BROKEN};
use crate::registry::Trouble;
use crate::world::World;

impl World {
    /// Something happens, by chance.
    pub(crate) async fn happen(&mut self) {
        match self.chance.u8(0..36) {
            0..14 => self.operate(),
            14..17 => self.move_host(),
            17..24 => self.harm_engine(),
            24..27 => self.harm_node(),
            27..32 => self.harm_controller(),
            32..34 => self.harm_registry(),
            _ => {
                let seconds = self.chance.u64(1..200);
                self.say(format!("{seconds} s pass at once"));
                advance(Duration::from_secs(seconds)).await;
                self.check.jump = Some((Instant::now(), Duration::from_secs(seconds)));
            }
        }
    }

    /// An operator changes what is wanted.
    fn operate(&mut self) {
        let numbers: Vec<u8> = self.services.keys().copied().collect();
        let Some(number) = self.chance.choice(numbers).filter(|_| self.chance.u8(0..12) > 0) else {
            let number = self.chance.u8(0..3);
            if let Some(service) = self.services.remove(&number) {
                return self.registry.state(service.key(), None);
            }
            let service = fleet::service(number, "app:3", self.chance.u64(1..4), Order::StartFirst);
            return self.state_service(number, service);
        };
        let mut service = self.services[&number].clone();
        let launch = fleet::launch(&mut service);
        // A full fleet may have no room for what is tried.
        if self.machines[0].room > 6 && self.chance.u8(0..4) == 0 {
            self.chance_of_canary(launch);
            return self.state_service(number, service);
        }
        match self.chance.u8(0..9) {
            0..3 => {
                launch.image = Image::parse(&format!("app:{}", self.chance.u8(1..100))).unwrap();
            }
            3..5 => launch.image = Image::parse(self.chance.choice(BROKEN).unwrap()).unwrap(),
            5..7 => {
                let count = self.chance.u64(0..5);
                launch.instances = Instances::new(count, count).unwrap();
            }
            7 => launch.active = !launch.active,
            _ => launch.restarts += 1,
        }
        self.state_service(number, service);
    }

    /// A version is tried, be it a good one; or what is tried is promoted, or aborted.
    fn chance_of_canary(&mut self, launch: &mut Launch) {
        let canary = launch.canary.take();
        match (canary, self.chance.u8(0..3)) {
            (Some(canary), 0) => launch.image = canary.image,
            (Some(_), 1) => {}
            _ => {
                let broken = self.chance.choice(BROKEN).unwrap().to_owned();
                let image = match self.chance.u8(0..3) {
                    0 => broken,
                    _ => format!("app:{}", self.chance.u8(1..100)),
                };
                let percent = Percent::new(self.chance.u64(1..60)).unwrap();
                launch.canary = Some(Canary { image: Image::parse(&image).unwrap(), percent });
            }
        }
    }

    /// A version follows another, be it a good one.
    pub(crate) fn roll_out(&mut self) {
        let Some(number) = self.chance.choice(self.services.keys().copied().collect::<Vec<_>>()) else {
            return;
        };
        let mut service = self.services[&number].clone();
        let launch = fleet::launch(&mut service);
        let image = match self.chance.u8(0..3) {
            0 => self.chance.choice(BROKEN).unwrap().to_owned(),
            _ => format!("app:{}", self.chance.u8(1..100)),
        };
        launch.image = Image::parse(&image).unwrap();
        launch.rollout.deadline = Duration::from_secs(20);
        launch.rollout.parallel = NonZeroU16::new(self.chance.u16(1..3)).unwrap();
        self.state_service(number, service);
    }

    fn move_host(&mut self) {
        let machine = self.chance.usize(0..self.machines.len());
        let host = &mut self.machines[machine].host;
        match self.chance.u8(0..4) {
            0 => host.cordoned = true,
            1 => host.draining = true,
            _ => (host.cordoned, host.draining) = (false, false),
        }
        self.state_host(machine);
    }

    fn harm_engine(&mut self) {
        let machine = self.chance.usize(0..self.machines.len());
        let kind = self.chance.u8(0..11);
        self.say(format!("{}: harm {kind}", self.machines[machine].host.name));
        self.check.news = Some(Instant::now());
        let fake = self.machines[machine].fake.clone();
        let running = fake.containers().into_iter().filter(|it| it.state == ContainerState::Running);
        let container = self.chance.choice(running.collect::<Vec<_>>());
        let fault = match (kind, container) {
            (0, _) => Fault::Unreachable,
            (1, _) => Fault::Hangs,
            (2, _) => Fault::AnswersLost,
            (3, _) => return fake.set_slow(Duration::from_millis(self.chance.u64(0..800))),
            (4, _) => {
                let running = fake.containers().into_iter().map(|container| container.id);
                self.check.died.extend(running);
                return fake.restart();
            }
            (5 | 6, Some(container)) => {
                self.check.died.push(container.id.clone());
                return fake.die(&container.id, Exit { code: 1, ..Exit::default() });
            }
            (7, Some(container)) => {
                self.check.died.push(container.id.clone());
                return fake.take(&container.id);
            }
            (8, Some(container)) => {
                let _ = fake.foreign(&foreign(&container.name));
                return;
            }
            _ => Fault::None,
        };
        fake.set_fault(fault);
        let since = self.machines[machine].fault.map_or_else(Instant::now, |(_, since)| since);
        self.machines[machine].fault = (fault != Fault::None).then_some((fault, since));
    }

    fn harm_node(&mut self) {
        let node = self.chance.usize(0..self.nodes.len());
        let kind = self.chance.u8(0..5);
        self.say(format!("{}: harm {kind}", self.nodes[node].name));
        let node = &mut self.nodes[node];
        match kind {
            0 => node.is_cut = true,
            1 => node.pace = self.chance.u8(2..20),
            2 => node.die(),
            _ => (node.is_cut, node.pace) = (false, 60),
        }
    }

    fn harm_controller(&mut self) {
        let seat = self.chance.usize(0..self.seats.len());
        let kind = self.chance.u8(0..5);
        self.say(format!("seat {seat}: harm {kind}"));
        let it = &mut self.seats[seat];
        match (kind, it.task.take()) {
            (0 | 1, Some(task)) => task.abort(),
            (2, Some(task)) => {
                it.gate.close();
                it.task = Some(task);
            }
            (_, Some(task)) => {
                it.gate.open();
                it.task = Some(task);
            }
            (_, None) => self.begin(seat),
        }
    }

    fn harm_registry(&mut self) {
        let troubles = [Trouble::Away, Trouble::AnswersLost, Trouble::None, Trouble::None];
        let trouble = self.chance.choice(troubles).unwrap();
        self.say(format!("registry: {trouble:?}"));
        self.registry.set_trouble(trouble);
    }
}

/// Somebody else's container, of a name that may be wanted.
fn foreign(name: &str) -> Spec {
    let (service, number) = name.rsplit_once('-').unwrap_or((name, "1"));
    let number = number.parse::<u32>().unwrap_or(0) + 1;
    Spec::new(format!("{service}-{number}"), Image::parse("app:3").unwrap(), 1)
}
