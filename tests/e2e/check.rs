//! What `tcp-echo-client check` finds out about servers: ours, the lecture's, and other people's.

#[cfg(target_os = "linux")]
mod shortage;

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Outcome, Process, Server, command, eventually, peer, program, run, unused_port};

/// How often a server is started again on another port, when somebody else was faster to take the one it was given.
const MOST_STARTS: usize = 10;
/// What a server does not do is seen when this is over. What it does in a check like that is done long before.
const SHORT: &str = "4s";
/// What a server does is done before this is over, however busy the machine is.
const LONG: &str = "30s";
/// Checks in which everything between two processes fills up. Between ncat or socat and its child that may be the end, but
/// need not.
const FILLING: [&str; 4] = ["duplex", "late-reader", "back-pressure", "deaf-client"];
/// What a server that serves one client at a time can't do.
const AT_ONCE: [&str; 3] = ["second-client", "many-clients", "deaf-client"];

/// A server of somebody else, with all the processes that it starts.
pub struct Theirs(Process);

impl Drop for Theirs {
    fn drop(&mut self) {
        // Its children don't end with it, and some have come to stand still for ever.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
    }
}

impl Theirs {
    /// Starts a server that says on stderr where it listens: `... listening on ... 127.0.0.1:2000`.
    pub fn start(command: impl Fn(u16) -> Command) -> (Theirs, String) {
        for _ in 0..MOST_STARTS {
            let server = Theirs::started(command(unused_port()));
            let mut port = None;
            eventually("a server that says where it listens, or that somebody else does", || {
                let said = server.0.stderr();
                let whole = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
                port = whole.filter(|line| line.contains("istening on ")).find_map(port_of);
                port.is_some() || said.contains("in use")
            });
            if let Some(port) = port {
                return (server, port);
            }
        }
        panic!("{MOST_STARTS} ports that were free a moment ago were taken");
    }

    /// Starts a server that says nothing.
    pub fn started(mut command: Command) -> Theirs {
        command.process_group(0);
        Theirs(Process::start(command))
    }

    fn python(file: &str) -> Option<(Theirs, String)> {
        let python = peer("python3")?;
        let file = format!("{}/e2e/check/{file}", env!("CARGO_MANIFEST_DIR"));
        Some(Theirs::start(|_| {
            let mut command = command(&python);
            command.arg(&file);
            command
        }))
    }

    fn ncat() -> Option<(Theirs, String)> {
        let ncat = peer("ncat")?;
        Some(Theirs::start(|port| {
            let mut command = command(&ncat);
            command.args(["-v", "-l", "-k", "-e", "/bin/cat", "127.0.0.1", &port.to_string()]);
            command
        }))
    }

    fn socat() -> Option<(Theirs, String)> {
        let socat = peer("socat")?;
        Some(Theirs::start(|port| {
            let mut command = command(&socat);
            command.args(["-d", "-d", &format!("TCP-LISTEN:{port},bind=127.0.0.1,fork"), "PIPE"]);
            command
        }))
    }
}

fn port_of(line: &str) -> Option<String> {
    let port = line.trim_end().rsplit(':').next()?;
    port.parse::<u16>().ok().map(|port| port.to_string())
}

/// What TAP says.
pub struct Tap {
    pub text: String,
    pub planned: usize,
    /// The name of each check, and whether it has passed.
    pub points: Vec<(String, bool)>,
    pub bail_out: Option<String>,
    code: Option<i32>,
}

impl Tap {
    #[track_caller]
    pub fn parse(outcome: &Outcome) -> Tap {
        let text = outcome.text();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("TAP version 14"), "{outcome:?}");
        let planned = lines.next().and_then(|plan| plan.strip_prefix("1..")).unwrap().parse().unwrap();
        let mut points = Vec::new();
        for line in text.lines() {
            let (passed, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
                (Some(rest), _) => (true, rest),
                (_, Some(rest)) => (false, rest),
                _ => continue,
            };
            let (number, description) = rest.split_once(" - ").unwrap();
            assert_eq!(number, (points.len() + 1).to_string(), "{text}");
            points.push((description.split_once(": ").unwrap().0.to_owned(), passed));
        }
        let bail_out = text.lines().find_map(|line| line.strip_prefix("Bail out! ")).map(str::to_owned);
        // The last check may be the end of a server, too.
        assert!(points.len() == planned || bail_out.is_some(), "{text}");
        Tap { planned, points, bail_out, code: outcome.status.code(), text }
    }

    pub fn failed(&self) -> Vec<&str> {
        self.points.iter().filter(|(_, passed)| !passed).map(|(name, _)| name.as_str()).collect()
    }

    /// Exactly these have failed, and all were made.
    #[track_caller]
    pub fn fails(&self, names: &[&str]) {
        assert_eq!((self.failed(), &self.bail_out), (names.to_vec(), &None), "{}", self.text);
        assert_eq!(self.code, Some(i32::from(!names.is_empty())), "{}", self.text);
    }

    /// Exactly these have failed, and the last was the server's end.
    #[track_caller]
    pub fn fails_and_dies(&self, names: &[&str]) {
        assert_eq!(self.failed(), names, "{}", self.text);
        let end = format!("the server has gone since check {}", names.last().unwrap());
        assert_eq!((self.bail_out.as_deref(), self.code), (Some(end.as_str()), Some(1)), "{}", self.text);
    }
}

#[track_caller]
fn check(port: &str, timeout: &str, more: &[&str]) -> Tap {
    let outcome = run("tcp-echo-client", &[&["check", "127.0.0.1", port, "--timeout", timeout], more].concat());
    Tap::parse(&outcome)
}

/// `--only NAME` for these.
fn only<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().flat_map(|name| ["--only", name]).collect()
}

/// `--only NAME` for all but these.
fn all_but(names: &[&str]) -> Vec<String> {
    let list = run("tcp-echo-client", &["check", "--list"]).text();
    let all = list.lines().map(|line| line.split(' ').next().unwrap()).filter(|name| !names.contains(name));
    all.flat_map(|name| ["--only".to_owned(), name.to_owned()]).collect()
}

#[track_caller]
fn check_all_but(names: &[&str], port: &str) -> Tap {
    let wanted = all_but(names);
    check(port, LONG, &wanted.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn our_server_does_everything_right() {
    for (design, prefix) in [("threads", "echo -> "), ("events", "echo -> "), ("threads", "")] {
        let server = Server::start("tcp-echo-server", &["--design", design, "--prefix", prefix]);
        let tap = check(&server.port(), LONG, &[]);
        tap.fails(&[]);
        assert_eq!((tap.points.len(), tap.planned), (21, 21));
        let manner = if prefix.is_empty() {
            "# no prefix: a plain echo (RFC 862)\n"
        } else {
            "# prefix: \"echo -> \" before each piece\n"
        };
        assert!(tap.text.contains(manner), "{}", tap.text);
    }
}

#[test]
fn our_server_of_the_lectures_design_serves_one_at_a_time_but_nothing_else_is_wrong() {
    let server = Server::start("tcp-echo-server", &["--design", "iterative"]);
    check_all_but(&AT_ONCE, &server.port()).fails(&[]);
    check(&server.port(), SHORT, &only(&AT_ONCE)).fails(&AT_ONCE);
    check(&server.port(), LONG, &only(&["prefix", "reset"])).fails(&[]);
}

#[test]
fn a_server_in_the_file_system_is_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo").display().to_string();
    let host = format!("unix:{path}");
    let mut command = command(program("tcp-echo-server"));
    command.args(["--unix", &path]);
    let mut server = Process::start(command);
    assert_eq!(server.line(), format!("tcp-echo-server: listening on {host}"));
    let tap = Tap::parse(&run("tcp-echo-client", &["check", &host, "--timeout", LONG]));
    tap.fails(&[]);
    assert!(tap.text.contains("# SKIP only TCP has urgent data\n"), "{}", tap.text);
}

#[test]
fn the_lectures_server_serves_one_at_a_time_and_dies_of_a_reset() {
    let Some((_server, port)) = Theirs::python("lecture_server.py") else { return };
    check_all_but(&AT_ONCE, &port).fails_and_dies(&["urgent", "early-close"]);
    let Some((_server, port)) = Theirs::python("lecture_server.py") else { return };
    assert_eq!(check(&port, SHORT, &only(&AT_ONCE)).failed(), AT_ONCE);
}

#[test]
fn ncat_loses_the_reply_after_a_half_close() {
    let Some((_server, port)) = Theirs::ncat() else { return };
    check_all_but(&FILLING, &port).fails(&["half-close", "urgent"]);
}

#[test]
fn socat_loses_urgent_data() {
    let Some((_server, port)) = Theirs::socat() else { return };
    check_all_but(&FILLING, &port).fails(&["urgent"]);
}

#[test]
fn a_server_that_dies_of_a_reset_is_told_from_one_that_fails_ever_after() {
    let Some((_server, port)) = Theirs::python("mortal_server.py") else { return };
    let tap = check(&port, LONG, &[]);
    tap.fails_and_dies(&["early-close"]);
    assert_eq!((tap.points.len(), tap.planned), (20, 21));
    let outcome = run("tcp-echo-client", &["check", "127.0.0.1", &port]);
    assert!(outcome.text().contains(&format!("Bail out! cannot connect to 127.0.0.1:{port}: connection refused\n")));
    outcome.failed_with("connection refused");
}

/// It lets everybody in, and says nothing.
#[test]
fn ctrl_c_ends_a_run_with_what_there_is_to_tell() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut client = command(program("tcp-echo-client"));
        client.args(["check", "127.0.0.1", &port, "--timeout", LONG]);
        let mut client = Process::start(client);
        while client.line() != format!("# server: 127.0.0.1:{port}") {}
        client.signal(signal);
        let (status, stdout, stderr) = client.finish();
        assert_eq!((status.code(), stderr.as_str()), (Some(code), ""), "{stdout}");
        assert!(stdout.ends_with("\nBail out! interrupted\n"), "{stdout}");
    }
}

#[test]
fn a_right_server_in_python_is_right() {
    let Some((_server, port)) = Theirs::python("asyncio_server.py") else { return };
    check(&port, LONG, &[]).fails(&[]);
}

#[test]
fn the_document_says_what_tap_says_and_has_the_form_it_should() {
    let Some((_server, port)) = Theirs::python("mortal_server.py") else { return };
    let tap = check(&port, LONG, &[]);
    let Some((_server, port)) = Theirs::python("mortal_server.py") else { return };
    let arguments = ["check", "127.0.0.1", &port, "--timeout", LONG, "--json"];
    let outcome = run("tcp-echo-client", &arguments);
    assert_eq!(outcome.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let points: Vec<(String, bool)> =
        checks.iter().map(|check| (check["name"].as_str().unwrap().to_owned(), check["verdict"] != "failed")).collect();
    assert_eq!(points, tap.points);
    assert_eq!((document["passed"].as_u64(), document["failed"].as_u64()), (Some(19), Some(1)));
    assert_eq!((document["planned"].as_u64(), document["skipped"].as_u64()), (Some(21), Some(0)));
    assert_eq!(document["bail_out"].as_str(), tap.bail_out.as_deref());
    assert_eq!((document["kind"].as_str(), document["target"]["host"].as_str()), (Some("check"), Some("127.0.0.1")));

    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/common/report.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let checked = &schema["$defs"]["checked"];
    assert_eq!(document["schema"], schema["properties"]["schema"]["const"]);
    assert_eq!(keys(&document), keys(&checked["properties"]));
    assert_eq!(keys(&document["target"]), keys(&schema["$defs"]["target"]["properties"]));
    for check in checks {
        assert_eq!(keys(check), keys(&checked["properties"]["checks"]["items"]["properties"]));
    }
}

fn keys(object: &Value) -> Vec<&String> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().collect();
    keys.sort();
    keys
}
