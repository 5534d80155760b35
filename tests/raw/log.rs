//! What has a line in the log: also what never becomes a request; and how many lines a flood has.

use std::time::{Duration, Instant};

use super::{Client, POST, WRITES, server};

#[test]
fn whatever_is_answered_is_logged() {
    let server = server(&["--header-timeout", "300ms", "--max-connections", "1", "--log-format", "json"]);
    for (bytes, status) in [
        (format!("{POST}x: {}", "MARKED".repeat(10_000)), 431),
        ("MARKED\r\n\r\n".to_owned(), 400),
        (format!("{POST}content-length: 38\r\ntransfer-encoding: chunked\r\n\r\n26\r\n{WRITES}\r\n0\r\n\r\n"), 400),
        ("GET /MARKED".to_owned(), 408),
    ] {
        // The place of the one before may not be free yet.
        let mut answers;
        loop {
            let mut client = Client::new(&server);
            client.send(bytes.as_bytes());
            answers = client.answers();
            if answers.first().is_none_or(|answer| answer.status != 503) {
                break;
            }
        }
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [status]);
    }
    let (_, log) = {
        let taken = Client::new(&server);
        super::support::until("the place is taken", || Client::new(&server).answers().iter().any(|a| a.status == 503));
        drop(taken);
        server.stop()
    };
    for (outcome, status) in [
        ("HEAD_TOO_LARGE", 431),
        ("NOT_HTTP", 400),
        ("UNCLEAR_LENGTH", 400),
        ("HEAD_TIMEOUT", 408),
        ("TOO_MANY_CONNECTIONS", 503),
    ] {
        check(&log, outcome, status);
    }
    assert!(!log.iter().any(|line| line.contains("MARKED")), "{log:#?}");
}

#[test]
fn a_head_that_is_not_waited_for_is_logged() {
    let server = server(&[
        "--body-memory",
        "64KiB",
        "--body-limit",
        "16KiB",
        "--header-limit",
        "64KiB",
        "--header-timeout",
        "1h",
        "--log-format",
        "json",
    ]);
    let mut client = Client::new(&server);
    client.send(format!("{POST}x: {}", "MARKED".repeat(10_000)).as_bytes());
    assert_eq!(client.answers().iter().map(|answer| answer.status).collect::<Vec<_>>(), [503]);
    let (_, log) = server.stop();
    check(&log, "TOO_MANY_UNFINISHED", 503);
    assert!(!log.iter().any(|line| line.contains("MARKED")), "{log:#?}");
}

/// More refusals than a second has lines for: the others are counted, and told with the first of another second.
#[test]
fn a_flood_does_not_fill_the_log() {
    const FLOOD: usize = 5_000;
    const TOGETHER: usize = 100;
    let server = server(&["--log-format", "json"]);
    let mut client = Client::new(&server);
    let ask = |count: usize| "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n".repeat(count);
    let began = Instant::now();
    for _ in 0..FLOOD / TOGETHER {
        client.send(ask(TOGETHER).as_bytes());
        (0..TOGETHER).for_each(|_| assert_eq!(client.answer().status, 404));
    }
    let seconds = began.elapsed().as_secs() + 2;
    std::thread::sleep(Duration::from_millis(1_100));
    client.send(ask(1).as_bytes());
    assert_eq!(client.answer().status, 404);
    drop(client);
    let (_, log) = server.stop();
    let lines = log.iter().filter(|line| line.contains("NO_SUCH_PATH")).count() as u64;
    let without: u64 =
        log.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["without"].as_u64()).sum();
    assert_eq!(lines + without, FLOOD as u64 + 1, "none is forgotten");
    assert!(lines <= 500 * seconds + 1, "{lines} lines in less than {seconds} s");
}

/// One line says it, as other requests' lines do.
#[track_caller]
fn check(log: &[String], outcome: &str, status: u16) {
    let line = log.iter().find(|line| line.contains(outcome)).unwrap_or_else(|| panic!("{outcome}: {log:#?}"));
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["target"], "request", "{line}");
    assert_eq!(line["outcome"], outcome);
    assert_eq!(line["status"], status);
    assert_eq!(line["peer"], "127.0.0.1");
    assert!(line["id"].is_u64() && line["took_us"].is_u64(), "{line}");
}
