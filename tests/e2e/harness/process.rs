//! Running programs: one that goes on while a test talks to it, and one that is run to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{SOON, command, eventually, program};

/// The bound on a program that does more than one thing.
const LATER: Duration = Duration::from_secs(4 * SOON.as_secs());

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

    /// Reads no more of stdout: one more line, and nobody is at the other end of the pipe.
    pub fn close_stdout(&mut self) {
        self.stdout = channel().1;
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, signal: &str) {
        signal_process(self.id(), signal);
    }

    /// Stops it until SIGCONT. To send the signal isn't enough: its threads may go on for a moment.
    pub fn stands_still(&self) {
        self.signal("STOP");
        eventually("no thread that goes on", || threads_are(self.id(), 'T'));
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for_end(&mut self.child, &self.name, LATER)
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

/// Whether all threads of a process are in this state: see proc(5).
#[cfg(target_os = "linux")]
pub fn threads_are(id: u32, state: char) -> bool {
    std::fs::read_dir(format!("/proc/{id}/task")).unwrap().all(|task| {
        // A thread may have ended meanwhile. The name of the program, which may have any bytes in it, ends with the last bracket.
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(state))
    })
}

/// Elsewhere that isn't told.
#[cfg(not(target_os = "linux"))]
pub fn threads_are(_: u32, _: char) -> bool {
    true
}

/// Sends a signal to a process that a test has started.
pub fn signal_process(id: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{signal} to {id}");
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

/// Runs a command to its end, with this on stdin. Panics if it takes longer than [`LATER`].
pub fn run_command(command: Command, input: &[u8]) -> Outcome {
    run_within(LATER, command, input)
}

/// The same with another limit.
pub fn run_within(limit: Duration, mut command: Command, input: &[u8]) -> Outcome {
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
        let status = wait_for_end(&mut child, &name, limit);
        let stdout = stdout.join().unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap().unwrap()).into_owned();
        Outcome { status, stdout, stderr }
    })
}

/// Waits for a child's end, and kills it rather than wait for ever.
fn wait_for_end(child: &mut Child, name: &str, limit: Duration) -> ExitStatus {
    let deadline = Instant::now() + limit;
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
