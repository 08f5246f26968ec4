-- Schema 2, on top of schema 1: decisions that are about no server.
CREATE TABLE audit (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    entry TEXT NOT NULL                   -- JSON
) STRICT;
CREATE INDEX audit_at ON audit (at);
