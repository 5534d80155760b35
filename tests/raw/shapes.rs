//! One row for each shape of bytes that is not, or hardly, HTTP. Each is sent on a connection of its own.

use super::{Client, POST, WRITES, goes_on, post, server, sessions};

/// Who ends the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The server, after its last answer.
    Server,
    /// The client: without that it would go on.
    Client,
}
use Ends::{Client as TheClient, Server as TheServer};

/// A name, the bytes, the statuses of the answers, who ends it.
type Row = (&'static str, Vec<u8>, &'static [u16], Ends);

fn row(name: &'static str, bytes: impl AsRef<[u8]>, statuses: &'static [u16], ends: Ends) -> Row {
    (name, bytes.as_ref().to_vec(), statuses, ends)
}

/// A body after these headers that end the head.
fn with(headers: &str, body: &str) -> String {
    format!("{POST}{headers}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    with("transfer-encoding: chunked", body)
}

fn one_chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len())
}

/// Does nothing and is answered 200.
const QUIET: &str = "type=check";

#[track_caller]
fn try_all(rows: Vec<Row>) {
    let server = server(&[]);
    let mut wrong = Vec::new();
    for (name, bytes, statuses, ends) in rows {
        let mut client = Client::new(&server);
        client.send(&bytes);
        if ends == TheClient {
            client.half_close();
        }
        let found = client.answers();
        let seen: Vec<_> = found.iter().map(|answer| answer.status).collect();
        if seen != statuses {
            wrong.push(format!("{name}: {seen:?}, not {statuses:?}: {found:?}"));
        }
        for answer in found.iter().filter(|answer| answer.status >= 400) {
            if !answer.body.starts_with(r#"{"success":false,"message":""#) {
                wrong.push(format!("{name}: does not say what is wrong: {answer:?}"));
            }
        }
        if sessions(&server) != 0 {
            wrong.push(format!("{name}: something was written"));
            server.db.sql("DELETE FROM sessions");
        }
        goes_on(&server);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn how_long_a_body_is() {
    let n = WRITES.len();
    try_all(vec![
        row("the same length twice", with("content-length: 10\r\ncontent-length: 10", QUIET), &[200], TheClient),
        row("two lengths", with(&format!("content-length: {n}\r\ncontent-length: 5"), WRITES), &[400], TheServer),
        row("a list of lengths", with(&format!("content-length: {n}, {n}"), WRITES), &[400], TheServer),
        row("a length with a sign", with(&format!("content-length: +{n}"), WRITES), &[400], TheServer),
        row("a negative length", with("content-length: -1", WRITES), &[400], TheServer),
        row("a length in hex", with("content-length: 0x26", WRITES), &[400], TheServer),
        row("no number", with("content-length: ", WRITES), &[400], TheServer),
        row("a length beyond all numbers", with("content-length: 99999999999999999999", WRITES), &[400], TheServer),
        row("a length just below that", with("content-length: 9999999999999999999", WRITES), &[413], TheServer),
        row("a length beyond the body's limit", with("content-length: 9999999999", WRITES), &[413], TheServer),
        row("no length: no body", with("x: y", ""), &[200], TheClient),
        row("shorter than said", with(&format!("content-length: {}", n + 1), WRITES), &[400], TheClient),
        row(
            "longer than said",
            with("content-length: 10", &format!("{QUIET}&and more\r\n\r\n")),
            &[200, 400],
            TheServer,
        ),
        row("ends within the body", with("content-length: 1000", WRITES), &[400], TheClient),
    ]);
}

#[test]
fn two_readers_may_see_different_ends() {
    let n = WRITES.len();
    let both = one_chunk(WRITES);
    let hidden = format!("0\r\n\r\n{}", post(WRITES));
    let length = |more: &str| with(&format!("content-length: {n}\r\ntransfer-encoding: {more}"), &both);
    try_all(vec![
        row("length and coding", length("chunked"), &[400], TheServer),
        row(
            "coding and length",
            with(&format!("transfer-encoding: chunked\r\ncontent-length: {n}"), &both),
            &[400],
            TheServer,
        ),
        row(
            "length of nothing and coding",
            with("content-length: 0\r\ntransfer-encoding: chunked", &both),
            &[400],
            TheServer,
        ),
        row(
            "a request hidden behind the end (CL.TE)",
            with(&format!("content-length: {}\r\ntransfer-encoding: chunked", hidden.len()), &hidden),
            &[400],
            TheServer,
        ),
        row(
            "a request hidden in the body (TE.CL)",
            with("content-length: 4\r\ntransfer-encoding: chunked", &one_chunk(&post(WRITES))),
            &[400],
            TheServer,
        ),
        row("after a good one", format!("{}{}", post(QUIET), length("chunked")), &[200, 400], TheServer),
        row(
            "chunked, twice",
            with("transfer-encoding: chunked\r\ntransfer-encoding: chunked", &both),
            &[400],
            TheServer,
        ),
        row("chunked in chunked", with("transfer-encoding: chunked, chunked", &both), &[400], TheServer),
        row("identity, then chunked", with("transfer-encoding: identity, chunked", &both), &[400], TheServer),
        row("gzip, then chunked", with("transfer-encoding: gzip, chunked", &both), &[400], TheServer),
        row("chunked, then identity", with("transfer-encoding: chunked, identity", &both), &[400], TheServer),
        row("xchunked", with("transfer-encoding: xchunked", &both), &[400], TheServer),
        row("with a parameter", with("transfer-encoding: chunked;x=y", &both), &[400], TheServer),
        row("in quotes", with("transfer-encoding: \"chunked\"", &both), &[400], TheServer),
        row("identity", with("transfer-encoding: identity", &both), &[400], TheServer),
        row("nothing", with("transfer-encoding:", &both), &[400], TheServer),
        row("a vertical tab before it", with("transfer-encoding: \x0bchunked", &both), &[400], TheServer),
        row("a NUL after it", with("transfer-encoding: chunked\0", &both), &[400], TheServer),
        row("a space before the colon", with("transfer-encoding : chunked", &both), &[400], TheServer),
        row("a space before the name", with(" transfer-encoding: chunked", &both), &[400], TheServer),
        row("on the next line", with("transfer-encoding:\r\n chunked", &both), &[400], TheServer),
        row("a lone CR before it", with("x: y\rtransfer-encoding: chunked", &both), &[400], TheServer),
        row("in HTTP/1.0", chunked(&both).replace("HTTP/1.1", "HTTP/1.0"), &[400], TheServer),
        row(
            "a tab before it, in other letters",
            with("Transfer-Encoding:\tCHUNKED ", &one_chunk(QUIET)),
            &[200],
            TheClient,
        ),
    ]);
}

#[test]
fn chunks() {
    let long = "x".repeat(20_000);
    let quiet = one_chunk(QUIET);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let behind = |end: &str| chunked(&format!("a\r\ntype=check\r\n0{end}{}{}", get("/nowhere"), get("/")));
    try_all(vec![
        row("one", chunked(&quiet), &[200], TheClient),
        row("with an extension", chunked("a;name=\"value\"\r\ntype=check\r\n0\r\n\r\n"), &[200], TheClient),
        row("with a trailer", chunked("a\r\ntype=check\r\n0\r\nx-more: y\r\n\r\n"), &[200], TheServer),
        // Where a line feed ends a line, a request follows: nobody must take the answer to another one for its own.
        row("a line feed at the end", behind("\r\n\n"), &[200], TheServer),
        row("a line feed after a trailer", behind("\r\nx: y\n\r\n"), &[200], TheServer),
        row("line feeds after a trailer", behind("\r\nx: y\n\n"), &[200], TheServer),
        row("zeros before the size", chunked("000a\r\ntype=check\r\n0\r\n\r\n"), &[200], TheClient),
        row("no size", chunked(&format!("\r\n{WRITES}\r\n0\r\n\r\n")), &[400], TheServer),
        row("a size of letters", chunked(&format!("zz\r\n{WRITES}\r\n0\r\n\r\n")), &[400], TheServer),
        row("a negative size", chunked(&format!("-1\r\n{WRITES}\r\n0\r\n\r\n")), &[400], TheServer),
        row("a size with 0x", chunked(&format!("0x26\r\n{WRITES}\r\n0\r\n\r\n")), &[400], TheServer),
        row(
            "a size that overflows",
            chunked(&format!("fffffffffffffffff\r\n{WRITES}\r\n0\r\n\r\n")),
            &[400],
            TheServer,
        ),
        row("a size beyond the limit", chunked(&format!("ffffffffffffffff\r\n{WRITES}")), &[400], TheClient),
        row("no line end after the data", chunked(&format!("26\r\n{WRITES}0\r\n\r\n")), &[400], TheServer),
        row("bare line feeds", chunked(&format!("26\n{WRITES}\n0\n\n")), &[400], TheServer),
        row("a huge extension", chunked(&format!("26;{long}\r\n{WRITES}\r\n0\r\n\r\n")), &[400], TheServer),
        row("a huge trailer", chunked(&format!("26\r\n{WRITES}\r\n0\r\nx: {long}\r\n\r\n")), &[400], TheServer),
        row("no last chunk", chunked(&format!("26\r\n{WRITES}\r\n")), &[400], TheClient),
        row("half a chunk", chunked(&format!("27\r\n{WRITES}")), &[400], TheClient),
    ]);
}

#[test]
fn heads() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
    let headers = |count: usize| "x: y\r\n".repeat(count);
    let n = WRITES.len();
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0x5a, 0, 0, 0x20];
    let writes = |line: &str| format!("{line}\r\nhost: x\r\ncontent-length: {n}\r\n\r\n{WRITES}");
    try_all(vec![
        row("nothing at all", "", &[], TheClient),
        row("an end within the head", "POST /api/1.2/ HT", &[], TheClient),
        row("empty lines before it", format!("\r\n\r\n{}", get("/")), &[200], TheClient),
        row("bare line feeds", get("/").replace('\r', ""), &[200], TheClient),
        row("a lone CR", "GET / HTTP/1.1\rhost: x\r\n\r\n", &[400], TheServer),
        row("another protocol", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", &[400], TheServer),
        row("TLS on this port", hello, &[400], TheServer),
        row("HTTP/0.9", "GET /\r\n", &[400], TheServer),
        row("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[], TheServer),
        row("HTTP/1.2", writes("POST /api/1.2/ HTTP/1.2"), &[400], TheServer),
        row("HTTP/3.0", writes("POST /api/1.2/ HTTP/3.0"), &[400], TheServer),
        row("no version", writes("POST /api/1.2/"), &[400], TheServer),
        row("another method in lower case", writes("post /api/1.2/ HTTP/1.1"), &[200], TheClient),
        row("a method that is none", writes("PO\x01ST /api/1.2/ HTTP/1.1"), &[400], TheServer),
        row("two spaces", writes("POST  /api/1.2/ HTTP/1.1"), &[400], TheServer),
        row("a space in the target", writes("POST /api/1.2/ x HTTP/1.1"), &[400], TheServer),
        row("a NUL in the target", writes("POST /api/1.2/\0 HTTP/1.1"), &[400], TheServer),
        row("a target without a slash", writes("POST api/1.2/ HTTP/1.1"), &[400], TheServer),
        row("a whole address", get("http://elsewhere/api/1.2/?type=check"), &[200], TheClient),
        row("an authority", get("x:80"), &[404], TheClient),
        row("a tunnel", "CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", &[404], TheClient),
        row("no host", "GET / HTTP/1.1\r\n\r\n", &[200], TheClient),
        row("two hosts", "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", &[400], TheServer),
        row("the same host twice", "GET / HTTP/1.1\r\nhost: x\r\nHost: x\r\n\r\n", &[400], TheServer),
        row("a NUL in a header", with(&format!("x: a\0b\r\ncontent-length: {n}"), WRITES), &[400], TheServer),
        row("a NUL in a header's name", with(&format!("x\0: a\r\ncontent-length: {n}"), WRITES), &[400], TheServer),
        row("a space before the colon", with(&format!("content-length : {n}"), WRITES), &[400], TheServer),
        row("a header without a colon", with(&format!("content-length {n}"), WRITES), &[400], TheServer),
        row("a header without a name", with(&format!(": x\r\ncontent-length: {n}"), WRITES), &[400], TheServer),
        row("a header on two lines", with(&format!("x: a\r\n b\r\ncontent-length: {n}"), WRITES), &[400], TheServer),
        row("a hundred headers", with(&format!("{}content-length: 10", headers(97)), QUIET), &[200], TheClient),
        row("one more", with(&format!("{}content-length: {n}", headers(98)), WRITES), &[431], TheServer),
        row(
            "a huge header",
            with(&format!("x: {}\r\ncontent-length: {n}", "y".repeat(40_000)), WRITES),
            &[431],
            TheServer,
        ),
        row("a header without an end", format!("{POST}x: {}", "y".repeat(40_000)), &[431], TheServer),
        row("a huge target", get(&format!("/?{}", "y".repeat(40_000))), &[431], TheServer),
        row(
            "an upgrade that nobody offers",
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            &[200],
            TheClient,
        ),
    ]);
}

#[test]
fn one_after_the_other() {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
    let (home, nowhere) = (get("/"), get("/nowhere"));
    let ask = |length: usize| with(&format!("expect: 100-continue\r\ncontent-length: {length}"), "");
    try_all(vec![
        row("in order", format!("{home}{nowhere}{}{home}", post(QUIET)), &[200, 404, 200, 200], TheClient),
        row(
            "garbage after a good one",
            format!("{}garbage\r\n\r\n{}", post(QUIET), post(WRITES)),
            &[200, 400],
            TheServer,
        ),
        row("a NUL after a good one", format!("{home}\0{}", post(WRITES)), &[200, 400], TheServer),
        row(
            "more after the last",
            format!("{}{}", with("connection: close\r\ncontent-length: 10", QUIET), post(WRITES)),
            &[200],
            TheServer,
        ),
        row("a head, and no more", format!("{home}{}", &post(WRITES)[..40]), &[200], TheClient),
        row("asks first, and sends at once", format!("{}{QUIET}", ask(10)), &[200], TheClient),
        row("asks first, for nothing", ask(0), &[200], TheClient),
        row("asks first, for too much", ask(9_999_999), &[413], TheServer),
        row("asks for something else", with("expect: miracles\r\ncontent-length: 10", QUIET), &[200], TheClient),
        row(
            "a GET with a body",
            format!("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{QUIET}{home}"),
            &[200, 200],
            TheClient,
        ),
    ]);
}

/// A body that nobody reads may come so late that its bytes look like those of the next head: none behind it is
/// believed to say its length once.
#[test]
fn a_chunked_body_behind_one_that_nobody_read() {
    let server = server(&[]);
    let quiet = chunked(&one_chunk(QUIET));
    let unread = format!("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{QUIET}");
    for (before, status) in [(post(QUIET), 200), (unread, 400)] {
        let mut client = Client::new(&server);
        client.send(before.as_bytes());
        assert_eq!(client.answer().status, 200);
        client.send(quiet.as_bytes());
        assert_eq!(client.answer().status, status, "{before}");
    }
}
