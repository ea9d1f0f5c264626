//! `udp-echo-client check` as its users meet it, against servers of a few lines, each with one fault or none.
//!
//! Here is what it says, and when it is over. `servers.rs` has which check finds which fault.

#![forbid(unsafe_code)]

mod harness;
mod servers;

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use predicates::prelude::*;
use predicates::str::{contains, starts_with};

use harness::*;

#[test]
fn a_failure_comes_with_what_was_seen_what_it_means_and_the_fact() {
    let port = server_that_echoes(|data| data[..data.len().min(1000)].to_vec());
    let tap = check(&port, LONG, &only(&["small", "packet", "empty"]));
    assert_eq!(failed(&tap), ["packet"], "{tap}");
    let block = "\n  ---\n  seen: >-\n    1000 of 1024 bytes came back, and the rest was cut off\n  means: >-\n    ";
    assert!(tap.contains(block) && tap.contains("\n  fact: >-\n    What doesn't fit into the buffer"), "{tap}");
}

#[test]
fn nobody_there_is_no_failed_check_and_no_echo_server_is_one_and_both_end_the_run_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    if cfg!(unix) {
        let why = format!("cannot reach 127.0.0.1:{port}: connection refused\n");
        let tap = format!("TAP version 14\n1..18\n# server: 127.0.0.1:{port}\nBail out! {why}");
        let told = format!("udp-echo-client: {why}hint: nothing listens there");
        command(&["127.0.0.1", &port]).assert().code(1).stdout(tap).stderr(starts_with(told));
        command(&["127.0.0.1", &port, "--json"]).assert().code(1).stdout(contains(r#""bail_out":"cannot reach "#));
    }
    let port = server_that_echoes(<[u8]>::to_ascii_uppercase);
    let tap = check(&port, SHORT, &[]);
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
    assert!(tap.contains("\nBail out! cannot take ") && tap.contains("and sends \"CHECK "), "{tap}");

    let counter = std::sync::atomic::AtomicUsize::new(0);
    let port = server_that_echoes(move |data| {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        [format!("{number}: ").as_bytes(), data].concat()
    });
    let tap = check(&port, SHORT, &[]);
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
    assert!(tap.contains("first it put \"0: \" before its reply, and then \"1: \"\n"), "{tap}");
}

#[test]
fn a_prefix_that_the_user_tells_is_not_looked_for() {
    let port = server_that_echoes(|data| [b"> ", data].concat());
    let tap = check(&port, LONG, &["--prefix", "> ", "--only", "small"]);
    assert!(failed(&tap).is_empty() && tap.contains("\n# prefix: \"> \" before each reply, as told\n"), "{tap}");
    let run = command(&["127.0.0.1", &port, "--prefix", "", "--only", "small"]).assert().code(1);
    let run =
        run.stdout(contains("\nnot ok 1 - prefix: ").and(contains("it puts \"> \" before its reply, and not \"\"\n")));
    run.stderr(contains("\nhint: without --prefix it is found out\n"));
    let port = server_that_echoes(<[u8]>::to_vec);
    let run = command(&["127.0.0.1", &port, "--prefix", "> ", "--only", "small"]).assert().code(1);
    run.stdout(contains("it puts nothing before its reply, and not \"> \"\n"));
}

#[test]
fn what_there_is_no_time_for_is_skipped() {
    let port = server_that_echoes(|data| {
        thread::sleep(Duration::from_millis(1));
        data.to_vec()
    });
    let tap = check(&port, SHORT, &only(&["small", "order"]));
    assert!(failed(&tap).is_empty(), "{tap}");
    let (_, why) = tap.split_once(" # SKIP there was time for ").unwrap();
    assert!(why.contains(" of 300 bursts: a longer --timeout has more\n"), "{tap}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_with_what_there_is_to_tell() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    for (signal, code, json) in [("INT", 130, false), ("TERM", 143, false), ("INT", 130, true)] {
        let (told, heard) = std::sync::mpsc::channel();
        let port = server_that(move |socket, data, from| {
            // It is silent as soon as it is asked for 256 bytes.
            if data.len() == 256 {
                let _ = told.send(());
            } else {
                let _ = socket.send_to(data, from);
            }
            true
        });
        let mut client = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"));
        client.args(["check", "127.0.0.1", &port, "--timeout", LONG]).args(json.then_some("--json"));
        let mut client = client.stdout(Stdio::piped()).spawn().unwrap();
        heard.recv_timeout(PATIENCE).unwrap();
        let id = client.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
        let (mut stdout, mut text) = (BufReader::new(client.stdout.take().unwrap()), String::new());
        if json {
            stdout.read_line(&mut text).unwrap();
            let document: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&document["passed"], &document["failed"]), (&2.into(), &0.into()), "{text}");
        } else {
            stdout.read_to_string(&mut text).unwrap();
            assert!(
                text.contains("\nok 2 - small: ")
                    && text.ends_with("\nBail out! interrupted\n# 2 of 18 checks passed\n"),
                "{text}"
            );
        }
        assert_eq!(client.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn the_list_needs_no_server_and_its_names_are_those_of_only() {
    let list = String::from_utf8(command(&["--list"]).assert().success().get_output().stdout.clone()).unwrap();
    let names: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[17]), (18, "prefix", "empty"));
    command(&["--only", "smal"]).assert().code(2).stderr(contains("possible values: prefix, small"));
}

#[test]
fn the_document_is_one_line_and_agrees_with_the_status() {
    let port = server_that_echoes(|data| data[..data.len().min(1000)].to_vec());
    for (name, code) in [("small", 0), ("packet", 1)] {
        let assert = command(&["127.0.0.1", &port, "--only", name, "--json"]).assert().code(code);
        let assert = assert.stdout(contains("\n").count(1));
        let document: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        assert_eq!(document["target"]["address"], format!("127.0.0.1:{port}"));
        assert_eq!((&document["failed"], &document["checks"][0]["name"]), (&code.into(), &name.into()));
        assert_eq!(document["checks"][0]["verdict"], ["passed", "failed"][code as usize]);
    }
}
