//! The server as its users meet it: started as a program, and asked by clients that the standard library has.

#![forbid(unsafe_code)]

mod harness;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

use harness::{Client, PATIENCE, Server};

/// Most of what a user meets is the same in each.
const DESIGNS: &[&[&str]] =
    if cfg!(target_os = "linux") { &[&["--design=simple"], &["--design=batch"]] } else { &[&["--design=simple"]] };

/// A server of each design.
fn each(arguments: &[&str]) -> impl Iterator<Item = Server> {
    DESIGNS.iter().map(move |design| Server::start(&[design, arguments].concat()))
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo-server"));
    command.timeout(PATIENCE);
    command
}

#[test]
fn the_lectures_exchange() {
    for server in each(&["--verbose"]) {
        let client = Client::new();
        assert_eq!(client.ask(b"Hello world", &server), b"echo -> Hello world");
        let address = client.0.local_addr().unwrap();
        assert_eq!(server.line(), format!("UDP server: \"Hello world\" from {address}"));
        assert_eq!(client.ask(b"\x1b[2J", &server), b"echo -> \x1b[2J");
        assert_eq!(
            server.line(),
            format!("UDP server: \"\\x1b[2J\" from {address}"),
            "nothing for a terminal to act on"
        );
    }
}

#[test]
fn without_a_prefix_a_datagram_comes_back_as_it_went() {
    for server in each(&["--prefix", ""]) {
        let every_byte: Vec<u8> = (0..=255).collect();
        for data in [&every_byte[..], b"Hello world", b"\0", b"echo -> "] {
            assert_eq!(Client::new().ask(data, &server), data);
        }
    }
}

#[test]
fn an_empty_datagram_is_answered_and_is_not_the_end() {
    for prefix in ["echo -> ", ""] {
        for server in each(&["--prefix", prefix]) {
            let client = Client::new();
            assert_eq!(client.ask(b"", &server), prefix.as_bytes());
            assert_eq!(client.ask(b"still there?", &server), format!("{prefix}still there?").as_bytes());
        }
    }
}

#[test]
fn nothing_is_cut_off_of_a_large_datagram() {
    for server in each(&["--prefix", ""]) {
        let client = Client::new();
        let data: Vec<u8> = (0..65_507).map(|number: u32| (number % 251) as u8).collect();
        for length in [1024, 1025, 1473, 2048, 8193, 65_507] {
            // Some systems let a datagram have no more than 9,216 bytes.
            if client.send(&data[..length], &server) {
                assert!(client.next(&server) == data[..length], "{length}");
            }
        }
    }
}

#[test]
fn a_datagram_with_no_room_left_for_the_prefix_is_not_the_end() {
    for server in each(&[]) {
        let client = Client::new();
        let largest = [65_507, 9216].into_iter().find(|length| client.send(&vec![b'x'; *length], &server));
        assert!(largest.is_some() && client.got_nothing(&server));
        assert_eq!(client.ask(b"still there?", &server), b"echo -> still there?");
    }
}

#[test]
fn each_datagram_is_answered_by_itself_however_many_are_waiting() {
    for server in each(&[]) {
        let client = Client::new();
        for number in 0..50 {
            assert!(client.send(format!("datagram {number}").as_bytes(), &server));
        }
        for number in 0..50 {
            assert_eq!(client.next(&server), format!("echo -> datagram {number}").as_bytes());
        }
    }
}

#[test]
fn two_clients_share_one_socket_and_each_gets_its_own() {
    for server in each(&[]) {
        let (one, other) = (Client::new(), Client::new());
        for round in 0..20 {
            assert!(one.send(format!("one {round}").as_bytes(), &server));
            assert_eq!(
                other.ask(format!("other {round}").as_bytes(), &server),
                format!("echo -> other {round}").as_bytes()
            );
            assert_eq!(one.next(&server), format!("echo -> one {round}").as_bytes());
        }
    }
}

#[test]
fn a_client_that_is_gone_before_its_answer_disturbs_nobody() {
    for server in each(&[]) {
        for _ in 0..20 {
            assert!(Client::new().send(b"and off", &server));
            assert_eq!(Client::new().ask(b"staying", &server), b"echo -> staying");
        }
    }
}

#[test]
fn a_loop_with_another_echo_server_comes_to_an_end_unless_it_is_allowed() {
    for (arguments, ends) in [(&[][..], true), (&["--no-loop-guard"], false)] {
        let server = Server::start(arguments);
        let other = Client::new();
        let mut flying = b"somebody forged this".to_vec();
        let mut rounds = 0;
        while rounds < 500 && other.send(&flying, &server) && !other.got_nothing(&server) {
            flying = other.next(&server);
            rounds += 1;
        }
        assert_eq!(rounds < 500, ends, "{rounds} rounds with {arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")] // Elsewhere 127.0.0.1 is the only one of its kind, and its port is taken.
fn a_client_whose_port_is_the_servers_own_is_answered_only_if_allowed() {
    for (arguments, is_answered) in [(&[][..], false), (&["--allow-same-port"], true)] {
        let server = Server::start(arguments);
        let client = Client::at(([127, 0, 0, 2], server.address.port()).into());
        assert!(client.send(b"Hello world", &server));
        assert_eq!(client.got_nothing(&server), !is_answered);
    }
}

#[test]
#[cfg(unix)]
fn asked_to_stop_it_gives_its_account_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[]);
        let client = Client::new();
        for data in ["Hello world", ""] {
            client.ask(data.as_bytes(), &server);
        }
        let (status, stderr) = server.end_by(signal);
        let expected = "udp-echo-server: received 2, answered 2\n";
        assert_eq!((status.code(), &*stderr), (Some(0), expected), "{signal}");
    }
}

#[test]
#[cfg(unix)]
fn the_trace_shows_the_calls_of_the_lecture_in_their_order() {
    let server = Server::start(&["--trace", "--design", "simple"]);
    Client::new().ask(b"Hello world", &server);
    let (_, stderr) = server.end_by("TERM");
    let calls = stderr.lines().filter_map(|line| Some(line.split_whitespace().nth(1)?.split_once('(')?.0));
    let lectures: Vec<&str> =
        calls.filter(|call| !["setsockopt", "getsockopt", "getsockname"].contains(call)).collect();
    assert_eq!(lectures, ["socket", "bind", "recvfrom", "sendto", "close"], "{stderr}");
}

#[test]
fn what_keeps_it_from_starting_is_told_in_one_line_and_a_hint() {
    let first = Server::start(&[]);
    let port = first.address.port().to_string();
    for (host, port, cause) in [("127.0.0.1", &*port, "address already in use"), ("192.0.2.1", "0", "")] {
        let expected = format!("udp-echo-server: cannot listen on {host}:{port}: ");
        let run = command().args(["--host", host, "--port", port]).assert().code(1).stdout("");
        let run = run.stderr(starts_with(expected).and(contains("\nhint: ")).and(contains("\n").count(2)));
        if cfg!(unix) {
            run.stderr(contains(cause));
        }
    }
    assert_eq!(Client::new().ask(b"first", &first), b"echo -> first");
}

#[test]
fn help_names_every_option_and_bad_usage_is_told_with_status_2() {
    let mut help = command().arg("--help").assert().success();
    let with_values = ["--host <HOST>", "--port <PORT>", "--prefix <TEXT>", "--rate-limit <N>", "--trace-file <FILE>"];
    let others = ["--allow-same-port", "--allow-low-ports", "--no-loop-guard", "--verbose", "--trace", "--version"];
    let faults = ["--drop <SHARE>", "--delay <TIME>", "--truncate <N>", "--seed <N>"];
    for option in with_values.into_iter().chain(others).chain(faults) {
        help = help.stdout(contains(option));
    }
    command().arg("--version").assert().success().stdout(starts_with("udp-echo-server 0."));
    for wrong in ["--port=65536", "--rate-limit=0", "--rate-limit=many", "--drop=10", "--buffer=1024", "-x", "word"] {
        command().arg(wrong).assert().code(2).stdout("").stderr(starts_with("error: "));
    }
    #[cfg(unix)]
    {
        let network =
            ["--port=0", "--host=localhost", "--receive-buffer=1MiB", "--allow-same-port", "--rate-limit=off"];
        for other in network {
            command().args(["--unix=file", other]).assert().code(2).stdout("").stderr(contains("cannot be used with"));
        }
        for other in network.into_iter().chain(["--verbose"]) {
            // There is no file whose mode it could be.
            command().args(["--unix-mode=600", other]).assert().code(2).stdout("").stderr(starts_with("error: "));
        }
    }
}

#[test]
#[cfg(unix)]
fn what_a_bad_network_drops_is_never_answered() {
    let server = Server::start(&["--drop", "100%"]);
    let client = Client::new();
    for data in [&b"one"[..], b"two"] {
        assert!(client.send(data, &server));
    }
    let (status, stderr) = server.end_by("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(stderr.contains("answered 0"), "{stderr}");
}
