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
            // The second is sent when the first is overdue, and a little is left of the time for those that are late.
            _ => {
                answer(datagram);
                first.take().iter().for_each(|first| answer(first));
            }
        }
    });
    let ping = ["ping", "127.0.0.1", &port, "--count", "2", "--interval", "3100ms", "--timeout", "3s"];
    let run = client(&ping).assert().code(1);
    run.stdout(contains("no reply to seq=0 within 3s\n"))
        .stdout(is_match(r"seq=0 time=[0-9.]+ ms \(late, out of order\)\n").unwrap())
        .stdout(contains("\n2 sent, 1 received, 0 lost, 1 late (50.0 % without a right reply in time); besides 1 out of order, time "));
}

/// The timeout is short, but the wait at the end is not shorter than a second.
#[test]
fn late_is_not_lost_however_short_the_timeout_is() {
    let measurements: &[&[&str]] = &[
        &["ping", "--interval", "1ms"],
        #[cfg(unix)]
        &["load", "--window", "4"],
        #[cfg(unix)]
        &["load", "--rate", "1000"],
    ];
    for measurement in measurements {
        // A busy machine may take longer than that second.
        for is_last in [false, false, false, false, true] {
            let port = server(|number, datagram| {
                std::thread::sleep(std::time::Duration::from_millis(if number == 0 { 250 } else { 0 }));
                vec![datagram.to_vec()]
            });
            let way = ["127.0.0.1", &port, "--count", "4", "--timeout", "50ms"];
            let (report, _) = report(&[&measurement[..1], &way, &measurement[1..]].concat());
            let numbers = ["received", "late", "lost"].map(|name| account(&report, name));
            let is_right = numbers[1] > 0 && numbers[0] + numbers[1] == 4;
            assert!(is_right || !is_last, "{report}");
            if is_right {
                break;
            }
        }
    }
}

/// The commonest mistake.
#[test]
fn another_text_before_the_replies_is_seen_and_hinted_at() {
    let port = echo("echo -> ");
    let ping = ["ping", "127.0.0.1", &port, "--count", "3", "--interval", "1ms", "--prefix", ""];
    let hint = "\nhint: the server puts another text before its replies; see --prefix\n";
    client(&ping)
        .assert()
        .code(1)
        .stdout(contains(format!("corrupt reply from 127.0.0.1:{port}: seq=2\n")).and(contains("no reply").not()))
        .stdout(contains("\nerrors         3 corrupt reply\n"))
        .stderr(contains(": 3 of 3 corrupt\n").and(contains(hint)));
    let (report, _) = report(&ping);
    assert_eq!((account(&report, "corrupt"), account(&report, "duplicates")), (3, 0), "{report}");
}

#[test]
fn what_no_echo_server_would_say_is_a_stray_each_time() {
    for junk in [&b"zzz"[..], &[b'z'; 64], &[b'z'; 1000], &[0; 64]] {
        let port = server(move |_, _| vec![junk.to_vec(); 5]);
        let ping = ["ping", "127.0.0.1", &port, "--count", "3", "--interval", "1ms", "--timeout", "500ms"];
        let (report, status) = report(&ping);
        let numbers = ["lost", "strays", "corrupt", "duplicates"].map(|name| account(&report, name));
        assert_eq!((status, numbers, &report["errors"]["timeout"]), (1, [3, 15, 0, 0], &3.into()), "{report}");
    }
    let port = server(|_, _| vec![b"z".to_vec()]);
    let ping = ["ping", "127.0.0.1", &port, "--count", "1", "--timeout", "100ms"];
    client(&ping).assert().stdout(contains(format!("\n1 byte from 127.0.0.1:{port}: no reply to anything\n")));
}

/// Whether what was damaged is the reply to another, nobody can say of few bytes.
#[test]
fn an_account_of_little_is_called_in_doubt() {
    let damaged = |datagram: &[u8]| [&[datagram[0] ^ 1], &datagram[1..]].concat();
    let port = server(move |_, datagram| vec![damaged(datagram), damaged(datagram)]);
    let ping = ["ping", "127.0.0.1", &port, "--count", "2", "--interval", "1ms", "--timeout", "100ms", "--size"];
    let doubt = "udp-echo-client: the account may not be exact: ";
    let run = client(&[&ping[..], &["9"]].concat()).assert();
    run.stderr(contains(doubt).and(contains("only from --size 24 on, not with 9 bytes, ")));
    client(&[&ping[..], &["24"]].concat())
        .assert()
        .stdout(contains(", 2 corrupt (100.0 % without a right reply in time); besides 2 duplicate"))
        .stderr(contains(doubt).not());
    let port = server(|_, datagram| vec![datagram[..2].to_vec()]);
    let ping = ["ping", "127.0.0.1", &port, "--count", "2", "--interval", "1ms", "--timeout", "100ms"];
    client(&ping).assert().stderr(contains(doubt).and(contains(": in 2 replies too little was left ")));
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
#[cfg(unix)]
fn ctrl_c_ends_the_wait_for_a_duplicate() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
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
#[cfg(unix)]
fn ctrl_c_ends_it_though_nobody_reads_on() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let ping = ["ping", "--interval", "200ms"];
    let find = ["load", "--find-rate", "--duration", "20ms"];
    for more in [&ping[..], &["ping", "--json"], &["load", "--duration", "1h"], &["load", "--json"], &find] {
        let (seen, wait) = std::sync::mpsc::channel();
        let port = server(move |_, datagram| {
            let _ = seen.send(());
            vec![datagram.to_vec()]
        });
        let (_reader, stdout) = std::io::pipe().unwrap();
        let pipe = stdout.try_clone().unwrap();
        let mut client = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
            .args(more)
            .args(["127.0.0.1", &port])
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It is at work. Whoever writes waits from now on.
        wait.recv_timeout(PATIENCE).unwrap();
        fill(&pipe);
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
#[cfg(unix)]
fn nobody_reading_on_is_the_end_and_no_error() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let port = echo("echo -> ");
    let mut ping = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
        .args(["ping", "127.0.0.1", &port, "--interval", "10ms", "--timeout", "30s", "--deadline", "30s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(ping.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    assert!(ping.wait().unwrap().success());
}
