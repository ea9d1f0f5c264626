//! Our UDP client, with our server and with servers that are not so good.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::thread;

#[cfg(target_os = "linux")]
use super::LONG;
use super::peer::{Peer, client, echo, without_asking_twice};
use crate::harness::{Outcome, Server, command, eventually, noise, program, run, run_command, run_with_input};

/// Runs the client with this on stdin, a datagram a line.
fn lines(server: SocketAddr, input: &[u8]) -> Outcome {
    run_with_input("udp-echo-client", &[&server.ip().to_string(), &server.port().to_string(), "-"], input)
}

/// The same, where the first answer may take its time.
#[cfg(target_os = "linux")]
fn patient(server: SocketAddr, input: &[u8]) -> Outcome {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    run_with_input("udp-echo-client", &[&host, &port, "-", "--timeout", LONG], input)
}

/// Runs the client with options that come before server and message.
fn ask(options: &[&str], server: SocketAddr, message: &str) -> Outcome {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    run("udp-echo-client", &[options, &[&host, &port, message]].concat())
}

/// A port where nothing listens, and nothing will as long as this socket is there: it is connected to somebody else, so that
/// no other datagram is for it.
fn refusing() -> UdpSocket {
    let (refusing, somebody) = (client(), client());
    refusing.connect(somebody.local_addr().unwrap()).unwrap();
    refusing
}

#[test]
fn each_line_is_a_datagram_of_its_own() {
    let mut received = Vec::new();
    let outcome = without_asking_twice(|| {
        let server = Peer::start(|_, data| vec![echo(data)]);
        let arguments = [&server.address.ip().to_string(), &server.address.port().to_string(), "-", "--verbose"];
        let outcome = run_with_input("udp-echo-client", &arguments, b"one\n\ntwo words\n\xff\0\x1b\n\r\nlast");
        received = server.received();
        outcome
    });
    let expected = b"echo -> one\necho -> \necho -> two words\necho -> \xff\0\x1b\necho -> \r\necho -> last\n";
    assert_eq!(outcome.stdout.as_slice(), &expected[..]);
    assert!(outcome.status.success());
    assert_eq!(received, [&b"one"[..], b"", b"two words", b"\xff\0\x1b", b"\r", b"last"]);
}

#[test]
fn no_line_is_no_datagram() {
    let server = Peer::start(|_, data| vec![echo(data)]);
    lines(server.address, b"").printed("");
    assert!(server.received().is_empty());
}

#[test]
fn a_thousand_lines_through_our_pair() {
    for prefix in ["echo -> ", ""] {
        let server = Server::start("udp-echo-server", &["--prefix", prefix]);
        let input: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let expected: String = (0..1000).map(|number| format!("{prefix}line {number}\n")).collect();
        let arguments = [&server.host(), &server.port(), "--prefix", prefix, "-"];
        run_with_input("udp-echo-client", &arguments, input.as_bytes()).printed(&expected);
        // More, if an answer took so long that the client has asked again.
        let account = server.stops_well();
        let counts = account.trim_end().strip_prefix("udp-echo-server: received ").unwrap_or_default();
        let (received, answered) = counts.split_once(", answered ").unwrap_or_else(|| panic!("{account}"));
        assert!(received == answered && received.parse::<u64>().unwrap() >= 1000, "{account}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_line_that_no_datagram_holds_is_an_error_after_those_before_it() {
    for (host, most) in [("127.0.0.1", 65_507), ("::1", 65_527)] {
        let server = Server::start("udp-echo-server", &["--host", host, "--prefix", ""]);
        let longest = "x".repeat(most);
        patient(server.address, longest.as_bytes()).printed(&format!("{longest}\n"));
        for too_long in [most + 1, 65_536, 70_000] {
            let outcome = patient(server.address, format!("before\n{}\nbehind\n", "x".repeat(too_long)).as_bytes());
            outcome.failed_with(&format!("cannot send to {}: message too long", server.address));
            assert!(outcome.stderr.contains("\nhint: a datagram holds at most 65,507 bytes over IPv4"), "{outcome:?}");
            assert_eq!(outcome.text(), "before\n");
        }
        assert_eq!(server.stops_well(), "udp-echo-server: received 4, answered 4\n");
    }
}

#[test]
fn refused_silent_and_unknown_are_three_different_errors() {
    let (refusing, silent) = (refusing(), client());
    let refused = ask(&[], refusing.local_addr().unwrap(), "x");
    refused.failed_with(&format!("cannot reach {}: connection refused", refusing.local_addr().unwrap()));
    assert!(refused.stderr.contains("\nhint: nothing listens there"), "{refused:?}");

    let address = silent.local_addr().unwrap();
    let unanswered = ask(&["--timeout", "50ms", "--retries", "2"], address, "x");
    unanswered.failed_with(&format!("cannot get a reply from {address}: silent after 3 datagrams"));
    let once = ask(&["--timeout", "1ms", "--retries", "0"], address, "x");
    once.failed_with("silent after 1 datagram and");

    // No resolver has to be asked about a name with an empty label in it.
    let unknown = run("udp-echo-client", &["no..name", "2000"]);
    unknown.failed_with(r#"cannot resolve "no..name""#);
    for outcome in [refused, unanswered, once, unknown] {
        assert!(outcome.stdout.is_empty(), "{outcome:?}");
    }
}

#[test]
fn what_is_not_answered_is_sent_again_and_no_more_than_that() {
    let answer = |number: usize, data: &[u8]| if number < 2 { Vec::new() } else { vec![echo(data)] };
    for verbose in [true, false] {
        let server = Peer::start(answer);
        // The answer, after two waits, has four seconds.
        let options = ["--timeout", "1s", "--retries", "2", "-v"];
        let options = if verbose { &options[..] } else { &options[..4] };
        let outcome = ask(options, server.address, "once more");
        assert_eq!((outcome.text().as_str(), outcome.status.code()), ("echo -> once more\n", Some(0)), "{outcome:?}");
        let said: Vec<&str> = outcome.stderr.lines().collect();
        if verbose {
            let no_reply = format!("udp-echo-client: no reply from {} within", server.address);
            let timer =
                "udp-echo-client: round trip unknown, since it was sent more than once (Karn's rule): RTO 4000.000 ms";
            let expected = [
                format!("{no_reply} 1s: sending again (1)"),
                format!("{no_reply} 2s: sending again (2)"),
                timer.to_owned(),
            ];
            assert_eq!(said, expected);
        } else {
            assert!(said.is_empty(), "{said:?}");
        }
        assert_eq!(server.received(), [b"once more"; 3]);
    }
}

#[test]
fn verbose_shows_what_the_retransmission_timer_has_learned() {
    let server = Server::start("udp-echo-server", &["--delay", "30ms"]);
    let arguments = [&server.host(), &server.port(), "-", "--verbose"];
    let outcome = without_asking_twice(|| run_with_input("udp-echo-client", &arguments, b"one\ntwo\n"));
    assert_eq!(outcome.text(), "echo -> one\necho -> two\n");
    for line in outcome.stderr.lines() {
        let ms = |name: &str| -> f64 {
            let number = line.split(name).nth(1).and_then(|rest| rest.split(" ms").next());
            number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name}: {line}"))
        };
        assert!(ms("round trip ") >= 30.0 && ms("SRTT ") >= 30.0 && ms("RTO ") >= 200.0, "{line}");
        // RFC 6298: RTO is SRTT + 4 RTTVAR, with a bound on either side.
        let sum = ms("SRTT ") + 4.0 * ms("RTTVAR ");
        assert!((ms("RTO ") - sum.clamp(200.0, 1000.0)).abs() < 0.01, "{line}");
    }
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome:?}");
}

#[test]
fn late_and_duplicate_replies_are_not_taken_for_wrong_ones() {
    // The first datagram is answered when it comes again, for each copy once; later ones after all that came before.
    let mut before: Vec<Vec<u8>> = Vec::new();
    let server = Peer::start(move |number, data| {
        before.push(echo(data));
        if number == 0 { Vec::new() } else { before.clone() }
    });
    let input: String = (0..10).map(|number| format!("line {number}\n")).collect();
    let expected: String = (0..10).map(|number| format!("echo -> line {number}\n")).collect();
    lines(server.address, input.as_bytes()).printed(&expected);
    assert!(server.received().len() >= 11);
}

#[test]
fn a_reply_that_differs_is_an_error() {
    let wrong: [&[u8]; 6] = [b"", b"echo -> ", b"Hello worl", b"echo -> Hello world!", b"other: Hello world", b"\0"];
    for reply in wrong {
        let server = Peer::start(move |_, _| vec![reply.to_vec()]);
        let outcome = ask(&[], server.address, "Hello world");
        outcome.failed_with(&format!("the reply of {}: it differs from what was sent", server.address));
        assert_eq!(outcome.stdout, [reply, b"\n"].concat());
    }
    // A plain echo is right as well, and so is a prefix that is told.
    for (prefix, reply) in [("echo -> ", "Hello world"), ("other: ", "other: Hello world")] {
        let server = Peer::start(move |_, _| vec![reply.into()]);
        ask(&["--prefix", prefix], server.address, "Hello world").printed(&format!("{reply}\n"));
    }
}

#[test]
fn only_the_server_that_was_asked_is_heard() {
    let asked = client();
    let address = asked.local_addr().unwrap();
    let other = client();
    thread::scope(|scope| {
        let outcome = scope.spawn(move || ask(&[], address, "Hello world"));
        let mut data = [0; 100];
        let (length, from) = asked.recv_from(&mut data).unwrap();
        other.send_to(b"something else", from).unwrap();
        asked.send_to(&echo(&data[..length]), from).unwrap();
        outcome.join().unwrap().printed("echo -> Hello world\n");
    });
}

#[test]
fn the_largest_reply_is_not_cut_off() {
    let largest = noise(if cfg!(target_os = "linux") { 65_507 } else { 9216 });
    let reply = largest.clone();
    let server = Peer::start(move |_, _| vec![reply.clone()]);
    let outcome = ask(&[], server.address, "x");
    outcome.failed_with("it differs from what was sent");
    assert!(outcome.stdout.strip_suffix(b"\n") == Some(&largest));
}

#[test]
fn it_ends_when_nobody_reads_its_output() {
    let server = Server::start("udp-echo-server", &[]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut client = command(program("udp-echo-client"));
    client.args([&server.host(), &server.port(), "-"]).stdin(Stdio::piped()).stdout(writer);
    let mut client = client.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"first\n").unwrap();
    let mut first = [0; 14];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"echo -> first\n");
    drop(reader);
    // Its input stays open: it ends because of its output. A process that another test is just starting may still hold a
    // copy of the reader, so one more line need not be enough.
    eventually("the client's end", || {
        let _ = stdin.write_all(b"another\n");
        client.try_wait().unwrap().is_some()
    });
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn bad_arguments_are_told_from_other_trouble() {
    let bad: [&[&str]; 6] = [
        &["localhost", "65536"],
        &["localhost", "echo"],
        &["localhost", "2000", "x", "--retries", "31"],
        &["localhost", "2000", "x", "--timeout", "0s"],
        &["localhost", "2000", "x", "--timeout", "soon"],
        &["--no-such-option"],
    ];
    for arguments in bad {
        let refused = run("udp-echo-client", arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{arguments:?}: {refused:?}");
    }
}

/// `localhost` is IPv6 first on many machines, and a server may be there for IPv4 only.
#[test]
#[cfg(target_os = "linux")]
fn a_refusal_moves_on_to_the_next_address_of_the_name() {
    use crate::namespace::{hosts, inside};
    inside(|| {
        hosts("::1 both.test\n127.0.0.1 both.test\n");
        let server = Server::start("udp-echo-server", &[]);
        run("udp-echo-client", &["both.test", &server.port(), "--timeout", LONG]).printed("echo -> Hello world\n");
        let (port, name) = (server.port(), format!("both.test:{}", server.port()));
        assert_eq!(server.stops_well(), "udp-echo-server: received 1, answered 1\n");

        let refused = run("udp-echo-client", &["both.test", &port]);
        let each = format!("{name}: [::1]:{port}: connection refused; 127.0.0.1:{port}: connection refused");
        refused.failed_with(&format!("cannot reach {each}"));
    });
}

/// A name that only a resolver could know, and there is none to be reached.
#[test]
#[cfg(target_os = "linux")]
fn an_unknown_name_is_told_apart_too() {
    crate::namespace::inside(|| {
        let mut client = command(program("udp-echo-client"));
        client.args(["no.such.host.invalid", "2000"]).env("RES_OPTIONS", "timeout:1 attempts:1");
        run_command(client, b"").failed_with(r#"cannot resolve "no.such.host.invalid""#);
    });
}
