//! Fields: their grammar, and those that a server of files has no use for.

use crate::web::site::Site;
use crate::web::table::{FieldRows, Rows, try_field_rows, try_rows};

pub const GRAMMAR: Rows = &[
    ("9112 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "400; end"),
    ("9112 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", "400; end"),
    ("9112 5", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", "400; end"),
    ("9112 5", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400; end"),
    ("9112 5", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "400; end"),
    ("9112 5", b"GET / HTTP/1.1\r\nHost: a\r\nGET / HTTP/1.1\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX[]: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\"Y\": b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX@Y: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX;Y: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\n{X}: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\n\xe9: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\x7f: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n", "400; end"),
    ("9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", "400; end"),
    ("9110 5.6.2", b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~0aZ: b\r\n\r\n", "200; kept"),
    // Obsolete folding.
    ("9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "400; end"),
    ("9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", "400; end"),
    ("9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n c\r\n\r\n", "400; end"),
    ("9112 5.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n \r\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\n\tX: b\r\nHost: a\r\n\r\n", "400; end"),
    // Values.
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \t \r\n\r\n", "200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX:b\r\n\r\n", "200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\tc: d, \"e\\\"f\"\r\n\r\n", "200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n", "200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", "400; end"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", "400; end"),
    ("fact 31", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nc: d\r\n\r\n", "400; end"),
    ("fact 31", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n", "400; end"),
    ("fact 31", b"GET / HTTP/1.1\r\nHost: a\r\n\n", "400; end"),
    ("fact 31", b"GET / HTTP/1.1\r\nHost: a\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "400; end"),
    ("9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", "400; end"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n", "400; end / 200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n", "400; end / 200; kept"),
    ("9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "400; end / 200; kept"),
    // Names are the same in any letters, and may come again.
    ("9110 5.1", b"GET / HTTP/1.1\r\nhOsT: a\r\ncOnNeCtIoN: close\r\n\r\n", "200; end"),
    ("9110 5.3", b"GET / HTTP/1.1\r\nAccept: b\r\nHost: a\r\nAccept: c\r\nACCEPT: d\r\n\r\n", "200; kept"),
];

#[test]
fn a_field_is_a_name_a_colon_and_a_value() {
    try_rows(&Site::start(&[]), GRAMMAR);
}

/// What changes nothing: what a server doesn't know or doesn't want, it ignores.
const IGNORED: FieldRows = &[
    ("9110 5.1", "GET /ten.txt", "X-Unheard-Of: b", "200 [=0123456789]; kept"),
    ("9110 12.5.1", "GET /ten.txt", "Accept: nonsense", "200; kept"),
    ("9110 12.5.1", "GET /ten.txt", "Accept: image/png", "200|406; kept"),
    ("9110 12.5.2", "GET /ten.txt", "Accept-Charset: utf-16", "200|406; kept"),
    ("9110 12.5.4", "GET /ten.txt", "Accept-Language: xx;q=0", "200|406; kept"),
    ("9110 10.1.2", "GET /ten.txt", "From: a@b", "200; kept"),
    ("9110 10.1.3", "GET /ten.txt", "Referer: <script>\"%00", "200; kept"),
    ("9110 10.1.5", "GET /ten.txt", "User-Agent:", "200; kept"),
    ("9110 10.1.4", "GET /ten.txt", "TE: trailers, chunked\r\nConnection: TE", "200; kept"),
    ("9110 11.6.2", "GET /ten.txt", "Authorization: Basic !!!", "200; kept"),
    ("9110 7.6.2", "GET /ten.txt", "Max-Forwards: 0", "200; kept"),
    ("9110 7.6.3", "GET /ten.txt", "Via: 1.1 a, 1.0 b (c)", "200; kept"),
    ("9110 8.3", "GET /ten.txt", "Content-Type: a/b\r\nContent-Type: c/d", "200; kept"),
    ("9110 8.4", "GET /ten.txt", "Content-Encoding: gzip", "200|415; kept"),
    ("9111 5.2.1", "GET /ten.txt", "Cache-Control: only-if-cached, max-age=0", "200; kept"),
    ("6265 5.4", "GET /ten.txt", "Cookie: =; a=\"b; c\r\nCookie: d", "200; kept"),
    ("9112 C.2.2", "GET /ten.txt", "Proxy-Connection: close", "200; kept"),
    ("9112 C.2.2", "GET /ten.txt", "Keep-Alive: timeout=0, max=0", "200; kept"),
    ("9112 6.1", "GET /ten.txt", "Trailer: X", "200; kept"),
    ("9112 6.1", "GET /ten.txt", "X-Transfer-Encoding: chunked", "200; kept"),
    ("9112 6.2", "GET /ten.txt", "X-Content-Length: 5", "200; kept"),
    // Nobody here speaks another protocol.
    ("9110 7.8", "GET /ten.txt", "Upgrade: websocket\r\nConnection: Upgrade", "200 [!Upgrade]; kept"),
    ("9110 7.8", "GET /ten.txt", "Upgrade: websocket", "200; kept"),
    ("9110 7.8", "GET /ten.txt", "Upgrade: TLS/1.0\r\nConnection: upgrade", "200; kept"),
    (
        "9110 7.8",
        "GET /ten.txt",
        "Upgrade: h2c\r\nHTTP2-Settings: AAM\r\nConnection: Upgrade, HTTP2-Settings",
        "200; kept",
    ),
    ("9110 7.8", "POST /ten.txt", "Upgrade: websocket\r\nConnection: Upgrade", "405; kept"),
    // Nor do other names for the target.
    ("9110 7.1", "GET /ten.txt", "X-Original-URL: /probe.txt\r\nX-Rewrite-URL: /probe.txt", "200 [=0123456789]; kept"),
    ("9110 9.1", "GET /ten.txt", "X-HTTP-Method-Override: DELETE", "200 [=0123456789]; kept"),
    (
        "9110 7.2",
        "GET /sub",
        "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example",
        "301 [Location: /sub/]; kept",
    ),
];

#[test]
fn fields_that_mean_nothing_to_a_server_of_files_are_ignored() {
    try_field_rows(&Site::start(&[]), IGNORED);
}
