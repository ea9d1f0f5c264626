//! What `udp-echo-client check` finds out about servers: ours, the lecture's, and other people's.

use crate::check::{Tap, Theirs};
use crate::harness::{Process, Server, any_peer, command, eventually, peer, program, run};

/// What a server does not do is seen when this is over.
const SHORT: &str = "3s";
/// What a server does is done before this is over, however busy the machine is.
const LONG: &str = "30s";
const CHECKS: usize = 17;

#[track_caller]
fn check(host: &str, port: &str, timeout: &str, more: &[&str]) -> Tap {
    let outcome = run("udp-echo-client", &[&["check", host, port, "--timeout", timeout], more].concat());
    Tap::parse(&outcome)
}

/// Of these checks exactly these fail, and the others of all pass: what is silence takes its time, and is asked for apart; and so
/// is what fails by chance.
#[track_caller]
fn fails(port: &str, wrong: &[&str], silent: &[&str], by_chance: &[&str]) {
    let list = run("udp-echo-client", &["check", "--list"]).text();
    let all = list.lines().map(|line| line.split(' ').next().unwrap());
    let others = all.filter(|name| !silent.contains(name) && !by_chance.contains(name));
    let others: Vec<&str> = others.flat_map(|name| ["--only", name]).collect();
    check("127.0.0.1", port, LONG, &others).fails(wrong);
    fails_by_chance(port, by_chance);
    if !silent.is_empty() {
        let only: Vec<&str> = silent.iter().flat_map(|name| ["--only", name]).collect();
        check("127.0.0.1", port, SHORT, &only).fails(silent);
    }
}

/// Who makes one of two datagrams does so when both have come before it has its turn: on a busy machine not each time. These checks
/// fail sooner or later.
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
    for arguments in [&["ping", &host, "--count", "3", "--interval", "1ms"][..], &["load", &host, "--count", "300"]] {
        let outcome = client(&[arguments, &["--timeout", LONG]].concat());
        assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    }
    assert_eq!(std::fs::read_dir(&names).map_or(0, Iterator::count), 0, "somebody leaves a name behind");
    client(&["ping", &host, "--count", "1", "--df"]).failed_with("operation not supported");
    server.signal("TERM");
    assert!(server.finish().0.success());
    client(&[&host]).failed_with(&format!("cannot reach {host}: no such file or directory"));
}

#[test]
fn the_lectures_server_has_a_small_buffer_and_ends_with_an_empty_datagram() {
    let Some((_server, port)) = python("lecture/udpserver.py") else { return };
    let tap = check("127.0.0.1", &port, LONG, &[]);
    tap.fails_and_dies(&["packet", "fragments", "large", "largest", "empty"]);
}

#[test]
fn socat_makes_a_stream_of_datagrams_and_a_process_of_each_client() {
    let server = theirs("socat", |port| {
        ["-d", "-d", &format!("UDP4-LISTEN:{port},bind=127.0.0.1,fork"), "PIPE"].map(str::to_owned).to_vec()
    });
    let Some((_server, port)) = server else { return };
    fails(&port, &["large", "largest"], &["many-clients", "empty"], &["boundaries", "burst"]);
}

#[test]
fn ncat_does_so_too_and_has_no_more_processes_after_a_hundred_clients() {
    let server = theirs("ncat", |port| {
        let port = port.to_string();
        ["-v", "-u", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", &port].map(str::to_owned).to_vec()
    });
    let Some((_server, port)) = server else { return };
    let only: Vec<&str> = ["fragments", "large", "largest", "source", "second-client", "interleaved", "vanished"]
        .into_iter()
        .flat_map(|name| ["--only", name])
        .collect();
    check("127.0.0.1", &port, LONG, &only).fails(&["large", "largest"]);
    fails_by_chance(&port, &["boundaries", "burst"]);
    check("127.0.0.1", &port, SHORT, &["--only", "many-clients", "--only", "empty"]).fails(&["many-clients", "empty"]);
    let tap = check("127.0.0.1", &port, "10s", &["--only", "in-turn"]);
    assert_eq!(tap.failed(), ["in-turn"], "{}", tap.text);
    assert_eq!(tap.bail_out.as_deref(), Some("the server serves nobody any more since check in-turn"));
}

#[test]
fn pythons_threading_server_cuts_large_datagrams_and_is_right_in_all_else() {
    let Some((_server, port)) = python("udp_check/threading_server.py") else { return };
    fails(&port, &["large", "largest"], &[], &[]);
}

/// Where it may have the port that /etc/services has for echo, and every address.
#[test]
#[cfg(target_os = "linux")]
fn inetd_answers_from_the_wrong_address_as_well() {
    let Some(inetd) = any_peer(&["inetutils-inetd", "xinetd"]) else { return };
    crate::namespace::inside(move || {
        let folder = tempfile::tempdir().unwrap();
        let (settings, process) = (folder.path().join("inetd.conf"), folder.path().join("inetd.pid"));
        let is_xinetd = inetd.ends_with("xinetd");
        std::fs::write(&settings, if is_xinetd { XINETD } else { "echo dgram udp4 wait root internal\n" }).unwrap();
        let mut server = command(&inetd);
        match is_xinetd {
            true => {
                server.args(["-dontfork", "-filelog", "/dev/null", "-f"]).arg(&settings).arg("-pidfile").arg(process)
            }
            // In the foreground, where it says what it does.
            false => server.args(["-d", &format!("--pidfile={}", process.display())]).arg(&settings),
        };
        let _server = Process::start(server);
        eventually("an answer", || run("udp-echo-client", &["127.0.0.1", "7"]).status.success());
        if is_xinetd {
            // Its buffer is smaller still; and what has come while it answers one it throws away.
            let wrong = ["burst", "fragments", "large", "largest", "source"];
            let only: Vec<&str> = wrong.iter().flat_map(|name| ["--only", name]).collect();
            check("127.0.0.1", "7", SHORT, &only).fails(&wrong);
        } else {
            fails("7", &["large", "largest", "source"], &[], &[]);
        }
        let ping = ["ping", "127.0.0.2", "7", "--count", "2", "--interval", "200ms", "--timeout", SHORT];
        let outcome = run("udp-echo-client", &ping);
        assert!(outcome.text().contains(" from a wrong source, time "), "{outcome:?}");
    });
}

/// xinetd's own echo service.
#[cfg(target_os = "linux")]
const XINETD: &str = "
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
