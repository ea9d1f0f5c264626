//! What strace sees of a program, in the words of our trace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::call::{Call, parts};
use crate::harness::{command, peer, program, skip};

/// A command that runs one of our programs under strace, which writes what it sees of these calls into `log`. None: there is no strace, or
/// it may not do that here, and the test is skipped.
///
/// The process is the program itself, to be sent signals and waited for; strace is its descendant (-D), and its stderr stays
/// open until the log is complete.
pub fn watching(name: &str, calls: &str, log: &Path) -> Option<Command> {
    under_strace(name, &format!("trace={calls}"), log)
}

/// The same; and one call of this name, the first being 1, is not made, but fails with this error.
pub fn failing(name: &str, (call, number): (&str, usize), error: &str, log: &Path) -> Option<Command> {
    under_strace(name, &format!("inject={call}:error={error}:when={number}"), log)
}

fn under_strace(name: &str, expression: &str, log: &Path) -> Option<Command> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let strace = peer("strace")?;
    let arguments = ["-D", "-f", "-q", "-s", "256", "-e", expression, "-o"];
    let works = || command(&strace).args(arguments).args([log.as_os_str(), "true".as_ref()]).status();
    if !*WORKS.get_or_init(|| works().is_ok_and(|status| status.success())) {
        skip("strace may not watch programs here");
        return None;
    }
    let mut command = command(strace);
    command.args(arguments).arg(log).arg(program(name));
    Some(command)
}

/// The calls in a log of strace's on Internet sockets of one kind, SOCK_STREAM or SOCK_DGRAM, and on the descriptors in
/// `others`.
///
/// All else is no business of the trace's, and has a descriptor that neither such a `socket` nor an `accept` returned:
///
/// - 1 and 2 of a server: its ready line and the trace itself. 0 and 1 of tcp-echo-client, which reads and writes them with
///   the lecture's calls, are among the `others`.
/// - The trace file.
/// - The files that the start of a program reads, and those that tiny-web sends.
/// - The pipe that the signal handler writes into.
/// - The sockets by which the system's library asks for this machine's addresses (AF_NETLINK), and those that it connects, to
///   send nothing, when it sorts the addresses of a name (SOCK_DGRAM in a program for TCP; see RFC 6724).
pub fn calls(log: &str, kind: &str, others: &[i64], excerpt: usize) -> Vec<Call> {
    let mut ours: BTreeSet<i64> = others.iter().copied().collect();
    let mut calls = in_order(log, excerpt);
    calls.retain(|call| {
        let is_ours = match call.name.as_str() {
            "socket" => call.what.as_ref().is_some_and(|what| what.starts_with("AF_INET") && what.ends_with(kind)),
            _ => ours.contains(&call.about()),
        };
        match (call.name.as_str(), &call.result) {
            ("socket" | "accept", Ok(new)) if is_ours => drop(ours.insert(*new)),
            ("close", _) => drop(ours.remove(&call.about())),
            _ => {}
        }
        is_ours
    });
    calls
}

/// All calls that have returned, in the order in which they did.
///
/// A line is `7 recv(3, "x", 1024) = 1`, or two lines with other threads' calls between them: `7 recv(3,  <unfinished ...>`
/// and `7 <... recv resumed>"x", 1024) = 1`.
fn in_order(log: &str, excerpt: usize) -> Vec<Call> {
    let mut begun = HashMap::new();
    let mut calls = BTreeMap::new();
    for (number, line) in log.lines().enumerate() {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some(beginning) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (number, beginning));
            continue;
        }
        let (began, line) = match line.strip_prefix("<... ").and_then(|line| line.split_once(" resumed>")) {
            Some((_, end)) => {
                let (began, beginning) = begun.remove(thread).unwrap();
                (began, beginning.to_owned() + end)
            }
            None => (number, line.to_owned()),
        };
        // What else there is: a signal, the end of a thread, a call that the end of the program has cut short.
        if let Some((name, arguments, result)) = parts(&line) {
            // Once closed, the number may be another thread's new connection before this thread has been heard again.
            let at = if name == "close" { began } else { number };
            calls.insert(at, in_our_words(name, &arguments, result, excerpt));
        }
    }
    calls.into_values().collect()
}

/// A call as our trace would tell it. The head of `berkeley.rs` has the names: without an address, `recvfrom` is `recv` and
/// `sendto` is `send`; `accept4` is `accept` with a flag.
fn in_our_words(name: &str, arguments: &[&str], result: Result<i64, String>, excerpt: usize) -> Call {
    let argument = |number: usize| arguments.get(number).copied().unwrap_or_default();
    let name = match name {
        "recvfrom" if argument(4) == "NULL" => "recv",
        "sendto" if argument(4) == "NULL" => "send",
        "accept4" => "accept",
        name => name,
    };
    // A call that fills a buffer and fails shows where the buffer is.
    let quoted = |text: &'static str, data: &str| if data.starts_with('"') { data.to_owned() } else { text.to_owned() };
    let data = quoted("\"\"", argument(1));
    let (message, message_length) = match name {
        // Nothing has come, and strace doesn't say how much room there was.
        "recvmsg" | "recvmmsg" if result.is_err() => ("\"\"".to_owned(), "65535".to_owned()),
        _ => first_message(argument(1)),
    };
    let address = address(&arguments.join(", ")).map(|address| address.to_string()).unwrap_or_default();
    // Which of the flags and variants are used, such as SOCK_CLOEXEC and SO_SNDTIMEO_NEW, is up to the library.
    let (kind, option) = (argument(1).split('|').next().unwrap_or_default(), argument(2).trim_end_matches("_NEW"));
    let mut ours = match name {
        "socket" => vec![argument(0), kind],
        "read" | "write" | "recv" | "send" => vec![argument(0), &data, argument(2)],
        "recvfrom" | "sendto" => vec![argument(0), &data, argument(2), &address],
        "recvmsg" | "sendmsg" | "recvmmsg" | "sendmmsg" => vec![argument(0), &message, &message_length, &address],
        "bind" | "connect" | "accept" | "getsockname" => vec![argument(0), &address],
        "listen" | "shutdown" => vec![argument(0), argument(1)],
        "setsockopt" | "getsockopt" => vec![argument(0), option],
        "close" => vec![argument(0)],
        _ => vec![],
    };
    ours.retain(|argument| !argument.is_empty());
    Call::new(name, &ours, result, excerpt)
}

/// The data and its length in `{msg_name={…}, msg_namelen=16, msg_iov=[{iov_base="x", iov_len=65535}, …], msg_iovlen=1, …}`,
/// its parts put together; of several such messages, of the first.
fn first_message(text: &str) -> (String, String) {
    let (mut data, mut length, mut is_cut) = ("\"".to_owned(), 0, false);
    let parts = text.split("msg_iovlen=").next().unwrap_or_default();
    for part in parts.split("iov_base=").skip(1) {
        let mut escaped = false;
        let end = part.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        let (shown, rest) = part.split_at(end.map_or(0, |end| end + 1));
        if !is_cut {
            data += shown.strip_prefix('"').unwrap_or_default();
        }
        is_cut |= rest.starts_with("\"...");
        let number = rest.split_once("iov_len=").map(|(_, number)| number.split('}').next().unwrap_or_default());
        length += number.and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
    }
    (data + "\"", length.to_string())
}

/// The first address in `{sa_family=AF_INET, sin_port=htons(2000), sin_addr=inet_addr("127.0.0.1")}`, or in
/// `{sa_family=AF_INET6, sin6_port=htons(2000), …, inet_pton(AF_INET6, "::1", &sin6_addr), …}`. An IPv4 address in the clothes
/// of IPv6 is shown as what it is.
fn address(text: &str) -> Option<SocketAddr> {
    let (_, text) = text.split_once("_port=htons(")?;
    let (port, text) = text.split_once(')')?;
    let ip: IpAddr = text.split('"').nth(1)?.parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port.parse().ok()?))
}

#[test]
fn the_words_of_strace_are_understood() {
    let log = r#"7 read(3, "\177ELF"..., 832) = 832
7 socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3
7 close(3) = 0
7 socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3
7 accept4(3, {sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr), sin6_scope_id=0}, [128 => 28], SOCK_CLOEXEC) = 4
8 close(4 <unfinished ...>
7 accept4(3, {sa_family=AF_INET, sin_port=htons(8), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_CLOEXEC) = 4
8 <... close resumed>)              = 0
9 recvfrom(4, "\0x", 1024, 0, NULL, NULL) = 2
7 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
7 recvmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(8), sin_addr=inet_addr("127.0.0.1")}, msg_namelen=128 => 16, msg_iov=[{iov_base="x", iov_len=65535}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0) = 1
7 recvmmsg(3, 0x7f0, 2, 0, NULL) = -1 EAGAIN (Resource temporarily unavailable)
7 sendmmsg(3, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(8), sin_addr=inet_addr("127.0.0.1")}, msg_namelen=16, msg_iov=[{iov_base="a\"", iov_len=2}, {iov_base="b", iov_len=1}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, msg_len=3}, {msg_hdr={msg_name=NULL, msg_iov=[{iov_base="c", iov_len=1}], msg_iovlen=1}, msg_len=1}], 2, 0) = 2
7 +++ exited with 0 +++
"#;
    let ours = r#"0.0 socket(AF_INET6, SOCK_STREAM) = 3
0.0 accept(3, 127.0.0.1:9) = 4
0.0 close(4) = 0
0.0 accept(3, 127.0.0.1:8) = 4
0.0 recv(4, "\x00x", 1024) = 2
0.0 recvmsg(3, "x", 65535, 127.0.0.1:8) = 1
0.0 recvmmsg(3, "", 65535) = -1 EAGAIN (resource temporarily unavailable)
0.0 sendmmsg(3, "a\"b", 3, 127.0.0.1:8) = 2
"#;
    assert_eq!(calls(log, "SOCK_STREAM", &[], 32), super::call::of_text(ours, "program", 32));
}
