//! What `udp-echo-client check` finds out about servers: ours, the lecture's, and other people's.

use crate::check::{Tap, Theirs};
use crate::harness::{Process, Server, command, eventually, peer, program, run};

/// What a server does not do is seen when this is over.
const SHORT: &str = "3s";
/// What a server does is done before this is over, however busy the machine is.
const LONG: &str = "30s";
const CHECKS: usize = 18;

#[track_caller]
fn check(host: &str, port: &str, timeout: &str, more: &[&str]) -> Tap {
    let outcome = run("udp-echo-client", &[&["check", host, port, "--timeout", timeout], more].concat());
    Tap::parse(&outcome)
}

/// Of all checks exactly the wrong ones fail: those of them that end in silence take their time, and are asked for apart; and so
/// are those that fail by chance.
#[track_caller]
fn fails(port: &str, wrong: &[&str], silent: &[&str], by_chance: &[&str]) {
    let wrong: Vec<&str> =
        wrong.iter().copied().filter(|name| !silent.contains(name) && !by_chance.contains(name)).collect();
    let list = run("udp-echo-client", &["check", "--list"]).text();
    let all = list.lines().map(|line| line.split(' ').next().unwrap());
    let others = all.filter(|name| !silent.contains(name) && !by_chance.contains(name));
    let others: Vec<&str> = others.flat_map(|name| ["--only", name]).collect();
    check("127.0.0.1", port, LONG, &others).fails(&wrong);
    fails_by_chance(port, by_chance);
    if !silent.is_empty() {
        let only: Vec<&str> = silent.iter().flat_map(|name| ["--only", name]).collect();
        check("127.0.0.1", port, SHORT, &only).fails(silent);
    }
}

/// Who makes one of two datagrams does so when both have come before it has its turn: on a busy machine not each time. And a thread
/// overtakes another when it so happens. These checks fail sooner or later.
#[track_caller]
fn fails_by_chance(port: &str, wrong: &[&str]) {
    for name in wrong {
        eventually(&format!("a failure of {name}"), || {
            check("127.0.0.1", port, LONG, &["--only", name]).failed() == [*name]
        });
    }
}

/// Somebody else's server, in a process group of its own.
fn theirs(name: &str, arguments: impl Fn(u16) -> Vec<String>) -> Option<(Theirs, String)> {
    let path = peer(name)?;
    Some(Theirs::start(|port| {
        let mut command = command(&path);
        command.args(arguments(port));
        command
    }))
}

fn python(file: &str) -> Option<(Theirs, String)> {
    let file = format!("{}/e2e/{file}", env!("CARGO_MANIFEST_DIR"));
    theirs("python3", |_| vec![file.clone()])
}

#[test]
fn our_server_does_everything_right() {
    for design in ["simple", "batch"] {
        for (host, prefix) in [("127.0.0.1", "echo -> "), ("::1", ""), ("", "echo -> "), ("", "")] {
            let server = Server::start("udp-echo-server", &["--design", design, "--host", host, "--prefix", prefix]);
            let tap = check(&server.host(), &server.port(), LONG, &[]);
            tap.fails(&[]);
            assert_eq!((tap.points.len(), tap.planned), (CHECKS, CHECKS));
            let manner = match prefix {
                "" => "# no prefix: a plain echo (RFC 862)\n",
                _ => "# prefix: \"echo -> \" before each reply\n",
            };
            assert!(tap.text.contains(manner), "{}", tap.text);
        }
    }
}

/// The way there and back, a hundred times, takes longer than a check may take on this machine.
#[test]
fn our_server_does_so_from_far_away_too() {
    let server = Server::start("udp-echo-server", &["--host", "127.0.0.1", "--delay", "50ms"]);
    check(&server.host(), &server.port(), "4s", &[]).fails(&[]);
}

#[test]
fn a_server_in_the_file_system_is_checked_and_measured_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo").display().to_string();
    let host = format!("unix:{path}");
    let mut server = command(program("udp-echo-server"));
    server.args(["--unix", &path]);
    let mut server = Process::start(server);
    assert_eq!(server.line(), format!("udp-echo-server: listening on {host}"));
    let names = folder.path().join("names");
    // On Linux a client's name is in no file system: it makes no difference that the folder isn't there.
    if !cfg!(target_os = "linux") {
        std::fs::create_dir(&names).unwrap();
    }
    let client = |arguments: &[&str]| {
        let mut client = command(program("udp-echo-client"));
        client.args(arguments).env("TMPDIR", &names);
        crate::harness::run_command(client, b"")
    };
    client(&[&host]).printed("echo -> Hello world\n");
    let tap = Tap::parse(&client(&["check", &host, "--timeout", LONG]));
    tap.fails(&[]);
    assert!(tap.text.contains("# SKIP in the file system there are no other addresses\n"), "{}", tap.text);
    // No more at once than the queue of such a socket holds: who waits for room in vain for 10 ms has not sent a request.
    let load = ["load", &host, "--count", "300", "--window", "8"];
    for arguments in [&["ping", &host, "--count", "3", "--interval", "1ms"][..], &load] {
        let outcome = client(&[arguments, &["--timeout", LONG]].concat());
        assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    }
    assert_eq!(std::fs::read_dir(&names).map_or(0, Iterator::count), 0, "somebody leaves a name behind");
    let misused = client(&["ping", &host, "--count", "1", "--df"]);
    assert_eq!(misused.status.code(), Some(2), "{misused:?}");
    server.signal("TERM");
    assert!(server.finish().0.success());
    client(&[&host]).failed_with(&format!("cannot reach {host}: no such file or directory"));
}

/// The checks that each server fails which is not right, with its usual command line: it listens on every interface.
const LECTURE: [&str; 6] = ["packet", "fragments", "large", "largest", "source", "empty"];
const SOCAT: [&str; 7] = ["boundaries", "burst", "large", "largest", "source", "many-clients", "empty"];
const NCAT: [&str; 8] = ["boundaries", "burst", "large", "largest", "source", "many-clients", "in-turn", "empty"];
/// Of these, what a pipe does to datagrams.
const GLUED: [&str; 2] = ["boundaries", "burst"];
const PYTHON: [&str; 4] = ["order", "large", "largest", "source"];
const INETD: [&str; 3] = ["large", "largest", "source"];
const XINETD: [&str; 5] = ["burst", "fragments", "large", "largest", "source"];

#[test]
fn no_two_servers_fail_the_same() {
    let mut lists = [&LECTURE[..], &SOCAT, &NCAT, &PYTHON, &INETD, &XINETD, &[]];
    lists.sort();
    assert!(lists.windows(2).all(|pair| pair[0] != pair[1]), "{lists:?}");
}

#[test]
fn the_lectures_server_has_a_small_buffer_and_ends_with_an_empty_datagram() {
    let Some((_server, port)) = python("lecture/udpserver.py") else { return };
    check("127.0.0.1", &port, LONG, &[]).fails_and_dies(&LECTURE);
}

#[test]
fn socat_makes_a_stream_of_datagrams_and_a_process_of_each_client() {
    let server =
        theirs("socat", |port| ["-d", "-d", &format!("UDP4-LISTEN:{port},fork"), "PIPE"].map(str::to_owned).to_vec());
    let Some((_server, port)) = server else { return };
    fails(&port, &SOCAT, &["many-clients", "empty"], &GLUED);
}

#[test]
fn ncat_does_so_too_and_has_no_more_processes_after_a_hundred_clients() {
    let server = theirs("ncat", |port| {
        let port = port.to_string();
        ["-v", "-u", "-l", "-k", "-e", "/bin/cat", &port].map(str::to_owned).to_vec()
    });
    let Some((_server, port)) = server else { return };
    let silent = ["many-clients", "empty"];
    let gentle = ["order", "fragments", "large", "largest", "source", "second-client", "interleaved", "vanished"];
    let only: Vec<&str> = gentle.into_iter().flat_map(|name| ["--only", name]).collect();
    let wrong: Vec<&str> = NCAT.into_iter().filter(|name| gentle.contains(name)).collect();
    check("127.0.0.1", &port, LONG, &only).fails(&wrong);
    fails_by_chance(&port, &GLUED);
    check("127.0.0.1", &port, SHORT, &["--only", "many-clients", "--only", "empty"]).fails(&silent);
    let tap = check("127.0.0.1", &port, "10s", &["--only", "in-turn"]);
    assert_eq!(tap.failed(), ["in-turn"], "{}", tap.text);
    assert_eq!(tap.bail_out.as_deref(), Some("the server serves nobody any more since check in-turn"));
}

#[test]
fn pythons_threading_server_cuts_large_datagrams_and_its_replies_overtake_each_other() {
    let Some((_server, port)) = python("udp_check/threading_server.py") else { return };
    fails(&port, &PYTHON, &[], &["order"]);
    // Whichever of its addresses is asked: what is wrong with it is the same.
    if cfg!(target_os = "linux") {
        check("127.0.0.2", &port, LONG, &["--only", "small", "--only", "source"]).fails(&["source"]);
        let outcome = run("udp-echo-client", &["127.0.0.2", &port, "--timeout", "1s", "--retries", "1"]);
        outcome.failed_with(&format!("; 127.0.0.1:{port} answers instead, which was not asked"));
    }
}

/// Where it may have the port that /etc/services has for echo, and every address.
#[test]
#[cfg(target_os = "linux")]
fn inetd_answers_from_the_wrong_address_as_well() {
    let Some(inetd) = peer("inetutils-inetd") else { return };
    crate::namespace::inside(move || {
        let folder = tempfile::tempdir().unwrap();
        let (settings, process) = (folder.path().join("inetd.conf"), folder.path().join("inetd.pid"));
        std::fs::write(&settings, "echo dgram udp wait root internal\n").unwrap();
        let mut server = command(&inetd);
        // In the foreground, where it says what it does.
        server.args(["-d", &format!("--pidfile={}", process.display())]).arg(&settings);
        let _server = Process::start(server);
        answers_at_echo();
        fails("7", &INETD, &[], &[]);
        hears_the_wrong_source();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn xinetd_has_a_smaller_buffer_still_and_throws_away_what_comes_while_it_answers() {
    let Some(xinetd) = peer("xinetd") else { return };
    crate::namespace::inside(move || {
        let folder = tempfile::tempdir().unwrap();
        let (settings, process) = (folder.path().join("xinetd.conf"), folder.path().join("xinetd.pid"));
        std::fs::write(&settings, XINETD_SETTINGS).unwrap();
        let mut server = command(&xinetd);
        server.args(["-dontfork", "-filelog", "/dev/null", "-f"]).arg(&settings).arg("-pidfile").arg(process);
        let _server = Process::start(server);
        answers_at_echo();
        let only: Vec<&str> = XINETD.iter().flat_map(|name| ["--only", name]).collect();
        check("127.0.0.1", "7", SHORT, &only).fails(&XINETD);
        // Its one thread can't be in disorder.
        check("127.0.0.1", "7", "8s", &["--only", "order"]).fails(&[]);
        hears_the_wrong_source();
    });
}

#[cfg(target_os = "linux")]
fn answers_at_echo() {
    eventually("an answer", || run("udp-echo-client", &["127.0.0.1", "7"]).status.success());
}

#[cfg(target_os = "linux")]
fn hears_the_wrong_source() {
    let ping = ["ping", "127.0.0.2", "7", "--count", "2", "--interval", "200ms", "--timeout", SHORT];
    let outcome = run("udp-echo-client", &ping);
    assert!(outcome.text().contains(" from a wrong source, time "), "{outcome:?}");
}

/// The neighbour's name is asked for, and nobody says that it is his: the kernel gives up after three seconds.
#[test]
#[cfg(target_os = "linux")]
fn a_neighbour_that_is_not_there_is_told_as_such_and_not_as_a_silent_one() {
    crate::namespace::inside(|| {
        crate::namespace::ip("link add here type veth peer name there");
        crate::namespace::ip("address add 10.9.9.1/24 dev here");
        crate::namespace::ip("link set here up");
        crate::namespace::ip("link set there up");
        let outcome = run("udp-echo-client", &["10.9.9.2", "7", "--timeout", "1s", "--retries", "4"]);
        outcome.failed_with("cannot reach 10.9.9.2:7: no route to host");
    });
}

/// xinetd's own echo service.
#[cfg(target_os = "linux")]
const XINETD_SETTINGS: &str = "
service echo
{
    type = INTERNAL UNLISTED
    id = echo-dgram
    socket_type = dgram
    protocol = udp
    port = 7
    wait = yes
    disable = no
    cps = 1000000 1
}
";
