//! Requests and replies: the protocol, whatever is shown.

use crate::harness::Server;

#[test]
fn the_lectures_page_is_at_the_root() {
    let server = Server::start(&[]);
    let reply = server.get("/");
    assert!(reply.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", reply.head);
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(reply.field("Date").unwrap().ends_with(" GMT"));
    assert!(reply.text().starts_with("<!DOCTYPE html>") && reply.text().contains("<p>Hello world!</p>"));
}

#[test]
fn nothing_else_is_there() {
    let server = Server::start(&[]);
    for target in ["/a/favicon.ico", "/index.html", "/a/b?c"] {
        let reply = server.get(target);
        assert_eq!(reply.status, 404, "{target}");
        assert!(reply.text().contains("404 Not Found"));
        assert_eq!(reply.field("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn a_browser_that_asks_for_an_icon_gets_one() {
    let reply = Server::start(&[]).get("/favicon.ico");
    assert_eq!((reply.status, reply.field("Content-Type")), (200, Some("image/svg+xml")));
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let server = Server::start(&[]);
    for target in ["/", "/missing"] {
        let mut client = server.connect();
        client.send(&format!("HEAD {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let head = client.reply_to_head();
        assert_eq!(client.rest(), b"");
        let get = server.get(target);
        for name in ["Content-Length", "Content-Type", "Connection", "X-Content-Type-Options"] {
            assert_eq!(head.field(name), get.field(name), "{name}");
        }
        assert_eq!(head.status, get.status);
    }
}

#[test]
fn a_method_that_is_known_gets_405_with_allow_and_another_501() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        client.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("Allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
    client.send("BREW / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 501);
    for target in ["*", "/", "/missing"] {
        client.send(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply_to_head();
        assert_eq!((reply.status, reply.field("Allow")), (204, Some("GET, HEAD, OPTIONS")), "{target}");
        assert_eq!(reply.field("Content-Length"), None);
    }
    client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    assert_eq!(client.reply().status, 405);
    assert_eq!(client.rest(), b"", "what follows CONNECT may be no HTTP");
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for target in ["/", "/missing", "/"] {
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!(reply.status, if target == "/" { 200 } else { 404 });
        assert_eq!(reply.field("Connection"), None);
    }
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn http_1_0_closes_unless_it_is_asked_not_to() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.reply().field("Connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().field("Connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

#[test]
fn pipelined_requests_are_answered_in_order_each_once() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut requests = String::new();
    for number in 0..500 {
        let target = if number % 3 == 0 { "/" } else { "/missing" };
        requests += &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    client.send(&requests);
    client.finish();
    for number in 0..500 {
        assert_eq!(client.reply().status, if number % 3 == 0 { 200 } else { 404 }, "reply {number}");
    }
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for byte in b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        client.send_bytes(&[*byte]);
    }
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_body_is_read_past_and_never_taken_for_a_request() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let inner = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
    let large = "x".repeat(1024 * 1024);
    for body in [inner, &large] {
        client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(client.reply().status, 405);
    }
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 200, "only the outer requests count");
}

#[test]
fn chunks_are_read_past_to_the_byte() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let body = "5;a=b\r\nGET /\r\n1\r\nx\r\n0\r\nTrailer: x\r\n\r\n";
    for (method, status) in [("POST", 405), ("GET", 200), ("BREW", 501), ("GET", 200)] {
        client.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        assert_eq!(client.reply().status, status, "{method}");
    }
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn who_waits_for_a_word_before_a_body_gets_one() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply_to_head().head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("GET /");
    assert_eq!(client.reply().status, 200);
    // No need to wait for what has come already.
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nGET /");
    assert_eq!(client.reply().status, 200);
    // A body that nobody wants isn't asked for.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("Connection")), (405, Some("close")));
    assert_eq!(client.rest(), b"");
}

#[test]
fn where_the_next_request_begins_is_not_guessed() {
    let server = Server::start(&[]);
    let next = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let table = [
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ];
    for (request, status) in table {
        let mut client = server.connect();
        client.send(&format!("{request}{next}"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("Connection")), (status, Some("close")), "{request}");
        assert_eq!(client.rest(), b"", "{request}");
    }
}

#[test]
fn too_much_is_refused_and_the_refusal_arrives() {
    let server = Server::start(&[]);
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1_000_000));
    let long_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(1_000_000));
    let many_fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(128));
    for (request, status) in [(long_target, 414), (long_field, 431), (many_fields, 431)] {
        let mut client = server.connect();
        client.send(&request);
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("Connection")), (status, Some("close")));
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn half_a_request_is_a_bad_one_and_none_is_none() {
    let server = Server::start(&[]);
    for (sent, status) in [("GET / HTTP/1.1\r\nHost: a\r\n", Some(400)), ("", None), ("\r\n", None)] {
        let mut client = server.connect();
        client.send(sent);
        client.finish();
        if let Some(status) = status {
            assert_eq!(client.reply().status, status);
        }
        assert_eq!(client.rest(), b"", "{sent:?}");
    }
}
