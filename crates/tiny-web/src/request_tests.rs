//! Heads, and what the server understands of them.

use proptest::prelude::*;

use super::*;

/// What becomes of these bytes: the status that refuses them, or what was understood.
fn outcome(input: &[u8]) -> String {
    let end = match HeadEnd::default().find(input, &Limits::USUAL) {
        Ok(Some(end)) => end,
        Ok(None) => return "more".to_owned(),
        Err(status) => return status.code().to_owned(),
    };
    let mut room = NO_FIELDS;
    match read(&input[..end], &mut room, &Limits::USUAL) {
        Ok(Request { method, target, persistence, body, expects_continue, .. }) => {
            let expects = if expects_continue { " waits" } else { "" };
            format!("{method} {target} {persistence:?} {body:?}{expects}")
        }
        Err(status) => status.code().to_owned(),
    }
}

/// As [`outcome`], for a GET of HTTP/1.1 with these fields besides Host.
fn outcome_of_fields(fields: &str) -> String {
    outcome(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").as_bytes())
}

#[test]
fn heads_and_what_becomes_of_them() {
    let table: &[(&[u8], &str)] = &[
        // What browsers and others send.
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"HEAD /x?y HTTP/1.1\r\nhost:a\r\n\r\n", "HEAD /x?y Kept Bytes(0)"),
        (b"GET / HTTP/1.0\r\n\r\n", "GET / Closed Bytes(0)"),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / KeptOnRequest Bytes(0)"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"GET / HTTP/1.9\r\nHost: a\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / Kept Bytes(0)"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "BREW / Kept Bytes(0)"),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", "get / Kept Bytes(0)"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * Kept Bytes(0)"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT a:1 Closed Bytes(0)"),
        // Not all there yet.
        (b"", "more"),
        (b"GET / HT", "more"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", "more"),
        // An empty line before is ignored; two are not.
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        // Line ends and bytes that belong into no head.
        (b"GET / HTTP/1.1\nHost: a\n\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", "400"),
        (b"\x16\x03\x01\0", "400"),
        (b"\n", "400"),
        // The request line.
        (b"GET /\r\n\r\n", "400"),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes(), "400"),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /?<a HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /?a> HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET /a|b?{^}` HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a|b?{^}` Kept Bytes(0)"),
        (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        // Versions: another major one is 505, no version is 400.
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        (b"PRI * HTTP/2.0\r\n\r\n", "505"),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505"),
        (b"GET / HTTP/1\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/11\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1.\r\nHost: a\r\n\r\n", "400"),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.x\r\nHost: a\r\n\r\n", "400"),
        // Host.
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: []\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: [v1]\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"GET / HTTP/1.1\r\nHost: a%\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a%20b:1\r\n\r\n", "GET / Kept Bytes(0)"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:2000\r\n\r\n", "GET / Kept Bytes(0)"),
        // A fault in the framing comes before the method.
        (b"BREW / HTTP/1.1\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400"),
    ];
    for (input, expected) in table {
        assert_eq!(outcome(input), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn fields_and_what_becomes_of_them() {
    let table = [
        ("Connection: close", "GET / Closed Bytes(0)"),
        ("Connection: x, CLOSE", "GET / Closed Bytes(0)"),
        ("Connection: keep-alive\r\nConnection: close", "GET / Closed Bytes(0)"),
        ("Connection: closed", "GET / Kept Bytes(0)"),
        // Grammar.
        ("X : a", "400"),
        (": a", "400"),
        ("X", "400"),
        ("X: a\r\n b", "400"),
        ("X: a\r\n\tb", "400"),
        ("X Y: a", "400"),
        ("X: \x01", "400"),
        ("X: é", "GET / Kept Bytes(0)"),
        // Content-Length.
        ("Content-Length: 0", "GET / Kept Bytes(0)"),
        ("Content-Length:  5 ", "GET / Kept Bytes(5)"),
        ("Content-Length: 007", "GET / Kept Bytes(7)"),
        ("Content-Length: 1048576", "GET / Kept Bytes(1048576)"),
        ("Content-Length: 1048577", "413"),
        ("Content-Length: 99999999999999999999999999", "413"),
        ("Content-Length:", "400"),
        ("Content-Length: +5", "400"),
        ("Content-Length: -5", "400"),
        ("Content-Length: 5 5", "400"),
        ("Content-Length: 5, 5", "400"),
        ("Content-Length: 0x5", "400"),
        ("Content-Length: 5\r\nContent-Length: 5", "400"),
        ("Content-Length: 5\r\ncontent-length: 6", "400"),
        // Transfer-Encoding.
        ("Transfer-Encoding: chunked", "GET / Kept Chunked"),
        ("transfer-encoding: Chunked", "GET / Kept Chunked"),
        ("Transfer-Encoding: gzip, chunked", "501"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "501"),
        ("Transfer-Encoding: gzip", "400"),
        ("Transfer-Encoding: identity", "400"),
        ("Transfer-Encoding:", "400"),
        ("Transfer-Encoding: , chunked", "400"),
        ("Transfer-Encoding: chunked,", "400"),
        ("Transfer-Encoding: gzip,, chunked", "400"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding:", "400"),
        ("Transfer-Encoding: chunked, gzip", "400"),
        ("Transfer-Encoding: chunked, chunked", "400"),
        ("Transfer-Encoding: xchunked", "400"),
        ("Transfer-Encoding: \"chunked\"", "400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "400"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "400"),
        ("Content-Length: 5\r\nTransfer-Encoding : chunked", "400"),
        // Who waits to be asked for a body.
        ("Expect: 100-continue", "GET / Kept Bytes(0)"),
        ("Expect: 100-continue\r\nContent-Length: 5", "GET / Kept Bytes(5) waits"),
    ];
    for (fields, expected) in table {
        assert_eq!(outcome_of_fields(fields), expected, "{fields}");
    }
    assert_eq!(outcome(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400");
}

#[test]
fn each_limit_holds_to_the_byte() {
    let line = |length: usize| format!("GET /{} HTTP/1.1", "a".repeat(length - 14));
    let at_limit = format!("{}\r\nHost: a\r\n\r\n", line(Limits::USUAL.request_line - 1));
    assert!(outcome(at_limit.as_bytes()).starts_with("GET /a"));
    assert_eq!(outcome(line(Limits::USUAL.request_line).as_bytes()), "more");
    assert_eq!(outcome(line(Limits::USUAL.request_line + 1).as_bytes()), "414");

    let fields = |count: usize| outcome_of_fields(&vec!["X: a"; count - 1].join("\r\n"));
    assert_eq!(fields(MOST_FIELDS), "GET / Kept Bytes(0)");
    assert_eq!(fields(MOST_FIELDS + 1), "431");

    let padding = Limits::USUAL.head - "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    assert_eq!(outcome_of_fields(&format!("X: {}", "a".repeat(padding))), "GET / Kept Bytes(0)");
    assert_eq!(outcome_of_fields(&format!("X: {}", "a".repeat(padding + 1))), "431");
}

#[test]
fn a_line_end_before_a_request_is_not_the_request() {
    for (input, begun) in [("", false), ("\r", false), ("\r\n", false), ("\r\n\r", true), ("\n", true), ("G", true)] {
        assert_eq!(has_begun(input.as_bytes()), begun, "{input:?}");
    }
}

/// Heads, and what might be taken for one.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(\r\n)?(GET|POST|X) /[a-z]{0,3} HTTP/1.[01]\r\n((Host|Content-Length|X): ?[0-9a]{0,3}\r?\n){0,3}\r\n(GET /)?"
            .prop_map(String::into_bytes),
        prop::collection::vec(prop::sample::select(b"\r\n\r\n\r\n\0GG /::aa".to_vec()), 0..40),
    ]
}

proptest! {
    /// All at once, a byte may be beyond a limit, and each is looked at; byte by byte, the first ones never are.
    #[test]
    fn the_limits_hold_as_well_byte_by_byte(input in heads(), request_line in 0usize..40, head in 0usize..80) {
        let limits = Limits { request_line, head, ..Limits::USUAL };
        let whole = HeadEnd::default().find(&input, &limits);
        let mut end = HeadEnd::default();
        let found = (0..=input.len()).map(|length| end.find(&input[..length], &limits)).find(|found| *found != Ok(None));
        prop_assert_eq!(found.unwrap_or(Ok(None)), whole);
    }

    #[test]
    fn where_the_pieces_end_makes_no_difference(
        input in heads(),
        cuts in prop::collection::vec(0usize..80, 0..4),
    ) {
        let whole = HeadEnd::default().find(&input, &Limits::USUAL);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).chain([input.len()]).collect();
        cuts.sort_unstable();
        let mut end = HeadEnd::default();
        let found = cuts.iter().map(|&cut| end.find(&input[..cut], &Limits::USUAL)).find(|found| *found != Ok(None));
        prop_assert_eq!(found.unwrap_or(Ok(None)), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&input, &mut { NO_FIELDS }, &Limits::USUAL);
        let _ = outcome(&input);
    }
}
