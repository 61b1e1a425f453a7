//! A version that takes a share of a service's requests before it takes the place of all.

use super::{Image, PerHost};
use crate::endpoint::Weight;
use crate::service::Service;

/// Another image of a service, tried beside the one that runs.
///
/// It adds instances of its own, so the service keeps all that it has; weights of instances make the share what is asked for, however few
/// they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Canary {
    /// Of what.
    pub image: Image,
    /// How much it takes.
    pub percent: Percent,
}

/// A share of requests: 1 to 99 of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u8);

/// A share that is none, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} % is no share of two versions; write 1 to 99")]
pub struct PercentError(pub u64);

/// The weights of a service's instances while a canary is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Of each instance of the version that runs.
    pub usual: Weight,
    /// Of each of the canary.
    pub canary: Weight,
}

impl Percent {
    /// So many of a hundred.
    ///
    /// # Errors
    /// [`PercentError`] outside 1 to 99.
    pub fn new(percent: u64) -> Result<Self, PercentError> {
        match u8::try_from(percent) {
            Ok(percent @ 1..=99) => Ok(Self(percent)),
            _ => Err(PercentError(percent)),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many instances a canary has beside `usual` ones: the same share of them, rounded up; none beside none.
    pub fn instances(self, usual: u16) -> u16 {
        let share = (u32::from(usual) * u32::from(self.0)).div_ceil(100);
        u16::try_from(share).unwrap_or(u16::MAX)
    }

    /// The weights with which all instances of a canary together take this share beside `usual` ones, to a thousandth of their proportion.
    pub fn shares(self, usual: u16) -> Shares {
        let (percent, others) = (u64::from(self.0), u64::from(100 - self.0));
        let (mut canary, mut rest) = (u64::from(usual) * percent, u64::from(self.instances(usual)) * others);
        let common = common(canary, rest).max(1);
        (canary, rest) = (canary / common, rest / common);
        let most = canary.max(rest);
        let weight = |share: u64| {
            let share = if most > MOST { (share * MOST + most / 2) / most } else { share };
            Weight::new(share.max(1)).unwrap_or(Weight::ONE)
        };
        Shares { usual: weight(rest), canary: weight(canary) }
    }
}

/// The largest weight.
const MOST: u64 = 1000;

/// The greatest common divisor (Euclid, Elements VII, 2).
fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

impl Service {
    /// The service as its canary is: of another image, and with nothing beside it. `None`: it has none, or is not of the kind that can
    /// have one (one on every host).
    pub fn canary(&self) -> Option<Self> {
        let launch = self.launch.as_deref()?;
        let canary = launch.canary.as_ref().filter(|_| launch.placement.per_host != PerHost::Every)?;
        let mut tried = launch.clone();
        tried.image = canary.image.clone();
        tried.canary = None;
        Some(Self { launch: Some(Box::new(tried)), ..self.clone() })
    }

    /// The service without its canary.
    pub fn without_canary(&self) -> Self {
        let mut service = self.clone();
        if let Some(launch) = service.launch.as_deref_mut() {
            launch.canary = None;
        }
        service
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::ServiceName;
    use crate::launch::Launch;

    #[test]
    fn a_canary_takes_its_share_however_many_there_are() {
        let check = |percent, usual: u16, instances, weights| {
            let percent = Percent::new(percent).expect("a share");
            let shares = percent.shares(usual);
            assert_eq!(percent.instances(usual), instances, "{percent:?} of {usual}");
            assert_eq!((shares.usual.get(), shares.canary.get()), weights, "{percent:?} of {usual}");
        };
        check(10, 1, 1, (9, 1));
        check(10, 2, 1, (9, 2));
        check(10, 10, 1, (9, 10));
        check(10, 11, 2, (18, 11));
        check(50, 3, 2, (2, 3));
        check(99, 1, 1, (1, 99));
        check(1, 1000, 10, (99, 100));
        check(10, 0, 0, (1, 1));
    }

    #[test]
    fn no_share_is_off_by_more_than_a_thousandth_of_it() {
        for (percent, usual) in (1..=99).flat_map(|percent| (1..=1000).map(move |usual| (percent, usual))) {
            let share = Percent::new(percent).expect("a share");
            let Shares { usual: one, canary } = share.shares(usual);
            let (all, tried) = (
                f64::from(one.get()) * f64::from(usual),
                f64::from(canary.get()) * f64::from(share.instances(usual)),
            );
            let asked = f64::from(share.get()) / 100.0;
            let is = tried / (all + tried);
            assert!(
                (is - asked).abs() <= asked * 0.06 && (is - asked).abs() < 0.001,
                "{percent} {usual}: {is}"
            );
        }
    }

    #[test]
    fn a_canary_is_another_version_and_changes_nothing_of_the_one_that_runs() {
        let image = |text: &str| Image::parse(text).expect("an image");
        let service = |text, canary: Option<&'static str>| {
            let mut launch = Launch::new(image(text));
            let percent = Percent::new(10).expect("a share");
            launch.canary = canary.map(|text| Canary { image: image(text), percent });
            let name = ServiceName::parse("web").expect("a name");
            Service { launch: Some(Box::new(launch)), ..Service::new(name) }
        };

        let (plain, tried) = (service("web:1", None), service("web:1", Some("web:2")));

        assert_eq!(tried.version(), plain.version());
        assert_eq!(tried.without_canary(), plain);
        assert_eq!(tried.canary(), Some(service("web:2", None)));
        assert_eq!(plain.canary(), None);
    }

    #[test]
    fn a_share_is_neither_none_nor_all() {
        for (number, fine) in [(0, false), (1, true), (99, true), (100, false), (u64::MAX, false)] {
            assert_eq!(Percent::new(number).is_ok(), fine, "{number}");
        }
    }
}
