//! What a server needs around `socket`, `bind`, `listen` and `accept`: options before, the ready line after, and what to do
//! when `accept` fails.

mod accept_trouble;
#[cfg(unix)]
mod activation;

use std::io::Write;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::AddressFamily;

use crate::address::{Address, reach};
use crate::{Errno, log, sockopt};

pub use accept_trouble::AcceptTrouble;
#[cfg(unix)]
pub use activation::{handed_over, handed_over_datagram};

/// Prepares a TCP socket for `bind` and `listen`. What is set here, the connections inherit.
///
/// A restart finds its port free (SO_REUSEADDR; on Windows that would let two servers share it, and isn't needed). A socket
/// for `::` serves IPv4 too. Replies go out at once, and urgent data stays in its place.
///
/// Errors: as setsockopt(2).
pub fn prepare(socket: impl AsFd, address: &Address) -> Result<(), Errno> {
    prepare_datagram(&socket, address)?;
    if address.internet().is_none() {
        return Ok(());
    }
    if cfg!(unix) {
        sockopt::set_reuse_address(&socket)?;
    }
    sockopt::set_no_delay(&socket)?;
    sockopt::set_urgent_inline(&socket)
}

/// Prepares any socket for `bind`, and a UDP socket completely. No SO_REUSEADDR: with it, a second server would share the port
/// without a word.
///
/// Errors: as setsockopt(2).
pub fn prepare_datagram(socket: impl AsFd, address: &Address) -> Result<(), Errno> {
    sockopt::set_nonblocking(&socket)?;
    if address.family() == AddressFamily::INET6 && address.is_everywhere() {
        sockopt::set_dual_stack(&socket)?;
    }
    Ok(())
}

/// Asks for room for `wanted` bytes of received datagrams, and says on stderr when the kernel gives less.
///
/// Errors: as setsockopt(2) and getsockopt(2).
pub fn ask_for_room(program: &str, socket: impl AsFd, wanted: usize) -> Result<(), Errno> {
    sockopt::set_receive_buffer(&socket, wanted)?;
    let limit = if cfg!(target_os = "linux") { " (net.core.rmem_max)" } else { "" };
    say_if_less(socket, wanted, |given, wanted| {
        log::line(program, format_args!("the kernel gives the receive buffer {given}, and not {wanted}{limit}"));
    })
}

/// Says on stderr when a socket that was handed over has less room. It isn't asked for more: that would get less, if
/// whoever made it was allowed more than the system's limit.
///
/// Errors: as getsockopt(2).
#[cfg(unix)]
pub fn look_at_room(program: &str, socket: impl AsFd, wanted: usize) -> Result<(), Errno> {
    say_if_less(socket, wanted, |given, wanted| {
        let what = "the receive buffer of the socket that was handed over has";
        log::line(program, format_args!("{what} {given}, and not {wanted} (ReceiveBuffer= of systemd)"));
    })
}

fn say_if_less(socket: impl AsFd, wanted: usize, say: impl Fn(ByteSize, ByteSize)) -> Result<(), Errno> {
    let given = sockopt::receive_buffer(&socket)?;
    let given = if cfg!(target_os = "linux") { given / 2 } else { given };
    if given < wanted {
        say(ByteSize(given as u64), ByteSize(wanted as u64));
    }
    Ok(())
}

/// Tries `open` on each address until one works: a machine without IPv6 is served on IPv4.
///
/// Errors: `cannot listen on HOST:PORT: CAUSE`, for the address that somebody else has, or else for the first.
pub fn first_that_opens<T>(addresses: &[Address], open: impl Fn(&Address) -> Result<T, Errno>) -> Result<T> {
    let mut failure = None;
    for address in addresses {
        match open(address) {
            Ok(opened) => return Ok(opened),
            // Some other program has it: what is left would be half of what was asked for.
            Err(errno @ (Errno::ADDRINUSE | Errno::ACCESS)) => {
                failure = Some((address, errno));
                break;
            }
            Err(errno) => failure = failure.or(Some((address, errno))),
        }
    }
    let (address, errno) = failure.context("cannot listen: there is no address")?;
    Err(errno).with_context(|| format!("cannot listen on {address}"))
}

/// Says on stdout that the server is ready: `NAME: listening on ADDRESS:PORT`, and who can reach it. Nobody reading it is
/// not an error.
///
/// Errors: the socket has no address, which it has after `bind`.
pub fn announce(program: &str, listener: impl AsFd) -> Result<Address> {
    let local = address_of(listener)?;
    announce_at(program, &local);
    Ok(local)
}

/// Where a socket listens, for [`announce_at`].
///
/// Errors: the socket has no address, which it has after `bind`.
pub fn address_of(listener: impl AsFd) -> Result<Address> {
    sockopt::getsockname(listener).context("cannot tell the address of the socket")
}

/// As [`announce`], of a socket that something else has taken over already, so that nothing can fail any more.
pub fn announce_at(program: &str, local: &Address) {
    say(&format!("{program}: listening on {local}\n"));
    say(&format!("{program}: {}\n", reach(local)));
}

/// Finds out before the ready line whether a descriptor is left for a client at all: without one, each would wait for ever.
///
/// Errors: there is none.
pub fn leave_one_for_a_client(listener: &OwnedFd) -> Result<()> {
    listener.try_clone().map(drop).context("cannot accept any client")
}

/// Writes text to stdout, at once. A stdout that is closed or full is not a server's end; nor is a reader that stands still:
/// what there's no room for is lost.
pub fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if !log::has_room(&stdout) {
        return;
    }
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Room for fewer than this is worth a line, even if nobody has asked for more.
const USUAL_CONNECTIONS: usize = 1000;

/// The bound on connections: `wanted`, or only as many as the limit on descriptors leaves room for, which is then said. The
/// limit is first raised as far as this process may. None is wanted: as many as there is room for. A connection takes `each`
/// descriptors, and everything else takes `others`.
pub fn most_connections(program: &str, wanted: impl Into<Option<usize>>, each: usize, others: usize) -> usize {
    let wanted = wanted.into();
    let Some(limit) = raise_descriptor_limit() else { return wanted.unwrap_or(usize::MAX) };
    let fit = (usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(others) / each).max(1);
    if wanted.map_or(fit < USUAL_CONNECTIONS, |wanted| fit < wanted) {
        let clients = if fit == 1 { "client" } else { "clients" };
        log::line(program, format_args!("the limit on descriptors leaves room for {fit} {clients} at once"));
    }
    wanted.map_or(fit, |wanted| wanted.min(fit))
}

#[cfg(unix)]
const OPEN_MAX: u64 = 10_240;

/// Raises the limit on descriptors as far as this process may, and says where it is then; None: there is none.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raise_to = |current| setrlimit(Resource::Nofile, Rlimit { current, ..limit }).is_ok();
    if raise_to(limit.maximum) {
        return limit.maximum;
    }
    // macOS tells of no limit, and has one all the same: OPEN_MAX in setrlimit(2).
    let most = limit.maximum.map_or(OPEN_MAX, |maximum| maximum.min(OPEN_MAX));
    if raise_to(Some(most)) { Some(most) } else { limit.current }
}

/// Windows has no such limit.
#[cfg(windows)]
pub fn raise_descriptor_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    #[test]
    fn an_address_in_use_is_told_even_when_another_would_be_free() {
        let addresses = ["[::]:2000", "0.0.0.0:2000"].map(|address| Address::Internet(address.parse().unwrap()));
        let error = first_that_opens::<()>(&addresses, |_| Err(Errno::ADDRINUSE)).unwrap_err();
        assert_eq!(exit::describe(&error), "cannot listen on [::]:2000: address already in use");
        let opened = first_that_opens(&addresses, |address| {
            if address.family() == AddressFamily::INET6 { Err(Errno::AFNOSUPPORT) } else { Ok(address.clone()) }
        });
        assert_eq!(opened.unwrap(), addresses[1]);
    }
}
