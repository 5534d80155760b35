//! `keystead user login-token`: a token that logs a user in once. It is printed here and nowhere else.

use serde_json::json;

use crate::domain::{login_token, user};
use crate::model::app::App;
use crate::model::time::Span;

use super::{Db, Exit, Global, note, now, print_json, print_line, print_time};

pub(super) fn run(global: &Global, db: &mut Db, app: &App, name: String, life: Span) -> Result<(), Exit> {
    let found = app.clone();
    let (name, token, until) = db.write(move |tx| {
        let user = user::find(tx, &found, Some(&name))?;
        let (token, until) = login_token::give(tx, user.id, life, now(), &mut rand::rng())?
            .ok_or_else(|| Exit::usage("a login token is good for at least a second and at most a day; see --for"))?;
        Ok::<_, Exit>((user.name, token, until))
    })?;
    if global.json {
        return print_json(&json!({ "name": name, "token": token, "expires_at": until.0 }));
    }
    print_line(&token)?;
    note(&format!("logs {name} in once, until {} UTC", print_time(until)));
    Ok(())
}
