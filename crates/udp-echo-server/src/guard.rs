//! Whom the server does not answer, and why.
//!
//! An echo server answers everybody, so it can be made to answer somebody who never asked, or another echo server, which
//! answers back, for ever (CVE-1999-0103, CVE-2024-2169). The sender's address of a datagram proves nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use common::address::Address;

use crate::rate::{Rate, RateLimit};
use crate::repeats::Repeats;

/// The highest of the ports that belong to a system's own servers, some of which answer whatever comes.
const HIGHEST_LOW_PORT: u16 = 1023;

/// Why a datagram is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It came from a socket in the file system that has no name, where nobody can be answered.
    Nameless,
    /// It came from port 0, where nobody can be answered.
    PortZero,
    /// It came from this very socket.
    OwnAddress,
    /// It came from a port with our number: another server like this one, perhaps.
    SamePort,
    /// It came from a port that a server has, not a client.
    LowPort,
    /// It was sent to many: all of them would answer one.
    ToMany,
    /// It says that it came from many, and one answer would go to all of them.
    FromMany,
    /// It brings back what was sent there, again and again.
    Loop,
    /// Its source has used up its rate.
    Rate,
}

impl Refusal {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Refusal; 9] = [
        Refusal::Nameless,
        Refusal::PortZero,
        Refusal::OwnAddress,
        Refusal::SamePort,
        Refusal::LowPort,
        Refusal::ToMany,
        Refusal::FromMany,
        Refusal::Loop,
        Refusal::Rate,
    ];

    /// What the account calls the datagrams that were refused for this reason.
    pub fn counted(self) -> &'static str {
        match self {
            Refusal::Nameless => "without an address",
            Refusal::PortZero => "from port 0",
            Refusal::OwnAddress => "from ourselves",
            Refusal::SamePort => "from our own port",
            Refusal::LowPort => "from a low port",
            Refusal::ToMany => "to many",
            Refusal::FromMany => "from many",
            Refusal::Loop => "in a loop",
            Refusal::Rate => "over the rate limit",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Nameless => "its socket has no name to answer to",
            Refusal::PortZero => "port 0 can't be answered",
            Refusal::OwnAddress => "that is this server itself",
            Refusal::SamePort => "its port is our own, so it may be a server like this one (--allow-same-port)",
            Refusal::LowPort => {
                "its port is below 1024, so it may be a server that answers everything (--allow-low-ports)"
            }
            Refusal::ToMany => "it asked a broadcast or multicast address",
            Refusal::FromMany => "that is a broadcast or multicast address",
            Refusal::Loop => "it sends back what it was sent, again and again (--no-loop-guard)",
            Refusal::Rate => "more datagrams a second than --rate-limit allows",
        })
    }
}

/// What the guard goes by.
#[derive(Clone)]
pub struct Rules {
    /// The address the server is bound to.
    pub local: Address,
    /// What goes before each datagram that is sent back.
    pub prefix: Vec<u8>,
    /// Answer a port with our number.
    pub allow_same_port: bool,
    /// Answer ports below 1024.
    pub allow_low_ports: bool,
    /// Look out for loops.
    pub loop_guard: bool,
    /// The limit per source address that isn't a loopback one.
    pub rate_limit: Rate,
}

/// The rules, and what has to be remembered for them.
pub struct Guard {
    rules: Rules,
    repeats: Option<Repeats>,
    rate_limit: Option<Arc<Mutex<RateLimit>>>,
}

/// A datagram, as the guard sees it.
pub struct Datagram<'a> {
    /// Where it says that it came from.
    pub peer: &'a Address,
    /// Where it was sent to, if that is known.
    pub destination: Option<IpAddr>,
    /// Whether others than this machine got it too, as far as is known.
    pub to_many: bool,
    /// What it brought.
    pub data: &'a [u8],
}

impl Guard {
    /// Nothing has happened yet.
    pub fn new(rules: Rules) -> Guard {
        let repeats = rules.loop_guard.then(|| Repeats::new(&rules.prefix, Instant::now()));
        let rate_limit = RateLimit::new(rules.rate_limit, Instant::now()).map(|limit| Arc::new(Mutex::new(limit)));
        Guard { rules, repeats, rate_limit }
    }

    /// Another one for another thread. The datagrams of one port all go to one thread, but not those of one address: so the
    /// limit per address is for both together.
    #[cfg(target_os = "linux")]
    pub fn another(&self) -> Guard {
        Guard { rate_limit: self.rate_limit.clone(), ..Guard::new(self.rules.clone()) }
    }

    /// Whether to answer; `now` is only asked for if it matters.
    ///
    /// Errors: the first reason not to.
    #[inline(always)]
    pub fn admit(&mut self, datagram: &Datagram, now: impl Fn() -> Instant) -> Result<(), Refusal> {
        let internet = datagram.peer.internet();
        match internet {
            Some(peer) => self.rules.admit(peer, datagram)?,
            None if is_nameless(datagram.peer) => return Err(Refusal::Nameless),
            None => {}
        }
        if let Some(repeats) = &mut self.repeats
            && !repeats.admits(datagram.peer, datagram.data, now())
        {
            return Err(Refusal::Loop);
        }
        if let Some(limit) = &self.rate_limit
            && let Some(peer) = internet.filter(|peer| !peer.ip().to_canonical().is_loopback())
            && !limit.lock().unwrap_or_else(PoisonError::into_inner).admits(peer.ip(), now())
        {
            return Err(Refusal::Rate);
        }
        Ok(())
    }
}

/// A client's socket in the file system has a name only if the client gave it one: unix(7).
fn is_nameless(peer: &Address) -> bool {
    match peer {
        Address::Internet(_) => false,
        #[cfg(unix)]
        Address::Unix(path) => path.as_os_str().is_empty(),
    }
}

impl Rules {
    /// What can be told from one datagram alone.
    #[inline(always)]
    fn admit(&self, peer: SocketAddr, datagram: &Datagram) -> Result<(), Refusal> {
        // A client in the file system that has no name comes without any address.
        let Some(local) = self.local.internet() else { return Err(Refusal::Nameless) };
        let (from, port) = (peer.ip().to_canonical(), peer.port());
        let asked = datagram.destination.unwrap_or(local.ip()).to_canonical();
        if port == 0 {
            return Err(Refusal::PortZero);
        }
        if port == local.port() && from == asked {
            return Err(Refusal::OwnAddress);
        }
        if port == local.port() && !self.allow_same_port {
            return Err(Refusal::SamePort);
        }
        if port <= HIGHEST_LOW_PORT && !self.allow_low_ports {
            return Err(Refusal::LowPort);
        }
        // The broadcast address of a single network is known only to the kernel, which tells what was sent there, and
        // sends nothing there unless it's asked for that with SO_BROADCAST.
        let is_many = |ip: IpAddr| ip.is_multicast() || matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if datagram.to_many || is_many(asked) {
            return Err(Refusal::ToMany);
        }
        if is_many(from) {
            return Err(Refusal::FromMany);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(local: &str) -> Rules {
        Rules {
            local: Address::Internet(local.parse().unwrap()),
            prefix: b"echo -> ".to_vec(),
            allow_same_port: false,
            allow_low_ports: false,
            loop_guard: true,
            rate_limit: Rate::DEFAULT,
        }
    }

    /// What these rules say of a datagram.
    fn judged(rules: &Rules, peer: &str, destination: &str, to_many: bool) -> Result<(), Refusal> {
        let (peer, destination) = (peer.parse().unwrap(), destination.parse().ok());
        rules.admit(peer, &Datagram { peer: &peer.into(), destination, to_many, data: b"x" })
    }

    #[test]
    fn who_is_answered_and_who_is_not() {
        let cases = [
            ("192.0.2.1:40000", "192.0.2.7", Ok(())),
            ("192.0.2.1:1024", "192.0.2.7", Ok(())),
            ("192.0.2.1:0", "192.0.2.7", Err(Refusal::PortZero)),
            ("192.0.2.7:2000", "192.0.2.7", Err(Refusal::OwnAddress)),
            ("[::ffff:192.0.2.7]:2000", "192.0.2.7", Err(Refusal::OwnAddress)),
            ("192.0.2.1:2000", "192.0.2.7", Err(Refusal::SamePort)),
            ("127.0.0.1:2000", "127.0.0.2", Err(Refusal::SamePort)),
            ("192.0.2.1:7", "192.0.2.7", Err(Refusal::LowPort)),
            ("192.0.2.1:1023", "192.0.2.7", Err(Refusal::LowPort)),
            ("192.0.2.1:40000", "255.255.255.255", Err(Refusal::ToMany)),
            ("192.0.2.1:40000", "224.0.0.1", Err(Refusal::ToMany)),
            ("[2001:db8::1]:40000", "ff02::1", Err(Refusal::ToMany)),
            ("224.0.0.5:40000", "192.0.2.7", Err(Refusal::FromMany)),
            ("255.255.255.255:40000", "192.0.2.7", Err(Refusal::FromMany)),
            ("[ff02::1]:40000", "2001:db8::7", Err(Refusal::FromMany)),
        ];
        for (peer, destination, expected) in cases {
            assert_eq!(judged(&rules("[::]:2000"), peer, destination, false), expected, "{peer} to {destination}");
        }
        let broadcast = judged(&rules("[::]:2000"), "192.0.2.1:40000", "192.0.2.255", true);
        assert_eq!(broadcast, Err(Refusal::ToMany));
    }

    #[test]
    fn exceptions_are_made_on_request_but_never_for_port_0_or_itself() {
        let lenient = Rules { allow_same_port: true, allow_low_ports: true, ..rules("192.0.2.7:2000") };
        assert_eq!(judged(&lenient, "192.0.2.1:2000", "", false), Ok(()));
        assert_eq!(judged(&lenient, "192.0.2.1:7", "", false), Ok(()));
        assert_eq!(judged(&lenient, "192.0.2.1:0", "", false), Err(Refusal::PortZero));
        assert_eq!(judged(&lenient, "192.0.2.7:2000", "", false), Err(Refusal::OwnAddress));
    }

    #[test]
    fn the_rate_limit_is_not_for_this_machine_and_is_the_same_for_all_threads() {
        let mut guard = Guard::new(Rules { rate_limit: "3".parse().unwrap(), ..rules("[::]:2000") });
        let now = Instant::now();
        let answered = |guard: &mut Guard, peer: &str| {
            let peer = Address::Internet(peer.parse().unwrap());
            let datagram = Datagram { peer: &peer, destination: None, to_many: false, data: b"x" };
            (0..9).filter(|_| guard.admit(&datagram, || now).is_ok()).count()
        };
        assert_eq!(answered(&mut guard, "192.0.2.1:40000"), 3);
        assert_eq!(answered(&mut guard, "[::ffff:127.0.0.1]:40000"), 9);
        #[cfg(target_os = "linux")]
        assert_eq!(answered(&mut guard.another(), "192.0.2.1:40001"), 0);
    }

    #[test]
    #[cfg(unix)]
    fn a_client_in_the_file_system_needs_a_name() {
        let local = Address::Unix("/run/echo".into());
        let mut guard = Guard::new(Rules { local, ..rules("[::]:2000") });
        for (path, expected) in [("", Err(Refusal::Nameless)), ("/run/client", Ok(())), ("\0abstract", Ok(()))] {
            let datagram =
                Datagram { peer: &Address::Unix(path.into()), destination: None, to_many: false, data: b"x" };
            assert_eq!(guard.admit(&datagram, Instant::now), expected, "{path:?}");
        }
        let none = Address::Internet(([0; 4], 0).into());
        let datagram = Datagram { peer: &none, destination: None, to_many: false, data: b"x" };
        assert_eq!(guard.admit(&datagram, Instant::now), Err(Refusal::Nameless));
    }
}
