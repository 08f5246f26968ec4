-- One file, one host. Times are milliseconds since the epoch.
CREATE TABLE server (
    id        TEXT PRIMARY KEY,
    version   INTEGER NOT NULL,
    record    TEXT NOT NULL,              -- the whole record, JSON
    stage     TEXT,                       -- the outstanding command, or null
    token     TEXT,
    timer     INTEGER,                    -- when the timer fires, or null
    ip        TEXT NOT NULL,              -- of the latest lease
    leased_at INTEGER NOT NULL,           -- of the latest lease, to the minute for renewals
    interest  INTEGER NOT NULL,           -- which leases are news: 0 none, 1 another address, 2 any
    epoch     INTEGER NOT NULL DEFAULT 0, -- the fence of the attempt under way
    owner     TEXT NOT NULL DEFAULT '',
    current   INTEGER,                    -- the entry that attempt works on, or null
    takeovers INTEGER NOT NULL DEFAULT 0  -- of the outstanding command
) STRICT, WITHOUT ROWID;
CREATE INDEX server_timer ON server (timer, id) WHERE timer IS NOT NULL;

CREATE TABLE entry (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    stage    TEXT NOT NULL,
    server   TEXT,                        -- null: foreign
    token    TEXT,
    fields   TEXT NOT NULL,               -- JSON, pairs
    state    INTEGER NOT NULL DEFAULT 0,  -- 0 waiting, 1 taken, 2 parked behind an attempt of its server
    deadline INTEGER                      -- of the lease, when taken
) STRICT;
CREATE INDEX entry_waiting ON entry (stage, id) WHERE state = 0;
CREATE INDEX entry_taken ON entry (deadline, id) WHERE state = 1;
CREATE INDEX entry_parked ON entry (server, id) WHERE state = 2;

CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX journal_at ON journal (at);

CREATE TABLE timeline (                   -- the last transitions of each server, however old
    server  TEXT NOT NULL,
    version INTEGER NOT NULL,
    entry   TEXT NOT NULL,
    PRIMARY KEY (server, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    stage  TEXT NOT NULL,
    code   TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     INTEGER NOT NULL,
    fields TEXT NOT NULL
) STRICT;

CREATE TABLE kv (
    key     TEXT PRIMARY KEY,
    value   BLOB NOT NULL,
    expires INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE role (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
