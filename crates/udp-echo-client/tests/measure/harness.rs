//! Servers in a thread, the program with a bound on its time, and its report, which fits the schema and balances.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

use crate::schema;

/// Longer than any of these tests takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is told of each datagram, with its number, and returns what to send back to where it came from. Its port.
pub fn server(mut answer: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> String {
    serve(move |socket, number, datagram, from| {
        for reply in answer(number, datagram) {
            let _ = socket.send_to(&reply, from);
        }
    })
}

/// A server that does something with each datagram.
pub fn serve(mut treat: impl FnMut(&UdpSocket, usize, &[u8], SocketAddr) + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let mut data = vec![0; 65_535];
        for number in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut data) else { return };
            treat(&socket, number, &data[..length], from);
        }
    });
    port
}

/// An echo server, which puts the prefix before each reply.
pub fn echo(prefix: &'static str) -> String {
    server(move |_, datagram| vec![[prefix.as_bytes(), datagram].concat()])
}

/// A server that receives and says nothing.
pub fn silent() -> String {
    server(|_, _| Vec::new())
}

/// The program, with a bound on its time.
pub fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo-client"));
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
    assert_eq!((&report["transport"], &report["program"]), (&"udp".into(), &"udp-echo-client".into()));
    let fates = ["received", "lost", "refused", "late", "corrupt", "truncated", "send_errors"];
    assert_eq!(fates.iter().map(|fate| account(&report, fate)).sum::<u64>(), account(&report, "sent"), "{report}");
    assert_eq!(report["from_send"]["count"], report["account"]["received"]);
    // Of one request, at most one thing went wrong; or there was nobody to send any to.
    let errors = report["errors"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    let most = if report["target"]["address"] == "" { 1 } else { account(&report, "sent") };
    assert!(errors <= most || report["settings"]["warmup_ns"] != 0, "{report}");
    let causes = report["causes"].as_array().unwrap().iter().map(|cause| cause["count"].as_u64().unwrap());
    let unnamed = ["unreachable", "other"].map(|name| report["errors"][name].as_u64().unwrap());
    assert_eq!(causes.sum::<u64>(), unnamed.iter().sum::<u64>(), "{report}");
    if let Some(offered) = report["offered"]["requests"].as_u64() {
        assert_eq!(offered, account(&report, "sent") + report["unsent"].as_u64().unwrap(), "{report}");
        assert_eq!(report["from_schedule"]["count"], report["account"]["received"]);
        assert!(report["from_schedule"]["max_ns"].as_u64() >= report["from_send"]["max_ns"].as_u64());
    }
    report
}

/// One number of the account.
pub fn account(report: &Value, name: &str) -> u64 {
    report["account"][name].as_u64().unwrap()
}

/// Sends the signal that Ctrl-C sends.
#[cfg(unix)]
pub fn interrupt(process: &std::process::Child) {
    let killed = std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(killed.unwrap().success());
}

/// A port where nothing listens, and nothing will as long as this socket is there.
pub fn refusing() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    (socket, port)
}
