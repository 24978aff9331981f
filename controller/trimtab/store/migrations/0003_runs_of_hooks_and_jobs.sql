-- Runs of hooks and jobs, with the last of what they wrote; the container of a run may be gone by then.

CREATE TABLE task_runs (
    app         TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    task        TEXT NOT NULL,
    cause       TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    revision    TEXT NOT NULL,
    at          TEXT NOT NULL,
    started_at  TEXT,
    finished_at TEXT,
    exit_code   INTEGER,
    message     TEXT NOT NULL,
    log         TEXT NOT NULL,
    PRIMARY KEY (app, name)
) WITHOUT ROWID;
CREATE INDEX task_runs_by_task ON task_runs (app, kind, task, at);
