//! What may lie in a folder besides files, and what may become of a file while it is sent.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::site::Site;
use crate::harness::http::{Client, Content, Reply};
use crate::harness::{Server, command, eventually, noise, program, skip};

/// More than the buffers of both ends hold, so that the server is still sending when the file changes.
const MORE_THAN_BUFFERS: u64 = 64 * 1024 * 1024;

fn get(client: &mut Client, target: &str) -> Reply {
    let reply = client.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let reply = reply.unwrap_or_else(|fault| panic!("{target}: {fault}"));
    assert_eq!(reply.faults(), Vec::<String>::new(), "{target}");
    reply
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_is_no_file_is_not_there_and_nobody_waits_for_it() {
    let site = Site::start(&[]);
    fifo(&site.path("fifo"));
    fifo(&site.path("ten.txt.gz"));
    fs::create_dir(site.path("folder")).unwrap();
    fifo(&site.path("folder/index.html"));
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    symlink("/dev/zero", site.path("zero")).unwrap();
    symlink("/dev/stdin", site.path("stdin")).unwrap();
    symlink("/proc/self/environ", site.path("environ")).unwrap();
    // Only root may make a device; the link to one is tried in any case.
    let _ = Command::new("mknod").arg(site.path("device")).args(["c", "1", "5"]).output();
    let mut client = Client::new(site.server.connect());
    for target in ["/fifo", "/socket", "/zero", "/stdin", "/environ", "/device", "/folder/index.html"] {
        let reply = get(&mut client, target);
        assert!([403, 404].contains(&reply.status), "{target}: {reply:?}");
    }
    // With an index that is none, it's a folder without one, or nothing.
    assert!([200, 403, 404].contains(&get(&mut client, "/folder/").status));
    let reply = client.ask("GET /ten.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    assert_eq!((reply.body.as_slice(), reply.field("Content-Encoding")), (&b"0123456789"[..], None));
    assert_eq!(site.server.stops_well(), "");
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    let site = Site::start(&["--no-cache"]);
    let file = File::create(site.path("shrinks")).unwrap();
    for part in ["", "Range: bytes=1-\r\n"] {
        file.set_len(MORE_THAN_BUFFERS).unwrap();
        let mut client = Client::new(site.server.connect());
        let request = format!("GET /shrinks HTTP/1.1\r\nHost: a\r\n{part}\r\n");
        // Whoever comes next on this connection would take the rest of the file for its answer, or the other way round.
        client.send(format!("{request}GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let head = client.reply(Content::IsLeftOut).unwrap();
        let promised: usize = head.field("Content-Length").unwrap().parse().unwrap();
        file.set_len(100_000).unwrap();
        // However it ends, it ends.
        let _ = client.receive_all();
        assert!(client.input.len() < promised, "{} of {promised}", client.input.len());
        assert!(client.input.iter().all(|byte| *byte == 0), "nothing but the file came");
    }
    site.server.process.stderr_has("shorter");
    assert_eq!(get(&mut Client::new(site.server.connect()), "/ten.txt").body, b"0123456789");
}

#[test]
fn of_a_file_that_grows_while_it_is_sent_comes_what_was_promised() {
    let site = Site::start(&["--no-cache"]);
    let file = File::create(site.path("grows")).unwrap();
    file.set_len(MORE_THAN_BUFFERS).unwrap();
    let mut client = Client::new(site.server.connect());
    client.send(b"GET /grows HTTP/1.1\r\nHost: a\r\n\r\nGET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    while !client.input.windows(4).any(|four| four == b"\r\n\r\n") {
        assert!(client.receive().unwrap());
    }
    file.set_len(MORE_THAN_BUFFERS + 1000).unwrap();
    file.write_all_at(b"more", MORE_THAN_BUFFERS).unwrap();
    let reply = client.reply(Content::Follows).unwrap();
    assert_eq!(reply.body.len() as u64, MORE_THAN_BUFFERS);
    assert_eq!(client.reply(Content::Follows).unwrap().body, b"0123456789");
}

#[test]
fn a_file_that_vanishes_or_is_replaced_while_it_is_sent_comes_whole() {
    let site = Site::start(&["--no-cache"]);
    let content = noise(MORE_THAN_BUFFERS as usize);
    for replaced in [false, true] {
        site.write("file", &content);
        let mut client = Client::new(site.server.connect());
        client.send(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.receive().unwrap());
        if replaced {
            site.write("another", b"another");
            fs::rename(site.path("another"), site.path("file")).unwrap();
        } else {
            fs::remove_file(site.path("file")).unwrap();
        }
        assert!(client.reply(Content::Follows).unwrap().body == content);
        let after = get(&mut client, "/file");
        assert_eq!((after.status, after.body == b"another"), if replaced { (200, true) } else { (404, false) });
    }
}

#[test]
fn a_change_is_seen_at_once_without_the_cache_and_soon_with_it() {
    for options in [&["--no-cache"][..], &[]] {
        let site = Site::start(options);
        let mut client = Client::new(site.server.connect());
        assert_eq!(get(&mut client, "/ten.txt").body, b"0123456789");
        fs::write(site.path("ten.txt"), "changed").unwrap();
        if options.is_empty() {
            eventually("the change", || get(&mut client, "/ten.txt").body == b"changed");
        } else {
            assert_eq!(get(&mut client, "/ten.txt").body, b"changed");
        }
        fs::remove_file(site.path("ten.txt")).unwrap();
        eventually("the end", || get(&mut client, "/ten.txt").status == 404);
    }
}

/// A server that may not read everything, even if it is root's.
fn server_without_privileges(root: &Path) -> Option<Server> {
    let is_root = rustix::process::geteuid().is_root();
    let mut without = command(if is_root { Path::new("setpriv").into() } else { program("tiny-web") });
    if is_root {
        // Root without what makes root of it: its own files, too, it may only read where their mode says so.
        without.args(["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", "--"]);
        without.arg(program("tiny-web"));
        let works = Command::new("setpriv").args(["--bounding-set", "-dac_override", "true"]).status();
        if !works.is_ok_and(|status| status.success()) {
            skip("as root, and setpriv cannot drop capabilities");
            return None;
        }
    }
    without.arg(root).args(["--host", "127.0.0.1", "--port", "0"]);
    Some(Server::ready("tiny-web", without))
}

#[test]
fn what_may_not_be_read_is_403_or_not_there() {
    let site = Site::start(&[]);
    let forbid = |name: &str, mode| fs::set_permissions(site.path(name), fs::Permissions::from_mode(mode)).unwrap();
    forbid("ten.txt", 0o000);
    forbid("page.html.gz", 0o000);
    forbid("sub/index.html", 0o000);
    // Names can be looked up in it, but not listed.
    forbid("bare", 0o111);
    site.write("closed/file.txt", b"closed");
    forbid("closed", 0o000);
    let Some(server) = server_without_privileges(&site.path("")) else { return };
    let mut client = Client::new(server.connect());
    for target in ["/ten.txt", "/sub/", "/bare/", "/closed/", "/closed/file.txt"] {
        let reply = get(&mut client, target);
        assert!([403, 404].contains(&reply.status), "{target}: {reply:?}");
        assert!(!reply.text().contains("inner"), "{target}: {reply:?}");
    }
    assert_eq!(get(&mut client, "/ten.txt").status, 403);
    assert_eq!(get(&mut client, "/bare/inner.txt").body, b"inner\n");
    let page = client.ask("GET /page.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    assert_eq!((page.status, page.text().as_str()), (200, "as it is"), "the neighbour can't be read");
    // Or the folder can't be removed.
    forbid("closed", 0o700);
    let (status, ..) = server.stop();
    assert!(status.success());
}

#[test]
fn a_link_may_lead_anywhere_within_the_root_and_nowhere_else() {
    for options in [&[][..], &["--no-sandbox"]] {
        let site = Site::start(options);
        let links = [
            ("out.txt", "../secret.txt"),
            ("up", ".."),
            ("slash", "/"),
            ("far", "sub/../../secret.txt"),
            ("chain", "out.txt"),
            ("sub/out", "../../secret.txt"),
            ("loop", "loop"),
            ("dangling", "nothing"),
            ("page2.html.gz", "../secret.txt"),
            ("within.txt", "ten.txt"),
            ("sub/within.txt", "../ten.txt"),
            ("folder", "sub"),
        ];
        for (link, to) in links {
            symlink(to, site.path(link)).unwrap();
        }
        let absolute = site.path("../secret.txt").canonicalize().unwrap();
        symlink(&absolute, site.path("absolute")).unwrap();
        site.write("page2.html", b"plain");
        let mut client = Client::new(site.server.connect());
        let outside = ["/out.txt", "/up", "/up/", "/up/secret.txt", "/slash/", "/slash/etc/passwd", "/far", "/chain"];
        for target in
            outside.iter().chain(&["/sub/out", "/loop", "/loop/", "/dangling", "/absolute", "/up/root/ten.txt"])
        {
            let reply = get(&mut client, target);
            assert_eq!(reply.status, 404, "{target}: {reply:?}");
        }
        let page = client.ask("GET /page2.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
        assert_eq!(page.body, b"plain");
        assert_eq!(get(&mut client, "/within.txt").body, b"0123456789");
        assert_eq!(get(&mut client, "/sub/within.txt").body, b"0123456789");
        assert_eq!(get(&mut client, "/folder/").body, b"the index of sub\n");
    }
}

/// Says that something is over when it goes out of scope.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_link_that_is_slipped_in_between_gets_nobody_out() {
    let site = Site::start(&["--no-cache", "--no-sandbox"]);
    site.write("inside/secret.txt", b"inside");
    let (inside, link) = (site.path("inside"), site.path("link"));
    symlink("..", &link).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // The name is a folder at one moment, and a link out of the root at the next.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &inside, here, &link, flags).unwrap();
            }
        });
        // However this ends, the other thread ends with it.
        let _at_the_end = AtTheEnd(&done);
        let mut client = Client::new(site.server.connect());
        for _ in 0..2000 {
            let reply = get(&mut client, "/inside/secret.txt");
            match reply.status {
                200 => assert_eq!(reply.text(), "inside"),
                status => assert_eq!(status, 404),
            }
        }
    });
}

#[test]
fn a_root_that_is_renamed_is_still_the_root_and_a_removed_one_is_empty() {
    let site = Site::start(&["--no-cache"]);
    let mut client = Client::new(site.server.connect());
    let (root, elsewhere) = (site.path("."), site.path("../elsewhere"));
    let root = root.canonicalize().unwrap();
    fs::rename(&root, &elsewhere).unwrap();
    assert_eq!(get(&mut client, "/ten.txt").body, b"0123456789");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("ten.txt"), "of another folder").unwrap();
    assert_eq!(get(&mut client, "/ten.txt").body, b"0123456789");
    fs::remove_dir_all(&elsewhere).unwrap();
    for target in ["/ten.txt", "/sub/", "/sub", "/missing"] {
        assert_eq!(get(&mut client, target).status, 404, "{target}");
    }
    // There is nothing in it, or it is not there: either is true.
    assert!([200, 404].contains(&get(&mut client, "/").status));
    site.server.process.signal("TERM");
    let (status, ..) = site.server.finish();
    assert!(status.success());
}
