//! Plain data that every room shares. Imports nothing of ours, decides nothing, touches no database.

pub mod app;
pub mod ban;
pub mod browser;
pub mod exchange;
pub mod ids;
pub mod license;
pub mod log;
pub mod session;
pub mod settings;
pub mod sign_key;
pub mod time;
pub mod user;
