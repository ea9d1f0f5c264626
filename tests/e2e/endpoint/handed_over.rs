//! A socket that was handed over to our TCP server or the web server, as systemd does it; and the units for that.

use super::{DESIGNS, NAME};
use crate::doors::handing_over;
use crate::harness::http::Client;
use crate::harness::{Process, Server, command, peer, program, run, run_command, without_account};

#[test]
fn a_socket_that_was_handed_over_is_used() {
    let Some(python) = peer("python3") else { return };
    let socket = "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(5)";
    for design in DESIGNS {
        let mut command = handing_over(&python, socket, NAME);
        command.args(["--design", design]);
        let server = Server::ready(NAME, command);
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        server.stops_well();
    }
    let server = Server::ready("tiny-web", handing_over(&python, socket, "tiny-web"));
    let reply = Client::new(server.connect()).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(reply.status == 200 && reply.text().contains("Hello world!"), "{reply:?}");
    server.stops_well();
}

#[test]
fn a_socket_in_the_file_system_that_was_handed_over_is_used_and_its_file_left_alone() {
    let Some(python) = peer("python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let text = path.to_str().unwrap();
    let socket = format!("s = socket.socket(socket.AF_UNIX); s.bind({text:?}); s.listen(5)");
    // A unit that says where it listens, for the case that nobody hands it the socket.
    for own in [&[][..], &["--unix", text]] {
        let mut command = handing_over(&python, &socket, NAME);
        command.args(own);
        let mut server = Process::start(command);
        assert_eq!(server.line(), format!("{NAME}: listening on unix:{text}"));
        let said = format!("{NAME}: --unix has no effect: a socket was handed over\n");
        run("tcp-echo-client", &[&format!("unix:{text}")]).printed("echo -> Hello world\n");
        server.signal("TERM");
        let (status, _, stderr) = server.finish();
        let expected = if own.is_empty() { "" } else { &said };
        assert_eq!((status.code(), without_account(&stderr).as_str()), (Some(0), expected));
        std::fs::remove_file(&path).expect("whoever made the socket may hand it over once more");
    }
    // The same with another file, which isn't looked at.
    let other = folder.path().join("other");
    std::fs::write(&other, "precious").unwrap();
    let mut command = handing_over(&python, &socket, NAME);
    command.arg("--unix").arg(&other);
    let mut server = Process::start(command);
    assert_eq!(server.line(), format!("{NAME}: listening on unix:{text}"));
    server.signal("TERM");
    assert!(server.finish().0.success());
    assert_eq!(std::fs::read(&other).unwrap(), b"precious");
}

#[test]
fn what_was_handed_over_and_does_not_listen_is_refused() {
    let Some(python) = peer("python3") else { return };
    for (kind, why) in [("SOCK_STREAM", "it does not listen"), ("SOCK_DGRAM", "it is no TCP or Unix stream socket")] {
        let socket = format!("s = socket.socket(type=socket.{kind}); s.bind(('127.0.0.1', 0))");
        for name in [NAME, "tiny-web"] {
            let outcome = run_command(handing_over(&python, &socket, name), b"");
            outcome.failed_with(&format!("cannot use the socket that was handed over: {why}"));
            assert_eq!(outcome.text(), "");
        }
    }
}

#[test]
fn of_several_sockets_that_were_handed_over_none_is_left_waiting() {
    let Some(python) = peer("python3") else { return };
    let sockets = "s, other = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]; fds = 2";
    for name in [NAME, "tiny-web"] {
        let outcome = run_command(handing_over(&python, sockets, name), b"");
        outcome.failed_with("cannot use the sockets that were handed over: there are 2, and a server has one");
        assert!(outcome.stderr.contains("\nhint: start a server for each; "), "{outcome:?}");
        assert_eq!(outcome.text(), "");
    }
}

#[test]
fn systemd_knows_every_word_of_the_units() {
    let Some(analyze) = peer("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(analyze);
    command.args(["verify", "--man=no"]);
    for name in [NAME, "udp-echo-server"] {
        let units = format!("{}/../crates/{name}/systemd/{name}", env!("CARGO_MANIFEST_DIR"));
        for kind in ["socket", "service"] {
            // It looks for the program as well.
            let unit = std::fs::read_to_string(format!("{units}.{kind}")).unwrap();
            let unit = unit.replace(&format!("/usr/local/bin/{name}"), program(name).to_str().unwrap());
            let copy = folder.path().join(format!("{name}.{kind}"));
            std::fs::write(&copy, unit).unwrap();
            command.arg(copy);
        }
    }
    let outcome = run_command(command, b"");
    assert!(outcome.status.success() && outcome.stderr.is_empty(), "{outcome:?}");
}
