//! The faults that our TCP server has on demand: the client feels them, and both count them alike.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde_json::Value;

use super::{ALL_WELL, NAME};
use crate::harness::{Outcome, Server, eventually, run};

/// What comes is there before this is over, on a busy machine too; and what never comes is waited for until then.
const TIME: &str = "3s";
const LONG: &str = "60s";

/// A server with these faults, while `visit` visits it; and its account, which is all that it says.
fn with_faults<T>(faults: &[&str], visit: impl FnOnce(&Server) -> T) -> (T, String) {
    // Who is left to wait for ever is there at the end of any drain. The others have gone, which a busy machine may take its
    // time to tell the server.
    let drain = if faults.contains(&"--stall-after") { "100ms" } else { LONG };
    let server = Server::start(NAME, &[faults, &["--drain", drain]].concat());
    let seen = visit(&server);
    let (status, _, stderr) = server.stop();
    assert!(status.success(), "{stderr}");
    let account = stderr.lines().next_back().unwrap_or_default();
    (seen, account.strip_prefix("tcp-echo-server: ").unwrap_or_else(|| panic!("{stderr}")).to_owned())
}

/// What our client says when it sends `Hello world`, and has so much time.
fn hello(server: &Server, timeout: &str) -> Outcome {
    run("tcp-echo-client", &[&server.host(), &server.port(), "--timeout", timeout, "Hello", "world"])
}

#[test]
fn each_fault_is_felt_by_the_client_and_told_by_the_server() {
    let part = format!("connections 1, received 11 bytes, sent 12 bytes{ALL_WELL}");

    let (client, account) = with_faults(&["--stall-after", "12"], |server| hello(server, TIME));
    client.failed_with("it is not complete after 3s");
    assert_eq!(client.text(), "echo -> Hell");
    assert_eq!(account, format!("{part}, cut off at the end 1, stalled 1"));

    let (client, account) = with_faults(&["--close-after", "12"], |server| hello(server, LONG));
    client.failed_with("it ended early: 4 of 11 bytes came back");
    assert_eq!(account, format!("{part}, closed early 1"));

    // In the middle of the prefix.
    let (client, account) = with_faults(&["--close-after", "5"], |server| hello(server, LONG));
    client.failed_with("it ended early: 0 of 11 bytes came back");
    assert!(account.ends_with(", closed early 1"), "{account}");

    let (client, account) = with_faults(&["--reset-after", "12"], |server| hello(server, LONG));
    client.failed_with("connection reset by peer");
    assert_eq!(account, format!("{part}, reset on demand 1"));

    let (client, account) = with_faults(&["--never-accept"], |server| hello(server, "500ms"));
    client.failed_with("it is not complete after 500ms");
    let nothing = "connections 0, received 0 bytes, sent 0 bytes";
    assert_eq!(account, format!("{nothing}{ALL_WELL}, nobody accepted on demand"));
}

#[test]
fn a_delay_and_pieces_change_nothing_of_what_comes_back() {
    let all = format!("connections 1, received 11 bytes, sent 19 bytes{ALL_WELL}");
    let (client, account) = with_faults(&["--delay", "50ms", "--chunk", "3"], |server| hello(server, LONG));
    client.printed("echo -> Hello world\n");
    assert_eq!(account, format!("{all}, replies delayed 1, pieces 7"));
    let (client, account) = with_faults(&["--delay", "10m"], |server| hello(server, TIME));
    client.failed_with("it is not complete after 3s");
    assert!(account.ends_with(", replies delayed 1"), "{account}");
}

#[test]
fn the_same_seed_cuts_the_same_pieces() {
    let pieces = |seed: &str| {
        let (client, account) = with_faults(&["--chunk", "5", "--seed", seed], |server| hello(server, LONG));
        client.printed("echo -> Hello world\n");
        account.split("pieces ").nth(1).unwrap().parse::<u32>().unwrap()
    };
    let first = pieces("1");
    assert_eq!(pieces("1"), first);
    assert!((4..=19).contains(&first));
    assert!((2..20).any(|seed| pieces(&seed.to_string()) != first), "another seed, another cut");
}

/// A load of one connection and 64 bytes, one request after the other: what its report counts, if it is not 0, and the report.
fn load(server: &Server, count: &str, timeout: &str) -> (BTreeMap<String, u64>, Value) {
    let load = ["load", &server.host(), &server.port(), "--connections", "1", "--count", count, "--timeout", timeout];
    let outcome = run("tcp-echo-client", &[&load[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    let counts = ["account", "errors"].map(|part| report[part].as_object().unwrap().clone()).into_iter().flatten();
    let mut counts: BTreeMap<_, _> = counts.map(|(what, count)| (what, count.as_u64().unwrap())).collect();
    counts.insert("connections".to_owned(), report["connect"]["count"].as_u64().unwrap());
    counts.retain(|_, count| *count > 0);
    (counts, report)
}

/// What a report counts, by name.
type Counts = &'static [(&'static str, u64)];

#[test]
fn the_report_of_a_load_and_the_account_of_the_server_agree_on_every_fault() {
    // A reply is 72 bytes with its prefix. Of each connection that ends after 100, the second reply comes in part.
    let table: [(&[&str], _, _, Counts, _); 8] = [
        (
            &[],
            "50",
            LONG,
            &[("connections", 1), ("received", 50), ("sent", 50)],
            ("1, received 3200 bytes, sent 3600 bytes", ""),
        ),
        (
            &["--delay", "20ms"],
            "5",
            LONG,
            &[("connections", 1), ("received", 5), ("sent", 5)],
            ("1, received 320 bytes, sent 360 bytes", ", replies delayed 5"),
        ),
        (
            &["--chunk", "5"],
            "20",
            LONG,
            &[("connections", 1), ("received", 20), ("sent", 20)],
            ("1, received 1280 bytes, sent 1440 bytes", ", pieces 300"),
        ),
        (
            &["--close-after", "100"],
            "20",
            LONG,
            &[("closed_early", 10), ("connections", 10), ("received", 10), ("sent", 20), ("truncated", 10)],
            ("10, received 1280 bytes, sent 1000 bytes", ", closed early 10"),
        ),
        (
            &["--reset-after", "100"],
            "20",
            LONG,
            &[("connections", 10), ("received", 10), ("reset", 10), ("sent", 20), ("truncated", 10)],
            ("10, received 1280 bytes, sent 1000 bytes", ", reset on demand 10"),
        ),
        (
            &["--chunk", "10", "--reset-after", "100"],
            "4",
            LONG,
            &[("connections", 2), ("received", 2), ("reset", 2), ("sent", 4), ("truncated", 2)],
            ("2, received 256 bytes, sent 200 bytes", ", pieces 22, reset on demand 2"),
        ),
        (
            &["--stall-after", "72"],
            "2",
            TIME,
            &[("connections", 1), ("lost", 1), ("received", 1), ("sent", 2), ("timeout", 1)],
            ("1, received 128 bytes, sent 72 bytes", ", cut off at the end 1, stalled 1"),
        ),
        (
            &["--never-accept"],
            "1",
            "500ms",
            &[("connections", 1), ("lost", 1), ("sent", 1), ("timeout", 1)],
            ("0, received 0 bytes, sent 0 bytes", ", nobody accepted on demand"),
        ),
    ];
    for (faults, count, timeout, expected, account) in table {
        let ((counts, report), told) = with_faults(faults, |server| load(server, count, timeout));
        let expected: BTreeMap<_, _> = expected.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        assert_eq!(
            (counts, told),
            (expected, format!("connections {}{ALL_WELL}{}", account.0, account.1)),
            "{faults:?}"
        );
        let shortest = report["from_send"]["min_ns"].as_u64();
        assert!(!faults.contains(&"--delay") || shortest >= Some(20_000_000), "{faults:?}: {shortest:?}");
    }
}

/// Whom SIGUSR1 asks is another thread then.
#[test]
fn the_account_is_told_on_request_while_something_is_wrong_on_demand() {
    for (faults, (bytes, fault)) in [
        (["--stall-after", "12"], ("1, received 11 bytes, sent 12 bytes", "stalled 1")),
        (["--never-accept", "--backlog=9"], ("0, received 0 bytes, sent 0 bytes", "nobody accepted on demand")),
    ] {
        let account = format!("{NAME}: connections {bytes}{ALL_WELL}, {fault}\n");
        let server = Server::start(NAME, &faults);
        let mut client = server.connect();
        client.write_all(b"Hello world").unwrap();
        if faults[0] == "--stall-after" {
            client.read_exact(&mut [0; 12]).unwrap();
        }
        eventually("the account", || {
            server.process.signal("USR1");
            server.process.stderr().contains(&account)
        });
        drop(client);
        assert!(server.stop().0.success());
    }
}

#[test]
fn a_client_that_stalls_forever_is_drained() {
    let server = Server::start(NAME, &["--stall-after", "1", "--drain", "100ms"]);
    let mut client = server.connect();
    client.write_all(b"Hello").unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    server.process.signal("TERM");
    eventually("the end of the connection", || client.read(&mut [0; 9]).is_ok_and(|length| length == 0));
    assert!(server.finish().0.success());
}
