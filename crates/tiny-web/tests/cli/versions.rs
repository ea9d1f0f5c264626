//! Which version of a file a client gets: the one that it doesn't have yet, a part of it, or a smaller one.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::folder::Shown;
use crate::harness::eventually;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A file of ten digits, from [`DATE`].
fn digits(options: &[&str]) -> Shown {
    let shown = Shown::how(&[("digits", b"0123456789")], options);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    File::options().write(true).open(shown.path("digits")).unwrap().set_modified(modified).unwrap();
    shown
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let shown = digits(&[]);
    let first = shown.server.get("/digits");
    let etag = first.field("ETag").unwrap();
    assert_eq!((first.field("Last-Modified"), first.field("Cache-Control")), (Some(DATE), Some("no-cache")));
    let table = [
        (format!("If-None-Match: {etag}"), 304),
        ("If-None-Match: \"other\"".to_owned(), 200),
        (format!("If-Modified-Since: {DATE}"), 304),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: \"other\"".to_owned(), 412),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".to_owned(), 412),
    ];
    for (field, status) in table {
        let reply = shown.server.get_with("/digits", &format!("{field}\r\n"));
        assert_eq!(reply.status, status, "{field}");
        if status == 304 {
            assert_eq!((reply.field("ETag"), reply.field("Content-Type")), (Some(etag), None));
            assert_eq!((reply.field("Last-Modified"), reply.field("Accept-Ranges")), (None, None));
            assert_eq!(reply.field("Cache-Control"), Some("no-cache"));
        }
    }
}

#[test]
fn a_part_is_sent_of_the_version_that_the_client_has() {
    let shown = digits(&[]);
    let etag = shown.server.get("/digits").field("ETag").unwrap().to_owned();
    let table = [
        ("Range: bytes=2-5".to_owned(), 206, "bytes 2-5/10", "2345"),
        ("Range: bytes=-3".to_owned(), 206, "bytes 7-9/10", "789"),
        ("Range: bytes=0-1,8-9".to_owned(), 200, "", "0123456789"),
        (format!("Range: bytes=2-5\r\nIf-Range: {etag}"), 206, "bytes 2-5/10", "2345"),
        (format!("Range: bytes=2-5\r\nIf-Range: {DATE}"), 206, "bytes 2-5/10", "2345"),
        (format!("Range: bytes=2-5\r\nIf-Range: W/{etag}"), 200, "", "0123456789"),
        (format!("Range: bytes=99-\r\nIf-None-Match: {etag}"), 304, "", ""),
    ];
    for (fields, status, content_range, text) in table {
        let reply = shown.server.get_with("/digits", &format!("{fields}\r\n"));
        assert_eq!((reply.status, reply.text()), (status, text), "{fields}");
        assert_eq!(reply.field("Content-Range").unwrap_or_default(), content_range, "{fields}");
    }
    for range in ["bytes=10-", "bytes=x", "bytes=5-2"] {
        let reply = shown.server.get_with("/digits", &format!("Range: {range}\r\n"));
        assert_eq!((reply.status, reply.field("Content-Range")), (416, Some("bytes */10")), "{range}");
    }
    let mut client = shown.server.connect();
    client.send("HEAD /digits HTTP/1.1\r\nHost: a\r\nRange: bytes=2-5\r\n\r\n");
    assert_eq!(client.reply_to_head().status, 200, "only GET has parts");
}

#[test]
fn a_part_of_a_large_file_is_that_part() {
    let large: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let shown = Shown::with(&[("large", &large)]);
    let reply = shown.server.get_with("/large", "Range: bytes=1000000-2499999\r\n");
    assert_eq!((reply.status, reply.field("Content-Range")), (206, Some("bytes 1000000-2499999/3000000")));
    assert!(reply.body == large[1_000_000..2_500_000]);
}

#[test]
fn a_compressed_neighbour_is_sent_to_who_wants_it() {
    let shown =
        Shown::with(&[("a.html", b"plain"), ("a.html.gz", b"gzip"), ("a.html.br", b"br"), ("b.html", b"plain")]);
    let table = [
        ("", None, "plain"),
        ("Accept-Encoding: gzip\r\n", Some("gzip"), "gzip"),
        ("Accept-Encoding: gzip, deflate, br, zstd\r\n", Some("br"), "br"),
        ("Accept-Encoding: br;q=0.5, gzip\r\n", Some("gzip"), "gzip"),
        ("Accept-Encoding: zstd\r\n", None, "plain"),
        ("Accept-Encoding: gzip;q=0\r\n", None, "plain"),
    ];
    let mut etags = std::collections::BTreeSet::new();
    for (fields, coding, text) in table {
        let reply = shown.server.get_with("/a.html", fields);
        assert_eq!((reply.field("Content-Encoding"), reply.text()), (coding, text), "{fields}");
        assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply.field("Vary"), Some("Accept-Encoding"));
        etags.insert(reply.field("ETag").unwrap().to_owned());
    }
    assert_eq!(etags.len(), 3, "each has its own");
    let alone = shown.server.get_with("/b.html", "Accept-Encoding: gzip\r\n");
    assert_eq!((alone.field("Vary"), alone.text()), (None, "plain"));
}

#[test]
fn a_change_is_seen_at_once_without_the_cache_and_within_a_second_with_it() {
    let shown = Shown::how(&[("a", b"old")], &["--no-cache"]);
    assert_eq!(shown.server.get("/a").text(), "old");
    fs::write(shown.path("a"), "newer").unwrap();
    assert_eq!(shown.server.get("/a").text(), "newer");

    let shown = Shown::with(&[("a", b"old"), ("b", b"b")]);
    assert_eq!(shown.server.get("/a").text(), "old");
    assert_eq!(shown.server.get("/b").text(), "b");
    fs::write(shown.path("a"), "newer").unwrap();
    fs::remove_file(shown.path("b")).unwrap();
    eventually("a change", || shown.server.get("/a").text() == "newer" && shown.server.get("/b").status == 404);
}

#[test]
fn clients_may_keep_files_as_long_as_they_are_told() {
    let shown = digits(&["--cache", "3600"]);
    assert_eq!(shown.server.get("/digits").field("Cache-Control"), Some("max-age=3600"));
    assert_eq!(shown.server.get("/missing").field("Cache-Control"), Some("no-cache"));
}
