//! How servers start and stop.

#[cfg(target_os = "linux")]
mod broken;
mod shortage;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use crate::harness::{
    Process, Server, command, eventually, noise, program, run, run_command, without_account, without_prefix,
};

const SERVERS: [&str; 3] = ["tcp-echo-server", "udp-echo-server", "tiny-web"];

/// A command that runs `script` in a shell, with the program and the arguments after it as `"$@"`.
fn shell(script: &str, name: &str, arguments: &[&str]) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", script, "sh"]).arg(program(name)).args(arguments);
    shell
}

#[test]
fn the_ready_line_is_the_first_and_names_the_real_port() {
    for name in SERVERS {
        let server = Server::start(name, &[]);
        assert_ne!(server.address.port(), 0);
        let (status, stdout, _) = server.stop();
        assert!(status.success(), "{name}: {status}");
        assert!(stdout.lines().nth(1) == Some(&format!("{name}: this machine only")), "{stdout}");
    }
}

#[test]
fn every_interface_is_the_default() {
    for name in SERVERS {
        let mut command = command(program(name));
        command.args(["--port", "0"]);
        let mut process = Process::start(command);
        assert!(process.line().starts_with(&format!("{name}: listening on [::]:")));
        assert!(process.line().starts_with(&format!("{name}: every interface")));
    }
}

#[test]
fn a_second_server_on_the_same_port_says_so_and_exits() {
    for name in SERVERS {
        for host in ["127.0.0.1", ""] {
            let first = Server::start(name, &["--host", host]);
            let second = run(name, &["--host", host, "--port", &first.port()]);
            second.failed_with("address already in use");
            assert!(second.stderr.lines().any(|line| line.starts_with("hint: another program listens there")));
            assert_eq!(second.text(), "");
        }
    }
}

#[test]
fn a_restart_finds_its_port_free() {
    // Where that is possible, in a network in which nobody else takes the port meanwhile.
    #[cfg(target_os = "linux")]
    crate::namespace::inside(|| SERVERS.into_iter().for_each(is_restarted));
    #[cfg(not(target_os = "linux"))]
    SERVERS.into_iter().for_each(is_restarted);
}

fn is_restarted(name: &str) {
    let drain: &[&str] = if name == "udp-echo-server" { &[] } else { &["--drain", "100ms"] };
    let server = Server::start(name, drain);
    let port = server.port();
    if name == "udp-echo-server" {
        server.stops_well();
    } else {
        // The server ends the conversation, so it is the server's side that is left in TIME-WAIT.
        let mut client = server.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
        server.process.signal("TERM");
        client.read_to_end(&mut Vec::new()).unwrap();
        drop(client);
        assert!(server.finish().0.success());
    }
    let mut command = command(program(name));
    command.args(["--host", "127.0.0.1", "--port", &port]);
    let server = Server::ready(name, command);
    assert_eq!(server.port(), port);
}

#[test]
fn a_transfer_goes_on_to_its_end_after_sigterm() {
    for design in ["iterative", "threads", "events"] {
        let server = Server::start("tcp-echo-server", &["--design", design, "--drain", "60s"]);
        let mut client = server.connect();
        let payload = noise(16 << 20);
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let (payload, (is_asked, asked)) = (&payload, channel());
            scope.spawn(move || {
                let (first, rest) = payload.split_at(1 << 20);
                writer.write_all(first).unwrap();
                asked.recv().unwrap();
                writer.write_all(rest).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            // Who is connected need not have been accepted yet; who has an answer is.
            let mut reply = vec![0; 8];
            client.read_exact(&mut reply).unwrap();
            server.process.signal("TERM");
            is_asked.send(()).unwrap();
            client.read_to_end(&mut reply).unwrap();
            assert!(without_prefix(&reply) == *payload);
        });
        let (status, _, stderr) = server.finish();
        assert_eq!((status.code(), without_account(&stderr).as_str()), (Some(0), ""));
    }
}

#[test]
fn after_the_drain_a_client_has_all_its_answers_and_a_clean_end() {
    for design in ["iterative", "threads", "events"] {
        let server = Server::start("tcp-echo-server", &["--design", design, "--drain", "300ms"]);
        let mut client = server.connect();
        client.write_all(b"still here").unwrap();
        let mut reply = [0; 18];
        client.read_exact(&mut reply).unwrap();
        server.process.signal("TERM");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("end of file, not a reset");
        assert_eq!((&reply[..], rest.len()), (&b"echo -> still here"[..], 0));
        drop(client);
        let (status, _, stderr) = server.finish();
        assert!(status.success() && stderr.contains("still connected at the end of the drain"), "{status}: {stderr}");
    }
}

#[test]
fn once_asked_to_stop_a_server_takes_no_new_client() {
    let server = Server::start("tcp-echo-server", &["--drain", "60s"]);
    let client = server.connect();
    server.process.signal("INT");
    eventually("a refused connection", || std::net::TcpStream::connect(server.address).is_err());
    drop(client);
    let (status, _, stderr) = server.finish();
    assert_eq!((status.code(), without_account(&stderr).as_str()), (Some(0), ""));
}

#[test]
fn a_second_signal_ends_a_server_now() {
    for (signal, expected) in [("INT", 130), ("TERM", 143)] {
        let server = Server::start("tcp-echo-server", &["--drain", "60s"]);
        // Who is connected need not have been accepted yet; who has an answer is, and the server waits for its end.
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 9]).unwrap();
        server.process.signal(signal);
        eventually("a refused connection", || std::net::TcpStream::connect(server.address).is_err());
        server.process.signal(signal);
        assert_eq!(server.finish().0.code(), Some(expected));
    }
}

#[test]
fn a_silent_client_is_cut_off_and_a_busy_one_is_not() {
    // Longer than a busy machine leaves the other one without a turn.
    let server = Server::start("tcp-echo-server", &["--idle-timeout", "5s"]);
    let mut silent = server.connect();
    let mut busy = server.connect();
    silent.set_nonblocking(true).unwrap();
    let mut reply = [0; 9];
    let mut answers = 0;
    eventually("the end of the silent one", || {
        busy.write_all(b"x").unwrap();
        busy.read_exact(&mut reply).unwrap();
        answers += 1;
        silent.read(&mut reply).is_ok_and(|length| length == 0)
    });
    assert!(answers > 1);
    server.process.stderr_has(": silent for 5s");
    drop((silent, busy));
    let (status, _, stderr) = server.stop();
    assert!(status.success() && stderr.contains(", timed out 1"), "{status}: {stderr}");
}

#[test]
fn once_means_one_client() {
    for design in ["iterative", "threads", "events"] {
        let server = Server::start("tcp-echo-server", &["--design", design, "--once"]);
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        let (status, _, stderr) = server.finish();
        assert_eq!((status.code(), without_account(&stderr).as_str()), (Some(0), ""));
    }
}

#[test]
fn wrong_arguments_are_refused_with_status_2_and_nothing_on_stdout() {
    for name in ["tcp-echo-server", "tcp-echo-client", "udp-echo-server", "udp-echo-client", "tiny-web"] {
        for wrong in [
            &["--no-such-option"][..],
            &["--port"],
            &["--port", "65536"],
            &["--trace-file"],
            &["a", "b", "c", "--", "--x"],
        ] {
            // The last is wrong for servers; for the echo clients the second word is no port.
            let outcome = run(name, wrong);
            assert_eq!((outcome.status.code(), outcome.text().as_str()), (Some(2), ""), "{name} {wrong:?}");
            assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
        }
        for (option, expected) in [("--help", "Usage: "), ("--version", name)] {
            let outcome = run(name, &[option]);
            assert!(outcome.status.success() && outcome.text().contains(expected) && outcome.stderr.is_empty());
        }
    }
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_line() {
    for name in SERVERS {
        run(name, &["--host", "192.0.2.1", "--port", "0"]).failed_with("cannot listen on 192.0.2.1:0: ");
        run(name, &["--host", "no.such.name.invalid"]).failed_with("cannot resolve \"no.such.name.invalid\": ");
        run(name, &["--trace-file", "/no/such/folder/t"]).failed_with("cannot write the trace to /no/such/folder/t: ");
    }
    let outcome = run_command(shell("exec \"$@\" 2>&-", "tcp-echo-server", &["--host", "192.0.2.1"]), b"");
    assert_eq!(outcome.status.code(), Some(1), "even if nobody hears it");
}
