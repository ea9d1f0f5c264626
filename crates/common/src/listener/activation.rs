//! Socket activation: a socket that somebody else has made, and that this process was started with.

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use rustix::fd::OwnedFd;

use super::prepare;
use crate::{exit, sockopt};

const CANNOT: &str = "cannot use the socket that was handed over";
/// The clients of one that isn't served would wait for ever.
const CANNOT_SEVERAL: &str = "cannot use the sockets that were handed over";

/// The listening socket that this process was started with, if there is one: by systemd, or any other starter that keeps to
/// sd_listen_fds(3).
///
/// Errors: what was handed over is no listening stream socket, or more than one.
pub fn handed_over() -> Result<Option<OwnedFd>> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 1 {
        let what = format!("{CANNOT_SEVERAL}: there are {}, and a server has one", handed.len());
        return Err(exit::hinted(
            what,
            "start a server for each; with systemd, each ListenStream= has a unit of its own",
        ));
    }
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
/// Errors: what was handed over is no datagram socket.
pub fn handed_over_datagram() -> Result<Option<OwnedFd>> {
    let mut handed = ListenFd::from_env();
    let socket = match handed.take_udp_socket(0) {
        Ok(udp) => udp.map(OwnedFd::from),
        Err(_) => handed.take_unix_datagram(0).context(CANNOT)?.map(OwnedFd::from),
    };
    if let Some(socket) = &socket {
        sockopt::set_nonblocking(socket).context(CANNOT)?;
    }
    Ok(socket)
}
