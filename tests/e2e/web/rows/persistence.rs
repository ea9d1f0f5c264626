//! Whether a connection goes on.

use crate::web::site::Site;
use crate::web::table::{Rows, try_rows};

pub const CONNECTIONS: Rows = &[
    ("9112 9.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "200 [!Connection]; kept"),
    ("9112 9.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "200; kept"),
    ("9112 9.6", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200; end"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n", "200; end"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n", "200; end"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: x,close\r\n\r\n", "200; end"),
    ("9110 5.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: ,, x ,\tclose ,\r\n\r\n", "200; end"),
    ("9112 9.6", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", "200; end"),
    (
        "9110 5.3",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        "200; end",
    ),
    ("9110 5.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: x\r\nX: b\r\nconnection: close\r\n\r\n", "200; end"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", "200; kept"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: x-close, disclose\r\n\r\n", "200; kept"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection:\r\n\r\n", "200; kept"),
    ("9110 7.6.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nClose: a\r\nX-Connection: close\r\n\r\n", "200; kept"),
    // HTTP/1.0.
    ("9112 9.3", b"GET /ten.txt HTTP/1.0\r\n\r\n", "200; end"),
    ("9112 9.3", b"GET /ten.txt HTTP/1.0\r\nHost: a\r\nConnection: x\r\n\r\n", "200; end"),
    (
        "9112 9.3",
        b"GET /ten.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "200 [Connection: keep-alive]; kept / 200; end",
    ),
    (
        "9112 9.3",
        b"GET /ten.txt HTTP/1.0\r\nConnection: Keep-Alive, x\r\n\r\n",
        "200 [Connection: keep-alive]; kept / 200; end",
    ),
    ("9112 9.3", b"GET /ten.txt HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "200; end"),
    ("9112 C.2.2", b"GET /ten.txt HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", "200; end"),
    (
        "9112 9.3",
        b"HEAD /ten.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "200 bare [Connection: keep-alive]; kept",
    ),
    ("9112 9.3", b"GET /missing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "404 [Connection: keep-alive]; kept"),
    // Whatever the answer is.
    ("9112 9.3", b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n", "404; kept"),
    ("9112 9.3", b"GET /sub HTTP/1.1\r\nHost: a\r\n\r\n", "301; kept"),
    ("9112 9.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n", "304; kept"),
    ("9112 9.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n", "412; kept"),
    ("9112 9.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=10-\r\n\r\n", "416; kept"),
    ("9112 9.6", b"GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "404; end"),
    ("9112 9.6", b"GET /sub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "301; end"),
    ("9112 9.6", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n", "304; end"),
    ("9112 9.6", b"POST /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405; end"),
    ("9112 9.6", b"HEAD /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 bare; end"),
];

#[test]
fn a_connection_goes_on_until_one_of_the_two_has_had_enough() {
    try_rows(&Site::start(&[]), CONNECTIONS);
}
