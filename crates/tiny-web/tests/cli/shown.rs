//! How a folder is shown: lists, pages for what is not there, names with a dot, and what the user adds.

use crate::folder::Shown;

#[test]
fn a_folder_without_an_index_is_shown_as_a_list() {
    let shown = Shown::with(&[
        ("b.txt", b"12345"),
        ("b\\.txt", b""),
        ("a\u{202e}txt.exe", b""),
        ("a/x", b""),
        ("<i>.txt", b""),
        (".hidden", b""),
        (".well-known/y", b"y"),
    ]);
    let list = shown.server.get("/");
    assert_eq!((list.status, list.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    let links: Vec<&str> =
        list.text().split("<a href=\"").skip(1).map(|link| link.split('"').next().unwrap()).collect();
    assert_eq!(links, [".well-known/", "a/", "%3Ci%3E.txt", "a%E2%80%AEtxt.exe", "b.txt"]);
    assert!(list.text().contains(">a\u{fffd}txt.exe</a>"), "{}", list.text());
    assert_eq!(shown.server.get("/b%5C.txt").status, 404);
    assert!(list.text().contains("&lt;i&gt;.txt</a>") && list.text().contains("<td>5 B</td>"), "{}", list.text());
    assert!(shown.server.get("/a/").text().contains("<a href=\"../\">"));
    assert_eq!(shown.server.get("/%3Ci%3E.txt").status, 200);
    assert_eq!(shown.server.get("/.well-known/y").text(), "y");
    let without = Shown::how(&[("a/x", b"x")], &["--no-listing"]);
    assert_eq!((without.server.get("/").status, without.server.get("/a/").status), (404, 404));
    assert_eq!(without.server.get("/a/x").text(), "x");
}

#[test]
fn a_long_list_arrives_whole() {
    let names: Vec<String> = (0..2000).map(|number| format!("a file with a rather long name {number:04}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let shown = Shown::with(&files);
    for _ in 0..2 {
        let list = shown.server.get("/");
        assert_eq!((list.field("Cache-Control"), list.field("ETag")), (Some("no-cache"), None));
        assert!(list.text().ends_with("</html>\n") && names.iter().all(|name| list.text().contains(name)));
    }
}

#[test]
fn names_with_a_dot_are_shown_on_request() {
    let shown = Shown::how(&[(".git/config", b"c"), ("a", b"")], &["--dotfiles"]);
    assert_eq!(shown.server.get("/.git/config").text(), "c");
    assert!(shown.server.get("/").text().contains(".git/"));
    assert_eq!(shown.server.get("/../secret.txt").status, 404);
}

#[test]
fn a_folder_may_have_its_own_page_for_what_is_not_there() {
    let shown = Shown::with(&[("404.html", b"gone fishing")]);
    let reply = shown.server.get("/missing");
    assert_eq!((reply.status, reply.text()), (404, "gone fishing"));
    assert_eq!(shown.server.get("/404.html").status, 200);
    let mut client = shown.server.connect();
    client.send("HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply_to_head().field("Content-Length"), Some("12"));
}

#[test]
fn what_is_not_there_may_be_there_soon_however_long_the_rest_is_kept() {
    let shown = Shown::how(&[("404.html", b"gone fishing"), ("a", b"a")], &["--cache", "60"]);
    let missing = shown.server.get("/missing");
    assert_eq!((missing.status, missing.text()), (404, "gone fishing"));
    assert_eq!((missing.field("Cache-Control"), missing.field("ETag")), (Some("no-cache"), None));
    assert_eq!((missing.field("Last-Modified"), missing.field("Accept-Ranges")), (None, None));
    for target in ["/a", "/404.html"] {
        assert_eq!(shown.server.get(target).field("Cache-Control"), Some("max-age=60"));
    }
}

#[test]
fn an_application_has_one_page_for_all() {
    let shown = Shown::how(&[("app.html", b"app"), ("real.txt", b"real")], &["--spa", "app.html"]);
    for (target, status, text) in [("/", 200, None), ("/users/7", 200, Some("app")), ("/real.txt", 200, Some("real"))] {
        let reply = shown.server.get(target);
        assert_eq!(reply.status, status, "{target}");
        assert!(text.is_none_or(|text| reply.text() == text), "{target}");
    }
    assert_eq!(shown.server.get("/missing.js").status, 404, "a page would be no script");
    assert_eq!(shown.server.get("/users/.git").status, 404);
    let files: [(&str, &[u8]); 3] = [("app.html", b"app"), ("bare/x", b""), ("with/index.html", b"index")];
    let without = Shown::how(&files, &["--spa", "app.html", "--no-listing"]);
    for (target, text) in [("/", "app"), ("/bare/", "app"), ("/with/", "index"), ("/missing/", "app")] {
        let reply = without.server.get(target);
        assert_eq!((reply.status, reply.text()), (200, text), "{target}");
    }
    assert_eq!(without.server.get("/bare").field("Location"), Some("/bare/"));
}

#[test]
fn an_applications_page_may_have_any_name() {
    for name in ["a?b.html", "x%41.html", "100%.html", "a#b.html"] {
        let files: [(&str, &[u8]); 3] = [(name, b"app"), ("a", b"another"), ("xA.html", b"another")];
        let shown = Shown::how(&files, &["--spa", &format!("./{name}")]);
        let reply = shown.server.get("/users/7");
        assert_eq!((reply.status, reply.text()), (200, "app"), "{name}");
    }
}

#[test]
fn the_user_adds_fields_and_takes_some_away() {
    let options = ["--header", "X-A: b", "--header", "cache-control: no-store", "--no-server-header", "--cors"];
    let shown = Shown::how(&[("a", b"a")], &options);
    for target in ["/a", "/missing", "/"] {
        let reply = shown.server.get(target);
        assert_eq!((reply.field("X-A"), reply.field("Cache-Control")), (Some("b"), Some("no-store")), "{target}");
        assert_eq!((reply.field("Server"), reply.field("Access-Control-Allow-Origin")), (None, Some("*")));
        assert_eq!(reply.field("Access-Control-Expose-Headers"), Some("*"));
    }
    let mut client = shown.server.connect();
    client.send("OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: GET\r\n\r\n");
    let reply = client.reply_to_head();
    assert_eq!(reply.field("Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(Shown::with(&[("a", b"a")]).server.get("/a").field("Server"), Some("tiny-web"));
}

#[test]
fn a_root_that_is_gone_has_nothing_in_it() {
    let shown = Shown::with(&[("large", &[b'x'; 100_000]), ("a", b"a")]);
    std::fs::remove_dir_all(shown.path("")).unwrap();
    for target in ["/large", "/a", "/"] {
        assert_eq!(shown.server.get(target).status, 404, "{target}");
    }
}
