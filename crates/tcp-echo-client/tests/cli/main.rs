//! The client as its users meet it: started as a program, against servers of a few lines, good ones and others.

#![forbid(unsafe_code)]

mod harness;

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, is_match, starts_with};

use harness::{PATIENCE, Server, Typed, hear_out, port_of_nobody, server_that_echoes, server_that_replies};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"));
    command.timeout(PATIENCE);
    command
}

/// Talks to the server on this port of ours.
fn talk(port: &str, arguments: &[&str]) -> Command {
    let mut command = command();
    command.args(["127.0.0.1", port]).args(arguments);
    command
}

/// It has failed, and said why in one line.
fn failed(assert: Assert, why: &str) -> Assert {
    assert.code(1).stderr(starts_with("tcp-echo-client: cannot ").and(contains(why)).and(contains("\n").count(1)))
}

#[test]
fn the_lectures_exchange() {
    let server = Server::that(|mut connection| {
        let mut message = [0; 11];
        connection.read_exact(&mut message).unwrap();
        connection.write_all(b"echo -> Hello world").unwrap();
        (message, hear_out(&mut connection))
    });
    talk(&server.port, &[]).assert().success().stdout("echo -> Hello world\n").stderr("");
    assert_eq!(server.end(), (*b"Hello world", Vec::new()));
}

#[test]
fn the_server_hears_the_end_of_the_message_and_can_still_reply() {
    let server = server_that_replies("echo -> two words");
    talk(&server.port, &["two", "words"]).assert().success().stdout("echo -> two words\n").stderr("");
    assert_eq!(server.end(), b"two words");
    let server = server_that_replies("");
    talk(&server.port, &[""]).assert().success().stdout("").stderr("");
    assert_eq!(server.end(), b"");
}

#[test]
fn a_reply_in_many_pieces_with_a_prefix_before_each_is_put_together() {
    // Longer than the client's buffer, prefixes and all: it can't come in one piece.
    let message = "abcd".repeat(5000);
    let reply = "echo -> abcd".repeat(5000);
    let server = server_that_replies(reply.clone());
    talk(&server.port, &[&message]).assert().success().stdout(reply + "\n").stderr("");
    server.end();
}

#[test]
fn a_plain_echo_is_right_and_another_prefix_can_be_named() {
    for (reply, arguments, is_right) in [
        ("Hello", &["Hello"][..], true),
        ("they say: Hello", &["--prefix", "they say: ", "Hello"], true),
        ("they say: Hello", &["Hello"], false),
        ("echo -> Hello", &["--prefix", "", "Hello"], false),
    ] {
        let server = server_that_replies(reply);
        let run = talk(&server.port, arguments).assert().stdout(starts_with(reply));
        if is_right {
            run.success().stderr("")
        } else {
            failed(run, "it differs from what was sent, from byte 0 on")
        };
        server.end();
    }
}

#[test]
fn a_message_may_contain_the_prefix_itself() {
    for message in ["echo -> ", "echo -> echo -> Hello", "echo ->  echo -> echo", "echo"] {
        for reply in [format!("echo -> {message}"), message.to_owned()] {
            let server = server_that_replies(reply.clone());
            talk(&server.port, &[message]).assert().success().stdout(reply + "\n").stderr("");
        }
    }
}

#[test]
fn a_wrong_reply_and_a_short_one_are_printed_and_told() {
    for (reply, why) in [
        ("echo -> Hullo\n", "it differs from what was sent, from byte 1 on"),
        ("echo -> Hello again\n", "it differs from what was sent, from byte 5 on"),
        ("echo -> Hell", "it ended early: 4 of 5 bytes came back"),
        ("", "it ended early: 0 of 5 bytes came back"),
    ] {
        for (words, input) in [("Hello", ""), ("-", "Hello")] {
            let server = server_that_replies(reply);
            let why = format!("accept the reply of 127.0.0.1:{}: {why}", server.port);
            failed(talk(&server.port, &[words]).write_stdin(input).assert(), &why).stdout(starts_with(reply));
            server.end();
        }
    }
}

#[test]
fn nobody_there_is_told_with_a_hint() {
    let (port, _keeps_it) = port_of_nobody();
    let told = format!("tcp-echo-client: cannot connect to 127.0.0.1:{port}: ");
    let run = talk(&port, &[]).assert().code(1).stdout("").stderr(starts_with(told).and(contains("\n").count(2)));
    if cfg!(unix) {
        run.stderr(contains(": connection refused\nhint: nothing listens there"));
    }
}

#[test]
fn a_server_that_leaves_early_is_told() {
    // To close a connection with a message in it that nobody has read resets it.
    let server = Server::that(|connection| connection.peek(&mut [0]).unwrap());
    let told = format!("127.0.0.1:{}: ", server.port);
    failed(talk(&server.port, &["Hello"]).assert(), &told);
}

#[test]
fn a_silent_server_is_given_up() {
    for (words, why) in [("Hello", "it is not complete after 300ms"), ("-", "it has been silent for 300ms")] {
        let server = Server::that(|mut connection| (hear_out(&mut connection), connection));
        let mut client = talk(&server.port, &["--timeout", "300ms", words]);
        failed(client.write_stdin("Hello").assert(), why).stdout("");
        assert_eq!(server.end().0, b"Hello");
    }
}

#[test]
fn a_server_that_drips_is_given_up_too() {
    // Each byte comes well within the timeout; all of them would take three seconds.
    let server = Server::that(|mut connection| {
        for _ in 0..150 {
            thread::sleep(Duration::from_millis(20));
            if connection.write_all(b"H").is_err() {
                break;
            }
        }
    });
    failed(talk(&server.port, &["--timeout", "300ms", &"H".repeat(1000)]).assert(), "it is not complete after 300ms");
}

#[test]
fn stdin_goes_out_and_comes_back_byte_for_byte() {
    let every_byte: Vec<u8> = (0..=255).collect();
    for input in [&every_byte[..], b"no newline", b"newline\n", b""] {
        let server = server_that_echoes(1000);
        talk(&server.port, &["-"]).write_stdin(input).assert().success().stdout(input.to_vec()).stderr("");
        assert_eq!(server.end(), input.len());
    }
}

#[test]
fn a_long_input_is_read_back_while_it_is_still_sent() {
    // More than all the buffers on the way there and back, of which Linux lets one grow to 32 MiB: if the client only sends,
    // the server soon can't reply.
    let input: Vec<u8> = (0..60 << 20).map(|number: u32| (number % 251) as u8).collect();
    let server = server_that_echoes(64 * 1024);
    let output = talk(&server.port, &["-"]).write_stdin(input.clone()).output().unwrap();
    assert!(output.status.success(), "{}, {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == input, "{} of {} bytes came back", output.stdout.len(), input.len());
}

#[test]
fn what_is_typed_comes_back_before_the_input_ends() {
    let server = server_that_echoes(1000);
    let mut client = Typed::start(&["127.0.0.1", &server.port, "-"]);
    for line in ["first", "second"] {
        writeln!(client.keyboard, "{line}").unwrap();
        assert_eq!(client.screen.recv_timeout(PATIENCE).expect(line), line);
    }
}

#[test]
fn the_trace_shows_the_calls_of_the_lecture_in_their_order() {
    let server = server_that_replies("echo -> Hello world");
    let output = talk(&server.port, &["--trace"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let calls = stderr.lines().filter_map(|line| Some(line.split_whitespace().nth(1)?.split_once('(')?.0));
    // What else there is concerns stdout, and options that differ from system to system.
    let of_sockets = ["socket", "connect", "send", "shutdown", "recv", "close"];
    let lectures: Vec<&str> = calls.filter(|call| of_sockets.contains(call)).collect();
    assert_eq!(lectures, ["socket", "connect", "send", "shutdown", "recv", "recv", "close"], "{stderr}");
}

#[test]
fn help_names_every_option_and_bad_usage_is_told_with_status_2() {
    let mut help = command().arg("--help").assert().success();
    for option in
        ["[HOST] [PORT] [MESSAGE]...", "--prefix <TEXT>", "--timeout <TIME>", "--trace", "--trace-file <FILE>"]
    {
        help = help.stdout(contains(option));
    }
    command().arg("--version").assert().success().stdout(is_match(r"^tcp-echo-client \d+\.\d+\.\d+\n$").unwrap());
    for wrong in [&["127.0.0.1", "0"][..], &["127.0.0.1", "65536"], &["--timeout", "0s"], &["--timeout", "5"], &["-x"]]
    {
        command().args(wrong).assert().code(2).stdout("").stderr(starts_with("error: "));
    }
}
