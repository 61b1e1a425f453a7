//! Who holds a port, where `/proc` tells: so that "address in use" can name the process.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// The process that listens where `address` would, as `process 1234 (nginx)`. `None`: nobody, or nobody we may look at.
pub(crate) fn holder(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<String> = tables
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, address))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    processes().find(|pid| holds(*pid, &inodes)).map(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("process {pid} ({})", name.trim_end())
    })
}

/// The inodes of the sockets in `table` that listen on the address, or on all addresses, or on any when ours is all.
fn listening(table: &str, address: SocketAddr) -> Vec<String> {
    let overlaps = |local: SocketAddr| {
        local.port() == address.port()
            && (local.ip() == address.ip() || local.ip().is_unspecified() || address.ip().is_unspecified())
    };
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(3) == Some(&LISTEN))
        .filter(|row| row.get(1).and_then(|local| parse_address(local)).is_some_and(overlaps))
        .filter_map(|row| row.get(9).map(|inode| format!("socket:[{inode}]")))
        .collect()
}

/// `0100007F:1F90` as 127.0.0.1:8080: words of four octets in the machine's order.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut octets = Vec::with_capacity(16);
    for start in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(start..start + 8)?, 16).ok()?;
        octets.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match octets.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn holds(pid: u32, inodes: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.to_str().is_some_and(|link| inodes.iter().any(|inode| inode == link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proc_are_read() {
        let word = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
        let loopback = word([127, 0, 0, 1]);
        assert_eq!(parse_address(&format!("{loopback}:1F90")), "127.0.0.1:8080".parse().ok());
        let v6 = format!("{0}{0}{0}{1}:0050", word([0; 4]), word([0, 0, 0, 1]));
        assert_eq!(parse_address(&v6), "[::1]:80".parse().ok());
        for broken in ["", "x", "0100:1F90", "0100007F", "0100007F:1F9000"] {
            assert_eq!(parse_address(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let expected = format!("process {} ", std::process::id());
        assert!(holder(address).unwrap().starts_with(&expected), "{:?}", holder(address));
        let everywhere = SocketAddr::from(([0, 0, 0, 0], address.port()));
        assert!(holder(everywhere).unwrap().starts_with(&expected));
        drop(listener);
        assert_eq!(holder(address), None);
    }
}
