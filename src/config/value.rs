//! How a setting is written: text, number, flag or list; and back into the types the crates use.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use proxy::config::{LogFormat, LogTarget};

/// A setting as a file, a variable or a flag writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text: addresses, paths, durations (`"30s"`), sizes (`"64KiB"`).
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// Several of them.
    List(Vec<Self>),
    /// A table of them, in the order in which it was written.
    Table(Vec<(String, Self)>),
}

impl Value {
    /// Reads what an environment variable or a flag says, in the shape that `like` has: numbers and flags as such,
    /// lists separated by commas.
    pub(crate) fn from_text(text: &str, like: &Self) -> Self {
        match like {
            Self::Number(_) => text.trim().parse().map_or_else(|_| Self::Text(text.into()), Self::Number),
            Self::Flag(_) => match text.trim() {
                "on" | "true" | "yes" | "1" => Self::Flag(true),
                "off" | "false" | "no" | "0" => Self::Flag(false),
                _ => Self::Text(text.into()),
            },
            Self::List(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Self::List(parts.map(|part| Self::Text(part.into())).collect())
            }
            Self::Text(_) | Self::Table(_) => Self::Text(text.into()),
        }
    }
}

/// As TOML writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(text, f),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Table(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{} {key} = {value}", if index == 0 { "{" } else { "," })?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// A basic string of TOML 1.0: quotes, backslashes and control characters escaped, and nothing else.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A type that settings have.
pub(crate) trait Form: Sized {
    /// As it is written; reading that gives the same again.
    fn show(&self) -> Value;
    /// What is wrong is said so that it can follow the key: `must be …`.
    fn read(value: &Value) -> Result<Self, String>;
}

pub(super) fn text<'v>(value: &'v Value, example: &str) -> Result<&'v str, String> {
    match value {
        Value::Text(text) => Ok(text.trim()),
        other => Err(format!("is {other}, but must be a text such as {example:?}")),
    }
}

impl Form for bool {
    fn show(&self) -> Value {
        Value::Flag(*self)
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Flag(flag) => Ok(*flag),
            other => Err(format!("is {other}, but must be true or false")),
        }
    }
}

macro_rules! count {
    ($($number:ty),*) => {$(
        impl Form for $number {
            fn show(&self) -> Value {
                Value::Number(i64::try_from(*self).unwrap_or(i64::MAX))
            }

            fn read(value: &Value) -> Result<Self, String> {
                let wrong = || format!("is {value}, but must be a whole number from 0 to {}", <$number>::MAX);
                match value {
                    Value::Number(number) => Self::try_from(*number).map_err(|_| wrong()),
                    _ => Err(wrong()),
                }
            }
        }
    )*};
}

count!(usize, u32, u16);

impl Form for NonZeroU8 {
    fn show(&self) -> Value {
        Value::Number(self.get().into())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Number(number) => u8::try_from(*number).ok().and_then(Self::new),
            _ => None,
        };
        number.ok_or_else(|| format!("is {value}, but must be a whole number from 1 to 255"))
    }
}

impl Form for Option<usize> {
    fn show(&self) -> Value {
        self.map_or_else(|| Value::Text("unlimited".into()), |number| number.show())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "unlimited" => Ok(None),
            Value::Text(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("is {value}, but must be a whole number or \"unlimited\"")),
            },
            number => usize::read(number).map(Some),
        }
    }
}

impl Form for String {
    fn show(&self) -> Value {
        Value::Text(self.clone())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(format!("is {other}, but must be a text")),
        }
    }
}

/// Empty text is none.
impl Form for Option<String> {
    fn show(&self) -> Value {
        Value::Text(self.clone().unwrap_or_default())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        Ok((!text.is_empty()).then_some(text))
    }
}

impl Form for SocketAddr {
    fn show(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value, "127.0.0.1:8080")?;
        text.parse().map_err(|_| {
            let hint = if text.parse::<u16>().is_ok() { format!("; perhaps 127.0.0.1:{text}") } else { String::new() };
            format!("is {text:?}, but must be an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080{hint}")
        })
    }
}

impl Form for IpNet {
    fn show(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value, "10.0.0.0/8")?;
        text.parse::<Self>().or_else(|_| text.parse::<std::net::IpAddr>().map(Self::from)).map_err(|_| {
            format!("is {text:?}, but must be an address or a range of them, such as 10.0.0.0/8 or ::1")
        })
    }
}

/// One value stands for a list of one.
impl<T: Form> Form for Vec<T> {
    fn show(&self) -> Value {
        Value::List(self.iter().map(Form::show).collect())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(values) => values.iter().map(T::read).collect(),
            one => Ok(vec![T::read(one)?]),
        }
    }
}

impl Form for PathBuf {
    fn show(&self) -> Value {
        Value::Text(self.display().to_string())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value, "/var/lib/portico")? {
            "" => Err("is empty, but must be a path".into()),
            path => Ok(path.into()),
        }
    }
}

impl Form for Option<model::DomainName> {
    fn show(&self) -> Value {
        Value::Text(self.as_ref().map_or_else(|| "off".into(), ToString::to_string))
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value, "svc.internal.")? {
            "off" => Ok(None),
            name => {
                let wrong = |error| format!("is {name:?}, but {error}; write a name, or \"off\"");
                model::DomainName::parse(name).map(Some).map_err(wrong)
            }
        }
    }
}

impl Form for std::net::IpAddr {
    fn show(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value, "10.0.0.53")?;
        text.parse().map_err(|_| format!("is {text:?}, but must be an IP address, such as 10.0.0.53"))
    }
}

/// What is written as `"off"` when it is not there.
macro_rules! or_off {
    ($($inner:ty),*) => {$(
        impl Form for Option<$inner> {
            fn show(&self) -> Value {
                self.as_ref().map_or_else(|| Value::Text("off".into()), Form::show)
            }

            fn read(value: &Value) -> Result<Self, String> {
                match value {
                    Value::Text(text) if text == "off" => Ok(None),
                    some => <$inner>::read(some).map(Some).map_err(|wrong| format!("{wrong}, or \"off\"")),
                }
            }
        }
    )*};
}

or_off!(SocketAddr, PathBuf, LogTarget, Duration);

impl Form for LogTarget {
    fn show(&self) -> Value {
        match self {
            Self::Stdout => Value::Text("-".into()),
            Self::File(path) => path.show(),
        }
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value, "/var/log/portico/access.log")? {
            "-" => Ok(Self::Stdout),
            "" => Err("is empty, but must be a path, or \"-\" for standard output".into()),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl Form for LogFormat {
    fn show(&self) -> Value {
        Value::Text(
            match self {
                Self::Hipache => "hipache",
                Self::Json => "json",
            }
            .into(),
        )
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value, "hipache")? {
            "hipache" => Ok(Self::Hipache),
            "json" => Ok(Self::Json),
            other => Err(format!("is {other:?}, but must be \"hipache\" or \"json\"")),
        }
    }
}

/// The units of a duration, from the largest, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Form for Duration {
    fn show(&self) -> Value {
        let ms = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = match ms {
            0 => ("s", 1_000),
            _ => UNITS.into_iter().find(|(_, size)| ms.is_multiple_of(*size)).unwrap_or(("ms", 1)),
        };
        Value::Text(format!("{}{unit}", ms / size))
    }

    fn read(value: &Value) -> Result<Self, String> {
        let wrong =
            || format!("is {value}, but must be a duration such as \"500ms\", \"30s\", \"5m\" or \"1h\"");
        let Value::Text(text) = value else { return Err(wrong()) };
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        number.checked_mul(size).map(Self::from_millis).ok_or_else(wrong)
    }
}

/// Octets: `"64KiB"`, `"4MiB"`, `"100B"`, or a bare number.
pub(crate) struct Size;

impl Size {
    const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

    pub(crate) fn show(octets: u64) -> Value {
        let (unit, size) = match octets {
            0 => ("B", 1),
            _ => Self::UNITS.into_iter().find(|(_, size)| octets.is_multiple_of(*size)).unwrap_or(("B", 1)),
        };
        Value::Text(format!("{}{unit}", octets / size))
    }

    pub(crate) fn read(value: &Value) -> Result<u64, String> {
        let wrong = || format!("is {value}, but must be a size such as \"512B\", \"64KiB\" or \"4MiB\"");
        match value {
            Value::Number(number) => u64::try_from(*number).map_err(|_| wrong()),
            Value::Text(text) => {
                let (number, unit) = split_unit(text).ok_or_else(wrong)?;
                let (_, size) = Self::UNITS
                    .into_iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(unit) || unit.is_empty() && *name == "B")
                    .ok_or_else(wrong)?;
                number.checked_mul(size).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("75s", 75_000), ("1h", 3_600_000), ("0s", 0)] {
            let read = Duration::read(&Value::Text(text.into()));
            assert_eq!(read, Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(read.unwrap().show(), Value::Text(text.into()));
        }
        for wrong in
            ["30", "s", "", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615d", "5 weeks"]
        {
            assert!(Duration::read(&Value::Text(wrong.into())).is_err(), "{wrong}");
        }
        assert!(Duration::read(&Value::Number(30)).is_err(), "a bare number says no unit");
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (text, octets) in
            [("64KiB", 65_536), ("4MiB", 4 << 20), ("100B", 100), ("0B", 0), ("1GiB", 1 << 30)]
        {
            assert_eq!(Size::read(&Value::Text(text.into())), Ok(octets), "{text}");
            assert_eq!(Size::show(octets), Value::Text(text.into()));
        }
        assert_eq!(Size::read(&Value::Number(100)), Ok(100));
        for wrong in ["64kb", "KiB", "-1", "1e3", "999999999999999999GiB"] {
            assert!(Size::read(&Value::Text(wrong.into())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_absent_has_a_word_of_its_own() {
        assert_eq!(Option::<SocketAddr>::read(&Value::Text("off".into())), Ok(None));
        assert_eq!(Option::<usize>::read(&Value::Text("unlimited".into())), Ok(None));
        assert_eq!(Option::<LogTarget>::read(&Value::Text("-".into())), Ok(Some(LogTarget::Stdout)));
        assert_eq!(Option::<PathBuf>::read(&Value::Text("/a".into())), Ok(Some("/a".into())));
        assert_eq!(Option::<String>::read(&Value::Text(String::new())), Ok(None));
    }

    #[test]
    fn variables_take_the_shape_of_the_setting() {
        let list = Value::List(vec![]);
        let two = Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]);
        assert_eq!(Value::from_text("a, b", &list), two);
        assert_eq!(Value::from_text("", &list), Value::List(vec![]));
        assert_eq!(Value::from_text("7", &Value::Number(0)), Value::Number(7));
        assert_eq!(Value::from_text("on", &Value::Flag(false)), Value::Flag(true));
        assert_eq!(Value::from_text("7", &Value::Text(String::new())), Value::Text("7".into()));
    }

    #[test]
    fn texts_are_written_as_toml_reads_them() {
        let check = |text: &str, expected: &str| {
            let written = Value::Text(text.into()).to_string();
            assert_eq!(written, expected);
            let read: toml::Table = format!("x = {written}").parse().unwrap();
            assert_eq!(read["x"].as_str(), Some(text));
        };
        check("/var/lib/x y/é", "\"/var/lib/x y/é\"");
        check("\"\\'", "\"\\\"\\\\'\"");
        check("\u{1b}[31m\n\u{7f}\u{9b}\0", "\"\\u001b[31m\\u000a\\u007f\\u009b\\u0000\"");
    }

    #[test]
    fn a_port_alone_is_told_how_to_become_an_address() {
        let error = SocketAddr::read(&Value::Text("8080".into())).unwrap_err();
        assert!(error.contains("perhaps 127.0.0.1:8080"), "{error}");
    }
}
