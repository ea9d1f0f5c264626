//! Targets: their four forms, and the paths in them.

use crate::web::site::Site;
use crate::web::table::{Rows, try_rows};

/// Each is asked for with GET, and the fields that it needs.
type Targets = &'static [(&'static str, &'static str, &'static str)];

const FORMS: Targets = &[
    ("9112 3.2.1", "/", "200 [=the index\n]; kept"),
    ("9112 3.2.1", "/ten.txt?a=b", "200 [=0123456789]; kept"),
    ("9112 3.2.1", "/ten.txt?", "200 [=0123456789]; kept"),
    ("9112 3.2.1", "/?/../?", "200 [=the index\n]; kept"),
    ("3986 3.4", "/ten.txt?a=%zz", "200; kept / 400; kept / 400; end"),
    ("9112 3.2.2", "http://a/ten.txt", "200 [=0123456789]; kept"),
    ("9112 3.2.2", "http://a:80/ten.txt?b", "200 [=0123456789]; kept"),
    ("9112 3.2.2", "HTTP://A/ten.txt", "200 [=0123456789]; kept"),
    ("9112 3.2.2", "http://[::1]:80/ten.txt", "200 [=0123456789]; kept"),
    ("9110 7.4", "https://a/ten.txt", "421; kept / 400; end"),
    ("9110 7.4", "HTTPS://a:443/ten.txt", "421; kept / 400; end"),
    ("9110 4.2.2", "https:///ten.txt", "400; kept / 400; end"),
    ("9110 4.2.3", "http://a", "200 [=the index\n]; kept"),
    ("9110 4.2.3", "http://a?b", "200 [=the index\n]; kept"),
    ("9110 4.2.1", "http:///ten.txt", "400; kept / 400; end"),
    ("9110 4.2.1", "http://:80/ten.txt", "400; kept / 400; end"),
    ("9110 4.2.1", "http://:/ten.txt", "400; kept / 400; end"),
    ("9110 4.2.1", "http://?a", "400; kept / 400; end"),
    ("9110 4.2.4", "http://user@a/ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "http://a b/ten.txt", "400; end"),
    ("9112 3.2.2", "http://[::1/ten.txt", "400; kept / 400; end"),
    ("9112 3.2.2", "ftp://a/ten.txt", "400|404|421; kept / 400; end"),
    ("9112 3.2.2", "http:/ten.txt", "400|404; kept / 400; end"),
    ("9112 3.2", "ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "./ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "../ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "?a", "400; kept / 400; end"),
    ("9112 3.2", "a:80", "400; kept / 400; end"),
    ("9112 3.2", "*", "400; kept / 400; end"),
    ("9112 3.2", "*/ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "\\ten.txt", "400; kept / 400; end"),
    ("9112 3.2", "%2ften.txt", "400; kept / 400; end"),
    ("9110 4.2.5", "/ten.txt#a", "400; kept / 400; end"),
    ("9110 4.2.5", "/#/ten.txt", "400; kept / 400; end"),
    ("9110 4.2.5", "/ten.txt?a#b", "400; kept / 400; end"),
    ("9110 4.2.5", "http://a?a#b", "400; kept / 400; end"),
    ("9110 4.2.5", "https://a/#", "400; kept / 400; end"),
];

const PATHS: Targets = &[
    ("3986 2.3", "/t%65n.txt", "200 [=0123456789]; kept"),
    ("3986 2.1", "/%74%65%6e%2E%74%78%74", "200 [=0123456789]; kept"),
    ("3986 2.1", "/a%20b.txt", "200 [=a space\n]; kept"),
    ("3986 2.4", "/100%25.txt", "200 [=a percent sign\n]; kept"),
    ("3986 2.4", "/100%2525.txt", "404; kept"),
    ("3986 2.2", "/a+b.txt", "404; kept"),
    ("3986 2.1", "/%", "400; kept / 400; end"),
    ("3986 2.1", "/ten.txt%", "400; kept / 400; end"),
    ("3986 2.1", "/%4", "400; kept / 400; end"),
    ("3986 2.1", "/%zz", "400; kept / 400; end"),
    ("3986 2.1", "/%u0041", "400; kept / 400; end"),
    ("3986 2.1", "/%-1", "400; kept / 400; end"),
    ("fact 35", "/ten.txt%00", "400|404; kept / 400; end"),
    ("fact 35", "/ten.txt%00.html", "400|404; kept / 400; end"),
    ("3986 3.3", "/TEN.TXT", "404; kept"),
    ("3986 3.3", "/ten.txt;a=b", "404; kept"),
    ("9110 15.5.5", "/missing", "404; kept"),
    ("9110 15.5.5", "/missing/", "404; kept"),
    ("9110 15.5.5", "/missing/missing", "404; kept"),
    ("fact 35", "/ten.txt/", "404; kept"),
    ("fact 35", "/ten.txt/x", "404; kept"),
    ("9110 15.4.2", "/sub", "301 [Location: /sub/]; kept"),
    ("9110 15.4.2", "/s%75b", "301 [Location: /sub/]; kept"),
    ("9110 15.4.2", "http://b/sub", "301 [Location: /sub/]; kept"),
    ("9110 15.4.2", "/sub?a=b&c", "301 [Location: /sub/?a=b&c]; kept"),
    ("9110 15.4.2", "/sub?%0d%0aX:?//b", "301 [Location: /sub/?%0d%0aX:?//b] [!X]; kept"),
    ("9110 15.4.2", "http://b/sub?c", "301 [Location: /sub/?c]; kept"),
    ("fact 35", "/sub/", "200 [=the index of sub\n]; kept"),
    ("fact 35", "/bare/", "200 [Content-Type~text/html] [*inner.txt]; kept"),
    ("fact 35", "/sub/index.html", "200 [=the index of sub\n]; kept"),
    // Out of the root, and hidden.
    ("fact 35", "/../secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/sub/../../secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%2e%2e/secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/.%2E/secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%252e%252e/secret.txt", "404; kept"),
    ("fact 35", "/..%2fsecret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/sub%2f..%2f..%2fsecret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%2e%2e%2fsecret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/..\\secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/..%5csecret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/sub/..%5c..%5csecret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/..;/secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%c0%ae%c0%ae/secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%e0%80%ae./secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/%ff%fe/secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "//../secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/./../secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "http://a/../secret.txt", "400|403|404; kept / 400; end"),
    ("fact 35", "/sub%2findex.html", "400|403|404; kept / 400; end"),
    ("fact 35", "/..", "400|403|404; kept / 400; end"),
    ("fact 35", "/../", "400|403|404; kept / 400; end"),
    ("fact 35", "/.hidden.txt", "403|404; kept"),
    ("fact 35", "/%2ehidden.txt", "403|404; kept"),
    ("8615 3", "/.well-known/known.txt", "200 [=known\n]; kept"),
    // A dot segment may be resolved or refused, but leads nowhere else.
    ("3986 5.2.4", "/./ten.txt", "200 [=0123456789]; kept / 301|400|404; kept / 400; end"),
    ("3986 5.2.4", "/sub/../ten.txt", "200 [=0123456789]; kept / 301|400|404; kept / 400; end"),
    ("3986 3.3", "//ten.txt", "200 [=0123456789]; kept / 301|400|404; kept"),
    ("3986 3.3", "/sub//index.html", "200 [=the index of sub\n]; kept / 301|400|404; kept"),
];

#[test]
fn a_target_has_four_forms_and_a_get_two_of_them() {
    try_targets(FORMS);
}

#[test]
fn a_path_leads_to_a_file_below_the_root_or_nowhere() {
    try_targets(PATHS);
}

fn try_targets(targets: Targets) {
    let site = Site::start(&[]);
    let requests: Vec<String> =
        targets.iter().map(|(_, target, _)| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let rows: Vec<(&str, &[u8], &str)> = targets
        .iter()
        .zip(&requests)
        .map(|((source, _, wanted), request)| (*source, request.as_bytes(), *wanted))
        .collect();
    try_rows(&site, &rows);
}

/// Bytes that no URI has.
const NO_TARGETS: Rows = &[
    ("3986 2", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /\x1b[0m HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /ten.txt?\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("3986 2", b"GET /ten.txt?\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("9112 3", b"GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("9112 3", b"GET /a<b> HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("9112 3", b"GET /ten.txt?<b HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
    ("9112 3", b"HEAD /ten.txt?b> HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare; end"),
    ("3986 2", b"GET /ten.txt?a\rb HTTP/1.1\r\nHost: a\r\n\r\n", "400; end"),
];

/// Bytes that no URI has either, and that browsers leave as they are in a path or a query all the same.
const LENIENT: Targets = &[
    ("whatwg url 1.3", "/ten.txt?a|b^c`d{e}f\\g[h]'i", "200 [=0123456789]; kept"),
    ("whatwg url 1.3", "/a|b^c[d]'e", "404; kept"),
];

#[test]
fn a_target_has_only_bytes_of_uris_and_what_browsers_take_for_some() {
    try_rows(&Site::start(&[]), NO_TARGETS);
    try_targets(LENIENT);
}
