//! As many datagrams with each system call as there are: `recvmmsg`, `sendmmsg`, and trains that are cut by the kernel.
//!
//! `simple.rs` makes two calls for each datagram, and a third to wait for it. Here a call brings all that have arrived by then,
//! and there is a wait only once there are no more. That alone gains little: what a datagram costs is its way through the
//! kernel. So datagrams that came glued together are taken as they are (GRO), each is looked at and answered by itself, and
//! replies of one length to one client leave glued together again (GSO): `trains.rs`. The client gets single datagrams.
//!
//! With `--workers`, each thread has a socket of its own, and the kernel chooses by the addresses of both ends: what one client
//! sends is answered by one thread, in its order.
//!
//! The threads wait for datagrams, in the call that receives them, and for nothing else: a wait for two things costs a call more.
//! The first thread waits for signals, and wakes the others.

mod trains;
mod worker;

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result};
use common::Errno;
use common::berkeley::{AsFd, OwnedFd, Shutdown, close, shutdown};
use common::signal::{Requests, Stop};
use common::sockopt;
use common::wait::{Interest, Wake, wait_for_any};

use crate::server::Server;
use crate::simple::ROOM_WITHIN;
use worker::Worker;

/// A thread needs no more.
const STACK_BYTES: usize = 256 * 1024;

/// Answers datagrams until the server is asked to stop, with a thread for each socket. No datagram ends it.
///
/// `are_shared`: other processes have the sockets too, or will have them later.
///
/// Errors: a socket itself is broken; there is no thread to be had. Then the other threads end with the process.
pub fn serve(sockets: Vec<OwnedFd>, are_shared: bool, server: Server, stop: Stop, requests: Requests) -> Result<()> {
    let stop = Arc::new(stop);
    let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
    let (tell, told) = mpsc::channel();
    let (ended, end) = std::io::pipe().context("cannot make a pipe")?;
    for socket in &sockets {
        if !are_shared {
            block(socket).context("cannot set up the socket")?;
        }
        let worker = Worker::new(Arc::clone(socket), !are_shared, server.another(), Arc::clone(&stop));
        let (tell, mut end) = (tell.clone(), end.try_clone().context("cannot make a pipe")?);
        let work = move || {
            // Nobody listens any more if another one has failed.
            let _ = tell.send(worker.work());
            let _ = end.write(&[0]);
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(work).context("cannot start a thread")?;
    }
    let signals = [(requests.without_waiting()?.as_fd(), Interest::IN), (ended.as_fd(), Interest::IN)];
    while let Wake::Ready(_) = wait_for_any(&signals, Some(&stop), None).context("cannot wait for signals")? {
        if !requests.take_all() {
            break;
        }
        server.tally.report();
    }
    for socket in sockets.iter().filter(|_| stop.is_asked() && !are_shared) {
        // Whoever waits for a datagram there hears at once that none will come. As the socket isn't connected, it is also an
        // error, `ENOTCONN`.
        let _ = shutdown(socket, Shutdown::Read);
    }
    told.iter().take(sockets.len()).collect::<Result<()>>()?;
    server.tally.look();
    sockets.into_iter().filter_map(Arc::into_inner).for_each(close);
    Ok(())
}

/// Lets the calls on a socket wait, but for room to send no longer than a network can take.
fn block(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_send_timeout(socket, ROOM_WITHIN)?;
    sockopt::set_blocking(socket)
}
