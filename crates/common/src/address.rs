//! Names and ports to addresses, and how an address is printed.

mod interfaces;
mod kernel;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use rustix::net::AddressFamily;

pub use interfaces::is_for_many;
use interfaces::own_address;
pub(crate) use kernel::{family_name, kind_name, of_kernel, to_kernel};

/// Where a socket is to be found: by an address and a port, or, for the processes of one machine, by a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6.
    Internet(SocketAddr),
    /// A socket in the file system: unix(7). A client's has no name, as a rule: then this is empty. For `bind`, Linux takes
    /// that for the wish to choose a name itself, one that is in no file system ("autobind").
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// The family that a socket for this address has.
    pub fn family(&self) -> AddressFamily {
        match self {
            Address::Internet(address) if address.is_ipv4() => AddressFamily::INET,
            Address::Internet(_) => AddressFamily::INET6,
            #[cfg(unix)]
            Address::Unix(_) => AddressFamily::UNIX,
        }
    }

    /// The address and port, if it is of that kind.
    #[inline(always)]
    pub fn internet(&self) -> Option<SocketAddr> {
        match self {
            Address::Internet(address) => Some(*address),
            #[cfg(unix)]
            Address::Unix(_) => None,
        }
    }

    /// Whether it is what stands for no address at all.
    pub fn is_nobody(&self) -> bool {
        self.is_everywhere() && self.internet().is_some_and(|address| address.port() == 0)
    }

    /// Whether it stands for every interface.
    pub fn is_everywhere(&self) -> bool {
        self.internet().is_some_and(|address| address.ip().is_unspecified())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Internet(address)
    }
}

/// As people write it: an IPv4 peer of a dual-stack socket, `[::ffff:127.0.0.1]:9`, is `127.0.0.1:9`; a socket in the file
/// system `unix:PATH`, and one with an abstract name `unix:@NAME`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Internet(address) => show(address).fmt(f),
            #[cfg(unix)]
            Address::Unix(path) => {
                let path = path.display().to_string();
                // A name that is in no file system: as `ss` shows it.
                let (mark, name) = path.strip_prefix('\0').map_or(("", path.as_str()), |name| ("@", name));
                write!(f, "unix:{mark}{}", name.escape_debug())
            }
        }
    }
}

/// A client's address in as little as it takes, for the day when something is to be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// IPv4 where that's what it means. None: a process of this machine, at the other end of a socket in the file system.
    pub ip: Option<IpAddr>,
    port: u16,
}

impl From<&Address> for Peer {
    fn from(address: &Address) -> Peer {
        let address = address.internet();
        let ip = address.map(|address| address.ip().to_canonical());
        Peer { ip, port: address.map_or(0, |address| address.port()) }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "a process of this machine"),
        }
    }
}

/// What a user calls a server: `localhost:2000`, `[::1]:2000`, `unix:PATH`.
pub fn called(host: &str, port: u16) -> String {
    match host {
        host if host.starts_with("unix:") => host.to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

/// All the addresses that `host` has, in the order the system wants them tried (RFC 6724), with `port`. `unix:PATH` is the
/// one socket in the file system.
///
/// Errors: `cannot resolve HOST: …` when the name does not exist or the resolver can't be asked; see getaddrinfo(3).
pub fn resolve(host: &str, port: u16) -> Result<Vec<Address>> {
    #[cfg(unix)]
    if let Some(path) = host.strip_prefix("unix:") {
        return Ok(vec![Address::Unix(path.into())]);
    }
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let mut addresses: Vec<Address> = (host, port)
        .to_socket_addrs()
        .map_err(|error| anyhow::anyhow!(resolver_said(&error)))
        .with_context(|| format!("cannot resolve {:?}", host))?
        .map(Address::from)
        .collect();
    addresses.dedup();
    if addresses.is_empty() {
        bail!("cannot resolve {host:?}: it has no address");
    }
    Ok(addresses)
}

/// The addresses a server may listen on: those of `host`, or every interface when there is none: `::`, which serves IPv4
/// as well, and `0.0.0.0` for a machine without IPv6.
///
/// Errors: as [`resolve`].
pub fn to_listen_on(host: Option<&str>, port: u16) -> Result<Vec<Address>> {
    match host {
        Some(host) if !host.is_empty() => resolve(host, port),
        _ => {
            let everywhere: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            Ok(everywhere.map(|ip| Address::Internet((ip, port).into())).to_vec())
        }
    }
}

/// The address as people write it: an IPv4 peer of a dual-stack socket, `[::ffff:127.0.0.1]:9`, is `127.0.0.1:9`.
pub fn show(address: &SocketAddr) -> impl fmt::Display + use<> {
    plain(*address)
}

/// The same address, IPv4 where that's what it means.
pub fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V4(ip), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Who can reach a server that listens on `address`, in words.
pub fn reach(address: &Address) -> String {
    let Some(address) = address.internet() else { return "this machine only".to_owned() };
    let ip = address.ip().to_canonical();
    if ip.is_loopback() {
        "this machine only".to_owned()
    } else if !ip.is_unspecified() {
        format!("neighbours use {}", show(&address))
    } else if let Some(own) = own_address(address.is_ipv6()) {
        format!("every interface; neighbours use {}", SocketAddr::new(own, address.port()))
    } else {
        "every interface".to_owned()
    }
}

/// What the resolver said, without std's preamble.
fn resolver_said(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn internet(text: &str) -> Address {
        Address::Internet(text.parse().unwrap())
    }

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_socket_is_printed_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:9".parse().unwrap();
        assert_eq!(show(&mapped).to_string(), "127.0.0.1:9");
        let v6: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        assert_eq!(show(&v6).to_string(), "[2001:db8::1]:9");
    }

    #[test]
    fn no_host_means_every_interface_and_both_families() {
        for host in [None, Some("")] {
            let addresses: Vec<String> = to_listen_on(host, 2000).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(addresses, ["[::]:2000", "0.0.0.0:2000"]);
        }
    }

    #[test]
    fn a_numeric_host_needs_no_resolver_and_may_have_brackets() {
        assert_eq!(resolve("127.0.0.1", 7).unwrap(), [internet("127.0.0.1:7")]);
        assert_eq!(resolve("[::1]", 7).unwrap(), [internet("[::1]:7")]);
    }

    #[test]
    fn a_server_is_called_as_it_is_written() {
        for (host, name) in [
            ("localhost", "localhost:7"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
            ("fe80::1%2", "[fe80::1%2]:7"),
            ("unix:a:b", "unix:a:b"),
        ] {
            assert_eq!(called(host, 7), name);
        }
        #[cfg(unix)]
        for (path, shown) in [("\0abc", "unix:@abc"), ("\0a\0b", "unix:@a\\0b"), ("/run/@a", "unix:/run/@a")] {
            assert_eq!(Address::Unix(path.into()).to_string(), shown);
        }
    }

    #[test]
    fn a_loopback_server_says_that_only_this_machine_reaches_it() {
        assert_eq!(reach(&internet("127.0.0.2:80")), "this machine only");
        assert_eq!(reach(&internet("[::ffff:127.0.0.1]:80")), "this machine only");
        assert_eq!(reach(&internet("192.0.2.7:80")), "neighbours use 192.0.2.7:80");
        assert!(reach(&internet("[::]:80")).starts_with("every interface"));
    }
}
