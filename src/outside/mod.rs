//! Everything that leaves the server: HTTP requests to relays and files, mail. The only room that knows the HTTP
//! client, the mail library and TLS. Decides no rule: who may be talked to says `domain::target`.

pub mod delivery;
pub mod fetch;
pub mod mail;
