//! The UDP programs, and what strace sees of them.

use std::net::UdpSocket;
use std::process::Command;

use super::{ONE_THREAD, Order, Tell, client, lines, server, tells_what_strace_sees, watch};
use crate::harness::{SOON, Server, program, run_command};
use crate::udp::peer::without_asking_twice;

/// The main thread wakes the one that receives: which of the two tells of it first is a matter of chance.
const WOKEN_IN_THE_END: Order = |call| (i64::from(call.name == "shutdown"), false);

/// The next probe is sent when it is due, whether the answer to the one before has come or a busy machine takes its time.
const PROBES_AND_ANSWERS: Order = |call| (0, call.name == "send");

/// The command that uses the UDP client so: the word stands before all options.
fn measuring(command: Command, how: &str) -> Command {
    let client = program("udp-echo-client");
    let mut measuring = Command::new(command.get_program());
    for argument in command.get_args() {
        measuring.arg(argument);
        if argument == client {
            measuring.arg(how);
        }
    }
    measuring
}

#[test]
fn udp_echo_client_that_pings_is_refused_or_loads() {
    let server = Server::start("udp-echo-server", &[]);
    let (host, port) = (server.host(), server.port());
    tells_what_strace_sees("udp-echo-client", &[], PROBES_AND_ANSWERS, &|command| {
        let ping = [&host, &port, "--count", "2", "--interval", "200ms", "--timeout", "60s"];
        client(measuring(command, "ping"), &ping, b"")
    });
    // How many come at a time is different each time.
    for tell in [Tell::Json, Tell::Text] {
        let load = |command| {
            client(
                measuring(command, "load"),
                &[&host, &port, "--count", "20", "--flows", "2", "--timeout", "60s"],
                b"",
            )
        };
        let Some((seen, told)) = watch("udp-echo-client", &[], tell, &load) else { return };
        assert_eq!(told, seen, "{tell:?}");
        assert!(seen.iter().any(|call| call.name == "sendmmsg") && seen.iter().any(|call| call.name == "recvmmsg"));
    }
    let (_socket, refusing) = lines::refusing_udp_port();
    let (host, port) = (refusing.ip().to_string(), refusing.port().to_string());
    tells_what_strace_sees("udp-echo-client", &[], ONE_THREAD, &|command| {
        let mut ping = measuring(command, "ping");
        ping.args([&host, &port, "--count", "2", "--interval", "200ms"]);
        let outcome = run_command(ping, b"");
        assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
        outcome.stderr.split("udp-echo-client: ").next().unwrap().to_owned()
    });
}

#[test]
fn udp_echo_client_with_two_lines() {
    let server = Server::start("udp-echo-server", &[]);
    tells_what_strace_sees("udp-echo-client", &[], ONE_THREAD, &|command| {
        let run = || {
            let mut again = Command::new(command.get_program());
            again.args(command.get_args()).args([&server.host(), &server.port(), "-", "--timeout", "60s", "--verbose"]);
            run_command(again, b"Hello world\n\x00\x01\x07\x1b\xff 8\n\n")
        };
        let outcome = without_asking_twice(run);
        assert!(outcome.status.success(), "{outcome:?}");
        outcome.stderr
    });
}

/// Sends three datagrams to a UDP server, each when the one before is answered.
fn three_datagrams(server: &Server, from: &str) {
    let client = UdpSocket::bind(from).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client.connect((client.local_addr().unwrap().ip(), server.address.port())).unwrap();
    for datagram in [&b"Hello world"[..], b"", &[0x1b; 2000]] {
        client.send(datagram).unwrap();
        assert_eq!(client.recv(&mut [0; 4000]).unwrap(), datagram.len() + 8);
    }
}

/// Two long datagrams in one piece, which are too long to be sent back as such, and two short ones, which are not.
#[cfg(target_os = "linux")]
fn two_pieces(server: &Server, from: &str) {
    let client = UdpSocket::bind(from).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    let to = (client.local_addr().unwrap().ip(), server.address.port()).into();
    for length in [2000, 4] {
        let data = vec![b'"'; 2 * length];
        common::datagrams::sendmsg_cut(&client, &[std::io::IoSlice::new(&data)], length as u16, &to, None).unwrap();
        for _ in 0..2 {
            assert_eq!(client.recv(&mut [0; 4000]).unwrap(), length + 8);
        }
    }
}

#[test]
fn udp_echo_server_on_one_address() {
    tells_what_strace_sees("udp-echo-server", &[], ONE_THREAD, &|command| {
        let arguments = ["--host", "127.0.0.1", "--design", "simple"];
        server("udp-echo-server", command, &arguments, &|server| three_datagrams(server, "127.0.0.1:0"))
    });
}

#[test]
fn udp_echo_server_on_every_interface() {
    tells_what_strace_sees("udp-echo-server", &[], ONE_THREAD, &|command| {
        server("udp-echo-server", command, &["--host", "", "--design", "simple"], &|server| {
            three_datagrams(server, "127.0.0.2:0");
            three_datagrams(server, "[::1]:0");
        })
    });
}

#[test]
#[cfg(target_os = "linux")]
fn udp_echo_server_with_many_datagrams_at_once() {
    for host in ["127.0.0.1", ""] {
        tells_what_strace_sees("udp-echo-server", &[], WOKEN_IN_THE_END, &|command| {
            server("udp-echo-server", command, &["--host", host, "--design", "batch"], &|server| {
                three_datagrams(server, "127.0.0.1:0");
                two_pieces(server, "127.0.0.1:0");
            })
        });
    }
}
