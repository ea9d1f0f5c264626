//! `udp-echo-client check` as its users meet it, against servers of a few lines, each with one fault or none.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

/// Longer than any of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(100);
/// What a server does not do is seen when this is over.
const SHORT: &str = "4s";
/// What a server does is done before this is over.
const LONG: &str = "30s";

/// A server that does something with each datagram, until the test is over; and its port.
fn server_that(mut treats: impl FnMut(&UdpSocket, &[u8], SocketAddr) -> bool + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let mut data = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            if !treats(&socket, &data[..length], from) {
                return;
            }
        }
    });
    port
}

/// A server that sends back what `changed` makes of each datagram.
fn server_that_echoes(changed: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    server_that(move |socket, data, from| {
        let _ = socket.send_to(&changed(data), from);
        true
    })
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"));
    command.timeout(PATIENCE).arg("check").args(arguments);
    command
}

/// What `check` prints about the server on this port.
fn check(port: &str, timeout: &str, more: &[&str]) -> String {
    let output = command(&["127.0.0.1", port, "--timeout", timeout]).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(text.contains("not ok "))), "{text}");
    text
}

fn failed(tap: &str) -> Vec<&str> {
    let failed = tap.lines().filter_map(|line| line.strip_prefix("not ok ")?.split(" - ").nth(1)?.split(": ").next());
    failed.collect()
}

/// `--only NAME` for these.
fn only<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().flat_map(|name| ["--only", name]).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_right_server_fails_nothing() {
    for (prefix, comment) in
        [("", "# no prefix: a plain echo (RFC 862)\n"), ("> ", "# prefix: \"> \" before each reply\n")]
    {
        let port = server_that_echoes(move |data| [prefix.as_bytes(), data].concat());
        let tap = check(&port, LONG, &[]);
        assert!(failed(&tap).is_empty(), "{tap}");
        let found = format!("TAP version 14\n1..18\n# server: 127.0.0.1:{port}\n{comment}ok 1 - prefix: ");
        assert!(tap.starts_with(&found) && tap.ends_with("# all 18 checks passed\n"), "{tap}");
    }
}

#[test]
fn a_failure_comes_with_what_was_seen_what_it_means_and_the_fact() {
    let port = server_that_echoes(|data| data[..data.len().min(1000)].to_vec());
    let tap = check(&port, LONG, &only(&["small", "packet", "empty"]));
    assert_eq!(failed(&tap), ["packet"], "{tap}");
    let block = "\n  ---\n  seen: >-\n    1000 of 1024 bytes came back, and the rest was cut off\n  means: >-\n    ";
    assert!(tap.contains(block) && tap.contains("\n  fact: >-\n    What doesn't fit into the buffer"), "{tap}");
}

#[test]
fn a_server_that_takes_nothing_for_the_end() {
    let port = server_that(|socket, data, from| {
        let _ = socket.send_to(data, from);
        !data.is_empty()
    });
    let tap = check(&port, LONG, &only(&["small", "empty"]));
    assert_eq!(failed(&tap), ["empty"], "{tap}");
    if cfg!(unix) {
        assert!(tap.contains("\nBail out! the server has gone since check empty\n"), "{tap}");
    }
}

#[test]
fn a_server_that_answers_the_first_client_whoever_asks() {
    let mut first = None;
    let port = server_that(move |socket, data, from| {
        let _ = socket.send_to(data, *first.get_or_insert(from));
        true
    });
    // Its first client is the one that looks whether it is a server at all.
    let output = command(&["127.0.0.1", &port, "--timeout", SHORT]).output().unwrap();
    let tap = String::from_utf8(output.stdout).unwrap();
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
}

#[test]
fn a_server_that_answers_one_datagram_late() {
    let mut last: HashMap<SocketAddr, Vec<u8>> = HashMap::new();
    let port = server_that(move |socket, data, from| {
        let _ = socket.send_to(&last.insert(from, data.to_vec()).unwrap_or_else(|| data.to_vec()), from);
        true
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "second-client"]));
    assert!(failed(&tap).contains(&"bytes"), "{tap}");
}

#[test]
fn a_server_that_answers_twice() {
    let port = server_that(|socket, data, from| {
        let _ = socket.send_to(data, from);
        let _ = socket.send_to(data, from);
        true
    });
    let tap = check(&port, LONG, &only(&["small", "many-messages", "burst"]));
    assert_eq!(failed(&tap), ["small", "burst"], "{tap}");
}

#[test]
fn a_server_that_stops_answering_is_given_up_by_name() {
    let mut has_had_enough = false;
    let port = server_that(move |socket, data, from| {
        has_had_enough |= data.len() == 256;
        if !has_had_enough {
            let _ = socket.send_to(data, from);
        }
        true
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "large"]));
    assert_eq!(failed(&tap), ["bytes"], "{tap}");
    assert!(tap.contains("\nBail out! the server serves nobody any more since check bytes\n"), "{tap}");
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

/// What takes a hundred round trips takes longer there than a check may take on this machine.
#[test]
fn a_server_far_away_is_none_the_worse_for_it() {
    let (sender, receiver) = std::sync::mpsc::channel::<(Instant, Vec<u8>, SocketAddr, UdpSocket)>();
    thread::spawn(move || {
        for (due, data, from, socket) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let _ = socket.send_to(&data, from);
        }
    });
    let port = server_that(move |socket, data, from| {
        let way = (Instant::now() + Duration::from_millis(50), data.to_vec(), from, socket.try_clone().unwrap());
        sender.send(way).is_ok()
    });
    let names = ["small", "many-messages", "boundaries", "second-client", "interleaved", "in-turn", "vanished"];
    let tap = check(&port, "4s", &only(&names));
    assert!(failed(&tap).is_empty(), "{tap}");
}

/// As one with a thread for each datagram does, now and then.
#[test]
fn a_server_whose_replies_overtake_each_other() {
    let mut kept: Option<(Vec<u8>, SocketAddr)> = None;
    let port = server_that(move |socket, data, from| {
        let number = data.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte));
        match kept.take() {
            Some((earlier, whose)) => {
                let _ = socket.send_to(data, from);
                let _ = socket.send_to(&earlier, whose);
            }
            None if number % 50 == 0 && data.len() == 32 => kept = Some((data.to_vec(), from)),
            None => drop(socket.send_to(data, from)),
        }
        true
    });
    // What it keeps for too long is asked for again, after a third of this.
    let tap = check(&port, "6s", &only(&["packet", "order", "large"]));
    assert_eq!(failed(&tap), ["order"], "{tap}");
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

/// It is asked at one address and answers from another, and is a good server in all else.
#[test]
#[cfg(target_os = "linux")]
fn a_server_that_answers_from_another_address_fails_in_that_only() {
    let [asked, other] = ["127.0.0.2:0", "127.0.0.3:0"].map(|address| UdpSocket::bind(address).unwrap());
    let (port, from) = (asked.local_addr().unwrap().port().to_string(), other.local_addr().unwrap());
    thread::spawn(move || {
        let mut data = vec![0; 65_535];
        while let Ok((length, client)) = asked.recv_from(&mut data) {
            let _ = other.send_to(&data[..length], client);
        }
    });
    let output = command(&["127.0.0.2", &port, "--timeout", LONG]).output().unwrap();
    let tap = String::from_utf8(output.stdout).unwrap();
    assert_eq!(failed(&tap), ["source"], "{tap}");
    assert!(tap.contains(&format!("it was asked at 127.0.0.2:{port}, and answers from {from}: ")), "{tap}");
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
