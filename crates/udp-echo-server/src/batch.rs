//! Batches: first all that has come is received, then all is answered, and replies that can leave together do.
//!
//! `simple.rs` makes two calls for each datagram, and a third to wait for it. Here there is no wait as long as there are more.
//! What a datagram costs is its way through the kernel, so replies of one length to one client leave in one piece, which the
//! kernel cuts (GSO): `trains.rs`. The client gets single datagrams. As soon as there is much to do, datagrams are also taken
//! many with one call, and glued together as they came (GRO); each is looked at and answered by itself.
//!
//! With `--workers`, each thread has a socket of its own, and the kernel chooses by the addresses of both ends: what one client
//! sends is answered by one thread, in its order.
//!
//! The threads wait for datagrams, in the call that receives them, and for nothing else: a wait for two things costs a call more.
//! The first thread waits for signals, and wakes the others. Only with a socket that other processes have too the threads wait
//! for both: what would wake them would end it for everybody.

mod trains;
mod worker;

use std::io::{PipeWriter, Write};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use common::Errno;
use common::berkeley::{AsFd, OwnedFd, Shutdown, close, shutdown};
use common::signal::{Requests, Stop};
use common::wait::{Interest, Wake, wait_for_any};
use common::{listener, sockopt};

use crate::NAME;
use crate::server::Server;
use crate::simple::ROOM_WITHIN;
use worker::Worker;

/// A thread needs no more.
const STACK_BYTES: usize = 256 * 1024;

/// What is said of a thread that has ended without a word.
const PANICKED: &str = "cannot go on: a thread has panicked";

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
    let end = Arc::new(end);
    // The threads begin when all of them are there, and the server is ready.
    let ready = Arc::new(Barrier::new(sockets.len() + 1));
    for socket in &sockets {
        if !are_shared {
            block(socket).context("cannot set up the socket")?;
        }
        let worker = Worker::new(Arc::clone(socket), !are_shared, server.another(), Arc::clone(&stop));
        let (tell, end, ready) = (tell.clone(), End(Arc::clone(&end)), Arc::clone(&ready));
        let work = move || {
            let _end = end;
            ready.wait();
            // Nobody listens any more if another one has failed.
            let _ = tell.send(worker.work());
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(work).context("cannot start a thread")?;
    }
    listener::announce(NAME, &sockets[0])?;
    ready.wait();
    drop(tell);
    let signals = [(requests.without_waiting()?.as_fd(), Interest::IN), (ended.as_fd(), Interest::IN)];
    while let Wake::Ready(_) = wait_for_any(&signals, Some(&stop), None).context("cannot wait for signals")? {
        if !requests.take_all() {
            break;
        }
        server.tally.report();
    }
    if !stop.is_asked() {
        return told.try_recv().unwrap_or_else(|_| bail!(PANICKED));
    }
    for socket in sockets.iter().filter(|_| !are_shared) {
        // Whoever waits for a datagram there hears at once that none will come. As the socket isn't connected, it is also an
        // error, `ENOTCONN`.
        let _ = shutdown(socket, Shutdown::Read);
    }
    let ended: Vec<()> = told.iter().take(sockets.len()).collect::<Result<_>>()?;
    ensure!(ended.len() == sockets.len(), PANICKED);
    server.tally.look();
    sockets.into_iter().filter_map(Arc::into_inner).for_each(close);
    Ok(())
}

/// A thread's end, however that comes: it is told to the one that waits for signals.
struct End(Arc<PipeWriter>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = (&*self.0).write(&[0]);
    }
}

/// Lets the calls on a socket wait, but for room to send no longer than a network can take.
fn block(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_send_timeout(socket, ROOM_WITHIN)?;
    sockopt::set_blocking(socket)
}
