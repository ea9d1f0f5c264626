//! What `check --json` prints: the document's form, and that it agrees with the status.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use predicates::str::contains;
use serde_json::{Value, json};

use crate::harness::*;
use crate::schema;

/// The document that `check --json` prints about the server at this host and port; it fits the schema and balances.
fn document(host: &[&str], more: &[&str], code: i32) -> Value {
    let assert = command(host).args(more).arg("--json").assert().code(code).stdout(contains("\n").count(1));
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(schema::faults(&document, &schema::report()), [""; 0], "{document}");
    let points = document["checks"].as_array().unwrap();
    for verdict in ["passed", "failed", "skipped"] {
        let count = points.iter().filter(|point| point["verdict"] == verdict).count();
        assert_eq!(document[verdict], count, "{document}");
    }
    let planned = document["planned"].as_u64().unwrap() as usize;
    assert!(planned == points.len() || !document["bail_out"].is_null(), "{document}");
    document
}

#[test]
fn the_document_is_one_line_and_agrees_with_the_status() {
    let port = server_that_echoes(|piece| [b"> ", piece].concat());
    let host = ["127.0.0.1", port.as_str()];
    for (name, verdict, code) in [("small", "passed", 0), ("urgent", "failed", 1)] {
        let document = document(&host, &["--only", name], code);
        assert_eq!(document["target"]["address"], format!("127.0.0.1:{port}"));
        assert_eq!(document["manner"], json!({ "prefix": "> ", "greeting": "", "at_once": true }));
        let point = &document["checks"][0];
        assert_eq!((&point["name"], &point["verdict"]), (&name.into(), &verdict.into()));
        assert_eq!((&document["planned"], &document["bail_out"]), (&1.into(), &Value::Null));
    }
    let document = document(&host, &[], 1);
    assert_eq!((&document["planned"], &document["passed"], &document["failed"]), (&21.into(), &20.into(), &1.into()));
}

#[test]
fn what_is_skipped_is_neither_passed_nor_failed() {
    let port = server_that_echoes(|piece| {
        thread::sleep(Duration::from_millis(50));
        piece.to_vec()
    });
    let document = document(&["127.0.0.1", &port], &["--timeout", SHORT, "--only", "no-leak", "--only", "small"], 0);
    assert_eq!((&document["passed"], &document["failed"], &document["skipped"]), (&1.into(), &0.into(), &1.into()));
    let why = document["checks"][1]["detail"].as_str().unwrap();
    assert!(why.starts_with("skipped: there was time for "), "{why}");
}

#[test]
fn the_document_says_that_and_why_the_rest_was_not_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // Nothing listens on the port of the connection's other end.
    let port = connection.local_addr().unwrap().port().to_string();
    let nobody = document(&["127.0.0.1", &port], &[], 1);
    assert_eq!(nobody["bail_out"], format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    assert_eq!((&nobody["planned"], &nobody["checks"], &nobody["manner"]), (&21.into(), &json!([]), &Value::Null));
    assert_eq!(nobody["target"], json!({ "host": "127.0.0.1", "port": port.parse::<u16>().unwrap(), "address": "" }));

    let port = server_that_echoes(<[u8]>::to_ascii_uppercase);
    let other = document(&["127.0.0.1", &port], &["--timeout", SHORT], 1);
    assert!(other["bail_out"].as_str().unwrap().starts_with("cannot take 127.0.0.1:"), "{other}");
    assert_eq!((&other["failed"], &other["checks"][0]["name"]), (&1.into(), &"prefix".into()));

    let served = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let port = server_that(move |mut connection| {
        // The first meeting, small, its successor; and then no more.
        if served.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 2 {
            thread::sleep(PATIENCE);
        }
        std::io::copy(&mut connection.try_clone()?, &mut connection).map(drop)
    });
    let names = only(&["small", "bytes", "large"]);
    let silent = document(&["127.0.0.1", &port], &[&["--timeout", SHORT], &names[..]].concat(), 1);
    assert_eq!(silent["bail_out"], "the server serves nobody any more since check bytes");
    assert_eq!((&silent["planned"], &silent["passed"], &silent["failed"]), (&3.into(), &1.into(), &1.into()));
}

#[test]
#[cfg(unix)]
fn a_socket_in_the_file_system_has_no_port() {
    let document = document(&["unix:/no/such/file"], &[], 1);
    let target = json!({ "host": "unix:/no/such/file", "port": null, "address": "" });
    assert_eq!(document["target"], target);
}
