//! Our TCP client against servers that are absent, slow, wrong or endless.

mod keyboard;

use std::io::{Read, Write};
#[cfg(target_os = "linux")]
use std::net::SocketAddr;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::fd::OwnedFd;

#[cfg(target_os = "linux")]
use crate::harness::{Process, connect, eventually};
use crate::harness::{SOON, Server, command, program, run, run_command, run_with_input};
use crate::trace::lines::refusing_tcp_port;

/// A server that treats its one client so, and the port it listens on. It ends when the client has gone.
fn server_that(treats: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || treats(listener.accept().unwrap().0));
    port
}

/// Reads until the client has said all.
fn hear_out(mut client: &TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    heard
}

fn client(port: &str, more: &[&str]) -> crate::harness::Outcome {
    run("tcp-echo-client", &[&["127.0.0.1", port][..], more].concat())
}

#[test]
fn nobody_there_says_what_happened_at_each_address() {
    let (_taken, address) = refusing_tcp_port();
    let port = address.port().to_string();
    let outcome = client(&port, &[]);
    outcome.failed_with(&format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    assert!(outcome.stderr.lines().any(|line| line.starts_with("hint: nothing listens there")));
    run("tcp-echo-client", &["localhost", &port]).failed_with(&format!("127.0.0.1:{port}: connection refused"));
    run("tcp-echo-client", &["no.such.name.invalid"]).failed_with("cannot resolve \"no.such.name.invalid\": ");
}

/// A listening socket whose queue is full, its address, and who waits there: whoever comes now is not answered.
#[cfg(target_os = "linux")]
fn full_queue() -> (OwnedFd, SocketAddr, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &std::net::SocketAddrV4::new([127, 0, 0, 1].into(), 0)).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    // A queue of length 0 holds one. That a second isn't answered within some time would not tell that the first is in it.
    let waiting = vec![connect(&address)];
    let (it, listens) = (format!(" 0100007F:{:04X} ", address.port()), " 0A ");
    eventually("a client in the queue", || {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        table.lines().any(|line| line.contains(&it) && line.contains(&format!("{listens}00000000:00000001 ")))
    });
    (listener, address, waiting)
}

#[test]
#[cfg(target_os = "linux")] // Other systems have longer queues than they are asked for.
fn a_server_whose_queue_is_full_is_not_waited_for_longer_than_the_timeout() {
    let (_listener, address, _waiting) = full_queue();
    let outcome = client(&address.port().to_string(), &["--timeout", "300ms"]);
    outcome.failed_with(&format!("cannot connect to {address}: connection timed out"));
}

/// Stopped (Ctrl-Z) while `connect` waits, and continued (`fg`): connect(2) returns EINTR, and goes on all the same.
#[test]
#[cfg(target_os = "linux")]
fn a_client_that_is_stopped_while_it_connects_goes_on_when_it_is_continued() {
    use rustix::net::{accept, recv, send};
    let (listener, address, waiting) = full_queue();
    let mut client = command(program("tcp-echo-client"));
    client.args(["127.0.0.1", &address.port().to_string(), "--timeout", "60s", "--trace"]);
    let client = Process::start(client);
    let table = format!("/proc/{}/net/tcp", client.id());
    let (there, syn_sent) = (format!(" 0100007F:{:04X} ", address.port()), "02");
    eventually("a client that connects", || {
        let table = std::fs::read_to_string(&table).unwrap();
        table.lines().any(|line| line.contains(&format!("{there}{syn_sent} ")))
    });
    client.signal("STOP");
    let is_stopped = || std::fs::read_to_string(format!("/proc/{}/stat", client.id())).unwrap().contains(") T ");
    eventually("a client that stands still", is_stopped);
    client.signal("CONT");
    client.stderr_has(&format!(", {address}) = -1 EINTR"));
    // Now there is room for it. Those before it have nothing to say.
    drop(waiting);
    let served = loop {
        let connection = accept(&listener).unwrap();
        let mut message = [0; 11];
        if recv(&connection, &mut message, rustix::net::RecvFlags::WAITALL).is_ok_and(|(length, _)| length > 0) {
            send(&connection, &message, rustix::net::SendFlags::empty()).unwrap();
            break message;
        }
    };
    assert_eq!(&served, b"Hello world");
    let (status, stdout, stderr) = client.finish();
    assert_eq!((status.code(), stdout.as_str()), (Some(0), "Hello world\n"), "{stderr}");
}

#[test]
fn a_silent_server_is_given_up() {
    for words in [&["Hello"][..], &["-"]] {
        let port = server_that(|client| {
            hear_out(&client);
            thread::sleep(SOON); // The test is over long before.
        });
        let arguments = [&["127.0.0.1", &port, "--timeout", "300ms"][..], words].concat();
        let outcome = run_with_input("tcp-echo-client", &arguments, b"Hello");
        outcome.failed_with(&format!("cannot get a reply from 127.0.0.1:{port}: "));
    }
}

#[test]
fn a_server_that_drips_does_not_hold_the_client_for_ever() {
    let port = server_that(|mut client| {
        while client.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    // Each drip is within the timeout, but all of them together are not. What drips is wrong, but only from byte 1 on.
    let message = "H".repeat(10_000);
    client(&port, &["--timeout", "500ms", &message]).failed_with("it is not complete after 500ms");
}

#[test]
fn nor_does_it_with_stdin_if_there_is_a_deadline() {
    let port = server_that(|mut client| {
        while client.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let arguments = ["127.0.0.1", &port, "--deadline", "500ms", "-"];
    let outcome = run_with_input("tcp-echo-client", &arguments, &[b'H'; 10_000]);
    outcome.failed_with(&format!("cannot get all of the reply from 127.0.0.1:{port}: it is not complete after 500ms"));
}

#[test]
fn a_server_that_never_stops_is_stopped() {
    let port = server_that(|mut client| while client.write_all(&[b'x'; 4096]).is_ok() {});
    // As far as the message goes, the reply may be right; then it must not go on.
    let outcome = client(&port, &["--prefix", "x", &"x".repeat(1000)]);
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr);
    assert!(outcome.stdout.len() < 1 << 20);
}

#[test]
fn a_wrong_reply_is_printed_and_told() {
    let cases = [
        ("echo -> Hullo", "it differs from what was sent, from byte 1 on"),
        ("echo -> Hello, too much", "it differs from what was sent, from byte 5 on"),
        ("echo -> Hell", "it ended early: 4 of 5 bytes came back"),
        ("", "it ended early: 0 of 5 bytes came back"),
    ];
    for (reply, expected) in cases {
        for words in [&["Hello"][..], &["-"]] {
            let port = server_that(|mut client| {
                hear_out(&client);
                client.write_all(reply.as_bytes()).unwrap();
            });
            let outcome = run_with_input("tcp-echo-client", &[&["127.0.0.1", &port][..], words].concat(), b"Hello");
            outcome.failed_with(&format!("cannot accept the reply of 127.0.0.1:{port}: {expected}"));
            assert_eq!(outcome.text().trim_end(), reply);
        }
    }
}

#[test]
fn a_plain_echo_and_a_strange_prefix() {
    for (reply, more, right) in [
        ("Hello", &[][..], true),
        ("server says: Hello", &["--prefix", "server says: "], true),
        ("server says: Hello", &[], false),
        ("Hello", &["--prefix", ""], true),
        ("echo -> Hello", &["--prefix", ""], false),
    ] {
        let port = server_that(|mut client| {
            hear_out(&client);
            client.write_all(reply.as_bytes()).unwrap();
        });
        let outcome = client(&port, &[more, &["Hello"]].concat());
        assert_eq!(outcome.status.success(), right, "{reply:?} with {more:?}: {outcome:?}");
    }
}

#[test]
fn a_connection_that_breaks_is_an_error() {
    let port = server_that(|client| {
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    });
    let outcome = client(&port, &[]);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains(&format!("127.0.0.1:{port}: ")), "{}", outcome.stderr);
}

#[test]
fn stdout_gone_is_no_error_but_stdout_full_is() {
    let server = Server::start("tcp-echo-server", &[]);
    for (script, expected) in [("\"$@\" | true && \"$@\" >&-", Some(0)), ("\"$@\" >/dev/full", Some(1))]
        .into_iter()
        .take(if cfg!(target_os = "linux") { 2 } else { 1 })
    {
        let mut shell = command("bash");
        shell.args(["-o", "pipefail", "-c", script, "bash"]).arg(program("tcp-echo-client"));
        shell.args([server.host(), server.port()]);
        let outcome = run_command(shell, b"");
        assert_eq!(outcome.status.code(), expected, "{script}: {outcome:?}");
    }
}

#[test]
fn a_message_may_be_of_any_bytes_and_even_empty() {
    let server = Server::start("tcp-echo-server", &[]);
    run("tcp-echo-client", &[&server.host(), &server.port(), ""]).printed("");
    run("tcp-echo-client", &[&server.host(), &server.port(), "två", "ord"]).printed("echo -> två ord\n");
    run("tcp-echo-client", &[&server.host(), &server.port(), "--", "-n", "x"]).printed("echo -> -n x\n");
    assert_eq!(run_with_input("tcp-echo-client", &[&server.host(), &server.port(), "-"], b"").stdout, b"");
    let bytes: Vec<u8> = (0..=255).collect();
    let reply = run_with_input("tcp-echo-client", &[&server.host(), &server.port(), "-"], &bytes);
    assert_eq!(reply.stdout, [b"echo -> ", &bytes[..]].concat());
    assert_eq!(server.stops_well(), "");
}
