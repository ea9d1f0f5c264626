//! UDP's servers: ours, the yardstick, and each peer that is installed. Nothing is installed here.

use anyhow::Result;

use super::YARDSTICK;
use crate::bench::Bench;
use crate::bench::subjects::{Lineup, OURS, PORT, Subject};
use crate::bench::workshop::works;
use crate::programs;

/// The names of those that tables and bars mention.
pub const SIMPLE: &str = "ours, simple";
pub const PLAIN: &str = "plain loop";
pub const GO: &str = "Go";
pub const PYTHON: &str = "Python";
pub const ASYNCIO: &str = "asyncio";
pub const XINETD: &str = "xinetd";
pub const INETD: &str = "inetd";

/// The port that inetd's own echo service has: it goes by the name of the service, and so by /etc/services.
const ECHO_PORT: u16 = 7;
/// inetd puts itself into the background. So it gets a small world of its own, which ends together with the command; and
/// which ends in any case.
const INETD_IN_FRONT: &str = "inetutils-inetd -p\"$1\" \"$2\" && exec sleep 600";

/// Ours, in the form that the peers have: a plain echo on one address, that doesn't mind to be asked the same again and again.
fn ours(bench: &Bench, name: &'static str, design: &str) -> Result<Subject> {
    let mut subject = ours_guarded(bench, name, design)?;
    subject.command.extend(["--no-loop-guard", "--rate-limit", "off"].map(str::to_owned));
    Ok(subject)
}

/// Ours, with all its guards.
pub fn ours_guarded(bench: &Bench, name: &'static str, design: &str) -> Result<Subject> {
    let program = programs::get(&bench.executables, "udp-echo-server")?.to_string_lossy();
    let command = [&*program, "--host", "127.0.0.1", "--port", PORT, "--prefix", "", "--design", design];
    Ok(Subject::new(name, &command, &bench.workshop).with_datagrams())
}

/// Ours and the others that can be started.
///
/// Errors: their programs can't be written.
pub fn lineup(bench: &Bench) -> Result<Lineup> {
    let workshop = &bench.workshop;
    let subject = |name, command: &[&str]| Subject::new(name, command, workshop).with_datagrams();
    let path = |name| workshop.0.join(name).to_string_lossy().into_owned();

    let plain = programs::get(&bench.executables, YARDSTICK)?.to_string_lossy();
    let both = [ours(bench, OURS, "batch")?, ours(bench, SIMPLE, "simple")?];
    let mut lineup = Lineup::of(both);
    lineup.add(true, subject(PLAIN, &[&plain, PORT]), "");

    if bench.smoke {
        return Ok(lineup);
    }
    let source = workshop.write("udp.go", include_str!("peers/udp.go"))?;
    let program = path("udp-go");
    let is_built = works("go", &["build", "-o", &program, &source]);
    lineup.add(is_built, subject(GO, &[&program, PORT]), "apt install golang-go");

    let script = workshop.write("udp.py", include_str!("peers/udp.py"))?;
    let has_python = works("python3", &["-c", "import asyncio"]);
    lineup.add(has_python, subject(PYTHON, &["python3", &script, "loop", PORT]), "apt install python3");
    lineup.add(has_python, subject(ASYNCIO, &["python3", &script, "asyncio", PORT]), "apt install python3");

    let (settings, pid) = (path("xinetd.conf"), path("pid"));
    let command = ["xinetd", "-dontfork", "-f", &settings, "-pidfile", &pid, "-filelog", "/dev/null"];
    let xinetd = subject(XINETD, &command).with_settings("xinetd.conf", include_str!("peers/xinetd.conf"));
    lineup.add(works("xinetd", &["-version"]), xinetd, "apt install xinetd");

    let settings = workshop.write("inetd.conf", include_str!("peers/inetd.conf"))?;
    let world = ["unshare", "--pid", "--fork", "--kill-child"];
    let command = [&world[..], &["sh", "-c", INETD_IN_FRONT, "inetd", &pid, &settings]].concat();
    let is_there = works("inetutils-inetd", &["--version"]) && works(world[0], &[&world[1..], &["true"]].concat());
    let how_to_get = "apt install inetutils-inetd, and be root";
    lineup.add(is_there, subject(INETD, &command).at_port(ECHO_PORT), how_to_get);
    Ok(lineup)
}
