//! What a server costs: the processor time and the memory of its process and of all that it has forked, as Linux's /proc
//! tells. Wall-clock rates swing by half on a shared machine; processor time by a few hundredths.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// /proc/PID/stat counts time in hundredths of a second, whatever the kernel's own clock: see proc_pid_stat(5).
const TICK_NS: u64 = 10_000_000;
/// How long a server may take to come to rest, and how long it must be at rest.
const SETTLE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(30);

/// What matters of /proc/PID/stat.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Time of the process's own threads, ended ones too, in ticks.
    own: u64,
    /// Time of its children that have ended.
    children: u64,
}

/// "1234 (a name) S 1 ...": the name may have spaces and brackets of its own.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // Field 3 of the manual page is the first one here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let parent = u32::try_from(field(4)?).ok()?;
    Some(Stat { parent, own: field(14)? + field(15)?, children: field(16)? + field(17)? })
}

/// A process and all that descend from it.
fn tree(root: u32) -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: BTreeMap<u32, Stat> = ids
        .filter_map(|id: u32| Some((id, parse_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?)))
        .collect();
    let mut family = BTreeMap::new();
    family.extend(others.remove_entry(&root));
    loop {
        let is_child = |stat: &Stat| family.contains_key(&stat.parent);
        let children: Vec<u32> = others.iter().filter(|(_, stat)| is_child(stat)).map(|(id, _)| *id).collect();
        if children.is_empty() {
            return family;
        }
        family.extend(children.into_iter().filter_map(|id| others.remove_entry(&id)));
    }
}

/// The processor time that a server has used so far, in nanoseconds: that of its process and of all that it has forked.
///
/// Errors: it has ended.
pub fn cpu_ns(server: u32) -> Result<u64> {
    let family = tree(server);
    ensure!(!family.is_empty(), "cannot measure a server that has ended");
    Ok(family.iter().map(|(id, stat)| own_ns(*id, stat).max(stat.own * TICK_NS) + stat.children * TICK_NS).sum())
}

/// The processor time of those children of this process that have ended, in nanoseconds, to a hundredth of a second.
///
/// Errors: /proc is not there: this is not Linux.
pub fn children_ns() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/stat").context("cannot measure without Linux's /proc")?;
    let stat = parse_stat(&text).context("cannot understand /proc/self/stat")?;
    Ok(stat.children * TICK_NS)
}

/// The exact time of the threads that are there. What ended ones used, only the ticks of the process tell: so the larger of
/// the two is nearer to the truth.
fn own_ns(id: u32, stat: &Stat) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return stat.own * TICK_NS };
    let time = |text: String| text.split_whitespace().next()?.parse::<u64>().ok();
    threads.flatten().filter_map(|thread| time(fs::read_to_string(thread.path().join("schedstat")).ok()?)).sum()
}

/// How many processes a server has.
pub fn processes(server: u32) -> usize {
    tree(server).len()
}

/// The ids of a server's processes, itself first.
pub fn family(server: u32) -> Vec<u32> {
    let mut ids: Vec<u32> = tree(server).into_keys().collect();
    ids.sort_by_key(|id| *id != server);
    ids
}

/// The memory that only a server's processes have, in bytes: what is theirs and written to. The kernel's own, such as the
/// buffers of sockets, is not in it.
///
/// Errors: it has ended, or belongs to somebody else.
pub fn memory_bytes(server: u32) -> Result<u64> {
    sum_bytes(server, "Private_Dirty:")
}

/// All memory of a server's processes, in bytes; of a page that several processes share, each has its part of it.
///
/// Errors: it has ended, or belongs to somebody else.
pub fn shared_out_bytes(server: u32) -> Result<u64> {
    sum_bytes(server, "Pss:")
}

/// A line of /proc/PID/smaps_rollup, which counts in KiB, over all processes.
fn sum_bytes(server: u32, name: &str) -> Result<u64> {
    let mut bytes = 0;
    for id in family(server) {
        let path = format!("/proc/{id}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        bytes += kib(&text, name).with_context(|| format!("cannot understand {path}"))? * 1024;
    }
    Ok(bytes)
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Waits until a server has nothing to do any more and no more than so many processes; returns its processor time.
///
/// Errors: it has ended, or doesn't come to rest.
pub fn settle(server: u32, processes_at_most: usize) -> Result<u64> {
    let deadline = Instant::now() + SETTLE;
    let mut before = cpu_ns(server)?;
    loop {
        thread::sleep(REST);
        let now = cpu_ns(server)?;
        // A runtime of its own may wake up now and then: a thousandth of the time is rest.
        // Nor does the account only grow: of a child that has ended, the parent is told in whole ticks.
        if now.abs_diff(before) < REST.as_nanos() as u64 / 1000 && processes(server) <= processes_at_most {
            return Ok(now);
        }
        if Instant::now() >= deadline {
            bail!("cannot measure: the server does not come to rest");
        }
        before = now;
    }
}

/// The middle one; of an even number the mean of the two in the middle. None: there are none.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The machine, its kernel and the date, a line each.
pub fn machine(cores: &[usize]) -> Vec<String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(value);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(1).collect();
    vec![
        format!("{}, {} cores; Linux {}", model.unwrap_or("unknown processor".to_owned()), cores.len(), kernel.trim()),
        format!("{date}; load average at the start {}", load.concat()),
    ]
}

/// The processors that this process may use: "0-3,8" is 0, 1, 2, 3, 8.
///
/// Errors: /proc is not there: this is not Linux.
pub fn cores() -> Result<Vec<usize>> {
    let status = fs::read_to_string("/proc/self/status").context("cannot measure without Linux's /proc")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| parse_cores(list.trim())).context("cannot tell which processors there are")
}

fn parse_cores(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "77 (a) b (c) S 5 77 77 0 -1 4194304 1 2 3 4 100 20 7 1 20 0 1 0 123\n";
        assert_eq!(parse_stat(text), Some(Stat { parent: 5, own: 120, children: 8 }));
        assert_eq!(parse_stat("77 (a) S 5"), None);
    }

    #[test]
    fn the_memory_is_a_line_of_many() {
        let text = "Rss:  900 kB\nPrivate_Clean:  4 kB\nPrivate_Dirty:        84 kB\n";
        assert_eq!(kib(text, "Private_Dirty:"), Some(84));
        assert_eq!(kib("Rss: 1 kB\n", "Private_Dirty:"), None);
    }

    #[test]
    fn a_list_of_processors_has_ranges() {
        assert_eq!(parse_cores("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(parse_cores("3"), Some(vec![3]));
        assert_eq!(parse_cores(""), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_and_its_child_are_a_family() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let ids = family(std::process::id());
        assert!(ids[0] == std::process::id() && ids.contains(&child.id()), "{ids:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
