//! The lecture's tiny web server: `socket`, `bind`, `listen`, then `accept` for each client, `recv` its request and `send`
//! the reply, and `close`.
//!
//! This file makes the listening socket. The way of a request from there: `serve.rs` has the event loops, which accept its
//! connection, `web.rs` receives it, `request.rs` understands it, `site.rs` finds what to answer, with `path.rs` and
//! `folder.rs`, and `response.rs` makes bytes of that, which `outgoing.rs` sends.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod access_log;
mod authority;
mod body;
mod cache;
mod client;
mod coding;
mod condition;
mod folder;
mod listing;
mod options;
mod outgoing;
mod page;
mod path;
mod places;
mod range;
mod representation;
mod request;
mod response;
mod sandbox;
mod serve;
mod site;
mod status;
mod web;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, absolute};

use anyhow::Result;
use common::berkeley::{OwnedFd, SocketType, bind, listen, socket};
use common::signal::Stop;
use common::unix_socket::{self, SocketFile};
use common::wait::Patience;
use common::{address, listener};

use access_log::AccessLog;
use folder::Folder;
use places::Places;
use response::Constant;
use serve::Bounds;
use site::Site;
use web::Server;

pub use options::Options;

const NAME: &str = "tiny-web";

/// A client is accepted after so long even if it says nothing. In seconds, the least there is.
#[cfg(target_os = "linux")]
const DEFER_ACCEPT_SECONDS: i32 = 1;

/// Serves until asked to stop.
///
/// Errors: it can't start, or the listening socket is broken.
pub fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let site = Site::open(options.folder.as_deref(), options.show.clone())?;
    let log = options.log.as_deref().map(AccessLog::open).transpose()?;
    let handed_over = listener::handed_over()?;
    // The file of a socket that was handed over is the affair of whoever made it.
    let own_file = options.door.unix.as_deref().filter(|_| handed_over.is_none());
    let _file = own_file.map(SocketFile::make_way).transpose()?;
    let listener = handed_over.map_or_else(|| open(&options), Ok)?;
    #[cfg(target_os = "linux")]
    if own_file.is_none() {
        // It saves a wait for each connection; a kernel that refuses is no reason not to serve.
        let _ = set_defer_accept(&listener, DEFER_ACCEPT_SECONDS);
    }
    let local = listener::address_of(&listener)?;
    // With a log, SIGHUP has it opened anew.
    let stop = if log.is_some() { Stop::on_signals()? } else { Stop::on_signals_or_hangup()? };
    let bounds = Bounds::new(&options);
    // Before there is any other thread: each is confined only with the one that starts it.
    let confined = (!options.no_sandbox).then(|| confine(&site, log.as_ref(), &options));
    let idle = Some(options.limits.idle_timeout).filter(|idle| !idle.is_zero());
    let server = Server {
        constant: Constant::new(&site.show),
        site,
        patience: Patience { stop, idle, drain: options.drain },
        heads: options.limits.of_requests(),
        limits: options.limits,
        places: Places::new(bounds.per_address),
        log,
    };
    serve::serve(listener, &server, &bounds, || {
        listener::announce_at(NAME, &local);
        if let Some(local) = local.internet() {
            listener::say(&format!("{NAME}: open {}\n", url(&local)));
        }
        if let Some(confined) = confined {
            listener::say(&format!("{NAME}: {confined}\n"));
        }
    })
}

/// The server's end point: `socket`, `bind`, `listen`.
fn open(options: &Options) -> Result<OwnedFd> {
    listener::first_that_opens(&options.door.addresses()?, |address| {
        let listener = socket(address.family(), SocketType::STREAM)?;
        listener::prepare(&listener, address)?;
        bind(&listener, address)?;
        unix_socket::set_mode(address, options.door.unix_mode)?;
        listen(&listener, options.limits.backlog)?;
        Ok(listener)
    })
}

/// TCP_DEFER_ACCEPT: a client is accepted once it has said something, or after so many seconds. See tcp(7).
#[cfg(target_os = "linux")]
fn set_defer_accept(listener: &OwnedFd, seconds: i32) -> Result<(), common::Errno> {
    use rustix::fd::AsRawFd;
    common::sockopt::set(listener, "TCP_DEFER_ACCEPT", seconds, |listener| {
        let (level, option) = (uapi::c::IPPROTO_TCP, uapi::c::TCP_DEFER_ACCEPT);
        let set = uapi::setsockopt(listener.as_raw_fd(), level, option, &seconds);
        set.map_err(|errno| common::Errno::from_raw_os_error(errno.0))
    })
}

/// Gives up the right to all other files, and says so.
fn confine(site: &Site, log: Option<&AccessLog>, options: &Options) -> String {
    let folder = site.folder.as_ref().map(Folder::root);
    let log = log.and_then(AccessLog::folder);
    let socket = options.door.unix.as_deref().and_then(|path| absolute(path).ok());
    match sandbox::confine(folder, log, socket.as_deref().and_then(Path::parent)) {
        Ok(how) if folder.is_some() => format!("may read this folder and nothing else ({how})"),
        Ok(how) => format!("may read no files ({how})"),
        Err(why) => format!("may read what its user may: {why}"),
    }
}

/// What to type into a browser on this machine.
fn url(local: &SocketAddr) -> String {
    let plain = address::plain(*local);
    let ip = plain.ip();
    let is_localhost = ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
    if is_localhost { format!("http://localhost:{}", plain.port()) } else { format!("http://{plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_localhost_only_where_that_leads_to_the_server() {
        let table = [
            ("[::]:2000", "http://localhost:2000"),
            ("0.0.0.0:2000", "http://localhost:2000"),
            ("127.0.0.1:80", "http://localhost:80"),
            ("[::1]:80", "http://localhost:80"),
            ("127.0.0.2:80", "http://127.0.0.2:80"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
            ("[2001:db8::7]:80", "http://[2001:db8::7]:80"),
        ];
        for (local, expected) in table {
            assert_eq!(url(&local.parse().unwrap()), expected);
        }
    }
}
