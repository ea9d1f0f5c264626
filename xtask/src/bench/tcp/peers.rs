//! TCP's servers: ours, the yardstick, and each peer that is installed. Nothing is installed here.

use anyhow::Result;

use super::YARDSTICK;
use crate::bench::Bench;
use crate::bench::subjects::{Lineup, OURS, PORT, Subject};
use crate::bench::workshop::{Workshop, works};
use crate::programs::{self, Executables};

/// The names of those that tables and bars mention.
pub const BARE: &str = "bare epoll";
pub const GO: &str = "Go";
pub const GO_LOOP: &str = "Go, own loop";
pub const ASYNCIO: &str = "asyncio streams";
pub const ASYNCIO_PROTOCOL: &str = "asyncio protocol";
pub const UVLOOP: &str = "uvloop streams";
pub const UVLOOP_PROTOCOL: &str = "uvloop protocol";
pub const SOCAT: &str = "socat PIPE";
pub const XINETD: &str = "xinetd";
pub const NCAT: &str = "ncat";

/// Ours, in the form that the peers have: a plain echo on one address.
pub fn ours(executables: &Executables, workshop: &Workshop) -> Result<Subject> {
    ours_with(executables, workshop, OURS, &["--prefix", ""])
}

/// Ours, with other options.
pub fn ours_with(
    executables: &Executables,
    workshop: &Workshop,
    name: &'static str,
    options: &[&str],
) -> Result<Subject> {
    let program = programs::get(executables, "tcp-echo-server")?.to_string_lossy();
    let command = [&[&*program, "--host", "127.0.0.1", "--port", PORT], options].concat();
    Ok(Subject::new(name, &command, workshop))
}

/// Ours and the others that can be started.
///
/// Errors: their programs can't be written.
pub fn lineup(bench: &Bench) -> Result<Lineup> {
    let (executables, workshop) = (&bench.executables, &bench.workshop);
    let bare = programs::get(executables, YARDSTICK)?.to_string_lossy();
    let mut lineup = Lineup::of([ours(executables, workshop)?, Subject::new(BARE, &[&bare, PORT], workshop)]);
    if bench.smoke {
        return Ok(lineup);
    }
    let mut add = |is_there, subject, how_to_get: &str| lineup.add(is_there, subject, how_to_get);

    let source = workshop.write("echo.go", include_str!("peers/echo.go"))?;
    let program = workshop.0.join("echo-go").to_string_lossy().into_owned();
    let go = |name, kind| Subject::new(name, &[&program, kind, PORT], workshop);
    let is_built = works("go", &["build", "-o", &program, &source]);
    add(is_built, go(GO, "copy"), "apt install golang-go");
    add(is_built, go(GO_LOOP, "loop"), "apt install golang-go");

    let script = workshop.write("echo.py", include_str!("peers/echo.py"))?;
    let python = |name, kind, layer| Subject::new(name, &["python3", &script, kind, layer, PORT], workshop);
    let (asyncio, uvloop) = (works("python3", &["-c", "import asyncio"]), works("python3", &["-c", "import uvloop"]));
    add(asyncio, python(ASYNCIO, "asyncio", "streams"), "apt install python3");
    add(asyncio, python(ASYNCIO_PROTOCOL, "asyncio", "protocol"), "apt install python3");
    add(uvloop, python(UVLOOP, "uvloop", "streams"), "pip install uvloop");
    add(uvloop, python(UVLOOP_PROTOCOL, "uvloop", "protocol"), "pip install uvloop");

    let listen = format!("TCP-LISTEN:{PORT},bind=127.0.0.1,reuseaddr,fork,backlog=1024");
    let socat = Subject::new(SOCAT, &["socat", &listen, "PIPE"], workshop).forking();
    add(works("socat", &["-V"]), socat, "apt install socat");

    let command = ["ncat", "-l", "127.0.0.1", PORT, "-k", "-m", "2000", "-e", "/bin/cat"];
    let ncat = Subject::new(NCAT, &command, workshop).forking();
    add(works("ncat", &["--version"]), ncat, "apt install ncat");

    let path = |name| workshop.0.join(name).to_string_lossy().into_owned();
    let (settings, pid) = (path("xinetd.conf"), path("pid"));
    let command = ["xinetd", "-dontfork", "-f", &settings, "-pidfile", &pid, "-filelog", "/dev/null"];
    let settings = include_str!("peers/xinetd.conf");
    let xinetd = Subject::new(XINETD, &command, workshop).forking().with_settings("xinetd.conf", settings);
    add(works("xinetd", &["-version"]), xinetd, "apt install xinetd");
    Ok(lineup)
}
