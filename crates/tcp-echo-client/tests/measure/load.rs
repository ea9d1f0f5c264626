//! `load`: many connections, with and without a schedule, and what it says of servers that aren't up to it.

use std::process::{Command, Stdio};
use std::sync::mpsc;

use predicates::prelude::*;
use predicates::str::{contains, starts_with};

use crate::harness::*;

#[test]
fn every_request_of_a_count_is_answered() {
    let port = echo("echo -> ", 4096);
    let (report, status) = report(&["load", "127.0.0.1", &port, "--connections", "3", "--count", "500"]);
    assert_eq!((status, &report["kind"], &report["ended"]), (0, &"load".into(), &"count".into()));
    assert_eq!((&report["account"]["received"], &report["achieved"]["requests"]), (&500.into(), &500.into()));
    assert_eq!(report["throughput"]["payload_bytes"], 500 * 64);
    assert_eq!(report["connect"]["count"], 3);
    assert!(report["offered"].is_null() && report["from_schedule"].is_null(), "a closed loop has no schedule");
}

#[test]
fn every_connection_has_its_share() {
    let (uses, used) = mpsc::channel();
    let port = server(move |connection| {
        let mut first = [0];
        if connection.peek(&mut first).is_ok_and(|length| length > 0) {
            uses.send(()).unwrap();
        }
        echo_on(connection, "", 4096, u64::MAX);
    });
    let load = ["load", "127.0.0.1", &port, "--connections", "5", "--count", "5"];
    let (report, status) = report(&load);
    assert_eq!((status, &report["account"]["received"]), (0, &5.into()), "{report}");
    // Five requests, and each connection has room for one.
    for _ in 0..5 {
        used.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_schedule_is_kept_and_the_warm_up_doesnt_count() {
    let port = echo("", 4096);
    let load = ["load", "127.0.0.1", &port, "--rate", "2000", "--count", "300", "--warmup", "50ms"];
    let (report, status) = report(&load);
    assert_eq!(status, 0);
    assert_eq!((&report["offered"]["requests"], &report["offered"]["per_second"]), (&300.into(), &2000.0.into()));
    assert_eq!((&report["account"]["sent"], &report["unsent"]), (&300.into(), &0.into()));
}

#[test]
fn a_run_may_end_by_time() {
    let port = echo("echo -> ", 4096);
    for rate in [&[][..], &["--rate", "1000"]] {
        let load = [&["load", "127.0.0.1", &port, "--duration", "2s", "--pipeline", "4"], rate].concat();
        let (report, status) = report(&load);
        assert_eq!((status, &report["ended"]), (0, &"duration".into()));
        assert!(report["achieved"]["requests"].as_u64() > Some(0));
    }
}

#[test]
fn the_prefix_may_stand_anywhere() {
    for (prefix, size) in [("echo -> ", "64"), ("echo -> ", "1"), ("\u{e9}", "100"), ("", "5")] {
        for most in [7, 100, 32 * 1024] {
            let port = echo(prefix, most);
            let load = ["load", "127.0.0.1", &port, "--count", "300", "--pipeline", "16", "--size", size];
            let (report, status) = report(&[&load[..], &["--prefix", prefix, "--connections", "2"]].concat());
            assert_eq!((status, &report["account"]["received"]), (0, &300.into()), "{prefix} {size} {most} {report}");
        }
    }
}

#[test]
fn requests_larger_than_all_buffers_dont_stand_still() {
    let port = echo("echo -> ", 4096);
    let load = ["load", "127.0.0.1", &port, "--count", "6", "--pipeline", "3", "--size", "4MiB", "--connections", "2"];
    let (report, status) = report(&[&load[..], &["--timeout", "20s"]].concat());
    assert_eq!((status, &report["account"]["received"]), (0, &6.into()), "{report}");
}

#[test]
fn damage_is_found_in_any_byte() {
    let port = damaging();
    let (report, status) = report(&["load", "127.0.0.1", &port, "--count", "10", "--size", "99"]);
    assert_eq!(status, 1);
    assert_eq!(report["account"]["received"], 0, "{report}");
    assert!(report["errors"]["corrupt"].as_u64() >= Some(1), "{report}");
}

#[test]
fn a_server_that_ends_connections_is_told_by_kind() {
    let port = server(|connection| echo_on(connection, "echo -> ", 4096, 5));
    let (report, _) = report(&["load", "127.0.0.1", &port, "--count", "30", "--connections", "2", "--pipeline", "2"]);
    let errors = &report["errors"];
    let ends = errors["closed_early"].as_u64().unwrap() + errors["reset"].as_u64().unwrap();
    assert!(ends >= 1 && report["connect"]["count"].as_u64() > Some(2), "{report}");
}

#[test]
fn what_a_silent_server_keeps_from_being_sent_is_told() {
    let port = silent();
    let load = ["load", "127.0.0.1", &port, "--rate", "1000", "--duration", "300ms", "--connections", "1"];
    let (report, status) = report(&[&load[..], &["--timeout", "100ms"]].concat());
    assert_eq!((status, &report["offered"]["requests"]), (1, &300.into()));
    assert!(report["unsent"].as_u64() > Some(0) && report["account"]["lost"].as_u64() > Some(0), "{report}");
    assert_eq!(report["account"]["lost"], report["errors"]["timeout"]);
}

#[test]
fn a_late_reply_is_one_that_timed_out() {
    let port = slow(std::time::Duration::from_millis(30));
    let load = ["load", "127.0.0.1", &port, "--count", "6", "--connections", "2", "--timeout", "1ms"];
    let (report, status) = report(&load);
    let account = |fate: &str| report["account"][fate].as_u64().unwrap();
    assert_eq!((status, account("late") + account("lost")), (1, 6), "{report}");
    assert_eq!(report["errors"]["timeout"], 6, "{report}");
}

#[test]
fn a_run_of_nothing_that_counts_is_a_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = std::thread::spawn(move || {
        let connection = listener.accept().unwrap().0;
        drop(listener);
        echo_on(patient(connection), "", 4096, 1);
    });
    let load = ["load", "127.0.0.1", &port, "--rate", "1000", "--connections", "1", "--duration", "200ms"];
    let why = format!("tcp-echo-client: cannot measure 127.0.0.1:{port}: no request was sent that counts; errors: ");
    client(&[&load[..], &["--warmup", "300ms"]].concat())
        .assert()
        .code(1)
        .stdout(contains("\n0 sent, 0 received, 0 lost, time "))
        .stdout(contains(", 200 not sent\n"))
        .stderr(starts_with(why).and(contains("connection refused")));
    server.join().unwrap();
}

#[test]
fn a_schedule_with_little_to_do_takes_its_time_all_the_same() {
    let port = echo("", 4096);
    let (report, status) = report(&["load", "127.0.0.1", &port, "--rate", "1", "--duration", "300ms"]);
    assert_eq!((status, &report["ended"], &report["account"]["received"]), (0, &"duration".into(), &1.into()));
    assert!(report["elapsed_ns"].as_u64() >= Some(300_000_000), "{report}");
}

#[test]
fn replies_behind_another_prefix_are_called_corrupt_and_there_is_a_hint() {
    let port = echo("echo -> ", 4096);
    client(&["load", "127.0.0.1", &port, "--prefix", "", "--count", "3", "--connections", "1"])
        .assert()
        .code(1)
        .stdout(contains("\n3 sent, 0 received, 0 lost, 3 corrupt (100.0 % without a right reply in time), time "))
        .stderr(contains(format!("cannot get every reply from 127.0.0.1:{port}: 3 of 3 corrupt\n")))
        .stderr(contains("\nhint: a server may put another text before its replies than --prefix says; "));
}

#[test]
fn a_server_that_goes_away_ends_a_run_before_its_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = std::thread::spawn(move || {
        let connection = listener.accept().unwrap().0;
        drop(listener);
        echo_on(patient(connection), "", 4096, 3);
    });
    let load = ["load", "127.0.0.1", &port, "--duration", "1h", "--connections", "1", "--timeout", "300ms"];
    let (report, status) = report(&load);
    server.join().unwrap();
    assert_eq!((status, &report["ended"]), (1, &"failed".into()), "{report}");
    assert!(report["errors"]["connect_refused"].as_u64() >= Some(1), "{report}");
}

/// Each request that was sent has its reply: but most were due while there was nobody.
#[test]
fn a_server_that_is_away_for_a_while_is_told_though_nothing_is_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let connection = listener.accept().unwrap().0;
        drop(listener);
        echo_on(patient(connection), "", 4096, 3);
    });
    let load = ["load", "127.0.0.1", &port, "--rate=20", "--duration=1s", "--connections=1"];
    client(&load).assert().code(1).stderr(contains(" connection refused"));
}

#[test]
fn the_text_has_rates_times_errors_and_a_histogram() {
    let port = echo("echo -> ", 4096);
    client(&["load", "127.0.0.1", &port, "--rate", "1000", "--count", "100"])
        .assert()
        .success()
        .stdout(contains(format!(
            "LOAD 127.0.0.1 (127.0.0.1:{port}): 10 connections, 64 bytes, 1000 requests/s, up to 100\n"
        )))
        .stdout(contains("\n100 sent, 100 received, 0 lost (0.0 %), time "))
        .stdout(contains("\noffered        1000.0 requests/s (100 in 0.100 s), 0 not sent\n"))
        .stdout(contains("\nachieved ").and(contains("\nthroughput ")).and(contains("\nerrors         none\n")))
        .stdout(contains("\nfrom schedule ").and(contains("\nfrom send ")).and(contains(" ms  ####")))
        // No terminal, no progress bar.
        .stderr("");
}

#[test]
fn the_calls_can_be_watched() {
    let port = echo("echo -> ", 4096);
    client(&["load", "127.0.0.1", &port, "--count", "1", "--connections", "1", "--trace"])
        .assert()
        .success()
        .stderr(contains("connect(").and(contains("send(")).and(contains("recv(")).and(contains("close(")));
}

#[test]
fn more_connections_than_descriptors_are_refused_in_a_sentence() {
    let shell = r#"ulimit -n 100 && exec "$0" load 127.0.0.1 1 --connections 100"#;
    assert_cmd::Command::new("sh")
        .args(["-c", shell, env!("CARGO_BIN_EXE_tcp-echo-client")])
        .timeout(PATIENCE)
        .assert()
        .code(1)
        .stderr(
            "tcp-echo-client: cannot open 100 connections: the limit on descriptors leaves room for 84\n\
             hint: raise the limit: ulimit -n\n",
        );
}

#[test]
fn one_of_a_kind_is_no_plural_and_a_number_says_what_it_takes() {
    let port = echo("echo -> ", 4096);
    let one = ["load", "127.0.0.1", &port, "--connections=1", "--size=1", "--rate=1", "--count=1"];
    client(&one).assert().success().stdout(contains("): 1 connection, 1 byte, 1 request/s, up to 1\n"));
    for option in ["--rate=1.5", "--rate=10k", "--count=0", "--connections=many"] {
        let told = contains("a whole number from 1 ").and(contains("invalid digit").not());
        client(&["load", "127.0.0.1", &port, option]).assert().code(2).stdout("").stderr(told);
    }
}

#[test]
fn ctrl_c_prints_the_summary() {
    let (seen, wait) = mpsc::channel();
    let port = server(move |connection| {
        // Who sends a second request has had the reply to the first.
        echo_on(connection.try_clone().unwrap(), "echo -> ", 4096, 2);
        let _ = seen.send(());
        echo_on(connection, "echo -> ", 4096, u64::MAX);
    });
    let load = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"))
        .args(["load", "127.0.0.1", &port, "--duration", "30s", "--connections", "2", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait.recv_timeout(PATIENCE).unwrap();
    wait.recv_timeout(PATIENCE).unwrap();
    interrupt(&load);
    let output = load.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &checked(&output.stdout)["ended"]), (Some(0), &"signal".into()));
}
