//! What happens, told as it does.

use crate::world::{World, eventually, portico, until};

#[test]
fn who_joins_and_leaves_services_of_a_type_is_told_as_it_happens() {
    let world = World::new();
    let node = world.portico(&[]);
    let server = format!("http://{}", node.admin());
    let file = "kind: service\nname: web\nports: [{name: http, port: 80}]\ndns_sd: {type: _http._tcp}\n---\n\
                kind: instance\nservice: web\nname: web-1\naddresses: [10.0.0.7]\n";
    node.does(&["apply", "-f", &world.write("web.yaml", file).display().to_string()]);

    let mut events = portico(&["events", "--type", "_http._tcp", "--server", &server]).spawn();
    events.says("2 joined web/web-1 10.0.0.7 http=80\n2 present\n");
    let second = "kind: instance\nservice: web\nname: web-2\naddresses: [10.0.0.8]\n";
    node.does(&["apply", "-f", &world.write("second.yaml", second).display().to_string()]);
    events.says("3 joined web/web-2 10.0.0.8 http=80\n");
    node.does(&["instance", "rm", "web/web-1"]);
    events.says("4 left web/web-1 10.0.0.7 http=80\n");

    node.signal("TERM");
    assert_eq!(events.ended().code(), Some(0), "{}", events.log());
    let told = until("all is read", || Some(events.output()).filter(|told| told.lines().count() == 4));
    eventually("nothing else was told", || told.ends_with("4 left web/web-1 10.0.0.7 http=80\n"));
}
