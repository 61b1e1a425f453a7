//! An image that is fetched is shown with how far it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine as _;
use engine::{Engine, PASSWORD, Registry, USER};

use crate::world::{Fleet, World, eventually, portico};

fn web(image: &str) -> String {
    format!(
        "---\nkind: service\nname: web\nimage: {image}\nports: [{{name: http, port: 8080}}]\n\
         heartbeat: {{kind: http, port: http, path: /, interval_ms: 500}}\n\
         ---\nkind: frontend\nhost: web.example.com\nservice: {{name: web}}\n"
    )
}

/// The way to a registry, which lets a few octets through, and the others once it is opened.
struct Gate {
    port: u16,
    left: Arc<(Mutex<usize>, Condvar)>,
}

impl Gate {
    fn new(registry: &Registry, octets: usize) -> Self {
        let (listener, there) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), registry.name());
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new((Mutex::new(octets), Condvar::new()));
        let shared = Arc::clone(&left);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for inside in listener.incoming().flatten() {
                let Ok(outside) = TcpStream::connect(&there) else { continue };
                let (up, down) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
                let left = Arc::clone(&shared);
                std::thread::spawn(move || pass(up, outside, None));
                std::thread::spawn(move || pass(down, inside, Some(&left)));
            }
        });
        Self { port, left }
    }

    fn open(&self) {
        *self.left.0.lock().unwrap() = usize::MAX;
        self.left.1.notify_all();
    }
}

/// Passes octets on; of those that are counted, as many as are left.
fn pass(mut from: TcpStream, mut to: TcpStream, left: Option<&(Mutex<usize>, Condvar)>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if let Some((left, opened)) = left {
            let mut left = opened.wait_while(left.lock().unwrap(), |left| *left < read).unwrap();
            *left -= read;
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn an_image_that_is_fetched_is_shown_with_how_far_it_is() {
    let registry = Registry::start().unwrap();
    let gate = Gate::new(&registry, 3 << 20);
    let login = World::new();
    let name = format!("127.0.0.1:{}", gate.port);
    let entry = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    login.write("config.json", &serde_json::json!({ "auths": { &name: { "auth": entry } } }).to_string());
    let path = login.path("config.json").display().to_string();
    let fleet = Fleet::with(Engine::shared().unwrap(), &[("PORTICO_CONTROL__LOGIN", &path)]);
    fleet.engine.web("shown-web:0", "0").unwrap();
    // It cannot be packed to less than half of that.
    let mut seed = 1_u64;
    let words = (0..1 << 19).map(|_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", seed ^ (seed >> 31))
    });
    let large: String = words.collect();
    let serve = r#"CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]"#;
    fleet.engine.image("shown-web:1", &[("www/large", &large), ("www/index.html", "1")], serve).unwrap();
    fleet.engine.push("shown-web:1", &registry).unwrap();
    fleet.apply(&web("shown-web:0"));
    fleet.settles("web", 1);

    let (server, image) = (format!("http://{}", fleet.portico.admin()), format!("{name}/shown-web:1"));
    let deploy = ["deploy", "web", "--image", &image, "--wait", "--timeout", "1m", "--server", &server];
    let mut deploy = portico(&deploy).spawn();
    eventually("it is shown", || deploy.output().contains("fetching its image, "));
    let held = fleet.portico.metric("portico_control_pulling_images");
    gate.open();
    let ended = deploy.ended();

    let said = deploy.output();
    let shown = said.lines().find(|line| line.contains("fetching its image, ")).unwrap();
    assert!(shown.starts_with("web/") && shown.ends_with(" MiB"), "{said}");
    assert!((held - 1.0).abs() < 0.1, "{held}");
    assert_eq!(ended.code(), Some(0), "{said}");
    assert!(said.lines().all(|line| !line.contains('\u{1b}')), "plain lines: {said}");
}
