//! Makes the sessions, users and redeemed keys that the load script sends, and checks that they are answered with success.
//!
//! * `load make ADDR DIR` reads `app.json` and `keys.json` in DIR (as `keystead … --json` printed them) and writes one file
//!   of request bodies, one a line, for each measured call.
//! * `load watch ADDR FILE COUNT MILLISECONDS` sends COUNT bodies of FILE, one every MILLISECONDS, and fails at the first
//!   answer that is not a success. Refusals are HTTP 200 too: without this a server that refuses everything looks fast.
//!
//! Must not measure anything: it is slow and simple on purpose. Goes the way of a client, over the public protocol, so that
//! it needs nothing from the server but the protocol.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Users with a password. As many as connections, so that one user's own limit or lock is not what is measured.
const USERS: usize = 64;
/// Sessions for `check` and `var`, and redeemed keys with a session each for `license`.
const SESSIONS: usize = 256;
/// The variable that `var` reads; `run.sh` makes it.
const VARIABLE: &str = "motd";
/// No answer takes longer than this unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["make", addr, dir] => make(&Server::at(addr)?, Path::new(dir)),
        ["watch", addr, file, count, every] => {
            watch(&Server::at(addr)?, Path::new(file), count.parse()?, Duration::from_millis(every.parse()?))
        }
        _ => Err("usage: load make ADDR DIR | load watch ADDR FILE COUNT MILLISECONDS".into()),
    }
}

fn make(server: &Server, dir: &Path) -> Result<()> {
    let app: Value = serde_json::from_str(&fs::read_to_string(dir.join("app.json"))?)?;
    let keys: Vec<String> = serde_json::from_str(&fs::read_to_string(dir.join("keys.json"))?)?;
    let text = |field: &str| app[field].as_str().ok_or(format!("no {field} in app.json"));
    let app = format!("name={}&ownerid={}", text("name")?, text("ownerid")?);
    let (license_keys, user_keys) = keys.split_at_checked(SESSIONS).ok_or("too few keys")?;
    let user_keys = user_keys.get(..USERS).ok_or("too few keys")?;

    let init = |n: usize| format!("type=init&{app}&ver=1.0&enckey={n:032x}");
    let open = |n: usize| -> Result<String> {
        let answer = server.success(&init(n))?;
        Ok(answer["sessionid"].as_str().ok_or("no sessionid")?.to_owned())
    };

    let (mut check, mut var, mut license) = (Vec::new(), Vec::new(), Vec::new());
    for (n, key) in license_keys.iter().enumerate() {
        let session = open(n)?;
        let redeem = format!("type=license&{app}&sessionid={session}&key={key}&hwid=machine-{n}");
        server.success(&redeem)?;
        check.push(format!("type=check&{app}&sessionid={session}"));
        var.push(format!("type=var&{app}&sessionid={session}&varid={VARIABLE}"));
        license.push(redeem);
    }
    let mut login = Vec::new();
    for (n, key) in user_keys.iter().enumerate() {
        let session = open(n)?;
        let who = format!("{app}&sessionid={session}&username=user{n}&pass=correct-horse-{n}&hwid=machine-{n}");
        server.success(&format!("type=register&{who}&key={key}"))?;
        login.push(format!("type=login&{who}"));
    }
    let init = (0..USERS).map(init).collect();
    for (name, bodies) in [("check", check), ("var", var), ("license", license), ("login", login), ("init", init)] {
        fs::write(dir.join(name), bodies.join("\n") + "\n")?;
    }
    Ok(())
}

fn watch(server: &Server, file: &Path, count: usize, every: Duration) -> Result<()> {
    let bodies = fs::read_to_string(file)?;
    for body in bodies.lines().cycle().take(count) {
        server.success(body)?;
        thread::sleep(every);
    }
    Ok(())
}

struct Server(SocketAddr);

impl Server {
    /// Refuses any address but this machine's own.
    fn at(addr: &str) -> Result<Server> {
        let addr: SocketAddr = addr.parse()?;
        if addr.ip() == Ipv4Addr::LOCALHOST { Ok(Server(addr)) } else { Err("only 127.0.0.1".into()) }
    }

    /// Posts a form; the answer, which must be a success.
    fn success(&self, form: &str) -> Result<Value> {
        let mut stream = TcpStream::connect_timeout(&self.0, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "POST /api/1.2/ HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            self.0,
            form.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let body: Value = serde_json::from_str(body).map_err(|e| format!("{e}: {answer}"))?;
        if body["success"] == true { Ok(body) } else { Err(format!("{form}\n  was answered {body}").into()) }
    }
}
