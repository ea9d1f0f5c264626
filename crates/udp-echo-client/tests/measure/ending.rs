//! How a measurement ends before its time: by Ctrl-C, or because nobody reads on.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn ctrl_c_prints_the_summary() {
    let port = echo("echo -> ");
    let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--timeout", "30s", "--deadline", "30s"])
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

/// When every probe has its reply, a second one may still come; but who wants no more does not wait for it.
#[test]
fn ctrl_c_ends_the_wait_for_a_duplicate() {
    let port = server(|_, datagram| {
        std::thread::sleep(Duration::from_millis(500));
        vec![datagram.to_vec()]
    });
    let wait = || {
        let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
            .args(["ping", "127.0.0.1", &port, "--count", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut screen = BufReader::new(ping.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("seq=0") {
            line.clear();
            assert_ne!(screen.read_line(&mut line).unwrap(), 0);
        }
        let asked = Instant::now();
        interrupt(&ping);
        screen.read_to_string(&mut line).unwrap();
        let waited = asked.elapsed();
        assert!(line.contains("\n1 sent, 1 received, 0 lost "), "{line}");
        assert!(ping.wait().unwrap().success());
        waited
    };
    // It would be a second each time. A busy machine may take that long, but not always.
    assert!((0..5).any(|_| wait() < Duration::from_millis(700)));
}

/// A reader of stdout who stands still doesn't keep it from ending.
#[test]
fn ctrl_c_ends_it_though_nobody_reads_on() {
    let ping = ["ping", "--interval", "200ms"];
    let find = ["load", "--find-rate", "--duration", "20ms"];
    for more in [&ping[..], &["ping", "--json"], &["load", "--duration", "1h"], &["load", "--json"], &find] {
        let ((seen, wait), (filled, go_on)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let port = server(move |number, datagram| {
            if number == 0 {
                let _ = seen.send(());
                let _ = go_on.recv_timeout(PATIENCE);
            }
            vec![datagram.to_vec()]
        });
        let (_reader, stdout) = std::io::pipe().unwrap();
        let pipe = stdout.try_clone().unwrap();
        let mut client = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
            .args(more)
            .args(["127.0.0.1", &port, "--timeout", "30s"])
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It is at work, and has nothing to say before the first reply. Whoever writes waits from now on.
        wait.recv_timeout(PATIENCE).unwrap();
        fill(&pipe);
        filled.send(()).unwrap();
        // Not to wait for anything, but so that it has a line to say.
        std::thread::sleep(Duration::from_millis(300));
        interrupt(&client);
        let began = Instant::now();
        while client.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = client.kill();
        let output = client.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {stderr}");
        assert!(stderr.ends_with("cannot write to stdout: whoever reads there stands still\n"), "{more:?}: {stderr}");
    }
}

#[test]
fn nobody_reading_on_is_the_end_and_no_error() {
    let port = echo("echo -> ");
    let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--timeout", "30s", "--deadline", "30s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(ping.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    assert!(ping.wait().unwrap().success());
}
