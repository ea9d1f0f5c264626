//! The web servers: ours, and each peer that is installed, with one worker. Nothing is installed here.

use anyhow::Result;

use super::load;
use crate::bench::Bench;
use crate::bench::subjects::{Lineup, OURS, PORT, Subject};
use crate::bench::workshop::works;
use crate::programs;

/// The names of those that tables and bars mention.
pub const NGINX: &str = "nginx";
pub const NGINX_TUNED: &str = "nginx, tuned";
pub const H2O: &str = "h2o";
pub const LIGHTTPD: &str = "lighttpd";
pub const DARKHTTPD: &str = "darkhttpd";
pub const STATIC: &str = "static-web-server";
pub const MINISERVE: &str = "miniserve";
pub const PYTHON: &str = "http.server";

/// What in a file of settings stands for the folder that is served, and for the directory of everything else.
const ROOT: &str = "{root}";
const DIRECTORY: &str = "{directory}";
/// What in a command stands for the file of settings.
const SETTINGS: &str = "{settings}";

/// Ours, with other options.
///
/// Errors: it wasn't built.
pub fn ours_with(bench: &Bench, options: &[&str]) -> Result<Subject> {
    let program = programs::get(&bench.executables, "tiny-web")?.to_string_lossy();
    let root = load::root(&bench.workshop);
    let root = root.to_string_lossy();
    // As to the last one: all clients of a bench have the same address, and the peers know no such limit.
    let options_of_all = ["--host", "127.0.0.1", "--port", PORT, "--workers", "1", "--max-per-address", "19000"];
    let command = [&[&*program, &root], &options_of_all[..]].concat();
    Ok(Subject::new(OURS, &[&command[..], options].concat(), &bench.workshop))
}

/// Ours and the others that can be started.
///
/// Errors: ours wasn't built.
pub fn lineup(bench: &Bench) -> Result<Lineup> {
    let workshop = &bench.workshop;
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (root, directory) = (text(load::root(workshop)), text(workshop.0.clone()));
    let subject = |name, command: &[&str]| Subject::new(name, command, workshop);
    let with_settings = |name, command: &[&str], file, settings: &str| {
        let path = text(workshop.0.join(file));
        let command: Vec<&str> = command.iter().map(|word| if *word == SETTINGS { &path } else { *word }).collect();
        subject(name, &command).with_settings(file, &filled_in(settings, &root, &directory))
    };
    let mut lineup = Lineup::of([ours_with(bench, &[])?]);

    if bench.smoke {
        return Ok(lineup);
    }
    let has_nginx = works("nginx", &["-v"]);
    let command = ["nginx", "-c", SETTINGS, "-e", "stderr", "-g", "daemon off;"];
    let nginx = with_settings(NGINX, &command, "nginx.conf", include_str!("peers/nginx.conf"));
    let tuned = with_settings(NGINX_TUNED, &command, "nginx-tuned.conf", include_str!("peers/nginx-tuned.conf"));
    lineup.add(has_nginx, nginx, "apt install nginx");
    lineup.add(has_nginx, tuned, "apt install nginx");

    let h2o = with_settings(H2O, &["h2o", "-c", SETTINGS], "h2o.conf", include_str!("peers/h2o.conf"));
    lineup.add(works("h2o", &["--version"]), h2o, "apt install h2o");

    let command = ["lighttpd", "-D", "-f", SETTINGS];
    let lighttpd = with_settings(LIGHTTPD, &command, "lighttpd.conf", include_str!("peers/lighttpd.conf"));
    lineup.add(works("lighttpd", &["-v"]), lighttpd, "apt install lighttpd");

    let darkhttpd = subject(DARKHTTPD, &["darkhttpd", &root, "--addr", "127.0.0.1", "--port", PORT]);
    lineup.add(works("sh", &["-c", "command -v darkhttpd"]), darkhttpd, "apt install darkhttpd");

    let command = ["static-web-server", "--host", "127.0.0.1", "--port", PORT, "--root", &root];
    let command = [&command[..], &["--threads-multiplier", "1", "--log-level", "error"]].concat();
    let is_there = works("static-web-server", &["--version"]);
    lineup.add(is_there, subject(STATIC, &command), "cargo install --locked static-web-server");

    let miniserve = subject(MINISERVE, &["miniserve", &root, "--interfaces", "127.0.0.1", "--port", PORT]);
    lineup.add(works("miniserve", &["--version"]), miniserve, "cargo install --locked miniserve");

    let python = ["python3", "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", "127.0.0.1"];
    let python = subject(PYTHON, &[&python[..], &["--directory", &root, PORT]].concat());
    lineup.add(works("python3", &["-c", "import http.server"]), python, "apt install python3");
    Ok(lineup)
}

/// The settings with all in them but the port.
fn filled_in(settings: &str, root: &str, directory: &str) -> String {
    settings.replace(ROOT, root).replace(DIRECTORY, directory)
}

/// How many idle connections a server is asked for: fewer of one that has a thread for each, of one whose usual settings allow no
/// more than 768, and of one that waits with select(2), which knows no more than 1,024 descriptors.
pub fn most_idle(name: &str, connections: usize) -> usize {
    match name {
        PYTHON => connections.min(200),
        NGINX => connections.min(500),
        DARKHTTPD => connections.min(1000),
        _ => connections,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_peer_leave_nothing_open_but_the_port() {
        let all = [
            include_str!("peers/nginx.conf"),
            include_str!("peers/nginx-tuned.conf"),
            include_str!("peers/h2o.conf"),
            include_str!("peers/lighttpd.conf"),
        ];
        for settings in all {
            assert!(settings.contains(ROOT) && settings.matches(PORT).count() == 1, "{settings}");
            let text = filled_in(settings, "/www", "/tmp").replace(PORT, "2000");
            assert!(!text.contains(ROOT) && !text.contains(DIRECTORY) && text.contains("127.0.0.1"), "{text}");
        }
    }

    #[test]
    fn a_server_is_not_asked_for_more_idle_connections_than_it_can_have() {
        assert_eq!([OURS, DARKHTTPD, NGINX, PYTHON].map(|name| most_idle(name, 10_000)), [10_000, 1000, 500, 200]);
    }
}
