//! Makes the app, the sessions, the users and the keys that are measured, and the bodies that wrk sends: one file for
//! each call, a body a line. Everything but the many rows goes over the public protocol and the command line.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::client::{Client, Result};
use super::fill;
use super::server::Keystead;

/// Sessions for `check`, `var` and `license`.
const SESSIONS: usize = 256;
/// Users with a password. As many as connections, so that one user's own limit or lock is not what is measured.
const USERS: usize = 64;
/// Redeemed licenses that `license` asks for, where there are as many, from all over the table.
const ASKED: u64 = 10_000;
/// The variable that `var` reads.
const VARIABLE: &str = "motd";

/// A database that is ready to be measured.
#[derive(Clone)]
pub struct Data {
    pub keystead: Keystead,
    pub rows: u64,
    folder: PathBuf,
    /// What `app create` printed.
    app: Value,
    /// How every body names it.
    named: String,
    sessions: Vec<String>,
    /// Licenses from here on wait to be redeemed.
    unused: u64,
}

impl Data {
    /// Makes a database with `rows` licenses, or takes the one of an earlier run.
    pub fn make(program: &Path, folder: &Path, rows: u64) -> Result<Data> {
        let keystead = Keystead { program: program.to_owned(), database: folder.join("bench.db") };
        if !folder.join("filled").exists() {
            eprintln!("making {rows} licenses, {} users", rows / fill::LICENSES_OF_A_USER);
            fs::create_dir_all(folder)?;
            fs::write(folder.join("app.json"), keystead.run(&["app", "create", "bench", "--json"])?)?;
            keystead.run(&["var", "set", VARIABLE, "welcome back", "--app", "bench"])?;
            fill::fill(&keystead.database, rows)?;
            fs::write(folder.join("filled"), "")?;
        }
        let app: Value = serde_json::from_str(&fs::read_to_string(folder.join("app.json"))?)?;
        let mut data = Data {
            keystead,
            rows,
            folder: folder.to_owned(),
            app,
            named: String::new(),
            sessions: Vec::new(),
            unused: 1,
        };
        data.named = format!("name={}&ownerid={}", data.app("name")?, data.app("ownerid")?);
        data.prepare()?;
        Ok(data)
    }

    /// What the app's clients know of it: `name`, `ownerid`, `secret`, `id`, `api_key`, `api_secret`.
    pub fn app(&self, field: &str) -> Result<&str> {
        Ok(self.app[field].as_str().ok_or(format!("no {field} in app.json"))?)
    }

    /// The file with the bodies of a call.
    pub fn bodies(&self, call: &str) -> PathBuf {
        self.folder.join(call)
    }

    /// The body of an `init`.
    pub fn init(&self, n: usize) -> String {
        format!("type=init&{}&ver=1.0&enckey={n:032x}", self.named)
    }

    /// Bodies for so many registrations, each with a key of its own that no one has redeemed.
    pub fn registrations(&mut self, count: usize) -> Result<PathBuf> {
        let keys = self.unused_keys(count)?;
        let bodies: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| {
                let session = &self.sessions[n % self.sessions.len()];
                format!(
                    "type=register&{}&sessionid={session}&username=new-{key}&pass=correct-horse-{n}&key={key}\
                     &hwid=machine-{key}",
                    self.named
                )
            })
            .collect();
        self.write("register", &bodies)?;
        Ok(self.bodies("register"))
    }

    /// Keys that nobody has redeemed yet; made where the table has no more.
    fn unused_keys(&mut self, count: usize) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        while keys.len() < count && self.unused < self.rows {
            if !fill::is_redeemed(self.unused) {
                keys.push(fill::key(self.unused));
            }
            self.unused += 1;
        }
        let more = count - keys.len();
        if more > 0 {
            let more = more.to_string();
            let made =
                ["license", "create", "--app", "bench", "--count", &more, "--days", "30", "--level", "1", "--json"];
            let made: Vec<String> = serde_json::from_str(&self.keystead.run(&made)?)?;
            keys.extend(made);
        }
        Ok(keys)
    }

    /// Sessions, users, and the bodies of all calls but `register`.
    fn prepare(&mut self) -> Result<()> {
        let user_keys = {
            // Of an earlier run on this file some may be redeemed already: these are new.
            let unused = std::mem::replace(&mut self.unused, self.rows);
            let keys = self.unused_keys(USERS)?;
            self.unused = unused;
            keys
        };
        let server = self.keystead.serve()?;
        let mut client = Client::to(server.address)?;
        for n in 0..SESSIONS {
            let answer = client.success(&self.init(n))?;
            self.sessions.push(answer["sessionid"].as_str().ok_or("no sessionid")?.to_owned());
        }
        let app = &self.named;
        let redeemed = self.rows.div_ceil(fill::LICENSES_OF_A_USER);
        let asked = redeemed.min(ASKED);
        let mut license = Vec::new();
        for n in 0..asked.max(SESSIONS as u64) {
            let which = n % asked * (redeemed / asked) * fill::LICENSES_OF_A_USER;
            let session = &self.sessions[n as usize % SESSIONS];
            let (key, hwid) = (fill::key(which), fill::hwid(which));
            license.push(format!("type=license&{app}&sessionid={session}&key={key}&hwid={hwid}"));
        }
        // The first of them log in on the sessions, which is what `check` and `var` need.
        for body in &license[..SESSIONS] {
            client.success(body)?;
        }
        let on_sessions =
            |call: &str| self.sessions.iter().map(|id| format!("{call}&sessionid={id}")).collect::<Vec<_>>();
        self.write("check", &on_sessions(&format!("type=check&{app}")))?;
        self.write("var", &on_sessions(&format!("type=var&{app}&varid={VARIABLE}")))?;
        self.write("license", &license)?;
        self.write("init", &(0..USERS).map(|n| self.init(n)).collect::<Vec<_>>())?;
        let mut login = Vec::new();
        for (n, key) in user_keys.iter().enumerate() {
            let session = &self.sessions[n];
            let who = format!("{app}&sessionid={session}&username=user-{key}&pass=correct-horse-{n}&hwid=machine-{n}");
            client.success(&format!("type=register&{who}&key={key}"))?;
            login.push(format!("type=login&{who}"));
        }
        self.write("login", &login)
    }

    fn write(&self, call: &str, bodies: &[String]) -> Result<()> {
        Ok(fs::write(self.bodies(call), bodies.join("\n") + "\n")?)
    }
}
