//! Rows of good and bad documents of services, instances, hosts and record sets.

use model::{Fact, FactKind};

use super::super::{fact_of, read_fact, write_fact};

fn check(kind: FactKind, json: &str, expected: Result<&str, (&str, &str)>) {
    let read = read_fact(kind, json.as_bytes());
    if let Ok(value) = serde_json::from_str(json) {
        assert_eq!(fact_of(kind, value).is_ok(), read.is_ok(), "{json}");
    }
    match (read, expected) {
        (Ok(fact), Ok(written)) => assert_eq!(write_fact(&fact), written),
        (Err(error), Err((place, part))) => {
            assert_eq!(error.place, place, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        (read, expected) => panic!("{json}: {read:?}, not {expected:?}"),
    }
}

fn service(json: &str, expected: Result<&str, (&str, &str)>) {
    check(FactKind::Service, json, expected);
}

fn instance(json: &str, expected: Result<&str, (&str, &str)>) {
    let whole = json.replacen('{', r#"{"service":"web","name":"web-1","#, 1);
    let written = |rest: &str| rest.replacen('{', r#"{"service":"web","name":"web-1","#, 1);
    match expected {
        Ok(rest) => check(FactKind::Instance, &whole, Ok(&written(rest))),
        Err(error) => check(FactKind::Instance, &whole, Err(error)),
    }
}

#[test]
fn a_service_is_written_without_defaults_and_its_errors_name_the_field() {
    service(r#"{"name":"Web"}"#, Ok(r#"{"name":"web"}"#));
    service(
        r#"{"name":"web","ports":[{"name":"http","port":80,"protocol":"tcp"}],"metadata":{},"when_empty":"nodata"}"#,
        Ok(r#"{"name":"web","ports":[{"name":"http","port":80}]}"#),
    );
    let whole = r#"{"name":"web","ports":[{"name":"dns","port":53,"protocol":"udp"}],"metadata":{"a":"b"},"ttl":0,"when_empty":"nxdomain"}"#;
    service(whole, Ok(whole));
    service("{}", Err(("", "missing field `name`")));
    service(r#"{"name":"a.b"}"#, Err(("name", "write a part of a domain name")));
    service(r#"{"name":"a","image":"x"}"#, Err(("image", "unknown field `image`")));
    service(
        r#"{"name":"a","ports":[{"name":"h","port":0}]}"#,
        Err(("ports[0].port", "0 is outside 1 to 65535")),
    );
    service(r#"{"name":"a","ports":[{"name":"h"}]}"#, Err(("ports[0]", "missing field `port`")));
    service(r#"{"name":"a","ports":[{"name":"_h","port":1}]}"#, Err(("ports[0].name", "other than letters")));
    let twice = r#"{"name":"a","ports":[{"name":"h","port":1},{"name":"h","port":2}]}"#;
    service(twice, Err(("ports", "two ports are named `h`")));
    service(r#"{"name":"a","ttl":604801}"#, Err(("ttl", "longer than a week")));
    service(r#"{"name":"a","ttl":"5s"}"#, Err(("ttl", "expected u64")));
    service(r#"{"name":"a","metadata":{"a":"1","A":"2"}}"#, Err(("metadata", "`A` is there already")));
    service(r#"{"name":"a","metadata":["x"]}"#, Err(("metadata", "expected an object")));
    service(r#"{"name":"a","when_empty":"servfail"}"#, Err(("when_empty", "expected one of `nodata`")));
    let elsewhere = r#"{"name":"db","external":"Db.example.com.","dns_sd":{"type":"_postgresql._tcp","name":"Büro","subtypes":["test"]}}"#;
    service(elsewhere, Ok(elsewhere));
    service(r#"{"name":"a","external":"a..b"}"#, Err(("external", "write a domain name")));
    service(r#"{"name":"a","dns_sd":{"type":"http"}}"#, Err(("dns_sd.type", "write `_http._tcp`")));
    let twice = r#"{"name":"a","dns_sd":{"type":"_http._tcp","subtypes":["_x","x"]}}"#;
    service(twice, Err(("dns_sd.subtypes[1]", "`x` is there already")));
    service(
        r#"{"name":"a","dns_sd":{"type":"_http._tcp","kind":1}}"#,
        Err(("dns_sd.kind", "unknown field `kind`")),
    );
    service("[", Err(("", "write it as `config/service.example.json`")));
    service(r#"{"name":"a"} {}"#, Err(("", "nothing behind it")));
}

#[test]
fn an_instance_is_written_without_defaults_and_its_errors_name_the_field() {
    instance(
        r#"{"addresses":["::ffff:10.0.0.7"],"weight":1,"priority":0,"state":"healthy","tags":[]}"#,
        Ok(r#"{"addresses":["10.0.0.7"]}"#),
    );
    let whole = r#"{"addresses":["10.0.0.7","fd00::7"],"ports":{"http":18080},"weight":9,"priority":2,"state":"starting","tags":["v2"],"metadata":{"a":"b"},"host":"node-1","ttl":10}"#;
    instance(whole, Ok(whole));
    instance(r#"{"addresses":[]}"#, Err(("addresses", "at least one")));
    instance(r#"{"addresses":["web-1"]}"#, Err(("addresses[0]", "`web-1` is not an IP address")));
    instance(r#"{"addresses":["0.0.0.0"]}"#, Err(("addresses", "nobody's address")));
    instance(
        r#"{"addresses":["10.0.0.7"],"ports":{"http":65536}}"#,
        Err(("ports.http", "outside 1 to 65535")),
    );
    instance(r#"{"addresses":["10.0.0.7"],"ports":{"h":1,"H":2}}"#, Err(("ports.H", "there already")));
    instance(r#"{"addresses":["10.0.0.7"],"weight":0}"#, Err(("weight", "1 to 1000")));
    instance(r#"{"addresses":["10.0.0.7"],"priority":65536}"#, Err(("priority", "u16")));
    instance(r#"{"addresses":["10.0.0.7"],"state":"up"}"#, Err(("state", "`draining`")));
    instance(r#"{"addresses":["10.0.0.7"],"tags":["a","b","A"]}"#, Err(("tags[2]", "there already")));
    instance(r#"{"addresses":["10.0.0.7"],"tags":["a b"]}"#, Err(("tags[0]", "other than letters")));
    instance(r#"{"addresses":["10.0.0.7"],"host":""}"#, Err(("host", "the name is empty")));
    instance(r#"{"addresses":["10.0.0.7"],"ttl":0}"#, Err(("ttl", "outside 1 to 86400")));
    instance(r#"{"addresses":["10.0.0.7"],"lease":10}"#, Err(("lease", "unknown field `lease`")));
    check(FactKind::Instance, r#"{"name":"a","addresses":[]}"#, Err(("", "missing field `service`")));
}

#[test]
fn a_host_is_written_without_defaults_and_its_errors_name_the_field() {
    let host = |json: &str, expected| check(FactKind::Host, json, expected);
    host(
        r#"{"name":"N","addresses":["fd00:0::1"],"labels":{}}"#,
        Ok(r#"{"name":"n","addresses":["fd00::1"]}"#),
    );
    let whole = r#"{"name":"node-1","addresses":["10.0.0.1"],"labels":{"zone":"a"}}"#;
    host(whole, Ok(whole));
    host(r#"{"name":"n"}"#, Err(("", "missing field `addresses`")));
    host(r#"{"name":"n","addresses":["10.0.0.1"],"labels":{"a=b":"c"}}"#, Err(("labels", "is no key")));
    host(r#"{"name":"n","addresses":["10.0.0.1"],"labels":{"a":1}}"#, Err(("labels.a", "expected a string")));
}

#[test]
fn a_record_set_is_written_canonically_and_its_errors_name_the_field() {
    let record = |json: &str, expected| check(FactKind::Record, json, expected);
    record(
        r#"{"name":"WWW.Example","type":"a","data":["10.0.0.2","10.0.0.1","10.0.0.2"]}"#,
        Ok(r#"{"name":"www.example.","type":"A","data":["10.0.0.1","10.0.0.2"]}"#),
    );
    let whole = r#"{"name":"_a.example.","type":"TYPE65534","ttl":0,"data":["\\# 0"]}"#;
    record(whole, Ok(whole));
    record(r#"{"name":"a..b","type":"A","data":[]}"#, Err(("name", "empty label")));
    record(r#"{"name":"a","type":"B","data":[]}"#, Err(("type", "no such record type")));
    record(r#"{"name":"a","type":"A","data":[]}"#, Err(("data", "at least one record")));
    record(r#"{"name":"a","type":"A","data":["10.0.0.1","x"]}"#, Err(("data[1]", "`x` is no IPv4 address")));
    let relative = "`b` is relative, and there is no origin; end it with a dot; write it as in a zone file";
    record(r#"{"name":"a","type":"CNAME","data":["b"]}"#, Err(("data[0]", relative)));
    record(r#"{"name":"a","type":"CNAME","data":["b.","c."]}"#, Err(("data", "one record of this type")));
    record(r#"{"name":"a","type":"ANY","data":["\\# 0"]}"#, Err(("data[0]", "cannot stand in a zone")));
    record(
        r#"{"name":"a","type":"A","ttl":2147483648,"data":["10.0.0.1"]}"#,
        Err(("ttl", "more than 2147483647")),
    );
    record(
        r#"{"name":"a","type":"A","ttl":4294967296,"data":["10.0.0.1"]}"#,
        Err(("ttl", "more than 2147483647")),
    );
    record(r#"{"name":"a","type":"A"}"#, Err(("", "missing field `data`")));
    record(r#"{"name":"a","type":"A","data":["10.0.0.1"],"class":"IN"}"#, Err(("class", "unknown field")));
}

#[test]
fn the_documented_examples_are_read_and_show_every_field() {
    let read = |kind, json: &[u8]| read_fact(kind, json).expect("the example");
    let service = read(FactKind::Service, include_bytes!("../../../../../config/service.example.json"));
    let instance = read(FactKind::Instance, include_bytes!("../../../../../config/instance.example.json"));
    let host = read(FactKind::Host, include_bytes!("../../../../../config/host.example.json"));

    let record = read(FactKind::Record, include_bytes!("../../../../../config/record.example.json"));

    let fields = |fact: &Fact| {
        let written: serde_json::Value = serde_json::from_str(&write_fact(fact)).expect("json");
        written.as_object().expect("object").len()
    };
    assert_eq!(
        [&service, &instance, &host, &record].map(fields),
        [7, 11, 3, 4],
        "what is left out is a default"
    );
}
