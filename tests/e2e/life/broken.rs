//! Servers whose own socket breaks: whoever started them has it too, and shuts it down.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::Shutdown as Direction;

use super::shell;
use crate::harness::{Process, SOON, Server, eventually, without_account};

/// A server that was handed this socket, ready to serve.
fn started_with(socket: impl Into<OwnedFd>, name: &str, arguments: &[&str]) -> Process {
    let script = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
    let mut process = Process::start_with(shell(script, name, arguments), socket.into());
    assert!(process.line().contains(": listening on "));
    process
}

/// How many lines of a trace tell of this call, and have this in them.
fn traced(trace: &Path, call: &str, what: &str) -> usize {
    let (trace, call) = (std::fs::read_to_string(trace).unwrap(), format!(r#""call":"{call}""#));
    trace.lines().filter(|line| line.contains(&call) && line.contains(what)).count()
}

/// Who is being served is served to the end, and has an hour for that. Meanwhile the server has said why it stops, and somebody
/// asks it to: for the first time.
#[test]
fn a_server_whose_listening_socket_is_broken_stops_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    for (name, design) in [
        ("tcp-echo-server", &["--workers=1"][..]),
        ("tcp-echo-server", &["--workers=3"]),
        ("tcp-echo-server", &["--design=threads"]),
        ("tiny-web", &["--workers=1"]),
        ("tiny-web", &["--workers=3"]),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let arguments =
            [design, &["--drain=1h", "--idle-timeout=1h", "--trace-file", trace.to_str().unwrap()]].concat();
        let process = started_with(listener.try_clone().unwrap(), name, &arguments);
        let server = Server { process, address: listener.local_addr().unwrap() };
        // Each is the client of another loop.
        let mut clients = [0; 3].map(|_| server.connect());
        for client in &mut clients {
            client.write_all(b"GET /half HTTP/1.1\r\n").unwrap();
        }
        eventually("all to be served", || traced(&trace, "recv", "/half") == clients.len());
        rustix::net::shutdown(&listener, Direction::Read).unwrap();
        let said = format!("{name}: cannot accept clients: invalid argument\n");
        server.process.stderr_has(&said);
        server.process.signal("TERM");
        for mut client in clients {
            client.write_all(b"Host: a\r\n\r\n").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            let is_whole =
                if name == "tiny-web" { reply.contains("\r\n\r\n") } else { reply.ends_with("Host: a\r\n\r\n") };
            assert!(is_whole, "{name} {design:?}: {reply:?}");
        }
        let (status, _, stderr) = server.finish();
        assert_eq!((status.code(), without_account(&stderr)), (Some(1), said), "{name} {design:?}");
        assert_eq!(stderr.contains(": connections 3, "), name == "tcp-echo-server", "{name} {design:?}: {stderr}");
    }
}

/// The kernel calls such a socket ready for ever, and has nothing to receive.
#[test]
fn a_datagram_server_whose_socket_is_shut_down_says_so_instead_of_never_resting() {
    let name = "udp-echo-server";
    for design in ["--design=batch", "--design=simple", "--delay=1ms"] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let process = started_with(socket.try_clone().unwrap(), name, &[design]);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client.send_to(b"a", socket.local_addr().unwrap()).unwrap();
        client.recv(&mut [0; 16]).unwrap();
        // It isn't connected, which is an error, and it is done all the same.
        let _ = rustix::net::shutdown(&socket, Direction::Read);
        let (status, _, stderr) = process.finish();
        assert_eq!(status.code(), Some(1), "{design}: {stderr}");
        let said =
            format!("{name}: cannot receive datagrams: the socket was shut down\n{name}: received 1, answered 1");
        assert!(stderr.contains(&said) && stderr.matches(": cannot ").count() == 1, "{design}: {stderr}");
    }
}
