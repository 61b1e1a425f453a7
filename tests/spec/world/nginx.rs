//! An nginx of the test's own: an origin as users have them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::redis::free_port;
use super::wait::until;

/// A running nginx; killed when dropped.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    socket: String,
}

impl Nginx {
    /// Starts one in `folder` that answers every path with `name`, and below `/headers` with what it was sent.
    pub(crate) fn start(folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        until("nginx starts", || {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
            let file = folder.join("nginx.conf");
            fs::write(&file, configuration(folder, name, address)).unwrap();
            let mut child = Command::new("nginx")
                .arg("-p")
                .arg(folder)
                .arg("-c")
                .arg(&file)
                .arg("-e")
                .arg(folder.join("error.log"))
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("nginx, which tests/run installs");
            let alive = until("nginx listens or ends", || match child.try_wait().unwrap() {
                Some(_) => Some(false),
                None => TcpStream::connect(address).is_ok().then_some(true),
            });
            let socket = format!("unix:{}/nginx.sock", folder.display());
            alive.then_some(Self { child, address, socket })
        })
    }

    /// The URL of its Unix socket.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// Its URL, as a frontend names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process in the foreground, everything it writes in its folder.
fn configuration(folder: &Path, name: &str, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
           access_log off; keepalive_requests 100000;\n\
           client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n\
           uwsgi_temp_path {folder}; scgi_temp_path {folder};\n\
           server {{\n\
             listen {address};\n\
             listen unix:{folder}/nginx.sock;\n\
             location / {{ return 200 \"{name}\"; }}\n\
             location /headers {{ return 200 \"$http_host|$http_x_forwarded_for|$http_x_real_ip\"; }}\n\
           }}\n\
         }}\n"
    )
}
