-- What ran well before the healthy release, while that may still turn out bad; and when a state was carried out.

ALTER TABLE applied ADD COLUMN previous_revision TEXT NOT NULL DEFAULT '';
ALTER TABLE applied ADD COLUMN previous_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE applied ADD COLUMN previous_images TEXT NOT NULL DEFAULT '{}';
ALTER TABLE applied ADD COLUMN applied_at TEXT;
