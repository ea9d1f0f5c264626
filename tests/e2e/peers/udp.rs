//! UDP: ncat, socat, netcat and the lecture's programs.

use std::net::UdpSocket;
use std::process::Command;

use super::{PeerServer, is_answered, lectures, theirs};
use crate::harness::{Server, run, run_command, run_with_input};
use crate::udp::peer::without_asking_twice;

/// How long our client waits before it sends again. Nothing gets lost on this machine, but it may be busy.
const LONG: &str = "60s";

fn unused_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Their client gets an answer to each datagram, from our server on one address and on every interface. Some of them connect
/// their socket, and see an answer only if it comes from the address that they asked.
fn their_client(client: impl Fn(&str, &str) -> Option<Command>) {
    let servers = [
        (Server::start("udp-echo-server", &[]), vec!["127.0.0.1"]),
        (Server::start("udp-echo-server", &["--host", ""]), vec!["127.0.0.1", "127.0.0.2", "::1"]),
    ];
    for (server, hosts) in servers {
        for host in &hosts {
            let Some(client) = client(host, &server.port()) else { return };
            is_answered(client, &["Hello", "a second time", "\u{1b}[31m and \u{e4}"]);
        }
        let answered = 3 * hosts.len();
        assert_eq!(server.stops_well(), format!("udp-echo-server: received {answered}, answered {answered}\n"));
    }
}

#[test]
fn ncat_is_answered_by_our_server() {
    // At the end of its input it leaves without waiting for an answer, so its input stays open here.
    their_client(|host, port| theirs("ncat", &["-u", host, port]));
}

#[test]
fn netcat_is_answered_by_our_server() {
    their_client(|host, port| theirs("nc.openbsd", &["-u", host, port]));
}

#[test]
fn socat_is_answered_by_our_server() {
    for kind in ["UDP", "UDP-SENDTO", "UDP-DATAGRAM"] {
        their_client(|host, port| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            theirs("socat", &["-", &format!("{kind}:{host}:{port}")])
        });
    }
}

#[test]
fn the_lectures_client_is_answered_by_our_server() {
    let server = Server::start("udp-echo-server", &[]);
    let Some(client) = lectures("udpclient.py", &[&server.port()]) else { return };
    run_command(client, b"").printed("echo -> Hello world\n");
    // It reads 1,024 bytes, and its system throws the rest of the datagram away. Unlike with TCP, nobody hears of it.
    let client = lectures("udpclient.py", &[&server.port(), &"x".repeat(2000)]).unwrap();
    run_command(client, b"").printed(&format!("echo -> {}\n", "x".repeat(1016)));
    assert_eq!(server.stops_well(), "udp-echo-server: received 2, answered 2\n");
}

/// Our client gets an answer to each of its datagrams from their server, which it has for itself: a second client would be
/// a stranger to a server that has connected its socket to the first. What it asks twice, they may answer with one datagram.
fn our_client(start: impl Fn() -> PeerServer) {
    let answers = without_asking_twice(|| {
        let server = start();
        let arguments = [&server.host(), &server.port(), "-", "--timeout", LONG, "--verbose"];
        run_with_input("udp-echo-client", &arguments, b"Hello\na second time\n\xff\n")
    });
    assert_eq!(answers.text(), "Hello\na second time\n\u{fffd}\n", "{answers:?}");
    assert!(answers.status.success(), "{answers:?}");
}

#[test]
fn our_client_is_answered_by_socat() {
    let socat = || theirs("socat", &["-d", "-d", "UDP4-LISTEN:0,bind=127.0.0.1", "PIPE"]);
    if socat().is_some() {
        our_client(|| PeerServer::start(|| 0, |_| socat().unwrap()));
    }
}

#[test]
fn our_client_is_answered_by_socat_with_a_process_for_each_datagram() {
    let socat = |port| theirs("socat", &["-d", "-d", &format!("UDP4-RECVFROM:{port},bind=127.0.0.1,fork"), "EXEC:cat"]);
    if socat(0).is_some() {
        our_client(|| PeerServer::start(unused_port, |port| socat(port).unwrap()));
    }
}

#[test]
fn our_client_is_answered_by_ncat() {
    // Without -k: it serves one client, with one cat, both of which end with it.
    let ncat = |port: u16| theirs("ncat", &["-v", "-u", "-l", "127.0.0.1", &port.to_string(), "-e", "/bin/cat"]);
    if ncat(0).is_some() {
        our_client(|| PeerServer::start(unused_port, |port| ncat(port).unwrap()));
    }
}

#[test]
fn our_client_notices_that_socat_has_cut_its_datagram() {
    let socat = || theirs("socat", &["-d", "-d", "UDP4-LISTEN:0,bind=127.0.0.1", "PIPE"]);
    if socat().is_none() {
        return;
    }
    // socat reads 8,192 bytes at once. What a datagram has beyond that is lost.
    for (length, whole) in [(8192, true), (8193, false), (60_000, false)] {
        let server = PeerServer::start(|| 0, |_| socat().unwrap());
        let message = "x".repeat(length);
        let reply = run("udp-echo-client", &[&server.host(), &server.port(), &message, "--timeout", LONG]);
        assert_eq!(reply.stdout.len(), 8192 + 1);
        if whole { reply.printed(&format!("{message}\n")) } else { reply.failed_with("it differs from what was sent") }
    }
}

#[test]
fn our_client_is_answered_by_the_lectures_server_until_an_empty_datagram_ends_it() {
    if lectures("udpserver.py", &[]).is_none() {
        return;
    }
    let mut server = PeerServer::start(|| 0, |_| lectures("udpserver.py", &[]).unwrap());
    let (host, port) = (server.host(), server.port());
    for _ in 0..2 {
        run("udp-echo-client", &[&host, &port, "--timeout", LONG]).printed("echo -> Hello world\n");
        assert!(server.process.line().starts_with("UDP server: b'Hello world' from ('127.0.0.1', "));
    }
    // An empty datagram is data, but the lecture's loop takes it for the end. Refused or silent, our client says so.
    run("udp-echo-client", &[&host, &port, "", "--timeout", "100ms"]).failed_with("cannot ");
    assert!(server.process.wait().success());
}
