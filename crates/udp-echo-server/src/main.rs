//! The lecture's UDP server: `socket`, `bind`, then `recvfrom` and `sendto` for each datagram.
//!
//! Its partner is `udp-echo-client`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p udp-echo-server -- --design simple --host 127.0.0.1 --trace
//! cargo run -p udp-echo-client
//! ```
//!
//! This file makes the socket. What becomes of datagrams is a design: one after the other in `simple.rs`, many with each system
//! call in `batch.rs`; and in `faulty.rs` and `faults.rs` there is a bad network on demand. Whom the server answers, and whom
//! it had better not, is in `guard.rs`, with `repeats.rs` for recognising a loop and `rate.rs` for the limit per source; what
//! it did is counted in `tally.rs`.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod batch;
mod faults;
mod faulty;
mod guard;
mod options;
mod rate;
mod repeats;
mod server;
mod simple;
mod tally;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use common::address::Address;
use common::berkeley::{OwnedFd, SocketType, bind, socket};
#[cfg(unix)]
use common::signal::Requests;
use common::signal::Stop;
use common::sockopt::getsockname;
#[cfg(unix)]
use common::unix_socket::SocketFile;
use common::{Errno, address, exit, listener, log};

use guard::{Guard, Rules};
#[cfg(target_os = "linux")]
use options::Design;
use options::Options;
use server::Server;
use tally::Tally;

const NAME: &str = "udp-echo-server";

fn main() -> ExitCode {
    let options = Options::read();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    listener::raise_descriptor_limit();
    let End {
        sockets,
        are_shared,
        #[cfg(unix)]
            file: _file,
    } = open(&options)?;
    let stop = Stop::on_signals()?;
    let local = getsockname(&sockets[0]).context("cannot tell the address of the socket")?;
    // The kernel's lists have no sockets of the file system.
    let listed = sockets.iter().filter(|_| local.internet().is_some());
    let tally = Arc::new(Tally::of(listed));
    #[cfg(unix)]
    let requests = Requests::on_usr1()?;
    let rules = Rules {
        local: local.clone(),
        prefix: options.prefix.as_bytes().to_vec(),
        allow_same_port: options.allow_same_port,
        allow_low_ports: options.allow_low_ports,
        loop_guard: !options.no_loop_guard,
        rate_limit: options.rate_limit,
    };
    let server = Server {
        is_internet: local.internet().is_some(),
        everywhere: local.is_everywhere(),
        prefix: options.prefix.clone(),
        guard: Guard::new(rules),
        tally: Arc::clone(&tally),
        verbose: options.verbose,
        dropped: 0,
    };
    let served = serve(
        sockets,
        are_shared,
        server,
        &options,
        stop,
        #[cfg(unix)]
        requests,
    );
    // The account comes last, whatever the end. Who fails before there is a datagram has none.
    let served = served.map_err(|error| exit::tell(NAME, error));
    if served.is_ok() || tally.received.get() > 0 {
        log::line(NAME, tally);
    }
    served
}

/// Hands the sockets to the design that was chosen. One in the file system has the lecture's design, as a bad network has.
///
/// SIGUSR1 asks for the account: the lecture's loop is not to wait for that too, so a thread does.
fn serve(
    mut sockets: Vec<OwnedFd>,
    are_shared: bool,
    server: Server,
    options: &Options,
    stop: Stop,
    #[cfg(unix)] requests: Requests,
) -> Result<()> {
    match options.design() {
        #[cfg(target_os = "linux")]
        Design::Batch if server.is_internet => return batch::serve(sockets, are_shared, server, stop, requests),
        _ => {}
    }
    let _ = are_shared;
    #[cfg(unix)]
    Tally::report_on(requests, &server.tally)?;
    let socket = sockets.swap_remove(0);
    listener::announce(NAME, &socket)?;
    if options.faults.any() {
        faulty::serve(socket, server, options.faults.clone(), options.drain, &stop)
    } else {
        simple::serve(socket, server, &stop)
    }
}

/// The server's end point.
struct End {
    /// Its socket; several for several threads.
    sockets: Vec<OwnedFd>,
    /// Whether others have it too.
    are_shared: bool,
    /// The file that it is, if it is one.
    #[cfg(unix)]
    file: Option<SocketFile>,
}

/// The socket that this process was started with, or one of its own.
fn open(options: &Options) -> Result<End> {
    #[cfg(unix)]
    if let Some(socket) = listener::handed_over_datagram()? {
        let local = getsockname(&socket).context("cannot use the socket that was handed over")?;
        ask_the_kernel(&socket, &local).context("cannot set up the socket")?;
        say_what_is_not_used(options, &socket, &local).context("cannot set up the socket")?;
        return Ok(End { sockets: vec![socket], are_shared: true, file: None });
    }
    #[cfg(unix)]
    let file = options.door.unix.as_deref().map(SocketFile::make_way).transpose()?;
    let addresses = options.door.addresses()?;
    let is_for_many = |address: &&Address| address.internet().is_some_and(|to| address::is_for_many(to.ip()));
    if let Some(many) = addresses.iter().find(is_for_many) {
        bail!("cannot listen on {many}: a datagram to a broadcast or multicast address is not answered");
    }
    let first = listener::first_that_opens(&addresses, |address| make(address, options, |_| Ok(())))?;
    #[cfg_attr(not(target_os = "linux"), expect(unused_mut))]
    let mut sockets = vec![first];
    #[cfg(target_os = "linux")]
    if options.design() == Design::Batch && options.workers > 1 {
        // Only now: so another server that has the port already, or comes later, is told that the address is in use.
        let local = getsockname(&sockets[0]).context("cannot tell the address of the socket")?;
        common::sockopt::set_reuse_port(&sockets[0]).context("cannot share the port among the workers")?;
        for _ in 1..options.workers {
            let another = make(&local, options, |socket| common::sockopt::set_reuse_port(socket));
            sockets.push(another.with_context(|| format!("cannot listen on {local} with another worker"))?);
        }
    }
    if addresses[0].internet().is_some() {
        for socket in &sockets {
            listener::ask_for_room(NAME, socket, options.receive_buffer).context("cannot set up the socket")?;
        }
    }
    #[cfg(unix)]
    if addresses[0].internet().is_none() {
        let largest_reply = options.prefix.as_bytes().len() + simple::LARGEST_UNIX_DATAGRAM_BYTES;
        common::sockopt::set_send_buffer(&sockets[0], largest_reply).context("cannot set up the socket")?;
    }
    let are_shared = false;
    Ok(End {
        sockets,
        are_shared,
        #[cfg(unix)]
        file,
    })
}

/// Who started the server has made the socket, and what was said here about one is too late.
///
/// Errors: as getsockopt(2).
#[cfg(unix)]
fn say_what_is_not_used(options: &Options, socket: &OwnedFd, local: &Address) -> Result<(), Errno> {
    for option in &options.own_socket_only {
        log::line(NAME, format_args!("{option} has no effect: a socket was handed over"));
    }
    if local.internet().is_some() {
        return listener::look_at_room(NAME, socket, options.receive_buffer);
    }
    for option in &options.network_only {
        log::line(NAME, format_args!("{option} has no effect: the socket that was handed over is in the file system"));
    }
    Ok(())
}

/// `socket` and `bind`. There is no `listen` and no `accept`: all clients share this one socket.
fn make(address: &Address, options: &Options, share: impl Fn(&OwnedFd) -> Result<(), Errno>) -> Result<OwnedFd, Errno> {
    let socket = socket(address.family(), SocketType::DGRAM)?;
    listener::prepare_datagram(&socket, address)?;
    ask_the_kernel(&socket, address)?;
    share(&socket)?;
    bind(&socket, address)?;
    #[cfg(unix)]
    common::unix_socket::set_mode(address, options.door.unix_mode)?;
    Ok(socket)
}

/// On every interface, asks the kernel to tell with each datagram where it was sent to, since the answer has to come from there:
/// see `simple.rs`. Where datagrams bring such news anyway, it tells how many others were lost.
#[cfg(unix)]
fn ask_the_kernel(socket: &OwnedFd, address: &Address) -> Result<(), Errno> {
    let Some(internet) = address.internet() else { return Ok(()) };
    if address.is_everywhere() {
        common::packet_info::turn_on(socket, &internet)?;
    }
    #[cfg(target_os = "linux")]
    if address.is_everywhere() {
        common::packet_info::count_drops(socket)?;
    }
    Ok(())
}

/// On Windows the system chooses.
#[cfg(windows)]
fn ask_the_kernel(_socket: &OwnedFd, _address: &Address) -> Result<(), Errno> {
    Ok(())
}
