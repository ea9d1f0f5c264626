//! Servers in a thread, the program with a bound on its time, and its report, which fits the schema and balances.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

use crate::schema;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server that treats each of its clients so, in a thread for each. Its port.
pub fn server(treat: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let treat = treat.clone();
            thread::spawn(move || treat(patient(connection)));
        }
    });
    port
}

/// No test waits for ever for the other side.
pub fn patient(connection: TcpStream) -> TcpStream {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.set_write_timeout(Some(PATIENCE)).unwrap();
    connection.set_nodelay(true).unwrap();
    connection
}

/// An echo server that receives pieces of up to `most` bytes, and puts the prefix before each.
pub fn echo(prefix: &'static str, most: usize) -> String {
    server(move |connection| echo_on(connection, prefix, most, u64::MAX))
}

/// Echoes so many pieces, then ends.
pub fn echo_on(mut connection: TcpStream, prefix: &str, most: usize, pieces: u64) {
    let mut piece = vec![0; most];
    for _ in 0..pieces {
        // A client that goes in the middle of something is none of a test's business.
        let Ok(length @ 1..) = connection.read(&mut piece) else { return };
        if connection.write_all(&[prefix.as_bytes(), &piece[..length]].concat()).is_err() {
            return;
        }
    }
}

/// A server that receives and says nothing.
pub fn silent() -> String {
    server(|mut connection| {
        let mut piece = [0; 4096];
        while connection.read(&mut piece).is_ok_and(|length| length > 0) {}
    })
}

/// An echo server that thinks for so long about each piece.
pub fn slow(delay: Duration) -> String {
    server(move |mut connection| {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = connection.read(&mut piece) {
            thread::sleep(delay);
            if connection.write_all(&piece[..length]).is_err() {
                return;
            }
        }
    })
}

/// A server that changes one bit of each piece, in its middle.
pub fn damaging() -> String {
    server(|mut connection| {
        let mut piece = [0; 100];
        while let Ok(length @ 1..) = connection.read(&mut piece) {
            piece[length / 2] ^= 1;
            match connection.write_all(&piece[..length]) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    })
}

/// The program, with a bound on its time.
pub fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-echo-client"));
    command.args(arguments).timeout(PATIENCE);
    command
}

/// What the program reports with `--json`, and its exit status.
pub fn report(arguments: &[&str]) -> (Value, i32) {
    let output = client(arguments).arg("--json").output().unwrap();
    let status = output.status.code().unwrap_or_else(|| panic!("it took too long: {arguments:?}"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.is_empty(), status == 0, "{stderr}");
    (checked(&output.stdout), status)
}

/// A document that fits the schema, and in which nothing is missing.
pub fn checked(json: &[u8]) -> Value {
    let report: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(schema::faults(&report, &schema::report()), [""; 0], "{report}");
    let count = |name: &str| report["account"][name].as_u64().unwrap();
    let fates = ["received", "lost", "refused", "late", "corrupt", "truncated", "send_errors"];
    assert_eq!(fates.iter().map(|fate| count(fate)).sum::<u64>(), count("sent"), "{report}");
    assert_eq!(report["from_send"]["count"], report["account"]["received"]);
    if let Some(offered) = report["offered"]["requests"].as_u64() {
        assert_eq!(offered, count("sent") + report["unsent"].as_u64().unwrap(), "{report}");
        assert_eq!(report["from_schedule"]["count"], report["account"]["received"]);
        // A request is never sent before it is due.
        assert!(report["from_schedule"]["max_ns"].as_u64() >= report["from_send"]["max_ns"].as_u64());
    }
    report
}

/// Fills a pipe to the last byte.
#[cfg(target_os = "linux")]
pub fn fill(pipe: &std::io::PipeWriter) {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    /// Of open(2): for this way to the pipe alone.
    const O_NONBLOCK: i32 = 0o4000;
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut pipe = std::fs::File::options().write(true).custom_flags(O_NONBLOCK).open(path).unwrap();
    for piece in [&[b'x'; 4096][..], b"x"] {
        while pipe.write(piece).is_ok() {}
    }
}

/// Elsewhere that takes a thread, which fills it for as long as there is a reader, and some time.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn fill(pipe: &std::io::PipeWriter) {
    use std::io::Write;
    let mut pipe = pipe.try_clone().unwrap();
    thread::spawn(move || pipe.write_all(&[b'x'; 1024 * 1024]));
    thread::sleep(Duration::from_millis(300));
}

/// Sends the signal that Ctrl-C sends.
#[cfg(unix)]
pub fn interrupt(process: &std::process::Child) {
    let killed = std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(killed.unwrap().success());
}
