CREATE TABLE entries (
  id VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  type VARCHAR NOT NULL,
  author VARCHAR NOT NULL,
  device VARCHAR NOT NULL,
  group_id VARCHAR NOT NULL,
  hash VARCHAR NOT NULL,
  recorded_at BIGINT NOT NULL,
  raw BLOB NOT NULL,
  body BLOB,
  PRIMARY KEY (id)
);
CREATE TABLE log_rows (
  log VARCHAR NOT NULL,
  pos BIGINT NOT NULL,
  kind VARCHAR NOT NULL,
  entry_id VARCHAR,
  device VARCHAR NOT NULL,
  outcome VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  received_at BIGINT NOT NULL,
  chain VARCHAR NOT NULL,
  PRIMARY KEY (log, pos)
)
 WITHOUT ROWID;
CREATE INDEX ix_log_rows_device ON log_rows (log, device, pos);
CREATE INDEX ix_log_rows_entry ON log_rows (entry_id);
CREATE TABLE stream_rows (
  log VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  pos BIGINT NOT NULL,
  entry_id VARCHAR NOT NULL,
  device VARCHAR NOT NULL,
  touch VARCHAR NOT NULL,
  PRIMARY KEY (log, stream, pos)
)
 WITHOUT ROWID;
CREATE TABLE stream_states (
  stream VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  pos BIGINT NOT NULL,
  last_entry VARCHAR NOT NULL,
  held INTEGER NOT NULL,
  fold_version INTEGER NOT NULL,
  digest VARCHAR NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (stream)
);
CREATE TABLE jobs (
  stream VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  number VARCHAR NOT NULL,
  status VARCHAR NOT NULL,
  assignee VARCHAR NOT NULL,
  customer VARCHAR NOT NULL,
  site VARCHAR NOT NULL,
  product VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  window_start BIGINT,
  window_end BIGINT,
  changed_at BIGINT NOT NULL,
  due BIGINT,
  due_name VARCHAR NOT NULL,
  steps_done INTEGER NOT NULL,
  unresolved INTEGER NOT NULL,
  "view" BLOB NOT NULL,
  PRIMARY KEY (stream)
);
CREATE INDEX ix_jobs_assignee ON jobs (assignee, status);
CREATE INDEX ix_jobs_due ON jobs (due);
CREATE INDEX ix_jobs_number ON jobs (number);
CREATE INDEX ix_jobs_window ON jobs (window_start);
CREATE TABLE documents (
  stream VARCHAR NOT NULL,
  type VARCHAR NOT NULL,
  "key" VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  pos BIGINT NOT NULL,
  entry_id VARCHAR NOT NULL,
  entry_hash VARCHAR NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (stream, type, "key")
);
CREATE TABLE files (
  sha256 VARCHAR NOT NULL,
  size BIGINT NOT NULL,
  name VARCHAR NOT NULL,
  media VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  job VARCHAR NOT NULL,
  PRIMARY KEY (sha256)
);
CREATE TABLE settings (
  name VARCHAR NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE own_entries (
  epoch VARCHAR NOT NULL,
  seq BIGINT NOT NULL,
  entry_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  also VARCHAR NOT NULL,
  hash VARCHAR NOT NULL,
  lane VARCHAR NOT NULL,
  outcome VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  saved_at BIGINT NOT NULL,
  received_at BIGINT,
  PRIMARY KEY (epoch, seq)
)
 WITHOUT ROWID;
CREATE INDEX ix_own_entries_entry ON own_entries (entry_id);
CREATE INDEX ix_own_entries_lane ON own_entries (lane);
CREATE TABLE epochs (
  epoch VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  parent VARCHAR NOT NULL,
  parent_seq BIGINT NOT NULL,
  head_seq BIGINT NOT NULL,
  head_hash VARCHAR NOT NULL,
  acked_seq BIGINT NOT NULL,
  safe_seq BIGINT NOT NULL,
  closed BOOLEAN NOT NULL,
  PRIMARY KEY (epoch)
);
CREATE TABLE cursors (
  log VARCHAR NOT NULL,
  cursor VARCHAR NOT NULL,
  PRIMARY KEY (log)
);
CREATE TABLE scope (
  stream VARCHAR NOT NULL,
  log VARCHAR NOT NULL,
  "after" BIGINT NOT NULL,
  upto BIGINT NOT NULL,
  live BOOLEAN NOT NULL,
  PRIMARY KEY (stream)
);
CREATE TABLE drafts (
  job VARCHAR NOT NULL,
  step VARCHAR NOT NULL,
  version INTEGER NOT NULL,
  text TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (job, step, version)
);
