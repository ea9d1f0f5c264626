//! What becomes of a probe by its reply, and what a reply is that answers none.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::harness::*;

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
        for is_last in [false, false, false, false, true] {
            let (answered, answers) = mpsc::channel();
            let port = serve(move |socket, number, datagram, from| {
                std::thread::sleep(Duration::from_millis(if number == 0 { 250 } else { 0 }));
                let _ = socket.send_to(datagram, from);
                let _ = answered.send(Instant::now());
            });
            let began = Instant::now();
            let way = ["127.0.0.1", &port, "--count", "4", "--timeout", "50ms"];
            let (report, _) = report(&[&measurement[..1], &way, &measurement[1..]].concat());
            let numbers = ["received", "late", "lost"].map(|name| account(&report, name));
            if numbers[1] > 0 && numbers[0] + numbers[1] == 4 {
                break;
            }
            // All have been answered within that second, unless a busy machine has taken longer: then it is done once more.
            let last = (0..4).map(|_| answers.recv_timeout(PATIENCE).unwrap()).max().unwrap();
            let took = last - began;
            assert!(took > Duration::from_secs(1) && !is_last, "answered after {took:?}: {report}");
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
