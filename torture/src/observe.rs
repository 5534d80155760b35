//! What a database holds, as facts: read through the program's own commands, as an operator would. And that it is sound.

use serde_json::Value;

use crate::doors::APP;
use crate::history::State;
use crate::room::Room;

/// What the database of this room holds; or what is wrong with it.
pub fn observe(room: &Room) -> Result<State, String> {
    let (code, out, err) = room.run(&["check"]);
    if code != 0 {
        return Err(format!("`keystead check` ends with {code}: {out}{err}"));
    }
    let (code, out, err) = room.run(&["app", "list", "--json"]);
    if code != 0 {
        return Err(format!("`keystead app list` ends with {code}: {out}{err}"));
    }
    let apps: Value = serde_json::from_str(&out).map_err(|e| format!("{e}: {out}"))?;
    let mut state = State::new();
    for name in apps.as_array().into_iter().flatten().filter_map(|app| app["name"].as_str()) {
        let (code, out, err) = room.run(&["export", "--app", name]);
        if code != 0 {
            return Err(format!("`keystead export` ends with {code}: {err}"));
        }
        let document: Value = serde_json::from_str(&out).map_err(|e| format!("{e}: {out}"))?;
        if name == APP {
            facts(&document, &mut state);
        } else {
            // Of an imported app it is enough to know that it is whole.
            state.insert(format!("app {name}"), entries(&document, "licenses").len().to_string());
        }
    }
    Ok(state)
}

fn facts(document: &Value, state: &mut State) {
    for license in entries(document, "licenses") {
        let used = license.get("used_at").map(|_| license.get("used_by").and_then(Value::as_str));
        state.insert(format!("license {}", text(license, "key")), license_state(used, license["banned"] == true));
    }
    for user in entries(document, "users") {
        let name = text(user, "name");
        let days = entries(user, "subscriptions").iter().map(|held| {
            let time = |name| held[name].as_i64().unwrap_or(i64::MAX / 2);
            (time("expires_at") - time("granted_at")) / 86_400
        });
        let devices: Vec<_> = entries(user, "devices").iter().map(|device| text(device, "hwid")).collect();
        let days = usize::try_from(days.sum::<i64>()).unwrap_or(usize::MAX);
        state.insert(format!("user {name}"), user_state(days, user["banned"] == true, &devices));
        for variable in entries(user, "variables") {
            state.insert(format!("variable of {name}"), text(variable, "value"));
        }
    }
    for ban in entries(document, "bans") {
        let what = ["hwid", "ip", "network"].iter().find_map(|kind| ban[*kind].as_str()).unwrap_or_default();
        state.insert(format!("ban {what}"), String::new());
    }
    for variable in entries(document, "variables") {
        state.insert(format!("app variable {}", text(variable, "name")), text(variable, "value"));
    }
}

/// How a license stands: not used; used, by a user or by one that was deleted.
pub fn license_state(used: Option<Option<&str>>, banned: bool) -> String {
    let banned = if banned { ", banned" } else { "" };
    match used {
        None => format!("unused{banned}"),
        Some(None) => format!("used by nobody{banned}"),
        Some(Some(by)) => format!("used by {by}{banned}"),
    }
}

/// How a user stands.
pub fn user_state(days: usize, banned: bool, devices: &[String]) -> String {
    format!("{days} days, devices {devices:?}{}", if banned { ", banned" } else { "" })
}

fn entries<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
