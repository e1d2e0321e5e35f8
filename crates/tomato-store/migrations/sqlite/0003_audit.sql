-- Who did what; the oldest entries are pruned beyond a limit.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us BIGINT NOT NULL,
    account TEXT NOT NULL,
    operation TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT
);
CREATE INDEX audit_by_account ON audit (account, seq);
CREATE INDEX audit_by_object ON audit (object, seq);
