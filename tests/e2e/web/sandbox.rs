//! The sandbox: what the server can't reach any more, even if somebody makes it try.
//!
//! Nobody can make it read a file outside of its folder: the paths see to that, sandbox or not. But it opens its log anew on
//! SIGHUP, by a name. Whoever puts a link in the log's place makes it open another file, anywhere.

use std::fs;
use std::os::unix::fs::symlink;

use super::site::Site;
use crate::harness::http::Client;
use crate::harness::{Server, eventually, skip};
use crate::trace::strace::watching;

/// A server that writes a log into a folder of its own, with these options.
fn logging(site: &Site, options: &[&str]) -> Server {
    fs::create_dir_all(site.path("../logs")).unwrap();
    let (root, log) = (site.path("."), site.path("../logs/log"));
    Server::start("tiny-web", &[&[root.to_str().unwrap(), "--log", log.to_str().unwrap()], options].concat())
}

fn ask(server: &Server, target: &str) {
    let reply = Client::new(server.connect()).ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(reply.unwrap().status, 404);
}

/// What is in a file, or nothing if it isn't there.
fn content(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path(name)).unwrap_or_default()
}

/// Whether this kernel has Landlock, as the server itself says.
fn is_confined(site: &Site) -> bool {
    let server = Server::start("tiny-web", &[site.path(".").to_str().unwrap()]);
    let (_, stdout, stderr) = server.stop();
    let is = (stdout + &stderr).contains("(Landlock");
    if !is {
        skip("this kernel has no Landlock");
    }
    is
}

#[test]
fn a_log_is_opened_anew_in_its_folder_and_nowhere_else() {
    let site = Site::start(&[]);
    if !is_confined(&site) {
        return;
    }
    let (log, victim) = (site.path("../logs/log"), site.path("../victim.txt"));
    for options in [&[][..], &["--no-sandbox"]] {
        fs::write(&victim, "untouched\n").unwrap();
        let _ = fs::remove_file(site.path("../logs/log"));
        let server = logging(&site, options);
        ask(&server, "/first");
        eventually("the first line", || content(&site, "../logs/log").contains("/first"));
        // As logrotate does it.
        fs::rename(&log, site.path("../logs/log.1")).unwrap();
        server.process.signal("HUP");
        // A request that comes while the new file is being opened may still be told in the old one.
        eventually("a line in the new log", || {
            ask(&server, "/second");
            content(&site, "../logs/log").contains("/second")
        });
        // As somebody does it who has got at the folder of the logs.
        fs::remove_file(&log).unwrap();
        symlink(&victim, &log).unwrap();
        server.process.signal("HUP");
        if options.is_empty() {
            server.process.stderr_has("cannot open");
            ask(&server, "/third");
            server.process.signal("TERM");
            let (status, ..) = server.finish();
            assert!(status.success());
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched\n");
        } else {
            // The same without the sandbox: so it was the sandbox.
            eventually("a line in the other file", || {
                ask(&server, "/third");
                content(&site, "../victim.txt").contains("/third")
            });
        }
    }
}

/// A link to it that was there at the start is the user's own, and leads where the user wants it.
#[test]
fn a_log_behind_a_link_is_opened_anew_where_the_link_leads() {
    let site = Site::start(&[]);
    if !is_confined(&site) {
        return;
    }
    for folder in ["../logs", "../elsewhere"] {
        fs::create_dir_all(site.path(folder)).unwrap();
    }
    let log = site.path("../elsewhere/log");
    symlink(&log, site.path("../logs/log")).unwrap();
    // The file is not there yet: the server makes it, and learns only then which folder it is in.
    let server = logging(&site, &[]);
    ask(&server, "/first");
    eventually("the first line", || content(&site, "../elsewhere/log").contains("/first"));
    fs::rename(&log, site.path("../elsewhere/log.1")).unwrap();
    server.process.signal("HUP");
    eventually("a line in the new log", || {
        ask(&server, "/second");
        content(&site, "../elsewhere/log").contains("/second")
    });
}

#[test]
fn the_sandbox_is_closed_after_the_start_and_before_the_first_client() {
    let site = Site::start(&[]);
    if !is_confined(&site) {
        return;
    }
    let trace = site.path("../trace");
    let calls = "landlock_restrict_self,accept,accept4";
    let Some(mut traced) = watching("tiny-web", calls, &trace) else { return };
    traced.arg(site.path(".")).args(["--host", "127.0.0.1", "--port", "0"]);
    let server = Server::ready("tiny-web", traced);
    ask(&server, "/x");
    eventually("a client in the trace", || content(&site, "../trace").contains("accept"));
    let text = content(&site, "../trace");
    let restricted = text.lines().position(|line| line.contains("landlock_restrict_self(") && line.ends_with("= 0"));
    let accepted = text.lines().position(|line| line.contains("accept"));
    assert!(restricted.is_some() && restricted < accepted, "{text}");
}
