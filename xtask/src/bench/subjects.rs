//! Servers that are compared: how one is started on a processor of its own, waited for, and stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::measure;
use super::workshop::Workshop;

/// The name of ours.
pub const OURS: &str = "ours";
/// How long a server may take until it can be connected to.
const READY: Duration = Duration::from_secs(30);
/// How often it is tried. How long a server takes to start is a figure of its own.
const READY_AGAIN: Duration = Duration::from_micros(500);
/// How long the answer to one datagram may take, until the server is asked again.
const ANSWER: Duration = Duration::from_millis(100);
/// What starts a server so that the kernel asks it to end when this process ends, in whatever way; being asked, it takes its
/// children with it. setpriv(1) is in util-linux.
const WITH_US: [&str; 3] = ["setpriv", "--pdeathsig", "TERM"];
/// What in a command stands for the port.
pub const PORT: &str = "{port}";

/// Those that are compared.
pub struct Lineup {
    /// Those that can be started, ours first.
    pub subjects: Vec<Subject>,
    /// A line on how to get each that can't.
    pub missing: Vec<String>,
}

impl Lineup {
    /// Those that are always there, ours first.
    pub fn of(subjects: impl IntoIterator<Item = Subject>) -> Lineup {
        Lineup { subjects: subjects.into_iter().collect(), missing: Vec::new() }
    }

    /// One more, if it is there.
    pub fn add(&mut self, is_there: bool, subject: Subject, how_to_get: &str) {
        match is_there {
            true => self.subjects.push(subject),
            false => self.missing.push(format!("{} is not here; to have it: {how_to_get}", subject.name)),
        }
    }
}

/// How one talks to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// Whether a server can be connected to or, if there is no such thing, whether it sends something back.
    fn answers(self, port: u16) -> bool {
        let address = (Ipv4Addr::LOCALHOST, port);
        let asked = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(address)?;
            socket.set_read_timeout(Some(ANSWER))?;
            socket.send(b"Are you there?")?;
            socket.recv(&mut [0; 64])
        };
        match self {
            Transport::Tcp => TcpStream::connect(address).is_ok(),
            Transport::Udp => asked().is_ok(),
        }
    }

    /// A port that nobody has at the moment. Some peers can't be asked which one they chose themselves.
    fn free_port(self) -> Result<u16> {
        let any = (Ipv4Addr::LOCALHOST, 0);
        let address = match self {
            Transport::Tcp => TcpListener::bind(any).and_then(|socket| socket.local_addr()),
            Transport::Udp => UdpSocket::bind(any).and_then(|socket| socket.local_addr()),
        };
        Ok(address.context("cannot find a free port")?.port())
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
    transport: Transport,
    /// Its port, if it can't be told another.
    port: Option<u16>,
    directory: PathBuf,
    /// A file in the workshop, and what is in it.
    settings: Option<(&'static str, String)>,
}

impl Subject {
    pub fn new(name: &'static str, command: &[&str], workshop: &Workshop) -> Subject {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Subject {
            name,
            command,
            forks: false,
            prefix: "",
            transport: Transport::Tcp,
            port: None,
            directory: workshop.0.clone(),
            settings: None,
        }
    }

    /// The same, with this before each of its replies.
    pub fn with_prefix(self, prefix: &'static str) -> Subject {
        Subject { prefix, ..self }
    }

    /// The same, which answers datagrams.
    pub fn with_datagrams(self) -> Subject {
        Subject { transport: Transport::Udp, ..self }
    }

    /// The same, which can be asked at this port only.
    pub fn at_port(self, port: u16) -> Subject {
        Subject { port: Some(port), ..self }
    }

    /// The same, which has a process for each connection.
    pub fn forking(self) -> Subject {
        Subject { forks: true, ..self }
    }

    /// The same, with this text in a file of the workshop, which the command mentions.
    pub fn with_settings(self, file: &'static str, text: &str) -> Subject {
        Subject { settings: Some((file, text.to_owned())), ..self }
    }

    /// The most processes that it has while nobody is connected to it.
    pub fn at_rest(&self) -> usize {
        if self.forks { 1 } else { usize::MAX }
    }

    /// The command as one types it, without the directories of what was built or written here, and with PORT for the port.
    pub fn shown(&self) -> String {
        let words = self.command.iter().enumerate().map(|(at, word)| match Path::new(word).file_name() {
            Some(name) if at == 0 || Path::new(word).starts_with(&self.directory) => quoted(&name.to_string_lossy()),
            _ => quoted(&word.replace(PORT, "PORT")),
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
        let port = self.port.map_or_else(|| self.transport.free_port(), Ok)?;
        if let Some((file, text)) = &self.settings {
            let path = self.directory.join(file);
            fs::write(&path, text.replace(PORT, &port.to_string())).context("cannot write the settings")?;
        }
        let said = self.directory.join("said");
        let stderr = File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
        let words = WITH_US.iter().chain(under).map(|word| (*word).to_owned()).chain(self.command.iter().cloned());
        let words: Vec<String> = words.map(|word| word.replace(PORT, &port.to_string())).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().with_context(|| format!("cannot start {}", words[0]))?;
        let mut server = Server { child, port };
        let deadline = Instant::now() + READY;
        while !self.transport.answers(port) {
            let ended = server.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() >= deadline {
                let said = fs::read_to_string(&said).unwrap_or_default();
                bail!("cannot start {}: it is not ready in time; it said: {}", self.name, said.trim());
            }
            thread::sleep(READY_AGAIN);
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

/// A word as the shell wants it. None of those here has a quotation mark of this kind.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|it| it.is_ascii_alphanumeric() || "-_./,:=+".contains(it));
    if is_plain { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let workshop = Workshop(PathBuf::from("/nowhere"));
        let command = ["/a/b/server", "--port", PORT, "-c", "a && b", "--prefix", "", "/dev/null", "/nowhere/settings"];
        let shown = "server --port PORT -c 'a && b' --prefix '' /dev/null settings";
        assert_eq!(Subject::new(OURS, &command, &workshop).shown(), shown);
    }

    #[test]
    fn a_server_of_datagrams_is_there_when_it_answers() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let echo = thread::spawn(move || {
            let mut buffer = [0; 64];
            let (length, peer) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to(&buffer[..length], peer).unwrap();
        });
        assert!(Transport::Udp.answers(port));
        echo.join().unwrap();
        assert!(!Transport::Udp.answers(port));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_server_that_cannot_start_says_why() {
        let workshop = Workshop(std::env::temp_dir().join(format!("xtask-start-{}", std::process::id())));
        fs::create_dir(&workshop.0).unwrap();
        let subject = Subject::new(OURS, &["sh", "-c", "echo no port $0 >&2", PORT], &workshop).at_port(1);
        let core = measure::cores().unwrap()[0];
        let error = subject.start(core).err().unwrap().to_string();
        assert!(error.ends_with("it said: no port 1"), "{error}");
    }
}
