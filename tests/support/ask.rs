//! A client for any format: a raw request with its own headers, and JSON in and out. Knows no format.

use serde_json::Value;

use super::Server;
use super::client::{Reply, exchange};

impl Server {
    /// Sends one request and reads the whole answer.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if method == "POST" || !body.is_empty() {
            head += &format!("content-length: {}\r\n", body.len());
        }
        exchange(self.address, &[head.as_bytes(), b"\r\n", body].concat())
    }

    /// Posts a JSON body.
    pub fn post_json(&self, target: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.ask("POST", target, &headers, body.to_string().as_bytes())
    }

    /// Posts an urlencoded body.
    pub fn post_form(&self, target: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Reply {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        self.ask("POST", target, &headers, serde_urlencoded::to_string(pairs).expect("pairs").as_bytes())
    }
}
