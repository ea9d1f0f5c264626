//! Other people's web clients that have no window: curl, wget, Python's, and two that count.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::GIF;
use crate::harness::{Outcome, Server, command, noise, peer, run_command};

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

#[test]
fn curl_goes_on_where_a_download_broke_off() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let content = noise(1_000_000);
    fs::write(around.path().join("root/large"), &content).unwrap();
    let copy = around.path().join("copy");
    let url = format!("http://{}/large", server.address);
    fs::write(&copy, &content[..300_000]).unwrap();
    let Some(outcome) = curl(&["--continue-at", "-", "--output", copy.to_str().unwrap(), &url]) else { return };
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(fs::read(&copy).unwrap() == content);
    // Parts of it, and the whole, only if it has changed.
    assert_eq!(curl(&["--range", "10-19", &url]).unwrap().stdout, &content[10..20]);
    assert_eq!(curl(&["--range", "-7", &url]).unwrap().stdout, &content[content.len() - 7..]);
    let tags = around.path().join("tags");
    let tags = tags.to_str().unwrap();
    let both = [&["--etag-save", tags, "--etag-compare", tags][..], &[&url]].concat();
    assert_eq!(status(&both, "Content-Length").unwrap().0, "200");
    assert_eq!(status(&both, "Content-Length").unwrap().0, "304");
    assert_eq!(status(&["--time-cond", copy.to_str().unwrap(), &url], "X").unwrap().0, "304");
}

#[test]
fn curl_unpacks_what_was_packed_before() {
    let Some(gzip) = peer("gzip") else { return };
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let page = "a page, a page, a page\n".repeat(1000);
    fs::write(around.path().join("root/page.html"), &page).unwrap();
    let mut gzip = command(gzip);
    gzip.arg("--keep").arg(around.path().join("root/page.html"));
    assert!(run_command(gzip, b"").status.success());
    let url = format!("http://{}/page.html", server.address);
    let Some(plain) = curl(&[&url]) else { return };
    assert_eq!(plain.text(), page);
    assert_eq!(curl(&["--compressed", &url]).unwrap().text(), page);
    let packed = curl(&["--header", "Accept-Encoding: gzip", &url]).unwrap();
    assert!(packed.stdout.len() < page.len() / 10, "{} bytes", packed.stdout.len());
}

#[test]
fn curl_sends_what_nobody_wants_and_is_told_so() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let url = format!("http://{}/", server.address);
    let large = around.path().join("large");
    fs::write(&large, noise(900_000)).unwrap();
    let file = format!("@{}", large.display());
    for arguments in [
        &["--data-binary", &file][..],
        // It waits to be asked for it, and sends it in chunks.
        &["--data-binary", &file, "--header", "Expect: 100-continue"],
        &["--data-binary", &file, "--header", "Transfer-Encoding: chunked"],
        &["--data-binary", &file, "--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue"],
    ] {
        // And then, on the same connection if it can, a page.
        let both = [arguments, &[&url, "--next", "--silent", "--noproxy", "*", &url]].concat();
        let Some(outcome) = curl(&both) else { return };
        assert!(outcome.status.success() && outcome.text().ends_with("the index"), "{arguments:?}: {outcome:?}");
        assert!(outcome.text().contains("405"), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(server.stops_well(), "");
}

#[test]
fn wget_copies_a_folder_through_its_listings() {
    let Some(wget) = peer("wget") else { return };
    let around = tempfile::tempdir().unwrap();
    let root = around.path().join("root");
    let files = [("a/b/deep.txt", "deep"), ("a/b c.txt", "a space"), ("a/100%.txt", "per cent"), ("top.bin", "top")];
    for (name, content) in files {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), content).unwrap();
    }
    let server = Server::start("tiny-web", &[root.to_str().unwrap()]);
    let copy = around.path().join("copy");
    let get = |more: &[&str]| {
        let mut wget = command(&wget);
        wget.args(["--no-config", "--no-proxy", "--no-verbose", "--tries=1", "--timeout=30", "--directory-prefix"]);
        wget.arg(&copy).args(more).arg(format!("http://{}/", server.address));
        run_command(wget, b"")
    };
    let mirror = get(&["--recursive", "--no-host-directories", "--execute", "robots=off"]);
    assert!(mirror.status.success(), "{mirror:?}");
    for (name, content) in files {
        assert_eq!(fs::read_to_string(copy.join(name)).unwrap_or_default(), content, "{name}: {mirror:?}");
    }
    // A second time, it only asks.
    let again = get(&["--mirror", "--no-host-directories", "--execute", "robots=off"]);
    assert!(again.status.success(), "{again:?}");
    assert!(!again.stderr.contains("deep.txt\""), "{again:?}");
}

#[test]
fn python_is_answered_whatever_it_asks() {
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    let Some(python) = peer("python3") else { return };
    let mut python: Command = command(python);
    python.arg(format!("{}/e2e/browser/requests.py", env!("CARGO_MANIFEST_DIR"))).arg(server.port());
    run_command(python, b"").printed("all as it should be\n");
    assert_eq!(server.stops_well(), "");
}

#[test]
fn ab_counts_no_failure() {
    let Some(ab) = peer("ab") else { return };
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    for (keep_alive, path) in [(true, "/"), (false, "/"), (true, "/picture.gif")] {
        let mut ab = command(&ab);
        ab.args(["-q", "-n", "2000", "-c", "20"]).args(keep_alive.then_some("-k"));
        let outcome = {
            ab.arg(format!("http://{}{path}", server.address));
            run_command(ab, b"")
        };
        let count = |name: &str| {
            let line = outcome.stdout.split(|byte| *byte == b'\n').find(|line| line.starts_with(name.as_bytes()));
            line.map(|line| String::from_utf8_lossy(&line[name.len()..]).trim().to_owned())
        };
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(count("Complete requests:").as_deref(), Some("2000"), "{outcome:?}");
        assert_eq!(count("Failed requests:").as_deref(), Some("0"), "{outcome:?}");
        assert_eq!(count("Non-2xx responses:"), None, "{outcome:?}");
        let kept = count("Keep-Alive requests:");
        assert_eq!(kept.as_deref(), keep_alive.then_some("2000"), "{outcome:?}");
    }
    assert_eq!(server.stops_well(), "");
}

#[test]
fn wrk_counts_no_failure() {
    let Some(wrk) = peer("wrk") else { return };
    let around = tempfile::tempdir().unwrap();
    let server = site(around.path());
    fs::write(around.path().join("root/large"), noise(1 << 20)).unwrap();
    for path in ["/", "/large"] {
        let mut wrk = command(&wrk);
        wrk.args(["--threads", "1", "--connections", "50", "--duration", "1s", "--timeout", "60s"]);
        wrk.arg(format!("http://{}{path}", server.address));
        let outcome = run_command(wrk, b"");
        assert!(outcome.status.success() && outcome.text().contains("requests in"), "{outcome:?}");
        for bad in ["Socket errors", "Non-2xx", " 0 requests in"] {
            assert!(!outcome.text().contains(bad), "{outcome:?}");
        }
    }
    let (status, ..) = server.stop();
    assert!(status.success());
}
