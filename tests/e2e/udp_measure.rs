//! `udp-echo-client ping` and `load` against our server with faults of which it keeps an account: the client's is the same.

use serde_json::Value;

use crate::harness::{Server, run};

/// So many requests: enough for each fault to strike, and so few that a socket has room for all of them and for the replies. None
/// is lost for another reason then, however long a busy machine lets one of the two wait.
const COUNT: &str = "500";
/// Of larger ones there is room for fewer.
const COUNT_OF_LARGE: &str = "150";
/// How often something is measured that a busy machine disturbs each time.
const MOST_MEASUREMENTS: usize = 5;

/// A measurement of a server with these faults: the client's account, and the server's last words.
fn measured(faults: &[&str], client: &[&str]) -> (Value, Counts) {
    let server = Server::start("udp-echo-server", &[faults, &["--seed", "7"]].concat());
    let (host, port) = (server.host(), server.port());
    let outcome = run("udp-echo-client", &[&client[..1], &[&host, &port, "--json"], &client[1..]].concat());
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    let (_, _, stderr) = server.stop();
    let account = stderr.lines().last().and_then(|line| line.strip_prefix("udp-echo-server: "));
    let account = account.unwrap_or_else(|| panic!("{stderr:?}"));
    let count = |part: &str| part.rsplit_once(' ').map(|(name, number)| (name.to_owned(), number.parse().unwrap()));
    (report, Counts(account.split(", ").filter_map(count).collect()))
}

/// The same, once more if something has come too late to be counted: a busy machine may hold up the server between a reply and
/// its copy, or either of the two for longer than the timeout, or until a socket is full. What else they don't agree on is a
/// mistake.
fn undisturbed(faults: &[&str], client: &[&str]) -> (Value, Counts) {
    let mut result = measured(faults, client);
    for _ in 1..MOST_MEASUREMENTS {
        let (report, server) = &result;
        let account = |name: &str| report["account"][name].as_u64().unwrap();
        if account("late") == 0 && account("duplicates") >= server.of("duplicated") && server.of("kernel drops") == 0 {
            break;
        }
        result = measured(faults, client);
    }
    result
}

/// What a server says that it has done.
#[derive(Debug)]
struct Counts(Vec<(String, u64)>);

impl Counts {
    /// What hasn't happened is not told.
    fn of(&self, name: &str) -> u64 {
        self.0.iter().find(|(this, _)| this == name).map_or(0, |(_, number)| *number)
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

/// A server at 192.0.2.1 port 2000, behind a cable that takes 1,500 bytes at a time.
#[cfg(target_os = "linux")]
fn server_next_door() -> (crate::namespace::Neighbour, crate::harness::Process) {
    let neighbour = crate::namespace::Neighbour::new();
    crate::namespace::ip("addr add 192.0.2.9/24 dev here");
    neighbour.ip("addr add 192.0.2.1/24 dev there");
    let mut server = neighbour.command(&crate::harness::program("udp-echo-server"));
    server.args(["--prefix", ""]);
    let mut server = crate::harness::Process::start(server);
    server.line();
    (neighbour, server)
}

#[test]
#[cfg(target_os = "linux")]
fn a_datagram_that_must_not_be_cut_is_not_sent_where_it_does_not_fit() {
    use crate::namespace::inside;
    inside(|| {
        let (_neighbour, _server) = server_next_door();
        let ping = |more: &[&str]| {
            let arguments =
                ["ping", "192.0.2.1", "2000", "--count", "2", "--interval", "1ms", "--timeout", "60s", "--prefix", ""];
            run("udp-echo-client", &[&arguments[..], more].concat())
        };
        let fits = ping(&["--size", "1472", "--df"]);
        assert!(fits.text().contains("\n2 sent, 2 received, "), "{fits:?}");
        let too_large = ping(&["--size", "1473", "--df"]);
        let line =
            "seq=1 not sent: message too long: at most 1500 bytes with all headers go to 192.0.2.1:2000 at once\n";
        assert!(too_large.text().contains(line), "{too_large:?}");
        assert!(too_large.text().contains(
            "\n2 sent, 0 received, 0 lost, 2 not sent for an error (100.0 % without a right reply in time), "
        ));
        // In fragments it gets there.
        let cut = ping(&["--size", "1473"]);
        assert!(cut.text().contains("\n2 sent, 2 received, "), "{cut:?}");
    });
}

/// On such a way, what `load` says of it, and what a search does; and then an address that nobody has.
#[test]
#[cfg(target_os = "linux")]
fn what_does_not_get_there_is_told_with_its_cause() {
    use crate::namespace::inside;
    inside(|| {
        let (_neighbour, _server) = server_next_door();
        let load = |more: &[&str]| {
            let arguments = ["load", "192.0.2.1", "2000", "--count", "20", "--timeout", "60s", "--prefix", ""];
            run("udp-echo-client", &[&arguments[..], more].concat())
        };
        assert!(load(&["--size", "1472", "--df"]).text().contains("\n20 sent, 20 received, "));
        let causes =
            "\nerrors         20 other\ncauses         20 message too long: at most 1500 bytes with all headers";
        let too_large = load(&["--size", "1473", "--df"]);
        assert!(too_large.text().contains(causes), "{too_large:?}");
        assert!(too_large.stderr.contains("\nhint: choose a smaller --size, or leave out --df\n"), "{too_large:?}");
        let train = load(&["--size", "1600", "--train", "20"]);
        assert!(train.text().contains("\nerrors         20 other\ncauses         20 "), "{train:?}");
        assert!(train.stderr.contains("\nhint: choose a smaller --size: the datagrams of a train "), "{train:?}");
        let search = run("udp-echo-client", &["load", "192.0.2.1", "2000", "--size", "1473", "--df", "--find-rate"]);
        assert!(
            search.stderr.starts_with("udp-echo-client: cannot reach 192.0.2.1:2000: message too long"),
            "{search:?}"
        );
        assert_eq!(search.text().matches("tried ").count(), 1, "{search:?}");

        // To find that out takes the kernel three seconds: in the meantime they have timed out.
        let ping = ["ping", "192.0.2.77", "--count", "3", "--interval", "1ms", "--timeout", "2500ms"];
        let nobody = run("udp-echo-client", &ping);
        assert!(
            nobody.text().contains("\nerrors         3 unreachable\ncauses         3 no route to host\n"),
            "{nobody:?}"
        );
    });
}

/// The code point is in the upper six bits of what the receiver is told of the byte in the header.
#[test]
#[cfg(target_os = "linux")]
fn the_mark_of_a_datagram_arrives() {
    use crate::harness::{Process, command, peer};
    let Some(python) = peer("python3") else { return };
    const SERVER: &str = "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    data, told, _, client = s.recvmsg(2000, 100)
    s.sendto(data, client)
    print(told[0][2][0], flush=True)";
    let mut server = command(python);
    server.args(["-c", SERVER]);
    let mut server = Process::start(server);
    let port = server.line();
    for (measurement, code_point, byte) in [("ping", "46", "184"), ("load", "0", "0"), ("load", "63", "252")] {
        let run = run(
            "udp-echo-client",
            &[measurement, "127.0.0.1", &port, "--count", "1", "--timeout", "60s", "--dscp", code_point],
        );
        assert!(run.status.success(), "{run:?}");
        assert_eq!(server.line(), byte);
    }
}

/// On a terminal, a load shows how far it is, and leaves nothing of that behind.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_shows_how_far_a_load_is() {
    use crate::harness::{command, peer, program, run_command};
    if peer("script").is_none() {
        return;
    }
    let server = Server::start("udp-echo-server", &[]);
    for more in ["--rate 500 --duration 1s", "--find-rate --duration 500ms --max-loss 100%"] {
        let client =
            format!("{} load {} {} {more}", program("udp-echo-client").display(), server.host(), server.port());
        let mut script = command("script");
        // script(1) makes a terminal; none has 0 columns.
        script.args(["-qec", &format!("stty cols 120 rows 30; timeout -s INT 4 {client}"), "/dev/null"]);
        let outcome = run_command(script, b"");
        let shown = outcome.text();
        assert!(shown.contains(" %  ") && shown.contains(" replies/s"), "{shown:?}");
        assert!(shown.rfind(" replies/s") < shown.rfind("load statistics"), "{shown:?}");
    }
}

/// What is answered by the wrong server is not answered by the right one, and does not end the search for it.
#[test]
#[cfg(target_os = "linux")]
fn of_a_name_with_two_addresses_the_one_that_answers_is_measured() {
    use crate::namespace::{hosts, inside};
    inside(|| {
        hosts("::1 both.test\n127.0.0.1 both.test\n");
        let server = Server::start("udp-echo-server", &[]);
        let port = server.port();
        let ping = run("udp-echo-client", &["ping", "both.test", &port, "--count", "1", "--timeout", "60s"]);
        assert!(ping.text().starts_with(&format!("PING both.test (127.0.0.1:{port}): 64 bytes\n")), "{ping:?}");
        let (_, _, stderr) = server.stop();
        // One more, by which it was found.
        assert_eq!(stderr, "udp-echo-server: received 2, answered 2\n");
        let nobody = run("udp-echo-client", &["ping", "both.test", &port]);
        let each = format!("[::1]:{port}: connection refused; 127.0.0.1:{port}: connection refused");
        nobody.failed_with(&format!("cannot reach both.test:{port}: {each}"));
    });
}
