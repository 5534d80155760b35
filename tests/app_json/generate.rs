//! Documents that an operator might write, for property tests. Checks nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Times that the store may hold.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1_500_000_000_i64..1_900_000_000, -1_000_i64..1_000]
}

/// Texts with everything that JSON, SQL and Unicode make interesting.
fn text(most: usize) -> impl Strategy<Value = String> {
    vec(prop_oneof![4 => proptest::char::range('a', 'z'), 1 => any::<char>()], 1..most).prop_map(move |chars| {
        let mut text: String = chars.into_iter().filter(|c| *c != '\0').collect();
        while text.len() > most {
            text.pop();
        }
        text.insert(0, 'x');
        text
    })
}

/// Keys and names: no control characters, no blanks around them, folded unique by a number.
fn word() -> impl Strategy<Value = String> {
    text(20).prop_map(|t| t.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned())
}

fn unless_null(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

fn license() -> impl Strategy<Value = Value> {
    let ban = prop_oneof![3 => Just((None, None)), 1 => of(text(40)).prop_map(|reason| (Some(true), reason))];
    let duration = prop_oneof![Just(json!("lifetime")), (-5_i64..9_000_000).prop_map(|n| json!(n)), Just(Value::Null)];
    let rest = (of(text(30)), of(text(30)), of(time()), of(time()), of(0..8_usize), ban);
    let stop = (of(any::<bool>()), of(time()));
    (word(), of("[0-9]{1,3}"), duration, rest, stop).prop_map(|(key, level, duration, rest, (paused, expires_at))| {
        let (note, created_by, created_at, used_at, used_by, (banned, ban_reason)) = rest;
        unless_null(json!({
            "paused": paused, "expires_at": expires_at,
            "key": key, "level": level, "duration": duration, "note": note, "created_by": created_by,
            "created_at": created_at, "used_at": used_at, "used_by": used_by, "banned": banned,
            "ban_reason": ban_reason,
        }))
    })
}

fn subscription() -> impl Strategy<Value = Value> {
    (of(word()), of(of("[0-9]{1,3}")), of(0..8_usize), of(time()), of(time()), of(time())).prop_map(
        |(plan, level, key, granted_at, expires_at, paused_at)| {
            let mut subscription = unless_null(json!({
                "plan": plan.unwrap_or_else(|| "default".to_owned()), "key": key, "granted_at": granted_at,
                "expires_at": expires_at, "paused_at": paused_at,
            }));
            if let Some(level) = level {
                subscription["level"] = json!(level);
            }
            subscription
        },
    )
}

fn user() -> impl Strategy<Value = Value> {
    const ARGON2: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$OSRpLiGKbL70weoFqViY2g$YD75o5g/XKGECN5deEB4VmqKpAsqUF45+H7mr3krn8o";
    const BCRYPT: &str = "$2y$10$j7CSt7D7H2I3pY16G3TisudfUIQVujTkDU86L9FHeM4f0FOJ194f.";
    let credential = prop_oneof![
        Just(json!({ "password_hash": ARGON2 })),
        Just(json!({ "password_hash": BCRYPT })),
        Just(json!({ "login": "license" })),
        Just(json!({ "login": "claimable" })),
        Just(json!({ "login": "locked" })),
        Just(json!({})),
    ];
    let ip = of(prop_oneof![Just("192.0.2.1"), Just("2001:db8::7")]);
    let devices = btree_map(word(), of(time()), 0..4);
    let variables = btree_map(word(), (text(60), any::<bool>()), 0..3).prop_map(|variables| {
        let entry = |(name, (value, read_only))| json!({ "name": name, "value": value, "read_only": read_only });
        variables.into_iter().map(entry).collect::<Vec<_>>()
    });
    let email = prop_oneof![
        (word(), any::<bool>()).prop_map(|(email, claimed)| json!({ "email": email, "email_claimed": claimed })),
        "[0-9a-f]{40}".prop_map(|sha1| json!({ "email_sha1": sha1 })),
        Just(json!({})),
    ];
    let profile = (of(word()), of(word()), of("[0-9]{3,20}"), of("[+][0-9]{1,3}"), of(1..1_000_i64), of(1..1_000_i64));
    let profile = profile.prop_map(|(first_name, last_name, phone, code, device_limit, session_limit)| {
        unless_null(json!({
            "first_name": first_name, "last_name": last_name, "phone": phone, "phone_country_code": code,
            "device_limit": device_limit, "session_limit": session_limit,
        }))
    });
    let own = (variables, of(time()), of("[A-Z2-7]{40}"), profile);
    let rest = (of(time()), of(time()), of(text(40)), devices, vec(subscription(), 0..4));
    (word(), credential, email, ip, rest, own).prop_map(
        |(name, credential, email, ip, rest, (variables, muted_until, two_factor, profile))| {
            let (created_at, last_login_at, ban_reason, devices, subscriptions) = rest;
            let devices: Vec<_> =
                devices.into_iter().map(|(hwid, at)| unless_null(json!({ "hwid": hwid, "bound_at": at }))).collect();
            let mut user = unless_null(json!({
                "name": name, "ip": ip, "created_at": created_at, "last_login_at": last_login_at,
                "ban_reason": ban_reason, "devices": devices, "subscriptions": subscriptions, "variables": variables,
                "muted_until": muted_until, "two_factor": two_factor,
            }));
            for fields in [credential, email, profile] {
                user.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            }
            user
        },
    )
}

/// Lists that name nothing else.
fn outside() -> impl Strategy<Value = Value> {
    let relays = btree_map("[a-z0-9]{1,10}", ("[a-z/?=&]{0,20}", of("[A-Za-z/. ]{0,20}")), 0..3).prop_map(|relays| {
        let entry = |(id, (path, agent)): (String, (String, Option<String>))| {
            let agent = agent.map(|agent| agent.trim().to_owned()).filter(|agent| !agent.is_empty());
            unless_null(json!({ "id": id, "url": format!("https://example.com/{path}"), "user_agent": agent }))
        };
        relays.into_iter().map(entry).collect::<Vec<_>>()
    });
    let content = prop_oneof![
        vec(any::<u8>(), 1..200).prop_map(|bytes| json!({ "content_base64": STANDARD.encode(bytes) })),
        "[a-z]{1,9}".prop_map(|path| json!({ "url": format!("http://example.com/{path}") })),
    ];
    let files = btree_map("[0-9]{6}", (word(), content, any::<bool>(), of(time())), 0..3).prop_map(|files| {
        let entry = |(id, (name, content, authenticated, created_at)): (String, (String, Value, bool, Option<i64>))| {
            let file = json!({ "id": id, "name": name, "authenticated": authenticated, "created_at": created_at });
            let mut file = unless_null(file);
            file.as_object_mut().expect("an object").extend(content.as_object().expect("an object").clone());
            file
        };
        files.into_iter().map(entry).collect::<Vec<_>>()
    });
    let log = (text(200), of(word()), of("[a-z]{0,32}"), of(Just("192.0.2.1")), of(time()));
    let logs = vec(log, 0..4).prop_map(|logs| {
        let entry = |(message, credential, pc_user, ip, at)| {
            unless_null(json!({
                "message": message, "credential": credential, "pc_user": pc_user, "ip": ip, "logged_at": at,
            }))
        };
        logs.into_iter().map(entry).collect::<Vec<_>>()
    });
    (relays, files, logs).prop_map(|(relays, files, logs)| json!({ "relays": relays, "files": files, "logs": logs }))
}

/// Tokens and chats; what they name is a number until the whole is made.
fn naming() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let token = (of(0..8_usize), of("[a-fA-F0-9]{64}"), of(text(30)), of(text(40)), of(time()));
    let tokens = btree_map("[0-9a-f]{32}", token, 0..3).prop_map(|tokens| {
        let entry = |(token, (key, file_hash, note, ban_reason, created_at))| {
            unless_null(json!({
                "token": token, "key": key, "file_hash": file_hash, "note": note, "ban_reason": ban_reason,
                "created_at": created_at,
            }))
        };
        tokens.into_iter().map(entry).collect()
    });
    let message = (of(0..8_usize), word(), text(80), of(time()));
    let chats = btree_map(word(), (of(0..86_400_i64), vec(message, 0..5)), 0..3).prop_map(|chats| {
        chats
            .into_iter()
            .map(|(name, (delay, messages))| {
                let message = |(user, author, text, sent_at)| {
                    unless_null(json!({ "user": user, "author": author, "text": text, "sent_at": sent_at }))
                };
                let messages: Vec<_> = messages.into_iter().map(message).collect();
                unless_null(json!({ "name": name, "delay": delay, "messages": messages }))
            })
            .collect()
    });
    (tokens, chats)
}

/// A whole document.
pub(crate) fn app() -> impl Strategy<Value = Value> {
    let settings = (of(text(90)), of(any::<bool>()), of(1..604_800_i64), of(any::<bool>())).prop_map(
        |(message, hwid_check, session, paused)| {
            let message = message.filter(|m| m.len() <= 99);
            unless_null(json!({
                "keynotfound": message, "hwidcheck": hwid_check, "session": session, "paused": paused,
            }))
        },
    );
    let plans = of(btree_map(word(), "[0-9]{1,3}", 0..4).prop_map(|plans| {
        plans.into_iter().map(|(name, level)| json!({ "name": name, "level": level })).collect::<Vec<_>>()
    }));
    let variables = btree_map(word(), (text(60), any::<bool>(), of(time())), 0..4).prop_map(|variables| {
        let entry = |(name, (value, authenticated, at))| {
            unless_null(json!({ "name": name, "value": value, "authenticated": authenticated, "updated_at": at }))
        };
        variables.into_iter().map(entry).collect::<Vec<_>>()
    });
    let bans = (btree_map(word(), of(text(20)), 0..3), btree_map(any::<std::net::IpAddr>(), 8_u8..=32, 0..3));
    let bans = bans.prop_map(|(hwids, networks)| {
        let hwids = hwids.into_iter().map(|(hwid, note)| unless_null(json!({ "hwid": hwid, "note": note })));
        let networks = networks.into_iter().map(|(ip, bits)| json!({ "network": format!("{ip}/{bits}") }));
        let mut all: Vec<Value> = hwids.chain(networks).collect();
        // Two addresses may be of one network.
        let mut seen = std::collections::HashSet::new();
        all.retain(|ban| {
            let network = ban["network"].as_str().map(|n| n.parse::<ipnet::IpNet>().expect("a network").trunc());
            network.is_none_or(|network| seen.insert(network))
        });
        all
    });
    let lists = (vec(license(), 0..8), vec(user(), 0..8), outside(), naming());
    (settings, plans, variables, bans, lists, of(time())).prop_map(
        |(
            settings,
            plans,
            variables,
            bans,
            (mut licenses, mut users, outside, (mut tokens, mut chats)),
            created_at,
        )| {
            for (i, user) in users.iter_mut().enumerate() {
                // What no two users have ends in a number.
                for field in ["name", "email", "phone"] {
                    if let Some(text) = user[field].as_str().map(|text| format!("{text}{i}")) {
                        user[field] = json!(text);
                    }
                }
            }
            for (i, license) in licenses.iter_mut().enumerate() {
                license["key"] = json!(format!("{}{i}", license["key"].as_str().expect("a key")));
                // From a number to the user's name, written otherwise.
                if let Some(at) = license["used_by"].as_u64() {
                    let user =
                        users.get(at as usize).map(|user| user["name"].as_str().expect("a name").to_ascii_uppercase());
                    license["used_by"] = json!(user);
                }
            }
            for user in &mut users {
                for subscription in user["subscriptions"].as_array_mut().expect("a list") {
                    let license = subscription["key"].as_u64().and_then(|at| licenses.get(at as usize));
                    let used = license.filter(|l| l["used_at"].is_i64() || l["used_by"].is_string());
                    subscription["key"] = used.map_or(Value::Null, |license| license["key"].clone());
                }
            }
            for token in &mut tokens {
                let license = token["key"].as_u64().and_then(|at| licenses.get(at as usize));
                token["key"] = license.map_or(Value::Null, |license| license["key"].clone());
            }
            for message in chats.iter_mut().flat_map(|chat| chat["messages"].as_array_mut().expect("a list")) {
                let user = message["user"].as_u64().and_then(|at| users.get(at as usize));
                message["user"] = user.map_or(Value::Null, |user| user["name"].clone());
            }
            let mut document = unless_null(json!({
                "name": "demo", "created_at": created_at, "settings": settings, "plans": plans, "variables": variables,
                "bans": bans, "licenses": licenses, "users": users, "tokens": tokens, "chats": chats,
            }));
            document.as_object_mut().expect("an object").extend(outside.as_object().expect("an object").clone());
            document
        },
    )
}
