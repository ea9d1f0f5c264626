//! A person at the keyboard: what is typed to our TCP client goes out while its input is open, and a terminal shows what
//! comes back.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::{hear_out, server_that};
use crate::harness::{Process, SOON, Server, command, program, run_command};

#[test]
fn a_server_that_leaves_before_stdin_ends_is_an_error() {
    let port = server_that(|client| client.shutdown(Shutdown::Both).unwrap());
    let mut command = command(program("tcp-echo-client"));
    command.args(["127.0.0.1", &port, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdin = child.stdin.take(); // stays open until the client has ended
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has closed the connection"));
}

#[test]
fn what_is_typed_comes_back_before_the_end_of_input() {
    let server = Server::start("tcp-echo-server", &["--prefix", ""]);
    let mut command = command(program("tcp-echo-client"));
    command.args([&server.host(), &server.port(), "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for line in ["first\n", "second\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut reply = vec![0; line.len()];
        stdout.read_exact(&mut reply).unwrap();
        assert_eq!(reply, line.as_bytes());
    }
    drop(stdin);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty() && child.wait().unwrap().success());
}

#[test]
fn a_client_waits_for_a_person_longer_than_its_timeout() {
    let server = Server::start("tcp-echo-server", &[]);
    let mut client = command(program("tcp-echo-client"));
    client.args([&server.host(), &server.port(), "--timeout", "3s", "-"]);
    let (input, mut keyboard) = std::io::pipe().unwrap();
    let mut client = Process::start_with(client, input);
    keyboard.write_all(b"one\n").unwrap();
    assert_eq!(client.line(), "echo -> one");
    // Not to wait for anything, but to be slow.
    thread::sleep(Duration::from_secs(4));
    keyboard.write_all(b"two\n").unwrap();
    assert_eq!(client.line(), "echo -> two");
    drop(keyboard);
    let (status, _, stderr) = client.finish();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn on_a_terminal_lines_go_back_and_forth_and_the_last_one_is_ended() {
    if crate::harness::peer("script").is_none() {
        return;
    }
    let server = Server::start("tcp-echo-server", &["--prefix", ""]);
    let client = format!("{} {} {} -", program("tcp-echo-client").display(), server.host(), server.port());
    // script(1) makes a terminal; typed are a line, a word without an end, and twice Ctrl-D: the word goes out, and the end.
    let mut script = command("script");
    script.args(["-qec", &client, "/dev/null"]);
    let outcome = run_command(script, b"one\ntwo\x04\x04");
    let shown = outcome.text().replace('\r', "").replace("^D\x08\x08", "");
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(shown.matches("one").count() == 2 && shown.matches("two").count() == 2, "typed, and come back: {shown:?}");
    assert!(shown.ends_with('\n'), "{shown:?}");
}

#[test]
fn on_a_terminal_an_error_has_a_line_of_its_own() {
    if crate::harness::peer("script").is_none() {
        return;
    }
    let server = Server::start("tcp-echo-server", &["--close-after", "12"]);
    // Only what the client reads is typed: the terminal shows it whenever it comes, be it in the middle of the reply.
    for (what, typed) in [("Hello world", &b""[..]), ("-", b"Hello world\n\x04")] {
        let client = format!("{} {} {} {what}", program("tcp-echo-client").display(), server.host(), server.port());
        let mut script = command("script");
        script.args(["-qec", &client, "/dev/null"]);
        let outcome = run_command(script, typed);
        let shown = outcome.text().replace("^D\x08\x08", "");
        assert_eq!(outcome.status.code(), Some(1), "{shown:?}");
        assert!(shown.contains("echo -> Hell\r\ntcp-echo-client: cannot "), "{shown:?}");
    }
}

#[test]
fn ctrl_c_ends_it_with_130_as_a_shell_counts() {
    let port = server_that(|client| {
        hear_out(&client);
        thread::sleep(SOON); // The test is over long before.
    });
    let mut command = command(program("tcp-echo-client"));
    command.args(["127.0.0.1", &port, "--timeout", "60s", "--trace"]);
    let mut client = Process::start(command);
    client.stderr_has("shutdown(");
    client.signal("INT");
    // A shell shows 128 + 2 for a program that this signal has ended.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&client.wait()), Some(2));
}
