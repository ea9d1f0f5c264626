//! Methods, HEAD, Expect, and several requests on one connection.

use crate::harness::eventually;
use crate::harness::http::{Client, Content};
use crate::web::site::{CHANGED, Site};
use crate::web::table::{Rows, try_rows};

pub const METHODS: Rows = &[
    ("9110 9.3.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "200 [=0123456789]; kept"),
    ("9110 9.3.2", b"HEAD /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "200 bare [Content-Length: 10]; kept"),
    ("9110 9.3.2", b"HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n", "404 bare; kept"),
    ("9110 9.3.2", b"HEAD /sub HTTP/1.1\r\nHost: a\r\n\r\n", "301 bare [Location: /sub/]; kept"),
    ("9110 9.3.7", b"OPTIONS /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "200|204 [Allow~GET] [Allow~HEAD]; kept"),
    ("9110 9.3.7", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200|204 [Allow~GET]; kept"),
    ("9112 3.2.4", b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "200|204 [Allow~GET]; kept"),
    ("9110 7.4", b"OPTIONS https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "421; kept / 400; end"),
    ("9110 4.2.1", b"OPTIONS http://:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400; kept / 400; end"),
    ("9110 9.3.7", b"OPTIONS / HTTP/1.0\r\n\r\n", "200|204 [Allow~GET]; end"),
    ("9110 9.3.7", b"OPTIONS /missing HTTP/1.1\r\nHost: a\r\n\r\n", "200|204|404; kept"),
    ("9110 15.5.6", b"POST /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "405 [Allow~GET] [Allow~HEAD]; kept"),
    ("9110 15.5.6", b"PUT /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "405 [Allow~GET]; kept"),
    ("9110 15.5.6", b"DELETE /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "405 [Allow~GET]; kept"),
    ("5789 2", b"PATCH /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "405 [Allow~GET]; kept"),
    ("9110 9.3.8", b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", "405 [Allow~GET]; kept"),
    ("9110 9.3.6", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "405; end / 400|501; end"),
    ("9110 9.3.6", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "405; end / 400|501; end"),
    ("4918 9.1", b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "501; kept / 405; kept"),
    ("9110 9.1", b"GET* /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "501; kept"),
    // A method that nobody knows is no reason to look for the file.
    ("9110 9.1", b"BREW /missing HTTP/1.1\r\nHost: a\r\n\r\n", "501; kept"),
    // The asterisk is for OPTIONS, the authority for CONNECT.
    ("9112 3.2.4", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400; end / 400; kept"),
    ("9112 3.2.4", b"HEAD * HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare; end / 400 bare; kept"),
    ("9112 3.2.3", b"GET a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "400; end / 400; kept"),
];

#[test]
fn two_methods_show_files_and_the_others_are_told_so() {
    try_rows(&Site::start(&[]), METHODS);
}

#[test]
fn the_lectures_page_has_the_same_methods() {
    use crate::harness::Server;
    let server = Server::start("tiny-web", &[]);
    let mut client = Client::new(server.connect());
    let page = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(page.status == 200 && page.text().contains("Hello world!"), "{page:?}");
    assert_eq!(page.faults(), Vec::<String>::new());
    let head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(head.field("Content-Length"), Some(page.body.len().to_string().as_str()));
    let post = client.ask("POST / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(post.status == 405 && post.field("Allow").is_some_and(|allow| allow.contains("GET")), "{post:?}");
    let icon = client.ask("GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!([200, 204].contains(&icon.status), "a browser asks for it at once: {icon:?}");
}

#[test]
fn head_has_the_fields_of_get_and_no_content() {
    let site = Site::start(&[]);
    let mut client = Client::new(site.server.connect());
    let changed = CHANGED[0];
    let conditions = [
        String::new(),
        format!("If-Modified-Since: {changed}\r\n"),
        "If-None-Match: *\r\n".to_owned(),
        "If-Match: \"other\"\r\n".to_owned(),
        "Accept-Encoding: gzip\r\n".to_owned(),
    ];
    for target in ["/", "/ten.txt", "/empty.txt", "/page.html", "/sub", "/sub/", "/bare/", "/missing", "/%zz"] {
        for fields in &conditions {
            let ask = |client: &mut Client, method: &str| {
                let reply = client.ask(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
                let mut reply = reply.unwrap_or_else(|fault| panic!("{method} {target} {fields}: {fault}"));
                reply.fields.retain(|(name, _)| name != "Date");
                if reply.is_last() {
                    *client = Client::new(site.server.connect());
                }
                reply
            };
            let (get, head) = (ask(&mut client, "GET"), ask(&mut client, "HEAD"));
            assert_eq!((get.status, get.fields), (head.status, head.fields), "{target} {fields}");
        }
    }
    // Nothing was left over.
    let last = client.ask("GET /probe.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(last.body, b"probe\n");
}

/// With the body, which the server may have before it says that it wants it.
pub const EXPECT: Rows = &[
    (
        "9110 10.1.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "405; kept / 100, 405; kept / 405; end",
    ),
    (
        "9110 10.1.1",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello",
        "200; kept / 100, 200; kept / 200; end",
    ),
    (
        "9110 10.1.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "405; kept / 100, 405; kept / 405; end",
    ),
    (
        "9110 10.1.1",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "200 [=0123456789]; kept / 100, 200 [=0123456789]; kept",
    ),
    // In HTTP/1.0 it means nothing, and nobody there knows an interim answer.
    ("9110 10.1.1", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", "405; end"),
    ("9110 10.1.1", b"GET /ten.txt HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "200; end"),
    // Others can't be met.
    ("9110 10.1.1", b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", "417; kept / 200; kept / 417; end"),
    (
        "9110 10.1.1",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: nothing\r\n\r\nhello",
        "417; kept / 405; kept / 417; end",
    ),
    // And framing comes first.
    ("fact 31", b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", "400; end"),
    (
        "fact 31",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nExpect: 100-continue\r\n\r\nhello",
        "400; end",
    ),
    ("9110 15.5.14", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", "413; end"),
];

#[test]
fn an_expectation_is_answered() {
    try_rows(&Site::start(&[]), EXPECT);
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_not_left_waiting() {
    let site = Site::start(&[]);
    for method in ["POST", "PUT", "GET"] {
        let mut client = Client::new(site.server.connect());
        client.send(
            format!("{method} /ten.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
                .as_bytes(),
        );
        let mut reply = client.reply(Content::Follows).unwrap();
        let is_asked = reply.status == 100;
        if is_asked {
            client.send(b"hello");
            reply = client.reply(Content::Follows).unwrap();
        }
        assert_eq!(reply.status, if method == "GET" { 200 } else { 405 });
        assert_eq!(reply.faults(), Vec::<String>::new());
        if reply.is_last() {
            client.receive_all().unwrap();
            assert!(client.input.is_empty());
        } else {
            // It has to take the body then: it can't know that the client won't send it.
            client.send(if is_asked { b"" } else { b"hello" });
            assert_eq!(client.ask("GET /probe.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().body, b"probe\n");
        }
    }
}

pub const PIPELINES: Rows = &[
    (
        "9112 9.3.2",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 [=0123456789], 200 [=]; kept",
    ),
    (
        "9112 9.3.2",
        b"HEAD /ten.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 bare, 404, 200 [=the index of sub\n]; kept",
    ),
    (
        "9112 9.3.2",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "405, 200 [=0123456789]; kept",
    ),
    (
        "9112 9.3.2",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "405, 200 [=0123456789]; kept",
    ),
    (
        "9112 9.3.2",
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "501, 200|204, 200 [=0123456789]; kept",
    ),
    (
        "9112 2.2",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200, 200; kept",
    ),
    // What follows the last request is none.
    (
        "9112 9.6",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 [=0123456789]; end",
    ),
    ("9112 9.3", b"GET /ten.txt HTTP/1.0\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n", "200 [=0123456789]; end"),
    (
        "9112 9.6",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 [=0123456789], 400; end",
    ),
    (
        "9112 9.6",
        b"GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/2.0\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 [=0123456789], 505; end",
    ),
];

#[test]
fn requests_in_a_row_are_answered_in_their_order_each_once() {
    let site = Site::start(&[]);
    try_rows(&site, PIPELINES);
    // And a great many, while nothing is read: more than the buffers of both ends hold.
    let mut client = Client::new(site.server.connect());
    let requests = ["GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    client.send(requests.repeat(1000).as_bytes());
    client.finish();
    for number in 0..1000 {
        let get = client.reply(Content::Follows).unwrap_or_else(|fault| panic!("{number}: {fault}"));
        assert_eq!(get.body, b"0123456789");
        let head = client.reply(Content::IsLeftOut).unwrap_or_else(|fault| panic!("{number}: {fault}"));
        assert_eq!(head.field("Content-Length"), Some("10"));
    }
    client.receive_all().unwrap();
    assert!(client.input.is_empty());
}

#[test]
fn the_date_of_an_answer_is_now() {
    let site = Site::start(&[]);
    let mut client = Client::new(site.server.connect());
    let now = || {
        let mut date = std::process::Command::new("date");
        let date = date.args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"]).env("LC_ALL", "C").output().unwrap();
        String::from_utf8(date.stdout).unwrap().trim().to_owned()
    };
    // Twice, so that it isn't the date of the start.
    for _ in 0..2 {
        let before = now();
        eventually("another second", || now() != before);
        eventually("the same date on both sides", || {
            let reply = client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            reply.field("Date") == Some(now().as_str())
        });
    }
}
