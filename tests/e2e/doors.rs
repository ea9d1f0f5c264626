//! Servers that are reached in another way than on a port of their own: through a file, and on a socket that they were handed.

use std::path::Path;
use std::process::Command;

use crate::harness::{Process, command, program};

/// A server on a socket in the file system, ready to serve.
pub fn server_at(name: &str, path: &Path, arguments: &[&str]) -> Process {
    let mut command = command(program(name));
    command.arg("--unix").arg(path).args(arguments);
    let mut process = Process::start(command);
    assert_eq!(process.line(), format!("{name}: listening on unix:{}", path.display()));
    assert_eq!(process.line(), format!("{name}: this machine only"));
    process
}

/// The command that starts a server with a socket, made by these statements of Python: as systemd does it, the socket is
/// descriptor 3, and two variables say so. If `fds` is changed there, as many are said to be handed over.
pub fn handing_over(python: &Path, socket: &str, name: &str) -> Command {
    let script = format!(
        "import os, socket, sys\n\
         fds = 1\n\
         {socket}\n\
         os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
         os.environ.update(LISTEN_FDS=str(fds), LISTEN_PID=str(os.getpid()))\n\
         os.execv(sys.argv[1], sys.argv[1:])"
    );
    let mut command = command(python);
    command.args(["-c", &script]).arg(program(name));
    command
}
