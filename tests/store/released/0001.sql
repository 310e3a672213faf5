CREATE TABLE agents (
	id INTEGER NOT NULL, 
	number VARCHAR(200) NOT NULL, 
	team_id INTEGER, 
	CONSTRAINT pk_agents PRIMARY KEY (id), 
	CONSTRAINT fk_agents_team_id FOREIGN KEY(team_id) REFERENCES teams (id), 
	CONSTRAINT uq_agents_number UNIQUE (number)
);

CREATE TABLE files (
	path TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	modified_ns BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_files PRIMARY KEY (path)
);

CREATE TABLE findings (
	id INTEGER NOT NULL, 
	set_id INTEGER NOT NULL, 
	rule VARCHAR(200) NOT NULL, 
	category VARCHAR(200) NOT NULL, 
	outcome VARCHAR(20) NOT NULL, 
	auto_fail BOOLEAN NOT NULL, 
	points_lost FLOAT, 
	start_ms BIGINT, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_findings PRIMARY KEY (id), 
	CONSTRAINT fk_findings_set_id FOREIGN KEY(set_id) REFERENCES verdict_sets (id)
);

CREATE INDEX ix_agents_team_id ON agents (team_id);

CREATE INDEX ix_findings_rule_outcome ON findings (rule, outcome);

CREATE INDEX ix_findings_set_id ON findings (set_id);

CREATE INDEX ix_jobs_state ON jobs (state);

CREATE INDEX ix_recordings_agent_id ON recordings (agent_id);

CREATE INDEX ix_recordings_current_set_id ON recordings (current_set_id);

CREATE INDEX ix_recordings_first_seen_at ON recordings (first_seen_at);

CREATE INDEX ix_recordings_started_at ON recordings (started_at);

CREATE INDEX ix_recordings_team_id ON recordings (team_id);

CREATE INDEX ix_runs_started_at ON runs (started_at);

CREATE INDEX ix_verdict_sets_rulebook_sha256 ON verdict_sets (rulebook_sha256);

CREATE INDEX ix_verdict_sets_transcript_id ON verdict_sets (transcript_id);

CREATE TABLE jobs (
	id INTEGER NOT NULL, 
	"key" VARCHAR(80) NOT NULL, 
	path TEXT NOT NULL, 
	metadata_sha256 VARCHAR(64), 
	size_bytes BIGINT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	attempts INTEGER NOT NULL, 
	not_before DATETIME, 
	run_id VARCHAR(36), 
	worker VARCHAR(300), 
	lease_until DATETIME, 
	error_kind VARCHAR(80), 
	error TEXT, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT fk_jobs_run_id FOREIGN KEY(run_id) REFERENCES runs (id), 
	CONSTRAINT uq_jobs_key UNIQUE ("key")
);

CREATE TABLE recordings (
	id INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	path TEXT, 
	call_id VARCHAR(200) NOT NULL, 
	duration_ms BIGINT NOT NULL, 
	agent_id INTEGER, 
	team_id INTEGER, 
	started_at DATETIME, 
	metadata JSON NOT NULL, 
	metadata_sha256 VARCHAR(64) NOT NULL, 
	current_set_id INTEGER, 
	first_seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_recordings PRIMARY KEY (id), 
	CONSTRAINT fk_recordings_agent_id FOREIGN KEY(agent_id) REFERENCES agents (id), 
	CONSTRAINT fk_recordings_team_id FOREIGN KEY(team_id) REFERENCES teams (id), 
	CONSTRAINT uq_recordings_sha256 UNIQUE (sha256)
);

CREATE TABLE rulebooks (
	sha256 VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	version VARCHAR(100) NOT NULL, 
	titles JSON NOT NULL, 
	categories JSON NOT NULL, 
	snapshot BLOB, 
	first_seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_rulebooks PRIMARY KEY (sha256)
);

CREATE TABLE runs (
	id VARCHAR(36) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	source TEXT NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	options JSON NOT NULL, 
	rulebook_sha256 VARCHAR(64), 
	started_at DATETIME NOT NULL, 
	heartbeat_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	outcome VARCHAR(20), 
	summary JSON, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_rulebook_sha256 FOREIGN KEY(rulebook_sha256) REFERENCES rulebooks (sha256)
);

CREATE TABLE teams (
	id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_teams PRIMARY KEY (id), 
	CONSTRAINT uq_teams_name UNIQUE (name)
);

CREATE TABLE transcripts (
	id INTEGER NOT NULL, 
	recording_id INTEGER NOT NULL, 
	recognition_sha256 VARCHAR(64) NOT NULL, 
	model_name VARCHAR(200), 
	model_sha256 VARCHAR(64), 
	compute_type VARCHAR(40), 
	content BLOB NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_transcripts PRIMARY KEY (id), 
	CONSTRAINT fk_transcripts_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id), 
	CONSTRAINT uq_transcripts_recording_id_recognition_sha256 UNIQUE (recording_id, recognition_sha256)
);

CREATE TABLE verdict_sets (
	id INTEGER NOT NULL, 
	recording_id INTEGER NOT NULL, 
	transcript_id INTEGER NOT NULL, 
	rulebook_sha256 VARCHAR(64) NOT NULL, 
	metadata_sha256 VARCHAR(64) NOT NULL, 
	options_sha256 VARCHAR(64) NOT NULL, 
	callaudit VARCHAR(40) NOT NULL, 
	points FLOAT NOT NULL, 
	points_max FLOAT NOT NULL, 
	percent FLOAT, 
	grade VARCHAR(40), 
	passed BOOLEAN, 
	auto_failed BOOLEAN NOT NULL, 
	violations INTEGER NOT NULL, 
	reviews INTEGER NOT NULL, 
	categories JSON NOT NULL, 
	outcomes JSON NOT NULL, 
	content BLOB NOT NULL, 
	content_sha256 VARCHAR(64) NOT NULL, 
	run_id VARCHAR(36), 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_verdict_sets PRIMARY KEY (id), 
	CONSTRAINT fk_verdict_sets_recording_id FOREIGN KEY(recording_id) REFERENCES recordings (id), 
	CONSTRAINT fk_verdict_sets_rulebook_sha256 FOREIGN KEY(rulebook_sha256) REFERENCES rulebooks (sha256), 
	CONSTRAINT fk_verdict_sets_run_id FOREIGN KEY(run_id) REFERENCES runs (id), 
	CONSTRAINT fk_verdict_sets_transcript_id FOREIGN KEY(transcript_id) REFERENCES transcripts (id), 
	CONSTRAINT uq_verdict_sets_judgement UNIQUE (recording_id, transcript_id, rulebook_sha256, metadata_sha256)
);
