//! `GET /app_context`: the application, what it hands out, and who asks (contract 2.3).

use std::sync::Arc;

use crate::domain::user::Entered;
use crate::domain::{Stop, file, subscription, variable};
use crate::model::app::App;
use crate::model::exchange::Method;
use crate::model::time::Time;
use crate::store::files::File;
use crate::store::variables::Variable;
use crate::wire::Door;
use crate::wire::reply::Json;

use super::answer::{No, Reply, utc};
use super::words::Asked;
use super::{Call, Endpoint, USER_FIELDS, USER_HEADERS, answer, caller, fault};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/app_context",
    method: Method::Get,
    help: "tells about the application, its variables and files, and the user",
    fields: USER_FIELDS,
    door: Door { answer: |ctx, request| answer(ctx, request, &ENDPOINT), headers: USER_HEADERS, fault },
    asked: Asked::Entry,
    run: |call| Box::pin(run(call)),
};

async fn run(call: Call) -> Result<Reply, No> {
    let entered = caller::identify(&call).await?;
    let (app, is_user) = (call.app.id, entered.is_some());
    let handed_out = call.ctx.store.read(move |tx| -> Result<_, Stop> {
        Ok((variable::all_for(tx, app, is_user)?, file::all_for(tx, app, is_user)?))
    });
    let (variables, files) = handed_out.await?;
    let (app, now) = (Arc::clone(&call.app), call.request.now);
    let application = Json::Object(vec![
        ("id", app.uuid.to_string().into()),
        ("name", app.name.to_string().into()),
        ("variables", Json::List(variables.into_iter().map(variable_field).collect())),
        ("files", Json::List(files.into_iter().map(file_field).collect())),
    ]);
    let user = entered.map_or(Json::Null, |entered| user_field(&app, &entered, now));
    Ok(Reply::Json(vec![("application", application), ("user", user), ("server_time", utc(now))]))
}

fn variable_field(variable: Variable) -> Json {
    Json::Object(vec![("name", variable.name.into()), ("value", variable.value.into())])
}

/// Files are handed out as they are; what is in them is not known here.
fn file_field(file: File) -> Json {
    Json::Object(vec![
        ("id", file.id.into()),
        ("name", file.name.into()),
        ("mime_type", "application/octet-stream".into()),
        ("is_encrypted", false.into()),
    ])
}

fn user_field(app: &App, entered: &Entered, now: Time) -> Json {
    let membership = subscription::membership(app, &entered.subscriptions, now);
    let membership = Json::Object(vec![
        ("is_active", membership.is_active.into()),
        ("is_lifetime", membership.is_lifetime.into()),
        ("active_until", membership.active_until.map_or(Json::Null, utc)),
    ]);
    Json::Object(vec![
        ("id", entered.user.uuid.to_string().into()),
        ("username", entered.user.name.clone().into()),
        ("membership", membership),
    ])
}
