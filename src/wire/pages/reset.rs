//! `/reset`: the page behind the link of a mail. Looking at it uses nothing up; sending the form sets the password, once.

use std::sync::Arc;

use askama::Template;

use crate::domain::reset::{self, Link};
use crate::domain::secret::{MAX_PASSWORD, Proof, Work};
use crate::domain::{Refusal, Stop};
use crate::model::exchange::{Method, Request, Response, subscriber};
use crate::store;
use crate::wire::Ctx;
use crate::wire::form::{self, Form};

use super::{notice, page, stopped};

const CALL: &str = "reset";

#[derive(Template)]
#[template(path = "reset.html")]
struct Page<'a> {
    app: &'a str,
    username: &'a str,
    token: &'a str,
    problem: Option<&'a str>,
    most: usize,
}

pub(super) async fn answer(ctx: Arc<Ctx>, request: Request) -> Response {
    match respond(&ctx, &request).await {
        Ok(response) => response,
        Err(stop) => stopped(&stop),
    }
}

async fn respond(ctx: &Ctx, request: &Request) -> Result<Response, Stop> {
    let form = form::read(request.method, &request.query, request.content_type.as_deref(), &request.body);
    let token = form.text("token").ok_or(Refusal::ResetExpired)?;
    let (wanted, now) = (token.to_owned(), request.now);
    let link = ctx.store.read(move |tx| reset::link(tx, &wanted, now)).await?;
    if request.method != Method::Post {
        return Ok(show(&link, token, None));
    }
    let password = match choose(ctx, &link, &form) {
        Ok(password) => password.to_owned(),
        Err(problem) => return Ok(show(&link, token, Some(problem))),
    };
    let hashed = ctx.hashing.submit_for(subscriber(request.peer), Work::Hash { password })?;
    let hash = match hashed.await.map_err(|gone| store::Error::Bug(gone.to_string()))? {
        Proof::Hashed { hash } => hash,
        _ => return Err(store::Error::Bug("a hash was asked for, something else came".to_owned()).into()),
    };
    let wanted = token.to_owned();
    ctx.store.write(move |tx| reset::set_password(tx, &wanted, &hash, now)).await?;
    Ok(notice(200, "Your password is set", "Go back to the program and log in with it.", CALL, "OK"))
}

/// The new password, or what is wrong with it.
fn choose<'a>(ctx: &Ctx, link: &Link, form: &'a Form) -> Result<&'a str, &'static str> {
    if form.fault().is_some() {
        return Err("That could not be read. Type it again.");
    }
    let password = form.text("password").ok_or("Type a password.")?;
    if form.text("again") != Some(password) {
        return Err("The two are not the same. Type them again.");
    }
    if password.len() > MAX_PASSWORD {
        return Err("That is too long.");
    }
    if link.app.settings.block_leaked_passwords && ctx.lists.is_leaked(password) {
        return Err("That password is known from a data breach elsewhere. Choose another.");
    }
    Ok(password)
}

fn show(link: &Link, token: &str, problem: Option<&str>) -> Response {
    let (app, username) = (&*link.app.name, link.user.name.as_str());
    let outcome = if problem.is_some() { "UNFIT_PASSWORD" } else { "OK" };
    page(200, &Page { app, username, token, problem, most: MAX_PASSWORD }, CALL, outcome)
}
