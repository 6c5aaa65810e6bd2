CREATE TABLE left_jobs (
  stream VARCHAR NOT NULL,
  number VARCHAR NOT NULL,
  PRIMARY KEY (stream)
);
CREATE TRIGGER jobs_leave AFTER DELETE ON jobs WHEN OLD.number <> '' AND EXISTS (SELECT 1 FROM own_entries WHERE lane IN ('unsent', 'received', 'settled', 'refused') AND stream = OLD.stream) BEGIN INSERT OR REPLACE INTO left_jobs (stream, number) VALUES (OLD.stream, OLD.number); END;
