//! How settings of DNS are written.

use dnsd::ZoneFile;
use dnsd::config::{CookieUse, Secret};

use super::value::{Form, Value, text};

impl Form for ZoneFile {
    fn show(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value, "example.com=/etc/portico/example.com.zone")?;
        Self::parse(text).map_err(|wrong| format!("is {text:?}, but {wrong}"))
    }
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
