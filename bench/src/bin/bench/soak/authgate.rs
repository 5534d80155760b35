//! Programs that speak Authgate: users that are nothing but a license, old ones and new ones; sometimes one with a name and
//! a password, who redeems a license later.

use serde_json::{Value, json};

use super::super::client::Result;
use super::customer::{Customer, LOGINS, PASSWORD, SIGN_UPS};

pub(super) fn speak(mut customer: Customer<'_>) -> Result<()> {
    // The user with a password.
    let mut named = None;
    customer.rounds(|customer, round| {
        let (credentials, device) = if round.is_multiple_of(SIGN_UPS) {
            let new = customer.new_license()?;
            let name = format!("gate-{}", new.key);
            let who = json!({"username": name, "password": PASSWORD, "hardware_id": new.device, "code": new.key});
            post(customer, "/sign_up", &who)?;
            post(customer, "/activate_license", &who)?;
            customer.known(&name)?;
            (by_name(named.insert(name)), new.device)
        } else if round % LOGINS == 7
            && let Some(name) = &named
        {
            (by_name(name), customer.device())
        } else if round % 10 == 3 {
            let new = customer.new_license()?;
            let body = json!({"code": new.key, "hardware_id": new.device});
            post(customer, "/sign_up_with_license_code", &body)?;
            (json!({"code": new.key}), new.device)
        } else {
            let old = customer.old_license(round);
            (json!({"code": old.key}), old.device)
        };
        let body = json!({"credentials": credentials, "hardware_id": device});
        let token = post(customer, "/auth/login", &body)?;
        let token = token["session_token"].as_str().ok_or("no session_token")?;
        for _ in 0..5 {
            let context = call(customer, "GET", "/app_context", Some(token), "")?;
            if context["user"].is_null() {
                return Err(format!("Authgate: a token's user is not there: {context}").into());
            }
        }
        Ok(())
    })
}

fn by_name(name: &str) -> Value {
    json!({"username": name, "password": PASSWORD})
}

fn post(customer: &mut Customer<'_>, path: &str, body: &Value) -> Result<Value> {
    call(customer, "POST", path, None, &body.to_string())
}

fn call(customer: &mut Customer<'_>, method: &str, path: &str, token: Option<&str>, body: &str) -> Result<Value> {
    let data = customer.shared.data;
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("x-api-key", data.app("api_key")?), ("x-api-secret", data.app("api_secret")?)];
    headers.push(("content-type", "application/json"));
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let answer = customer.send(method, &format!("/api/integration{path}"), &headers, body)?;
    customer.expect(answer.status == 200, &format!("{method} {path} {body}"), &answer)
}
