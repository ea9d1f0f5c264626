//! Precompressed neighbours, chosen by Accept-Encoding: RFC 9110, section 12.5.3. `page.html` has one of each kind.

use crate::harness::http::{Client, Reply};
use crate::web::site::Site;
use crate::web::table::{FieldRows, try_field_rows};

const CODINGS: FieldRows = &[
    (
        "9110 12.5.3",
        "GET /page.html",
        "",
        "200 [=as it is] [!Content-Encoding] [Vary~Accept-Encoding] [Content-Type~text/html]; kept",
    ),
    (
        "9110 8.4",
        "GET /page.html",
        "Accept-Encoding: gzip",
        "200 [=by gzip] [Content-Encoding: gzip] [Vary~Accept-Encoding] [Content-Type~text/html] [Content-Length: 7]; kept",
    ),
    (
        "9110 8.4",
        "GET /page.html",
        "Accept-Encoding: br",
        "200 [=by brotli] [Content-Encoding: br] [Content-Type~text/html]; kept",
    ),
    ("8878 7.2", "GET /page.html", "Accept-Encoding: zstd", "200 [=by zstd] [Content-Encoding: zstd]; kept"),
    (
        "9110 8.4",
        "HEAD /page.html",
        "Accept-Encoding: gzip",
        "200 bare [Content-Encoding: gzip] [Content-Length: 7]; kept",
    ),
    ("9110 8.4.1", "GET /page.html", "Accept-Encoding: GZip", "200 [=by gzip] [Content-Encoding: gzip]; kept"),
    ("9110 8.4.1.3", "GET /page.html", "Accept-Encoding: x-gzip", "200 [=by gzip]; kept / 200 [=as it is]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: gzip, deflate, br, zstd", "200 [Content-Encoding]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: deflate", "200 [=as it is] [!Content-Encoding]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: compress, unheard-of", "200 [=as it is]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding:", "200 [=as it is] [!Content-Encoding]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: identity", "200 [=as it is] [!Content-Encoding]; kept"),
    // Weights.
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=0", "200 [=as it is]; kept"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=0.000, br;q=0.0", "200 [=as it is]; kept"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=1, br;q=0.5", "200 [=by gzip]; kept"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=0.5, br;q=1.000", "200 [=by brotli]; kept"),
    (
        "9110 12.4.2",
        "GET /page.html",
        "Accept-Encoding: gzip ; q=0.001,\tbr ;q=0",
        "200 [=by gzip]; kept / 200 [=as it is]; kept",
    ),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;Q=0, br;Q=0, zstd;Q=0.9", "200 [=by zstd]; kept"),
    ("9110 5.3", "GET /page.html", "Accept-Encoding: gzip;q=0\r\nAccept-Encoding: br", "200 [=by brotli]; kept"),
    (
        "9110 12.5.3",
        "GET /page.html",
        "Accept-Encoding: identity;q=1, gzip;q=0.5",
        "200 [=as it is]; kept / 200 [=by gzip]; kept",
    ),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: identity;q=0, gzip;q=0.1", "200 [=by gzip]; kept"),
    (
        "9110 12.5.3",
        "GET /page.html",
        "Accept-Encoding: br;q=0, zstd;q=0, gzip;q=0.1, *;q=0.5",
        "200 [=as it is] [!Content-Encoding]; kept",
    ),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: gzip, *;q=0.5", "200 [=by gzip]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: identity;q=0.1, gzip;q=0.2, *;q=0", "200 [=by gzip]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: *", "200; kept"),
    (
        "9110 12.5.3",
        "GET /page.html",
        "Accept-Encoding: gzip;q=0, *",
        "200 [=by brotli]; kept / 200 [=by zstd]; kept / 200 [=as it is]; kept",
    ),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: br;q=0.5, *;q=0", "200 [=by brotli]; kept"),
    // Nothing is acceptable: 406, or what there is.
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: *;q=0", "406; kept / 200 [=as it is]; kept"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: identity;q=0", "406; kept / 200; kept"),
    ("9110 12.5.3", "GET /ten.txt", "Accept-Encoding: identity;q=0", "406; kept / 200 [=0123456789]; kept"),
    // What is no weight gives none: anything but a coding that nobody wants.
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=x", "200; kept / 400; end"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=", "200; kept / 400; end"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=2", "200; kept / 400; end"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: gzip;q=-1", "200; kept / 400; end"),
    ("9110 12.4.2", "GET /page.html", "Accept-Encoding: ;,;q=1,\"gzip\"", "200 [=as it is]; kept / 400; end"),
    ("9110 12.5.3", "GET /page.html", "Accept-Encoding: xgzip, gzipx, brr", "200 [=as it is]; kept"),
    // The neighbours by their own names are files like others.
    ("9110 8.4", "GET /page.html.gz", "", "200 [=by gzip] [!Content-Encoding] [Content-Type~gzip]; kept"),
    ("9110 8.4", "GET /page.html.gz", "Accept-Encoding: gzip", "200 [=by gzip] [!Content-Encoding]; kept"),
    ("9110 8.4", "GET /page.html.br", "Accept-Encoding: br", "200 [=by brotli] [!Content-Encoding]; kept"),
    // A file without any.
    ("9110 8.4", "GET /ten.txt", "Accept-Encoding: gzip, br, zstd", "200 [=0123456789] [!Content-Encoding]; kept"),
    ("9110 8.4", "GET /missing", "Accept-Encoding: gzip", "404 [!Content-Encoding]; kept"),
    // Parts are parts of what would be sent whole.
    (
        "9110 14.2",
        "GET /page.html",
        "Accept-Encoding: gzip\r\nRange: bytes=3-",
        "206 [=gzip] [Content-Encoding: gzip] [Content-Range: bytes 3-6/7]; kept",
    ),
];

#[test]
fn a_neighbour_is_sent_to_who_accepts_it() {
    try_field_rows(&Site::start(&[]), CODINGS);
}

#[test]
fn each_neighbour_has_a_tag_of_its_own() {
    let site = Site::start(&[]);
    let mut client = Client::new(site.server.connect());
    let mut ask =
        |fields: &str| -> Reply { client.ask(&format!("GET /page.html HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap() };
    let codings = ["identity", "gzip", "br", "zstd"];
    let tags =
        codings.map(|coding| ask(&format!("Accept-Encoding: {coding}\r\n")).field("ETag").expect("a tag").to_owned());
    for (coding, tag) in codings.iter().zip(&tags) {
        assert_eq!(tags.iter().filter(|other| *other == tag).count(), 1, "{tags:?}");
        for other in codings {
            let reply = ask(&format!("Accept-Encoding: {other}\r\nIf-None-Match: {tag}\r\n"));
            assert_eq!(reply.status, if other == *coding { 304 } else { 200 }, "{tag} with {other}");
            assert!(reply.field("Vary").is_some_and(|vary| vary.contains("Accept-Encoding")), "{reply:?}");
            assert_eq!(reply.faults(), Vec::<String>::new());
        }
    }
}
