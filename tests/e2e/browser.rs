//! tiny-web and other people's web clients: a browser, curl, and Python's.

use std::path::Path;
use std::process::Command;

use crate::harness::{Outcome, Server, any_peer, command, peer, run_command};

/// Any of these will do.
const BROWSERS: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];

/// The smallest GIF: one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// What a browser makes of a page: the document, after its scripts have run. It has no window, and goes nowhere but to this
/// machine.
fn document(url: &str) -> Option<String> {
    let mut browser = command(any_peer(&BROWSERS)?);
    let profile = tempfile::tempdir().unwrap();
    // It may run as root here, in a container with little shared memory. All pages are ours: it needs no sandbox.
    browser.args(["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic"]);
    browser.args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    browser.args([
        "--disable-breakpad",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]);
    browser.arg(format!("--user-data-dir={}", profile.path().display())).args(["--dump-dom", url]);
    let outcome = run_command(browser, b"");
    assert!(outcome.status.success(), "{outcome:?}");
    Some(outcome.text())
}

#[test]
fn a_browser_shows_the_lectures_page() {
    let server = Server::start("tiny-web", &[]);
    let Some(document) = document(&format!("http://{}/", server.address)) else { return };
    assert!(document.contains("<p>Hello world!</p>"), "{document}");
    assert_eq!(server.stops_well(), "");
}

#[test]
fn a_browser_shows_a_page_with_its_stylesheet_and_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    std::fs::create_dir(folder.path().join("a folder")).unwrap();
    write(
        "a folder/index.html",
        br#"<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>A page</title><link rel="stylesheet" href="../style.css"></head>
<body>
<p id="text">Text</p> <img id="picture" src="/picture.gif" alt="">
<script src="script.js"></script>
</body></html>
"#,
    );
    write(
        "a folder/script.js",
        br#"addEventListener("load", () => {
    const color = getComputedStyle(document.getElementById("text")).color;
    const width = document.getElementById("picture").naturalWidth;
    document.getElementById("text").textContent = `The text is ${color}, the picture has ${width} pixel.`;
});
"#,
    );
    write("style.css", b"p { color: rgb(1, 2, 3) }\n");
    write("picture.gif", GIF);
    let server = Server::start("tiny-web", &[folder.path().to_str().unwrap()]);
    // Without the slash: the browser is sent on, or the links in the page would lead elsewhere.
    let Some(document) = document(&format!("http://{}/a%20folder", server.address)) else { return };
    assert!(document.contains("The text is rgb(1, 2, 3), the picture has 1 pixel."), "{document}");
    assert_eq!(server.stops_well(), "");
}

/// curl, with each response's head before its content. None: skipped.
fn curl(arguments: &[&str]) -> Option<Outcome> {
    let mut curl = command(peer("curl")?);
    curl.args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]).args(arguments);
    Some(run_command(curl, b""))
}

/// A folder to show, with a secret beside it, and a server that shows it.
fn site(around: &Path) -> Server {
    let root = around.join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(around.join("secret.txt"), "nobody's business").unwrap();
    std::fs::write(root.join("index.html"), "the index").unwrap();
    std::fs::write(root.join("sub/index.html"), "the index of sub").unwrap();
    std::fs::write(root.join("picture.gif"), GIF).unwrap();
    Server::start("tiny-web", &[root.to_str().unwrap()])
}

#[test]
fn curl_gets_and_heads() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let url = |path: &str| format!("http://{}{path}", server.address);
    let Some(page) = curl(&["--include", &url("/")]) else { return };
    let (head, content) = page.text().split_once("\r\n\r\n").map(|(h, c)| (h.to_owned(), c.to_owned())).unwrap();
    assert_eq!(content, "the index");
    for field in ["HTTP/1.1 200 OK\r\n", "\r\nContent-Length: 9\r\n", "\r\nContent-Type: text/html; charset=utf-8\r\n"]
    {
        assert!(head.contains(field), "{field:?} in {head}");
    }
    let picture = curl(&[&url("/picture.gif")]).unwrap();
    assert!(picture.status.success() && picture.stdout == GIF, "{picture:?}");

    // The same head, whatever the time; and no content, or curl would complain of it.
    let without_date =
        |head: &str| head.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n");
    let only_head = curl(&["--head", &url("/")]).unwrap();
    assert_eq!((only_head.status.code(), only_head.stderr.as_str()), (Some(0), ""));
    assert_eq!(without_date(only_head.text().trim_end()), without_date(&head));

    let lecture = Server::start("tiny-web", &[]);
    let page = curl(&[&format!("http://{}/", lecture.address)]).unwrap();
    assert!(page.text().contains("Hello world!") && page.stderr.is_empty(), "{page:?}");
}

/// The status that curl gets, and the value of one field of the response.
fn status(arguments: &[&str], field: &str) -> Option<(String, String)> {
    let format = format!("%{{http_code}} %header{{{field}}}");
    let outcome = curl(&[&["--output", "/dev/null", "--write-out", &format], arguments].concat())?;
    assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    let text = outcome.text();
    let (status, value) = text.split_once(' ').unwrap();
    Some((status.to_owned(), value.to_owned()))
}

#[test]
fn curl_is_told_what_it_cannot_have() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let url = |path: &str| format!("http://{}{path}", server.address);
    let picture = around.path().join("root/picture.gif");
    let table = [
        (vec!["/missing"], "404", "Location", ""),
        (vec!["/sub"], "301", "Location", "/sub/"),
        (vec!["//sub"], "301", "Location", "/sub/"),
        (vec!["/", "--data", "a=b"], "405", "Allow", "GET, HEAD, OPTIONS"),
        (vec!["/", "--upload-file", picture.to_str().unwrap()], "405", "Allow", "GET, HEAD, OPTIONS"),
        (vec!["/", "--request", "BREW"], "501", "Allow", ""),
    ];
    for (arguments, expected, field, value) in table {
        let address = url(arguments[0]);
        let got = status(&[&[address.as_str()], &arguments[1..]].concat(), field);
        let Some(got) = got else { return };
        assert_eq!(got, (expected.to_owned(), value.to_owned()), "{arguments:?}");
    }
    let followed = curl(&["--location", &url("/sub")]).unwrap();
    assert_eq!(followed.text(), "the index of sub");
}

#[test]
fn curl_does_not_leave_the_root() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.txt", around.path().join("root/link.txt")).unwrap();
    for path in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/..%5c..%5csecret.txt",
        "/./../secret.txt",
        "//../secret.txt",
        "/link.txt",
        &around.path().join("secret.txt").display().to_string(),
    ] {
        let url = format!("http://{}{path}", server.address);
        let Some(outcome) = curl(&["--path-as-is", "--include", &url]) else { return };
        assert!(outcome.text().starts_with("HTTP/1.1 40"), "{path}: {outcome:?}");
        assert!(!outcome.text().contains("nobody's business"), "{path}");
    }
    let root = curl(&["--path-as-is", &format!("http://{}/../", server.address)]).unwrap();
    assert!(!root.text().contains("secret"), "{root:?}");
    server.stops_well();
}

#[test]
fn curl_uses_one_connection_for_two_pages() {
    let server = Server::start("tiny-web", &["--trace"]);
    let url = format!("http://{}/", server.address);
    let Some(pages) = curl(&["--verbose", &url, &url]) else { return };
    assert_eq!(pages.text().matches("<p>Hello world!</p>").count(), 2, "{pages:?}");
    // Which of the words it has for it depends on the version.
    assert_eq!(pages.stderr.matches("e-using existing ").count(), 1, "{}", pages.stderr);
    assert!(pages.status.success());
    let trace = server.stops_well();
    let accepted = trace.lines().filter(|line| line.contains(" accept(") && !line.contains("EAGAIN")).count();
    assert_eq!(accepted, 1, "{trace}");
}

#[test]
fn python_uses_one_connection_for_two_pages() {
    let server = Server::start("tiny-web", &[]);
    let Some(python) = peer("python3") else { return };
    let mut python: Command = command(python);
    python.arg(format!("{}/e2e/browser/keepalive.py", env!("CARGO_MANIFEST_DIR"))).arg(server.port());
    run_command(python, b"").printed("200 True True\n200 True True\none connection\n");
    assert_eq!(server.stops_well(), "");
}
