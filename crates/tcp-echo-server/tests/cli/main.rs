//! The server as its users meet it: started as a program, and spoken to by clients that the standard library has.

#![forbid(unsafe_code)]

mod harness;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

use harness::{PATIENCE, Server, ask, rest};

#[cfg(unix)]
const DESIGNS: [&str; 3] = ["iterative", "threads", "events"];
#[cfg(windows)]
const DESIGNS: [&str; 2] = ["iterative", "threads"];

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-server"));
    command.timeout(PATIENCE);
    command
}

#[test]
fn the_lectures_exchange() {
    for design in DESIGNS {
        let server = Server::start(&["--design", design]);
        let port = server.port;
        let expected =
            [format!("tcp-echo-server: listening on 127.0.0.1:{port}"), "tcp-echo-server: this machine only".into()];
        assert_eq!(server.ready_lines, expected);
        assert_eq!(server.exchange(b"Hello world"), b"echo -> Hello world");
        assert_eq!(server.exchange(b""), b"", "a client that says nothing hears nothing");
    }
}

#[test]
fn without_a_prefix_every_byte_comes_back_and_nothing_else() {
    let server = Server::start(&["--prefix", ""]);
    let every_byte: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    assert!(server.exchange(&every_byte) == every_byte, "also what comes after the half-close");
}

#[test]
fn each_piece_that_is_received_has_the_prefix_before_it() {
    let server = Server::start(&["--buffer", "4"]);
    assert_eq!(server.exchange(b"Hello world"), b"echo -> Hellecho -> o woecho -> rld");
}

#[test]
fn many_messages_on_one_connection_are_answered_in_their_order() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for number in 0..200 {
        assert_eq!(ask(&mut client, &format!("message {number}")), format!("echo -> message {number}"));
    }
}

#[test]
fn a_second_client_is_served_while_the_first_is_silent() {
    let server = Server::start(&[]);
    let mut first = server.connect();
    assert_eq!(ask(&mut first, "one"), "echo -> one");
    assert_eq!(server.exchange(b"two"), b"echo -> two");
    assert_eq!(ask(&mut first, "three"), "echo -> three");
}

#[test]
fn one_client_at_a_time_makes_the_second_wait_for_the_first() {
    for arguments in [["--design", "iterative"], ["--max-connections", "1"]] {
        let server = Server::start(&arguments);
        let mut first = server.connect();
        assert_eq!(ask(&mut first, "one"), "echo -> one");
        let mut second = server.connect();
        second.write_all(b"two").unwrap();
        for _ in 0..20 {
            assert_eq!(ask(&mut first, "still here"), "echo -> still here");
        }
        second.set_nonblocking(true).unwrap();
        assert_eq!(second.read(&mut [0; 100]).unwrap_err().kind(), ErrorKind::WouldBlock, "{arguments:?}");
        second.set_nonblocking(false).unwrap();
        drop(first);
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut second), b"echo -> two");
    }
}

#[test]
#[cfg(unix)] // Elsewhere a connection isn't good for anything after a write that has timed out.
fn a_client_that_reads_only_when_everything_stands_still_gets_every_byte() {
    let server = Server::start(&["--prefix", ""]);
    let mut client = server.connect();
    client.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    let (block, mut sent) = ([b'x'; 64 * 1024], 0);
    // The server's reply has nowhere to go, so it takes nothing more: not for a moment, and not for ever.
    while let Ok(taken) = client.write(&block) {
        sent += taken;
        assert!(sent < 1 << 30, "the server takes whatever comes, and keeps it");
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client).len(), sent);
}

#[test]
fn a_client_that_leaves_without_reading_its_reply_disturbs_nobody() {
    for design in DESIGNS {
        let server = Server::start(&["--design", design]);
        for _ in 0..3 {
            let mut client = server.connect();
            client.write_all(b"Hello world").unwrap();
            client.peek(&mut [0]).unwrap();
            // To close a connection with a reply in it that nobody has read resets it, and the server's recv fails.
            drop(client);
        }
        assert_eq!(server.exchange(b"Hello world"), b"echo -> Hello world", "{design}");
    }
}

#[test]
fn a_client_that_is_silent_for_too_long_is_cut_off() {
    let server = Server::start(&["--idle-timeout", "100ms", "--once"]);
    assert_eq!(rest(&mut server.connect()), b"");
    let (status, stderr) = server.end();
    assert!(
        status.success()
            && stderr.contains(": silent for 100ms\n")
            && stderr.ends_with(", timed out 1, reset by clients 0\n"),
        "{status}, {stderr}"
    );
}

#[test]
fn the_trace_shows_the_calls_of_the_lecture_in_their_order() {
    let server = Server::start(&["--trace", "--once", "--design", "iterative", "--backlog", "5"]);
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "Hello world"), "echo -> Hello world");
    client.shutdown(Shutdown::Write).unwrap();
    let (status, stderr) = server.end();
    let calls = stderr.lines().filter_map(|line| Some(line.split_whitespace().nth(1)?.split_once('(')?.0));
    let lectures: Vec<&str> = calls.filter(|call| !["setsockopt", "getsockname"].contains(call)).collect();
    let expected = ["socket", "bind", "listen", "accept", "recv", "send", "recv", "close", "close"];
    assert_eq!((lectures.as_slice(), status.code()), (&expected[..], Some(0)), "{stderr}");
    assert!(stderr.contains(", 5) = 0\n"), "the queue's length is what was asked for: {stderr}");
}

#[test]
#[cfg(unix)]
fn asked_to_stop_it_lets_its_clients_finish_and_exits_with_0() {
    for (signal, design) in [("TERM", "threads"), ("INT", "events"), ("TERM", "iterative")] {
        // Longer than the test would wait.
        let server = Server::start(&["--drain", "10m", "--design", design]);
        let mut client = server.connect();
        assert_eq!(ask(&mut client, "before"), "echo -> before");
        server.signal(signal);
        assert_eq!(ask(&mut client, "after"), "echo -> after");
        drop(client);
        let (status, stderr) = server.end();
        let counted = "connections 1, received 11 bytes, sent 27 bytes, refused 0, timed out 0, reset by clients 0";
        let account = format!("tcp-echo-server: {counted}\n");
        assert_eq!((status.code(), stderr.as_str()), (Some(0), &*account), "{signal}, {design}");
    }
}

#[test]
#[cfg(unix)]
fn a_client_that_is_cut_off_while_it_sends_reads_an_end_and_no_reset() {
    let server = Server::start(&["--drain", "0s", "--design", "iterative"]);
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "before"), "echo -> before");
    // While the server stands still, both happen: going on, it finds input that it has no time for.
    server.signal("STOP");
    client.write_all(b"too late").unwrap();
    server.signal("TERM");
    server.signal("CONT");
    // It may have answered in the moment before it stood still. What counts is that this is read, and an end, and no reset.
    let last = rest(&mut client);
    assert!(last.is_empty() || last == b"echo -> too late", "{}", last.escape_ascii());
    drop(client);
    let (status, stderr) = server.end();
    assert!(status.success() && stderr.contains(": still connected at the end of the drain"), "{status}, {stderr}");
}

#[test]
fn what_keeps_it_from_starting_is_told_in_one_line_and_a_hint() {
    let first = Server::start(&[]);
    let port = first.port.to_string();
    for (host, port, cause) in [("127.0.0.1", &*port, "address already in use"), ("192.0.2.1", "0", "")] {
        let expected = format!("tcp-echo-server: cannot listen on {host}:{port}: ");
        let run = command().args(["--host", host, "--port", port]).assert().code(1).stdout("");
        let run = run.stderr(starts_with(expected).and(contains("\nhint: ")).and(contains("\n").count(2)));
        if cfg!(unix) {
            run.stderr(contains(cause));
        }
    }
    assert_eq!(first.exchange(b"Hello world"), b"echo -> Hello world");
}

#[test]
fn help_names_every_option_and_bad_usage_is_told_with_status_2() {
    let mut help = command().arg("--help").assert().success();
    let of_numbers = ["--port <PORT>", "--backlog <N>", "--buffer <BYTES>", "--max-connections <N>"];
    let of_times = ["--idle-timeout <TIME>", "--drain <TIME>"];
    let others =
        ["--host <HOST>", "--design <DESIGN>", "--prefix <TEXT>", "--once", "--verbose", "--trace-file <FILE>"];
    for option in of_numbers.into_iter().chain(of_times).chain(others) {
        help = help.stdout(contains(option));
    }
    command().arg("--version").assert().success().stdout(starts_with("tcp-echo-server 0."));
    for wrong in ["--port=65536", "--backlog=0", "--buffer=17MiB", "--design=odd", "--idle-timeout=5", "-x", "word"] {
        command().arg(wrong).assert().code(2).stdout("").stderr(starts_with("error: "));
    }
    #[cfg(unix)]
    for other in ["--port=0", "--host=localhost", "--verbose"] {
        // There is no file whose mode it could be.
        command().args(["--unix-mode=600", other]).assert().code(2).stdout("").stderr(starts_with("error: "));
    }
}
