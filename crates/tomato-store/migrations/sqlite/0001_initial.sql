CREATE TABLE entity (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    topology TEXT,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX entity_by_topology ON entity (topology, kind, id);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topology TEXT,
    at_us BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE account (
    name TEXT PRIMARY KEY NOT NULL,
    password_hash TEXT,
    flags TEXT NOT NULL,
    attributes TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);

CREATE TABLE token (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    hash TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT
);
CREATE INDEX token_by_account ON token (account, id);
