//! A network of the test's own: any port and address is free there, datagrams may be forged, and nobody else hears them.
//!
//! A network namespace is gone with the last process in it, so there is nothing to clean up, however a test ends. See
//! network_namespaces(7).

use std::any::type_name;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};

use crate::harness::{Process, command, eventually, program, run_within, skip};

/// Says to the test that is run again that it is inside.
const INSIDE: &str = "E2E_INSIDE_A_NAMESPACE";
/// The bound on a whole test. Each of its steps has a bound of its own; there may be hundreds of them.
const WHOLE_TEST: Duration = Duration::from_secs(600);
/// The programs that tests need inside, where nothing can be built.
const PROGRAMS: [&str; 5] = ["tcp-echo-server", "tcp-echo-client", "udp-echo-server", "udp-echo-client", "tiny-web"];

/// Does `body` in a network and mount namespace of its own, where only the loopback interface is up: runs this test once
/// more, as a process below unshare(1). Where that isn't possible, the test is skipped.
///
/// `body` has to be a closure that stands in the test: the name of its type is the name of the test.
pub fn inside<F: FnOnce()>(body: F) {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return body();
    }
    let Some(mut unshare) = unshare() else { return skip("no network namespace can be made, or iproute2 is missing") };
    let test = type_name::<F>().trim_end_matches("::{{closure}}").split_once("::").expect("a crate and a module").1;
    let programs: serde_json::Map<_, _> =
        PROGRAMS.iter().map(|name| ((*name).to_owned(), program(name).to_str().unwrap().into())).collect();
    let again = command(std::env::current_exe().unwrap());
    unshare.arg("--").arg(again.get_program()).args(again.get_args());
    unshare.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    unshare.env(INSIDE, "").env("E2E_PROGRAMS", serde_json::Value::Object(programs).to_string());
    let outcome = run_within(WHOLE_TEST, unshare, b"");
    let text = outcome.text();
    assert!(outcome.status.success() && text.contains(" 1 passed;"), "inside: {text}\n{}", outcome.stderr);
}

/// `unshare` with the options that work here: root needs no user namespace.
fn unshare() -> Option<Command> {
    const OPTIONS: [&[&str]; 2] = [&["--net", "--mount"], &["--user", "--map-root-user", "--net", "--mount"]];
    static THAT_WORK: OnceLock<Option<&[&str]>> = OnceLock::new();
    let works = |options: &&&[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(**options).args(["--", "ip", "link", "set", "lo", "up"]);
        unshare.output().is_ok_and(|output| output.status.success())
    };
    let options = (*THAT_WORK.get_or_init(|| OPTIONS.iter().find(works).copied()))?;
    let mut unshare = Command::new("unshare");
    unshare.args(options);
    Some(unshare)
}

/// `ip`, with these arguments.
#[track_caller]
pub fn ip(arguments: &str) {
    succeeds(Command::new("ip").args(arguments.split(' ')));
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// From now on, /etc/hosts says this, to this test only.
pub fn hosts(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    succeeds(Command::new("mount").arg("--bind").arg(file.path()).arg("/etc/hosts"));
}

/// Sends a datagram that says it comes from somewhere else: a raw IPv4 socket takes any header. See raw(7), RFC 791 and RFC
/// 768.
pub fn forge(from: SocketAddrV4, to: SocketAddrV4, data: &[u8]) {
    let length = |bytes: usize| u16::try_from(bytes + data.len()).unwrap().to_be_bytes();
    let (no_number, no_fragment, hops, udp, no_checksum) = ([0; 2], [0x40, 0], 64, 17, [0; 2]);
    let header: [&[u8]; 12] = [
        &[0x45, 0],
        &length(20 + 8),
        &no_number,
        &no_fragment,
        &[hops, udp],
        &no_checksum,
        &from.ip().octets(),
        &to.ip().octets(),
        &from.port().to_be_bytes(),
        &to.port().to_be_bytes(),
        &length(8),
        &no_checksum,
    ];
    let packet = [&header.concat(), data].concat();
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW)).unwrap();
    let sent = sendto(&socket, &packet, SendFlags::empty(), &SocketAddrV4::new(*to.ip(), 0));
    assert_eq!(sent, Ok(packet.len()), "from {from} to {to}");
}

/// How many packets the loopback interface of the namespace has carried.
pub fn packets_on_loopback() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let lo = counters.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("a loopback interface");
    lo.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One number of the kernel's account of a protocol, as `Udp` and `InDatagrams`. See netstat(8).
pub fn counter(protocol: &str, name: &str) -> u64 {
    let account = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = account.lines().filter_map(|line| line.strip_prefix(&format!("{protocol}: ")));
    let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    let mut both = names.split(' ').zip(numbers.split(' '));
    both.find(|(this, _)| *this == name).unwrap_or_else(|| panic!("no {name} in {names}")).1.parse().unwrap()
}

/// A second namespace, at the other end of a virtual cable: our end is called `here`, the other `there`.
pub struct Neighbour {
    keeper: Process,
}

impl Neighbour {
    /// Makes it, with both ends up and without addresses.
    pub fn new() -> Neighbour {
        // It has to be somebody's namespace, and it is gone with this process.
        let mut keeper = command("unshare");
        keeper.args(["--net", "--", "sh", "-c", "ip link set lo up && echo made && exec sleep 600"]);
        let mut keeper = Process::start(keeper);
        assert_eq!(keeper.line(), "made");
        let neighbour = Neighbour { keeper };
        ip(&format!("link add here type veth peer name there netns {}", neighbour.keeper.id()));
        // No address of the kernel's own choice, which would have to be waited for.
        ip("link set here addrgenmode none");
        neighbour.ip("link set there addrgenmode none");
        ip("link set here up");
        neighbour.ip("link set there up");
        // Until the kernel has seen that the other end is up as well, it throws away what is sent.
        eventually("a cable that carries", || {
            [Command::new("ip"), neighbour.command(Path::new("ip"))].into_iter().all(|mut ip| {
                let end = ip.args(["-oneline", "link", "show", "type", "veth"]).output().unwrap();
                let end = String::from_utf8_lossy(&end.stdout);
                end.contains(" state UP ") && !end.contains(" qdisc noop ")
            })
        });
        neighbour
    }

    /// `ip` over there.
    #[track_caller]
    pub fn ip(&self, arguments: &str) {
        succeeds(self.command(Path::new("ip")).args(arguments.split(' ')));
    }

    /// A command that runs over there.
    pub fn command(&self, program: &Path) -> Command {
        let there = command(program);
        let mut nsenter = Command::new("nsenter");
        nsenter.arg(format!("--net=/proc/{}/ns/net", self.keeper.id())).arg("--");
        nsenter.arg(there.get_program()).args(there.get_args());
        nsenter
    }
}
