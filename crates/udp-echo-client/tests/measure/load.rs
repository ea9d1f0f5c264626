//! `load`: many flows, with and without a schedule, and what it says of servers that aren't up to it.

use std::process::{Command, Stdio};
use std::sync::mpsc;

use predicates::prelude::*;
use predicates::str::contains;

use crate::harness::*;

#[test]
fn every_request_of_a_count_is_answered() {
    let port = echo("echo -> ");
    let (report, status) = report(&["load", "127.0.0.1", &port, "--flows", "3", "--window", "8", "--count", "500"]);
    assert_eq!((status, &report["kind"], &report["ended"]), (0, &"load".into(), &"count".into()));
    assert_eq!((account(&report, "received"), &report["achieved"]["requests"]), (500, &500.into()));
    assert_eq!(report["throughput"]["payload_bytes"], 500 * 64);
    assert!(report["offered"].is_null() && report["from_schedule"].is_null(), "a closed loop has no schedule");
    assert!(report["jitter_ns"].is_null() && report["search"].is_null());
}

#[test]
fn a_schedule_is_kept_and_the_warm_up_doesnt_count() {
    let port = echo("");
    let load = ["load", "127.0.0.1", &port, "--rate", "2000", "--count", "150", "--warmup", "40ms", "--flows", "2"];
    let (report, status) = report(&load);
    assert_eq!(status, 0, "{report}");
    assert_eq!((&report["offered"]["requests"], &report["offered"]["per_second"]), (&150.into(), &2000.0.into()));
    assert_eq!((account(&report, "sent"), &report["unsent"]), (150, &0.into()));
}

#[test]
fn a_run_may_end_by_time() {
    let port = echo("echo -> ");
    // A schedule of no more than the server's buffer holds.
    for rate in [&[][..], &["--rate", "100"]] {
        let load = [&["load", "127.0.0.1", &port, "--duration", "2s", "--window", "4"], rate].concat();
        let (report, status) = report(&load);
        assert_eq!((status, &report["ended"]), (0, &"duration".into()));
        assert!(report["achieved"]["requests"].as_u64() > Some(0));
    }
}

#[test]
fn a_schedule_with_little_to_do_takes_its_time_all_the_same() {
    let port = echo("");
    let (report, status) = report(&["load", "127.0.0.1", &port, "--rate", "1", "--duration", "300ms"]);
    assert_eq!((status, &report["ended"], account(&report, "received")), (0, &"duration".into(), 1), "{report}");
    assert!(report["elapsed_ns"].as_u64() >= Some(300_000_000), "{report}");
}

#[test]
fn every_size_can_be_loaded() {
    for (prefix, size) in [("echo -> ", "1"), ("", "24"), ("", "1472"), ("", "9000")] {
        let port = echo(prefix);
        let load = ["load", "127.0.0.1", &port, "--count", "300", "--window", "4", "--size", size, "--prefix", prefix];
        let (report, status) = report(&load);
        assert_eq!((status, account(&report, "received")), (0, 300), "{report}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn requests_may_leave_in_trains_and_arrive_one_by_one() {
    let port = echo("echo -> ");
    for how in [&["--window", "32"][..], &["--rate", "5000"]] {
        // So few that the server's buffer holds them all, however long the server has to wait for a processor.
        let load = ["load", "127.0.0.1", &port, "--count", "81", "--train", "10", "--size", "1200", "--flows", "2"];
        let (report, status) = report(&[&load[..], how].concat());
        assert_eq!((status, account(&report, "received")), (0, 81), "{report}");
        assert_eq!(report["settings"]["train"], 10);
    }
    let load = ["load", "127.0.0.1", &port, "--train", "64", "--size", "1200"];
    client(&load).assert().code(1).stderr(contains("cannot send trains of 64 x 1200 bytes: "));
}

#[test]
fn damage_is_found_in_any_byte() {
    let port = server(|number, datagram| {
        let mut reply = datagram.to_vec();
        let place = number % reply.len();
        reply[place] ^= 1;
        vec![reply]
    });
    let (report, status) =
        report(&["load", "127.0.0.1", &port, "--count", "99", "--size", "99", "--timeout", "1s", "--window", "99"]);
    assert_eq!((status, account(&report, "received"), account(&report, "corrupt")), (1, 0, 99), "{report}");
}

#[test]
fn what_a_silent_server_gets_is_lost_and_a_schedule_goes_on() {
    let port = silent();
    let load = ["load", "127.0.0.1", &port, "--rate", "1000", "--duration", "300ms", "--timeout", "100ms"];
    let (report, status) = report(&load);
    assert_eq!((status, &report["offered"]["requests"]), (1, &300.into()));
    assert_eq!((account(&report, "lost"), report["errors"]["timeout"].as_u64()), (300, Some(300)), "{report}");
}

#[test]
fn every_refusal_is_counted_and_the_run_ends_before_its_time() {
    let (_socket, port) = refusing();
    let load = ["load", "127.0.0.1", &port, "--duration", "1h", "--timeout", "200ms"];
    let (report, status) = report(&load);
    assert_eq!((status, &report["ended"]), (1, &"failed".into()), "{report}");
    assert!(account(&report, "sent") >= 64, "{report}");
    if cfg!(target_os = "linux") {
        assert_eq!(account(&report, "refused"), account(&report, "sent"), "{report}");
    }
}

/// A train that comes back in one piece, or of which only the beginning comes back.
#[test]
#[cfg(target_os = "linux")]
fn of_a_train_that_is_refused_every_request_is() {
    let (_socket, port) = refusing();
    for size in ["24", "64", "1200"] {
        for how in [&["--window", "40"][..], &["--rate", "1000"]] {
            let load =
                ["load", "127.0.0.1", &port, "--train", "10", "--size", size, "--count", "95", "--timeout", "60s"];
            let (report, status) = report(&[&load[..], how].concat());
            let numbers = ["sent", "refused", "lost"].map(|name| account(&report, name));
            assert_eq!((status, numbers[1] == numbers[0] && numbers[0] > 0, numbers[2]), (1, true, 0), "{report}");
            assert_eq!(report["errors"]["connect_refused"], numbers[0], "{report}");
        }
    }
}

#[test]
fn who_is_refused_is_told_what_to_do_and_a_search_ends_at_once() {
    let (_socket, port) = refusing();
    let hint = "\nhint: nothing listens there; start the server first, or check the port\n";
    let load = ["load", "127.0.0.1", &port, "--count", "3", "--timeout", "100ms"];
    let run = client(&load).assert().code(1).stderr(contains(" 3 of 3 refused\n").and(contains(hint)));
    run.stdout(contains(" on their way, up to 3\n\n--- 127.0.0.1:"));
    for more in [&[][..], &["--train", "4"]] {
        let find = ["load", "127.0.0.1", &port, "--find-rate", "--duration", "1h", "--timeout", "1h"];
        let run = client(&[&find[..], more].concat()).assert().code(1);
        let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
        assert_eq!(text.matches("tried ").count(), 1, "{text}");
        run.stderr(format!("udp-echo-client: cannot reach 127.0.0.1:{port}: connection refused{hint}"));
    }
    let (report, status) = report(&["load", "127.0.0.1", &port, "--find-rate", "--duration", "1h"]);
    assert_eq!((status, &report["ended"], &report["search"][1]), (1, &"failed".into(), &serde_json::Value::Null));
}

#[test]
fn a_rate_is_looked_for_and_found_or_not() {
    let port = server(|number, datagram| if number % 10 == 9 { Vec::new() } else { vec![datagram.to_vec()] });
    let find = ["load", "127.0.0.1", &port, "--find-rate", "--duration", "20ms", "--timeout", "20ms", "--max-loss"];
    let (report, status) = report(&[&find[..], &["100%"]].concat());
    assert_eq!((status, &report["search"][0]["rate_per_second"]), (0, &1000.into()), "{report}");
    let best = &report["settings"]["rate_per_second"];
    let trials = report["search"].as_array().unwrap();
    assert!(trials.len() <= 24 && trials.iter().any(|trial| trial["rate_per_second"] == *best), "{report}");
    let line = predicates::str::is_match("\nhighest rate +[0-9]+ requests?/s: at most 100 % missing\n\n--- ").unwrap();
    client(&[&find[..], &["100%"]].concat()).assert().success().stdout(line);
    let silent = silent();
    let find = ["load", "127.0.0.1", &silent, "--find-rate", "--duration", "20ms", "--timeout", "20ms"];
    client(&[&find[..], &["--max-loss", "1%"]].concat())
        .assert()
        .code(1)
        .stdout(contains("tried               1000 requests/s: ").and(contains(" missing: too many\n")))
        .stderr("udp-echo-client: cannot find a rate at which at most 1 % are missing\n");
    // A program is told as well what was tried.
    let (report, status) = self::report(&[&find[..], &["--max-loss", "1%"]].concat());
    assert_eq!((status, &report["search"][0]["passed"]), (1, &false.into()), "{report}");
}

/// A server that answers so many, and then nobody is there any more.
fn mortal(answers: usize) -> String {
    serve(move |socket, number, datagram, from| {
        let _ = socket.send_to(datagram, from);
        if number + 1 == answers {
            // As `refusing` does it.
            socket.connect(socket.local_addr().unwrap()).unwrap();
        }
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_goes_in_the_middle_of_a_search_takes_nothing_with_it_that_was_found() {
    const FIND: [&str; 7] = ["--find-rate", "--duration", "100ms", "--max-loss", "100%", "--timeout", "20s"];
    // In the first run there are 100 requests at most.
    let port = mortal(150);
    let run = client(&[&["load", "127.0.0.1", &port], &FIND[..]].concat()).assert().code(1);
    let best = format!("\nhighest so far +[0-9]+ requests/s: at most 100 % missing\n\n--- 127.0.0.1:{port} load stat");
    run.stdout(predicates::str::is_match(best).unwrap().and(contains("\nachieved ")))
        .stderr(contains(format!("udp-echo-client: cannot reach 127.0.0.1:{port}: connection refused\nhint: ")));

    let port = mortal(150);
    let (report, status) = report(&[&["load", "127.0.0.1", &port], &FIND[..]].concat());
    assert_eq!((status, &report["ended"]), (1, &"failed".into()), "{report}");
    let trials = report["search"].as_array().unwrap();
    let best = trials.iter().rfind(|trial| trial["passed"] == true).unwrap();
    assert_eq!(report["settings"]["rate_per_second"], best["rate_per_second"], "{report}");
    assert!(account(&report, "received") > 0 && trials.last().unwrap()["passed"] == false, "{report}");
}

#[test]
fn the_text_has_rates_times_errors_and_a_histogram() {
    let port = echo("echo -> ");
    client(&["load", "127.0.0.1", &port, "--rate", "1000", "--count", "100"])
        .assert()
        .success()
        .stdout(contains(format!("LOAD 127.0.0.1 (127.0.0.1:{port}): 1 flow, 64 bytes, 1000 requests/s, up to 100\n")))
        .stdout(contains("\n100 sent, 100 received, 0 lost (0.0 %), time "))
        .stdout(contains("\noffered        1000.0 requests/s (100 in 0.100 s), 0 not sent\n"))
        .stdout(contains("\nachieved ").and(contains("\nthroughput ")).and(contains("\nerrors         none\n")))
        .stdout(contains("\nfrom schedule ").and(contains("\nfrom send ")).and(contains(" ms  ####")))
        // No terminal, no progress bar.
        .stderr("");
}

#[test]
fn more_flows_than_descriptors_are_refused_in_a_sentence() {
    let shell = r#"ulimit -n 100 && exec "$0" load 127.0.0.1 1 --flows 100"#;
    assert_cmd::Command::new("sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_udp-echo-client")])
        .timeout(PATIENCE)
        .assert()
        .code(1)
        .stderr(
            "udp-echo-client: cannot open 100 flows: the limit on descriptors leaves room for 42\n\
             hint: raise the limit: ulimit -n\n",
        );
}

#[test]
fn requests_too_small_to_be_told_apart_are_refused_in_a_sentence() {
    let run = client(&["load", "127.0.0.1", "1", "--size", "1", "--window", "129"]).assert().code(1).stdout("");
    run.stderr("udp-echo-client: cannot tell 129 requests apart: a number of 1 byte is the same again after 128\n");
}

#[test]
fn ctrl_c_prints_the_summary() {
    // A search has found nothing yet, but measured something.
    for (search, status) in [(None, 0), (Some("--find-rate"), 1)] {
        let (seen, wait) = mpsc::channel();
        let port = server(move |number, datagram| {
            // With at most 64 on their way, who sends so many has had a reply.
            if number == 100 {
                let _ = seen.send(());
            }
            vec![datagram.to_vec()]
        });
        let load = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"))
            .args(["load", "127.0.0.1", &port, "--duration", "30s", "--json"])
            .args(search)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait.recv_timeout(PATIENCE).unwrap();
        interrupt(&load);
        let output = load.wait_with_output().unwrap();
        let report = checked(&output.stdout);
        assert_eq!((output.status.code(), &report["ended"]), (Some(status), &"signal".into()), "{output:?}");
        assert_eq!(report["search"].as_array().map(Vec::len), search.map(|_| 0), "{report}");
    }
}
