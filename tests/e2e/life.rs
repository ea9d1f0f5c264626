//! How servers start, run short of things, and stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};
use std::thread;

use crate::harness::{
    Process, Server, command, eventually, noise, program, run, run_command, signal_process, without_account,
    without_prefix,
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
    for name in SERVERS {
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
}

#[test]
fn a_transfer_goes_on_to_its_end_after_sigterm() {
    for design in ["iterative", "threads", "events"] {
        let server = Server::start("tcp-echo-server", &["--design", design, "--drain", "60s"]);
        let mut client = server.connect();
        let payload = noise(16 << 20);
        thread::scope(|scope| {
            let mut writer = client.try_clone().unwrap();
            let (payload, id) = (&payload, server.process.id());
            scope.spawn(move || {
                let (first, rest) = payload.split_at(1 << 20);
                writer.write_all(first).unwrap();
                signal_process(id, "TERM");
                writer.write_all(rest).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut reply = Vec::new();
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
        let _client = server.connect();
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
fn a_client_too_many_waits_until_another_has_gone() {
    for name in ["tcp-echo-server", "tiny-web"] {
        let server = Server::start(name, &["--max-connections", "2"]);
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &mut clients[..2] {
            client.write_all(b"GET /").unwrap();
        }
        clients[2].write_all(request).unwrap();
        clients[2].set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        assert!(clients[2].read(&mut [0; 8]).is_err(), "two are served, and they have not finished");
        clients[2].set_read_timeout(Some(crate::harness::SOON)).unwrap();
        clients.remove(0);
        clients[1].read_exact(&mut [0; 8]).unwrap();
    }
}

#[test]
fn twenty_descriptors_are_enough_to_serve_everybody_in_turn() {
    for name in ["tcp-echo-server", "tiny-web"] {
        // The second time four descriptors are taken that the server doesn't know of, so that accept() does fail.
        for others in ["", "exec 4</dev/null 5</dev/null 6</dev/null 7</dev/null;"] {
            let script = format!("{others} ulimit -n 20; exec \"$@\"");
            let arguments = ["--host", "127.0.0.1", "--port", "0", "--backlog", "128"];
            let server = Server::ready(name, shell(&script, name, &arguments));
            server.process.stderr_has("the limit on descriptors leaves room for ");
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let mut clients: Vec<_> = (0..60).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.write_all(request).unwrap();
            }
            // Those at the front of the queue are served, and make room for the others.
            for mut client in clients {
                let _ = client.shutdown(Shutdown::Write);
                let mut reply = Vec::new();
                client.read_to_end(&mut reply).unwrap();
                assert!(reply.len() > request.len() / 2, "{}", String::from_utf8_lossy(&reply));
            }
            let stderr = server.stops_well();
            let said = stderr.matches("cannot accept more clients for now: too many open files").count();
            // tiny-web keeps a descriptor for a file with each connection, which the lecture's page doesn't use.
            assert_eq!(said > 0, !others.is_empty() && name == "tcp-echo-server", "{stderr}");
            assert!(said <= 2, "said once, and once more on a machine so slow that a minute has passed: {stderr}");
        }
    }
}

#[test]
fn nobody_reading_stdout_or_stderr_is_not_the_end() {
    for name in SERVERS {
        let port = crate::harness::unused_port().to_string();
        let arguments = ["--host", "127.0.0.1", "--port", &port, "--trace"];
        let mut server = Process::start(shell("exec \"$@\" >&- 2>&-", name, &arguments));
        let client = match name {
            "udp-echo-server" => "udp-echo-client",
            _ => "tcp-echo-client",
        };
        let mut served = || {
            if name == "tiny-web" {
                return std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
            }
            run(client, &["127.0.0.1", &port]).text() == "echo -> Hello world\n"
        };
        eventually("an answer", &mut served);
        assert!(served(), "and another");
        server.signal("TERM");
        assert!(server.wait().success());
    }
}

/// Of a pipe that is full, and that nobody reads from: a terminal that was stopped with Ctrl-S, a log that is paged through.
#[test]
#[cfg(unix)]
fn a_reader_of_stdout_and_stderr_who_stands_still_stops_nobody() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    for name in SERVERS {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut command = command(program(name));
        command.args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            if name == "tiny-web" { "--drain=0s" } else { "--verbose" },
        ]);
        let both = (writer.try_clone().unwrap(), writer.try_clone().unwrap());
        let mut server = command.stdin(Stdio::null()).stdout(both.0).stderr(both.1).spawn().unwrap();
        drop(command);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let ready = lines.next().unwrap();
        let port = ready.rsplit(':').next().unwrap().to_owned();
        assert_eq!(lines.next(), Some(format!("{name}: this machine only")));
        let mut has_room = || {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(&writer, PollFlags::OUT)], Some(&at_once)).unwrap() > 0 && {
                writer.write_all(&[b'.'; 4096]).unwrap();
                true
            }
        };
        while has_room() {}
        for _ in 0..3 {
            match name {
                "udp-echo-server" => run("udp-echo-client", &["127.0.0.1", &port]).printed("echo -> Hello world\n"),
                "tcp-echo-server" => run("tcp-echo-client", &["127.0.0.1", &port]).printed("echo -> Hello world\n"),
                _ => assert!(run("browser", &["127.0.0.1", &port]).status.success()),
            }
        }
        signal_process(server.id(), "TERM");
        assert!(server.wait().unwrap().success(), "{name} does not wait for anybody to hear its account either");
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

#[test]
#[cfg(target_os = "linux")]
fn a_low_soft_limit_on_descriptors_is_raised() {
    for design in ["threads", "events"] {
        let arguments = ["--host", "127.0.0.1", "--port", "0", "--design", design];
        let server =
            Server::ready("tcp-echo-server", shell("ulimit -S -n 20; exec \"$@\"", "tcp-echo-server", &arguments));
        let mut clients: Vec<_> = (0..60).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0; 9]).unwrap();
        }
        drop(clients);
        assert_eq!(server.stops_well(), "");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn when_threads_run_out_the_server_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        return crate::harness::skip("only root can become somebody who has no processes yet");
    }
    // The limit counts the processes of a user, and root has none: so somebody else, who may read this copy.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("tcp-echo-server");
    std::fs::copy(program("tcp-echo-server"), &copy).unwrap();
    let mut somebody = command("setpriv");
    // Of two runs of this test at the same time, each is another.
    let user = (20_000 + std::process::id() % 40_000).to_string();
    somebody.args(["--reuid", &user, "--clear-groups", "prlimit", "--nproc=8"]).arg(copy);
    somebody.args(["--host", "127.0.0.1", "--port", "0", "--design", "threads"]);
    let server = Server::ready("tcp-echo-server", somebody);
    let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    server.process.stderr_has("cannot accept more clients for now: no thread for one");
    // Those for whom there is no thread wait in the queue, and nobody is lost.
    for mut client in clients {
        client.read_exact(&mut [0; 9]).unwrap();
    }
    let stderr = server.stops_well();
    let said = stderr.matches("no thread for one").count();
    assert!(
        (1..=2).contains(&said),
        "said once, and once more on a machine so slow that a minute has passed: {stderr}"
    );
}
