//! `ping` and `load` against servers of a few lines each, good ones and others, and the form of all three reports.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod ending;
mod harness;
#[cfg(unix)]
mod load;
mod ping;
#[path = "../../../common/tests/schema/mod.rs"]
mod schema;

#[test]
fn a_check_reports_in_the_same_form() {
    let port = harness::echo("echo -> ");
    let output = harness::client(&["check", "127.0.0.1", &port, "--only", "small", "--json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema::faults(&report, &schema::report()), [""; 0], "{report}");
    assert_eq!(
        (output.status.code(), &report["kind"], &report["transport"]),
        (Some(0), &"check".into(), &"udp".into())
    );
}
