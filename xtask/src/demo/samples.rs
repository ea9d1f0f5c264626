//! Traces made by hand, for the tests: the lecture's two programs in a few calls.

use super::story::Told;
use super::trace::{Call, units};

const CLIENT: &str = "127.0.0.1:9";
const SERVER: &str = "127.0.0.1:2000";

/// A call on `fd` from `start` to `end`, in units of 100 microseconds.
pub fn call(name: &str, fd: i64, start: u64, end: u64) -> Call {
    let (start_ns, end_ns) = (start * 100_000, end * 100_000);
    Call { name: name.to_owned(), fd: Some(fd), start_ns, end_ns, result: Some(0), ..Call::default() }
}

pub fn socket(kind: &str, fd: i64, at: u64) -> Call {
    Call { fd: None, arguments: format!("AF_INET, {kind}"), result: Some(fd), ..call("socket", 0, at, at) }
}

/// A call that moves data. The size is an argument, as in a trace.
pub fn moves(name: &str, fd: i64, start: u64, end: u64, data: &str) -> Call {
    let bytes = Some(units(data).count() as i64);
    let arguments = if name.starts_with("recv") { "1024".to_owned() } else { units(data).count().to_string() };
    Call { arguments, data: Some(data.to_owned()), bytes, result: bytes, ..call(name, fd, start, end) }
}

pub fn at_client(call: Call) -> Call {
    Call { local: Some(CLIENT.to_owned()), peer: Some(SERVER.to_owned()), ..call }
}

pub fn at_server(call: Call) -> Call {
    Call { local: Some(SERVER.to_owned()), peer: Some(CLIENT.to_owned()), ..call }
}

pub fn told(calls: Vec<Call>, printed: &[&str]) -> Told {
    let printed = printed.iter().map(|line| (*line).to_owned()).collect();
    Told { calls, printed, last_words: Vec::new() }
}

/// The lecture's TCP server and client.
pub fn tcp() -> (Told, Told) {
    let accept = Call { arguments: CLIENT.to_owned(), result: Some(4), ..call("accept", 3, 4, 21) };
    let server = vec![
        socket("SOCK_STREAM", 3, 1),
        Call { arguments: "5".to_owned(), ..call("listen", 3, 2, 3) },
        at_server(accept),
        at_server(moves("recv", 4, 22, 31, "Hello world")),
        at_server(moves("send", 4, 32, 33, "echo -> Hello world")),
        at_server(moves("recv", 4, 34, 51, "")),
        at_server(call("close", 4, 52, 53)),
        call("close", 3, 90, 91),
    ];
    let client = vec![
        socket("SOCK_STREAM", 3, 10),
        Call { arguments: SERVER.to_owned(), peer: Some(SERVER.to_owned()), ..call("connect", 3, 20, 23) },
        at_client(moves("send", 3, 30, 32, "Hello world")),
        at_client(moves("recv", 3, 35, 40, "echo -> Hello world")),
        at_client(call("close", 3, 50, 51)),
    ];
    (told(server, &["server: listening on 127.0.0.1:2000"]), told(client, &["echo -> Hello world"]))
}
