//! How settings that are one text are written, and those of DNS.

use std::str::FromStr as _;

use dnsd::ZoneFile;
use dnsd::config::{CookieUse, Secret};
use dnsd::forward::Upstream;
use dnsd::transfer::{Allowed, MayUpdate, Secondary};

use super::value::{Form, Value, text};

/// What is written as one text, with an example of it.
macro_rules! of_text {
    ($($type:ty, $read:path, $example:literal;)*) => {$(
        impl Form for $type {
            fn show(&self) -> Value {
                Value::Text(self.to_string())
            }

            fn read(value: &Value) -> Result<Self, String> {
                let text = text(value, $example)?;
                $read(text).map_err(|wrong| format!("is {text:?}, but {wrong}"))
            }
        }
    )*};
}

of_text! {
    ZoneFile, ZoneFile::parse, "example.com=/etc/portico/example.com.zone";
    Upstream, Upstream::from_str, "192.0.2.53";
    Allowed, Allowed::parse, "10.0.0.0/8 key:NAME";
    Secondary, Secondary::parse, "10.0.0.2 key:NAME";
    MayUpdate, MayUpdate::parse, "example.com=key:NAME";
    control::config::Hook, control::config::Hook::parse, "warm=/usr/local/bin/warm";
    model::EngineUrl, model::EngineUrl::parse, "tcp://127.0.0.1:2375";
    model::HostPattern, model::HostPattern::parse, "*.apps.example.com";
    model::Label, model::Label::parse, "portico";
}

impl Form for CookieUse {
    fn show(&self) -> Value {
        Value::Text(
            match self {
                Self::Off => "off",
                Self::On => "on",
                Self::Required => "required",
            }
            .into(),
        )
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value, "on")? {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "required" => Ok(Self::Required),
            other => Err(format!("is {other:?}, but must be \"on\", \"off\" or \"required\"")),
        }
    }
}

impl Form for Secret {
    fn show(&self) -> Value {
        Value::Text(self.reveal())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value, "00112233445566778899aabbccddeeff")?;
        // What it is instead is not shown: it may be a secret with a slip in it.
        Self::parse(text)
            .ok_or_else(|| "is no secret of 32 hexadecimal digits; `openssl rand -hex 16` makes one".into())
    }
}
