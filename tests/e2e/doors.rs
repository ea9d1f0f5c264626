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

/// The command that starts a server with a socket, which these statements of Python call `s`, or a list of several: as systemd
/// does it, they are the descriptors from 3 on, and two variables say so.
pub fn handing_over(python: &Path, socket: &str, name: &str) -> Command {
    let script = format!(
        "import fcntl, os, socket, sys\n\
         {socket}\n\
         high = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in (s if type(s) is list else [s])]\n\
         for number, fd in enumerate(high): os.dup2(fd, 3 + number); os.set_inheritable(3 + number, True); os.close(fd)\n\
         os.environ.update(LISTEN_FDS=str(len(high)), LISTEN_PID=str(os.getpid()))\n\
         os.execv(sys.argv[1], sys.argv[1:])"
    );
    let mut command = command(python);
    command.args(["-c", &script]).arg(program(name));
    command
}
