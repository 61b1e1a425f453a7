//! A listener as it is written: its address, or a table of the address and what is other there than everywhere.

use std::net::{Ipv4Addr, SocketAddr};

use proxy::config::{Listener, Scheme};

use super::value::{Form, Value};

/// The setting that has listeners.
pub(crate) const KEY: &str = "http.listen";

/// One key of such a table.
pub(crate) struct Part {
    /// Its name.
    pub key: &'static str,
    /// `None`: nothing is said, it is as everywhere.
    get: fn(&Listener) -> Option<Value>,
    set: fn(&mut Listener, &Value) -> Result<(), String>,
}

/// All keys of such a table.
pub(crate) const PARTS: &[Part] = &[
    Part { key: "address", get: |l| Some(l.address.show()), set: |l, v| put(&mut l.address, v) },
    Part {
        key: "proxy_protocol",
        get: |l| unless_empty(&l.proxy_protocol),
        set: |l, v| match v {
            Value::Flag(true) => {
                Err("is true, but must name the peers that send it, such as 10.0.0.0/8".into())
            }
            Value::Flag(false) => Ok(()),
            peers => put(&mut l.proxy_protocol, peers),
        },
    },
    Part {
        key: "trusted",
        get: |l| l.trusted.as_ref().map(Form::show),
        set: |l, v| put(l.trusted.get_or_insert_default(), v),
    },
    Part { key: "allow", get: |l| unless_empty(&l.allow), set: |l, v| put(&mut l.allow, v) },
    Part { key: "deny", get: |l| unless_empty(&l.deny), set: |l, v| put(&mut l.deny, v) },
    Part {
        key: "scheme",
        get: |l| l.scheme.map(|scheme| Value::Text(scheme.name().into())),
        set: |l, v| {
            let known = [Scheme::Http, Scheme::Https].into_iter();
            let scheme = known.clone().find(|scheme| *v == Value::Text(scheme.name().into()));
            l.scheme = Some(scheme.ok_or_else(|| format!("is {v}, but must be \"http\" or \"https\""))?);
            Ok(())
        },
    },
    Part {
        key: "connections",
        get: |l| l.connections.map(|most| most.show()),
        set: |l, v| match v {
            Value::Number(0) => Err("is 0, but somebody must be let in".into()),
            most => put(&mut l.connections, most),
        },
    },
];

fn put<T: Form>(place: &mut T, value: &Value) -> Result<(), String> {
    *place = T::read(value)?;
    Ok(())
}

fn unless_empty<T: Form>(list: &Vec<T>) -> Option<Value> {
    (!list.is_empty()).then(|| list.show())
}

impl Part {
    /// Says what is wrong with a value, so that it can follow the key.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        (self.set)(&mut blank(), value)
    }
}

fn blank() -> Listener {
    Listener::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

impl Form for Listener {
    fn show(&self) -> Value {
        if *self == Self::from(self.address) {
            return self.address.show();
        }
        let said = PARTS.iter().filter_map(|part| Some((part.key.to_owned(), (part.get)(self)?)));
        Value::Table(said.collect())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let Value::Table(entries) = value else { return SocketAddr::read(value).map(Self::from) };
        if !entries.iter().any(|(key, _)| key == "address") {
            return Err(format!("has {value}, but each listener needs an `address`"));
        }
        let mut listener = blank();
        for (key, value) in entries {
            let part = PARTS.iter().find(|part| part.key == key).ok_or_else(|| format!("has no `{key}`"))?;
            (part.set)(&mut listener, value).map_err(|wrong| format!("has `{key}`, which {wrong}"))?;
        }
        Ok(listener)
    }
}

/// In a few words, for people: the address, and what is other there.
pub(crate) fn describe(listener: &Listener) -> String {
    let list =
        |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !listener.proxy_protocol.is_empty() {
        parts.push(format!("PROXY protocol from {}", list(&listener.proxy_protocol)));
    }
    match listener.trusted.as_deref() {
        Some([]) => parts.push("trusts nobody".to_owned()),
        Some(trusted) => parts.push(format!("trusts {}", list(trusted))),
        None => {}
    }
    if !listener.allow.is_empty() {
        parts.push(format!("only for {}", list(&listener.allow)));
    }
    if !listener.deny.is_empty() {
        parts.push(format!("not for {}", list(&listener.deny)));
    }
    if let Some(scheme) = listener.scheme {
        parts.push(format!("stands for {}", scheme.name()));
    }
    if let Some(most) = listener.connections {
        parts.push(format!("at most {most} connections"));
    }
    match parts.is_empty() {
        true => listener.address.to_string(),
        false => format!("{} ({})", listener.address, parts.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_written_as_it_is_read() {
        let text = |text: &str| Value::Text(text.into());
        let list = |one: &str| Value::List(vec![text(one)]);
        let full = Value::Table(
            [
                ("address", text("10.0.0.1:80")),
                ("proxy_protocol", list("10.0.0.0/8")),
                ("trusted", Value::List(vec![])),
                ("allow", list("192.0.2.0/24")),
                ("deny", list("192.0.2.7/32")),
                ("scheme", text("https")),
                ("connections", Value::Number(7)),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        );

        let read = Listener::read(&full).unwrap();

        assert_eq!(read.show(), full);
        assert_eq!(
            describe(&read),
            "10.0.0.1:80 (PROXY protocol from 10.0.0.0/8; trusts nobody; only for 192.0.2.0/24; not for 192.0.2.7/32; \
             stands for https; at most 7 connections)"
        );
        assert_eq!(Listener::read(&text("[::]:80")).unwrap().show(), text("[::]:80"));
        assert_eq!(describe(&Listener::read(&text("[::]:80")).unwrap()), "[::]:80");
    }
}
