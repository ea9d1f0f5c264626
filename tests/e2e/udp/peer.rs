//! UDP servers of a few lines, as other people write them, well or badly.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::harness::{Outcome, SOON, eventually};

/// No test needs more datagrams. A loop that should have ended ends here.
const MOST_DATAGRAMS: usize = 100_000;

/// A server in a thread, which ends with the test.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Vec<u8>>>>,
}

impl Peer {
    /// Starts a server on a free port of the loopback address. `answer` gets each datagram, with the number of those before
    /// it, and returns what to send back.
    pub fn start(answer: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Peer {
        Peer::bound_to((Ipv4Addr::LOCALHOST, 0).into(), 65_535, answer)
    }

    /// The same on a certain address, with room for so many bytes of each datagram: the rest of it is lost.
    pub fn bound_to(
        address: SocketAddr,
        most_bytes: usize,
        mut answer: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Peer {
        let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let (address, over) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; most_bytes];
            let mut received = Vec::new();
            while received.len() < MOST_DATAGRAMS {
                let (length, client) = socket.recv_from(&mut buffer).unwrap();
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                for reply in answer(received.len(), &buffer[..length]) {
                    let _ = socket.send_to(&reply, client);
                }
                received.push(buffer[..length].to_vec());
            }
            received
        });
        Peer { address, over, thread: Some(thread) }
    }

    /// Ends the server, and returns the datagrams it has received.
    pub fn received(mut self) -> Vec<Vec<u8>> {
        self.end().expect("the server in the thread has not panicked")
    }

    fn end(&mut self) -> thread::Result<Vec<Vec<u8>>> {
        let Some(thread) = self.thread.take() else { return Ok(Vec::new()) };
        self.over.store(true, Ordering::SeqCst);
        let _ = client().send_to(b"the end", self.address);
        thread.join()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A client's socket on the loopback address, whose calls end soon.
pub fn client() -> UdpSocket {
    client_at((Ipv4Addr::LOCALHOST, 0))
}

/// The same with an address of its own.
pub fn client_at(address: impl Into<SocketAddr>) -> UdpSocket {
    let address = address.into();
    let client = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    client.set_read_timeout(Some(SOON)).unwrap();
    client
}

/// Runs our client, which has to be verbose, again and again until it needn't ask anything twice: on a busy machine an answer may
/// take longer than the 200 ms after which it does. What it has said and heard in that run is known to the last datagram.
pub fn without_asking_twice(mut run: impl FnMut() -> Outcome) -> Outcome {
    let mut outcome = None;
    eventually("answers before they are asked for again", || {
        let latest = run();
        let is_disturbed = latest.stderr.contains(": sending again (");
        outcome = Some(latest);
        !is_disturbed
    });
    outcome.unwrap()
}

/// Sends a datagram and returns the next one that comes from there.
#[track_caller]
pub fn ask(client: &UdpSocket, server: SocketAddr, data: &[u8]) -> Vec<u8> {
    let sent = client.send_to(data, server).unwrap_or_else(|error| panic!("{} bytes to {server}: {error}", data.len()));
    assert_eq!(sent, data.len());
    next(client, server)
}

/// The next datagram, which has to come from this server.
#[track_caller]
pub fn next(client: &UdpSocket, server: SocketAddr) -> Vec<u8> {
    let mut reply = vec![0; 65_535];
    let (length, from) = client.recv_from(&mut reply).unwrap_or_else(|error| panic!("nothing from {server}: {error}"));
    assert_eq!(from, server);
    reply.truncate(length);
    reply
}

/// What the lecture's server makes of a datagram.
pub fn echo(data: &[u8]) -> Vec<u8> {
    [b"echo -> ", data].concat()
}
