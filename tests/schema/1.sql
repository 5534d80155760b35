-- Keystead's store, version 1. This file is the readable truth: a new database is made by running it, and an older one
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

-- Per-app settings that were set. Names, kinds and defaults: src/model/settings.rs.
CREATE TABLE app_settings (
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

-- What a license level gives: every plan of that level.
CREATE TABLE plans (
    id     INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    level  TEXT NOT NULL,
    UNIQUE (app_id, name)
) STRICT;

-- License keys. Unused: used_at is null. Banned counts before used.
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
    ban_reason TEXT
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
    ban_reason    TEXT
) STRICT;
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

-- What `init` gives out. A row outlives its session by a day, so that refusals can still be signed. Ids are random, so
-- only their own index is written at random places; the rows and the other indexes grow at their end.
CREATE TABLE sessions (
    row        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,            -- 32 lower-case hex characters
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    sign_key   TEXT,                            -- null: the client sent no enckey
    ip         TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,                         -- logout or kill; expires_at is then no later
    user_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    credential TEXT                             -- the name as typed at login; null while nobody has logged in
) STRICT;
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX sessions_by_app ON sessions (app_id);

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
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

INSERT INTO schema_version (version) VALUES (1);
