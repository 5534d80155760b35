-- From version 2 to version 3: what Authgate's, Authly's and Wacht's clients need.
ALTER TABLE licenses ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE licenses ADD COLUMN expires_at INTEGER;

ALTER TABLE users ADD COLUMN uuid TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN email_claimed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN first_name TEXT;
ALTER TABLE users ADD COLUMN last_name TEXT;
ALTER TABLE users ADD COLUMN phone TEXT;
ALTER TABLE users ADD COLUMN phone_country_code TEXT;
ALTER TABLE users ADD COLUMN device_limit INTEGER;
ALTER TABLE users ADD COLUMN session_limit INTEGER;
UPDATE users SET uuid = lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4'
    || substr(lower(hex(randomblob(2))), 2) || '-' || substr('89ab', 1 + (random() & 3), 1)
    || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6)));
CREATE UNIQUE INDEX users_by_claimed_email ON users (app_id, email_sha1) WHERE email_claimed = 1;
CREATE UNIQUE INDEX users_by_phone ON users (app_id, phone) WHERE phone IS NOT NULL;

ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'init' CHECK (kind IN ('init', 'token', 'sign-in'));
ALTER TABLE sessions ADD COLUMN hwid TEXT;

ALTER TABLE variables ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE app_names (
    app_id     INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    uuid       TEXT NOT NULL UNIQUE,
    api_key    TEXT NOT NULL UNIQUE,
    api_secret TEXT NOT NULL
) STRICT;
INSERT INTO app_names (app_id, uuid, api_key, api_secret)
    SELECT id, lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4'
        || substr(lower(hex(randomblob(2))), 2) || '-' || substr('89ab', 1 + (random() & 3), 1)
        || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6))),
        lower(hex(randomblob(16))), lower(hex(randomblob(32)))
    FROM apps;
CREATE INDEX app_settings_by_value ON app_settings (name, value) WHERE name IN ('wachtHost', 'wachtDefault');

CREATE TABLE browsers (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    active     INTEGER
) STRICT;
CREATE INDEX browsers_by_app ON browsers (app_id);
CREATE INDEX browsers_by_use ON browsers (used_at) WHERE active IS NOT NULL;
CREATE INDEX browsers_by_use_alone ON browsers (used_at) WHERE active IS NULL;
CREATE TABLE sign_ins (
    id         INTEGER PRIMARY KEY,
    browser_id INTEGER NOT NULL REFERENCES browsers (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    attempt_id INTEGER NOT NULL UNIQUE,
    signed_up  INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ins_by_browser ON sign_ins (browser_id);
CREATE INDEX sign_ins_by_session ON sign_ins (session_id);
