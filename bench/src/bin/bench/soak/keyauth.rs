//! Programs that speak KeyAuth: mostly with a key of old, sometimes with a new one; sometimes somebody registers and logs in
//! with a password. All latencies of the report are theirs.

use std::time::Instant;

use serde_json::Value;

use super::super::client::{FORM, Result};
use super::super::envelope::Envelope;
use super::Found;
use super::customer::{Customer, LOGINS, PASSWORD};

/// Chosen by the client; the same each time, as some clients have it.
const INIT_IV: &str = "soak";

/// How a program says it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum How {
    /// A form.
    Posted,
    /// The query, and a new connection each time it is started.
    Gotten,
    /// A form in the envelope of 1.0.
    Enveloped,
}

/// One started program.
struct Program<'c, 'a> {
    customer: &'c mut Customer<'a>,
    version: &'static str,
    how: How,
    session: Option<String>,
    /// What the envelope is closed with.
    secret: String,
}

pub(super) fn speak(mut customer: Customer<'_>, version: &'static str, how: How) -> Result<()> {
    customer.rounds(|customer, round| {
        let secret = customer.shared.data.app("secret")?.to_owned();
        Program { customer, version, how, session: None, secret }.run(round)
    })
}

impl Program<'_, '_> {
    fn run(&mut self, round: u64) -> Result<()> {
        let write: fn(&mut Found) -> &mut Vec<f64> = |found| &mut found.write;
        let enckey = format!("{round:032x}");
        let opened = self.timed(write, "init", &[("ver", "1.0"), ("enckey", &enckey)])?;
        self.session = Some(opened["sessionid"].as_str().ok_or("no sessionid")?.to_owned());
        self.secret = enckey;
        if round % LOGINS == 7 {
            let new = self.customer.new_license()?;
            let name = format!("soak-{}", new.key);
            // Both hash, which is not what the latencies are about.
            let who = [("username", &*name), ("pass", PASSWORD), ("hwid", &new.device)];
            self.call("register", &[&who[..], &[("key", &new.key)]].concat())?;
            self.call("login", &who)?;
            self.customer.known(&name)?;
        } else {
            let license = if round % 10 == 3 { self.customer.new_license()? } else { self.customer.old_license(round) };
            self.timed(write, "license", &[("key", &license.key), ("hwid", &license.device)])?;
        }
        for _ in 0..5 {
            self.timed(|found| &mut found.check, "check", &[])?;
        }
        self.call("var", &[("varid", "motd")])?;
        let data = round.to_string();
        self.timed(write, "setvar", &[("var", "seen"), ("data", &data)])?;
        let seen = self.call("getvar", &[("var", "seen")])?;
        if seen["response"] != data {
            return Err(format!("a user's variable was set to {data}, and is {seen}").into());
        }
        // Older versions have none.
        if ["1.2", "1.3"].contains(&self.version) {
            self.timed(write, "logout", &[])?;
        }
        if self.how == How::Gotten {
            self.customer.client.hang_up();
        }
        Ok(())
    }

    fn timed(
        &mut self,
        kind: impl FnOnce(&mut Found) -> &mut Vec<f64>,
        call: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Value> {
        let since = Instant::now();
        let answer = self.call(call, pairs)?;
        self.customer.took(since, kind)?;
        Ok(answer)
    }

    fn call(&mut self, call: &str, pairs: &[(&str, &str)]) -> Result<Value> {
        let data = self.customer.shared.data;
        let mut all = vec![("type", call), ("name", data.app("name")?), ("ownerid", data.app("ownerid")?)];
        all.extend(self.session.as_deref().map(|session| ("sessionid", session)));
        all.extend(pairs);
        let asked = serde_urlencoded::to_string(&all)?;
        let target = format!("/api/{}/", self.version);
        let answer = match self.how {
            How::Posted => self.customer.send("POST", &target, &[FORM], &asked)?,
            How::Gotten => self.customer.send("GET", &format!("{target}?{asked}"), &[], "")?,
            How::Enveloped => {
                all.push(("init_iv", INIT_IV));
                let envelope = Envelope::new(&self.secret, INIT_IV);
                let mut answer = self.customer.send("POST", &target, &[FORM], &envelope.form(all))?;
                // What is not enciphered was not meant for this client: no success, and shown as it came.
                match envelope.open(&answer.body) {
                    Some(body) => answer.body = body,
                    None => return self.customer.expect(false, &asked, &answer),
                }
                answer
            }
        };
        let well = answer.status == 200 && answer.json()["success"] == true;
        self.customer.expect(well, &asked, &answer)
    }
}
