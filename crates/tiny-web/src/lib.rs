//! The lecture's tiny web server: `socket`, `bind`, `listen`, then `accept` for each client, `recv` its request and `send`
//! the reply, and `close`.
//!
//! This file makes the listening socket. The way of a request from there: `serve.rs` has the event loops, which accept its
//! connection, `web.rs` receives it, `request.rs` understands it, `site.rs` finds what to answer, with `path.rs` and
//! `folder.rs`, and `response.rs` makes bytes of that, which `web.rs` sends.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod access_log;
mod authority;
mod body;
mod cache;
mod coding;
mod condition;
mod connection;
mod folder;
mod listing;
mod options;
mod page;
mod path;
mod peer;
mod range;
mod representation;
mod request;
mod response;
mod sandbox;
mod serve;
mod site;
mod status;
mod web;

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use common::berkeley::{OwnedFd, SocketType, bind, listen, socket};
use common::signal::Stop;
use common::unix_socket::{self, SocketFile};
use common::wait::Patience;
use common::{address, listener};

use access_log::AccessLog;
use folder::Folder;
use options::Show;
use peer::Places;
use response::Constant;
use sandbox::Needs;
use serve::Bounds;
use site::{NO_CACHE, Pages, Site};
use web::Server;

pub use options::Options;

const NAME: &str = "tiny-web";

/// A client is accepted after so long even if it says nothing. In seconds, the least there is.
#[cfg(target_os = "linux")]
const DEFER_ACCEPT_SECONDS: i32 = 1;

/// Descriptors that are not for connections: stdin, stdout, stderr, the folder, the listener, and the signals' pipe (3); for a
/// log, and opening it anew (3); for a trace file; and two for each loop.
const OTHER_DESCRIPTORS: usize = 8;
const DESCRIPTORS_OF_A_LOG: usize = 3;
const DESCRIPTORS_A_LOOP: usize = 2;
/// Of the others, one in eight is for a file that is sent; two at least. Should all of these be open, the answer is 503.
const FILES_SHARE: usize = 8;
const FILES_AT_LEAST: usize = 2;
/// Large files that a loop keeps open, where there are descriptors in plenty; where there aren't, one loop has to do.
const FILES_KEPT_OPEN: usize = 16;
const PLENTY: u64 = 1000;

/// What an address may have of the connections, but 8, as a browser opens six. Of very few, it may have half.
const SHARE: usize = 4;
const SHARE_AT_LEAST: usize = 8;

/// Serves until asked to stop.
///
/// Errors: it can't start, or the listening socket is broken.
pub fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let site = site(pages(&options)?, &options.show);
    site.check()?;
    let log = options.log.as_deref().map(AccessLog::open).transpose()?.map(Arc::new);
    let socket_file = options.unix.as_deref().map(SocketFile::make_way).transpose()?;
    let listener = open(&options)?;
    let stop = Stop::on_signals()?;
    let bounds = bounds(&options);
    let local = listener::announce(NAME, &listener)?;
    if let Some(local) = local.internet() {
        listener::say(&format!("{NAME}: open {}\n", url(&local)));
    }
    if !options.no_sandbox {
        confine(&site.pages, log.as_deref(), &options);
    }
    if let Some(log) = &log {
        log.reopen_on_request()?;
    }
    let limits = &options.limits;
    let server = Server {
        site,
        constant: constant(&options.show),
        patience: Patience {
            stop,
            idle: Some(limits.idle_timeout).filter(|idle| !idle.is_zero()),
            drain: options.drain,
        },
        head_timeout: limits.head_timeout,
        min_rate: limits.min_rate as u64,
        slow_timeout: limits.slow_timeout,
        limits: request::Limits {
            request_line: limits.max_request_line,
            head: limits.max_head,
            fields: limits.max_fields as usize,
            body: limits.max_body as u64,
        },
        places: Places::new(bounds.per_address),
        log,
    };
    let served = serve::serve(listener, &server, &bounds);
    drop(socket_file);
    served
}

/// The server's end point: `socket`, `bind`, `listen`; or the one that this process was started with.
fn open(options: &Options) -> Result<OwnedFd> {
    let listener = match listener::handed_over()? {
        Some(listener) => listener,
        None => {
            let addresses = match &options.unix {
                Some(path) => vec![address::Address::Unix(path.clone())],
                None => address::to_listen_on(options.listen.host.as_deref(), options.listen.port)?,
            };
            listener::first_that_opens(&addresses, |address| {
                let listener = socket(address.family(), SocketType::STREAM)?;
                listener::prepare(&listener, address)?;
                bind(&listener, address)?;
                unix_socket::set_mode(address, options.unix_mode)?;
                listen(&listener, options.limits.backlog)?;
                Ok(listener)
            })?
        }
    };
    #[cfg(target_os = "linux")]
    if options.unix.is_none() {
        // It saves a wait for each connection; a kernel that refuses is no reason not to serve.
        let _ = set_defer_accept(&listener, DEFER_ACCEPT_SECONDS);
    }
    Ok(listener)
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

/// What there is to see.
fn pages(options: &Options) -> Result<Pages> {
    let show = &options.show;
    let cache_control = match show.cache {
        _ if is_said(show, "cache-control") => String::new(),
        Some(seconds) => format!("Cache-Control: max-age={seconds}\r\n"),
        None => NO_CACHE.to_owned(),
    };
    match &options.folder {
        Some(path) => Folder::open(path, cache_control, show.dotfiles).map(Pages::Folder),
        None => Ok(Pages::lecture(&cache_control)),
    }
}

/// Whether the user says this field, and the server needn't.
fn is_said(show: &Show, name: &str) -> bool {
    show.headers.iter().any(|(said, _)| said.eq_ignore_ascii_case(name))
}

/// How it is shown.
fn site(pages: Pages, show: &Show) -> Site {
    Site {
        pages,
        listing: !show.no_listing,
        spa: show.spa.as_ref().map(|file| format!("/{}", file.trim_start_matches('/'))),
        cached: !show.no_cache,
        cors: show.cors,
    }
}

/// What stands in every head. The type is what we say it is, whatever the content looks like: `nosniff`.
fn constant(show: &Show) -> Constant {
    let mut fields = String::new();
    let usual = [
        ("Server", "tiny-web", !show.no_server_header),
        ("X-Content-Type-Options", "nosniff", true),
        ("Access-Control-Allow-Origin", "*", show.cors),
    ];
    for (name, value, wanted) in usual {
        if wanted && !is_said(show, name) {
            fields += &format!("{name}: {value}\r\n");
        }
    }
    for (name, value) in &show.headers {
        fields += &format!("{name}: {value}\r\n");
    }
    let cache_control = if is_said(show, "cache-control") { "" } else { NO_CACHE };
    Constant { fields: fields.into_bytes(), cache_control: cache_control.as_bytes().to_vec() }
}

/// How much there may be of everything, as far as there are descriptors for it.
fn bounds(options: &Options) -> Bounds {
    let limit = listener::raise_descriptor_limit();
    let has_plenty = limit.is_none_or(|limit| limit >= PLENTY);
    let processors = || if has_plenty { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
    let loops = options.workers.map_or_else(processors, usize::from);
    let log = if options.log.is_some() { DESCRIPTORS_OF_A_LOG } else { 0 };
    let trace = usize::from(options.trace.trace_file.is_some());
    let files = limit.map_or(0, |limit| (limit as usize / FILES_SHARE).max(FILES_AT_LEAST));
    let others = OTHER_DESCRIPTORS + log + trace + loops * DESCRIPTORS_A_LOOP + files;
    let wanted = options.limits.max_connections.map(|most| most as usize);
    let most = listener::most_connections(NAME, wanted, 1, others);
    let share = (most / SHARE).max(SHARE_AT_LEAST.min(most / 2)).max(2);
    let per_address = options.limits.max_per_address.map_or(share, |most| most as usize);
    Bounds { most, per_address, loops, open_files: if has_plenty { FILES_KEPT_OPEN } else { 0 } }
}

/// Gives up the right to all other files, and says so.
fn confine(pages: &Pages, log: Option<&AccessLog>, options: &Options) {
    let folder = match pages {
        Pages::Folder(folder) => Some(folder.root()),
        Pages::Lecture { .. } => None,
    };
    let socket = options.unix.as_deref().map(|path| path.parent().filter(|folder| !folder.as_os_str().is_empty()));
    let socket = socket.map(|folder| folder.unwrap_or(std::path::Path::new(".")));
    let said = match sandbox::confine(&Needs { folder, log: log.and_then(AccessLog::folder), socket }) {
        Ok(how) if folder.is_some() => format!("may read this folder and nothing else ({how})"),
        Ok(how) => format!("may read no files ({how})"),
        Err(why) => format!("may read what its user may: {why}"),
    };
    listener::say(&format!("{NAME}: {said}\n"));
}

/// What to type into a browser on this machine.
fn url(local: &SocketAddr) -> String {
    let plain = address::plain(*local);
    let is_localhost = plain.ip().is_unspecified() || ["127.0.0.1", "::1"].contains(&plain.ip().to_string().as_str());
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
