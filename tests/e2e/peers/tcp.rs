//! TCP: ncat, socat, netcat, curl and the lecture's programs.

use std::io::Write;

use super::{PeerServer, is_answered, lectures, theirs};
use crate::harness::{
    Process, Server, command, eventually, noise, program, run, run_command, run_with_input, unused_port, without_prefix,
};

/// More than fits between two programs at once, so that a side that only writes would stand still.
const MUCH: usize = 3 << 20;

fn server() -> Server {
    Server::start("tcp-echo-server", &[])
}

/// Their client gets everything back: line by line, and in one go with an end of its input, which is a half-close.
fn their_client(name: &str, arguments: &[&str]) {
    let server = server();
    let port = server.port();
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("PORT", &port)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (Some(talk), Some(transfer)) = (theirs(name, &arguments), theirs(name, &arguments)) else { return };

    is_answered(talk, &["Hello", "a second time", "\u{1b}[31m and \u{e4}"]);

    let payload = noise(MUCH);
    let reply = run_command(transfer, &payload);
    assert_eq!((reply.stderr.as_str(), reply.status.code()), ("", Some(0)));
    assert!(without_prefix(&reply.stdout) == payload, "{} bytes came back", reply.stdout.len());
    run("tcp-echo-client", &[&server.host(), &port]).printed("echo -> Hello world\n");
    // Their first client was stopped in the middle of the conversation, with nothing unread: an end like any other.
    assert_eq!(server.stops_well(), "");
}

#[test]
fn ncat_gets_everything_back_from_our_server() {
    their_client("ncat", &["127.0.0.1", "PORT"]);
}

#[test]
fn socat_gets_everything_back_from_our_server() {
    // -t: how long it waits for the rest after the end of its own input. Its half a second is too short for a busy machine.
    their_client("socat", &["-t", "60", "-", "TCP4:127.0.0.1:PORT"]);
}

#[test]
fn netcat_gets_everything_back_from_our_server() {
    // -N: half-close at the end of the input. Without, Debian's waits for ever.
    their_client("nc.openbsd", &["-N", "127.0.0.1", "PORT"]);
}

#[test]
fn curl_talks_to_our_server_as_to_telnet() {
    // The end of its input is not the end of its side: the conversation ends with the server, which does not wait for it.
    let server = Server::start("tcp-echo-server", &["--drain", "0s"]);
    let url = format!("telnet://{}", server.address);
    let Some(curl) = theirs("curl", &["--silent", "--show-error", "--no-buffer", "--noproxy", "*", &url]) else {
        return;
    };
    let (input, mut keyboard) = std::io::pipe().unwrap();
    let mut curl = Process::start_with(curl, input);
    for line in ["Hello", "a second time"] {
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one piece
        assert_eq!(curl.line(), format!("echo -> {line}"));
    }
    drop(keyboard);
    let stderr = server.stops_well();
    assert!(stderr.ends_with(": still connected at the end of the drain\n"), "{stderr}");
    let (status, _, stderr) = curl.finish();
    assert!(status.success() && stderr.is_empty(), "{status}: {stderr}");
}

#[test]
fn the_lectures_client_gets_its_answer_from_our_server() {
    let server = server();
    let Some(client) = lectures("tcpclient.py", &[&server.port()]) else { return };
    run_command(client, b"").printed("echo -> Hello world\n");
    assert_eq!(server.stops_well(), "");
}

#[test]
fn the_lectures_client_leaves_before_the_end_of_its_answer_and_our_server_goes_on() {
    for design in ["iterative", "threads", "events"] {
        let server = Server::start("tcp-echo-server", &["--design", design]);
        // With the prefix, 1,025 bytes come back. It reads 1,024 and leaves: its system answers the last one with a reset,
        // of which the lecture's server dies.
        let Some(client) = lectures("tcpclient.py", &[&server.port(), &"x".repeat(1017)]) else { return };
        run_command(client, b"").printed(&format!("echo -> {}\n", "x".repeat(1016)));
        eventually("a lost client", || server.process.stderr().contains("lost 127.0.0.1:"));
        // Here the reset may come in the middle of a reply, or of the message.
        let client = lectures("tcpclient.py", &[&server.port(), &"x".repeat(100_000)]).unwrap();
        assert!(run_command(client, b"").status.success());
        run("tcp-echo-client", &[&server.host(), &server.port()]).printed("echo -> Hello world\n");
        server.stops_well();
    }
}

/// Our client gets everything back from their server.
fn our_client(server: &PeerServer) {
    let (host, port) = (server.host(), server.port());
    for _ in 0..2 {
        run("tcp-echo-client", &[&host, &port]).printed("Hello world\n");
    }
    let payload = noise(MUCH);
    let reply = run_with_input("tcp-echo-client", &[&host, &port, "-"], &payload);
    assert_eq!((reply.stderr.as_str(), reply.status.code()), ("", Some(0)));
    assert!(reply.stdout == payload, "{} bytes came back", reply.stdout.len());
}

#[test]
fn our_client_gets_everything_back_from_socat() {
    for what in ["PIPE", "EXEC:cat"] {
        // -d -d: it says where it listens. -t: as above; here it waits for the rest after our half-close. -b: a pipe that is
        // nearly full has room for 4,096 bytes. With 8,192 at once, its usual number, socat may wait for ever for room that
        // only it could make, as the reader of the same pipe.
        let arguments = ["-d", "-d", "-t", "60", "-b", "4096", "TCP4-LISTEN:0,bind=127.0.0.1,fork", what];
        if theirs("socat", &[]).is_none() {
            return;
        }
        our_client(&PeerServer::start(|| 0, |_| theirs("socat", &arguments).unwrap()));
    }
}

#[test]
fn our_client_gets_everything_back_from_the_lectures_server() {
    if lectures("tcpserver.py", &[]).is_none() {
        return;
    }
    let server = PeerServer::start(|| 0, |_| lectures("tcpserver.py", &[]).unwrap());
    let (host, port) = (server.host(), server.port());
    for _ in 0..2 {
        run("tcp-echo-client", &[&host, &port]).printed("echo -> Hello world\n");
    }
    let payload = noise(MUCH);
    let reply = run_with_input("tcp-echo-client", &[&host, &port, "-"], &payload);
    assert_eq!((reply.stderr.as_str(), reply.status.code()), ("", Some(0)));
    assert!(without_prefix(&reply.stdout) == payload, "{} bytes came back", reply.stdout.len());
    assert!(server.process.stderr().lines().count() == 1, "it is content: {}", server.process.stderr());
}

/// ncat, with a program behind it for each client. For port 0 it would say that it listens on port 0.
fn ncat_in_front_of(program: &str) -> Option<PeerServer> {
    let ncat = |port: u16| {
        theirs("ncat", &["-v", "-l", "-k", "127.0.0.1", &port.to_string(), "--sh-exec", &format!("exec {program}")])
    };
    ncat(0)?;
    Some(PeerServer::start(unused_port, |port| ncat(port).unwrap()))
}

/// Our client gets each line back while its input is open. What these servers do after a half-close is another matter.
fn lines_come_back_from(host: &str, port: &str) {
    let mut client = command(program("tcp-echo-client"));
    client.args([host, port, "-"]);
    let (input, mut keyboard) = std::io::pipe().unwrap();
    let mut client = Process::start_with(client, input);
    for line in ["Hello", "a second time"] {
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one piece
        assert_eq!(client.line(), line);
    }
    drop(keyboard);
    let (status, stdout, stderr) = client.finish();
    assert_eq!((status.code(), stdout.as_str(), stderr.as_str()), (Some(0), "Hello\na second time\n", ""));
}

#[test]
fn our_client_gets_every_line_back_from_ncat_while_its_input_is_open() {
    let Some(server) = ncat_in_front_of("cat") else { return };
    lines_come_back_from(&server.host(), &server.port());
}

#[test]
fn our_client_notices_that_ncat_throws_the_answer_away_after_a_half_close() {
    // ncat 7.93 stops as soon as either side ends: what its program has not said by then is lost. cat is nearly always too
    // late; sort always is, because it says nothing before its input ends.
    let Some(server) = ncat_in_front_of("sort") else { return };
    for _ in 0..3 {
        let reply = run("tcp-echo-client", &[&server.host(), &server.port()]);
        assert!(reply.stdout.is_empty(), "{reply:?}");
        reply.failed_with("it ended early: 0 of 11 bytes came back");
    }
    let reply = run_with_input("tcp-echo-client", &[&server.host(), &server.port(), "-"], &noise(3000));
    assert!(reply.stdout.is_empty(), "{reply:?}");
    reply.failed_with("it ended early: 0 of 3000 bytes came back");

    // With cat there is no telling, but one of the two it is: everything, or an error.
    let server = ncat_in_front_of("cat").unwrap();
    for _ in 0..10 {
        let reply = run("tcp-echo-client", &[&server.host(), &server.port()]);
        if reply.status.success() { reply.printed("Hello world\n") } else { reply.failed_with("ended early") }
    }
}

#[test]
fn our_client_gets_every_line_back_from_netcat_while_its_input_is_open() {
    if theirs("nc.openbsd", &[]).is_none() {
        return;
    }
    // netcat has no echo of its own, but a pipe leads what it receives back to what it sends. It serves one client.
    let script =
        "rm -f circle; mkfifo circle; timeout 60 nc.openbsd -v -n -N -l 127.0.0.1 \"$1\" <circle | cat >circle";
    let folder = tempfile::tempdir().unwrap();
    let server = PeerServer::start(unused_port, |port| {
        let mut shell = command("sh");
        shell.current_dir(&folder).args(["-c", script, "sh", &port.to_string()]);
        shell
    });
    lines_come_back_from(&server.host(), &server.port());
    server.process.finish();
}
