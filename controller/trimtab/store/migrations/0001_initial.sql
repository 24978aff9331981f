-- The first schema. Times are ISO 8601 in UTC; applications are "name" or "namespace/name"; JSON is canonical.

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE releases (
    app          TEXT NOT NULL,
    id           INTEGER NOT NULL,
    revision     TEXT NOT NULL,
    subject      TEXT NOT NULL,
    author       TEXT NOT NULL,
    plan_id      TEXT NOT NULL,
    phase        TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    finished_at  TEXT,
    images       TEXT NOT NULL,
    initiated_by TEXT NOT NULL,
    trigger      TEXT NOT NULL,
    message      TEXT NOT NULL,
    PRIMARY KEY (app, id)
) WITHOUT ROWID;

CREATE TABLE applied (
    app              TEXT PRIMARY KEY,
    desired_revision TEXT NOT NULL,
    desired_digest   TEXT NOT NULL,
    applied_revision TEXT NOT NULL,
    applied_digest   TEXT NOT NULL,
    healthy_revision TEXT NOT NULL,
    healthy_digest   TEXT NOT NULL,
    healthy_images   TEXT NOT NULL,
    failed_revision  TEXT NOT NULL,
    failed_digest    TEXT NOT NULL,
    failed_reason    TEXT NOT NULL,
    tried            INTEGER NOT NULL,
    updated_at       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE objects (
    app     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    replica INTEGER NOT NULL,
    engine_name TEXT NOT NULL,
    digest  TEXT NOT NULL,
    handle  TEXT NOT NULL,
    PRIMARY KEY (app, kind, name, replica)
) WITHOUT ROWID;

-- AUTOINCREMENT: numbers are never used again, so that a reader's cursor stays true after old events are dropped.
CREATE TABLE events (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       TEXT NOT NULL,
    app      TEXT NOT NULL,
    type     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    message  TEXT NOT NULL,
    revision TEXT NOT NULL,
    fields   TEXT NOT NULL
);
CREATE INDEX events_by_app ON events (app, id);

CREATE TABLE runs (
    run         INTEGER PRIMARY KEY AUTOINCREMENT,
    plan_id     TEXT NOT NULL,
    app         TEXT NOT NULL,
    target      TEXT NOT NULL,
    revision    TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT
);
CREATE INDEX runs_by_app ON runs (app, run);

CREATE TABLE steps (
    run        INTEGER NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
    node       INTEGER NOT NULL,
    text       TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    status     TEXT,
    error      TEXT NOT NULL,
    PRIMARY KEY (run, node)
) WITHOUT ROWID;

CREATE TABLE requests (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    app         TEXT NOT NULL,
    verb        TEXT NOT NULL,
    asked_at    TEXT NOT NULL,
    by          TEXT NOT NULL,
    arguments   TEXT NOT NULL,
    state       TEXT NOT NULL,
    answer      TEXT NOT NULL,
    answered_at TEXT
);
CREATE INDEX requests_open ON requests (id) WHERE state = 'pending';

CREATE TABLE suspensions (
    app    TEXT PRIMARY KEY,
    since  TEXT NOT NULL,
    reason TEXT NOT NULL,
    by     TEXT NOT NULL,
    until  TEXT
) WITHOUT ROWID;

CREATE TABLE pins (
    app             TEXT PRIMARY KEY,
    revision        TEXT NOT NULL,
    since           TEXT NOT NULL,
    branch_revision TEXT NOT NULL,
    by              TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE approvals (
    plan_id TEXT PRIMARY KEY,
    app     TEXT NOT NULL,
    at      TEXT NOT NULL,
    by      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE failed_builds (
    build_key TEXT PRIMARY KEY,
    app       TEXT NOT NULL,
    message   TEXT NOT NULL,
    at        TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE statuses (
    app    TEXT PRIMARY KEY,
    at     TEXT NOT NULL,
    status TEXT NOT NULL
) WITHOUT ROWID;
