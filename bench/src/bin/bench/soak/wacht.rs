//! Browsers of Wacht's clients: somebody signs up now and then, signs in on another browser, looks around, and signs out.

use serde_json::Value;

use super::super::client::{FORM, Result};
use super::customer::{Customer, PASSWORD, SIGN_UPS};

/// Rounds between two browsers on which somebody signs in.
const SIGN_INS: u64 = 20;

pub(super) fn speak(mut customer: Customer<'_>) -> Result<()> {
    // Each user counts once; their browser's cookie.
    let (mut name, mut cookie) = (String::new(), None);
    customer.rounds(|customer, round| {
        let cookie = &mut cookie;
        let begins = round.is_multiple_of(SIGN_INS);
        if begins {
            // Another browser, which has been here once before somebody signs in on it.
            *cookie = None;
            call(customer, cookie, "GET", "/session", "")?;
        }
        if round.is_multiple_of(SIGN_UPS) {
            name = format!("wacht-{}-{round}", customer.n);
            let form = format!("email={name}@example.com&username={name}&password={PASSWORD}");
            call(customer, cookie, "POST", "/auth/signup", &form)?;
            customer.known(&name)?;
        } else if begins {
            let form = format!("strategy=plain_username&username={name}&password={PASSWORD}");
            call(customer, cookie, "POST", "/auth/signin", &form)?;
        }
        for _ in 0..5 {
            let seen = call(customer, cookie, "GET", "/session", "")?;
            if seen["data"]["active_signin_id"].is_null() {
                return Err(format!("Wacht: {name} is not signed in any more: {seen}").into());
            }
        }
        let taken = format!("/auth/identifier-availability?type=username&identifier={name}");
        if call(customer, cookie, "GET", &taken, "")?["data"]["exists"] != true {
            return Err(format!("Wacht: {name} is not there any more").into());
        }
        if (round + 1).is_multiple_of(SIGN_INS) {
            call(customer, cookie, "POST", "/session/sign-out", "")?;
        }
        Ok(())
    })
}

/// A call with the browser's cookie, which an answer may change.
fn call(
    customer: &mut Customer<'_>,
    cookie: &mut Option<String>,
    method: &str,
    path: &str,
    form: &str,
) -> Result<Value> {
    let target = format!("/wacht/{}{path}", customer.shared.data.app("id")?);
    let mut headers = vec![FORM];
    headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    let answer = customer.send(method, &target, &headers, form)?;
    if let Some(set) = answer.header("set-cookie") {
        *cookie = set.split(';').next().map(str::to_owned);
    }
    customer.expect(answer.status == 200, &format!("{method} {path} {form}"), &answer)
}
