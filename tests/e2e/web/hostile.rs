//! Clients that mean no good, many of them at once; and a good one among them, who is served all the same.
//!
//! How soon the good one is served is no test's business: here only that it is, within the usual patience.
//!
//! Here are those who are slow, or go. In `places.rs` they take places, in `greed.rs` too much of everybody's time and memory, and
//! in `patience.rs` too much of their own time.

mod greed;
mod patience;
mod places;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::site::Site;
use crate::harness::http::{Client, Content};
use crate::harness::{SOON, Server};

/// So many of each kind.
const MANY: usize = 500;

/// A connection from another address of the loopback network: another client, for who counts by address.
fn from(address: [u8; 4], to: SocketAddr) -> TcpStream {
    let SocketAddr::V4(to) = to else { panic!("{to} is not IPv4") };
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &std::net::SocketAddrV4::new(Ipv4Addr::from(address), 0)).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// A good client asks, on a new connection each time and on one for all; it is served. The one may be closed while nothing is
/// asked on it, and is made anew then, as browsers do: RFC 9112, section 9.3.1.
fn is_served(server: &Server, address: [u8; 4]) {
    let request = "GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let connect = || Client::new(from(address, server.address));
    let mut one = connect();
    for number in 0..20 {
        let reply = one.ask(request).or_else(|_| {
            one = connect();
            one.ask(request)
        });
        assert_eq!(reply.unwrap().body, b"0123456789", "request {number}");
        // It is the server that closes this one: so it doesn't count it any more when the next one comes.
        let mut other = connect();
        assert_eq!(other.ask(last).unwrap().body, b"0123456789", "connection {number}");
        other.receive_all().unwrap();
    }
}

/// The memory that the process has for itself and uses, in KiB.
#[cfg(target_os = "linux")]
fn memory(server: &Server) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.process.id())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("how much is private");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn five_hundred_slow_heads_keep_nobody_from_being_served() {
    // They have more time than all of this takes on a busy machine.
    let site = Site::start(&["--head-timeout", "10m"]);
    let mut slow: Vec<TcpStream> = (0..MANY).map(|_| from([127, 0, 0, 1], site.server.address)).collect();
    for (round, piece) in ["GET /ten.txt HT", "TP/1.1\r\nHo", "st: a\r\nX: b"].iter().enumerate() {
        for stream in &mut slow {
            // Who is one too many may have been closed.
            let _ = stream.write_all(piece.as_bytes());
        }
        is_served(&site.server, [127, 0, 0, if round == 0 { 1 } else { 2 }]);
    }
    #[cfg(target_os = "linux")]
    assert!(memory(&site.server) < 8 * 1024, "{} KiB for {MANY} unfinished heads", memory(&site.server));
    // Each of them, too, may finish.
    for stream in &mut slow {
        let _ = stream.write_all(b"\r\n\r\n");
    }
    let mut last = Client::new(slow.pop().unwrap());
    assert_eq!(last.reply(Content::Follows).unwrap().body, b"0123456789");
}

#[test]
fn five_hundred_readers_of_a_byte_at_a_time_keep_nobody_from_being_served() {
    let site = Site::start(&[]);
    site.write("large", &vec![b'x'; 4 << 20]);
    let mut slow: Vec<TcpStream> = (0..MANY)
        .map(|_| {
            let mut stream = from([127, 0, 0, 1], site.server.address);
            let _ = stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
            stream
        })
        .collect();
    for round in 0..3 {
        for stream in &mut slow {
            let _ = stream.read(&mut [0]);
        }
        is_served(&site.server, [127, 0, 0, if round == 0 { 1 } else { 2 }]);
    }
    #[cfg(target_os = "linux")]
    assert!(memory(&site.server) < 16 * 1024, "{} KiB for {MANY} unread replies", memory(&site.server));
}

#[test]
fn slow_clients_do_not_keep_a_server_from_stopping() {
    let site = Site::start(&["--drain", "300ms"]);
    site.write("large", &vec![b'x'; 64 << 20]);
    let mut slow = Vec::new();
    for request in [
        "GET / HT",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ] {
        for _ in 0..50 {
            let mut stream = from([127, 0, 0, 1], site.server.address);
            stream.write_all(request.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    is_served(&site.server, [127, 0, 0, 2]);
    let (status, ..) = site.server.stop();
    assert!(status.success());
}

#[test]
fn who_resets_the_connection_is_no_trouble() {
    let site = Site::start(&[]);
    site.write("large", &vec![b'x'; 8 << 20]);
    for request in [
        "",
        "GET / HT",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ] {
        for _ in 0..20 {
            let mut stream = site.server.connect();
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
        }
        is_served(&site.server, [127, 0, 0, 1]);
    }
    let (status, ..) = site.server.stop();
    assert!(status.success());
}
