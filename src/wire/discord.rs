//! What is posted to Discord, and to whatever takes the same (contract 4.16). Sends nothing.

use serde_json::json;

use crate::domain::outbox::Post;
use crate::model::log::LogLine;

/// The longest title that Discord takes, in characters.
const MAX_TITLE: usize = 256;

/// The colour of a log line's embed.
const COLOUR: u32 = 65_505;

/// The post that shows a log line.
pub(super) fn log_line(url: &str, line: &LogLine) -> Post {
    let field = |name, value: Option<&str>| json!({ "name": name, "value": fenced(value), "inline": false });
    let inline = |name, value| {
        let mut field = field(name, value);
        field["inline"] = true.into();
        field
    };
    let embed = json!({
        "title": title(&line.message),
        "color": COLOUR,
        "fields": [
            field("🔐 Credential:", line.credential.as_deref()),
            inline("💻 PC Name:", line.pc_user.as_deref()),
            inline("🌎 Client IP:", Some(line.ip.as_str())),
        ],
    });
    let body = json!({ "embeds": [embed] }).to_string();
    Post { url: url.to_owned(), content_type: "application/json".to_owned(), body }
}

/// A longer title is refused, and the line with it. The whole line is in the database.
fn title(message: &str) -> String {
    let title = format!("📜 Log: {message}");
    // Discord counts as JavaScript does; some characters count twice.
    let mut length = 0;
    match title.char_indices().find(|(_, c)| {
        length += c.len_utf16();
        length > MAX_TITLE
    }) {
        None => title,
        Some(_) => {
            let mut length = 1;
            let kept = title.chars().take_while(|c| {
                length += c.len_utf16();
                length <= MAX_TITLE
            });
            kept.chain(['…']).collect()
        }
    }
}

/// A value that is shown as it is: it cannot end the fence around it, nor take the place of a language's name, which a
/// first line would be.
fn fenced(value: Option<&str>) -> String {
    let tame = |c: char| match c {
        '`' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    format!("```{}```", value.unwrap_or("N/A").chars().map(tame).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::time::Time;

    fn embed(message: &str, credential: Option<&str>) -> Value {
        let line = LogLine {
            logged_at: Time(0),
            message: message.to_owned(),
            credential: credential.map(str::to_owned),
            pc_user: Some("a```b\nc`".to_owned()),
            ip: "203.0.113.9".to_owned(),
        };
        let post = log_line("https://discord.example/x", &line);
        serde_json::from_str::<Value>(&post.body).expect("JSON")["embeds"][0].clone()
    }

    #[test]
    fn values_cannot_leave_their_fences() {
        let embed = embed("hello ``` @everyone", None);
        assert_eq!(embed["title"], "📜 Log: hello ``` @everyone");
        assert_eq!(embed["color"], 65_505);
        let fields = embed["fields"].as_array().expect("fields");
        let [credential, pc, ip] = &fields[..] else { panic!("three fields: {embed}") };
        assert_eq!((&credential["name"], &credential["value"]), (&"🔐 Credential:".into(), &"```N/A```".into()));
        assert_eq!((&pc["name"], &pc["value"]), (&"💻 PC Name:".into(), &"```a'''b c'```".into()));
        assert_eq!((&ip["name"], &ip["value"]), (&"🌎 Client IP:".into(), &"```203.0.113.9```".into()));
        assert_eq!([&credential["inline"], &pc["inline"], &ip["inline"]], [false, true, true]);
    }

    #[test]
    fn a_title_is_cut_where_discord_would_refuse_it() {
        let utf16 = |title: &Value| title.as_str().expect("text").encode_utf16().count();
        // What stands before the message counts eight.
        let fits = embed(&"x".repeat(248), None);
        assert!(utf16(&fits["title"]) == 256 && !fits["title"].to_string().contains('…'), "{fits}");
        let cut = embed(&"x".repeat(249), None);
        assert!(utf16(&cut["title"]) == 256 && cut["title"].as_str().expect("text").ends_with("x…"), "{cut}");
        let wide = embed(&"😀".repeat(130), None);
        assert!(utf16(&wide["title"]) <= 256 && wide["title"].as_str().expect("text").ends_with('…'), "{wide}");
    }
}
