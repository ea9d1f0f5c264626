//! `udp-echo-client ping` and `load` against our server with faults of which it keeps an account: the client's is the same.
//! `way.rs` has what depends on the way there.

#[cfg(target_os = "linux")]
mod way;

use serde_json::Value;

use crate::harness::{Server, run};
use crate::trace::lines::of_file;

/// So many requests: enough for each fault to strike, and so few that a socket has room for all of them and for the replies. None
/// is lost for another reason then, however long a busy machine lets one of the two wait.
const COUNT: &str = "500";
/// Of larger ones there is room for fewer.
const COUNT_OF_LARGE: &str = "150";
/// How often something is measured that a busy machine disturbs each time.
const MOST_MEASUREMENTS: usize = 5;

/// A copy that leaves so much later than its reply may be too late for the client, which listens for 50 ms after the last one.
const TOO_LONG_NS: u64 = 40_000_000;

/// A measurement of a server with these faults: the client's account, and the server's last words.
fn measured(faults: &[&str], client: &[&str]) -> (Value, Counts) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let trace = ["--seed", "7", "--trace-file", file.to_str().unwrap()];
    let server = Server::start("udp-echo-server", &[faults, &trace].concat());
    let (host, port) = (server.host(), server.port());
    let outcome = run("udp-echo-client", &[&client[..1], &[&host, &port, "--json"], &client[1..]].concat());
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    let (_, _, stderr) = server.stop();
    let account = stderr.lines().last().and_then(|line| line.strip_prefix("udp-echo-server: "));
    let account = account.unwrap_or_else(|| panic!("{stderr:?}"));
    let count = |part: &str| part.rsplit_once(' ').map(|(name, number)| (name.to_owned(), number.parse().unwrap()));
    let counts = account.split(", ").filter_map(count).collect();
    (report, Counts { counts, held_up: is_held_up(&of_file(&file)) })
}

/// Whether the server was kept from sending a copy right behind its reply: they are the two with the same data.
fn is_held_up(trace: &[Value]) -> bool {
    let sent: Vec<_> = trace.iter().filter(|line| line["call"].as_str().unwrap().starts_with("send")).collect();
    sent.windows(2).any(|two| {
        let took_ns = two[1]["end_ns"].as_u64().unwrap() - two[0]["start_ns"].as_u64().unwrap();
        two[0]["data"] == two[1]["data"] && took_ns > TOO_LONG_NS
    })
}

/// The same, once more if something has come too late to be counted: a busy machine may hold up the server between a reply and
/// its copy, which its trace shows, or either of the two for longer than the timeout, or until a socket is full. What else they
/// don't agree on is a mistake, the first time.
fn undisturbed(faults: &[&str], client: &[&str]) -> (Value, Counts) {
    let mut result = measured(faults, client);
    for _ in 1..MOST_MEASUREMENTS {
        let (report, server) = &result;
        let account = |name: &str| report["account"][name].as_u64().unwrap();
        if account("late") == 0 && server.of("kernel drops") == 0 && !server.held_up {
            break;
        }
        result = measured(faults, client);
    }
    result
}

/// What a server says that it has done.
#[derive(Debug)]
struct Counts {
    counts: Vec<(String, u64)>,
    /// It would have sent a copy sooner, if the machine had let it.
    held_up: bool,
}

impl Counts {
    /// What hasn't happened is not told.
    fn of(&self, name: &str) -> u64 {
        self.counts.iter().find(|(this, _)| this == name).map_or(0, |(_, number)| *number)
    }
}

/// The client has counted as the server has: each of the server's words, and what the client has for it.
#[track_caller]
fn agree(report: &Value, server: &Counts, words: &[(&str, &str)]) {
    let account = |name: &str| report["account"][name].as_u64().unwrap();
    for (theirs, ours) in words {
        assert_eq!(account(ours), server.of(theirs), "{ours} and {theirs}: {report} {server:?}");
    }
    let fates = ["received", "lost", "refused", "late", "corrupt", "truncated", "send_errors"];
    assert_eq!(fates.iter().map(|fate| account(fate)).sum::<u64>(), account("sent"), "{report}");
}

/// Both ways to measure, with as many requests.
fn both(count: &'static str) -> [Vec<&'static str>; 3] {
    let patient = ["--timeout", "2s", "--count", count];
    [
        [&["ping", "--interval", "500us"][..], &patient].concat(),
        [&["load", "--window", "16", "--flows", "3"][..], &patient].concat(),
        [&["load", "--rate", "5000"][..], &patient].concat(),
    ]
}

const ALL: [(&str, &str); 5] = [
    ("received", "sent"),
    ("dropped", "lost"),
    ("duplicated", "duplicates"),
    ("reordered", "out_of_order"),
    ("no such thing", "strays"),
];

#[test]
fn what_is_dropped_duplicated_and_reordered_is_counted_exactly() {
    for client in both(COUNT) {
        let faults = ["--drop", "10%", "--duplicate", "5%", "--reorder", "5%"];
        let (report, server) = undisturbed(&faults, &client);
        agree(&report, &server, &ALL);
        for (name, _) in &ALL[1..4] {
            assert!(server.of(name) > 0, "{name}: {server:?}");
        }
    }
}

/// The copy of the last reply comes when every probe has its fate already.
#[test]
fn the_last_reply_may_come_twice_too() {
    let way = ["--timeout", "2s", "--count"];
    let clients = [&["ping", "--interval", "1ms"][..], &["load"], &["load", "--rate", "1000"]];
    for faults in [&["--duplicate", "100%"][..], &["--duplicate", "100%", "--delay", "20ms"]] {
        for (client, count) in clients.iter().flat_map(|client| ["1", "5"].map(|count| (client, count))) {
            let client = [client, &way[..], &[count]].concat();
            let (report, server) = undisturbed(faults, &client);
            agree(&report, &server, &ALL);
            assert_eq!(
                (server.of("received"), server.of("duplicated")),
                (server.of("answered"), server.of("answered"))
            );
            assert_eq!(report["account"]["sent"].to_string(), count);
            // To wait for that is no part of the measurement. But a busy machine may hold up the client between two requests.
            let is_short = |report: &Value| {
                report["elapsed_ns"].as_u64().unwrap() < report["from_send"]["max_ns"].as_u64().unwrap() + 40_000_000
            };
            let mut others = (1..MOST_MEASUREMENTS).map(|_| measured(faults, &client).0);
            assert!(is_short(&report) || others.any(|report| is_short(&report)), "{report}");
        }
    }
}

#[test]
fn and_so_it_is_when_all_are_late_and_unevenly() {
    let client = ["ping", "--interval", "500us", "--count", COUNT, "--timeout", "3s"];
    let faults = ["--drop", "10%", "--duplicate", "5%", "--reorder", "5%", "--delay", "20ms", "--jitter", "5ms"];
    let (report, server) = undisturbed(&faults, &client);
    agree(&report, &server, &ALL);
    assert_eq!(server.of("delayed"), server.of("answered"));
    assert!(report["from_send"]["min_ns"].as_u64() >= Some(20_000_000), "{report}");
    assert!(report["jitter_ns"].as_u64() > Some(0), "{report}");
}

#[test]
fn what_is_corrupted_is_counted_exactly_wherever_the_damage_is() {
    for (size, count) in [("64", COUNT), ("24", COUNT), ("1000", COUNT_OF_LARGE)] {
        for client in both(count) {
            let (report, server) = undisturbed(&["--corrupt", "5%"], &[&client[..], &["--size", size]].concat());
            agree(&report, &server, &[("received", "sent"), ("corrupted", "corrupt"), ("dropped", "lost")]);
            assert!(server.of("corrupted") > 0, "{server:?}");
        }
    }
}

#[test]
fn what_is_truncated_is_counted_exactly_wherever_it_ends() {
    for bytes in ["0", "5", "20", "63"] {
        let client = ["load", "--count", "100", "--window", "100", "--timeout", "10s"];
        let (report, server) = undisturbed(&["--truncate", bytes], &client);
        agree(&report, &server, &[("received", "sent"), ("truncated", "truncated"), ("dropped", "lost")]);
        assert_eq!(server.of("truncated"), 100, "{server:?}");
    }
}

/// All at once; only what happens to one and the same reply can't be told apart, as damage in what is cut off.
/// What is damaged still says whether it was overtaken, by its number or by its time.
#[test]
fn many_faults_at_once_are_told_apart() {
    let faults = ["--drop", "10%", "--duplicate", "5%", "--reorder", "5%", "--delay", "20ms", "--jitter", "5ms"];
    let client = ["ping", "--interval", "500us", "--count", COUNT, "--timeout", "2s"];
    let words = [&ALL[1..], &[("corrupted", "corrupt")]].concat();
    let loads = [&["load", "--window", "64"][..], &["load", "--rate", "5000", "--flows", "2"]]
        .map(|load| [load, &client[3..]].concat());
    for client in [&client[..], &loads[0], &loads[1]] {
        for (size, corrupt) in [("64", "10%"), ("24", "50%")] {
            let client = [client, &["--size", size]].concat();
            let (report, server) = undisturbed(&[&faults[..], &["--corrupt", corrupt]].concat(), &client);
            agree(&report, &server, &words);
            assert!(words.iter().all(|(name, _)| server.of(name) > 0 || *name == "no such thing"), "{server:?}");
        }
    }

    let (report, server) = undisturbed(&[&faults[..], &["--truncate", "40"]].concat(), &client);
    agree(&report, &server, &ALL);
    agree(&report, &server, &[("truncated", "truncated")]);
    assert_eq!(server.of("truncated"), server.of("answered"), "{server:?}");
}

#[test]
fn what_comes_after_the_timeout_is_late_and_not_lost() {
    // It waits for as long again as the timeout is. The replies come at the beginning of that, so that there is time left on a
    // busy machine.
    let client = ["ping", "--interval", "1ms", "--count", "20", "--timeout", "4s"];
    let (report, server) = measured(&["--delay", "4100ms"], &client);
    agree(&report, &server, &[("received", "sent"), ("answered", "late"), ("dropped", "lost")]);
    assert_eq!(report["errors"]["timeout"], 20, "{report}");
}

/// As many sockets as may ever get the same port of the kernel, if they allow it.
#[test]
fn no_two_flows_ever_share_a_port() {
    // With a rate they take turns. All at once, their requests would be more than the server's socket has room for.
    let client = ["load", "--flows", "1000", "--rate", "1000", "--count", "2000", "--timeout", "10s"];
    let (report, server) = undisturbed(&[], &client);
    agree(&report, &server, &[("received", "sent"), ("answered", "received"), ("dropped", "strays")]);
}
