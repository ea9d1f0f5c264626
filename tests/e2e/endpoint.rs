//! Other ways to reach our TCP server than a port of its own: a socket in the file system, one that was handed over; and its
//! account, and the faults that it has on demand.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::harness::{Process, Server, command, eventually, peer, program, run, run_with_input};

const NAME: &str = "tcp-echo-server";
const DESIGNS: [&str; 3] = ["iterative", "threads", "events"];

/// A server on a socket in the file system, ready to serve.
fn server_at(path: &Path, arguments: &[&str]) -> Process {
    let mut command = command(program(NAME));
    command.arg("--unix").arg(path).args(arguments);
    let mut process = Process::start(command);
    assert_eq!(process.line(), format!("{NAME}: listening on unix:{}", path.display()));
    assert_eq!(process.line(), format!("{NAME}: this machine only"));
    process
}

#[test]
fn processes_of_one_machine_talk_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let host = format!("unix:{}", path.display());
    for design in DESIGNS {
        let server = server_at(&path, &["--design", design]);
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
    let _server = server_at(&path, &["--unix-mode", "666"]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
}

#[test]
fn a_file_left_behind_is_replaced_but_no_other_and_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let first = server_at(&path, &[]);
    let text = path.to_str().unwrap();
    run(NAME, &["--unix", text]).failed_with("address already in use");
    UnixStream::connect(&path).expect("the first is still there");
    first.signal("KILL");
    first.finish();
    assert!(path.metadata().unwrap().file_type().is_socket(), "nobody has removed it");
    let second = server_at(&path, &[]);
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
fn a_socket_that_was_handed_over_is_used() {
    let Some(python) = peer("python3") else { return };
    // As systemd does it: the socket is descriptor 3, and two variables say so.
    let script = "import os, socket, sys\n\
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(5)\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    for design in DESIGNS {
        let mut command = command(&python);
        command.args(["-c", script]).arg(program(NAME)).args(["--design", design]);
        let server = Server::ready(NAME, command);
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        server.stops_well();
    }
}

#[test]
fn the_account_is_told_on_request_and_at_the_end() {
    for design in DESIGNS {
        let server = Server::start(NAME, &["--design", design]);
        for _ in 0..3 {
            run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        }
        let account = format!("{NAME}: connections 3, received 33 bytes, sent 57 bytes\n");
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

/// What our client says to a server with these faults, and the server's account.
fn with_faults(faults: &[&str]) -> (crate::harness::Outcome, String) {
    let server = Server::start(NAME, &[faults, &["--drain", "100ms"]].concat());
    let client = run("tcp-echo-client", &[&server.host(), &server.port(), "--timeout", "500ms", "Hello", "world"]);
    let (status, _, stderr) = server.stop();
    assert!(status.success(), "{stderr}");
    (client, stderr)
}

#[test]
fn each_fault_is_felt_by_the_client_and_told_by_the_server() {
    let sent = "connections 1, received 11 bytes, sent 12 bytes";
    let (client, account) = with_faults(&["--stall-after", "12"]);
    client.failed_with("it is not complete after 500ms");
    assert_eq!(client.text(), "echo -> Hell");
    assert!(account.contains(&format!("{sent}, ")) && account.contains("stalled 1"), "{account}");

    let (client, account) = with_faults(&["--close-after", "12"]);
    client.failed_with("it ended early: 4 of 11 bytes came back");
    assert!(account.contains(&format!("{sent}, closed early 1\n")), "{account}");

    let (client, account) = with_faults(&["--reset-after", "12"]);
    client.failed_with("connection reset by peer");
    assert!(account.contains(&format!("{sent}, reset 1\n")), "{account}");

    let (client, account) = with_faults(&["--never-accept"]);
    client.failed_with("it is not complete after 500ms");
    assert!(account.contains("connections 0, "), "{account}");
}

#[test]
fn a_delay_and_pieces_change_nothing_of_what_comes_back() {
    let (client, account) = with_faults(&["--delay", "50ms", "--chunk", "3"]);
    client.printed("echo -> Hello world\n");
    assert!(account.contains("sent 19 bytes, replies delayed 1, pieces 7\n"), "{account}");
    let (client, account) = with_faults(&["--delay", "10s"]);
    client.failed_with("it is not complete after 500ms");
    assert!(account.contains("replies delayed 1"), "{account}");
}

#[test]
fn the_same_seed_cuts_the_same_pieces() {
    let pieces = |seed: &str| {
        let (client, account) = with_faults(&["--chunk", "5", "--seed", seed]);
        client.printed("echo -> Hello world\n");
        account.split("pieces ").nth(1).unwrap().trim().parse::<u32>().unwrap()
    };
    let first = pieces("1");
    assert_eq!(pieces("1"), first);
    assert!((4..=19).contains(&first));
    assert!((2..20).any(|seed| pieces(&seed.to_string()) != first), "another seed, another cut");
}

#[test]
fn a_client_that_stalls_forever_is_drained() {
    let server = Server::start(NAME, &["--stall-after", "1", "--drain", "100ms"]);
    let mut client = server.connect();
    client.write_all(b"Hello").unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    server.process.signal("TERM");
    eventually("the end of the connection", || client.read(&mut [0; 9]).is_ok_and(|length| length == 0));
    assert!(server.finish().0.success());
}
