//! What is to be run, and where.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use control::runtime::fake::{Behaviour, Fake, Fault, Pull};
use control::runtime::{Engine, Exit};
use model::launch::{
    Heartbeat, HeartbeatKind, Image, Instances, Launch, Order, ProbeTimes, Resources, Rollout, Stop, Words,
};
use model::{Addresses, EngineUrl, Host, HostName, Port, PortName, Ports, Protocol, Service, ServiceName};
use tokio::time::Instant;

/// How long a call to an engine may take.
pub(crate) const CALL: Duration = Duration::from_secs(4);
/// What an instance takes.
pub(crate) const MEMORY: u64 = 64 << 20;
/// Images that never become healthy, and why.
pub(crate) const BROKEN: [&str; 6] =
    ["app:crash", "app:sick", "app:missing", "app:hangs", "app:refused", "app:oom"];

/// A machine with its engine.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) fake: Arc<Fake>,
    /// How many instances fit.
    pub(crate) room: u64,
    /// What goes wrong, and since when.
    pub(crate) fault: Option<(Fault, Instant)>,
    /// Whether it was away for so long that it may have been given up.
    pub(crate) was_lost: bool,
}

impl Machine {
    pub(crate) fn new(number: u8, room: u64, seed: u64) -> Self {
        let name = HostName::parse(&format!("host-{number}")).unwrap();
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, number + 1));
        let mut host = Host::new(name, Addresses::new([address]).unwrap());
        host.engine = Some(EngineUrl::parse(&format!("tcp://host-{number}:2376")).unwrap());
        let fake = Fake::new(seed, CALL);
        fake.set_engine(Engine { version: "0".to_owned(), cpu_millis: 64_000, memory: MEMORY * room });
        images(&fake);
        Self { host, fake: Arc::new(fake), room, fault: None, was_lost: false }
    }
}

/// `app:1` to `app:99` are well, though not all start or are ready at once, or hear of their end; the others are [`BROKEN`].
fn images(fake: &Fake) {
    for number in 1..100_u64 {
        let hears = match number % 5 {
            0 => None,
            slow => Some(Duration::from_millis(slow * 300)),
        };
        let pull = Pull::Takes(Duration::from_millis(number * 37 % 900));
        let (is_there, ready) = (number % 3 == 0, Duration::from_millis(number * 53 % 1700));
        let behaviour = Behaviour { is_there, pull, hears, ready, ..Behaviour::default() };
        fake.set_image(&format!("app:{number}"), behaviour);
    }
    let ends = |code, out_of_memory| {
        Some((Duration::from_millis(700), Exit { code, out_of_memory, ..Exit::default() }))
    };
    fake.set_image("app:crash", Behaviour { ends: ends(1, false), code: 1, ..Behaviour::default() });
    fake.set_image("app:oom", Behaviour { ends: ends(137, true), ..Behaviour::default() });
    fake.set_image("app:sick", Behaviour { code: 1, ..Behaviour::default() });
    let none = Pull::Fails("there is none of that name; push it".to_owned());
    fake.set_image("app:missing", Behaviour { is_there: false, pull: none, ..Behaviour::default() });
    fake.set_image("app:hangs", Behaviour { is_there: false, pull: Pull::Hangs, ..Behaviour::default() });
    let refused = Some("no such volume driver".to_owned());
    fake.set_image("app:refused", Behaviour { refused, ..Behaviour::default() });
}

pub(crate) fn service(number: u8, image: &str, count: u64, order: Order) -> Service {
    let mut service = Service::new(ServiceName::parse(&format!("service-{number}")).unwrap());
    let port = Port {
        name: PortName::parse("http").unwrap(),
        port: NonZeroU16::new(8080).unwrap(),
        protocol: Protocol::Tcp,
    };
    service.ports = Ports::new(vec![port]).unwrap();
    let mut launch = Launch::new(Image::parse(image).unwrap());
    launch.instances = Instances::new(count, count).unwrap();
    launch.resources = Resources::new(None, Some(MEMORY)).unwrap();
    let seconds = Duration::from_secs;
    launch.heartbeat = Some(Heartbeat {
        kind: HeartbeatKind::Command(Words::new(["check".to_owned()]).unwrap()),
        times: ProbeTimes::new(seconds(2), seconds(1), seconds(5)).unwrap(),
        rise: NonZeroU8::MIN,
        fall: NonZeroU8::new(3).unwrap(),
    });
    launch.rollout = Rollout { order, deadline: seconds(40), ..Rollout::default() };
    launch.stop = Stop { grace: seconds(3), drain: seconds(10), ..Stop::default() };
    service.launch = Some(Box::new(launch));
    service
}

/// What a service's launch says, to be changed.
pub(crate) fn launch(service: &mut Service) -> &mut Launch {
    service.launch.as_mut().unwrap()
}
