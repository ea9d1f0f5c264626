//! Other ways to reach our TCP server than a port of its own: a socket in the file system, one that was handed over; and its
//! account, and the faults that it has on demand.

mod faults;
mod handed_over;

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use crate::doors::server_at;
use crate::harness::{Server, run, run_with_input};

const NAME: &str = "tcp-echo-server";
/// What stands in every account, and of which nothing has happened.
const ALL_WELL: &str = ", refused 0, timed out 0, reset by clients 0";
const DESIGNS: [&str; 3] = ["iterative", "threads", "events"];

#[test]
fn processes_of_one_machine_talk_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let host = format!("unix:{}", path.display());
    for design in DESIGNS {
        let server = server_at(NAME, &path, &["--design", design]);
        run("tcp-echo-client", &[&host]).printed("echo -> Hello world\n");
        let payload = vec![b'x'; 1 << 20];
        let reply = run_with_input("tcp-echo-client", &[&host, "2000", "-"], &payload);
        assert!(reply.status.success() && reply.stdout.len() > payload.len(), "{}", reply.stderr);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only for its owner");
        server.signal("TERM");
        assert!(server.finish().0.success());
        assert!(!path.exists(), "it takes its file with it");
    }
}

#[test]
fn others_may_connect_if_they_are_let() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let _server = server_at(NAME, &path, &["--unix-mode", "666"]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
}

#[test]
fn a_file_left_behind_is_replaced_but_no_other_and_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let first = server_at(NAME, &path, &[]);
    let text = path.to_str().unwrap();
    run(NAME, &["--unix", text]).failed_with("address already in use");
    UnixStream::connect(&path).expect("the first is still there");
    first.signal("KILL");
    first.finish();
    assert!(path.metadata().unwrap().file_type().is_socket(), "nobody has removed it");
    let second = server_at(NAME, &path, &[]);
    second.signal("TERM");
    second.finish();
    std::fs::write(&path, "precious").unwrap();
    run(NAME, &["--unix", text]).failed_with("there is a file that is no socket");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let nowhere = folder.path().join("no/such/folder/echo.sock");
    run(NAME, &["--unix", nowhere.to_str().unwrap()]).failed_with("no such file or directory");
    let long = folder.path().join("x".repeat(120));
    run(NAME, &["--unix", long.to_str().unwrap()]).failed_with("file name too long");
}

#[test]
fn the_account_is_told_on_request_and_at_the_end() {
    for design in DESIGNS {
        let server = Server::start(NAME, &["--design", design]);
        for _ in 0..3 {
            run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        }
        let account = format!("{NAME}: connections 3, received 33 bytes, sent 57 bytes{ALL_WELL}\n");
        server.process.signal("USR1");
        server.process.stderr_has(&account);
        let (status, _, stderr) = server.stop();
        assert!(status.success());
        assert_eq!(stderr, format!("{account}{account}"));
    }
}

#[test]
fn several_loops_share_the_clients() {
    let server = Server::start(NAME, &["--design", "events", "--workers", "3", "--max-connections", "20"]);
    let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    // The first twenty are served, by whichever loop, and each that leaves makes room for one of the others.
    for mut client in clients {
        let mut reply = [0; 9];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"echo -> x");
    }
    let (status, _, stderr) = server.stop();
    assert!(status.success() && stderr.contains("connections 30, received 30 bytes, sent 270 bytes"), "{stderr}");
}

#[test]
fn an_option_without_effect_is_told_in_a_line() {
    let workers: [(&[&str], &[&str]); 6] = [
        (&["--workers=2", "--max-connections=9"], &[]),
        (
            &["--design=iterative", "--workers=2", "--max-connections=9"],
            &["--workers has no effect: one client", "--max-connections has no effect: one client"],
        ),
        (&["--design=threads", "--workers=2", "--max-connections=9"], &["--workers has no effect: each client"]),
        (
            &["--design=events", "--workers=2", "--delay=1ms"],
            &["--design has no effect: with faults", "--workers has no effect: with faults"],
        ),
        (&["--once", "--workers=2"], &["--workers has no effect: only one client"]),
        (
            &["--never-accept", "--design=threads", "--once"],
            &["--design has no effect: nobody", "--once has no effect: nobody"],
        ),
    ];
    for (options, expected) in workers {
        let server = Server::start(NAME, options);
        let said = server.stops_well();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{options:?}: {said}");
        for part in expected {
            assert!(lines.iter().any(|line| line.starts_with(&format!("{NAME}: {part}"))), "{options:?}: {said}");
        }
    }
    for fault in ["--delay=1s", "--chunk=3", "--stall-after=1", "--reset-after=1", "--close-after=1"] {
        let outcome = run(NAME, &["--never-accept", fault]);
        assert_eq!((outcome.status.code(), outcome.text().as_str()), (Some(2), ""), "{fault}");
    }
}
