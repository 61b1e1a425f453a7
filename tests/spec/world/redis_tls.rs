//! What makes a redis-server speak TLS beside its plain port. The registry's own tests take this file in too.

use std::path::Path;
use std::process::{Command, Stdio};

/// Settings for redis-server's command line, when it runs in `folder`: there are then an authority `ca.pem` of its own, and a
/// certificate of it for 127.0.0.1.
pub(crate) fn settings<'a>(folder: &Path, tls_port: &'a str) -> Vec<&'a str> {
    make_certificates(folder);
    let certificate = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"];
    let authority = ["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"];
    [&["--tls-port", tls_port][..], &certificate, &authority].concat()
}

fn make_certificates(folder: &Path) {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for command in [
        format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.pem"),
        format!("req {key} -subj /CN=redis -keyout key.pem -out asked.pem"),
        "x509 -req -days 2 -in asked.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out cert.pem"
            .to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(folder).args(command.split(' ')).stdin(Stdio::null()).stderr(Stdio::null());
        let made = openssl.stdout(Stdio::null()).status().expect("openssl, which tests/run installs");
        assert!(made.success(), "openssl {command}");
    }
}
