-- From version 1 to version 2: what the whole client API keeps.
ALTER TABLE users ADD COLUMN two_factor TEXT;
ALTER TABLE users ADD COLUMN two_factor_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN two_factor_pending TEXT;
ALTER TABLE users ADD COLUMN two_factor_pending_until INTEGER;
CREATE INDEX users_by_email ON users (app_id, email_sha1) WHERE email_sha1 IS NOT NULL;
CREATE INDEX users_by_two_factor ON users (two_factor) WHERE two_factor IS NOT NULL;
CREATE INDEX users_by_two_factor_pending ON users (two_factor_pending) WHERE two_factor_pending IS NOT NULL;

CREATE TABLE user_variables (
    user_id   INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    read_only INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE chat_channels (
    id     INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    delay  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app_id, name)
) STRICT;
CREATE TABLE chat_messages (
    id         INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES chat_channels (id) ON DELETE CASCADE,
    user_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    author     TEXT NOT NULL,
    text       TEXT NOT NULL,
    sent_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_messages_by_channel ON chat_messages (channel_id);
CREATE INDEX chat_messages_by_user ON chat_messages (user_id) WHERE user_id IS NOT NULL;
CREATE TABLE chat_mutes (
    user_id     INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    muted_until INTEGER NOT NULL
) STRICT;
CREATE TABLE relays (
    app_id        INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    id            TEXT NOT NULL,
    url           TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    authenticated INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (app_id, id)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE logs (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    logged_at  INTEGER NOT NULL,
    message    TEXT NOT NULL,
    credential TEXT,
    pc_user    TEXT,
    ip         TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_app ON logs (app_id);
CREATE INDEX logs_by_time ON logs (logged_at);
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
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    token      TEXT NOT NULL,
    license_id INTEGER REFERENCES licenses (id) ON DELETE SET NULL,
    file_hash  TEXT,
    note       TEXT,
    banned     INTEGER NOT NULL DEFAULT 0,
    ban_reason TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (app_id, token)
) STRICT;
CREATE INDEX tokens_by_license ON tokens (license_id) WHERE license_id IS NOT NULL;
CREATE TABLE one_time_secrets (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('login', 'reset')),
    hash       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_secrets_by_end ON one_time_secrets (expires_at);
CREATE TABLE server_keys (
    id         INTEGER PRIMARY KEY,
    seed       TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;
CREATE UNIQUE INDEX server_keys_signing ON server_keys ((1)) WHERE retired_at IS NULL;
