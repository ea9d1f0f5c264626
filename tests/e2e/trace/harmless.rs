//! A trace that can't be written is no harm to the program that writes it, once it has begun.

use crate::harness::{Server, command, program, run};

const SERVERS: [&str; 3] = ["tcp-echo-server", "udp-echo-server", "tiny-web"];

/// Visits a server with our own client for it, which is to be satisfied.
fn is_served(name: &str, server: &Server) {
    let (host, port) = (server.host(), server.port());
    match name {
        "tiny-web" => {
            let page = run("browser", &[&host, &port]);
            assert!(page.status.success() && page.text().contains("Hello world!"), "{page:?}");
        }
        "udp-echo-server" => run("udp-echo-client", &[&host, &port]).printed("echo -> Hello world\n"),
        _ => run("tcp-echo-client", &[&host, &port]).printed("echo -> Hello world\n"),
    }
}

#[test]
fn a_trace_file_that_cannot_be_created_is_an_error_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/trace.json");
    let file = file.to_str().unwrap();
    let said = format!("cannot write the trace to {file}: no such file or directory");
    for name in SERVERS {
        let outcome = run(name, &["--port", "0", "--trace-file", file]);
        assert_eq!(outcome.text(), "", "{name} has no ready line");
        outcome.failed_with(&said);
    }
    for name in ["tcp-echo-client", "udp-echo-client", "browser"] {
        let outcome = run(name, &["127.0.0.1", "1", "--trace-file", file]);
        assert_eq!(outcome.text(), "", "{name}");
        outcome.failed_with(&said);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_trace_file_on_a_full_disk_is_told_once_and_the_program_works_on() {
    let lost = "cannot write to the trace file; its later lines are lost";
    for name in SERVERS {
        let server = Server::start(name, &["--trace-file", "/dev/full"]);
        for _ in 0..3 {
            is_served(name, &server);
        }
        let stderr = server.stops_well();
        assert_eq!(stderr.matches(&format!("{name}: {lost}\n")).count(), 1, "{stderr}");
        assert_eq!(stderr.matches("trace").count(), 1, "{stderr}");
    }
    let (tcp, udp) = (Server::start("tcp-echo-server", &[]), Server::start("udp-echo-server", &[]));
    for (name, server) in [("tcp-echo-client", &tcp), ("udp-echo-client", &udp)] {
        let outcome = run(name, &[&server.host(), &server.port(), "--trace-file", "/dev/full"]);
        assert_eq!((outcome.text().as_str(), outcome.status.code()), ("echo -> Hello world\n", Some(0)));
        assert_eq!(outcome.stderr, format!("{name}: {lost}\n"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_whose_stderr_is_closed_or_full_or_unread_serves_on_with_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    for stderr in [
        r#"exec "$0" "$@" 2>&-"#,
        r#"exec "$0" "$@" 2>/dev/full"#,
        // A pipe with a reader, which leaves before anything is written.
        r#"rm -f "$FIFO" && mkfifo "$FIFO" && exec 3<>"$FIFO" && exec "$0" "$@" 2>"$FIFO" 3<&-"#,
    ] {
        for name in SERVERS {
            let mut shell = command("sh");
            shell.env("FIFO", &fifo).args(["-c", stderr]).arg(program(name));
            shell.args(["--trace", "--host", "127.0.0.1", "--port", "0"]);
            let server = Server::ready(name, shell);
            for _ in 0..3 {
                is_served(name, &server);
            }
            assert_eq!(server.stops_well(), "");
        }
    }
}
