//! Sees to it that the demonstration works: run as a user runs it, it shows all three conversations, in every locale.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The most columns that a line may have.
const COLUMNS: usize = 100;

/// What the three conversations can't be without.
const SHOWN: [&str; 12] = [
    "accept(3",
    "connect(3",
    " SYN ",
    " FIN ",
    "shutdown(3, SHUT_WR)",
    "recvfrom(3",
    "sendto(3",
    "\"Hello world\" 11 B",
    "echo -> Hello world",
    "200 OK",
    "waited",
    "Now you.",
];

/// Runs `cargo xtask demo --svg DIR`, where the locale is UTF-8 and where it isn't.
///
/// Errors: it fails, or shows too little, or too wide, or what the locale doesn't have.
pub fn check() -> Result<()> {
    let pictures = std::env::temp_dir().join(format!("xtask-demo-{}", std::process::id()));
    fs::create_dir_all(&pictures).with_context(|| format!("cannot make {}", pictures.display()))?;
    for locale in ["C.UTF-8", "C"] {
        let this = std::env::current_exe().context("cannot find this program")?;
        let demo = Command::new(this).args(["demo", "--svg"]).arg(&pictures).env("LC_ALL", locale).output();
        let demo = demo.context("cannot start the demo")?;
        let shown = String::from_utf8(demo.stdout).context("the demo is no text")?;
        ensure!(demo.status.success(), "the demo fails:\n{}", String::from_utf8_lossy(&demo.stderr));
        is_good(&shown, locale).with_context(|| format!("with LC_ALL={locale}, of this demo:\n{shown}"))?;
    }
    for name in ["tcp.svg", "udp.svg", "web.svg"] {
        let picture = fs::read_to_string(pictures.join(name)).with_context(|| format!("cannot read {name}"))?;
        ensure!(picture.contains("<svg") && picture.contains("</svg>"), "{name} is no picture");
    }
    fs::remove_dir_all(&pictures).with_context(|| format!("cannot remove {}", pictures.display()))?;
    println!("the demo shows all three conversations");
    Ok(())
}

fn is_good(shown: &str, locale: &str) -> Result<()> {
    for what in SHOWN {
        ensure!(shown.contains(what), "it lacks {what:?}");
    }
    for line in shown.lines().filter(|line| !line.starts_with("The picture is in ")) {
        ensure!(line.chars().count() <= COLUMNS, "a line is too wide: {line}");
        ensure!(locale != "C" || line.is_ascii(), "a line is not ASCII: {line}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_that_shows_too_little_or_too_wide_is_found() {
        let whole = SHOWN.join("\n");
        assert!(is_good(&whole, "C").is_ok());
        assert!(is_good(&whole.replace(" FIN ", ""), "C").is_err());
        assert!(is_good(&format!("{whole}\n{}", "x".repeat(101)), "C").is_err());
        assert!(is_good(&format!("{whole}\n→"), "C").is_err());
        assert!(is_good(&format!("{whole}\n→"), "C.UTF-8").is_ok());
    }
}
