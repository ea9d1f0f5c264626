//! Runs a server and then its client, with a limit on how long each may take.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// How long a server may take to be ready, a client to finish, a server to stop. On loopback each takes milliseconds.
const LIMIT: Duration = Duration::from_secs(10);
/// How often to look whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);
/// More of what a program prints than this is not kept.
const PRINTED_BYTES: u64 = 1024 * 1024;

/// A program that runs. Dropped, it is killed: no error here leaves one behind.
pub struct Running {
    name: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    /// Starts a program whose output is kept.
    ///
    /// Errors: the file can't be run.
    pub fn start(name: &str, program: &Path, arguments: &[&str]) -> Result<Running> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = lines(child.stdout.take());
        let stderr = lines(child.stderr.take());
        Ok(Running { name: name.to_owned(), child, stdout, stderr })
    }

    /// Waits for the ready line of a server, `NAME: listening on ADDRESS:PORT`. Returns the port, and the line.
    ///
    /// Errors: the server ended instead, printed something else, or nothing in time; with what it said on stderr.
    pub fn ready(&mut self) -> Result<(u16, String)> {
        let line = match self.stdout.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!(self.trouble(|name| format!("{name} is not ready in time"))),
            Err(RecvTimeoutError::Disconnected) => bail!(self.trouble(|name| format!("{name} ended at once"))),
        };
        let address = line.strip_prefix(&format!("{}: listening on ", self.name));
        let port = address.and_then(|address| address.rsplit(':').next()).and_then(|port| port.parse().ok());
        let Some(port) = port else {
            bail!(self.trouble(|name| format!("{name} has no port in its first line, {line:?}")));
        };
        Ok((port, line))
    }

    /// The lines that the program has printed since the last that was asked for.
    pub fn printed(&mut self) -> Vec<String> {
        self.stdout.try_iter().collect()
    }

    /// Waits for the program's end. Returns what it has printed since.
    ///
    /// Errors: it takes too long, or fails; with what it said on stderr.
    pub fn finish(&mut self) -> Result<Vec<String>> {
        let status = self.wait()?;
        if !status.success() {
            bail!(self.trouble(|name| format!("{name} failed ({status})")));
        }
        Ok(rest(&self.stdout))
    }

    /// Asks the program to stop, with SIGTERM, and waits for its end. Returns what it has printed since it was ready.
    /// Windows has no such request: there it is killed.
    ///
    /// Errors: as [`Running::finish`].
    pub fn stop(&mut self) -> Result<Vec<String>> {
        if cfg!(unix) {
            let pid = self.child.id().to_string();
            let sent = Command::new("kill").args(["-TERM", &pid]).status().context("cannot run kill(1)")?;
            if !sent.success() {
                bail!(self.trouble(|name| format!("kill(1) can't stop {name}")));
            }
            self.finish()
        } else {
            self.child.kill().with_context(|| format!("cannot stop {}", self.name))?;
            self.wait()?;
            Ok(rest(&self.stdout))
        }
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(self.trouble(|name| format!("{name} does not end in time")));
            }
            thread::sleep(LOOK);
        }
    }

    /// What went wrong, with what the program said on stderr. It is of no more use, and is killed.
    fn trouble(&mut self, what: impl FnOnce(&str) -> String) -> anyhow::Error {
        let _ = self.child.kill();
        let lines: Vec<String> = rest(&self.stderr).iter().map(|line| format!("\n    {line}")).collect();
        let said = if lines.is_empty() { "it said nothing on stderr".to_owned() } else { "it said:".to_owned() };
        anyhow!("cannot go on: {}; {said}{}", what(&self.name), lines.concat())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All further lines of a program that has ended.
fn rest(lines: &Receiver<String>) -> Vec<String> {
    std::iter::from_fn(|| lines.recv_timeout(LIMIT).ok()).collect()
}

/// Reads a pipe in a thread of its own, so that the program never waits for us and we never wait for ever.
fn lines(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe.take(PRINTED_BYTES));
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        Running::start("server", Path::new("/bin/sh"), &["-c", script]).unwrap()
    }

    #[test]
    fn the_port_stands_in_the_ready_line() {
        let mut server = shell("echo 'server: listening on [::1]:2001'; exec sleep 60");
        assert_eq!(server.ready().unwrap(), (2001, "server: listening on [::1]:2001".to_owned()));
    }

    #[test]
    fn a_server_that_cannot_start_is_quoted() {
        let error = shell("echo 'address in use' >&2; exit 1").ready().unwrap_err().to_string();
        assert_eq!(error, "cannot go on: server ended at once; it said:\n    address in use");
    }

    #[test]
    fn a_client_that_fails_is_quoted() {
        let error = shell("echo 'lost it' >&2; exit 1").finish().unwrap_err().to_string();
        assert!(error.starts_with("cannot go on: server failed") && error.ends_with("lost it"), "{error}");
    }
}
