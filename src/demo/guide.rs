//! What the demo says: commands to try, with the real addresses and the real path of this executable.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use crate::compose::House;
use crate::config::Loaded;
use crate::failure::Failure;

/// Prints what to try.
pub(super) fn print(house: &House, loaded: &Loaded, origins: &[SocketAddr]) -> Result<(), Failure> {
    let http = house.proxy.as_ref().and_then(|proxy| proxy.addresses().first().copied());
    let dns = house.dns.as_ref().and_then(|dns| dns.addresses().first().copied());
    let (Some(http), Some(dns), Some(admin)) = (http, dns, house.admin_address) else { return Ok(()) };
    let portico = std::env::current_exe().unwrap_or_else(|_| "portico".into());
    let text = guide(&portico, [http, dns, admin], origins, &loaded.settings.data);
    io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(no_output)
}

/// Says that the end has begun.
pub(super) fn farewell() -> Result<(), Failure> {
    writeln!(io::stdout(), "\nending; the temporary folder is removed").map_err(no_output)
}

fn no_output(error: io::Error) -> Failure {
    Failure::System { what: "cannot write to standard output", error }
}

fn guide(portico: &Path, [http, dns, admin]: [SocketAddr; 3], origins: &[SocketAddr], data: &Path) -> String {
    let portico = shell_word(&portico.display().to_string());
    let origins: Vec<String> = origins.iter().map(|origin| format!("http://{origin}")).collect();
    let (first, second) =
        (origins.first().map_or("", String::as_str), origins.get(1).map_or("", String::as_str));
    let server = format!("--server http://{admin}");
    let data = data.display();
    let dig = format!("dig +short @{} -p {}", dns.ip(), dns.port());
    format!(
        "\
portico serves HTTP on {http}, DNS on {dns} and its admin API on {admin}.
Two origins of its own answer on {first} and {second}: they are instances of the service web.
Everything else is in {data} and is removed at the end.

Ask for a host that has two endpoints, a few times:
  curl -s -H 'Host: www.demo.localhost' http://{http}/

A longer path prefix wins, and a wildcard takes what nobody else has:
  curl -s -H 'Host: www.demo.localhost' http://{http}/api/users
  curl -s -H 'Host: anything.demo.localhost' http://{http}/

A host that nobody has:
  curl -s -i -H 'Host: www.example.com' http://{http}/

Add it, ask again, see why, and remove it:
  {portico} frontend add www.example.com {second} {server}
  curl -s -H 'Host: www.example.com' http://{http}/
  {portico} explain http://www.example.com/ {server}
  {portico} frontend rm www.example.com {server}

The service has names, from the same registry (dig: Debian's bind9-dnsutils):
  {dig} web.svc.internal
  {dig} _http._tcp.web.svc.internal SRV
  {portico} dns explain web.svc.internal {server}

A frontend for it; then take an instance out, and wait until HTTP and DNS serve without it:
  printf 'kind: frontend\\nhost: web.example.com\\nservice: web\\n' | {portico} apply -f - --wait {server}
  curl -s -H 'Host: web.example.com' http://{http}/
  {portico} instance rm web/one --wait {server}
  {dig} _http._tcp.web.svc.internal SRV
  curl -s -H 'Host: web.example.com' http://{http}/

Look around:
  {portico} frontend ls {server}
  {portico} status {server}
  {portico} history {server}
  {portico} verify {server}
  curl -s http://{admin}/metrics

Ctrl-C ends.
"
    )
}

/// A path as a shell reads it back.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_is_quoted() {
        assert_eq!(shell_word("/usr/bin/portico"), "/usr/bin/portico");
        assert_eq!(shell_word("/my files/it's/portico"), "'/my files/it'\\''s/portico'");
    }

    #[test]
    fn each_command_stands_on_a_line_of_its_own() {
        let http = "127.0.0.1:8080".parse().unwrap();
        let dns = "127.0.0.1:8053".parse().unwrap();
        let admin = "127.0.0.1:8081".parse().unwrap();
        let text = guide(Path::new("/p"), [http, dns, admin], &[http, admin], Path::new("/d"));
        let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(commands.len(), 21);
        assert!(
            commands
                .iter()
                .all(|line| ["curl ", "dig ", "printf ", "/p "].iter().any(|word| line.starts_with(word))),
            "{commands:?}"
        );
    }
}
