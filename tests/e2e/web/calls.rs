//! How the server comes to its answers: by which calls, and by how few.

use super::site::Site;
use crate::harness::eventually;
use crate::harness::http::Client;

/// The calls on a client's connection, in the trace of one request and its reply.
fn calls(site: &Site, target: &str) -> Vec<String> {
    let mut client = Client::new(site.server.connect());
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.ask(&request).unwrap().status, 200);
    client.receive_all().unwrap();
    drop(client);
    let mut lines = Vec::new();
    eventually("the end of the connection in the trace", || {
        let trace = site.server.process.stderr();
        let accepted =
            trace.lines().rev().find(|line| line.contains(" accept(") && !line.contains(" = -1")).map(str::to_owned);
        let Some(descriptor) = accepted.and_then(|line| Some(line.split(" = ").nth(1)?.split(' ').next()?.to_owned()))
        else {
            return false;
        };
        let after =
            trace.lines().skip_while(|line| !line.contains(&format!(" = {descriptor}")) || !line.contains(" accept("));
        let of_it =
            |line: &&str| line.contains(&format!("({descriptor},")) || line.contains(&format!("close({descriptor})"));
        lines = after.filter(of_it).map(str::to_owned).collect();
        lines.iter().any(|line| line.contains("close("))
    });
    lines
}

fn count(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|line| line.contains(&format!(" {name}("))).count()
}

#[test]
fn a_client_is_accepted_with_its_request_which_costs_one_recv_and_one_send() {
    let site = Site::start(&["--trace"]);
    let calls = calls(&site, "/ten.txt");
    assert!(site.server.process.stderr().contains("TCP_DEFER_ACCEPT"), "{}", site.server.process.stderr());
    assert_eq!((count(&calls, "send"), count(&calls, "sendfile")), (1, 0), "{calls:?}");
    let before = calls.iter().take_while(|line| !line.contains(" send(")).cloned().collect::<Vec<_>>();
    assert_eq!(count(&before, "recv"), 1, "no call in vain before the answer: {calls:?}");
}

#[test]
fn a_large_file_is_sent_by_the_kernel_itself() {
    let site = Site::start(&["--trace"]);
    site.write("large", &vec![b'x'; 3 << 20]);
    let calls = calls(&site, "/large");
    assert!(count(&calls, "send") == 1 && count(&calls, "sendfile") >= 1, "{calls:?}");
    assert!(!calls.iter().any(|line| line.contains("MSG_MORE") || line.contains("TCP_CORK")), "{calls:?}");
}
