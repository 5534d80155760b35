-- From version 3 to version 4: less to write for each new session.
ALTER TABLE sessions RENAME COLUMN kind TO old_kind;
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'init'
    CHECK (kind = 'init' OR kind = 'token' OR kind = 'sign-in');
UPDATE sessions SET kind = old_kind WHERE old_kind <> 'init';
ALTER TABLE sessions DROP COLUMN old_kind;
DROP INDEX sessions_by_end;
DROP INDEX sessions_by_app;
CREATE INDEX sessions_by_app ON sessions (app_id, expires_at);
