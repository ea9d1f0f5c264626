//! A yardstick, not a server: the least that one thread can do to send back what comes, `recvfrom` and `sendto`, blocking.
//!
//! What it leaves out is all that makes a server: no prefix, no guard against loops, no limit, no counters, no trace, no orderly
//! stop; an error ends it, and it doesn't know at which of this machine's addresses it was asked. So what `udp-echo-server`
//! costs beyond this is the price of those. `cargo xtask bench udp` measures both; `cargo run --release --example plain_loop
//! 2000` runs it by itself. Its partner is `udp-echo-client --prefix ''`.

#![forbid(unsafe_code)]

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    use std::net::{Ipv4Addr, UdpSocket};

    use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto, sockopt};

    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(2000);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    // As much as our server asks for, so that a burst costs neither of the two anything.
    sockopt::set_socket_recv_buffer_size(&socket, 4 * 1024 * 1024)?;
    let mut buffer = vec![0; 65_535];
    loop {
        let (_, length, peer) = recvfrom(&socket, &mut buffer[..], RecvFlags::empty())?;
        let peer = peer.expect("a datagram of the internet has a sender");
        sendto(&socket, &buffer[..length], SendFlags::empty(), &peer)?;
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("plain_loop: rustix's recvfrom needs Winsock to be started first, which a yardstick doesn't do");
}
