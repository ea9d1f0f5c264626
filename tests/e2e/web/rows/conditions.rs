//! Conditional requests: RFC 9110, section 13.

use crate::harness::http::Client;
use crate::web::site::{CHANGED, Site};
use crate::web::table::{FieldRows, try_field_rows};

/// All files were changed at Sun, 06 Nov 1994 08:49:37 GMT.
const CONDITIONS: FieldRows = &[
    ("9110 8.8", "GET /ten.txt", "", "200 [ETag] [Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT]; kept"),
    // If-None-Match compares weakly.
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: {etag}", "304 [ETag: {etag}]; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: W/{etag}", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: \"x\", {etag}", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: {etag} , \"x\"", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: \"x\",W/{etag},\"y\"", "304; kept"),
    ("9110 5.6.1", "GET /ten.txt", "If-None-Match: ,, \"x\" ,\t{etag},", "304; kept"),
    ("9110 5.3", "GET /ten.txt", "If-None-Match: \"x\"\r\nIf-None-Match: {etag}", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: *", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: \"x\"", "200 [=0123456789]; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: W/\"x\", \"\"", "200; kept"),
    ("9110 8.8.3", "GET /ten.txt", "If-None-Match: \"a,{etag},b\"", "200|304|400; kept"),
    ("9110 8.8.3", "GET /ten.txt", "If-None-Match: \"a, b\", {etag}", "304; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: nonsense", "200|400; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: \"", "200|400; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match: w/{etag}", "200|400; kept"),
    ("9110 13.1.2", "GET /ten.txt", "If-None-Match:", "200|400; kept"),
    ("9110 13.1.2", "GET /missing", "If-None-Match: *", "404; kept"),
    ("9110 13.2.1", "GET /missing", "If-None-Match: \"x\"", "404; kept"),
    ("9110 13.1.2", "GET /empty.txt", "If-None-Match: {etag}", "304; kept"),
    ("9110 13.1.2", "HEAD /ten.txt", "If-None-Match: {etag}", "304 bare [ETag: {etag}]; kept"),
    ("9110 13.1.2", "GET /sub/", "If-None-Match: {etag}", "304; kept"),
    // 304 has what a cache needs, and no more.
    ("9110 15.4.5", "GET /ten.txt", "If-None-Match: {etag}", "304 [Date] [Cache-Control] [ETag] [!Content-Type]; kept"),
    ("9110 15.4.5", "GET /ten.txt", "If-None-Match: *", "304 [ETag] [!Last-Modified] [!Accept-Ranges]; kept"),
    ("9110 15.4.5", "GET /page.html", "If-None-Match: {etag}", "304 [Vary~Accept-Encoding] [ETag]; kept"),
    // If-Modified-Since, in the three formats.
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304 [ETag]; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sun Nov  6 08:49:37 1994", "304; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT", "304; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "200; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sun Nov  6 08:49:36 1994", "200; kept"),
    ("9110 13.1.3", "HEAD /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304 bare; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT", "304|200; kept"),
    ("9110 13.1.3", "GET /missing", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "404; kept"),
    // What is no date is ignored.
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: nonsense", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since:", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: 784111777", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 32 Nov 1994 08:49:37 GMT", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 31 Feb 1995 08:49:37 GMT", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Foo 1994 08:49:37 GMT", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 25:49:37 GMT", "200; kept"),
    ("9110 13.1.3", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:61:37 GMT", "200; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 +0100", "200; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37", "200; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Modified-Since: 1994-11-06T08:49:37Z", "200; kept"),
    (
        "9110 13.1.3",
        "GET /ten.txt",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "200; kept",
    ),
    (
        "9110 13.1.3",
        "GET /ten.txt",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "200; kept",
    ),
    (
        "9110 13.1.4",
        "GET /ten.txt",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        "200; kept",
    ),
    // With If-None-Match there, a date is ignored.
    (
        "9110 13.1.3",
        "GET /ten.txt",
        "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "200; kept",
    ),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\nIf-None-Match: {etag}",
        "304; kept",
    ),
    // If-Match compares strongly.
    ("9110 13.1.1", "GET /ten.txt", "If-Match: {etag}", "200 [=0123456789]; kept"),
    ("9110 13.1.1", "GET /ten.txt", "If-Match: \"x\", {etag}", "200; kept"),
    ("9110 5.3", "GET /ten.txt", "If-Match: \"x\"\r\nIf-Match: {etag}", "200; kept"),
    ("9110 13.1.1", "GET /ten.txt", "If-Match: *", "200; kept"),
    ("9110 13.1.1", "GET /ten.txt", "If-Match: W/{etag}", "412; kept"),
    ("9110 13.1.1", "GET /ten.txt", "If-Match: \"x\"", "412; kept"),
    ("9110 13.1.1", "GET /ten.txt", "If-Match: \"x\", \"y\"", "412; kept"),
    ("9110 13.1.1", "HEAD /ten.txt", "If-Match: \"x\"", "412 bare; kept"),
    ("9110 13.1.1", "GET /missing", "If-Match: *", "404|412; kept"),
    ("9110 13.1.1", "GET /missing", "If-Match: \"x\"", "404|412; kept"),
    // If-Unmodified-Since.
    ("9110 13.1.4", "GET /ten.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200; kept"),
    ("9110 13.1.4", "GET /ten.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:38 GMT", "200; kept"),
    ("9110 13.1.4", "GET /ten.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "412; kept"),
    ("9110 5.6.7", "GET /ten.txt", "If-Unmodified-Since: Sun Nov  6 08:49:36 1994", "412; kept"),
    ("9110 13.1.4", "GET /ten.txt", "If-Unmodified-Since: nonsense", "200; kept"),
    ("9110 13.1.4", "GET /ten.txt", "If-Unmodified-Since: Sun, 06 Nov 1893 08:49:37 PST", "200; kept"),
    (
        "9110 13.1.4",
        "GET /ten.txt",
        "If-Match: {etag}\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        "200; kept",
    ),
    (
        "9110 13.1.4",
        "GET /ten.txt",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\nIf-Match: \"x\"",
        "412; kept",
    ),
    // Their order.
    ("9110 13.2.2", "GET /ten.txt", "If-None-Match: {etag}\r\nIf-Match: {etag}", "304; kept"),
    ("9110 13.2.2", "GET /ten.txt", "If-None-Match: {etag}\r\nIf-Match: \"x\"", "412; kept"),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "If-None-Match: {etag}\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        "412; kept",
    ),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "304; kept",
    ),
    (
        "9110 13.2.2",
        "GET /ten.txt",
        "If-Match: {etag}\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "304; kept",
    ),
    // A condition changes nothing where the answer wouldn't be a success.
    ("9110 13.2.1", "GET /sub", "If-Match: \"x\"", "301; kept / 412; kept"),
    ("9110 13.2.1", "GET /sub", "If-None-Match: *", "301; kept"),
    ("9110 13.2.1", "POST /ten.txt", "If-None-Match: {etag}", "405; kept"),
    ("9110 13.2.1", "POST /ten.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "405; kept"),
    ("9110 13.2.1", "OPTIONS /ten.txt", "If-Match: \"x\"", "200|204; kept"),
    ("9110 13.2.1", "OPTIONS /ten.txt", "If-None-Match: *", "200|204; kept"),
];

#[test]
fn conditions_are_met_or_not_as_rfc_9110_has_it() {
    assert!(CHANGED.iter().all(|date| CONDITIONS.iter().any(|(_, _, fields, _)| fields.contains(date))));
    try_field_rows(&Site::start(&[]), CONDITIONS);
}

#[test]
fn a_long_list_of_tags_is_gone_through() {
    let site = Site::start(&[]);
    let mut client = Client::new(site.server.connect());
    let etag = client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().field("ETag").unwrap().to_owned();
    let others = "\"another one\", ".repeat(2000).replace(' ', "");
    for (tags, status) in [(format!("{others}{etag}"), 304), (format!("{others}\"x\""), 200)] {
        let reply = client.ask(&format!("GET /ten.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tags}\r\n\r\n"));
        assert_eq!(reply.unwrap().status, status);
    }
}

#[test]
fn a_file_that_changes_has_another_tag_even_in_the_same_second() {
    let site = Site::start(&["--no-cache"]);
    let mut client = Client::new(site.server.connect());
    let mut tag = || {
        let reply = client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        reply.field("ETag").unwrap().to_owned()
    };
    let set = |nanoseconds: u32| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, nanoseconds);
        std::fs::File::options().write(true).open(site.path("ten.txt")).unwrap().set_modified(time).unwrap();
    };
    set(1_000_000);
    let first = tag();
    set(2_000_000);
    assert_ne!(tag(), first);
    set(1_000_000);
    assert_eq!(tag(), first);
    std::fs::write(site.path("ten.txt"), "eleven bytes").unwrap();
    set(1_000_000);
    assert_ne!(tag(), first);
}

#[test]
fn a_file_of_the_future_was_modified_now_and_its_date_proves_nothing() {
    let site = Site::start(&["--no-cache"]);
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(100_000);
    std::fs::File::options().write(true).open(site.path("ten.txt")).unwrap().set_modified(future).unwrap();
    let mut client = Client::new(site.server.connect());
    let reply = client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (date, modified) = (reply.field("Date").unwrap(), reply.field("Last-Modified").unwrap());
    assert_eq!(date, modified);
    // It may be another file already, within the same second: RFC 9110, sections 8.8.2.2 and 13.1.5.
    let part = format!("GET /ten.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\nIf-Range: {modified}\r\n\r\n");
    assert_eq!(client.ask(&part).unwrap().body, b"0123456789");
}
