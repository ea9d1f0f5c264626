//! Socket activation: a socket that somebody else has made, and that this process was started with.

use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use rustix::fd::OwnedFd;

use super::prepare;
use crate::address::{self, Address};
use crate::{exit, sockopt};

const CANNOT: &str = "cannot use the socket that was handed over";
/// The clients of one that isn't served would wait for ever.
const CANNOT_SEVERAL: &str = "cannot use the sockets that were handed over";

/// The listening socket that this process was started with, if there is one: by systemd, or any other starter that keeps to
/// sd_listen_fds(3).
///
/// Errors: what was handed over is no listening stream socket, or more than one.
pub fn handed_over() -> Result<Option<OwnedFd>> {
    let mut handed = at_most_one("start a server for each; with systemd, each ListenStream= has a unit of its own")?;
    let listener = match handed.take_tcp_listener(0) {
        Ok(tcp) => tcp.map(OwnedFd::from),
        Err(_) => handed
            .take_unix_listener(0)
            .ok()
            .with_context(|| format!("{CANNOT}: it is no TCP or Unix stream socket"))?
            .map(OwnedFd::from),
    };
    if let Some(listener) = &listener {
        if !rustix::net::sockopt::socket_acceptconn(listener).context(CANNOT)? {
            bail!("{CANNOT}: it does not listen");
        }
        let local = sockopt::getsockname(listener).context(CANNOT)?;
        prepare(listener, &local).context(CANNOT)?;
    }
    Ok(listener)
}

/// The datagram socket that this process was started with, if there is one: as [`handed_over`]. Nothing of it is changed but
/// that its calls don't wait.
///
/// Errors: what was handed over is no datagram socket, or more than one; nobody could send to it, or only one could.
pub fn handed_over_datagram() -> Result<Option<OwnedFd>> {
    let mut handed = at_most_one("start a server for each; with systemd, each ListenDatagram= has a unit of its own")?;
    let socket = match handed.take_udp_socket(0) {
        Ok(udp) => udp.map(OwnedFd::from),
        Err(_) => handed
            .take_unix_datagram(0)
            .ok()
            .with_context(|| format!("{CANNOT}: it is no UDP or Unix datagram socket"))?
            .map(OwnedFd::from),
    };
    if let Some(socket) = &socket {
        let local = sockopt::getsockname(socket).context(CANNOT)?;
        if is_unbound(&local) {
            bail!("{CANNOT}: it is not bound to an address");
        }
        if rustix::net::getpeername(socket).is_ok_and(|peer| peer.is_some()) {
            bail!("{CANNOT}: it is connected, and hears only whom it is connected to");
        }
        if local.internet().is_some_and(|local| address::is_for_many(local.ip())) {
            bail!("{CANNOT}: {local} is a broadcast or multicast address");
        }
        sockopt::set_nonblocking(socket).context(CANNOT)?;
    }
    Ok(socket)
}

/// What was handed over, if it is not too much; `hint`: what to do then.
fn at_most_one(hint: &'static str) -> Result<ListenFd> {
    let handed = ListenFd::from_env();
    match handed.len() {
        0 | 1 => Ok(handed),
        several => Err(exit::hinted(format!("{CANNOT_SEVERAL}: there are {several}, and a server has one"), hint)),
    }
}

/// Whether nobody has said where it is to be found.
fn is_unbound(local: &Address) -> bool {
    match local {
        Address::Internet(local) => local.port() == 0,
        // Linux may tell of no name as of one that is in no file system, and empty.
        Address::Unix(path) => path.as_os_str().as_bytes().iter().all(|byte| *byte == 0),
    }
}
