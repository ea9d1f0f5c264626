//! Names and targets that say more than they should: none of it gets into a head, a page or a log as it is.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::site::Site;
use crate::harness::eventually;
use crate::harness::http::{Client, Reply};

fn get(client: &mut Client, target: &str) -> Reply {
    let reply = client.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let reply = reply.unwrap_or_else(|fault| panic!("{target}: {fault}"));
    assert_eq!(reply.faults(), Vec::<String>::new(), "{target}");
    reply
}

/// Names that a file can have, and a page had better not have as they are.
const NAMES: [&[u8]; 19] = [
    b"<script>alert(1)<",
    b"\"><img src=x onerror=alert(1)>",
    b"' onmouseover='alert(1)",
    b"&lt;b&gt; &amp;",
    b"javascript:alert(1)",
    b"https:",
    b"a?b#c",
    b"100%41",
    b"%2e%2e",
    b"a;b=c",
    b" space ",
    b"new\r\nline: x",
    b"tab\there",
    b"\x1b[31mred",
    b"\xff\xfe not UTF-8",
    "é ü 漢 \u{202e}txt.exe".as_bytes(),
    b"...",
    b"+plus+",
    b"~tilde",
];

#[test]
fn a_listing_shows_every_name_and_runs_none_of_them() {
    let site = Site::of(&[("sub/nothing", "")], &["--dotfiles"]);
    let root = site.path("sub");
    fs::remove_file(root.join("nothing")).unwrap();
    let mut contents = BTreeSet::new();
    for (number, name) in NAMES.iter().enumerate() {
        fs::write(root.join(OsStr::from_bytes(name)), format!("file {number}")).unwrap();
        contents.insert(format!("file {number}"));
    }
    let mut client = Client::new(site.server.connect());
    let listing = get(&mut client, "/sub/");
    assert_eq!(listing.field("Content-Type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(listing.body).expect("a page of UTF-8");
    for sign in [
        "<script",
        "<img",
        "onmouseover='",
        "\x1b",
        "\r\nline",
        "&lt;b&gt; &amp;<",
        "javascript:alert(1)\"",
        "\u{202e}",
    ] {
        assert!(!page.contains(sign), "{sign:?} in {page}");
    }
    // Every link leads to its own file, and stays here.
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
    for link in links.filter(|link| !link.starts_with("data:") && link != "../") {
        let scheme = link.split(['/', '?', '#']).next().unwrap();
        assert!(!scheme.contains(':') && !link.starts_with('/'), "{link}");
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'\\".contains(&byte)), "{link}");
        let content = get(&mut client, &format!("/sub/{link}")).text();
        assert!(contents.remove(&content), "{link} leads to {content:?}");
    }
    assert!(contents.is_empty(), "no link leads to {contents:?}");
}

#[test]
fn the_name_of_a_folder_is_escaped_in_its_own_page() {
    let site = Site::of(&[("<script>alert(1)<|script>/file", "")], &[]);
    let mut client = Client::new(site.server.connect());
    let page = get(&mut client, "/%3Cscript%3Ealert(1)%3C%7Cscript%3E/");
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("<script"), "{}", page.text());
}

#[test]
fn a_page_about_an_error_repeats_nothing() {
    let site = Site::start(&[]);
    for target in ["/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E", "/?<script>", "/a\"onload=b"] {
        let reply = get(&mut Client::new(site.server.connect()), target);
        assert!(!reply.text().contains("<script") && !reply.text().contains("onload"), "{}", reply.text());
    }
}

#[test]
fn a_redirect_leads_nowhere_but_here() {
    let folders = [("evil.example/x", ""), ("sub/evil.example/x", ""), ("a\r\nX-Evil: 1/x", ""), ("\\evil/x", "")];
    let site = Site::of(&folders, &[]);
    for target in [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "//evil.example/%2e%2e",
        "/%2fevil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/\\evil.example",
        "/\\/evil.example",
        "/%09/evil.example",
        "/.//evil.example",
        "/sub//evil.example",
        "//evil.example?//evil.example",
        "http://evil.example/sub",
        "http://evil.example//evil.example",
        "/sub?https://evil.example",
        "/sub?%0d%0aX-Evil:1",
        "/a%0d%0aX-Evil:%201",
        "/%5cevil",
    ] {
        let reply = get(&mut Client::new(site.server.connect()), target);
        assert_eq!(reply.field("X-Evil"), None, "{target}");
        if let Some(location) = reply.field("Location") {
            // `faults` knows the rest: one slash at its beginning, and no backslash.
            assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{target}: {location}");
            assert_eq!(get(&mut Client::new(site.server.connect()), location).status, 200, "{target}: {location}");
        }
    }
    let split = get(&mut Client::new(site.server.connect()), "/a%0d%0aX-Evil:%201");
    assert_eq!((split.status, split.field("Location")), (301, Some("/a%0D%0AX-Evil%3A%201/")));
}

#[test]
fn a_name_is_bytes_and_is_found_by_them() {
    let site = Site::start(&[]);
    let long = vec![b'n'; 255];
    let names: [(&[u8], &str); 5] = [
        (b"\xff\xfe", "/%ff%FE"),
        (b"a\nb", "/a%0Ab"),
        ("é".as_bytes(), "/%C3%A9"),
        ("e\u{301}".as_bytes(), "/e%CC%81"),
        (&long, &format!("/{}", "n".repeat(255))),
    ];
    let mut client = Client::new(site.server.connect());
    for (name, target) in names {
        fs::write(site.path("").join(OsStr::from_bytes(name)), name).unwrap();
        assert_eq!(get(&mut client, target).body, name, "{target}");
    }
    for target in [format!("/{}", "n".repeat(256)), format!("/{}", "n".repeat(4097)), format!("/{}", "n/".repeat(3000))]
    {
        assert_eq!(get(&mut client, &target).status, 404);
    }
}

#[test]
fn what_a_client_says_reaches_a_log_in_one_line_and_no_terminal() {
    let site = Site::start(&[]);
    let logged = crate::harness::Server::start(
        "tiny-web",
        &[site.path(".").to_str().unwrap(), "--log", site.path("../log").to_str().unwrap()],
    );
    let fields = ["User-Agent: \x1b]0;evil\x07\" 200 \"", "Referer: \u{9b}31m \\", "User-Agent: a\tb\"c\\d"];
    for (target, fields) in
        fields.iter().map(|fields| ("/ten.txt?\\x", *fields)).chain([("/ten.txt?\"x\"", "X: a"), ("/\x1b\"", "X: a")])
    {
        let mut client = Client::new(logged.connect());
        let _ = client.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\nConnection: close\r\n\r\n"));
    }
    let last = "GET /the-last HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n";
    Client::new(logged.connect()).ask(last).unwrap();
    let log = || fs::read(site.path("../log")).unwrap();
    eventually("the last line", || log().ends_with(b"\n") && String::from_utf8_lossy(&log()).contains("/the-last"));
    let log = String::from_utf8(log()).expect("a log of ASCII");
    assert!(log.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic()), "{log:?}");
    for line in log.lines() {
        // Six quotes: the request's, the referrer's, the user agent's. The others are escaped.
        let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        assert_eq!(quotes, 6, "{line}");
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    }
}
