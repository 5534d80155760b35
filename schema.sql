-- Keystead's store, version 3. This file is the readable truth: a new database is made by running it, and an older one
-- is brought up to it by the numbered upgrades in src/store/schema.rs.
--
-- Times are whole seconds since 1970 UTC, lengths of time are seconds, flags are 0 or 1. Names and keys are compared
-- without regard to ASCII case, through the indexes on lower(…); everything else is exact.

-- One row: the version of this schema.
CREATE TABLE schema_version (
    version INTEGER NOT NULL
) STRICT;

-- Accounts that have apps. Clients send `ownerid`.
CREATE TABLE owners (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    ownerid    TEXT NOT NULL UNIQUE,            -- 10 alphanumerics
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX owners_by_name ON owners (lower(name));

-- Apps. `ready` is 0 while an import fills one or a deletion empties it: until it is 1, nobody sees it.
CREATE TABLE apps (
    id         INTEGER PRIMARY KEY,
    owner_id   INTEGER NOT NULL REFERENCES owners (id),
    name       TEXT NOT NULL,
    secret     TEXT NOT NULL,                   -- 64 lower-case hex characters
    sellerkey  TEXT NOT NULL UNIQUE,            -- 32 lower-case hex characters
    created_at INTEGER NOT NULL,
    paused_at  INTEGER,                         -- running subscriptions stand still from then on
    ready      INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX apps_by_name ON apps (owner_id, name) WHERE ready = 1;

-- By what clients of other formats name an app: Authgate's by an API key that is proven by its secret, Wacht's by the
-- UUID. One row for each app.
CREATE TABLE app_names (
    app_id     INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    uuid       TEXT NOT NULL UNIQUE,
    api_key    TEXT NOT NULL UNIQUE,            -- 32 lower-case hex characters
    api_secret TEXT NOT NULL                    -- 64 lower-case hex characters
) STRICT;

-- Per-app settings that were set. Names, kinds and defaults: src/model/settings.rs.
CREATE TABLE app_settings (
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;
-- Apps are looked up by these.
CREATE INDEX app_settings_by_value ON app_settings (name, value) WHERE name IN ('wachtHost', 'wachtDefault');

-- What a license level gives: every plan of that level.
CREATE TABLE plans (
    id     INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    level  TEXT NOT NULL,
    UNIQUE (app_id, name)
) STRICT;

-- License keys. Unused: used_at is null. Banned counts before used, used before paused.
CREATE TABLE licenses (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    level      TEXT NOT NULL,
    duration   INTEGER,                         -- seconds from redemption; null is lifetime
    note       TEXT,
    created_by TEXT,
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    used_by    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    banned     INTEGER NOT NULL DEFAULT 0,
    ban_reason TEXT,
    paused     INTEGER NOT NULL DEFAULT 0,      -- neither redeemed nor opens its license-only user
    expires_at INTEGER                          -- not redeemed from then on; before, it gives no more than the time until then
) STRICT;
CREATE UNIQUE INDEX licenses_by_key ON licenses (app_id, lower(key));
CREATE INDEX licenses_by_user ON licenses (used_by) WHERE used_by IS NOT NULL;

-- Users of one app. `login` says what `secret` is: 'password' (argon2id as PHC text, or bcrypt of an imported user),
-- 'license' (the license that made the user opens it; no secret), 'claimable' (the first login sets the password; no
-- secret yet), 'locked' (nothing opens it).
CREATE TABLE users (
    id            INTEGER PRIMARY KEY,
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    login         TEXT NOT NULL CHECK (login IN ('password', 'license', 'claimable', 'locked')),
    secret        TEXT CHECK ((login = 'password') = (secret IS NOT NULL)),
    email_sha1    TEXT,                         -- of the lower-cased address, in hex
    ip            TEXT,                         -- of the last login
    created_at    INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    banned        INTEGER NOT NULL DEFAULT 0,
    ban_reason    TEXT,
    two_factor    TEXT,                         -- the sealed TOTP secret; null: no code is asked for
    two_factor_step          INTEGER NOT NULL DEFAULT 0,   -- the latest 30-second step whose code was taken
    two_factor_pending       TEXT,              -- a sealed secret that waits for its first code …
    two_factor_pending_until INTEGER,           -- … until then
    uuid          TEXT NOT NULL DEFAULT '',     -- random; the id that Authgate's clients see
    email         TEXT,                         -- as it was given
    email_claimed INTEGER NOT NULL DEFAULT 0,   -- 1: no other user of the app claims the address; it can sign in by it
    first_name    TEXT,
    last_name     TEXT,
    phone         TEXT,
    phone_country_code TEXT,
    device_limit  INTEGER,                      -- null: the app's setting deviceLimit
    session_limit INTEGER                       -- null: the app's setting sessionLimit
) STRICT;
CREATE INDEX users_by_email ON users (app_id, email_sha1) WHERE email_sha1 IS NOT NULL;
CREATE INDEX users_by_two_factor ON users (two_factor) WHERE two_factor IS NOT NULL;
CREATE INDEX users_by_two_factor_pending ON users (two_factor_pending) WHERE two_factor_pending IS NOT NULL;
CREATE UNIQUE INDEX users_by_claimed_email ON users (app_id, email_sha1) WHERE email_claimed = 1;
CREATE UNIQUE INDEX users_by_phone ON users (app_id, phone) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX users_by_name ON users (app_id, lower(name));

-- What users hold: a plan until some time. The plan is kept by name: deleting a plan takes nothing from a customer.
CREATE TABLE subscriptions (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    plan       TEXT NOT NULL,
    level      TEXT,
    license_id INTEGER REFERENCES licenses (id) ON DELETE SET NULL,   -- null unless it came with the registration
    granted_at INTEGER NOT NULL,
    expires_at INTEGER,                         -- null is lifetime
    paused_at  INTEGER                          -- while set, it stands still
) STRICT;
CREATE INDEX subscriptions_by_user ON subscriptions (user_id);
CREATE INDEX subscriptions_by_license ON subscriptions (license_id) WHERE license_id IS NOT NULL;

-- Devices bound to users, compared exactly.
CREATE TABLE devices (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hwid     TEXT NOT NULL,
    bound_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, hwid)
) STRICT, WITHOUT ROWID;

-- What `init` gives out ('init'), and what stands behind a login of the other formats: Authgate's short-lived token
-- ('token'), one sign-in of a browser ('sign-in'). A row outlives its session by a day, so that refusals can still be signed. Ids of
-- one commit begin alike: it writes their index at one place, and the rows and the other indexes at their end.
CREATE TABLE sessions (
    row        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,            -- 32 or 64 lower-case hex characters
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    sign_key   TEXT,                            -- null: the client sent no enckey
    ip         TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,                         -- logout or kill; expires_at is then no later
    user_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    credential TEXT,                            -- the name as typed at login; null while nobody has logged in
    hwid       TEXT,                            -- the device that logged in, for 'token'
    -- Not as a list: for one of three values SQLite makes a table of its own, at each insert.
    kind       TEXT NOT NULL DEFAULT 'init' CHECK (kind = 'init' OR kind = 'token' OR kind = 'sign-in')
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX sessions_by_app ON sessions (app_id, expires_at);

-- Browsers of Wacht's format. Each has a cookie, of which only the SHA-256 is kept, and up to fifty users signed in.
-- Ids are random and shown.
CREATE TABLE browsers (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,                -- roughly: not written anew for each request
    active     INTEGER                          -- the sign-in that counts; it may be gone
) STRICT;
CREATE INDEX browsers_by_app ON browsers (app_id);
CREATE INDEX browsers_by_use ON browsers (used_at) WHERE active IS NOT NULL;
CREATE INDEX browsers_by_use_alone ON browsers (used_at) WHERE active IS NULL;

-- One user signed in on one browser: as long as its session lives and has that user. Ids are random and shown; each came
-- of an attempt, which has an id too.
CREATE TABLE sign_ins (
    id         INTEGER PRIMARY KEY,
    browser_id INTEGER NOT NULL REFERENCES browsers (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    attempt_id INTEGER NOT NULL UNIQUE,
    signed_up  INTEGER NOT NULL,                -- 1: by signing up, 0: by signing in
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ins_by_browser ON sign_ins (browser_id);
CREATE INDEX sign_ins_by_session ON sign_ins (session_id);

-- Banned devices ('hwid'), single addresses ('ip') and networks ('network'). A network's first and last address are
-- 16 bytes each, IPv4 as IPv4-mapped IPv6, so that "inside" is a comparison of bytes.
CREATE TABLE bans (
    id            INTEGER PRIMARY KEY,
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('hwid', 'ip', 'network')),
    value         TEXT NOT NULL,
    first_address BLOB,
    last_address  BLOB,
    note          TEXT,
    created_at    INTEGER NOT NULL,
    UNIQUE (app_id, kind, value)
) STRICT;
CREATE INDEX bans_by_network ON bans (app_id, first_address) WHERE kind = 'network';

-- Addresses and networks that the VPN block of an app lets through.
CREATE TABLE allowed_networks (
    app_id  INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    PRIMARY KEY (app_id, network)
) STRICT, WITHOUT ROWID;

-- App variables. `authenticated`: only for sessions on which a user has logged in.
CREATE TABLE variables (
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    value         TEXT NOT NULL,
    authenticated INTEGER NOT NULL DEFAULT 1,
    updated_at    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

-- Variables of single users. `read_only`: only the operator changes it.
CREATE TABLE user_variables (
    user_id   INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    read_only INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;

-- Chat channels. `delay`: seconds between two messages of one user.
CREATE TABLE chat_channels (
    id     INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    delay  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app_id, name)
) STRICT;

-- The newest messages of each channel, in the order of their ids.
CREATE TABLE chat_messages (
    id         INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES chat_channels (id) ON DELETE CASCADE,
    user_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    author     TEXT NOT NULL,                   -- as it is shown
    text       TEXT NOT NULL,
    sent_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_messages_by_channel ON chat_messages (channel_id);
CREATE INDEX chat_messages_by_user ON chat_messages (user_id) WHERE user_id IS NOT NULL;

-- Users who may not write in any channel until then.
CREATE TABLE chat_mutes (
    user_id     INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    muted_until INTEGER NOT NULL
) STRICT;

-- Addresses that clients reach through the server, without seeing them (KeyAuth's "webhooks").
CREATE TABLE relays (
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    url           TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    authenticated INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;

-- Files for clients: kept here, or fetched from a URL at each download.
CREATE TABLE files (
    row           INTEGER PRIMARY KEY,
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    name          TEXT NOT NULL,
    authenticated INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    url           TEXT,
    content       BLOB,
    UNIQUE (app_id, id),
    CHECK ((url IS NULL) <> (content IS NULL))
) STRICT;

-- What clients logged.
CREATE TABLE logs (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    logged_at  INTEGER NOT NULL,
    message    TEXT NOT NULL,
    credential TEXT,                            -- who was logged in
    pc_user    TEXT,                            -- what the client calls its machine's user
    ip         TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_app ON logs (app_id);
CREATE INDEX logs_by_time ON logs (logged_at);

-- What has to be sent to the outside, until it is sent or given up. `payload` is sealed.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER REFERENCES apps (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('mail', 'post')),
    payload    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_by_due ON outbox (kind, due_at);
CREATE INDEX outbox_by_app ON outbox (app_id) WHERE app_id IS NOT NULL;

-- Tokens of the token system: each stands in a file beside a program. The first file seen with it binds its hash.
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    token      TEXT NOT NULL,                   -- 32 lower-case hex characters
    license_id INTEGER REFERENCES licenses (id) ON DELETE SET NULL,
    file_hash  TEXT,                            -- SHA-256 in lower-case hex
    note       TEXT,
    banned     INTEGER NOT NULL DEFAULT 0,
    ban_reason TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (app_id, token)
) STRICT;
CREATE INDEX tokens_by_license ON tokens (license_id) WHERE license_id IS NOT NULL;

-- One-time secrets that stand for a password: 'login' (the web loader's) and 'reset' (in the link of a mail). Only the
-- SHA-256 of the secret is kept. A user has at most one of each kind.
CREATE TABLE one_time_secrets (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('login', 'reset')),
    hash       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_secrets_by_end ON one_time_secrets (expires_at);

-- The key pairs that sign the answers of protocol 1.3. The one that is not retired signs.
CREATE TABLE server_keys (
    id         INTEGER PRIMARY KEY,
    seed       TEXT NOT NULL,                   -- the sealed private key
    public_key TEXT NOT NULL,                   -- 64 lower-case hex characters
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;
CREATE UNIQUE INDEX server_keys_signing ON server_keys ((1)) WHERE retired_at IS NULL;

INSERT INTO schema_version (version) VALUES (4);
