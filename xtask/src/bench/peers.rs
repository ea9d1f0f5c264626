//! The servers that are compared: ours, the yardstick, and each peer that is installed. Nothing is installed here.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::measure;
use crate::programs::{self, Executables};

/// The names of those that tables and bars mention.
pub const OURS: &str = "ours";
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

/// How long a server may take until it can be connected to.
const READY: Duration = Duration::from_secs(10);
/// What in a command stands for the port.
const PORT: &str = "{port}";

/// A directory for the peers' programs and settings, which is removed with them.
pub struct Workshop(pub PathBuf);

impl Workshop {
    /// Errors: there is no room for it.
    pub fn open() -> Result<Workshop> {
        let directory = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| format!("cannot make the directory {}", directory.display()))?;
        Ok(Workshop(directory))
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that can be started.
#[derive(Clone)]
pub struct Subject {
    pub name: &'static str,
    pub command: Vec<String>,
    /// It has a process for each connection.
    pub forks: bool,
    /// What goes before each of its replies.
    pub prefix: &'static str,
    directory: PathBuf,
    settings: Option<&'static str>,
}

impl Subject {
    fn new(name: &'static str, command: &[&str], workshop: &Workshop) -> Subject {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Subject { name, command, forks: false, prefix: "", directory: workshop.0.clone(), settings: None }
    }

    /// The same, with this before each of its replies.
    pub fn with_prefix(self, prefix: &'static str) -> Subject {
        Subject { prefix, ..self }
    }

    /// The most processes that it has while nobody is connected to it.
    pub fn at_rest(&self) -> usize {
        if self.forks { 1 } else { usize::MAX }
    }

    /// The command as one types it, without the directories of what was built or written here, and with PORT for the port.
    pub fn shown(&self) -> String {
        let words = self.command.iter().enumerate().map(|(at, word)| match Path::new(word).file_name() {
            _ if word.is_empty() => "''".to_owned(),
            Some(name) if at == 0 || Path::new(word).starts_with(&self.directory) => {
                name.to_string_lossy().into_owned()
            }
            _ => word.replace(PORT, "PORT"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Starts it on one processor, and waits until it can be connected to.
    ///
    /// Errors: it can't be started, or isn't ready in time; with what it said.
    pub fn start(&self, core: usize) -> Result<Server> {
        self.start_under(&["taskset", "-c", &core.to_string()])
    }

    /// As [`Self::start`], under another program that becomes it.
    pub fn start_under(&self, under: &[&str]) -> Result<Server> {
        let port = free_port()?;
        if let Some(settings) = self.settings {
            let path = self.directory.join("settings");
            fs::write(&path, settings.replace(PORT, &port.to_string())).context("cannot write the settings")?;
        }
        let said = self.directory.join("said");
        let stderr = File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
        let words = under.iter().map(|word| (*word).to_owned()).chain(self.command.iter().cloned());
        let words: Vec<String> = words.map(|word| word.replace(PORT, &port.to_string())).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().with_context(|| format!("cannot start {}", words[0]))?;
        let mut server = Server { child, port };
        let deadline = Instant::now() + READY;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = server.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() >= deadline {
                let said = fs::read_to_string(&said).unwrap_or_default();
                bail!("cannot start {}: it is not ready in time; it said: {}", self.name, said.trim());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

/// A server that runs. Dropped, it is killed, with all that it has forked.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits for its end.
    ///
    /// Errors: it doesn't end in time.
    pub fn stop(mut self) -> Result<()> {
        signal("-TERM", &[self.id()]);
        let deadline = Instant::now() + READY;
        while self.child.try_wait().context("cannot wait for the server")?.is_none() {
            ensure!(Instant::now() < deadline, "the server does not stop");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Once it has ended and was waited for, its id may be another's.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // Stopped first: what it forked after a look at its children would stay behind.
            signal("-STOP", &[self.id()]);
            let children = &measure::family(self.id())[1..];
            let _ = self.child.kill();
            if !children.is_empty() {
                signal("-KILL", children);
            }
        }
        let _ = self.child.wait();
    }
}

fn signal(signal: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    let _ = Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status();
}

/// A port that nobody has at the moment. Some peers can't be asked which one they chose themselves.
fn free_port() -> Result<u16> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(socket.local_addr().context("cannot find a free port")?.port())
}

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

/// The others: those that can be started, and a line on how to get each that can't.
///
/// Errors: their programs can't be written.
pub fn others(executables: &Executables, workshop: &Workshop) -> Result<(Vec<Subject>, Vec<String>)> {
    let bare = programs::get(executables, "bare_epoll")?.to_string_lossy();
    let mut there = vec![Subject::new(BARE, &[&bare, PORT], workshop)];
    let mut missing = Vec::new();
    let mut add = |is_there: bool, subject: Subject, how_to_get: &str| match is_there {
        true => there.push(subject),
        false => missing.push(format!("{} is not here; to have it: {how_to_get}", subject.name)),
    };

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
    let socat = Subject { forks: true, ..Subject::new(SOCAT, &["socat", &listen, "PIPE"], workshop) };
    add(works("socat", &["-V"]), socat, "apt install socat");

    let command = ["ncat", "-l", "127.0.0.1", PORT, "-k", "-m", "2000", "-e", "/bin/cat"];
    let ncat = Subject { forks: true, ..Subject::new(NCAT, &command, workshop) };
    add(works("ncat", &["--version"]), ncat, "apt install ncat");

    let path = |name| workshop.0.join(name).to_string_lossy().into_owned();
    let (settings, pid) = (path("settings"), path("pid"));
    let command = ["xinetd", "-dontfork", "-f", &settings, "-pidfile", &pid, "-filelog", "/dev/null"];
    let xinetd = Subject::new(XINETD, &command, workshop);
    let xinetd = Subject { forks: true, settings: Some(include_str!("peers/xinetd.conf")), ..xinetd };
    add(works("xinetd", &["-version"]), xinetd, "apt install xinetd");
    Ok((there, missing))
}

/// Whether a command is there and succeeds.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let workshop = Workshop(PathBuf::from("/nowhere"));
        let command = ["/a/b/server", "--port", PORT, "--prefix", "", "/dev/null", "/nowhere/settings"];
        let shown = "server --port PORT --prefix '' /dev/null settings";
        assert_eq!(Subject::new(OURS, &command, &workshop).shown(), shown);
    }

    #[test]
    fn a_program_that_is_not_there_does_not_work() {
        assert!(!works("there-is-no-such-program", &[]));
    }
}
