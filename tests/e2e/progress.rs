//! What a terminal shows of a `load` while it runs, in both clients.

use std::process::Command;

use crate::harness::{Process, Server, command, peer, program, run_command};

/// Both clients, each with its server.
const PAIRS: [(&str, &str); 2] = [("tcp-echo-client", "tcp-echo-server"), ("udp-echo-client", "udp-echo-server")];

/// A command that runs `load` on a terminal, with its stdin for the keyboard. None: there is no script(1), which makes one.
fn load_on_a_terminal(client: &str, server: &Server, options: &str) -> Option<Command> {
    let mut script = command(peer("script")?);
    let client = program(client);
    // A new terminal has 0 columns. The shell makes way for the client, so that Ctrl-C is for that alone.
    let line =
        format!("stty cols 120 rows 30; exec {} load {} {} {options}", client.display(), server.host(), server.port());
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    Some(script)
}

/// It shows how far it is, and leaves nothing of that behind.
#[test]
fn a_terminal_shows_how_far_a_load_is() {
    for (client, server) in PAIRS {
        let server = Server::start(server, &[]);
        let Some(load) = load_on_a_terminal(client, &server, "--rate 500 --duration 1s") else { return };
        let shown = run_command(load, b"").text();
        assert!(shown.contains(" %  ") && shown.contains(" replies/s"), "{client}: {shown:?}");
        assert!(shown.rfind(" replies/s") < shown.rfind("load statistics"), "{client}: {shown:?}");
    }
}

#[test]
fn ctrl_c_ends_a_search_with_the_best_so_far_below_its_progress() {
    let server = Server::start("udp-echo-server", &[]);
    // Every rate will do, and so the first run has passed when its line comes.
    let options = "--find-rate --duration 500ms --max-loss 100%";
    let Some(load) = load_on_a_terminal("udp-echo-client", &server, options) else { return };
    let (input, mut keyboard) = std::io::pipe().unwrap();
    let mut load = Process::start_with(load, input);
    while !load.line().contains("tried ") {}
    // If that took so long that the search is over, there is nobody to hear it, and it has found the highest rate.
    let _ = std::io::Write::write_all(&mut keyboard, b"\x03");
    let (status, shown, _) = load.finish();
    assert!(status.success() && shown.contains(" %  ") && shown.contains(" replies/s"), "{status}: {shown:?}");
    let best = shown.find("highest ").unwrap_or_else(|| panic!("{shown:?}"));
    assert!(shown.rfind(" replies/s") < Some(best) && shown[best..].contains("load statistics"), "{shown:?}");
}
