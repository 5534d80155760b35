//! The doctor's checks of the running server and of the settings about the network.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::super::health::broken_off;
use super::super::print_time;
use super::{Found, Seen, ok, problem, warning};
use crate::domain::target::Targets;
use crate::model::time::Time;
use crate::store::schema::VERSION;
use crate::store::{backup, sessions};

/// How long each step of asking the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many of the newest sessions are looked at to find out whether a proxy is there that nobody named, and how few say
/// nothing: whoever tries a server out does so from one place.
const NEWEST: i64 = 50;
const ENOUGH: usize = 10;

pub(super) fn server(seen: &Seen) -> Found {
    let Some(holder) = &seen.holder else { return ok("no server uses this database now") };
    let there = format!("process {} on {}, since {}", holder.pid, holder.listen, print_time(Time(holder.since)));
    let Ok(address) = holder.listen.parse::<SocketAddr>() else { return ok(there) };
    match asked(reachable(address)) {
        Err(error) => problem(format!(
            "{there}, does not answer ({}): see its log, and whether it has all its threads and connections taken; start it \
             again if it stays so",
            broken_off(&error, PATIENCE)
        )),
        Ok(()) if seen.config.listen.port() != 0 && seen.config.listen.port() != address.port() => warning(format!(
            "{there}, answers; but the settings of this command say {}: give it those that the server has, and where a socket \
             is handed over, set listen to its address",
            seen.config.listen
        )),
        Ok(()) => ok(format!("{there}, answers")),
    }
}

/// The address under which a server on this machine is asked.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Any answer will do that is one of HTTP.
fn asked(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut start = [0; 7];
    stream.read_exact(&mut start)?;
    if start == *b"HTTP/1." { Ok(()) } else { Err(io::Error::other("what answers there speaks no HTTP")) }
}

pub(super) fn network(seen: &Seen) -> Found {
    // A socket that is handed over counts more than the settings.
    let held = seen.holder.as_ref().and_then(|holder| holder.listen.parse().ok());
    let listen: SocketAddr = held.unwrap_or(seen.config.listen);
    if listen.ip().is_loopback() {
        ok(format!("listens on {listen}: reached from this machine only, by a proxy or a tunnel"))
    } else if seen.config.trusted_proxy.is_empty() {
        warning(format!(
            "listens on {listen} in plain HTTP, and no trusted-proxy is set: put a proxy with TLS in front and name it \
             with --trusted-proxy, so that passwords do not cross the network in the clear"
        ))
    } else {
        ok(format!("listens on {listen}, behind a proxy"))
    }
}

pub(super) fn proxy(seen: &Seen) -> Found {
    let config = &seen.config;
    if config.trusted_proxy.iter().any(|network| network.prefix_len() == 0) {
        warning(
            "trusted-proxy names the whole internet: anybody can claim any address, and bans and limits by address are \
             worth nothing; name your proxy's address only",
        )
    } else if config.trusted_proxy.is_empty() {
        match shared_address(seen) {
            Some(ip) => warning(format!(
                "all of the newest sessions come from {ip}: if that is a proxy, name it with --trusted-proxy; until then bans, \
                 limits and guesses by address take all customers for one"
            )),
            None => ok("no trusted-proxy is set: the address of a client is the socket's; behind a proxy, name it"),
        }
    } else if config.public_url.is_none() {
        warning(format!(
            "trusted-proxy is set, but public-url is not: links in answers and mails lead to http://{}; say how clients \
             reach the server with --public-url",
            config.listen
        ))
    } else {
        ok("X-Forwarded-For is believed from the proxies that are named")
    }
}

/// The one address on this machine or in a private network that all of the newest sessions come from.
fn shared_address(seen: &Seen) -> Option<IpAddr> {
    if seen.schema != Ok(VERSION) {
        return None;
    }
    // What cannot be read here is told in other lines.
    let ips = backup::look(seen.database(), |tx| sessions::newest_ips(tx, NEWEST)).ok()?;
    let ip: IpAddr = ips.first()?.parse().ok()?;
    let shared = ips.len() >= ENOUGH && ips.iter().all(|other| *other == ips[0]) && !Targets::default().permits(ip);
    shared.then_some(ip)
}

/// The server raises its own limit as far as it may: what counts is how far that is.
#[cfg(unix)]
pub(super) fn open_files(seen: &Seen) -> Found {
    use rustix::process::{Resource, getrlimit};
    /// For the database, its readers, the log.
    const OTHERS: u64 = 256;
    let wanted = seen.config.max_connections as u64 + OTHERS;
    let of_server = seen.holder.as_ref().and_then(|holder| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", holder.pid)).ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    match of_server.or(getrlimit(Resource::Nofile).maximum) {
        Some(limit) if limit < wanted => warning(format!(
            "a process may open {limit} files, and max-connections ({}) wants {wanted}: raise the limit (LimitNOFILE= of \
             systemd, ulimit -Hn), or lower max-connections",
            seen.config.max_connections
        )),
        Some(limit) => ok(format!("a process may open {limit} files: enough for max-connections")),
        None => ok("a process may open any number of files"),
    }
}

#[cfg(not(unix))]
pub(super) fn open_files(_: &Seen) -> Found {
    ok("not looked at on this system")
}
