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
    service(r#"{"name":"a","picture":"x"}"#, Err(("picture", "unknown field `picture`")));
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
    fn host(json: &str, expected: Result<&str, (&str, &str)>) {
        check(FactKind::Host, json, expected);
    }
    host(
        r#"{"name":"N","addresses":["fd00:0::1"],"labels":{}}"#,
        Ok(r#"{"name":"n","addresses":["fd00::1"]}"#),
    );
    let whole = r#"{"name":"node-1","addresses":["10.0.0.1"],"labels":{"zone":"a"}}"#;
    host(whole, Ok(whole));
    let runs = r#"{"name":"n","addresses":["10.0.0.1"],"engine":"unix:///run/docker.sock","priority":2,"capacity":{"cpu_millis":1000},"cordoned":true,"draining":true}"#;
    host(runs, Ok(runs));
    host(
        r#"{"name":"n","addresses":["10.0.0.1"],"engine":"tcp://a","instances_at":"host","priority":0,"capacity":{},"cordoned":false,"draining":false}"#,
        Ok(r#"{"name":"n","addresses":["10.0.0.1"],"engine":"tcp://a:2376"}"#),
    );
    let found = r#"{"name":"n","addresses":["auto"],"engine":"tcp://a:2376","start":"wake","stop":"sleep","cloud":{"machine-type":"small"}}"#;
    host(found, Ok(found));
    let refused = |field: &str, place: &str, part: &str| {
        host(&format!(r#"{{"name":"n","addresses":["10.0.0.1"],{field}}}"#), Err((place, part)));
    };
    refused(r#""engine":"http://a""#, "engine", "write `unix:///run/docker.sock`");
    refused(r#""engine":"ssh://ops:secret@a""#, "engine", "a password has no place in a fact");
    refused(r#""engine":"tcp://a","stop":"sleep""#, "stop", "never started again");
    refused(r#""start":"wake""#, "engine", "without an engine nobody can find it");
    refused(r#""engine":"tcp://a","start":"/bin/sh""#, "start", "other than letters");
    refused(
        r#""cloud":{"a-b":"1","a_b":"2"}"#,
        "cloud",
        "not the only one that PORTICO_CLOUD_A_B is made of",
    );
    host(r#"{"name":"n","addresses":["auto"]}"#, Err(("engine", "without an engine nobody can find it")));
    host(
        r#"{"name":"n","addresses":["auto","10.0.0.1"],"engine":"tcp://a"}"#,
        Err(("addresses[0]", "is not an IP address")),
    );
    refused(r#""priority":65536"#, "priority", "expected u16");
    refused(r#""capacity":{"cpu_millis":0}"#, "capacity", "outside 1 to");
    refused(r#""instances_at":"both""#, "instances_at", "expected `host` or `container`");
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
fn how_a_service_is_launched_is_written_without_defaults() {
    let kept = |fields: &str| {
        let whole =
            format!(r#"{{"name":"web","ports":[{{"name":"http","port":80}}],"image":"shop/web:2"{fields}}}"#);
        service(&whole, Ok(&whole));
    };
    kept("");
    kept(
        r#","command":["sh","-c","x"],"entrypoint":["/init"],"environment":{"A":"a=b"},"labels":{"team":"shop"}"#,
    );
    kept(
        r#","volumes":[{"source":"data","target":"/data"},{"source":"/srv","target":"/srv","read_only":true}]"#,
    );
    kept(r#","user":"1000:1000","working_dir":"/srv","restart":"on_failure","active":false,"restarts":3"#);
    kept(r#","canary":{"image":"web:2","percent":10},"instances":0"#);
    kept(r#","instances":2,"max_instances":5,"resources":{"cpu_millis":500,"memory_mib":64}"#);
    kept(
        r#","heartbeat":{"kind":"http","port":"http","path":"/health","status":204,"interval_ms":500,"rise":2}"#,
    );
    kept(
        r#","heartbeat":{"kind":"command","command":["check"],"timeout_ms":5000,"start_period_ms":0,"fall":1}"#,
    );
    kept(r#","heartbeat":{"kind":"image"}"#);
    kept(
        r#","placement":{"required":{"zone":"a"},"fill":"pack","per_host":"one","beside":["cache"],"not_beside":["db"]}"#,
    );
    kept(
        r#","rollout":{"order":"stop_first","parallel":2,"min_healthy_ms":1000,"deadline_ms":60000,"rollback":false}"#,
    );
    kept(
        r#","stop":{"signal":"QUIT","grace_ms":0,"drain_ms":5000},"depends_on":{"db":"healthy","migration":"done","queue":"started"}"#,
    );
    kept(r#","hooks":{"before_start":["warm-up"],"after_stop":["tidy"]}"#);
    // What is said and is the default is not kept; a heartbeat's port is the first one.
    let said = r#"{"name":"web","ports":[{"name":"http","port":80}],"image":"web","instances":1,"max_instances":1,"active":true,"restarts":0,
        "restart":"always","resources":{},"placement":{"fill":"spread","per_host":"any"},"rollout":{"parallel":1,"rollback":true},
        "stop":{"grace_ms":10000,"drain_ms":30000},"hooks":{},"heartbeat":{"kind":"tcp","interval_ms":2000,"rise":1,"fall":3}}"#;
    let kept = r#"{"name":"web","ports":[{"name":"http","port":80}],"image":"web","heartbeat":{"kind":"tcp","port":"http"}}"#;
    service(said, Ok(kept));
}

#[test]
fn what_cannot_be_launched_is_refused_with_the_field_and_the_remedy() {
    let refused = |fields: &str, place: &str, part: &str| {
        service(&format!(r#"{{"name":"web","image":"web",{fields}}}"#), Err((place, part)));
    };
    service(r#"{"name":"a","image":"A B"}"#, Err(("image", "its name is not one of lower-case")));
    service(r#"{"name":"a","restarts":1}"#, Err(("restarts", "write `image`")));
    service(r#"{"name":"a","canary":{"image":"web:2","percent":10}}"#, Err(("canary", "write `image`")));
    refused(r#""canary":{"image":"A B","percent":10}"#, "canary.image", "its name is not one of");
    refused(r#""canary":{"image":"web","percent":10}"#, "canary.image", "`web` is what runs already");
    refused(r#""canary":{"image":"web:2","percent":0}"#, "canary.percent", "write 1 to 99");
    refused(r#""canary":{"image":"web:2","percent":100}"#, "canary.percent", "write 1 to 99");
    refused(
        r#""canary":{"image":"web:2","percent":1},"placement":{"per_host":"every"}"#,
        "canary",
        "leaves no host for another version",
    );
    service(r#"{"name":"a","instances":2}"#, Err(("instances", "write `image`")));
    service(r#"{"name":"a","depends_on":{"db":"healthy"}}"#, Err(("depends_on", "write `image`")));
    refused(r#""external":"a.example.""#, "external", "what runs elsewhere is not launched");
    refused(r#""command":[]"#, "command", "there is no command");
    refused(r#""environment":{"A=B":"c"}"#, "environment", "`A=B` is no name of a variable");
    refused(r#""labels":{"portico.service":"x"}"#, "labels", "one of the controller's own");
    refused(r#""volumes":[{"source":"../x","target":"/x"}]"#, "volumes[0]", "its source is neither");
    refused(
        r#""volumes":[{"source":"a","target":"/x"},{"source":"b","target":"/x"}]"#,
        "volumes[1].target",
        "`/x` is there already",
    );
    refused(r#""user":"""#, "user", "it is empty");
    refused(r#""restarts":4294967296"#, "restarts", "expected u32");
    refused(r#""restart":"sometimes""#, "restart", "expected one of `always`");
    refused(r#""instances":3,"max_instances":2"#, "instances", "3 to 2 instances are no range");
    refused(r#""instances":1001"#, "instances", "0 to 1000");
    refused(r#""resources":{"memory_mib":5}"#, "resources", "6 MiB");
    refused(r#""heartbeat":{"kind":"http"}"#, "heartbeat.port", "the service has no such port");
    refused(r#""heartbeat":{"kind":"image","path":"/"}"#, "heartbeat.path", "leave it out");
    refused(r#""heartbeat":{"kind":"command"}"#, "heartbeat.command", "there is no command");
    refused(r#""heartbeat":{"kind":"image","interval_ms":1}"#, "heartbeat", "outside 100 ms to a day");
    refused(r#""placement":{"beside":["a.b"]}"#, "placement.beside", "write a part of a domain name");
    refused(r#""rollout":{"parallel":0}"#, "rollout.parallel", "nonzero");
    refused(r#""rollout":{"deadline_ms":86400001}"#, "rollout.deadline_ms", "more than 86400000 ms");
    refused(r#""stop":{"signal":"STOP"}"#, "stop.signal", "write one of TERM");
    refused(r#""stop":{"grace_ms":3600001}"#, "stop.grace_ms", "more than 3600000 ms");
    refused(r#""depends_on":{"db":"healthy","DB":"started"}"#, "depends_on", "twice");
    refused(r#""hooks":{"after_stop":["rm -rf /"]}"#, "hooks.after_stop", "write a part of a domain name");
}

#[test]
fn the_documented_examples_are_read_and_show_every_field() {
    let read = |kind, json: &[u8]| read_fact(kind, json).expect("the example");
    let service = read(FactKind::Service, include_bytes!("../../../../../config/service.example.json"));
    let instance = read(FactKind::Instance, include_bytes!("../../../../../config/instance.example.json"));
    let host = read(FactKind::Host, include_bytes!("../../../../../config/host.example.json"));

    let launched = read(FactKind::Service, include_bytes!("../../../../../config/launched.example.json"));
    let record = read(FactKind::Record, include_bytes!("../../../../../config/record.example.json"));

    let fields = |fact: &Fact| {
        let written: serde_json::Value = serde_json::from_str(&write_fact(fact)).expect("json");
        written.as_object().expect("object").len()
    };
    assert_eq!(
        [&service, &launched, &instance, &host, &record].map(fields),
        [7, 23, 11, 12, 4],
        "what is left out is a default"
    );
}

#[test]
fn what_a_controller_says_is_read_back() {
    let deployment = r#"{"name":"web","version":"692fb9002abb256b","revision":41,"deployment":"failed","reason":"exit code 1","instances":4,"canary":{"version":"238b84c8bfa9a537","state":"progressing","reason":"0 of 1 healthy"},"stable":{"name":"web","image":"web:1"}}"#;
    let controller = r#"{"controls":"node-1:80","term":7,"ttl":15}"#;
    let instance = r#"{"service":"web","name":"2","addresses":["10.0.0.7"],"state":"draining","run":{"version":"692fb9002abb256b","stage":"stopping","resources":{"memory_mib":64},"image":"sha256:0","failures":1,"reason":"replaced","release":{"after_ms":5100,"unconfirmed":["b"],"cut":1,"tunnels":2}}}"#;
    let standing = r#"{"name":"n","found":["10.0.0.7"],"power":{"state":"stopping","done":true,"failures":2,"reason":"it hangs"}}"#;
    for (kind, json) in [
        (FactKind::Standing, standing),
        (FactKind::Standing, r#"{"name":"n","found":[],"lost":"no such name"}"#),
        (FactKind::Deployment, deployment),
        (FactKind::Controller, controller),
        (FactKind::Instance, instance),
    ] {
        let fact = read_fact(kind, json.as_bytes()).expect(json);

        assert_eq!(write_fact(&fact), json);
        assert!(!fact.is_desired());
    }
    let wrong = deployment.replace("web:1", "Web");
    let error = read_fact(FactKind::Deployment, wrong.as_bytes()).expect_err("no image");
    assert_eq!(error.place, "stable.image");
}
