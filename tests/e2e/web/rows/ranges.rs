//! Parts of files: RFC 9110, section 14. One range is answered; several are answered with the whole file.

use crate::web::site::Site;
use crate::web::table::{FieldRows, try_field_rows};

const RANGES: FieldRows = &[
    ("9110 14.3", "GET /ten.txt", "", "200 [Accept-Ranges: bytes]; kept"),
    (
        "9110 14.2",
        "GET /ten.txt",
        "Range: bytes=0-0",
        "206 [Content-Range: bytes 0-0/10] [Content-Length: 1] [=0]; kept",
    ),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=2-5", "206 [Content-Range: bytes 2-5/10] [=2345]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-9", "206 [Content-Range: bytes 0-9/10] [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=5-", "206 [Content-Range: bytes 5-9/10] [=56789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-", "206 [Content-Range: bytes 0-9/10] [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=9-9", "206 [Content-Range: bytes 9-9/10] [=9]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=9-", "206 [=9]; kept"),
    ("9110 14.1.2", "GET /ten.txt", "Range: bytes=5-100", "206 [Content-Range: bytes 5-9/10] [=56789]; kept"),
    ("9110 14.1.2", "GET /ten.txt", "Range: bytes=-3", "206 [Content-Range: bytes 7-9/10] [=789]; kept"),
    ("9110 14.1.2", "GET /ten.txt", "Range: bytes=-10", "206 [Content-Range: bytes 0-9/10] [=0123456789]; kept"),
    ("9110 14.1.2", "GET /ten.txt", "Range: bytes=-11", "206 [Content-Range: bytes 0-9/10] [=0123456789]; kept"),
    ("9110 14.1", "GET /ten.txt", "Range: BYTES=0-0", "206 [=0]; kept"),
    ("9110 14.2", "GET /ten.txt", "range:bytes=00-000", "206 [=0]; kept"),
    // What comes with a part is what comes with the whole.
    (
        "9110 15.3.7",
        "GET /ten.txt",
        "Range: bytes=0-0",
        "206 [Date] [ETag: {etag}] [Cache-Control] [Content-Type~text/plain]; kept",
    ),
    ("9110 15.3.7", "GET /page.html", "Range: bytes=0-1", "206 [Vary~Accept-Encoding] [ETag: {etag}] [=as]; kept"),
    // Not satisfiable.
    ("9110 14.4", "GET /ten.txt", "Range: bytes=10-", "416 [Content-Range: bytes */10]; kept"),
    ("9110 14.4", "GET /ten.txt", "Range: bytes=10-20", "416 [Content-Range: bytes */10]; kept"),
    ("9110 14.4", "GET /ten.txt", "Range: bytes=99999999999999999999999-", "416 [Content-Range: bytes */10]; kept"),
    ("9110 14.1.2", "GET /ten.txt", "Range: bytes=-0", "416 [Content-Range: bytes */10]; kept"),
    ("9110 14.4", "GET /empty.txt", "Range: bytes=0-", "416 [Content-Range: bytes */0]; kept"),
    ("9110 14.4", "GET /empty.txt", "Range: bytes=0-0", "416 [Content-Range: bytes */0]; kept"),
    ("9110 14.1.2", "GET /empty.txt", "Range: bytes=-1", "416 [Content-Range: bytes */0]; kept / 200 [=]; kept"),
    // Numbers of any size are numbers; the first is 2^64.
    ("9110 14.1.1", "GET /ten.txt", "Range: bytes=5-18446744073709551616", "206 [=56789]; kept"),
    ("9110 14.1.1", "GET /ten.txt", "Range: bytes=5-18446744073709551615", "206 [=56789]; kept"),
    ("9110 14.1.1", "GET /ten.txt", "Range: bytes=-18446744073709551616", "206 [=0123456789]; kept"),
    ("9110 14.1.1", "GET /ten.txt", "Range: bytes=18446744073709551616-18446744073709551617", "416; kept"),
    // Malformed.
    ("9110 14.2", "GET /ten.txt", "Range: bytes=5-2", "416 [Content-Range: bytes */10]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=-", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=5", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=a-b", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0x0-5", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=+1-5", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=--5", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=1-2-3", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=1 - 2", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-0 x", "416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=*", "416; kept"),
    // No ranges of bytes.
    ("9110 14.2", "GET /ten.txt", "Range: items=0-0", "200 [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: seconds=5-", "200 [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytesx=0-0", "200; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: none", "200|416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range:", "200|416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: 0-0", "200|416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes 0-0/10", "200|416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes:0-0", "200|416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes =0-0", "200|416; kept"),
    ("9110 14.4", "GET /ten.txt", "Content-Range: bytes 0-0/10", "200 [=0123456789]; kept"),
    // Several.
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-0,-1", "200 [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-0, 2-2, 4-4", "200 [=0123456789]; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", "200 [=0123456789]; kept"),
    ("9110 5.6.1", "GET /ten.txt", "Range: bytes=,0-0,", "206 [=0]; kept / 200; kept / 416; kept"),
    ("9110 14.2", "GET /ten.txt", "Range: bytes=0-0\r\nRange: bytes=2-2", "200|206|416; kept / 400; end"),
    // For GET, and for what could be had whole.
    ("9110 14.2", "HEAD /ten.txt", "Range: bytes=0-0", "200 bare [Content-Length: 10] [!Content-Range]; kept"),
    ("9110 14.2", "HEAD /ten.txt", "Range: bytes=20-", "200 bare [Content-Length: 10]; kept"),
    ("9110 14.2", "POST /ten.txt", "Range: bytes=0-0", "405; kept"),
    ("9110 14.2", "OPTIONS /ten.txt", "Range: bytes=0-0", "200|204; kept"),
    ("9110 14.2", "GET /missing", "Range: bytes=0-0", "404; kept"),
    ("9110 14.2", "GET /sub", "Range: bytes=0-0", "301; kept"),
    ("9110 14.2", "GET /sub/", "Range: bytes=0-2", "206 [=the]; kept"),
    ("9110 14.2", "GET /bare/", "Range: bytes=0-0", "200|206; kept"),
    // Conditions come first.
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=0-0\r\nIf-None-Match: {etag}", "304; kept"),
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=20-\r\nIf-None-Match: {etag}", "304; kept"),
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=0-0\r\nIf-None-Match: \"x\"", "206; kept"),
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Match: \"x\"", "412; kept"),
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=20-\r\nIf-Match: \"x\"", "412; kept"),
    ("9110 13.2.2", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Match: {etag}", "206; kept"),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "Range: bytes=0-0\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "304; kept",
    ),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "Range: bytes=0-0\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        "412; kept",
    ),
    // If-Range: the part if it is of the same file, or else the whole.
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: {etag}", "206 [=0]; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: \"x\"", "200 [=0123456789]; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: W/{etag}", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT", "206 [=0]; kept"),
    ("9110 5.6.7", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: Sun Nov  6 08:49:37 1994", "206; kept / 200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:36 GMT", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: *", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range: nonsense", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=0-0\r\nIf-Range:", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "If-Range: {etag}", "200 [=0123456789]; kept"),
    ("9110 13.1.5", "GET /ten.txt", "If-Range: \"x\"", "200; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=20-\r\nIf-Range: \"x\"", "200 [=0123456789]; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=20-\r\nIf-Range: {etag}", "416; kept"),
    ("9110 13.1.5", "GET /ten.txt", "Range: bytes=x\r\nIf-Range: \"x\"", "200; kept"),
];

#[test]
fn one_range_is_sent_and_of_several_the_whole_file() {
    try_field_rows(&Site::start(&[]), RANGES);
}

#[test]
fn parts_of_a_large_file_fit_together() {
    use crate::harness::http::Client;
    use crate::harness::noise;
    let site = Site::start(&[]);
    let content = noise(3_000_001);
    site.write("large", &content);
    let mut client = Client::new(site.server.connect());
    let mut got = Vec::new();
    while got.len() < content.len() {
        let (from, to) = (got.len(), got.len() + 777_777);
        let reply = client.ask(&format!("GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes={from}-{to}\r\n\r\n")).unwrap();
        let last = to.min(content.len() - 1);
        assert_eq!(reply.field("Content-Range"), Some(format!("bytes {from}-{last}/{}", content.len()).as_str()));
        assert_eq!(reply.faults(), Vec::<String>::new());
        got.extend(reply.body);
    }
    assert!(got == content);
}
