//! A flow of a measurement: a connected socket, and beside it one for what comes from somebody else.
//!
//! `connect` has two sides. The kernel tells a connected socket that nobody listens there (ICMP "port unreachable"), which it
//! tells no other; but it keeps from it what comes from another address, and so a server that answers from the wrong one looks
//! like a silent one. So there is a second socket with the same address and port, which is not connected. The kernel hands a
//! datagram to the socket that fits best: what the server sends to the first, all the rest to the second.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use common::address::{self, Address};
use common::berkeley::{AsFd, OwnedFd, SocketType, bind, close, connect, recv, send, socket};
use common::prefix::Prefix;
use common::wait::{BorrowedFd, Interest, Wake, wait};
use common::{Errno, cli, exit, sockopt};

#[cfg(unix)]
use crate::own_name::OwnName;
use crate::unreachable::{is_unreachable, unreachable};

/// The longest that is waited for a sign of life at one of several addresses.
const LONGEST_MEETING: Duration = Duration::from_secs(1);
/// No datagram is longer. (In the file system one might be; but that is long enough.)
pub const LARGEST_DATAGRAM_BYTES: usize = 65_535;
/// Room for a reply to that.
pub const LARGEST_REPLY_BYTES: usize = LARGEST_DATAGRAM_BYTES + Prefix::MOST_BYTES;
/// How much may wait to be received; the kernel gives what it may.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How datagrams are sent.
#[derive(Args, Clone, Copy, Debug)]
pub struct Way {
    /// Don't let a datagram be sent in fragments: one that is too large for the way there is told, and not sent
    #[arg(long)]
    df: bool,

    /// Mark datagrams with this code point (RFC 2474): 46 for expedited forwarding
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=63))]
    dscp: Option<u8>,
}

impl Way {
    /// Which of this is for networks only, and not for a server in the file system.
    pub fn option_of_networks(&self) -> Option<&'static str> {
        if self.df { Some("--df") } else { self.dscp.map(|_| "--dscp") }
    }
}

/// Ends the program if an option asks for what a server in the file system can't have.
pub fn check_option(host: &str, option: Option<&str>) {
    if let (true, Some(option)) = (cfg!(unix) && host.starts_with("unix:"), option) {
        cli::usage_error(&format!("the argument '{option}' cannot be used with unix:PATH, where there are no packets"));
    }
}

/// The two sockets.
pub struct Flow {
    pub socket: OwnedFd,
    /// None: this system has no room for it beside the other, or the server is in the file system.
    pub strangers: Option<OwnedFd>,
    #[cfg(unix)]
    _name: Option<OwnName>,
}

impl Flow {
    /// `socket`, options, `connect`; and `socket`, `bind` for the other one.
    ///
    /// Errors: no way there; an option that this system doesn't have.
    pub fn open(peer: &Address, way: Way) -> Result<Flow, Errno> {
        let socket = socket(peer.family(), SocketType::DGRAM)?;
        #[cfg(unix)]
        let name = OwnName::bind(&socket, peer)?;
        let prepared = prepare(&socket, peer, way).and_then(|()| connect(&socket, peer));
        if let Err(errno) = prepared {
            close(socket);
            return Err(errno);
        }
        // Where the second can't be had, nothing is wrong with the first.
        let strangers = if peer.internet().is_some() { beside(&socket, peer).ok() } else { None };
        Ok(Flow {
            socket,
            strangers,
            #[cfg(unix)]
            _name: name,
        })
    }

    /// Both, with what to wait for.
    pub fn sockets(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        let sockets = [Some(&self.socket), self.strangers.as_ref()];
        sockets.into_iter().flatten().map(|socket| (socket.as_fd(), Interest::IN)).collect()
    }

    /// `close`, twice.
    pub fn close(self) {
        close(self.socket);
        if let Some(strangers) = self.strangers {
            close(strangers);
        }
    }
}

/// The first address of the name where somebody answers a datagram of one byte; if nobody does, the first that doesn't refuse
/// it. A name that has only one is not asked for it.
///
/// Errors: the name has no address; or what happened at each of them.
pub fn find(host: &str, port: u16, timeout: Duration) -> Result<Address> {
    let addresses = address::resolve(host, port)?;
    if let [only] = &addresses[..] {
        return Ok(only.clone());
    }
    let name = address::called(host, port);
    let mut failures = Vec::new();
    let mut silent = None;
    for address in addresses {
        match meet(&address, timeout.min(LONGEST_MEETING)) {
            Ok(true) => return Ok(address),
            Ok(false) => drop(silent.get_or_insert(address)),
            Err(errno) => failures.push((address, errno)),
        }
    }
    if let Some(silent) = silent {
        return Ok(silent);
    }
    let Some((last, errno)) = failures.pop() else { bail!("cannot reach {name}: no address") };
    let told: String =
        failures.iter().map(|(address, errno)| format!("{address}: {}; ", exit::plain(*errno))).collect();
    Err(errno).with_context(|| unreachable(&name, &told, &last))
}

/// Whether datagrams of this size can be sent there at all.
///
/// Errors: they can't.
pub fn fits(size: usize, peer: &Address) -> Result<()> {
    let most = match peer.internet() {
        Some(address) if address.ip().to_canonical().is_ipv4() => 65_507,
        Some(_) => 65_527,
        None => LARGEST_DATAGRAM_BYTES,
    };
    if size > most {
        return Err(Errno::MSGSIZE).with_context(|| format!("cannot send {size} bytes to {peer}"));
    }
    Ok(())
}

/// Whether somebody answers there. Whatever comes is a sign of life.
fn meet(peer: &Address, patience: Duration) -> Result<bool, Errno> {
    let flow = Flow::open(peer, Way { df: false, dscp: None })?;
    let deadline = Instant::now() + patience;
    let met = (|| {
        send(&flow.socket, b"?")?;
        while let Wake::Ready(_) = wait(&flow.socket, Interest::IN, None, Some(deadline))? {
            match recv(&flow.socket, &mut [0; 64]) {
                Ok(_) => return Ok(true),
                Err(errno) if is_unreachable(errno) => return Err(errno),
                Err(_) => {}
            }
        }
        Ok(false)
    })();
    flow.close();
    met
}

fn prepare(socket: &OwnedFd, peer: &Address, way: Way) -> Result<(), Errno> {
    sockopt::set_nonblocking(socket)?;
    sockopt::set_receive_buffer(socket, RECEIVE_BUFFER_BYTES)?;
    if peer.internet().is_none() {
        // Nothing has a header there.
        return if way.df || way.dscp.is_some() { Err(Errno::OPNOTSUPP) } else { Ok(()) };
    }
    #[cfg(target_os = "linux")]
    common::error_queue::turn_on(socket, peer.family())?;
    if way.df {
        set_dont_fragment(socket, peer)?;
    }
    match way.dscp {
        Some(code_point) => set_dscp(socket, peer, code_point),
        None => Ok(()),
    }
}

/// The second socket, with the address that `connect` has given the first. Both have to agree to that; but the first only now:
/// before, it might have got a port that another flow has already.
pub fn beside(first: &OwnedFd, peer: &Address) -> Result<OwnedFd, Errno> {
    sockopt::set_reuse_address(first)?;
    let local = sockopt::getsockname(first)?;
    let second = socket(peer.family(), SocketType::DGRAM)?;
    sockopt::set_nonblocking(&second)?;
    sockopt::set_reuse_address(&second)?;
    bind(&second, &local)?;
    Ok(second)
}

#[cfg(target_os = "linux")]
fn set_dont_fragment(socket: &OwnedFd, peer: &Address) -> Result<(), Errno> {
    sockopt::set_dont_fragment(socket, peer.family())
}

#[cfg(not(target_os = "linux"))]
fn set_dont_fragment(_socket: &OwnedFd, _peer: &Address) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(unix)]
fn set_dscp(socket: &OwnedFd, peer: &Address, code_point: u8) -> Result<(), Errno> {
    sockopt::set_dscp(socket, peer.family(), code_point)
}

#[cfg(windows)]
fn set_dscp(_socket: &OwnedFd, _peer: &Address, _code_point: u8) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}
