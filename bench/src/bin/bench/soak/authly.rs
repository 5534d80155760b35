//! Programs that speak Authly: a session, a login by license or by name, a variable. It has no call that ends a session.

use serde_json::{Value, json};

use super::super::client::Result;
use super::customer::{Customer, LOGINS, PASSWORD};

pub(super) fn speak(mut customer: Customer<'_>) -> Result<()> {
    customer.rounds(|customer, round| {
        let data = customer.shared.data;
        let app = json!({"owner_id": data.app("ownerid")?, "app_name": data.app("name")?,
            "secret": data.app("secret")?, "version": "1.0"});
        let session = session_of(&call(customer, "init", &app)?)?;
        let inside = if round % LOGINS == 7 {
            let new = customer.new_license()?;
            let name = format!("authly-{}", new.key);
            let who = json!({"session_id": session, "username": name, "password": PASSWORD, "key": new.key,
                "sid": new.device});
            call(customer, "register", &who)?;
            customer.known(&name)?;
            call(customer, "login", &who)?
        } else {
            let license = if round % 10 == 3 { customer.new_license()? } else { customer.old_license(round) };
            let body = json!({"session_id": session, "license_key": license.key, "sid": license.device});
            call(customer, "licenses", &body)?
        };
        let session = json!({"session_id": session_of(&inside)?, "var_key": "motd"});
        for _ in 0..3 {
            call(customer, "validate-session", &session)?;
            call(customer, "variables", &session)?;
        }
        Ok(())
    })
}

fn session_of(answer: &Value) -> Result<String> {
    Ok(answer["session_id"].as_str().ok_or("no session_id")?.to_owned())
}

fn call(customer: &mut Customer<'_>, call: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let kind = [("content-type", "application/json")];
    let answer = customer.send("POST", &format!("/api/v2/{call}"), &kind, &body)?;
    let well = answer.status == 200 && answer.json()["success"] == true;
    customer.expect(well, &format!("{call} {body}"), &answer)
}
