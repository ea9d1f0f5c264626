//! What the web servers are asked for: by wrk(1), which doesn't look at what comes; so before it one request of our own does,
//! byte by byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::bench::cases::Done;
use crate::bench::client::PATIENCE;
use crate::bench::workshop::Workshop;

/// The files that are asked for: a path, and how many bytes it has.
pub const SMALL: (&str, usize) = ("/page.html", 1024);
pub const MEDIUM: (&str, usize) = ("/picture.bin", 100 * 1024);
pub const LARGE: (&str, usize) = ("/film.bin", 10 * 1024 * 1024);
/// The small one's neighbour; that it was compressed is only said.
const COMPRESSED: (&str, usize) = ("/page.html.gz", 512);
/// The longest head of an answer, and the longest line in it.
const MOST_HEAD_BYTES: u64 = 16 * 1024;

/// The folder that is served.
pub fn root(workshop: &Workshop) -> PathBuf {
    workshop.0.join("www")
}

/// Makes the folder that is served.
///
/// Errors: there is no room for it.
pub fn make_files(workshop: &Workshop) -> Result<()> {
    let root = root(workshop);
    fs::create_dir(&root).with_context(|| format!("cannot make the directory {}", root.display()))?;
    for (path, bytes) in [SMALL, MEDIUM, LARGE, COMPRESSED] {
        let path = root.join(&path[1..]);
        fs::write(&path, content(bytes)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What is in a file of so many bytes. A piece that is missing, doubled or out of place shows: 251 is prime.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The value of its ETag field.
    pub etag: Option<String>,
    pub body: Vec<u8>,
}

/// A connection to a web server.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Errors: it can't be connected to.
    pub fn open(port: u16) -> Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE)).context("cannot set the connection up")?;
        Ok(Connection(BufReader::with_capacity(4096, stream)))
    }

    /// Asks for a path, with these header fields besides, and reads the answer.
    ///
    /// Errors: the connection fails; the answer isn't HTTP, or doesn't say how long it is.
    pub fn get(&mut self, path: &str, fields: &[String]) -> Result<Answer> {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).context("cannot send the request")?;
        answer(&mut self.0)
    }
}

fn answer(stream: &mut impl BufRead) -> Result<Answer> {
    let mut head = stream.by_ref().take(MOST_HEAD_BYTES);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        head.read_line(&mut line).context("cannot receive the answer")?;
        ensure!(line.ends_with('\n'), "the answer ends in its head");
        Ok(line.trim_end().to_owned())
    };
    let status = line()?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer is not HTTP")?;
    let (mut etag, mut length) = (None, if status == 304 { Some(0) } else { None });
    loop {
        let field = line()?;
        let Some((name, value)) = field.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "etag" => etag = Some(value.trim().to_owned()),
            "content-length" if status != 304 => length = value.trim().parse().ok(),
            _ => {}
        }
    }
    let mut body = vec![0; length.context("the answer does not say how long it is")?];
    stream.read_exact(&mut body).context("cannot receive the answer")?;
    Ok(Answer { status, etag, body })
}

/// Asks for a file once, and looks at every byte.
///
/// Errors: it doesn't come, or is another.
pub fn verify(port: u16, (path, bytes): (&str, usize)) -> Result<()> {
    let answer = Connection::open(port)?.get(path, &["Connection: close".to_owned()])?;
    ensure!(answer.status == 200, "the answer is {}", answer.status);
    ensure!(answer.body == content(bytes), "what came is not what {path} holds");
    Ok(())
}

/// Runs wrk with so many connections.
///
/// Errors: it fails, or a request does.
pub fn wrk(port: u16, path: &str, connections: usize, seconds: u64, fields: &[String]) -> Result<Done> {
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", &connections.to_string(), "-d", &format!("{seconds}s")]);
    command.args(["--timeout", &format!("{}s", PATIENCE.as_secs())]);
    command.args(fields.iter().flat_map(|field| ["-H", field])).arg(format!("http://127.0.0.1:{port}{path}"));
    let output = command.stdin(Stdio::null()).output().context("cannot start wrk")?;
    ensure!(output.status.success(), "wrk fails: {}", String::from_utf8_lossy(&output.stderr).trim());
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(trouble) = trouble(&said) {
        anyhow::bail!("wrk says: {trouble}");
    }
    let done = done(&said).context("cannot understand what wrk printed")?;
    ensure!(done.count > 0, "no request was answered in {seconds} s");
    Ok(done)
}

/// "Requests/sec: 1234.56" and, somewhere, "1240 requests in 1.00s, 1.5MB read".
fn done(text: &str) -> Option<Done> {
    let count = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())?;
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())?;
    Some(Done { count, rate })
}

/// What wrk says only when something has gone wrong.
fn trouble(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const SAID: &str = "Running 1s test @ http://127.0.0.1:2000/page.html\n  1 threads and 50 connections\n  \
                        Thread Stats   Avg      Stdev     Max   +/- Stdev\n  \
                        70210 requests in 1.10s, 80.35MB read\nRequests/sec:  63827.62\nTransfer/sec:     73.05MB\n";

    #[test]
    fn wrk_tells_how_many_requests_there_were() {
        let told = done(SAID).unwrap();
        assert_eq!((told.count, told.rate), (70_210, 63_827.62));
        assert_eq!(trouble(SAID), None);
        assert!(done("unable to connect").is_none());
    }

    #[test]
    fn a_request_that_failed_is_trouble() {
        let text = SAID.replace("Requests/sec", "  Non-2xx or 3xx responses: 7\nRequests/sec");
        assert_eq!(trouble(&text), Some("Non-2xx or 3xx responses: 7"));
        let text = SAID.replace("Requests/sec", "  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec");
        assert!(trouble(&text).unwrap().ends_with("read 3, write 0, timeout 0"));
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_no_further() {
        let mut stream =
            &b"HTTP/1.1 200 OK\r\nETAG: \"a\"\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 304 Not Modified\r\n\r\n"[..];
        let first = answer(&mut stream).unwrap();
        assert_eq!((first.status, first.etag.as_deref(), &*first.body), (200, Some("\"a\""), &b"abc"[..]));
        let second = answer(&mut stream).unwrap();
        assert_eq!((second.status, second.body.len()), (304, 0));
        assert!(answer(&mut stream).unwrap_err().to_string().contains("ends in its head"));
    }

    #[test]
    fn an_answer_that_stops_early_or_has_no_length_is_none() {
        assert!(answer(&mut &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"[..]).is_err());
        assert!(answer(&mut &b"HTTP/1.1 200 OK\r\n\r\nabc"[..]).unwrap_err().to_string().contains("how long"));
        assert!(answer(&mut &b"Hello\n\n"[..]).unwrap_err().to_string().contains("not HTTP"));
    }

    #[test]
    fn one_wrong_byte_is_noticed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let file = ("/page.html", 1024);
        let server = thread::spawn(move || {
            for wrong in [0, 1] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut body = content(file.1);
                body[1023] ^= wrong;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n").unwrap();
                stream.write_all(&body).unwrap();
                // Until the client has gone: an unread request would cost it the answer.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        verify(port, file).unwrap();
        assert_eq!(verify(port, file).unwrap_err().to_string(), "what came is not what /page.html holds");
        server.join().unwrap();
    }
}
