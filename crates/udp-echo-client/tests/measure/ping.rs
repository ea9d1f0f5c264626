//! `ping`: a line for each probe, whatever becomes of it, and the summary.

use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::harness::*;

#[test]
fn each_probe_has_its_line_and_the_summary_its_percentiles() {
    let port = echo("echo -> ");
    let milliseconds = r"[0-9]+\.[0-9]{3}";
    client(&["ping", "127.0.0.1", &port, "--count", "3", "--interval", "1ms"])
        .assert()
        .success()
        .stdout(is_match(format!(r"^PING 127.0.0.1 \(127.0.0.1:{port}\): 64 bytes\n")).unwrap())
        .stdout(is_match(format!("64 bytes from 127.0.0.1:{port}: seq=2 time={milliseconds} ms\n")).unwrap())
        .stdout(contains("\n3 sent, 3 received, 0 lost (0.0 %), time "))
        .stdout(is_match(format!(r"\njitter         {milliseconds} ms \(RFC 3550\)\n")).unwrap())
        .stdout(is_match(format!(r"p50/p90/p99/p99\.9  = ({milliseconds}/){{3}}{milliseconds} ms\n")).unwrap())
        .stdout(contains("\nround trip ").and(contains("connect").not()))
        .stderr("");
}

#[test]
fn the_report_is_all_that_json_prints_for_every_size_and_prefix() {
    for (prefix, size) in [("", "1"), ("echo -> ", "7"), ("\u{e9}", "24"), ("echo -> ", "1KiB"), ("", "9000")] {
        let port = echo(prefix);
        let ping =
            ["ping", "127.0.0.1", &port, "--count", "5", "--interval", "1ms", "--size", size, "--prefix", prefix];
        let (report, status) = report(&ping);
        assert_eq!((status, &report["kind"], &report["ended"]), (0, &"ping".into(), &"count".into()), "{report}");
        assert_eq!(account(&report, "received"), 5);
        assert!(report["jitter_ns"].is_u64() && report["connect"]["count"] == 0, "{report}");
    }
}

#[test]
fn lost_late_twice_overtaken_cut_and_damaged_are_told_apart() {
    let mut overtaken = Vec::new();
    let port = server(move |number, datagram| {
        let (echo, half) = (datagram.to_vec(), datagram.len() / 2);
        match number {
            1 => Vec::new(),
            2 => vec![echo.clone(), echo],
            3 => {
                overtaken = echo;
                Vec::new()
            }
            4 => vec![echo, std::mem::take(&mut overtaken)],
            5 => vec![echo[..half].to_vec()],
            6 => vec![[&echo[..half], b"x", &echo[half + 1..]].concat()],
            _ => vec![echo],
        }
    });
    let ping =
        ["ping", "127.0.0.1", &port, "--count", "8", "--interval", "20ms", "--timeout", "5s", "--deadline", "3s"];
    let run = client(&ping).assert().code(1);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let summary = "\n8 sent, 5 received, 1 lost, 1 corrupt, 1 truncated (37.5 % without a right reply in time); \
                   besides 1 duplicate, 1 out of order, time ";
    assert!(text.contains(summary), "{text}");
    let ms = r"time=[0-9.]+ ms";
    for line in [
        format!(r"seq=2 {ms} \(duplicate\)\n"),
        format!(r"seq=3 {ms} \(out of order\)\n"),
        format!(r"32 of 64 bytes from 127.0.0.1:{port}: seq=5 \(truncated\)\n"),
        format!(r"corrupt reply from 127.0.0.1:{port}: seq=6\n"),
        format!(r"seq=7 {ms}\n"),
    ] {
        assert!(is_match(&line).unwrap().eval(&text), "{line}: {text}");
    }
}

#[test]
fn a_late_reply_is_neither_lost_nor_in_time() {
    let mut first = None;
    let port = serve(move |socket, number, datagram, from| {
        let answer = |datagram: &[u8]| drop(socket.send_to(datagram, from));
        match number {
            0 => first = Some(datagram.to_vec()),
            // A second is sent when the first is overdue.
            _ => {
                answer(datagram);
                first.take().iter().for_each(|first| answer(first));
            }
        }
    });
    let ping = ["ping", "127.0.0.1", &port, "--count", "2", "--interval", "2s", "--timeout", "1s"];
    let run = client(&ping).assert().code(1);
    run.stdout(contains("no reply to seq=0 within 1s\n"))
        .stdout(is_match(r"seq=0 time=[0-9.]+ ms \(late, out of order\)\n").unwrap())
        .stdout(contains("\n2 sent, 1 received, 0 lost, 1 late (50.0 % without a right reply in time); besides 1 out of order, time "));
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
        .stderr(format!("udp-echo-client: cannot get every reply from 127.0.0.1:{port}: 1 of 1 lost\n"));
}

#[test]
#[cfg(unix)]
fn who_is_refused_is_told_apart_from_who_is_lost_and_ping_goes_on() {
    let (_socket, port) = refusing();
    let ping = ["ping", "127.0.0.1", &port, "--count", "3", "--interval", "1ms", "--timeout", "100ms"];
    let (report, status) = report(&ping);
    assert_eq!((status, account(&report, "refused"), account(&report, "lost")), (1, 3, 0), "{report}");
    client(&ping).assert().stdout(contains(format!("seq=2 refused: nobody listens at 127.0.0.1:{port}\n")));
}

/// A server that is asked on every address and answers from one.
#[test]
#[cfg(target_os = "linux")]
fn an_answer_from_another_address_than_the_one_that_was_asked_is_seen() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let mut data = [0; 1000];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            let _ = socket.send_to(&data[..length], from);
        }
    });
    let ping = ["ping", "127.0.0.2", &port, "--count", "3", "--interval", "1ms", "--timeout", "1s"];
    let (report, status) = report(&ping);
    let numbers = ["received", "lost", "wrong_source"].map(|name| account(&report, name));
    assert_eq!((status, numbers), (1, [0, 3, 3]), "{report}");
    let line = format!("64 bytes from 127.0.0.1:{port}, which was not asked: seq=1\n");
    client(&ping).assert().stdout(contains(line));
}

#[test]
fn no_more_probes_are_on_their_way_than_the_window_allows() {
    let port = silent();
    let ping =
        ["ping", "127.0.0.1", &port, "--interval", "1ms", "--window", "5", "--deadline", "2s", "--timeout", "10s"];
    let (report, _) = report(&ping);
    assert_eq!((account(&report, "sent"), account(&report, "lost")), (5, 5), "{report}");
    assert!(report["unsent"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_deadline_is_the_end_whatever_is_on_its_way() {
    let port = silent();
    let (report, status) = report(&["ping", "127.0.0.1", &port, "--deadline", "100ms", "--interval", "30ms"]);
    assert_eq!((status, &report["ended"]), (1, &"duration".into()));
    assert_eq!(report["account"]["lost"], report["account"]["sent"]);
}

#[test]
fn what_no_datagram_holds_is_refused_in_a_sentence() {
    let run = client(&["ping", "127.0.0.1", "2000", "--size", "65508"]).assert().code(1).stdout("");
    run.stderr(
        contains("cannot send 65508 bytes to 127.0.0.1:2000: ").and(contains("\nhint: a datagram holds at most ")),
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_marks_of_a_datagram_are_set_and_can_be_seen_in_the_trace() {
    let port = echo("");
    let ping = ["ping", "127.0.0.1", &port, "--count", "1", "--dscp", "46", "--df", "--trace"];
    let run = client(&ping).assert().success();
    run.stderr(contains("IP_TOS, 184)").and(contains("IP_MTU_DISCOVER, IP_PMTUDISC_DO)")));
    client(&["ping", "127.0.0.1", &port, "--dscp", "64"]).assert().code(2);
}

#[test]
#[cfg(unix)]
fn ctrl_c_prints_the_summary() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let port = echo("echo -> ");
    let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
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
    let port = echo("echo -> ");
    let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--deadline", "30s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(ping.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    assert!(ping.wait().unwrap().success());
}
