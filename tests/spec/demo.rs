//! `portico demo` does what its first screen says.

use std::process::Command;

use crate::world::portico;

#[test]
fn each_command_that_the_demo_prints_works_as_printed_and_ctrl_c_ends_it_cleanly() {
    let mut demo = portico(&["demo"]).spawn();
    let text = demo.says("Ctrl-C ends.");

    for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.is_empty() || line.contains(" rm "), "{line} says nothing");
        if line.contains("/api/users") {
            assert!(said.contains("origin-two answers GET /api/users for www.demo.localhost"), "{said}");
        }
    }
    let after = text.split(" rm web/one ").nth(1).unwrap();
    let srv =
        after.lines().filter_map(|line| line.strip_prefix("  ")).find(|line| line.contains("SRV")).unwrap();
    let srv = Command::new("sh").args(["-c", srv]).output().unwrap();
    let srv = String::from_utf8_lossy(&srv.stdout);
    assert!(srv.contains("two.web.svc.internal.") && !srv.contains("one.web"), "the instance is gone: {srv}");
    let folder = text.split("Everything else is in ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(std::path::Path::new(&folder).is_dir());
    demo.signal("INT");

    assert_eq!(demo.ended().code(), Some(0), "{}", demo.log());
    assert!(!std::path::Path::new(&folder).exists(), "{folder} is left behind");
}

#[test]
fn two_demos_run_beside_each_other() {
    let demos = [portico(&["demo"]).spawn(), portico(&["demo"]).spawn()];

    for mut demo in demos {
        demo.says("Ctrl-C ends.");
        demo.signal("TERM");
        assert_eq!(demo.ended().code(), Some(0), "{}", demo.log());
    }
}
