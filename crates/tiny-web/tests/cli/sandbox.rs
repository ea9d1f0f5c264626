//! What the process may still do once it serves.

use crate::folder::Shown;
use crate::harness::Server;

#[test]
#[cfg(target_os = "linux")]
fn the_start_says_what_the_process_may_read() {
    let mut shown = Shown::with(&[("a", b"a")]);
    let said = shown.server.line();
    let is_confined = said == "tiny-web: may read this folder and nothing else (Landlock)";
    // A kernel without it, or with an older one, is told.
    assert!(is_confined || said.contains("Landlock"), "{said}");
    let mut lecture = Server::start(&[]);
    assert!(lecture.line().contains("Landlock"));
    assert_eq!(shown.server.get("/a").text(), "a");
}

/// Through the process's own eyes: its root of the file system is `/proc/PID/root`, but a thread's rights are only seen by
/// what it can't do. So a folder is served, within it a link by the system itself to what is outside, which openat2(2) would
/// refuse anyway: the rules of Landlock are looked at as the kernel tells them.
#[test]
#[cfg(target_os = "linux")]
fn all_threads_of_the_process_are_confined() {
    let mut shown = Shown::how(&[("a", b"a")], &["--workers", "3"]);
    if !shown.server.line().contains("nothing else") {
        return;
    }
    shown.server.get("/a");
    // NoNewPrivs is what Landlock asks for first, of each thread.
    let threads = std::fs::read_dir(format!("/proc/{}/task", shown.server.id())).unwrap();
    let statuses: Vec<String> =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap()).collect();
    assert!(statuses.len() >= 3 && statuses.iter().all(|status| status.contains("NoNewPrivs:\t1")), "{statuses:?}");
}

#[test]
fn it_can_be_left_alone() {
    let shown = Shown::how(&[("a", b"a")], &["--no-sandbox"]);
    assert_eq!(shown.server.get("/a").text(), "a");
    shown.server.signal("TERM");
    assert_eq!(shown.server.end().0.code(), Some(0));
}
