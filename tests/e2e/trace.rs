//! `--trace` and `--trace-file` tell what strace sees: the same calls in the same order, on the same descriptors, with the
//! same data and the same results. Turned off, they cost no system call.
//!
//! Here is how the two are compared, and the programs for TCP; `udp.rs` has those for UDP.

mod call;
mod harmless;
pub mod lines;
pub mod strace;
mod udp;

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use self::call::Call;
use crate::harness::{Server, run, run_command, steadily};

/// How much of the data is looked at: as much as a line of the text trace has, and as one of the trace file has.
const TEXT_BYTES: usize = 32;
const JSON_BYTES: usize = 256;

/// What a program is asked to tell.
#[derive(Clone, Copy, Debug)]
enum Tell {
    Nothing,
    Text,
    Json,
}

/// Which calls have an order among each other: those of which this returns the same. The calls of two threads have none, but
/// that only one thread at a time does something with a descriptor, or with one direction of it.
type Order = fn(&Call) -> (i64, bool);
const ONE_THREAD: Order = |_| (0, false);
const A_THREAD_FOR_EACH_DESCRIPTOR: Order = |call| (call.about(), false);
const A_THREAD_FOR_EACH_DIRECTION: Order = |call| (call.about(), ["read", "send", "shutdown"].contains(&&*call.name));

fn in_order(calls: &[Call], order: Order) -> BTreeMap<(i64, bool), Vec<Call>> {
    let mut ordered = BTreeMap::<_, Vec<Call>>::new();
    for call in calls {
        ordered.entry(order(call)).or_default().push(call.clone());
    }
    ordered
}

/// Runs a program under strace, and returns what strace saw and what the program told. `play` gives the command its arguments,
/// runs it to its end, and returns its stderr.
fn watch(name: &str, others: &[i64], tell: Tell, play: &dyn Fn(Command) -> String) -> Option<(Vec<Call>, Vec<Call>)> {
    let folder = tempfile::tempdir().unwrap();
    let (log, file) = (folder.path().join("strace.log"), folder.path().join("trace.json"));
    let mut command = strace::watching(name, "network,read,write,close", &log)?;
    match tell {
        Tell::Nothing => {}
        Tell::Text => drop(command.arg("--trace")),
        Tell::Json => drop(command.arg("--trace-file").arg(&file)),
    }
    let stderr = play(command);
    let excerpt = if matches!(tell, Tell::Json) { JSON_BYTES } else { TEXT_BYTES };
    let told = match tell {
        Tell::Nothing => Vec::new(),
        Tell::Text => call::of_text(&stderr, name, excerpt),
        Tell::Json => call::of_json(&lines::of_file(&file), excerpt),
    };
    let log = std::fs::read(&log).unwrap();
    let kind = if name.starts_with("udp") { "SOCK_DGRAM" } else { "SOCK_STREAM" };
    Some((strace::calls(&String::from_utf8_lossy(&log), kind, others, excerpt), told))
}

/// Runs a program with its trace as text, as JSON, and off. What it tells is what strace sees, on its sockets and the
/// descriptors in `others`, and what strace sees is the same without a trace.
#[track_caller]
fn tells_what_strace_sees(name: &str, others: &[i64], order: Order, play: &dyn Fn(Command) -> String) {
    // A busy machine may hold somebody up, in one of the runs, for longer than a server waits for a client to leave, or a client
    // from one probe to the next. None takes as long as this otherwise.
    steadily(Duration::from_millis(400), |pace| {
        let mut traced = Vec::new();
        for tell in [Tell::Json, Tell::Text] {
            let Some((seen, told)) = watch(name, others, tell, play) else { return Ok(()) };
            pace.goes_on();
            assert!(!seen.is_empty(), "strace saw nothing");
            assert_eq!(
                in_order(&told, order),
                in_order(&seen, order),
                "{name}: what it told, and what strace saw ({tell:?})"
            );
            traced = seen;
        }
        let (untraced, _) = watch(name, others, Tell::Nothing, play).unwrap();
        // The one thing a trace asks for itself: the local address that `connect` has settled.
        let mut last = String::new();
        traced.retain(|call| {
            let last = std::mem::replace(&mut last, call.name.clone());
            call.name != "getsockname" || last != "connect"
        });
        let (traced, untraced) = (outline(traced, order), outline(untraced, order));
        let fault = || format!("{name}: with a trace {traced:#?}, and without {untraced:#?}");
        if traced == untraced { Ok(()) } else { Err(fault()) }
    });
}

/// What is the same each time a program does the same: not ports and dates, nor the numbers of descriptors, which depend on
/// what files are open at the moment. They are numbered again, in the order in which they are made. Nor is how often a server
/// looks in vain for one more client, which depends on how soon the next one comes; nor whether a thread that is woken in the end
/// was waiting again already.
fn outline(mut calls: Vec<Call>, order: Order) -> BTreeMap<(i64, bool), Vec<Call>> {
    calls.retain(|call| call.result != Err("EAGAIN".to_owned()));
    if calls.iter().any(|call| call.name == "shutdown" && call.result == Err("ENOTCONN".to_owned())) {
        let last = calls.iter().rposition(|call| !["shutdown", "close"].contains(&&*call.name));
        let waited = last.filter(|last| ["recvfrom", "recvmmsg"].contains(&&*calls[*last].name));
        waited.map(|waited| calls.remove(waited));
    }
    let (mut numbers, mut next) = (HashMap::new(), 1000);
    for call in &mut calls {
        (call.data, call.what) = (None, None);
        call.fd = call.fd.map(|fd| *numbers.get(&fd).unwrap_or(&fd));
        if let ("socket" | "accept", Ok(new)) = (call.name.as_str(), &mut call.result) {
            numbers.insert(*new, next);
            (*new, next) = (next, next + 1);
        }
    }
    in_order(&calls, order)
}

/// A client, which is to succeed.
fn client(mut command: Command, arguments: &[&str], input: &[u8]) -> String {
    command.args(arguments);
    let outcome = run_command(command, input);
    assert!(outcome.status.success(), "{outcome:?}");
    outcome.stderr
}

/// A server, while `visit` visits it.
fn server(name: &str, mut command: Command, arguments: &[&str], visit: &dyn Fn(&Server)) -> String {
    command.args(["--port", "0"]).args(arguments);
    let server = Server::ready(name, command);
    visit(&server);
    server.stops_well()
}

#[test]
fn tcp_echo_client_with_a_message() {
    let server = Server::start("tcp-echo-server", &[]);
    tells_what_strace_sees("tcp-echo-client", &[0, 1], ONE_THREAD, &|command| {
        client(command, &[&server.host(), &server.port(), "\u{1b}[31m\u{e4} \"Hello\",", "world\t\\\n"], b"")
    });
}

#[test]
fn tcp_echo_client_with_stdin() {
    let server = Server::start("tcp-echo-server", &[]);
    let input: Vec<u8> = (0..=255).chain(0..=99).collect();
    tells_what_strace_sees("tcp-echo-client", &[0, 1], A_THREAD_FOR_EACH_DIRECTION, &|command| {
        client(command, &[&server.host(), &server.port(), "-"], &input)
    });
}

#[test]
fn tcp_echo_client_whose_first_address_refuses() {
    // `localhost` has two addresses, as a rule, and nothing listens on the first.
    let server = Server::start("tcp-echo-server", &["--host", "127.0.0.1"]);
    tells_what_strace_sees("tcp-echo-client", &[0, 1], ONE_THREAD, &|command| {
        client(command, &["localhost", &server.port()], b"")
    });
}

#[test]
fn clients_that_are_refused() {
    let ((_tcp, tcp), (_udp, udp)) = (lines::refusing_tcp_port(), lines::refusing_udp_port());
    for (name, others, address) in
        [("tcp-echo-client", &[0, 1][..], tcp), ("udp-echo-client", &[], udp), ("browser", &[], tcp)]
    {
        tells_what_strace_sees(name, others, ONE_THREAD, &|mut command| {
            command.args([address.ip().to_string(), address.port().to_string()]);
            let outcome = run_command(command, b"");
            assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
            let (trace, message) = outcome.stderr.split_once(&format!("{name}: ")).unwrap();
            assert!(message.contains("connection refused\nhint: "), "{message}");
            trace.to_owned()
        });
    }
}

#[test]
fn tcp_echo_server_with_one_client_after_the_other() {
    tells_what_strace_sees("tcp-echo-server", &[], ONE_THREAD, &|command| {
        server("tcp-echo-server", command, &["--host", "127.0.0.1", "--design", "iterative"], &|server| {
            for message in ["first", "second", ""] {
                let reply = run("tcp-echo-client", &[&server.host(), &server.port(), message]);
                assert!(reply.status.success(), "{reply:?}");
            }
        })
    });
}

#[test]
fn tcp_echo_server_with_three_clients_at_once() {
    for design in ["threads", "events"] {
        tells_what_strace_sees("tcp-echo-server", &[], A_THREAD_FOR_EACH_DESCRIPTOR, &|command| {
            server("tcp-echo-server", command, &["--host", "", "--design", design], &|server| {
                // All are there before the first leaves, so that no descriptor is used twice.
                let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
                for _ in 0..3 {
                    for (number, client) in clients.iter_mut().enumerate() {
                        write!(client, "{number}").unwrap();
                        client.read_exact(&mut [0; 9]).unwrap();
                    }
                }
            })
        });
    }
}

#[test]
fn tiny_web_with_two_requests_on_a_connection_and_another_connection() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "x".repeat(10_000)).unwrap();
    for site in [None, Some(folder.path().to_str().unwrap())] {
        tells_what_strace_sees("tiny-web", &[], A_THREAD_FOR_EACH_DESCRIPTOR, &|command| {
            let arguments: Vec<&str> = ["--host", "127.0.0.1"].into_iter().chain(site).collect();
            server("tiny-web", command, &arguments, &|server| {
                let (mut first, mut second) = (server.connect(), server.connect());
                for client in [&mut first, &mut second] {
                    client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        client.read_exact(&mut byte).unwrap();
                        head.push(byte[0]);
                    }
                }
                // Each leaves at once: the server waits for that, but not for long.
                for mut client in [first, second] {
                    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
                    client.read_to_end(&mut Vec::new()).unwrap();
                }
            })
        });
    }
}

#[test]
fn browser() {
    let server = Server::start("tiny-web", &[]);
    tells_what_strace_sees("browser", &[], ONE_THREAD, &|command| {
        client(command, &[&format!("http://{}/", server.address)], b"")
    });
}
