//! `ping`: a line for each probe, whatever becomes of it, and the summary. `fates.rs` has which reply is taken for what.

mod fates;

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
fn one_byte_is_one_byte_and_a_long_prefix_is_not_repeated() {
    let port = echo("");
    let ping = ["ping", "127.0.0.1", &port, "--count", "1", "--size", "1"];
    let run = client(&ping).assert().success();
    run.stdout(contains("): 1 byte\n").and(contains(format!("\n1 byte from 127.0.0.1:{port}: seq=0 "))));
    let run = client(&["ping", "--prefix", &"x".repeat(1025)]).assert().code(2);
    run.stderr(
        contains("invalid value of 1025 bytes for '--prefix <TEXT>': at most 1024 bytes\n").and(contains("xxx").not()),
    );
}

/// Its port would be unclear without them.
#[test]
fn an_address_of_ipv6_has_its_brackets_in_the_summary_too() {
    let Ok(socket) = std::net::UdpSocket::bind("[::1]:0") else { return };
    let port = socket.local_addr().unwrap().port();
    let run = client(&["ping", "::1", &port.to_string(), "--count", "1", "--deadline", "50ms"]).assert().code(1);
    run.stdout(contains(format!("\n--- [::1]:{port} ping statistics ---\n")));
}

#[test]
#[cfg(unix)]
fn the_longest_datagram_of_a_file_comes_back_whole_behind_the_prefix() {
    let path = std::env::temp_dir().join(format!("udp-echo-client-test-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    std::thread::spawn(move || {
        let mut data = vec![0; 100_000];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            let reply = [b"echo -> ", &data[..length]].concat();
            let _ = from.as_pathname().map(|path| socket.send_to(&reply, path));
            #[cfg(target_os = "linux")]
            let _ = from.as_pathname().is_none().then(|| socket.send_to_addr(&reply, &from));
        }
    });
    let host = format!("unix:{}", path.display());
    let (report, status) = report(&["ping", &host, "--count", "2", "--interval", "1ms", "--size", "65535"]);
    assert_eq!((status, account(&report, "received")), (0, 2), "{report}");
    for (measurement, option) in [("ping", "--df"), ("ping", "--dscp=1"), ("load", "--df"), ("load", "--train=4")] {
        let run = client(&[measurement, &host, option]).assert().code(2).stdout("");
        let name = option.split('=').next().unwrap();
        run.stderr(contains(format!("error: the argument '{name}' cannot be used with unix:PATH, ")));
    }
    let _ = std::fs::remove_file(&path);
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
    client(&ping)
        .assert()
        .stdout(contains(format!("seq=2 refused: nobody listens at 127.0.0.1:{port}\n")))
        .stderr(contains(" 3 of 3 refused\nhint: nothing listens there; start the server first, or check the port\n"));
}

/// A name without an address, and a file without a server: a program is told as well, by every use that measures.
#[test]
#[cfg(unix)]
fn without_an_address_there_is_a_document_of_nothing() {
    // No name has a part as long as this, so nobody is asked for it.
    let name = "x".repeat(64);
    for (host, said) in
        [(name.as_str(), "cannot resolve "), ("unix:/no/such/file", "cannot reach unix:/no/such/file: ")]
    {
        for use_ in [&["ping"][..], &["load"], &["load", "--rate", "1"], &["load", "--find-rate"]] {
            let arguments = [use_, &[host]].concat();
            let (report, status) = report(&arguments);
            assert_eq!((status, &report["ended"], &report["target"]["address"]), (1, &"failed".into(), &"".into()));
            assert_eq!((account(&report, "sent"), &report["errors"]["connect_failed"]), (0, &1.into()), "{report}");
            assert_eq!(report["target"]["host"], host);
            // Who looks for a rate has tried none.
            let tried = report["search"].as_array().map(Vec::len);
            assert_eq!(tried, use_.contains(&"--find-rate").then_some(0), "{report}");
            client(&arguments).assert().code(1).stderr(contains(said));
        }
    }
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
