//! Starting programs, talking to them, and never waiting for ever.

pub mod http;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The bound on everything that should happen at once. A machine under load may take this long; a program that hangs takes
/// longer.
pub const SOON: Duration = Duration::from_secs(30);

/// The executable of one of our programs, or of the example `browser`, as it has just been built.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match std::env::var("E2E_PROGRAMS") {
        Ok(json) => serde_json::from_str(&json).expect("E2E_PROGRAMS maps names to paths"),
        Err(_) => build(),
    });
    built.get(name).unwrap_or_else(|| panic!("{name} is not among the programs that were built: {built:?}")).clone()
}

/// Builds all programs and returns what cargo says it has built: a file that lies around may be an old one.
fn build() -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--examples", "--message-format=json-render-diagnostics"]);
    for name in ["tcp-echo-server", "tcp-echo-client", "udp-echo-server", "udp-echo-client", "tiny-web"] {
        command.args(["--package", name]);
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the programs don't build");
    let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = messages.map(|line| serde_json::from_slice::<serde_json::Value>(line).expect("cargo speaks JSON"));
    messages
        .filter_map(|message| {
            Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

/// A command for `program`, which dies with the test that starts it, even if the test is killed.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let works = || Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).status().is_ok_and(|s| s.success());
    if !*SETPRIV.get_or_init(works) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A process that is killed when the test is done with it, and whose stdout and stderr are gathered all the while.
pub struct Process {
    child: Child,
    name: String,
    stdout: Receiver<String>,
    stdout_so_far: String,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the command, with its input empty.
    pub fn start(command: Command) -> Process {
        Process::start_with(command, Stdio::null())
    }

    /// Starts the command, with this for its input.
    pub fn start_with(mut command: Command, stdin: impl Into<Stdio>) -> Process {
        let name = format!("{command:?}");
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (lines, stdout) = channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&stderr);
        let readers = vec![
            thread::spawn(move || {
                let mut line = Vec::new();
                while out.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                    if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                    line.clear();
                }
            }),
            thread::spawn(move || {
                let mut some = [0; 4096];
                while let Ok(length @ 1..) = err.read(&mut some) {
                    gathered.lock().unwrap().extend_from_slice(&some[..length]);
                }
            }),
        ];
        Process { child, name, stdout, stdout_so_far: String::new(), stderr, readers }
    }

    /// The next line on stdout, without its end.
    pub fn line(&mut self) -> String {
        self.line_or_end().unwrap_or_else(|| panic!("{} says nothing more; stderr: {}", self.name, self.stderr()))
    }

    /// As [`Process::line`]; None: stdout has come to its end.
    pub fn line_or_end(&mut self) -> Option<String> {
        match self.stdout.recv_timeout(SOON) {
            Err(RecvTimeoutError::Disconnected) => None,
            line => {
                let line =
                    line.unwrap_or_else(|_| panic!("{} says nothing more; stderr: {}", self.name, self.stderr()));
                self.stdout_so_far += &line;
                Some(line.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }

    /// What has been written to stderr up to now.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// Waits until stderr contains `text`.
    pub fn stderr_has(&self, text: &str) {
        eventually(&format!("{text:?} on the stderr of {}", self.name), || self.stderr().contains(text));
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, signal: &str) {
        signal_process(self.id(), signal);
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for_end(&mut self.child, &self.name)
    }

    /// Waits for the end and returns the status, all of stdout and all of stderr.
    pub fn finish(mut self) -> (ExitStatus, String, String) {
        let status = self.wait();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let rest: String = self.stdout.try_iter().collect();
        let stdout = std::mem::take(&mut self.stdout_so_far) + &rest;
        (status, stdout, self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test has started.
pub fn signal_process(id: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{signal} to {id}");
}

/// One of our servers, ready to serve.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it listens: the address to use for a client of this machine.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port of the loopback address and waits for its ready line.
    pub fn start(name: &str, arguments: &[&str]) -> Server {
        let mut command = command(program(name));
        command.args(["--port", "0"]).args(arguments);
        if !arguments.contains(&"--host") {
            command.args(["--host", "127.0.0.1"]);
        }
        Server::ready(name, command)
    }

    /// Starts a server as `command` says, and waits for its ready line, which is the first on stdout.
    pub fn ready(name: &str, command: Command) -> Server {
        let mut process = Process::start(command);
        let line = process.line();
        let address = line.strip_prefix(&format!("{name}: listening on ")).unwrap_or_else(|| panic!("{line:?}"));
        let mut address: SocketAddr = address.parse().unwrap_or_else(|_| panic!("{line:?}"));
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        process.line(); // who can reach it
        Server { process, address }
    }

    /// The port it listens on.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The host it listens on.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// A TCP connection to it, whose calls end soon.
    pub fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    /// Asks it to stop, and returns the status, stdout and stderr.
    pub fn stop(self) -> (ExitStatus, String, String) {
        self.process.signal("TERM");
        self.finish()
    }

    /// Waits for its end, and returns the status, stdout and stderr.
    pub fn finish(self) -> (ExitStatus, String, String) {
        self.process.finish()
    }

    /// Asks it to stop; it has to end well. Returns what it said on stderr before its account.
    pub fn stops_well(self) -> String {
        let (status, _, stderr) = self.stop();
        assert!(status.success(), "{status}: {stderr}");
        without_account(&stderr)
    }
}

/// What a server said on stderr, without a TCP server's account at the end, if that's the last line. What the system thinks of
/// a UDP server's receive buffer is not the server's either.
pub fn without_account(stderr: &str) -> String {
    let is_of_the_system = |line: &&str| line.contains(": the kernel gives the receive buffer ");
    let stderr: String = stderr.split_inclusive('\n').filter(|line| !is_of_the_system(line)).collect();
    let before = stderr.trim_end_matches('\n').rfind('\n').map_or("", |end| &stderr[..=end]);
    let last = &stderr[before.len()..];
    if last.contains(": connections ") { before.to_owned() } else { stderr.clone() }
}

/// A TCP connection whose calls end soon.
pub fn connect(address: &SocketAddr) -> TcpStream {
    let connection = TcpStream::connect_timeout(address, SOON).unwrap_or_else(|error| panic!("{address}: {error}"));
    connection.set_read_timeout(Some(SOON)).unwrap();
    connection.set_write_timeout(Some(SOON)).unwrap();
    connection
}

/// How a command ended that was run to its end.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    /// It ended well and wrote this to stdout, and nothing to stderr.
    #[track_caller]
    pub fn printed(&self, expected: &str) {
        assert_eq!((self.text(), self.stderr.as_str(), self.status.code()), (expected.to_owned(), "", Some(0)));
    }

    /// It failed with status 1, and one line on stderr that contains this.
    #[track_caller]
    pub fn failed_with(&self, expected: &str) {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{expected:?} is not what it said: {self:?}");
    }

    /// stdout as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs one of our programs to its end, with nothing on stdin.
pub fn run(name: &str, arguments: &[&str]) -> Outcome {
    run_with_input(name, arguments, b"")
}

/// Runs one of our programs to its end, with this on stdin.
pub fn run_with_input(name: &str, arguments: &[&str], input: &[u8]) -> Outcome {
    let mut command = command(program(name));
    command.args(arguments);
    run_command(command, input)
}

/// Runs a command to its end, with this on stdin. Panics if it takes longer than four times [`SOON`].
pub fn run_command(mut command: Command, input: &[u8]) -> Outcome {
    let name = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    let (mut stdin, mut out, mut err) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input)); // a program need not read it all
        let stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).map(|_| bytes)
        });
        let stderr = scope.spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).map(|_| bytes)
        });
        let status = wait_for_end(&mut child, &name);
        let stdout = stdout.join().unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap().unwrap()).into_owned();
        Outcome { status, stdout, stderr }
    })
}

/// Waits for a child's end, and kills it rather than wait for ever.
fn wait_for_end(child: &mut Child, name: &str) -> ExitStatus {
    let deadline = Instant::now() + 4 * SOON;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something is so. Panics when it doesn't come.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The path of somebody else's program. Without it, a test is skipped, aloud; in CI that is a failure.
pub fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Says that a test is skipped, and why. In CI, where everything has to be there, it fails instead.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "not to be skipped in CI: {why}");
    // Not println!, which the test runner would swallow.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A TCP port of the loopback address that nothing listens on; some time later, something may.
pub fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Bytes that repeat nowhere soon, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Takes the lecture's prefix out of a reply, wherever it stands. The payload must not contain it.
pub fn without_prefix(reply: &[u8]) -> Vec<u8> {
    let prefix = b"echo -> ";
    let (mut payload, mut rest) = (Vec::with_capacity(reply.len()), reply);
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(prefix) {
            rest = behind;
        } else {
            payload.push(*first);
            rest = behind;
        }
    }
    payload
}

impl Process {
    /// Reads no more of stdout: one more line, and nobody is at the other end of the pipe.
    pub fn close_stdout(&mut self) {
        self.stdout = channel().1;
    }
}

/// The path of somebody else's program that has several names; see [`peer`].
pub fn any_peer(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("none of {names:?} is installed"));
    }
    found
}
