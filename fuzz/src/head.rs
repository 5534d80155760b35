//! Heads of requests: who the client is, who answers, what is handed over; and cookies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use keystead::http::fuzzing::{Head, Leads};
use keystead::model::exchange::{Method, Request};
use keystead::model::time::Time;

const NOW: Time = Time(1_800_000_000);
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

/// A request line and headers, a line each; a body after an empty line.
pub(crate) fn head(data: &[u8]) {
    let Some((head, body)) = Head::read(data) else { return };
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
    assert_eq!(head.client(CLIENT, &trusted), CLIENT, "a header of anyone's is not believed");
    assert_eq!(head.client(PROXY, &[]), PROXY);
    is_a_hop(&head, head.client(PROXY, &trusted), &trusted);

    let Leads::Family(family, door, request) = head.leads(CLIENT, NOW, Bytes::copy_from_slice(&data[body..])) else {
        return;
    };
    let known = family.paths.iter().any(|(path, other)| {
        let written = match path.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}{}{after}", request.place)
            }
            None => (*path).to_owned(),
        };
        std::ptr::eq(*other, door) && (head.path() == written || head.path() == format!("{written}/"))
    });
    assert!(known, "led from {:?} to {}, place {:?}", head.path(), family.name, request.place);
    let want: usize = door.headers.iter().map(|name| head.values(name).len()).sum();
    assert_eq!(request.headers.len(), want, "no header is lost, no other is seen");
    assert!(request.method == Method::Post || request.body.is_empty());
    for name in door.headers {
        let values = head.values(name);
        let only = (values.len() == 1).then(|| String::from_utf8_lossy(&values[0]).into_owned());
        assert_eq!(request.header(name), only.as_deref());
    }
}

/// The client is the proxy itself or a hop that is written there, and only machines of ours stand right of it.
fn is_a_hop(head: &Head, client: IpAddr, trusted: &[IpNet]) {
    let ours = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    let lines = head.values("x-forwarded-for");
    let text: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    let mut right = text.iter().rev().flat_map(|line| line.rsplit(',')).map(|hop| {
        let hop = hop.trim();
        let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
        let ip = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
        ip.map(|ip: IpAddr| ip.to_canonical())
    });
    if client == PROXY {
        return;
    }
    for hop in right.by_ref() {
        let hop = hop.expect("nothing unreadable stands right of the client");
        if hop == client {
            return;
        }
        assert!(ours(&hop), "{hop} is nobody of ours, and stands right of {client}");
    }
    panic!("{client} stands nowhere");
}

/// A `cookie` header.
pub(crate) fn cookie(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let request = |lines: &[&str]| Request {
        id: 1,
        peer: CLIENT,
        now: NOW,
        method: Method::Get,
        place: Box::default(),
        headers: lines.iter().map(|line| ("cookie", Box::from(*line))).collect(),
        query: Bytes::new(),
        content_type: None,
        body: Bytes::new(),
        since_start: Duration::ZERO,
        limited: None,
    };
    let alone = request(&[&text]);
    if let Some(value) = alone.cookie("__session") {
        assert!(text.contains(value) && !value.contains(';') && !value.starts_with('"') && !value.ends_with('"'));
        assert!(text.contains("__session="), "another's cookie is not ours");
    }
    let first = format!("__session=mine; {text}");
    assert_eq!(request(&[&first]).cookie("__session"), Some("mine"), "what comes later changes nothing");
    assert_eq!(request(&["__session=mine", &text]).cookie("__session"), Some("mine"));
    let behind = request(&[&text, "__session=mine"]).cookie("__session").map(str::to_owned);
    assert_eq!(behind.as_deref(), alone.cookie("__session").or(Some("mine")), "lines are read one after the other");
}
