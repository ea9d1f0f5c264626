//! How our UDP server starts and stops, and what it says all the while.

use std::process::Stdio;

use super::peer::{self, ask, client_at, echo};
use super::{LONG, each, server, stops_with_account};
use crate::harness::{Process, Server, command, eventually, program, run, signal_process, without_account};

#[test]
fn a_second_server_on_the_same_port_does_not_start() {
    for (first, second) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("", ""), ("", "127.0.0.1"), ("127.0.0.1", "")]
    {
        let server = server(&["--host", first]);
        let refused = run("udp-echo-server", &["--host", second, "--port", &server.port()]);
        refused.failed_with("address already in use");
        assert!(refused.stderr.contains("hint: ") && refused.stdout.is_empty(), "{refused:?}");
        assert_eq!(ask(&client_at((server.address.ip(), 0)), server.address, b"first"), b"echo -> first");
        stops_with_account(server, "received 1, answered 1");
    }
}

#[test]
fn both_signals_end_it_well() {
    for signal in ["TERM", "INT"] {
        let server = server(&[]);
        assert_eq!(ask(&peer::client(), server.address, b"x"), b"echo -> x");
        server.process.signal(signal);
        let (status, stdout, stderr) = server.process.finish();
        let said = without_account(&stderr);
        assert_eq!((status.code(), said.as_str()), (Some(0), "udp-echo-server: received 1, answered 1\n"));
        assert_eq!(stdout.lines().count(), 2, "{stdout}");
    }
}

#[test]
fn bad_arguments_are_told_from_other_trouble() {
    let long = "x".repeat(1025);
    let bad = [
        &["--port", "65536"][..],
        &["--port", "-1"],
        &["--port", ""],
        &["--rate-limit", "0"],
        &["--rate-limit", "many"],
        &["--prefix", &long],
        &["--no-such-option"],
        &["one-too-many"],
        &["--port"],
        // What would have no effect.
        #[cfg(target_os = "linux")]
        &["--design", "simple", "--workers", "2"],
        #[cfg(target_os = "linux")]
        &["--drop", "1%", "--workers", "2"],
        #[cfg(target_os = "linux")]
        &["--drop", "1%", "--design", "batch"],
        #[cfg(target_os = "linux")]
        &["--unix", "/nowhere/echo", "--design", "batch"],
        &["--unix", "/nowhere/echo", "--rate-limit", "5"],
        &["--unix", "/nowhere/echo", "--receive-buffer", "1MiB"],
        &["--unix", "/nowhere/echo", "--host", "localhost"],
    ];
    for arguments in bad {
        let refused = run("udp-echo-server", arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{arguments:?}: {refused:?}");
    }
    run("udp-echo-server", &["--host", "192.0.2.1", "--port", "0"]).failed_with("cannot listen on 192.0.2.1:0");
    let (help, version) = (run("udp-echo-server", &["--help"]), run("udp-echo-server", &["--version"]));
    assert!(help.status.success() && help.text().contains("--rate-limit"), "{help:?}");
    assert!(version.status.success() && version.text().starts_with("udp-echo-server "), "{version:?}");
}

#[test]
fn verbose_shows_each_datagram_without_its_control_bytes() {
    for host in ["127.0.0.1", "", "::1"] {
        for mut server in each(&["--host", host, "--verbose"]) {
            let client = client_at((server.address.ip(), 0));
            ask(&client, server.address, b"\x1b[31mred\x07\r\n\"\\\xff\0");
            let from = client.local_addr().unwrap();
            let line = server.process.line();
            assert_eq!(line, format!(r#"UDP server: "\x1b[31mred\x07\r\n\"\\\xff\x00" from {from}"#));
            stops_with_account(server, "received 1, answered 1");
        }
    }
}

#[test]
fn nobody_reading_its_output_is_no_reason_to_end() {
    let mut server = server(&["--verbose"]);
    server.process.close_stdout();
    let client = peer::client();
    for number in 0..20u8 {
        assert_eq!(ask(&client, server.address, &[number]), echo(&[number]));
    }
    stops_with_account(server, "received 20, answered 20");
}

#[test]
#[cfg(target_os = "linux")]
fn nor_is_an_output_that_is_closed_or_full_from_the_start() {
    crate::namespace::inside(|| {
        let (_, closed) = std::io::pipe().unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        for stdout in [Stdio::from(closed), Stdio::from(full)] {
            let mut server = command(program("udp-echo-server"));
            let server = server.arg("--verbose").stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
            // Until it is ready, its port refuses.
            eventually("an answer", || run("udp-echo-client", &["--timeout", LONG]).status.success());
            signal_process(server.id(), "TERM");
            let output = server.wait_with_output().unwrap();
            let said = without_account(&String::from_utf8_lossy(&output.stderr));
            assert_eq!(said, "udp-echo-server: received 1, answered 1\n");
            assert!(output.status.success(), "{output:?}");
        }
    });
}

#[test]
fn a_ready_line_for_each_way_to_listen() {
    for (host, shown, who) in [
        ("127.0.0.1", "127.0.0.1:", "this machine only"),
        ("::1", "[::1]:", "this machine only"),
        ("", "[::]:", "every interface"),
    ] {
        let mut command = command(program("udp-echo-server"));
        command.args(["--port", "0", "--host", host]);
        let mut server = Process::start(command);
        let (ready, reach) = (server.line(), server.line());
        let address = ready.strip_prefix("udp-echo-server: listening on ").unwrap_or_else(|| panic!("{ready}"));
        assert!(address.starts_with(shown) && !address.ends_with(":0"), "{ready}");
        assert!(reach.starts_with(&format!("udp-echo-server: {who}")), "{reach}");
    }
}

/// Here nobody else takes the port meanwhile.
#[test]
#[cfg(target_os = "linux")]
fn with_no_option_at_all_and_again_at_once() {
    crate::namespace::inside(|| {
        for _ in 0..5 {
            let server = Server::ready("udp-echo-server", command(program("udp-echo-server")));
            assert_eq!(server.address.port(), 2000);
            run("udp-echo-client", &["--timeout", LONG]).printed("echo -> Hello world\n");
            stops_with_account(server, "received 1, answered 1");
        }
    });
}
