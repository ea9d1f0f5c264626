//! The server as its users meet it: started as a program, asked over TCP.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod folder;
mod harness;
mod http;
mod limits;
mod log;
mod sandbox;
mod shown;
mod stopping;
mod versions;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, is_match, starts_with};

use harness::{PATIENCE, Server};

fn tiny_web() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tiny-web"));
    command.timeout(PATIENCE);
    command
}

#[test]
fn the_ready_lines_name_the_port_and_who_can_reach_it_and_what_to_open() {
    let server = Server::start(&[]);
    let port = server.port;
    let expected = [
        format!("tiny-web: listening on 127.0.0.1:{port}"),
        "tiny-web: this machine only".to_owned(),
        format!("tiny-web: open http://localhost:{port}"),
    ];
    assert_eq!(server.ready_lines, expected);
}

#[test]
fn help_names_every_option() {
    let mut options = tiny_web().arg("--help").assert().success();
    for option in [
        "[DIR]",
        "--host <HOST>",
        "--port <PORT>",
        "--unix <PATH>",
        "--unix-mode <MODE>",
        "--no-listing",
        "--dotfiles",
        "--spa <FILE>",
        "--cache <SECONDS>",
        "--no-cache",
        "--header <NAME: VALUE>",
        "--cors",
        "--no-server-header",
        "--backlog <N>",
        "--max-connections <N>",
        "--max-per-address <N>",
        "--max-request-line <BYTES>",
        "--max-head <BYTES>",
        "--max-fields <N>",
        "--max-body <BYTES>",
        "--head-timeout <TIME>",
        "--idle-timeout <TIME>",
        "--min-rate <BYTES>",
        "--slow-timeout <TIME>",
        "--log <FILE|->",
        "--workers <N>",
        "--no-sandbox",
        "--drain <TIME>",
        "--trace",
        "--trace-file <FILE>",
        "--version",
    ] {
        options = options.stdout(contains(option));
    }
}

#[test]
fn bad_usage_is_told_with_status_2() {
    for arguments in [
        &["--port", "65536"][..],
        &["--idle-timeout", "5"],
        &["--head-timeout", "0s"],
        &["a", "b"],
        &["-x"],
        &["--spa", "x"],
        &[".", "--spa", "/"],
        &["--header", "a"],
        &["--header", "Content-Length: 5"],
        &["--header", "A: b\r\nC: d"],
        &["--max-fields", "129"],
        &["--no-listing"],
        &["--dotfiles"],
        &["--no-cache"],
    ] {
        tiny_web().args(arguments).assert().code(2).stdout("").stderr(starts_with("error: "));
    }
}

#[test]
fn a_number_that_is_none_is_answered_with_what_to_type() {
    for (arguments, expected) in [
        (["--cache", "x"], "a number of seconds, from 0 to 4294967295"),
        (["--cache", "4294967296"], "a number of seconds, from 0 to 4294967295"),
        (["--max-head", "10"], "from 1KiB to 16MiB"),
        (["--max-request-line", "1023"], "from 1KiB to 16MiB"),
    ] {
        tiny_web().args(arguments).assert().code(2).stderr(contains(expected));
    }
}

#[test]
fn so_many_may_wait_to_be_accepted_as_the_user_says() {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace.json");
    let server = Server::start(&["--backlog", "7", "--trace-file", trace.to_str().unwrap()]);
    server.signal("TERM");
    server.end();
    let lines = std::fs::read_to_string(&trace).unwrap();
    let listen = lines.lines().find(|line| line.contains("\"listen\"")).unwrap();
    assert!(listen.contains("\"arguments\":\"7\""), "{listen}");
}

#[test]
fn one_address_of_ipv6_is_listened_on_alone() {
    // A machine may be without.
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let mut server = Server::start_as_is(&["--host", "::1", "--port", "0"]);
    let line = server.line();
    let port: u16 = line.strip_prefix("tiny-web: listening on [::1]:").expect(&line).parse().unwrap();
    assert!(std::net::TcpStream::connect(("::1", port)).is_ok());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_folder_that_is_not_there_is_told_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    let expected = format!("tiny-web: cannot open {}: no such file or directory\n", missing.display());
    tiny_web().arg(&missing).args(["--port", "0"]).assert().code(1).stdout("").stderr(expected);
}

#[test]
fn a_file_is_no_folder() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = tiny_web().arg(file.path()).args(["--port", "0"]).assert().code(1).stdout("");
    run.stderr(is_match("^tiny-web: cannot open [^\n]*\n$").unwrap());
}

#[test]
fn an_application_without_its_page_is_told_at_the_start() {
    let place = tempfile::tempdir().unwrap();
    let run = tiny_web().arg(place.path()).args(["--spa", "app.html", "--port", "0"]).assert().code(1).stdout("");
    run.stderr("tiny-web: cannot show /app.html of this folder: not found\n");
    std::fs::create_dir(place.path().join("app")).unwrap();
    std::fs::write(place.path().join("app/index.html"), "app").unwrap();
    let run = tiny_web().arg(place.path()).args(["--spa", "app/", "--port", "0"]).assert().code(1).stdout("");
    run.stderr("tiny-web: cannot show /app of this folder: it is a folder, too\n");
}

#[test]
fn a_second_server_on_the_same_port_says_that_it_is_taken() {
    let first = Server::start(&[]);
    let port = first.port.to_string();
    let expected = format!("tiny-web: cannot listen on 127.0.0.1:{port}: ");
    let run = tiny_web().args(["--host", "127.0.0.1", "--port", &port]).assert().code(1).stdout("");
    run.stderr(starts_with(expected).and(contains("address already in use\nhint: ")));
}

#[test]
fn the_trace_shows_the_calls_of_the_lecture_in_their_order() {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace.json");
    let server = Server::start(&["--trace-file", trace.to_str().unwrap()]);
    server.get("/");
    server.signal("TERM");
    server.end();
    let lines = std::fs::read_to_string(&trace).unwrap();
    // How often it looks in vain whether a client waits depends on how soon one comes.
    let done = lines.lines().filter(|line| !line.contains("EAGAIN"));
    let calls = done.filter_map(|line| line.split("\"call\":\"").nth(1)?.split('"').next());
    let lectures: Vec<&str> = calls.filter(|call| !["setsockopt", "getsockname"].contains(call)).collect();
    assert_eq!(lectures[..6], ["socket", "bind", "listen", "accept", "recv", "send"], "{lines}");
}
