//! What the clients report fits the schema that is promised, and what doesn't is found.

#![forbid(unsafe_code)]

mod schema;

use common::stats::report::{
    self, Checked, Ended, Head, Kind, Manner, Measured, Point, Program, Rate, Settings, Target, Trial, Verdict,
};
use common::stats::{Account, Causes, Errors, Times};
use serde_json::{Value, json};

fn head(kind: Kind) -> Head {
    let target = Target { host: "localhost".to_owned(), port: Some(2000), address: "[::1]:2000".to_owned() };
    Head::new(kind, Program { name: "test", version: "1.2.3", transport: "udp" }, target)
}

fn measured(times: &Times, duration_ns: u64) -> Measured {
    let rate = Rate::of(times.count(), duration_ns);
    Measured {
        head: head(Kind::Load),
        settings: Settings::default(),
        ended: Ended::Signal,
        elapsed_ns: duration_ns,
        account: Account { sent: times.count(), received: times.count(), ..Account::default() },
        errors: Errors::default(),
        causes: Causes::default(),
        hint: None,
        doubt: None,
        offered: Some(rate),
        achieved: rate,
        unsent: 0,
        throughput: rate.throughput(64),
        connect: Times::default().summary(),
        from_schedule: None,
        from_send: times.summary(),
        jitter_ns: (duration_ns > 0).then_some(1),
        search: (duration_ns > 0)
            .then(|| vec![Trial { rate_per_second: 1000, offered: 500, missing: 0, passed: true }]),
    }
}

fn parsed(json: &str) -> Value {
    assert!(json.ends_with('\n') && json.lines().count() == 1, "{json}");
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_report_of_nothing_and_one_of_something_fit_the_schema() {
    let mut times = Times::default();
    let nothing = parsed(&report::json(&measured(&times, 0)));
    assert_eq!(schema::faults(&nothing, &schema::report()), [""; 0]);
    assert_eq!(nothing["achieved"]["per_second"], Value::Null);
    (1..1000).for_each(|ns| times.record(ns * 1000));
    let something = parsed(&report::json(&measured(&times, 3_000_000_000)));
    assert_eq!(schema::faults(&something, &schema::report()), [""; 0]);
    assert_eq!(something["schema"], report::SCHEMA);
}

#[test]
fn a_check_fits_the_schema() {
    let point = |verdict| Point { name: "a", duty: "b", verdict, detail: "c".to_owned(), fact: "d" };
    let checks = [Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(point).to_vec();
    let manner = Manner { prefix: "> ".to_owned(), greeting: String::new(), at_once: true };
    for (manner, bail_out) in [(Some(manner), None), (None, Some("because".to_owned()))] {
        let (head, checks) = (head(Kind::Check), checks.clone());
        let checked = Checked { head, manner, planned: 3, passed: 1, failed: 1, skipped: 1, bail_out, checks };
        assert_eq!(schema::faults(&parsed(&report::json(&checked)), &schema::report()), [""; 0]);
    }
}

#[test]
fn what_doesnt_fit_is_found() {
    let right = parsed(&report::json(&measured(&Times::default(), 1)));
    let wrong = [
        ("/schema", json!("berkeley-report/1")),
        ("/kind", json!("check")),
        ("/account/lost", json!(-1)),
        ("/account/lost", json!(0.5)),
        ("/account/lost", Value::Null),
        ("/from_send/p99_ns", json!("7")),
        ("/from_send/histogram", json!([{ "from_ns": 1, "below_ns": 2 }])),
        ("/offered", json!({})),
        ("/settings", json!({ "more": 1 })),
    ];
    for (place, value) in wrong {
        let mut document = right.clone();
        *document.pointer_mut(place).unwrap() = value;
        assert_ne!(schema::faults(&document, &schema::report()), [""; 0], "{place}");
    }
}
