//! Whole exchanges with a server: a request handed to its door, and bytes on a connection. Whatever comes in, what goes
//! out is an answer of that format, never a bug's.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use keystead::http::fuzzing::{Head, Leads};
use keystead::model::exchange::{HeaderValue, Response};

use super::world::World;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

/// What the door of this request answers; none if it leads to no door. `{session}` and `{fresh}` stand for sessions.
pub(crate) fn ask(world: &World, data: &[u8]) -> Option<Response> {
    let filled = world.filled(data);
    let (head, body) = Head::read(&filled)?;
    match head.leads(CLIENT, world.now(), Bytes::copy_from_slice(&filled[body..])) {
        Leads::Family(_, door, request) => Some(world.answer(door, *request)),
        Leads::Elsewhere => None,
    }
}

/// A request line, headers, an empty line and a body.
pub(crate) fn request(data: &[u8]) {
    let Some(response) = ask(World::get(), data) else { return };
    assert!(matches!(response.status, 200..=499 | 503), "status {}", response.status);
    assert!(!response.note.outcome.is_empty(), "the log says what came of it");
    assert!(!matches!(response.note.outcome, "INTERNAL" | "UNAVAILABLE"), "{}", response.note.outcome);
    for (name, value) in &response.headers {
        let text = match value {
            HeaderValue::Fixed(text) => text,
            HeaderValue::Made(text) => text.as_str(),
        };
        assert!(text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{name} cannot be sent: {text:?}");
    }
    let is_json = response.headers.iter().any(|(name, value)| {
        *name == "content-type" && matches!(value, HeaderValue::Fixed(text) if text.starts_with("application/json"))
    });
    if is_json && response.body.first() == Some(&b'{') {
        serde_json::from_slice::<serde_json::Value>(&response.body).expect("JSON, as it says");
    }
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// All the bytes of a connection; then the client's side ends. Whatever they are, whole answers come back and then the
/// end, and the next client is answered.
pub(crate) fn connection(data: &[u8]) {
    let world = World::get();
    let filled = world.filled(data);
    let mut socket = TcpStream::connect(world.address()).expect("connects");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // The server may have closed before it read everything.
    let sent = socket.write_all(&filled);
    let _ = socket.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let read = socket.read_to_end(&mut said);
    if sent.is_ok() {
        read.expect("the connection ends, and not by a reset");
    }
    let mut rest = &said[..];
    while !rest.is_empty() {
        rest = after_answer(rest, &said);
    }
}

/// Reads one whole answer; what follows it.
fn after_answer<'a>(text: &'a [u8], all: &[u8]) -> &'a [u8] {
    let shown = || String::from_utf8_lossy(all).into_owned();
    let end = text.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("half a head: {}", shown())) + 4;
    let head = std::str::from_utf8(&text[..end]).expect("a head is ASCII");
    let status: u16 = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{}", shown()));
    assert!(head.starts_with("HTTP/1.") && (status < 500 || status == 503), "{}", shown());
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().expect("n"));
    // An answer to HEAD has a length and no body: then the next answer, or the end, follows at once.
    let body = &text[end..];
    if body.is_empty() || body.starts_with(b"HTTP/1.") {
        body
    } else {
        body.get(length..).unwrap_or_else(|| panic!("{}", shown()))
    }
}
