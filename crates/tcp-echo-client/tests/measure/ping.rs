//! `ping`: a line for each probe, and the summary.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::harness::*;

#[test]
fn each_probe_has_its_line_and_the_summary_its_percentiles() {
    let port = echo("echo -> ", 4096);
    let milliseconds = r"[0-9]+\.[0-9]{3}";
    client(&["ping", "127.0.0.1", &port, "--count", "3", "--interval", "1ms"])
        .assert()
        .success()
        .stdout(
            is_match(format!(r"^PING 127.0.0.1 \(127.0.0.1:{port}\): 64 bytes, connected in {milliseconds} ms\n"))
                .unwrap(),
        )
        .stdout(is_match(format!("64 bytes from 127.0.0.1:{port}: seq=2 time={milliseconds} ms\n")).unwrap())
        .stdout(contains("\n3 sent, 3 received, 0 lost (0.0 %), time "))
        .stdout(is_match(format!(r"p50/p90/p99/p99\.9  = ({milliseconds}/){{3}}{milliseconds} ms\n")).unwrap())
        .stdout(contains("\nconnect ").and(contains("\nround trip ")))
        .stderr("");
}

#[test]
fn one_byte_is_no_plural() {
    let port = echo("echo -> ", 4096);
    let ping = client(&["ping", "127.0.0.1", &port, "--count", "1", "--size", "1"]).assert().success();
    ping.stdout(contains("): 1 byte, connected in ").and(contains("\n1 byte from 127.0.0.1:")));
}

#[test]
fn what_is_no_host_is_told_with_what_to_type() {
    for (wrong, told) in [("[::1]:2000", "the port is a word of its own: ::1 2000"), ("unix:", "unix:PATH")] {
        client(&["ping", wrong, "--count", "1"]).assert().code(2).stdout("").stderr(contains(told));
    }
}

#[test]
fn the_report_is_all_that_json_prints() {
    let port = echo("", 4096);
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--count", "5", "--interval", "1ms", "--size", "1KiB"]);
    assert_eq!((status, &report["kind"], &report["ended"]), (0, &"ping".into(), &"count".into()));
    assert_eq!((&report["account"]["received"], &report["settings"]["size_bytes"]), (&5.into(), &1024.into()));
    assert_eq!(report["connect"]["count"], 1);
}

#[test]
fn a_probe_may_be_larger_than_what_the_kernel_takes_at_once() {
    let port = echo("echo -> ", 4096);
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--count", "1", "--size", "16MiB", "--timeout", "20s"]);
    assert_eq!((status, &report["account"]["received"]), (0, &1.into()), "{report}");
}

#[test]
fn a_lost_connection_is_made_again() {
    let port = server(|connection| echo_on(connection, "echo -> ", 4096, 1));
    let (report, _) = report(&["ping", "127.0.0.1", &port, "--count", "4", "--interval", "50ms"]);
    assert!(report["connect"]["count"].as_u64() >= Some(2), "{report}");
    assert!(report["errors"]["closed_early"].as_u64() >= Some(1), "{report}");
}

#[test]
fn a_server_that_goes_away_is_told_from_one_that_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || {
        let connection = listener.accept().unwrap().0;
        drop(listener);
        echo_on(patient(connection), "", 4096, 1);
    });
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--count", "4", "--interval", "50ms"]);
    server.join().unwrap();
    assert_eq!((status, &report["account"]["received"]), (1, &1.into()), "{report}");
    assert!(report["account"]["refused"].as_u64() >= Some(2), "{report}");
    assert_eq!(report["account"]["refused"], report["errors"]["connect_refused"]);
}

#[test]
fn a_probe_without_a_reply_is_told_and_ends_with_status_1() {
    let port = silent();
    client(&["ping", "127.0.0.1", &port, "--count", "1", "--timeout", "50ms"])
        .assert()
        .code(1)
        .stdout(contains("no reply to seq=0 within 50ms\n"))
        .stdout(contains("\n1 sent, 0 received, 1 lost (100.0 %), time "))
        .stdout(contains("errors         1 timed out\n"))
        .stdout(contains("round trip     nothing to tell\n"))
        .stderr(format!("tcp-echo-client: cannot get every reply from 127.0.0.1:{port}: 1 of 1 lost\n"));
}

#[test]
fn a_reply_that_is_no_echo_is_corrupt() {
    let port = damaging();
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--count", "2", "--interval", "1ms"]);
    assert_eq!(status, 1);
    assert!(report["account"]["corrupt"].as_u64() >= Some(1), "{report}");
    assert_eq!(report["from_send"]["p50_ns"], serde_json::Value::Null);
}

#[test]
fn the_deadline_is_the_end_whatever_is_on_its_way() {
    let port = silent();
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--deadline", "1s", "--interval", "300ms"]);
    assert_eq!((status, &report["ended"]), (1, &"duration".into()));
    assert_eq!(report["account"]["lost"], report["account"]["sent"]);
}

#[test]
fn without_a_server_there_is_nothing_to_measure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // Nothing listens on the port of the connection's other end.
    let port = connection.local_addr().unwrap().port().to_string();
    let expected = format!("tcp-echo-client: cannot connect to 127.0.0.1:{port}: connection refused\n");
    client(&["ping", "127.0.0.1", &port]).assert().code(1).stdout("").stderr(contains(expected));
    for use_ in if cfg!(unix) { &["ping", "load"][..] } else { &["ping"] } {
        let (report, status) = report(&[use_, "127.0.0.1", &port]);
        assert_eq!((status, &report["ended"], &report["target"]["address"]), (1, &"failed".into(), &"".into()));
        assert_eq!((&report["account"]["sent"], &report["errors"]["connect_refused"]), (&0.into(), &1.into()));
        // No name has a part as long as this, so nobody is asked for it.
        let (nowhere, status) = self::report(&[use_, &"x".repeat(64)]);
        assert_eq!((status, &nowhere["ended"], &nowhere["target"]["address"]), (1, &"failed".into(), &"".into()));
        assert_eq!((&nowhere["account"]["sent"], &nowhere["errors"]["connect_failed"]), (&0.into(), &1.into()));
    }
}

#[test]
fn a_late_reply_is_one_that_timed_out() {
    let port = slow(Duration::from_millis(30));
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--count", "1", "--timeout", "20ms"]);
    assert_eq!((status, &report["errors"]["timeout"]), (1, &1.into()), "{report}");
    assert_eq!(report["account"]["late"].as_u64().unwrap() + report["account"]["lost"].as_u64().unwrap(), 1);
}

/// A reader of stdout who stands still doesn't keep it from ending.
#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_though_nobody_reads_on() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    for more in [&["ping"][..], &["ping", "--json"], &["load", "--duration", "1h"], &["load", "--json"]] {
        let (seen, wait) = std::sync::mpsc::channel();
        let port = server(move |connection| {
            let _ = seen.send(());
            echo_on(connection, "", 4096, u64::MAX);
        });
        let (_reader, mut stdout) = std::io::pipe().unwrap();
        // As much as a pipe holds, or more: it is cut off where it is full.
        let filler = stdout.try_clone().unwrap();
        thread::spawn(move || (&filler).write_all(&[b'x'; 1024 * 1024]));
        thread::sleep(Duration::from_millis(100));
        stdout.flush().unwrap();
        let mut client = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"))
            .args(more)
            .args(["127.0.0.1", &port])
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait.recv_timeout(PATIENCE).unwrap();
        thread::sleep(Duration::from_millis(100));
        interrupt(&client);
        let began = std::time::Instant::now();
        while client.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = client.kill();
        let output = client.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {stderr}");
        assert!(stderr.ends_with("cannot write to stdout: whoever reads there stands still\n"), "{more:?}: {stderr}");
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_prints_the_summary() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let port = echo("echo -> ", 4096);
    let mut ping = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--deadline", "30s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = BufReader::new(ping.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("seq=2") {
        line.clear();
        assert_ne!(screen.read_line(&mut line).unwrap(), 0);
    }
    interrupt(&ping);
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("ping statistics ---\n") && rest.contains(" 0 lost "), "{rest}");
    assert!(ping.wait().unwrap().success());
}

#[test]
#[cfg(unix)]
fn nobody_reading_on_is_the_end_and_no_error() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let port = echo("echo -> ", 4096);
    let mut ping = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--deadline", "30s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(ping.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    assert!(ping.wait().unwrap().success());
}
