//! `tiny-web DIR`: files, and nothing but the files of this folder.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::harness::Server;

/// A folder within a folder, so that there is something outside to get at, and a server for the inner one.
pub struct Shown {
    pub place: TempDir,
    pub server: Server,
}

impl Shown {
    /// The folder, with these files in it.
    pub fn with(files: &[(&str, &[u8])]) -> Shown {
        Shown::how(files, &[])
    }

    /// The folder, with these files in it, shown in a special way.
    pub fn how(files: &[(&str, &[u8])], options: &[&str]) -> Shown {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("root")).unwrap();
        fs::write(place.path().join("secret.txt"), "secret").unwrap();
        for (name, content) in files {
            let path = place.path().join("root").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let root = place.path().join("root");
        let server = Server::start(&[&[root.to_str().unwrap()], options].concat());
        Shown { place, server }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join("root").join(name)
    }
}

#[test]
fn files_come_as_they_are_with_the_type_of_their_name() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let shown =
        Shown::with(&[("a.txt", b"text"), ("b c.png", &every_byte), ("d/e.css", b""), ("noext", b"x"), ("m.mjs", b"")]);
    let table: [(&str, &str, &[u8]); 5] = [
        ("/m.mjs", "text/javascript; charset=utf-8", b""),
        ("/a.txt", "text/plain; charset=utf-8", b"text"),
        ("/b%20c.png?v=1", "image/png", &every_byte),
        ("/d/e.css", "text/css; charset=utf-8", b""),
        ("/noext", "application/octet-stream", b"x"),
    ];
    for (target, content_type, content) in table {
        let reply = shown.server.get(target);
        assert_eq!((reply.status, reply.field("Content-Type")), (200, Some(content_type)), "{target}");
        assert_eq!(reply.body, content, "{target}");
        assert_eq!(reply.field("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn a_large_file_arrives_whole_and_the_connection_goes_on() {
    let large: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let shown = Shown::with(&[("large", &large)]);
    let mut client = shown.server.connect();
    for _ in 0..2 {
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.reply().body == large);
    }
    client.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply_to_head().field("Content-Length"), Some("3000000"));
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_last_file_arrives_whole_though_its_client_says_something_more() {
    let shown = Shown::with(&[("file", &[b'x'; 500_000])]);
    let mut client = shown.server.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.reply_to_head();
    // Time enough for the server to be done with it. The kernel still has much of it to send.
    thread::sleep(Duration::from_millis(100));
    client.send("x");
    assert_eq!(client.rest().len(), 500_000);
}

#[test]
fn a_folder_shows_its_index_and_is_redirected_to_its_slash() {
    let shown = Shown::with(&[("index.html", b"top"), ("a b/index.html", b"inner"), ("bare/x", b"")]);
    assert_eq!(shown.server.get("/").text(), "top");
    assert_eq!(shown.server.get("/a%20b/").text(), "inner");
    assert_eq!(shown.server.get("/a%20b/").field("Content-Type"), Some("text/html; charset=utf-8"));
    for (target, query) in
        [("/a%20b", ""), ("//a%20b", ""), ("/a%20b?x=%0d%0aY:z?", "?x=%0d%0aY:z?"), ("http://evil.example/%61%20b", "")]
    {
        let reply = shown.server.get(target);
        let location = format!("/a%20b/{query}");
        assert_eq!((reply.status, reply.field("Location")), (301, Some(location.as_str())), "{target}");
    }
    assert!(shown.server.get("/bare/").text().contains("<a href=\"x\">x</a>"));
    for target in ["/index.html/", "/bare/x/", "/bare/x/y"] {
        assert_eq!(shown.server.get(target).status, 404, "{target}");
    }
}

#[test]
fn no_target_leads_out_of_the_folder() {
    let shown = Shown::with(&[("a/b.txt", b"b"), (".hidden", b"hidden"), (".git/config", b"hidden")]);
    for target in [
        "/../secret.txt",
        "/a/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/a/..%5c..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "//../secret.txt",
        "/a/b.txt/../../../secret.txt",
        "/root/../secret.txt",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/.",
        "/..",
    ] {
        assert_eq!(shown.server.get(target).status, 404, "{target}");
    }
    for target in ["/a/b.txt%00", "/%", "/a%zz", "..", "*", "/a/b.txt#c", "/a/b.txt?c#d"] {
        assert_eq!(shown.server.get(target).status, 400, "{target}");
    }
    let absolute = shown.place.path().join("secret.txt");
    assert_eq!(shown.server.get(&format!("/{}", absolute.display())).status, 404);
}

#[test]
fn a_link_may_lead_anywhere_within_the_folder_and_nowhere_else() {
    use std::os::unix::fs::symlink;
    let shown = Shown::with(&[("a/b.txt", b"b"), ("a/index.html", b"index")]);
    symlink("a/b.txt", shown.path("file")).unwrap();
    symlink("a", shown.path("folder")).unwrap();
    symlink("../secret.txt", shown.path("out")).unwrap();
    symlink("..", shown.path("up")).unwrap();
    symlink(shown.place.path().join("secret.txt"), shown.path("absolute")).unwrap();
    symlink("/", shown.path("slash")).unwrap();
    symlink("missing", shown.path("dangling")).unwrap();
    symlink("loop", shown.path("loop")).unwrap();
    assert_eq!(shown.server.get("/file").text(), "b");
    assert_eq!(shown.server.get("/folder/").text(), "index");
    for target in ["/out", "/up/secret.txt", "/up", "/absolute", "/slash/etc/passwd", "/slash", "/dangling", "/loop"] {
        assert_eq!(shown.server.get(target).status, 404, "{target}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let shown = Shown::with(&[]);
    assert!(std::process::Command::new("mkfifo").arg(shown.path("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(shown.path("socket")).unwrap();
    fs::create_dir(shown.path("dir")).unwrap();
    std::os::unix::fs::symlink("../fifo", shown.path("dir/index.html")).unwrap();
    for target in ["/fifo", "/socket", "/dir/index.html"] {
        assert_eq!(shown.server.get(target).status, 404, "{target}");
    }
    for target in ["/dir/", "/"] {
        let list = shown.server.get(target);
        assert!(!["fifo", "socket", "index.html"].iter().any(|name| list.text().contains(name)), "{}", list.text());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_name_is_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let shown = Shown::with(&[("é.txt", b"utf-8")]);
    fs::write(shown.path("").join(std::ffi::OsStr::from_bytes(b"\xff\n")), "bytes").unwrap();
    assert_eq!(shown.server.get("/%ff%0a").text(), "bytes");
    assert_eq!(shown.server.get("/%C3%a9.txt").text(), "utf-8");
    assert_eq!(shown.server.get(&format!("/{}", "x".repeat(5000))).status, 404, "longer than a name can be");
}

#[test]
fn last_modified_is_never_in_the_future() {
    let shown = Shown::with(&[("new", b"x"), ("old", b"x")]);
    let set =
        |name: &str, time| File::options().write(true).open(shown.path(name)).unwrap().set_modified(time).unwrap();
    set("new", SystemTime::now() + Duration::from_secs(1_000_000));
    set("old", SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let new = shown.server.get("/new");
    assert!(new.field("Last-Modified").is_some());
    assert_eq!(new.field("Last-Modified"), new.field("Date"));
    assert_eq!(shown.server.get("/old").field("Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
}

/// More than the buffers of both ends hold, so that the server is still sending when the file changes.
const MORE_THAN_BUFFERS: u64 = 64 * 1024 * 1024;

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    let shown = Shown::with(&[("shrinks", b"")]);
    let file = File::options().write(true).open(shown.path("shrinks")).unwrap();
    file.set_len(MORE_THAN_BUFFERS).unwrap();
    let mut client = shown.server.connect();
    client.send("GET /shrinks HTTP/1.1\r\nHost: a\r\n\r\nGET /shrinks HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply_to_head().field("Content-Length"), Some(MORE_THAN_BUFFERS.to_string().as_str()));
    file.set_len(100_000).unwrap();
    let rest = client.rest();
    assert!(
        (rest.len() as u64) < MORE_THAN_BUFFERS && rest.iter().all(|&byte| byte == 0),
        "no padding, no second reply"
    );
    shown.server.signal("TERM");
    let (_, stderr) = shown.server.end();
    assert!(stderr.contains("it has become shorter"), "{stderr}");
}

#[test]
fn of_a_file_that_grows_while_it_is_sent_comes_what_was_promised() {
    let shown = Shown::with(&[("grows", b"")]);
    let file = File::options().write(true).open(shown.path("grows")).unwrap();
    file.set_len(MORE_THAN_BUFFERS).unwrap();
    let mut client = shown.server.connect();
    client.send("GET /grows HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let promised: u64 = client.reply_to_head().field("Content-Length").unwrap().parse().unwrap();
    file.set_len(2 * MORE_THAN_BUFFERS).unwrap();
    assert_eq!(client.rest().len() as u64, promised);
}
