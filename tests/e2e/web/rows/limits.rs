//! Limits: how much of everything is taken, and what is said to more.

use crate::web::site::Site;
use crate::web::table::try_rows;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A request for a file with a query that makes its line so long.
fn line(length: usize) -> Vec<u8> {
    let query = "a".repeat(length - "GET /ten.txt? HTTP/1.1".len());
    format!("GET /ten.txt?{query} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// A request with so many fields.
fn fields(count: usize) -> Vec<u8> {
    format!("GET /ten.txt HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(count - 1)).into_bytes()
}

/// A request with a head of so many bytes.
fn head(length: usize, name: &str) -> Vec<u8> {
    let value = "a".repeat(length - format!("GET /ten.txt HTTP/1.1\r\nHost: a\r\n{name}: \r\n\r\n").len());
    format!("GET /ten.txt HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n").into_bytes()
}

/// A request with a body of so many bytes.
fn body(length: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

/// A request with a body in so many chunks, each with a size line and of a length as given.
fn chunks(count: usize, size: &str, length: usize, trailer: &str) -> Vec<u8> {
    let chunk = format!("{size}\r\n{}\r\n", "x".repeat(length));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{}0\r\n{trailer}\r\n", chunk.repeat(count)).into_bytes()
}

#[test]
fn there_is_a_limit_on_everything_and_a_status_for_each() {
    let long_field_name = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: a\r\n\r\n", "X".repeat(70 * KIB)).into_bytes();
    let long_method = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(200)).into_bytes();
    let endless_method = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(20 * KIB)).into_bytes();
    let deep_path = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", "/a".repeat(4000)).into_bytes();
    let long_name = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(300)).into_bytes();
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(5000)).into_bytes();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        // The line of a request.
        ("9112 3", line(8000), "200 [=0123456789]; kept"),
        ("fact 30", line(16 * KIB - 16), "200 [=0123456789]; kept"),
        ("fact 30", line(16 * KIB + 16), "414; end"),
        ("fact 30", line(60 * KIB), "414; end"),
        ("fact 30", line(300 * KIB), "414; end"),
        ("9112 3", long_method, "501; kept / 400|414|501; end"),
        ("9112 3", endless_method, "501; kept / 400|414|501; end"),
        ("fact 30", long_name, "404|414; kept"),
        ("fact 30", long_path, "404|414; kept"),
        ("fact 30", deep_path, "404|414; kept"),
        // The fields.
        ("9110 5.4", fields(100), "200; kept"),
        ("fact 30", fields(128), "200; kept"),
        ("fact 30", fields(129), "431; end"),
        ("fact 30", fields(2000), "431; end"),
        ("9110 5.4", head(8 * KIB, "X"), "200; kept"),
        ("9110 5.4", head(60 * KIB, "Cookie"), "200; kept"),
        ("fact 30", head(64 * KIB + 16, "X"), "431; end"),
        ("fact 30", head(300 * KIB, "Cookie"), "431; end"),
        ("fact 30", head(70 * KIB, "Host"), "431|400; end"),
        ("fact 36a", long_field_name, "431|400; end"),
        // Bodies.
        ("fact 32", body(100 * KIB), "405; kept"),
        ("fact 32", body(MIB), "405; kept"),
        ("9110 15.5.14", body(MIB + 1), "413; end"),
        ("9110 15.5.14", body(3 * MIB), "413; end"),
        ("9112 7.1", chunks(1, "10000", 65_536, ""), "405; kept"),
        ("9112 7.1", chunks(1000, "1", 1, ""), "405; kept"),
        ("9112 7.1", chunks(15, "10000", 65_536, ""), "405; kept"),
        ("9110 15.5.14", chunks(20, "10000", 65_536, ""), "413; end"),
        ("9112 7.1", chunks(1, "200000", 2 * MIB, ""), "413; end"),
        // What comes between chunks costs as much as they do.
        ("9112 7.1.1", chunks(1, &format!("1;{}", "a".repeat(100)), 1, ""), "405; kept"),
        ("9112 7.1.1", chunks(1, &format!("1;{}", "a".repeat(200 * KIB)), 1, ""), "400|413|431; end"),
        ("9112 7.1.1", chunks(3000, &format!("1;{}", "a".repeat(1000)), 1, ""), "400|413|431; end"),
        ("9112 7.1", chunks(1, &format!("{}1", "0".repeat(100 * KIB)), 1, ""), "400|413|431; end"),
        ("9112 7.1.2", chunks(0, "", 0, &"X: a\r\n".repeat(20)), "405; kept"),
        ("9112 7.1.2", chunks(0, "", 0, &format!("X: {}\r\n", "a".repeat(200 * KIB))), "400|413|431; end"),
        ("9112 7.1.2", chunks(0, "", 0, &"X: a\r\n".repeat(40_000)), "400|413|431; end"),
    ];
    let rows: Vec<(&str, &[u8], &str)> =
        rows.iter().map(|(source, sent, wanted)| (*source, &sent[..], *wanted)).collect();
    try_rows(&Site::start(&[]), &rows);
}
