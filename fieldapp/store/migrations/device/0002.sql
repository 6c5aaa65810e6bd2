DROP INDEX ix_jobs_assignee;
DROP INDEX ix_jobs_due;
CREATE INDEX ix_jobs_assignee ON jobs (assignee, status, due, window_start, number, stream);
CREATE INDEX ix_jobs_due ON jobs (due, status);
CREATE INDEX ix_jobs_customer ON jobs (customer, steps_done);
CREATE INDEX ix_jobs_status ON jobs (status);
DROP INDEX ix_own_entries_lane;
CREATE INDEX ix_own_entries_lane ON own_entries (lane, stream);
CREATE TABLE doubts (
	stream VARCHAR NOT NULL,
	since BIGINT NOT NULL,
	PRIMARY KEY (stream)
);
CREATE TABLE disagreements (
	stream VARCHAR NOT NULL,
	theirs VARCHAR NOT NULL,
	ours VARCHAR NOT NULL,
	at BIGINT NOT NULL,
	fetching BOOLEAN NOT NULL,
	PRIMARY KEY (stream)
);
CREATE INDEX ix_stream_rows_pos ON stream_rows (log, pos);
