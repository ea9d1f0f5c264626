//! What the lines of a trace say.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use serde_json::Value;

use super::call::{Call, of_json, of_text};
use crate::harness::{Process, SOON, Server, command, program, run, run_with_input, without_prefix};

/// The lines of a trace file.
pub fn of_file(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))).collect()
}

/// A TCP port that refuses, and that nobody else can take: it is bound, but nobody listens.
pub fn refusing_tcp_port() -> (OwnedFd, SocketAddr) {
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&taken).unwrap().try_into().unwrap();
    (taken, address)
}

/// A UDP port that refuses, and that nobody else can take: its socket is connected to another one, and so nobody is there for
/// the rest of the world.
pub fn refusing_udp_port() -> (UdpSocket, SocketAddr) {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    taken.connect("127.0.0.2:9").unwrap();
    let address = taken.local_addr().unwrap();
    (taken, address)
}

/// The fields of these lines that have a name, and a value that is not null.
fn column<'a>(lines: &'a [Value], field: &str) -> Vec<&'a Value> {
    lines.iter().map(|line| &line[field]).filter(|value| !value.is_null()).collect()
}

#[test]
fn each_line_of_a_trace_file_has_every_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let server = Server::start("tcp-echo-server", &[]);
    let mut client = command(program("tcp-echo-client"));
    client.args([&server.host(), &server.port()]).arg("--trace-file").arg(&file);
    let client = Process::start(client);
    let id = client.id();
    assert!(client.finish().0.success());

    let lines = of_file(&file);
    let mut last_end = 0;
    for line in &lines {
        let mut fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort();
        let expected = [
            "arguments",
            "bytes",
            "call",
            "data",
            "end_ns",
            "error",
            "fd",
            "local",
            "peer",
            "pid",
            "program",
            "result",
            "start_ns",
        ];
        assert_eq!(fields, expected);
        assert_eq!((line["program"].as_str(), line["pid"].as_u64()), (Some("tcp-echo-client"), Some(id.into())));
        let (start, end) = (line["start_ns"].as_u64().unwrap(), line["end_ns"].as_u64().unwrap());
        assert!(last_end <= start && start <= end, "one thread makes one call after the other: {lines:#?}");
        last_end = end;
        assert_eq!((line["result"].is_i64(), line["error"].is_null()), (true, true), "{line}");
    }
    // From `connect` on, both ends are known; on stdout there are none.
    let connect = lines.iter().position(|line| line["call"] == "connect").unwrap();
    let local = lines[connect + 1]["local"].as_str().unwrap();
    assert_eq!(lines[connect + 1]["call"], "getsockname");
    for line in &lines[connect + 1..] {
        let ends = (line["local"].as_str(), line["peer"].as_str());
        let peer = server.address.to_string();
        assert_eq!(ends, if line["fd"] == 1 { (None, None) } else { (Some(local), Some(&*peer)) }, "{line}");
    }
    let sent: Vec<_> = lines.iter().filter(|line| line["call"] == "send").cloned().collect();
    assert_eq!((column(&sent, "bytes"), column(&sent, "data")), (vec![&11.into()], vec![&"Hello world".into()]));
    // The two pieces of the reply, and its end.
    let received: Vec<_> = lines.iter().filter(|line| line["call"] == "recv").cloned().collect();
    assert_eq!(column(&received, "bytes"), [&Value::from(19), &0.into()]);
    assert_eq!(column(&received, "data"), [&Value::from("echo -> Hello world"), &"".into()]);
}

#[test]
fn a_call_that_fails_has_an_error_and_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let ((_tcp, tcp), (_udp, udp)) = (refusing_tcp_port(), refusing_udp_port());
    for (name, call, address) in [
        ("tcp-echo-client", "connect", tcp),
        ("browser", "connect", tcp),
        // Here `connect` is content. The news comes with the call after `send`.
        ("udp-echo-client", "recv", udp),
    ] {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let outcome = run(name, &[&host, &port, "--trace-file", file.to_str().unwrap()]);
        outcome.failed_with("connection refused");
        let lines = of_file(&file);
        let failed: Vec<_> = lines.iter().filter(|line| !line["error"].is_null()).collect();
        assert_eq!(failed.len(), 1, "{name}: {lines:#?}");
        assert_eq!((&failed[0]["call"], &failed[0]["error"]), (&call.into(), &"ECONNREFUSED".into()), "{name}");
        assert_eq!((&failed[0]["result"], &failed[0]["bytes"]), (&Value::Null, &Value::Null), "{name}");
        assert_eq!(failed[0]["peer"], address.to_string(), "{name}");
    }
}

#[test]
fn nothing_that_a_client_sends_reaches_the_terminal_raw() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let evil = b"\x1b[2J\x1b]0;title\x07\xff\x00\r\n\"\\";
    let escaped = r#"\x1b[2J\x1b]0;title\x07\xff\x00\r\n\"\\"#;
    let server = Server::start("tcp-echo-server", &["--trace", "--trace-file", file.to_str().unwrap()]);
    let mut client = server.connect();
    client.write_all(evil).unwrap();
    client.read_exact(&mut vec![0; evil.len() + 8]).unwrap();
    drop(client);
    let text = server.stops_well();
    assert!(text.contains(&format!(", \"{escaped}\", 32768) = {}", evil.len())), "{text}");
    assert!(text.contains(&format!(", \"echo -> {escaped}\", {0}) = {0}", evil.len() + 8)), "{text}");
    let is_printable = |text: &str| text.chars().all(|char| char == '\n' || (' '..='~').contains(&char));
    assert!(is_printable(&text), "{text:?}");
    assert!(is_printable(&std::fs::read_to_string(&file).unwrap()));
    let lines = of_file(&file);
    assert!(column(&lines, "data").contains(&&escaped.into()), "{lines:#?}");

    let server = Server::start("udp-echo-server", &["--trace"]);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client.send_to(evil, server.address).unwrap();
    client.recv(&mut [0; 100]).unwrap();
    let text = server.stops_well();
    assert!(is_printable(&text) && text.contains(escaped), "{text:?}");

    let server = Server::start("tiny-web", &["--trace"]);
    let mut client = server.connect();
    client.write_all(evil).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    let text = server.stops_well();
    assert!(is_printable(&text) && text.contains(escaped), "{text:?}");
}

#[test]
fn text_and_file_at_once_tell_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let server = Server::start("tcp-echo-server", &[]);
    let arguments = [&server.host(), &server.port(), "-", "--trace", "--trace-file", file.to_str().unwrap()];
    let outcome = run_with_input("tcp-echo-client", &arguments, b"one\ntwo\n");
    assert_eq!(without_prefix(&outcome.stdout), b"one\ntwo\n");
    let (text, json) = (of_text(&outcome.stderr, "tcp-echo-client", 32), of_json(&of_file(&file), 32));
    // Two threads write the lines: of the two kinds, either may be first.
    let order = |calls: &[Call]| super::in_order(calls, super::A_THREAD_FOR_EACH_DIRECTION);
    assert_eq!(order(&text), order(&json));
}
