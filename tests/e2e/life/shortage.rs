//! Servers that run short: of places, descriptors, threads, and of somebody who reads what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use super::{SERVERS, shell};
use crate::harness::{Process, Server, command, eventually, program, run, run_command, signal_process};

#[test]
fn a_client_too_many_waits_until_another_has_gone() {
    for name in ["tcp-echo-server", "tiny-web"] {
        let server = Server::start(name, &["--max-connections", "2"]);
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &mut clients[..2] {
            // Whose head isn't whole might give way.
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n").unwrap();
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

/// What it needs, it has before it says that it is ready.
#[test]
fn with_too_few_descriptors_the_tcp_server_serves_or_says_so_instead_of_the_ready_line() {
    for design in ["iterative", "threads", "events"] {
        let mut served = 0;
        for most in 5..35 {
            let script = format!("ulimit -n {most}; exec \"$@\"");
            let mut arguments = vec!["--host", "127.0.0.1", "--port", "0", "--design", design];
            arguments.extend((design == "events").then_some("--workers=8"));
            let mut process = Process::start(shell(&script, "tcp-echo-server", &arguments));
            let Some(line) = process.line_or_end() else {
                let (status, stdout, stderr) = process.finish();
                let lines: Vec<&str> = stderr.lines().filter(|line| !line.contains("leaves room for")).collect();
                assert_eq!(
                    (status.code(), stdout.as_str(), lines.len()),
                    (Some(1), "", 2),
                    "{design}, {most}: {stderr}"
                );
                assert!(lines[0].ends_with(": too many open files"), "{stderr}");
                assert!(lines[1].starts_with("hint: ") && lines[1].ends_with("ulimit -n"), "{stderr}");
                assert_eq!(served, 0, "with fewer, it did: {design}, {most}");
                continue;
            };
            let (_, port) = line.rsplit_once(':').unwrap();
            run("tcp-echo-client", &["127.0.0.1", port]).printed("echo -> Hello world\n");
            served += 1;
        }
        assert!((1..30).contains(&served), "{design}: {served}");
    }
}

#[test]
fn nobody_reading_stdout_or_stderr_is_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for name in SERVERS {
        // It can't say which port it has got, but its trace in a file does: a port that was free a moment ago need not be.
        let file = folder.path().join(name);
        let arguments = ["--host", "127.0.0.1", "--port", "0", "--trace", "--trace-file", file.to_str().unwrap()];
        let mut server = Process::start(shell("exec \"$@\" >&- 2>&-", name, &arguments));
        let mut port = None;
        eventually("its address in the trace", || {
            let trace = std::fs::read_to_string(&file).unwrap_or_default();
            let line = trace.split_inclusive('\n').find(|line| line.contains(r#""call":"getsockname""#));
            let line: Option<Value> = line.and_then(|line| serde_json::from_str(line.strip_suffix('\n')?).ok());
            port = line.and_then(|line| Some(line["local"].as_str()?.rsplit_once(':')?.1.to_owned()));
            port.is_some()
        });
        let port = port.unwrap();
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
    for (name, reads_on) in SERVERS.into_iter().flat_map(|name| [(name, false), (name, true)]) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut command = command(program(name));
        let own = if name == "tiny-web" { "--drain=0s" } else { "--verbose" };
        command.args(["--host", "127.0.0.1", "--port", "0", "--trace", own]);
        let both = (writer.try_clone().unwrap(), writer.try_clone().unwrap());
        let mut server = command.stdin(Stdio::null()).stdout(both.0).stderr(both.1).spawn().unwrap();
        drop(command);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.contains(": listening on ")).unwrap();
        let port = ready.rsplit(':').next().unwrap().to_owned();
        assert_eq!(lines.next(), Some(format!("{name}: this machine only")));
        if name != "udp-echo-server" {
            // It looks whether a client waits already, and then it is silent. Before, it might find room that we take.
            assert!(lines.any(|line| line.contains(" accept(")), "{name}");
        }
        let mut has_room = || {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(&writer, PollFlags::OUT)], Some(&at_once)).unwrap() > 0 && {
                writer.write_all(&[b'.'; 4096]).unwrap();
                true
            }
        };
        while has_room() {}
        let visit = || match name {
            "udp-echo-server" => run("udp-echo-client", &["127.0.0.1", &port]).printed("echo -> Hello world\n"),
            "tcp-echo-server" => run("tcp-echo-client", &["127.0.0.1", &port]).printed("echo -> Hello world\n"),
            _ => assert!(run("browser", &["127.0.0.1", &port]).status.success()),
        };
        (0..3).for_each(|_| visit());
        if reads_on {
            drop(writer);
            let reader = thread::spawn(move || lines.collect::<Vec<_>>());
            visit();
            signal_process(server.id(), "TERM");
            assert!(server.wait().unwrap().success());
            let lines = reader.join().unwrap();
            let lost =
                lines.iter().filter_map(|line| line.split_once(": lines of the trace for which there was no room: "));
            let lost: Vec<u32> = lost.map(|(_, count)| count.parse().unwrap()).collect();
            assert!(lost.len() == 1 && lost[0] > 3, "{name}, told once: {lines:?}");
            assert!(lines.iter().any(|line| line.contains(" close(")), "{name}, and the trace goes on: {lines:?}");
        } else {
            signal_process(server.id(), "TERM");
            assert!(server.wait().unwrap().success(), "{name} does not wait for anybody to hear its account either");
        }
    }
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

/// The bound on that is the machine's (`max_user_watches` in epoll(7)), and so it is strace that says no.
#[test]
#[cfg(target_os = "linux")]
fn a_client_for_whom_the_event_queue_has_no_room_is_refused_and_counted_and_the_next_is_served() {
    use crate::trace::strace::{failing, watching};
    const REGISTERS: &str = "epoll_ctl";
    for name in ["tcp-echo-server", "tiny-web"] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("strace.log");
        let start = |mut command: std::process::Command| {
            command.args(["--host", "127.0.0.1", "--port", "0", "--workers", "1"]);
            Server::ready(name, command)
        };
        let Some(command) = watching(name, REGISTERS, &log) else { return };
        start(command).stops_well();
        // What a server needs itself, it has before it is ready; without a client, there is no other.
        let its_own = std::fs::read_to_string(&log).unwrap().matches(REGISTERS).count();
        let Some(command) = failing(name, (REGISTERS, its_own + 1), "ENOSPC", &log) else { return };
        let server = start(command);
        assert_eq!(server.connect().read(&mut [0; 8]).unwrap(), 0, "{name}");
        server.process.stderr_has(": the event queue has no room for it: no space left on device");
        let mut next = server.connect();
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        next.read_exact(&mut [0; 8]).unwrap();
        drop(next);
        let (status, _, stderr) = server.stop();
        assert!(status.success(), "{status}: {stderr}");
        let counted = stderr.contains("connections 2, received 27 bytes, sent 35 bytes, refused 1, timed out 0, ");
        assert_eq!(counted, name == "tcp-echo-server", "{stderr}");
    }
}

/// The command that starts a TCP server which may have eight threads; its copy of the program is in this folder. None: only
/// root can do that, by becoming somebody who has no processes yet.
#[cfg(target_os = "linux")]
fn with_eight_threads(folder: &std::path::Path, user: u32) -> Option<std::process::Command> {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        crate::harness::skip("only root can become somebody who has no processes yet");
        return None;
    }
    // The limit counts the processes of a user, and root has none: so somebody else, who may read this copy.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("tcp-echo-server");
    std::fs::copy(program("tcp-echo-server"), &copy).unwrap();
    let mut somebody = command("setpriv");
    // Of two runs of a test at the same time, each is another.
    let user = (user + std::process::id() % 20_000).to_string();
    somebody.args(["--reuid", &user, "--clear-groups", "prlimit", "--nproc=8"]).arg(copy);
    somebody.args(["--host", "127.0.0.1", "--port", "0"]);
    Some(somebody)
}

#[test]
#[cfg(target_os = "linux")]
fn a_loop_for_which_there_is_no_thread_is_told_instead_of_the_ready_line() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = with_eight_threads(folder.path(), 40_000) else { return };
    server.arg("--workers=20");
    let outcome = run_command(server, b"");
    outcome.failed_with("cannot start a thread: resource temporarily unavailable");
    assert_eq!(outcome.text(), "");
}

#[test]
#[cfg(target_os = "linux")]
fn when_threads_run_out_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = with_eight_threads(folder.path(), 20_000) else { return };
    server.args(["--design", "threads"]);
    let server = Server::ready("tcp-echo-server", server);
    let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    server.process.stderr_has("cannot accept more clients for now: no thread for one");
    // Those for whom there is no thread wait in the queue, and nobody is lost.
    for mut client in clients {
        client.read_exact(&mut [0; 9]).unwrap();
    }
    let (status, _, stderr) = server.stop();
    let said = stderr.matches("no thread for one").count();
    let counted = "connections 30, received 30 bytes, sent 270 bytes, refused 0, timed out 0, ";
    assert!(status.success() && stderr.contains(counted), "none of them is refused: {status}: {stderr}");
    assert!(
        (1..=2).contains(&said),
        "said once, and once more on a machine so slow that a minute has passed: {stderr}"
    );
}
