//! How long a body is, where it ends, and that nothing in it is taken for a request.

use crate::web::site::Site;
use crate::web::table::{Rows, try_rows};

/// The length, and everything that two readers could take for two lengths. RFC 9112, section 6.3, and section 11.2.
pub const LENGTHS: Rows = &[
    ("9112 6.2", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "405; kept"),
    ("9112 6.2", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "405; kept"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "405; kept"),
    ("9112 6.3", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200; kept"),
    ("9112 6.3", b"HEAD /ten.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 bare; kept"),
    ("9112 6.3", b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "405; kept"),
    ("9112 6.3", b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "501; kept / 501; end"),
    ("9112 6.3", b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200|204; kept"),
    ("9112 6.3", b"POST /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "404|405; kept"),
    ("9112 6.3", b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "405; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:5 \t\r\n\r\nhello", "405; kept"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", "405; kept"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\ncONTENT-lENGTH: 5\r\n\r\nhello", "405; kept"),
    ("9112 2.2", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n", "405; kept"),
    // What is in it is no request.
    (
        "fact 32",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 [=0123456789]; kept",
    ),
    (
        "fact 32",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "405; kept",
    ),
    (
        "fact 32",
        b"GET /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "404; kept",
    ),
    // Not a number.
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\t5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5;\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5e0\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5_0\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello", "400; end"),
    ("9110 8.6", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400; end"),
    ("9110 8.6", b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400; end"),
    // More than can be; the second is 2^64 + 5.
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999\r\n\r\n", "400|413; end"),
    ("9110 8.6", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello", "400|413; end"),
    // Two.
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\ncontent-length: 5\r\n\r\nhello!", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello!", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length:\r\n\r\nhello", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", "400; end / 405; kept"),
    (
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "400; end / 405; kept",
    ),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\nhello", "400; end / 405; kept"),
    ("9112 5.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", "400; end"),
    ("9112 5.2", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello", "400; end"),
    // A length and a coding.
    (
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    (
        "9112 6.3",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    (
        "9112 6.3",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    (
        "9112 6.3",
        b"GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    (
        "9112 6.1",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
];

#[test]
fn a_length_is_a_number_and_there_is_one() {
    try_rows(&Site::start(&[]), LENGTHS);
}

/// The codings: `chunked`, and what only looks like it. The body `0` is complete for who takes it for chunked.
pub const CODINGS: Rows = &[
    ("9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200; kept"),
    ("9112 7.1", b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200 bare; kept"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:ChUnKeD \r\n\r\n0\r\n\r\n", "405; kept"),
    ("9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501|400; end"),
    (
        "9112 6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "501|400; end",
    ),
    (
        "9112 6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: unheard-of, chunked\r\n\r\n0\r\n\r\n",
        "501|400; end",
    ),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 6.3", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400; end"),
    (
        "9112 6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    (
        "9112 6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "400; end",
    ),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun ked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x chunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunk\xe9d\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 7", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", "400; end"),
    (
        "9110 5.6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
        "405; kept / 400; end",
    ),
    (
        "9110 5.6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked ,\t,\r\n\r\n0\r\n\r\n",
        "405; kept / 400; end",
    ),
    (
        "9110 5.6.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
        "405; kept / 400; end",
    ),
    ("9110 5.6.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip,, chunked\r\n\r\n0\r\n\r\n", "501|400; end"),
    ("9112 5.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 5.2", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 2.2", b"POST / HTTP/1.1\r\nHost: a\r\nX: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 2.2", b"POST / HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400; end"),
    ("9112 6.1", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400; end / 405; end"),
    (
        "9112 6.1",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400; end / 405; end",
    ),
    // An unknown method doesn't excuse it.
    ("fact 31", b"BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400; end"),
];

#[test]
fn a_body_is_chunked_or_has_a_length_and_nothing_in_between() {
    try_rows(&Site::start(&[]), CODINGS);
}

/// What every row of chunks begins with.
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Bodies in chunks, without the head. RFC 9112, section 7.1.
const CHUNKS: Rows = &[
    ("9112 7.1", b"5\r\nhello\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"A\r\n0123456789\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"a\r\n0123456789\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"0005\r\nhello\r\n0000\r\n\r\n", "405; kept"),
    ("9112 7.1", b"24\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "405; kept"),
    // Extensions are ignored.
    ("9112 7.1.1", b"5;a\r\nhello\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1.1", b"5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n", "405; kept"),
    ("9112 7.1.1", b"5;a=\"b;c\\\"d\"\r\nhello\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1.1", b"5 ; a = b\r\nhello\r\n0\r\n\r\n", "405; kept"),
    ("9112 7.1.1", b"5;\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;=b\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a=\"b\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a b\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a\nb\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a\n5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a\rb\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a\0b\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1.1", b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", "400; end"),
    // Trailers are ignored too, but have to be fields.
    ("9112 7.1.2", b"0\r\nX: a\r\n\r\n", "405; kept"),
    ("9112 7.1.2", b"5\r\nhello\r\n0\r\nX: a\r\nY:\r\n\r\n", "405; kept"),
    ("9110 6.5.1", b"0\r\nContent-Length: 5\r\n\r\n", "405; kept / 400; end"),
    ("9110 6.5.1", b"0\r\nTransfer-Encoding: gzip\r\n\r\n", "405; kept / 400; end"),
    ("9110 6.5.1", b"0\r\nHost: b\r\n\r\n", "405; kept / 400; end"),
    ("9110 6.5.1", b"0\r\nConnection: close\r\n\r\n", "405; kept / 400; end"),
    ("9112 7.1.2", b"0\r\nX : a\r\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\nX\r\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\n: a\r\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\nX: a\r\n b\r\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\nX: a\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\nX: a\rb\r\n\r\n", "400; end"),
    ("9112 7.1.2", b"0\r\nX: a\0\r\n\r\n", "400; end"),
    // Without its last empty line, the next request would be a trailer.
    ("9112 7.1", b"0\r\nGET / HTTP/1.1\r\n", "400; end"),
    // Sizes that are none.
    ("9112 7.1", b"\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"g\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"0x5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"x5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5h\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"+5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"-5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"-0\r\n\r\n", "400; end"),
    ("9112 7.1", b" 5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"\t5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5 \r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5,5\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5.0\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"1_0\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"\"5\"\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5\0\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n", "400; end"),
    // Larger than any body may be. The second is 2^64 + 5.
    ("9112 7.1", b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", "400|413; end"),
    ("9112 7.1", b"10000000000000005\r\nhello\r\n0\r\n\r\n", "400|413; end"),
    ("9112 7.1", b"7FFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", "400|413; end"),
    ("9112 7.1", b"fffffffffffffffffffffffffffffffffffffff\r\nhello\r\n0\r\n\r\n", "400|413; end"),
    // Line ends, and data that isn't as long as it says.
    ("9112 2.2", b"5\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 2.2", b"5\rhello\r\n0\r\n\r\n", "400; end"),
    ("9112 2.2", b"5\r\nhello\n0\r\n\r\n", "400; end"),
    ("9112 2.2", b"5\r\nhello\r\n0\n\n", "400; end"),
    ("9112 2.2", b"5\r\nhello\r\n0\r\n\n", "400; end"),
    ("9112 2.2", b"5\r\r\nhello\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5\r\nhello0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5\r\nhello!\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"5\r\nhell\r\n0\r\n\r\n", "400; end"),
    ("9112 7.1", b"hello", "400; end"),
];

#[test]
fn chunks_are_read_past_and_a_faulty_one_ends_the_connection() {
    let site = Site::start(&[]);
    let requests: Vec<Vec<u8>> = CHUNKS.iter().map(|(_, body, _)| [CHUNKED, body].concat()).collect();
    let rows: Vec<(&str, &[u8], &str)> =
        CHUNKS.iter().zip(&requests).map(|((source, _, wanted), sent)| (*source, sent.as_slice(), *wanted)).collect();
    try_rows(&site, &rows);
}
