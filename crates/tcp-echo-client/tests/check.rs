//! `tcp-echo-client check` as its users meet it, against servers of a few lines, each with one fault or none.

#![forbid(unsafe_code)]

#[path = "../../common/tests/schema/mod.rs"]
mod schema;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
#[cfg(unix)]
use predicates::str::is_match;
use predicates::str::{contains, starts_with};
use serde_json::{Value, json};

/// Longer than any of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(100);
/// What a server does not do is seen when this is over.
const SHORT: &str = "4s";
/// What a server does is done before this is over.
const LONG: &str = "30s";

/// A server that treats each of its clients so, each in a thread, until the test is over; and the port it listens on.
fn server_that(treats: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let treats = treats.clone();
            // A client's reset is an error that concerns nobody else.
            thread::spawn(move || treats(connection));
        }
    });
    port
}

/// A server that sends back what `changed` makes of each piece.
fn server_that_echoes(changed: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static) -> String {
    server_that(move |mut connection| {
        connection.set_nodelay(true)?;
        let mut piece = vec![0; 32 * 1024];
        loop {
            match connection.read(&mut piece)? {
                0 => return Ok(()),
                length => connection.write_all(&changed(&piece[..length]))?,
            }
        }
    })
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"));
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
fn a_right_server_fails_nothing_but_what_std_cannot_do() {
    for (prefix, comment) in
        [("", "# no prefix: a plain echo (RFC 862)\n"), ("> ", "# prefix: \"> \" before each piece\n")]
    {
        let port = server_that_echoes(move |piece| [prefix.as_bytes(), piece].concat());
        let tap = check(&port, LONG, &[]);
        // SO_OOBINLINE isn't in std.
        assert_eq!(failed(&tap), ["urgent"], "{tap}");
        let found = format!("TAP version 14\n1..21\n# server: 127.0.0.1:{port}\n{comment}ok 1 - prefix: ");
        assert!(tap.starts_with(&found), "{tap}");
        assert!(tap.ends_with("# 1 of 21 checks failed: urgent\n"), "{tap}");
    }
}

#[test]
fn a_failure_comes_with_what_was_seen_what_it_means_and_the_fact() {
    let port = server_that_echoes(|piece| piece[..piece.len() - 1].to_vec());
    let tap = check(&port, SHORT, &only(&["small", "empty", "half-close", "reset"]));
    assert_eq!(failed(&tap), ["small", "half-close"], "{tap}");
    let block = "\n  ---\n  seen: >-\n    15 of 16 bytes had come back when 4s were over\n  means: >-\n    ";
    assert!(
        tap.contains(block) && tap.contains("\n  fact: >-\n    TCP is a stream of bytes") && tap.contains("RFC 9293")
    );
}

#[test]
fn a_server_that_ends_when_its_input_does() {
    let port = server_that(|mut connection| {
        let mut piece = vec![0; 32 * 1024];
        loop {
            let length = connection.read(&mut piece)?;
            // The end comes right behind, even on a busy machine.
            connection.set_read_timeout(Some(Duration::from_millis(400)))?;
            if length == 0 || matches!(connection.peek(&mut [0]), Ok(0)) {
                return Ok(());
            }
            connection.set_read_timeout(None)?;
            connection.write_all(&piece[..length])?;
        }
    });
    let tap = check(&port, LONG, &only(&["small", "half-close", "empty"]));
    assert_eq!(failed(&tap), ["half-close"], "{tap}");
}

#[test]
fn a_server_that_waits_for_lines() {
    let port = server_that(|mut connection| {
        let mut lines = BufReader::new(connection.try_clone()?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            connection.write_all(&line)?;
            line.clear();
        }
        Ok(())
    });
    let tap = check(&port, SHORT, &only(&["small", "single-bytes", "pipelined"]));
    assert_eq!(failed(&tap), ["small", "single-bytes"], "{tap}");
}

#[test]
fn a_server_that_answers_only_in_the_end() {
    let port = server_that(|mut connection| {
        let mut heard = Vec::new();
        connection.read_to_end(&mut heard)?;
        connection.write_all(&heard)
    });
    let tap = check(&port, SHORT, &only(&["small", "half-close", "empty", "second-client", "reset"]));
    assert_eq!(failed(&tap), ["small"], "{tap}");
    assert!(tap.contains("\n# no reply before the client has said its last word\n"), "{tap}");
}

#[test]
fn a_server_that_has_time_for_one_message_only() {
    let port = server_that(|mut connection| {
        let mut piece = [0; 4096];
        let length = connection.read(&mut piece)?;
        connection.write_all(&piece[..length])
    });
    let tap = check(&port, LONG, &only(&["small", "many-messages", "large", "empty", "second-client", "reset"]));
    assert_eq!(failed(&tap), ["small", "many-messages", "large"], "{tap}");
}

#[test]
fn a_server_that_greets_is_found_out_once() {
    let port = server_that(|mut connection| {
        connection.write_all(b"hello\r\n")?;
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let tap = check(&port, LONG, &only(&["small", "half-close", "empty", "no-leak"]));
    assert_eq!(failed(&tap), ["empty"], "{tap}");
    assert!(tap.contains("\n# greeting: \"hello\\r\\n\", which is passed over\n"), "{tap}");
}

#[test]
fn a_server_that_never_hangs_up() {
    let port = server_that(|mut connection| {
        std::io::copy(&mut connection.try_clone()?, &mut connection)?;
        thread::sleep(PATIENCE);
        Ok(())
    });
    let tap = check(&port, SHORT, &only(&["small", "half-close", "empty", "clean-end", "reset"]));
    assert_eq!(failed(&tap), ["half-close", "empty", "clean-end"], "{tap}");
    assert!(tap.contains("3000 of 3000 bytes had come back, but not the end, when 4s were over\n"), "{tap}");
}

#[test]
fn a_server_that_keeps_what_it_cannot_send() {
    let port = server_that(|mut connection| {
        let (pieces, kept) = std::sync::mpsc::channel::<Vec<u8>>();
        let mut writer = connection.try_clone()?;
        thread::spawn(move || kept.iter().try_for_each(|piece| writer.write_all(&piece)));
        let mut piece = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = connection.read(&mut piece) {
            let _ = pieces.send(piece[..length].to_vec());
        }
        Ok(())
    });
    let tap = check(&port, LONG, &only(&["late-reader", "back-pressure", "deaf-client"]));
    assert_eq!(failed(&tap), ["back-pressure"], "{tap}");
    assert!(tap.contains("it took 64 MiB from a client that read nothing"), "{tap}");
}

#[test]
fn a_server_that_stops_answering_is_given_up_by_name() {
    let served = std::sync::atomic::AtomicUsize::new(0);
    let served = std::sync::Arc::new(served);
    let port = server_that(move |mut connection| {
        // The first meeting, small, its successor; and then no more.
        if served.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2 {
            thread::sleep(PATIENCE);
        }
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let tap = check(&port, SHORT, &only(&["small", "bytes", "large"]));
    assert_eq!(failed(&tap), ["bytes"], "{tap}");
    assert!(tap.contains("\nBail out! the server serves nobody any more since check bytes\n"), "{tap}");
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

/// The document that `check --json` prints about the server at this host and port; it fits the schema and balances.
fn document(host: &[&str], more: &[&str], code: i32) -> Value {
    let assert = command(host).args(more).arg("--json").assert().code(code).stdout(contains("\n").count(1));
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(schema::faults(&document, &schema::report()), [""; 0], "{document}");
    let points = document["checks"].as_array().unwrap();
    for verdict in ["passed", "failed", "skipped"] {
        let count = points.iter().filter(|point| point["verdict"] == verdict).count();
        assert_eq!(document[verdict], count, "{document}");
    }
    let planned = document["planned"].as_u64().unwrap() as usize;
    assert!(planned == points.len() || !document["bail_out"].is_null(), "{document}");
    document
}

#[test]
fn the_document_is_one_line_and_agrees_with_the_status() {
    let port = server_that_echoes(|piece| [b"> ", piece].concat());
    let host = ["127.0.0.1", port.as_str()];
    for (name, verdict, code) in [("small", "passed", 0), ("urgent", "failed", 1)] {
        let document = document(&host, &["--only", name], code);
        assert_eq!(document["target"]["address"], format!("127.0.0.1:{port}"));
        assert_eq!(document["manner"], json!({ "prefix": "> ", "greeting": "", "at_once": true }));
        let point = &document["checks"][0];
        assert_eq!((&point["name"], &point["verdict"]), (&name.into(), &verdict.into()));
        assert_eq!((&document["planned"], &document["bail_out"]), (&1.into(), &Value::Null));
    }
    let document = document(&host, &[], 1);
    assert_eq!((&document["planned"], &document["passed"], &document["failed"]), (&21.into(), &20.into(), &1.into()));
}

#[test]
fn what_is_skipped_is_neither_passed_nor_failed() {
    let port = server_that_echoes(|piece| {
        thread::sleep(Duration::from_millis(50));
        piece.to_vec()
    });
    let document = document(&["127.0.0.1", &port], &["--timeout", SHORT, "--only", "no-leak", "--only", "small"], 0);
    assert_eq!((&document["passed"], &document["failed"], &document["skipped"]), (&1.into(), &0.into(), &1.into()));
    let why = document["checks"][1]["detail"].as_str().unwrap();
    assert!(why.starts_with("skipped: there was time for "), "{why}");
}

#[test]
fn the_document_says_that_and_why_the_rest_was_not_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // Nothing listens on the port of the connection's other end.
    let port = connection.local_addr().unwrap().port().to_string();
    let nobody = document(&["127.0.0.1", &port], &[], 1);
    assert_eq!(nobody["bail_out"], format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    assert_eq!((&nobody["planned"], &nobody["checks"], &nobody["manner"]), (&21.into(), &json!([]), &Value::Null));
    assert_eq!(nobody["target"], json!({ "host": "127.0.0.1", "port": port.parse::<u16>().unwrap(), "address": "" }));

    let port = server_that_echoes(<[u8]>::to_ascii_uppercase);
    let other = document(&["127.0.0.1", &port], &["--timeout", SHORT], 1);
    assert!(other["bail_out"].as_str().unwrap().starts_with("cannot take 127.0.0.1:"), "{other}");
    assert_eq!((&other["failed"], &other["checks"][0]["name"]), (&1.into(), &"prefix".into()));

    let served = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let port = server_that(move |mut connection| {
        // The first meeting, small, its successor; and then no more.
        if served.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2 {
            thread::sleep(PATIENCE);
        }
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let names = only(&["small", "bytes", "large"]);
    let silent = document(&["127.0.0.1", &port], &[&["--timeout", SHORT], &names[..]].concat(), 1);
    assert_eq!(silent["bail_out"], "the server serves nobody any more since check bytes");
    assert_eq!((&silent["planned"], &silent["passed"], &silent["failed"]), (&3.into(), &1.into(), &1.into()));
}

#[test]
#[cfg(unix)]
fn a_socket_in_the_file_system_has_no_port() {
    let document = document(&["unix:/no/such/file"], &[], 1);
    let target = json!({ "host": "unix:/no/such/file", "port": null, "address": "" });
    assert_eq!(document["target"], target);
}
