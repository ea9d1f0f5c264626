//! Our UDP server, with our client and with bare sockets.

pub mod client;
#[cfg(unix)]
mod faults;
mod life;
#[cfg(unix)]
mod options;
pub mod peer;

use std::net::{IpAddr, SocketAddr};

use crate::harness::{Server, noise, run};
use peer::{ask, client_at, echo, next};

fn server(arguments: &[&str]) -> Server {
    Server::start("udp-echo-server", arguments)
}

/// Its designs.
const DESIGNS: &[&str] = if cfg!(target_os = "linux") { &["simple", "batch"] } else { &["simple"] };

/// A server of each design.
fn each<'a>(arguments: &'a [&'a str]) -> impl Iterator<Item = Server> + 'a {
    DESIGNS.iter().map(move |design| server(&[&["--design", design], arguments].concat()))
}

/// After how long a client asks again: not in a test that counts what is asked, however busy the machine.
const LONG: &str = "60s";

/// Stops it; it must have counted this, and said nothing else all the while.
#[track_caller]
fn stops_with_account(server: Server, account: &str) {
    assert_eq!(server.stops_well(), format!("udp-echo-server: {account}\n"));
}

/// Addresses of this machine that a client may ask. Only Linux has all of 127.0.0.0/8.
fn hosts() -> Vec<&'static str> {
    let mut hosts = vec!["127.0.0.1", "::1", "[::1]", "localhost"];
    hosts.extend(cfg!(target_os = "linux").then_some("127.0.0.2"));
    hosts
}

/// Elsewhere the kernel sends no more than this at once, unless it is told to.
fn can_be_sent(size: usize) -> bool {
    cfg!(target_os = "linux") || size <= 9216
}

#[test]
fn the_lecture() {
    for server in each(&[]) {
        let arguments = [&server.host(), &server.port(), "--timeout", LONG, "--"];
        run("udp-echo-client", &arguments[..4]).printed("echo -> Hello world\n");
        run("udp-echo-client", &[&arguments[..], &["two", "words"]].concat()).printed("echo -> two words\n");
        stops_with_account(server, "received 2, answered 2");
    }
}

/// The client's socket is connected: it gets no answer that comes from another address than it has asked.
#[test]
fn both_families_and_a_name() {
    for server in each(&["--host", ""]) {
        for host in hosts() {
            run("udp-echo-client", &[host, &server.port(), "from", host, "--timeout", LONG])
                .printed(&format!("echo -> from {host}\n"));
        }
        let count = hosts().len();
        stops_with_account(server, &format!("received {count}, answered {count}"));
    }
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    for server in each(&["--host", ""]) {
        for host in hosts() {
            let Ok(ip) = host.parse::<IpAddr>() else { continue };
            let asked = SocketAddr::new(ip, server.address.port());
            let unspecified: SocketAddr = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
            assert_eq!(ask(&client_at(unspecified), asked, b"who?"), b"echo -> who?");
        }
    }
}

#[test]
fn an_empty_datagram_is_answered_and_the_server_lives() {
    for (prefix, expected) in [("echo -> ", "echo -> "), ("", "")] {
        for host in ["127.0.0.1", ""] {
            for server in each(&["--prefix", prefix, "--host", host]) {
                let client = peer::client();
                assert_eq!(ask(&client, server.address, b""), expected.as_bytes());
                let expected = format!("{expected}still there?");
                assert_eq!(ask(&client, server.address, b"still there?"), expected.as_bytes());
                stops_with_account(server, "received 2, answered 2");
            }
        }
    }
}

#[test]
fn every_size_comes_back_whole() {
    let sizes = [1, 7, 8, 1024, 1025, 1472, 1473, 2048, 8192, 8193, 9216, 32_768, 65_499];
    let largest = noise(65_527);
    for (host, most) in [("127.0.0.1", 65_507), ("::1", 65_527), ("", 65_507)] {
        for server in each(&["--prefix", "", "--host", host]) {
            let ip = server.address.ip();
            let client = client_at((ip, 0));
            let mut count = 0;
            for size in sizes.into_iter().chain(65_500..=most).filter(|size| can_be_sent(*size)) {
                let data = &largest[..size];
                assert!(ask(&client, server.address, data) == data, "{size} bytes by {ip}");
                count += 1;
            }
            stops_with_account(server, &format!("received {count}, answered {count}"));
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_has_no_room_left_for_the_prefix_is_counted_and_told_once() {
    let largest = noise(65_527);
    for (host, most) in [("127.0.0.1", 65_499), ("::1", 65_519), ("", 65_499)] {
        for server in each(&["--host", host]) {
            let client = client_at((server.address.ip(), 0));
            assert!(ask(&client, server.address, &largest[..most]) == echo(&largest[..most]), "{host}");
            for size in most + 1..=most + 8 {
                client.send_to(&largest[..size], server.address).unwrap();
                // The server takes them in turn: when this comes back, the one before it has been dealt with.
                assert_eq!(ask(&client, server.address, &size.to_be_bytes()), echo(&size.to_be_bytes()));
            }
            let stderr = server.stops_well();
            let too_large = format!("cannot send {} bytes to {}", most + 9, client.local_addr().unwrap());
            let lines: Vec<&str> = stderr.lines().collect();
            assert!(lines.len() == 2 && lines[0].contains(&too_large), "{stderr}");
            assert_eq!(lines[1], "udp-echo-server: received 17, answered 9, too large to answer 8");
        }
    }
}

#[test]
fn two_clients_at_once_get_their_own_and_nothing_else() {
    for server in each(&[]) {
        let (one, other) = (peer::client(), peer::client());
        let text = |name: &str, round: usize| format!("{name} {round}").into_bytes();
        for round in 0..50 {
            one.send_to(&text("one", round), server.address).unwrap();
            other.send_to(&text("other", round), server.address).unwrap();
        }
        for round in 0..50 {
            assert_eq!(next(&other, server.address), echo(&text("other", round)));
            assert_eq!(next(&one, server.address), echo(&text("one", round)));
        }
        stops_with_account(server, "received 100, answered 100");
    }
}

#[test]
fn a_burst_is_answered_one_by_one() {
    for server in each(&["--host", ""]) {
        let client = peer::client();
        for number in 0..100u32 {
            client.send_to(&number.to_be_bytes(), server.address).unwrap();
        }
        for number in 0..100u32 {
            assert_eq!(next(&client, server.address), echo(&number.to_be_bytes()));
        }
        stops_with_account(server, "received 100, answered 100");
    }
}

#[test]
fn bytes_are_bytes() {
    for server in each(&[]) {
        let client = peer::client();
        let every_byte: Vec<u8> = (0..=255).collect();
        for data in [&every_byte[..], b"\0", b"\n", b"\xff\xfe", b"echo -> echo -> "] {
            assert_eq!(ask(&client, server.address, data), echo(data));
        }
    }
}

#[test]
fn a_client_that_is_gone_before_its_answer_disturbs_nobody() {
    for server in each(&[]) {
        let staying = peer::client();
        for number in 0..50u8 {
            peer::client().send_to(b"and off", server.address).unwrap();
            assert_eq!(ask(&staying, server.address, &[number]), echo(&[number]));
        }
        stops_with_account(server, "received 100, answered 100");
    }
}
