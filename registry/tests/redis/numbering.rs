//! The numbering script itself, called as nodes call it: with what a node may say of keys, also late or twice.

use redis::Script;

use crate::server::{Server, text, texts};

/// A digest that nothing has.
const LATE: &str = "late";

/// Numbers `keys` as a node that read `digest` under each, and `sum` over all.
fn number(server: &Server, keys: &[&str], digest: &str, sum: &str) -> Vec<String> {
    let script = Script::new(concat!(
        include_str!("../../src/driver/redis/lua/digest.lua"),
        include_str!("../../src/driver/redis/lua/revision.lua"),
        include_str!("../../src/driver/redis/lua/number.lua")
    ));
    let mut call = script.prepare_invoke();
    call.key("portico:revision").key("portico:revisions").key("portico:history");
    for argument in ["frontend:", "0", "1", "100", "portico:changes", "n1", sum] {
        call.arg(argument);
    }
    for key in keys {
        call.key(*key).arg(digest).arg("").arg("");
    }
    call.invoke(&mut server.client()).unwrap()
}

/// How often the server ran a command since its statistics began.
fn calls(server: &Server, command: &str) -> usize {
    let stats = text(&server.run("INFO commandstats"));
    let line = format!("cmdstat_{command}:calls=");
    let calls = stats.split(&line).nth(1).and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[test]
fn a_key_that_is_given_twice_is_numbered_once() {
    let server = Server::start();
    server.run("RPUSH frontend:a.example web http://10.0.0.1:80");
    server.run("RPUSH frontend:b.example web http://10.0.0.1:80");
    let given = ["frontend:a.example", "frontend:b.example", "frontend:a.example"];

    let put = number(&server, &given, LATE, "");
    server.run("DEL frontend:a.example");
    let removed = number(&server, &given, LATE, "");

    let revisions =
        |answer: &[String]| [&answer[0], &answer[1], &answer[3], &answer[5], &answer[7]].map(String::clone);
    assert_eq!(revisions(&put), ["0", "2", "1", "2", "1"]);
    assert_eq!(revisions(&removed), ["2", "3", "3", "2", "3"]);
    assert_eq!(text(&server.run("GET portico:revision")), "3");
    assert_eq!(text(&server.run("XLEN portico:history")), "3");
    assert_eq!(texts(&server.run("HKEYS portico:revisions")), ["frontend:b.example"]);
}

#[test]
fn of_lists_that_grew_since_they_were_read_one_is_copied() {
    let server = Server::start();
    let keys = ["frontend:a.example", "frontend:b.example", "frontend:c.example"];
    let grown = "for _, key in ipairs(KEYS) do for i = 1, 7 do redis.call('RPUSH', key, string.rep('x', 1048576)) end end";
    Script::new(grown).key(&keys[..]).invoke::<()>(&mut server.client()).unwrap();
    server.run("CONFIG RESETSTAT");

    let answer = number(&server, &keys, LATE, "the sum of what was read before");

    assert_eq!(calls(&server, "lrange"), 1);
    assert_eq!(answer, ["0", "3", "large", "1", "large", "2", "large", "3"]);
}
