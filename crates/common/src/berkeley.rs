//! The Berkeley socket interface: the lecture's thirteen calls, by name.
//!
//! | | |
//! |---|---|
//! | make an end point | [`socket`], [`bind`], [`listen`], [`accept`], [`connect`] |
//! | move a stream of bytes | [`read()`], [`write()`], [`recv`], [`send`] |
//! | move datagrams | [`recvfrom`], [`sendto`] |
//! | end | [`shutdown`], [`close`] |
//!
//! Each function makes exactly one system call and, under `--trace`, writes exactly one line. None retries, waits for
//! another, or hides an error: what the kernel says is what the caller gets, as an [`Errno`]. (With the trace on, [`connect`]
//! is followed by a `getsockname` that has its own line: the trace wants to name our end.)
//!
//! On x86-64 Linux the kernel has no `recv` or `send` of its own: `strace` shows them as `recvfrom` and `sendto` with no
//! address. [`accept`] is `accept4` there, which sets the new descriptor up as well: no second call is needed for that.

pub use rustix::fd::{AsFd, OwnedFd};
pub use rustix::net::{AddressFamily, Shutdown, SocketType};

use std::net::SocketAddr;

use rustix::net::{self, RecvFlags, SendFlags};

use crate::Errno;
use crate::address::{self, Address};
use crate::trace::{self, Call};

/// A program started later doesn't inherit the descriptor. Other systems have no such flag; ours start no programs.
#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: net::SocketFlags = net::SocketFlags::CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: net::SocketFlags = net::SocketFlags::empty();

/// Makes an end point for communication and returns its file descriptor: the first call of every program.
///
/// `family` is `INET` (IPv4) or `INET6`; `kind` is `STREAM` for TCP and `DGRAM` for UDP. The descriptor has no address
/// yet; on Linux it closes itself in a program that this one starts (`SOCK_CLOEXEC`).
///
/// Errors: `EAFNOSUPPORT` (no IPv6 here), `EMFILE` and `ENFILE` (the process, the machine has no descriptor left).
/// See socket(2).
pub fn socket(family: AddressFamily, kind: SocketType) -> Result<OwnedFd, Errno> {
    #[cfg(windows)]
    start_winsock();
    let timer = trace::start();
    let result = net::socket_with(family, kind, CLOSE_ON_EXEC, None);
    timer.end(|| {
        let call = Call::new("socket").argument(address::family_name(family)).argument(address::kind_name(kind));
        call.returned_descriptor(result.as_ref())
    });
    result
}

/// Gives a socket its own address: a server's first duty, so that clients know where to find it.
///
/// Port 0 lets the system choose a free ("ephemeral") port; [`crate::sockopt::getsockname`] tells which. A client need not
/// call it: [`connect`] and [`sendto`] bind to an ephemeral port by themselves.
///
/// Errors: `EADDRINUSE` (another socket has the port), `EADDRNOTAVAIL` (not an address of this machine), `EACCES` (a port
/// below 1024 without the right to it). See bind(2).
pub fn bind(socket: impl AsFd, address: &Address) -> Result<(), Errno> {
    let timer = trace::start();
    let result = address::to_kernel(address).and_then(|address| net::bind(&socket, &address));
    timer.end(|| {
        let call = Call::on("bind", &socket).argument(address).returned_nothing(result);
        if result.is_ok() { call.local(address.clone()) } else { call }
    });
    result
}

/// Makes a bound socket passive, with room for `backlog` clients that have connected and not yet been accepted.
///
/// From here on the kernel completes handshakes by itself; [`accept`] only takes finished connections from the queue. The
/// kernel caps `backlog` at `net.core.somaxconn` without a word, and when the queue is full a client's SYN is dropped, to be
/// sent again a second later.
///
/// Errors: `EADDRINUSE` (another socket listens there). See listen(2).
pub fn listen(socket: impl AsFd, backlog: i32) -> Result<(), Errno> {
    let timer = trace::start();
    let result = net::listen(&socket, backlog);
    timer.end(|| Call::on("listen", &socket).argument(backlog).returned_nothing(result));
    result
}

/// Takes the next connection from the queue: a *new* descriptor for this one client, and the client's address.
///
/// The listening socket stays as it is, ready for the next call. The connection doesn't block: Linux is asked for that in
/// the call itself, and elsewhere it is handed down from the listener, which must not block either.
///
/// Errors: `EAGAIN` (the queue is empty and the socket does not block), `ECONNABORTED` (the client left while it waited),
/// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` (out of descriptors or memory; the client stays queued). None of these is a
/// reason to end a server: see [`crate::listener::AcceptTrouble`]. See accept(2).
pub fn accept(listener: impl AsFd) -> Result<(OwnedFd, Address), Errno> {
    let timer = trace::start();
    #[cfg(target_os = "linux")]
    let result = net::acceptfrom_with(&listener, CLOSE_ON_EXEC | net::SocketFlags::NONBLOCK);
    #[cfg(not(target_os = "linux"))]
    let result = net::acceptfrom(&listener);
    let result = result.map(|(connection, peer)| (connection, address::of_kernel(peer)));
    timer.end(|| match &result {
        Ok((connection, peer)) => {
            let call = Call::on("accept", &listener).argument(peer).peer(peer.clone());
            call.returned_descriptor(Ok(connection))
        }
        Err(errno) => Call::on("accept", &listener).returned(Err(*errno)),
    });
    result
}

/// Connects to a server. TCP: the three-way handshake, and the call returns when it is done. UDP: nothing is sent; the
/// kernel notes the address for [`send`], and delivers only that peer's datagrams and errors to [`recv`].
///
/// Errors: `ECONNREFUSED` (nothing listens there), `ETIMEDOUT` and `EHOSTUNREACH` (no answer), `ENETUNREACH` (no way
/// there), `EINPROGRESS` (the handshake goes on in the background: the socket does not block, or its send timeout is over).
/// See connect(2).
pub fn connect(socket: impl AsFd, address: &Address) -> Result<(), Errno> {
    let timer = trace::start();
    let result = address::to_kernel(address).and_then(|address| net::connect(&socket, &address));
    timer.end(|| {
        let call = Call::on("connect", &socket).argument(address);
        call.returned_nothing(result).peer(address.clone())
    });
    if result.is_ok() {
        trace::ask_local_address(&socket);
    }
    result
}

/// Reads up to `data.len()` bytes from any file descriptor, a socket among them; 0 means end of file.
///
/// On a connected socket `read(fd, data)` is `recv(fd, data, 0)`: this is the lecture's point that a socket is a file.
///
/// Errors: `EAGAIN` (nothing there, and the descriptor does not block), `ECONNRESET`. See read(2).
#[cfg(unix)]
pub fn read(file: impl AsFd, data: &mut [u8]) -> Result<usize, Errno> {
    let timer = trace::start();
    let result = rustix::io::read(&file, &mut *data);
    timer.end(|| Call::on("read", &file).received(data, result));
    result
}

/// Writes up to `data.len()` bytes to any file descriptor and returns how many were taken, which may be fewer.
///
/// Errors: `EAGAIN` (no room, and the descriptor does not block), `EPIPE` (nobody reads any more), `ECONNRESET`,
/// `ENOSPC` (a full disk). See write(2).
#[cfg(unix)]
pub fn write(file: impl AsFd, data: &[u8]) -> Result<usize, Errno> {
    let timer = trace::start();
    let result = rustix::io::write(&file, data);
    timer.end(|| Call::on("write", &file).sent(data, result));
    result
}

/// Receives what has arrived on a connected socket, at most `data.len()` bytes.
///
/// TCP is a stream: one call may return part of what the peer sent in one call, or several of its sends together. 0 means
/// that the peer has sent its last byte (for a datagram socket: an empty datagram).
///
/// Errors: `EAGAIN` (nothing there, and the socket does not block), `ECONNRESET` (the peer gave up the connection),
/// `ETIMEDOUT` (it vanished); on a connected UDP socket `ECONNREFUSED`: an earlier datagram found no one. See recv(2).
pub fn recv(socket: impl AsFd, data: &mut [u8]) -> Result<usize, Errno> {
    let timer = trace::start();
    let result = net::recv(&socket, &mut *data, RecvFlags::empty()).map(|(_, length)| length);
    timer.end(|| Call::on("recv", &socket).received(data, result));
    result
}

/// Sends bytes on a connected socket and returns how many the kernel took. For TCP that may be fewer than were given:
/// the caller sends the rest, or loses it.
///
/// Errors: `EAGAIN` (the peer does not read, its window and our buffer are full), `EPIPE` and `ECONNRESET` (the peer is
/// gone), `EMSGSIZE` (a datagram that is too large). See send(2).
pub fn send(socket: impl AsFd, data: &[u8]) -> Result<usize, Errno> {
    let timer = trace::start();
    let result = net::send(&socket, data, SendFlags::empty());
    timer.end(|| Call::on("send", &socket).sent(data, result));
    result
}

/// Receives one datagram and the address it came from. An empty datagram is data, of length 0.
///
/// What doesn't fit into `data` is cut off without a word: 65,535 bytes are always enough.
///
/// Errors: `EAGAIN` (nothing there, and the socket does not block). See recvfrom(2).
#[inline(always)]
pub fn recvfrom(socket: impl AsFd, data: &mut [u8]) -> Result<(usize, Address), Errno> {
    recvfrom_as_told(socket, data, RecvFlags::empty())
}

/// As [`recvfrom`], without waiting, even if the socket blocks (MSG_DONTWAIT).
#[cfg(unix)]
#[inline(always)]
pub fn recvfrom_now(socket: impl AsFd, data: &mut [u8]) -> Result<(usize, Address), Errno> {
    recvfrom_as_told(socket, data, RecvFlags::DONTWAIT)
}

#[inline(always)]
fn recvfrom_as_told(socket: impl AsFd, data: &mut [u8], flags: RecvFlags) -> Result<(usize, Address), Errno> {
    let timer = trace::start();
    let result = net::recvfrom(&socket, &mut *data, flags).map(|(_, length, peer)| (length, address::of_kernel(peer)));
    timer.end(|| match &result {
        // From nobody: a process without a name, or the call was woken by `shutdown`.
        Ok((length, peer)) if !peer.is_nobody() => {
            Call::on("recvfrom", &socket).received(data, Ok(*length)).argument(peer).peer(peer.clone())
        }
        result => Call::on("recvfrom", &socket)
            .received(data, result.as_ref().map(|(length, _)| *length).map_err(|errno| *errno)),
    });
    result
}

/// Sends one datagram to `address`: all of it, or nothing. Success means that the kernel took it, not that it arrived.
///
/// Errors: `EMSGSIZE` (more than 65,507 bytes over IPv4, 65,527 over IPv6), `EINVAL` (port 0), `EPERM` (a firewall),
/// `ENETUNREACH`, `ENOBUFS`, `EAGAIN`. Each concerns this one datagram. See sendto(2).
#[inline(always)]
pub fn sendto(socket: impl AsFd, data: &[u8], address: &Address) -> Result<usize, Errno> {
    let timer = trace::start();
    // As it is: an address of any kind would have to be put together for each datagram.
    let result = match address {
        Address::Internet(SocketAddr::V4(address)) => net::sendto(&socket, data, SendFlags::empty(), address),
        Address::Internet(SocketAddr::V6(address)) => net::sendto(&socket, data, SendFlags::empty(), address),
        #[cfg(unix)]
        Address::Unix(_) => {
            address::to_kernel(address).and_then(|address| net::sendto(&socket, data, SendFlags::empty(), &address))
        }
    };
    timer.end(|| Call::on("sendto", &socket).sent(data, result).argument(address).peer(address.clone()));
    result
}

/// Ends one direction of a connection, or both. `Write` sends FIN: the peer reads end of file, and can still answer.
///
/// Errors: `ENOTCONN` (the connection is gone already). See shutdown(2).
pub fn shutdown(socket: impl AsFd, how: Shutdown) -> Result<(), Errno> {
    let timer = trace::start();
    let result = net::shutdown(&socket, how);
    timer.end(|| {
        let how = match how {
            Shutdown::Read => "SHUT_RD",
            Shutdown::Write => "SHUT_WR",
            Shutdown::Both => "SHUT_RDWR",
        };
        Call::on("shutdown", &socket).argument(how).returned_nothing(result)
    });
    result
}

/// Gives a descriptor back. The last `close` of a TCP socket sends FIN, or RST if there was input that nobody read, which
/// can destroy data sent before: [`shutdown`] and read to the end first.
///
/// Dropping an [`OwnedFd`] does the same without a line in the trace. No error is reported: see close(2) on why nothing
/// can be done about one.
pub fn close(file: OwnedFd) {
    let timer = trace::start();
    // Described first: once closed, the number may be another thread's new connection.
    let call = timer.is_running().then(|| Call::closing(&file));
    drop(file);
    timer.end(|| call.unwrap_or_else(|| Call::new("close")));
}

/// Windows wants to be asked once before its first socket.
#[cfg(windows)]
fn start_winsock() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // If it fails, so does socket(), which says why.
        let _ = net::wsa_startup();
    });
}
