-- Sessions of browsers are kept beside the access tokens; a scope narrows what a token may do.
ALTER TABLE token ADD COLUMN kind TEXT NOT NULL DEFAULT 'access';
ALTER TABLE token ADD COLUMN scope TEXT NOT NULL DEFAULT '';
