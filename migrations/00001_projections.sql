-- +goose Up

-- What tells this database from others: the workers of one projection for one database share its partitions, whatever they do for others.
CREATE TABLE strand.place (
	id    uuid    NOT NULL DEFAULT gen_random_uuid(),
	alone boolean PRIMARY KEY DEFAULT true CHECK (alone) -- one row
);
INSERT INTO strand.place DEFAULT VALUES;

-- The read models that are made from the log: one row for each version of a projection.
CREATE TABLE strand.projections (
	name     text    NOT NULL,
	version  integer NOT NULL CHECK (version > 0),
	topic    text,                           -- that it follows; null: no worker has claimed a partition yet, or since it was reset
	topic_id uuid,                           -- that the epochs of its checkpoints are of; null: there are none
	log_id   uuid,
	partitions integer,                      -- that the topic has
	set_up   boolean NOT NULL DEFAULT false, -- its own schema and what Setup makes in it are there
	paused   boolean NOT NULL DEFAULT false, -- nothing is committed
	created  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (name, version)
);

-- How far each partition is projected, and who may go on with it.
CREATE TABLE strand.checkpoints (
	projection  text    NOT NULL,
	version     integer NOT NULL,
	partition   integer NOT NULL,
	next_offset bigint  NOT NULL DEFAULT 0, -- the effects of all records below it are there, and of none above
	new_from    bigint  NOT NULL DEFAULT 0, -- records below it were passed before, in whatever version; the highest number: the version is not the live one
	log_epoch   bigint  NOT NULL DEFAULT 0, -- of the leader that served the record before it
	event_id    uuid,                       -- of the record before it; null: nothing to compare
	epoch       bigint  NOT NULL,           -- of the owner's assignment
	lane        bigint  NOT NULL,           -- counts the owners: who does not know the newest number is fenced
	updated     timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (projection, version, partition),
	FOREIGN KEY (projection, version) REFERENCES strand.projections (name, version)
) WITH (fillfactor = 50);

-- Events that a projection could not handle, and those that came after them in the same streams: they wait, in order, while all other streams go on.
CREATE TABLE strand.parked (
	projection text    NOT NULL,
	version    integer NOT NULL,
	partition  integer NOT NULL,
	stream     text    NOT NULL,
	"offset"   bigint  NOT NULL,
	event_id   uuid    NOT NULL,
	event_type text    NOT NULL,
	error      text,                        -- why; null: it waits behind one that has a reason
	skipped    boolean NOT NULL DEFAULT false, -- nothing waits behind it
	retry      boolean NOT NULL DEFAULT false, -- an operator asked for another attempt, from this event on
	attempts   integer NOT NULL DEFAULT 0,
	parked     timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (projection, version, partition, "offset"),
	FOREIGN KEY (projection, version) REFERENCES strand.projections (name, version)
);
CREATE INDEX parked_streams ON strand.parked (projection, version, partition, stream, "offset");

-- The version of a projection that readers see: the first one that was run, until another is chosen.
CREATE TABLE strand.live (
	name     text PRIMARY KEY,
	version  integer NOT NULL,
	switched timestamptz NOT NULL DEFAULT now(),
	FOREIGN KEY (name, version) REFERENCES strand.projections (name, version)
);

-- +goose StatementBegin
-- advance moves a checkpoint, or raises ST409 and with that undoes the transaction: when another owner has come, or the place is not the expected one.
CREATE FUNCTION strand.advance(
	of_projection text, of_version integer, of_partition integer, of_lane bigint, expected bigint, next bigint, of_log_epoch bigint, of_event_id uuid
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at strand.checkpoints;
BEGIN
	UPDATE strand.checkpoints SET next_offset = next, log_epoch = of_log_epoch, event_id = of_event_id, updated = now()
	WHERE projection = of_projection AND version = of_version AND partition = of_partition AND lane = of_lane AND next_offset = expected;
	IF NOT FOUND THEN
		SELECT * INTO at FROM strand.checkpoints WHERE projection = of_projection AND version = of_version AND partition = of_partition;
		RAISE EXCEPTION 'partition % of projection % v% is at offset % of owner %, not at % of owner %',
			of_partition, of_projection, of_version, at.next_offset, at.lane, expected, of_lane
			USING ERRCODE = 'ST409', DETAIL = coalesce(at.epoch, 0)::text;
	END IF;
	-- Looked up when the checkpoint is locked: who pauses waits for that lock, and nothing is committed afterwards.
	IF (SELECT paused FROM strand.projections WHERE name = of_projection AND version = of_version) THEN
		RAISE EXCEPTION 'projection % v% is paused', of_projection, of_version USING ERRCODE = 'ST411';
	END IF;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
-- expect raises ST410, and with that undoes the transaction, unless as many rows were written as there should be: the others were changed by somebody else.
CREATE FUNCTION strand.expect(written bigint, expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF written <> expected THEN
		RAISE EXCEPTION '% rows were changed by another partition', expected - written USING ERRCODE = 'ST410';
	END IF;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION strand.expect;
DROP FUNCTION strand.advance;
DROP TABLE strand.live;
DROP TABLE strand.parked;
DROP TABLE strand.checkpoints;
DROP TABLE strand.projections;
DROP TABLE strand.place;
