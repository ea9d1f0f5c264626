//! `tcp-echo-client check` as its users meet it, against servers of a few lines, each with one fault or none.
//!
//! Here is what it says, and when it is over. `servers.rs` has which check finds which fault, `document.rs` the report for tools.

#![forbid(unsafe_code)]

mod document;
mod harness;
#[path = "../../../common/tests/schema/mod.rs"]
mod schema;
mod servers;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use assert_cmd::Command;
#[cfg(unix)]
use predicates::str::is_match;
use predicates::str::{contains, starts_with};

use harness::*;

#[test]
fn a_failure_comes_with_what_was_seen_what_it_means_and_the_fact() {
    let port = server_that_echoes(|piece| piece[..piece.len() - 1].to_vec());
    let tap = check(&port, SHORT, &only(&["small", "empty", "half-close", "reset"]));
    assert_eq!(failed(&tap), ["small", "half-close"], "{tap}");
    let block = "\n  ---\n  seen: >-\n    15 of 16 bytes had come back when 2s were over\n  means: >-\n    ";
    assert!(
        tap.contains(block) && tap.contains("\n  fact: >-\n    TCP is a stream of bytes") && tap.contains("RFC 9293")
    );
}

#[test]
fn no_server_and_no_echo_server_end_the_run_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // Nothing listens on the port of the connection's other end.
    let port = connection.local_addr().unwrap().port().to_string();
    let why = format!("cannot connect to 127.0.0.1:{port}: ");
    let tap = format!("TAP version 14\n1..21\nBail out! {why}");
    let said = format!("tcp-echo-client: {why}");
    command(&["127.0.0.1", &port]).assert().code(1).stdout(starts_with(tap)).stderr(starts_with(said));

    let port = server_that_echoes(<[u8]>::to_ascii_uppercase);
    let tap = check(&port, SHORT, &[]);
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
    assert!(tap.contains("\nBail out! cannot take ") && tap.contains("and sends \"CHECK "), "{tap}");

    let counter = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let port = server_that_echoes(move |piece| {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        [format!("{number}: ").as_bytes(), piece].concat()
    });
    let tap = check(&port, SHORT, &[]);
    assert_eq!(failed(&tap), ["prefix"], "{tap}");
    assert!(tap.contains("first it put \"0: \" before its reply, and then \"1: \"\n"), "{tap}");
}

#[test]
fn a_prefix_that_the_user_tells_is_not_looked_for() {
    let port = server_that_echoes(|piece| [b"> ", piece].concat());
    let tap = check(&port, LONG, &["--prefix", "> ", "--only", "small"]);
    assert!(failed(&tap).is_empty() && tap.contains("\n# prefix: \"> \", as told\n"), "{tap}");
}

#[test]
fn another_prefix_than_the_user_tells_is_one_failure_and_the_end() {
    let prefixing = server_that_echoes(|piece| [b"> ", piece].concat());
    let plain = server_that_echoes(<[u8]>::to_vec);
    for (port, told, seen) in [
        (&prefixing, "", "it puts \"> \" before its reply, and not \"\" as --prefix says"),
        (&prefixing, "nono", "it puts \"> \" before its reply, and not \"nono\" as --prefix says"),
        (&plain, "nono", "it puts nothing before its reply, and not \"nono\" as --prefix says"),
    ] {
        let assert = command(&["127.0.0.1", port, "--prefix", told]).assert().code(1);
        let why = format!("cannot take 127.0.0.1:{port} for an echo server: {seen}\n");
        let hint = "hint: leave --prefix out, and it is found out\n";
        let assert = assert.stderr(format!("tcp-echo-client: {why}{hint}"));
        let tap = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        assert_eq!(failed(&tap), ["prefix"], "{tap}");
        assert!(tap.contains(&format!("  seen: >-\n    {seen}\n")), "{tap}");
        assert!(tap.contains(&format!("\nBail out! {why}")) && !tap.contains("\nok "), "{tap}");
    }
}

#[test]
fn a_greeting_before_a_prefix_that_is_told_is_passed_over() {
    let port = server_that(|mut connection| {
        connection.write_all(b"hello\n")?;
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let tap = check(&port, LONG, &["--prefix", "", "--only", "small"]);
    assert!(failed(&tap).is_empty() && tap.contains("# greeting: \"hello\\n\", which is passed over\n"), "{tap}");
}

#[test]
fn what_there_is_no_time_for_is_skipped() {
    let port = server_that_echoes(|piece| {
        thread::sleep(Duration::from_millis(100));
        piece.to_vec()
    });
    let tap = check(&port, SHORT, &only(&["back-pressure", "deaf-client", "quick-connects", "no-leak"]));
    assert!(failed(&tap).is_empty(), "{tap}");
    for (name, what) in [("quick-connects", "200 clients"), ("no-leak", "1100 conversations")] {
        let point = tap.lines().find(|line| line.contains(&format!(" - {name}: "))).unwrap();
        let (_, why) = point.split_once(" # SKIP there was time for ").unwrap();
        assert!(why.ends_with(&format!(" of {what}, without a fault: a longer --timeout has more")), "{tap}");
    }
    command(&["127.0.0.1", &port, "--timeout", "499ms"]).assert().code(2).stderr(contains("500ms is the least"));
}

#[test]
#[cfg(unix)]
fn too_few_descriptors_of_our_own_are_no_fault_of_the_server() {
    let port = server_that_echoes(<[u8]>::to_vec);
    let shell = r#"ulimit -n 20 && exec "$0" check 127.0.0.1 "$1" --only small --only many-clients"#;
    let mut command = Command::new("sh");
    command.timeout(PATIENCE).args(["-c", shell, env!("CARGO_BIN_EXE_tcp-echo-client"), &port]);
    let why = " # SKIP client [0-9]+: cannot connect to .*: too many open files: see ulimit -n\n# 1 of 2 checks passed; 1 skipped: many-clients\n";
    command.assert().success().stdout(is_match(why).unwrap());
}

#[test]
fn the_list_needs_no_server_and_its_names_are_those_of_only() {
    let list = String::from_utf8(command(&["--list"]).assert().success().get_output().stdout.clone()).unwrap();
    let names: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[20]), (21, "prefix", "reset"));
    command(&["--only", "smal"]).assert().code(2).stderr(contains("possible values: prefix, small"));
}
