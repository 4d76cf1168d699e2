-- What the migrations add up to, with one month as an example. Written by `npm run db:schema`; do not edit.

CREATE TABLE anchors (
  number bigint NOT NULL,
  sha256 bytea NOT NULL,
  bytes bigint NOT NULL,
  location text COLLATE "C" NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  catalogued_at timestamp with time zone NOT NULL,
  CONSTRAINT anchors_pkey PRIMARY KEY (number),
  CONSTRAINT anchors_bytes_check CHECK ((bytes > 0)),
  CONSTRAINT anchors_number_check CHECK ((number > 0)),
  CONSTRAINT anchors_sha256_check CHECK ((octet_length(sha256) = 32))
);

COMMENT ON TABLE anchors IS 'Rounds of signing: one immutable row an object of the store, catalogued after it was written';

COMMENT ON COLUMN anchors.number IS 'From 1, without a gap';

COMMENT ON COLUMN anchors.sha256 IS 'Of the object; the next one names it';

COMMENT ON COLUMN anchors.location IS 'The store that it was written to, before the key';

COMMENT ON COLUMN anchors.version_id IS 'What the store calls the version that counts: the oldest';

CREATE TRIGGER anchors_refuse_row BEFORE DELETE OR UPDATE ON public.anchors FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE anchors ENABLE ALWAYS TRIGGER anchors_refuse_row;

CREATE TRIGGER anchors_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.anchors FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE anchors ENABLE ALWAYS TRIGGER anchors_refuse_statement;

GRANT SELECT ON anchors TO truetrail_service;

CREATE TABLE api_keys (
  id uuid NOT NULL,
  name text NOT NULL,
  secret_hash bytea NOT NULL,
  scopes text[] COLLATE "C" NOT NULL,
  ledgers text[] COLLATE "C" NOT NULL,
  created_at timestamp with time zone NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  revoked_by text COLLATE "C",
  CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash),
  CONSTRAINT api_keys_pkey PRIMARY KEY (id),
  CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  CONSTRAINT api_keys_revoked_check CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
  CONSTRAINT api_keys_secret_hash_check CHECK ((octet_length(secret_hash) = 32))
);

COMMENT ON TABLE api_keys IS 'Who may call; the secret itself is never stored';

COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the key';

COMMENT ON COLUMN api_keys.ledgers IS 'Slugs, or * for every ledger';

GRANT INSERT, SELECT ON api_keys TO truetrail_service;

GRANT UPDATE (revoked_at, revoked_by) ON api_keys TO truetrail_service;

CREATE TABLE archive_contents (
  number bigint NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  entity_type text COLLATE "C",
  event_type text COLLATE "C",
  events bigint NOT NULL,
  least_recorded_at timestamp with time zone NOT NULL,
  greatest_recorded_at timestamp with time zone NOT NULL,
  CONSTRAINT archive_contents_key UNIQUE NULLS NOT DISTINCT (number, ledger, entity_type, event_type),
  CONSTRAINT archive_contents_range_fkey FOREIGN KEY (number, ledger) REFERENCES archive_ranges(number, ledger),
  CONSTRAINT archive_contents_events_check CHECK ((events > 0)),
  CONSTRAINT archive_contents_type_check CHECK (((entity_type IS NULL) = (event_type IS NULL)))
);

COMMENT ON TABLE archive_contents IS 'What the objects of months hold, by what record classes are made of: how many events, and recorded when';

COMMENT ON COLUMN archive_contents.event_type IS 'null with entity_type: of more kinds than are told apart; any policy of the ledger may match';

CREATE TRIGGER archive_contents_refuse_row BEFORE DELETE OR UPDATE ON public.archive_contents FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_contents ENABLE ALWAYS TRIGGER archive_contents_refuse_row;

CREATE TRIGGER archive_contents_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.archive_contents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_contents ENABLE ALWAYS TRIGGER archive_contents_refuse_statement;

GRANT SELECT ON archive_contents TO truetrail_service;

CREATE TABLE archive_object_holds (
  number bigint NOT NULL,
  begun_at timestamp with time zone NOT NULL,
  confirmed_at timestamp with time zone,
  CONSTRAINT archive_object_holds_pkey PRIMARY KEY (number),
  CONSTRAINT archive_object_holds_number_fkey FOREIGN KEY (number) REFERENCES archive_objects(number)
);

COMMENT ON TABLE archive_object_holds IS 'Archive objects that have, or may have, the store’s own legal hold from us. A row is there before the store is asked to set it, and until the store has taken it off';

COMMENT ON COLUMN archive_object_holds.confirmed_at IS 'When the store last said that the object is held; null until it has';

GRANT SELECT ON archive_object_holds TO truetrail_service;

CREATE TABLE archive_object_states (
  number bigint NOT NULL,
  retain_until timestamp with time zone NOT NULL,
  verified_at timestamp with time zone NOT NULL,
  found_wrong_at timestamp with time zone,
  CONSTRAINT archive_object_states_pkey PRIMARY KEY (number),
  CONSTRAINT archive_object_states_number_fkey FOREIGN KEY (number) REFERENCES archive_objects(number)
);

COMMENT ON TABLE archive_object_states IS 'What changes of an object: until when it is locked, which only ever grows, and what was last found of it';

COMMENT ON COLUMN archive_object_states.retain_until IS 'Until when the store locks it, as far as we know';

COMMENT ON COLUMN archive_object_states.verified_at IS 'When it was last read as a whole and found right';

COMMENT ON COLUMN archive_object_states.found_wrong_at IS 'When something was last found wrong with it; null when it was read as a whole and found right since';

GRANT SELECT ON archive_object_states TO truetrail_service;

CREATE TABLE archive_objects (
  number bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  location text COLLATE "C" NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  format text COLLATE "C" NOT NULL,
  sha256 bytea NOT NULL,
  bytes bigint NOT NULL,
  events bigint NOT NULL,
  reason text COLLATE "C" NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  archived_at timestamp with time zone NOT NULL,
  CONSTRAINT archive_objects_object_key_key UNIQUE (object_key),
  CONSTRAINT archive_objects_pkey PRIMARY KEY (number),
  CONSTRAINT archive_objects_bytes_check CHECK ((bytes > 0)),
  CONSTRAINT archive_objects_events_check CHECK ((events > 0)),
  CONSTRAINT archive_objects_kind_check CHECK ((kind = ANY (ARRAY['early'::text, 'month'::text, 'entities'::text, 'digests'::text]))),
  CONSTRAINT archive_objects_number_check CHECK ((number > 0)),
  CONSTRAINT archive_objects_reason_check CHECK ((reason = ANY (ARRAY['regulatory'::text, 'business'::text, 'legal_hold'::text]))),
  CONSTRAINT archive_objects_sha256_check CHECK ((octet_length(sha256) = 32))
);

COMMENT ON TABLE archive_objects IS 'The catalogue of the archive: one immutable row an object';

COMMENT ON COLUMN archive_objects.number IS 'Position in the archive, from 1, without a gap';

COMMENT ON COLUMN archive_objects.kind IS 'early: what was new in all ledgers; month: of a sealed month; entities: where in a sealed month the events of an entity are; digests: the event hashes of an object of the kind month';

COMMENT ON COLUMN archive_objects.location IS 'The store that it was written to, before the key';

COMMENT ON COLUMN archive_objects.version_id IS 'What the store calls the version that counts';

COMMENT ON COLUMN archive_objects.format IS 'Of its bytes; docs/archive.md';

COMMENT ON COLUMN archive_objects.reason IS 'Why it is kept as long as it is';

COMMENT ON COLUMN archive_objects.created_by IS 'Who had it written: service, or the principal who asked';

COMMENT ON COLUMN archive_objects.archived_at IS 'When it was catalogued: written, read back and verified by then';

CREATE TRIGGER archive_objects_refuse_row BEFORE DELETE OR UPDATE ON public.archive_objects FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_objects ENABLE ALWAYS TRIGGER archive_objects_refuse_row;

CREATE TRIGGER archive_objects_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.archive_objects FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_objects ENABLE ALWAYS TRIGGER archive_objects_refuse_statement;

GRANT SELECT ON archive_objects TO truetrail_service;

CREATE TABLE archive_ranges (
  number bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  from_sequence bigint NOT NULL,
  to_sequence bigint NOT NULL,
  least_timestamp timestamp with time zone NOT NULL,
  greatest_timestamp timestamp with time zone NOT NULL,
  least_recorded_at timestamp with time zone NOT NULL,
  greatest_recorded_at timestamp with time zone NOT NULL,
  previous_event_hash bytea,
  last_event_hash bytea NOT NULL,
  CONSTRAINT archive_ranges_from_sequence_key UNIQUE (kind, ledger, from_sequence),
  CONSTRAINT archive_ranges_pkey PRIMARY KEY (number, ledger),
  CONSTRAINT archive_ranges_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT archive_ranges_number_fkey FOREIGN KEY (number) REFERENCES archive_objects(number),
  CONSTRAINT archive_ranges_last_event_hash_check CHECK ((octet_length(last_event_hash) = 32)),
  CONSTRAINT archive_ranges_previous_event_hash_check CHECK ((((previous_event_hash IS NULL) = (from_sequence = 1)) AND (octet_length(previous_event_hash) = 32))),
  CONSTRAINT archive_ranges_sequence_check CHECK (((from_sequence > 0) AND (to_sequence >= from_sequence)))
);

COMMENT ON TABLE archive_ranges IS 'Which events an object holds: a range of sequences a ledger';

COMMENT ON COLUMN archive_ranges.kind IS 'Of the object: a ledger has each sequence once in each kind';

COMMENT ON COLUMN archive_ranges.to_sequence IS 'Included';

COMMENT ON COLUMN archive_ranges.least_timestamp IS 'Of event times, cut to microseconds';

COMMENT ON COLUMN archive_ranges.previous_event_hash IS 'event_hash of the event before the first; null at 1';

COMMENT ON COLUMN archive_ranges.last_event_hash IS 'event_hash of the last event';

CREATE TRIGGER archive_ranges_refuse_row BEFORE DELETE OR UPDATE ON public.archive_ranges FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_ranges ENABLE ALWAYS TRIGGER archive_ranges_refuse_row;

CREATE TRIGGER archive_ranges_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.archive_ranges FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_ranges ENABLE ALWAYS TRIGGER archive_ranges_refuse_statement;

GRANT SELECT ON archive_ranges TO truetrail_service;

CREATE TABLE archive_removals (
  number bigint NOT NULL,
  deletion uuid,
  begun_at timestamp with time zone NOT NULL,
  removed_at timestamp with time zone,
  CONSTRAINT archive_removals_pkey PRIMARY KEY (number),
  CONSTRAINT archive_removals_deletion_fkey FOREIGN KEY (deletion) REFERENCES month_deletions(id),
  CONSTRAINT archive_removals_number_fkey FOREIGN KEY (number) REFERENCES archive_objects(number)
);

COMMENT ON TABLE archive_removals IS 'Objects that are no longer in the store. A row is there before the store is asked to remove one, and without removed_at the object counts as there';

COMMENT ON COLUMN archive_removals.deletion IS 'Of its month; null for an early object, which the month’s own have made superfluous';

COMMENT ON COLUMN archive_removals.removed_at IS 'When the store had said that it is gone; null until it has';

CREATE TRIGGER archive_removals_refuse_delete BEFORE DELETE ON public.archive_removals FOR EACH ROW WHEN ((old.removed_at IS NOT NULL)) EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_delete;

CREATE TRIGGER archive_removals_refuse_row BEFORE UPDATE OF number, deletion, begun_at ON public.archive_removals FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_row;

CREATE TRIGGER archive_removals_refuse_statement BEFORE TRUNCATE ON public.archive_removals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_removals ENABLE ALWAYS TRIGGER archive_removals_refuse_statement;

GRANT SELECT ON archive_removals TO truetrail_service;

CREATE TABLE archive_store (
  singleton boolean NOT NULL DEFAULT true,
  id uuid NOT NULL,
  location text COLLATE "C" NOT NULL,
  claimed_at timestamp with time zone NOT NULL,
  CONSTRAINT archive_store_pkey PRIMARY KEY (singleton),
  CONSTRAINT archive_store_singleton_check CHECK (singleton)
);

COMMENT ON TABLE archive_store IS 'One row: the store that the catalogue is about, by the id that stands in it';

CREATE TRIGGER archive_store_refuse_row BEFORE DELETE OR UPDATE ON public.archive_store FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_store ENABLE ALWAYS TRIGGER archive_store_refuse_row;

CREATE TRIGGER archive_store_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.archive_store FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE archive_store ENABLE ALWAYS TRIGGER archive_store_refuse_statement;

GRANT SELECT ON archive_store TO truetrail_service;

CREATE TABLE audit_events (
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  "timestamp" timestamp with time zone NOT NULL,
  event_id uuid NOT NULL,
  corrects uuid,
  timestamp_nanos smallint NOT NULL,
  timestamp_digits smallint NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  entity_type text COLLATE "C" NOT NULL,
  entity_id text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  previous_state jsonb,
  new_state jsonb NOT NULL,
  metadata jsonb NOT NULL,
  source text COLLATE "C",
  source_session text COLLATE "C",
  source_sequence numeric(19,0),
  raw_media_type text COLLATE "C",
  raw_data bytea,
  recorded_by text COLLATE "C" NOT NULL,
  salt bytea NOT NULL,
  content_hash bytea NOT NULL,
  previous_event_hash bytea,
  event_hash bytea NOT NULL,
  CONSTRAINT audit_events_hashes_check CHECK (((octet_length(salt) = 16) AND (octet_length(content_hash) = 32) AND (octet_length(event_hash) = 32) AND ((sequence = 1) = (previous_event_hash IS NULL)) AND (octet_length(previous_event_hash) = 32))),
  CONSTRAINT audit_events_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT audit_events_new_state_check CHECK ((jsonb_typeof(new_state) = 'object'::text)),
  CONSTRAINT audit_events_previous_state_check CHECK ((jsonb_typeof(previous_state) = 'object'::text)),
  CONSTRAINT audit_events_raw_check CHECK ((((raw_data IS NULL) = (raw_media_type IS NULL)) AND (octet_length(raw_data) <= 65536))),
  CONSTRAINT audit_events_sequence_check CHECK ((sequence > 0)),
  CONSTRAINT audit_events_source_sequence_check CHECK ((source_sequence >= (0)::numeric)),
  CONSTRAINT audit_events_timestamp_digits_check CHECK (((timestamp_digits >= 0) AND (timestamp_digits <= 9))),
  CONSTRAINT audit_events_timestamp_nanos_check CHECK (
CASE
    WHEN (timestamp_digits = 9) THEN ((timestamp_nanos >= 0) AND (timestamp_nanos <= 999))
    WHEN (timestamp_digits = 8) THEN (((timestamp_nanos >= 0) AND (timestamp_nanos <= 990)) AND (((timestamp_nanos)::integer % 10) = 0))
    WHEN (timestamp_digits = 7) THEN (((timestamp_nanos >= 0) AND (timestamp_nanos <= 900)) AND (((timestamp_nanos)::integer % 100) = 0))
    WHEN (timestamp_digits = 6) THEN (timestamp_nanos = 0)
    ELSE ((timestamp_nanos = 0) AND (((EXTRACT(microseconds FROM ("timestamp" AT TIME ZONE 'UTC'::text)))::integer % (ARRAY[1000000, 100000, 10000, 1000, 100, 10])[(timestamp_digits + 1)]) = 0))
END)
) PARTITION BY RANGE (recorded_at);

COMMENT ON TABLE audit_events IS 'The trail. One immutable row an event; a partition for each month of recorded_at';

COMMENT ON COLUMN audit_events.ledger IS 'Slug of the chain';

COMMENT ON COLUMN audit_events.sequence IS 'Position in the ledger, from 1, without a gap';

COMMENT ON COLUMN audit_events.recorded_at IS 'When the service recorded it, microseconds, UTC; never falls along a ledger';

COMMENT ON COLUMN audit_events."timestamp" IS 'When it happened at the source, cut to microseconds';

COMMENT ON COLUMN audit_events.event_id IS 'UUID, unique in its ledger over all months (event_keys)';

COMMENT ON COLUMN audit_events.corrects IS 'event_id of the event of which this one is the whole corrected content';

COMMENT ON COLUMN audit_events.timestamp_nanos IS 'The nanoseconds below the microsecond, 0 to 999';

COMMENT ON COLUMN audit_events.timestamp_digits IS 'How many fractional digits the source sent: its declared granularity';

COMMENT ON COLUMN audit_events.previous_state IS 'State before, or null';

COMMENT ON COLUMN audit_events.new_state IS 'State after';

COMMENT ON COLUMN audit_events.metadata IS 'What else the source said; reports read its documented names';

COMMENT ON COLUMN audit_events.source_sequence IS 'The source''s own gapless counter within (source, source_session)';

COMMENT ON COLUMN audit_events.raw_data IS 'The message as it came, at most 65536 bytes';

COMMENT ON COLUMN audit_events.recorded_by IS 'Principal that submitted it: key:<uuid>, oidc:<issuer>#<subject>, or service';

COMMENT ON COLUMN audit_events.salt IS '16 random bytes; erased with the content';

COMMENT ON COLUMN audit_events.content_hash IS 'SHA-256 of salt and canonical content';

COMMENT ON COLUMN audit_events.previous_event_hash IS 'event_hash of sequence - 1; null at 1';

COMMENT ON COLUMN audit_events.event_hash IS 'SHA-256 of the canonical envelope';

CREATE INDEX audit_events_corrects_idx ON ONLY public.audit_events USING btree (ledger, entity_type, entity_id, sequence) WHERE (corrects IS NOT NULL);

CREATE INDEX audit_events_entity_idx ON ONLY public.audit_events USING btree (ledger, entity_type, entity_id, sequence);

CREATE INDEX audit_events_metadata_idx ON ONLY public.audit_events USING gin (metadata jsonb_path_ops);

CREATE INDEX audit_events_timestamp_idx ON ONLY public.audit_events USING btree (ledger, "timestamp", timestamp_nanos, sequence);

CREATE INDEX audit_events_type_idx ON ONLY public.audit_events USING btree (ledger, event_type, "timestamp", timestamp_nanos, sequence);

CREATE INDEX audit_events_user_idx ON ONLY public.audit_events USING btree (ledger, user_id, "timestamp", timestamp_nanos, sequence);

CREATE TRIGGER audit_events_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_refuse_statement;

GRANT SELECT ON audit_events TO truetrail_service;

CREATE TABLE audit_events_2026_01 (
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  "timestamp" timestamp with time zone NOT NULL,
  event_id uuid NOT NULL,
  corrects uuid,
  timestamp_nanos smallint NOT NULL,
  timestamp_digits smallint NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  entity_type text COLLATE "C" NOT NULL,
  entity_id text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  previous_state jsonb,
  new_state jsonb NOT NULL,
  metadata jsonb NOT NULL,
  source text COLLATE "C",
  source_session text COLLATE "C",
  source_sequence numeric(19,0),
  raw_media_type text COLLATE "C",
  raw_data bytea,
  recorded_by text COLLATE "C" NOT NULL,
  salt bytea NOT NULL,
  content_hash bytea NOT NULL,
  previous_event_hash bytea,
  event_hash bytea NOT NULL,
  CONSTRAINT audit_events_hashes_check CHECK (((octet_length(salt) = 16) AND (octet_length(content_hash) = 32) AND (octet_length(event_hash) = 32) AND ((sequence = 1) = (previous_event_hash IS NULL)) AND (octet_length(previous_event_hash) = 32))),
  CONSTRAINT audit_events_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT audit_events_new_state_check CHECK ((jsonb_typeof(new_state) = 'object'::text)),
  CONSTRAINT audit_events_previous_state_check CHECK ((jsonb_typeof(previous_state) = 'object'::text)),
  CONSTRAINT audit_events_raw_check CHECK ((((raw_data IS NULL) = (raw_media_type IS NULL)) AND (octet_length(raw_data) <= 65536))),
  CONSTRAINT audit_events_sequence_check CHECK ((sequence > 0)),
  CONSTRAINT audit_events_source_sequence_check CHECK ((source_sequence >= (0)::numeric)),
  CONSTRAINT audit_events_timestamp_digits_check CHECK (((timestamp_digits >= 0) AND (timestamp_digits <= 9))),
  CONSTRAINT audit_events_timestamp_nanos_check CHECK (
CASE
    WHEN (timestamp_digits = 9) THEN ((timestamp_nanos >= 0) AND (timestamp_nanos <= 999))
    WHEN (timestamp_digits = 8) THEN (((timestamp_nanos >= 0) AND (timestamp_nanos <= 990)) AND (((timestamp_nanos)::integer % 10) = 0))
    WHEN (timestamp_digits = 7) THEN (((timestamp_nanos >= 0) AND (timestamp_nanos <= 900)) AND (((timestamp_nanos)::integer % 100) = 0))
    WHEN (timestamp_digits = 6) THEN (timestamp_nanos = 0)
    ELSE ((timestamp_nanos = 0) AND (((EXTRACT(microseconds FROM ("timestamp" AT TIME ZONE 'UTC'::text)))::integer % (ARRAY[1000000, 100000, 10000, 1000, 100, 10])[(timestamp_digits + 1)]) = 0))
END)
);

ALTER TABLE audit_events ATTACH PARTITION audit_events_2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');

CREATE INDEX audit_events_2026_01_corrects_idx ON public.audit_events_2026_01 USING btree (ledger, entity_type, entity_id, sequence) WHERE (corrects IS NOT NULL);

CREATE INDEX audit_events_2026_01_entity_idx ON public.audit_events_2026_01 USING btree (ledger, entity_type, entity_id, sequence);

CREATE INDEX audit_events_2026_01_metadata_idx ON public.audit_events_2026_01 USING gin (metadata jsonb_path_ops);

CREATE UNIQUE INDEX audit_events_2026_01_sequence_key ON public.audit_events_2026_01 USING btree (ledger, sequence);

CREATE INDEX audit_events_2026_01_timestamp_idx ON public.audit_events_2026_01 USING btree (ledger, "timestamp", timestamp_nanos, sequence);

CREATE INDEX audit_events_2026_01_type_idx ON public.audit_events_2026_01 USING btree (ledger, event_type, "timestamp", timestamp_nanos, sequence);

CREATE INDEX audit_events_2026_01_user_idx ON public.audit_events_2026_01 USING btree (ledger, user_id, "timestamp", timestamp_nanos, sequence);

CREATE TRIGGER audit_events_2026_01_refuse_row BEFORE DELETE OR UPDATE ON public.audit_events_2026_01 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE audit_events_2026_01 ENABLE ALWAYS TRIGGER audit_events_2026_01_refuse_row;

CREATE TRIGGER audit_events_2026_01_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_events_2026_01 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE audit_events_2026_01 ENABLE ALWAYS TRIGGER audit_events_2026_01_refuse_statement;

GRANT SELECT ON audit_events_2026_01 TO truetrail_service;

CREATE TABLE checked_server (
  singleton boolean NOT NULL DEFAULT true,
  identity text COLLATE "C" NOT NULL,
  checked_at timestamp with time zone NOT NULL,
  CONSTRAINT checked_server_pkey PRIMARY KEY (singleton),
  CONSTRAINT checked_server_singleton_check CHECK (singleton)
);

COMMENT ON TABLE checked_server IS 'One row: the server on which all anchors of the store were last taken up and the ledgers held against them';

COMMENT ON COLUMN checked_server.identity IS 'System identifier and timeline';

GRANT SELECT ON checked_server TO truetrail_service;

CREATE TABLE checkpoints (
  ledger text COLLATE "C" NOT NULL,
  anchor bigint NOT NULL,
  size bigint NOT NULL,
  root_hash bytea NOT NULL,
  note text COLLATE "C" NOT NULL,
  CONSTRAINT checkpoints_pkey PRIMARY KEY (ledger, anchor),
  CONSTRAINT checkpoints_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors(number),
  CONSTRAINT checkpoints_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT checkpoints_root_hash_check CHECK ((octet_length(root_hash) = 32)),
  CONSTRAINT checkpoints_size_check CHECK ((size >= 0))
);

COMMENT ON TABLE checkpoints IS 'What was signed of each ledger: one immutable row a ledger and round';

COMMENT ON COLUMN checkpoints.size IS 'Leaves of the tree that was signed';

COMMENT ON COLUMN checkpoints.note IS 'C2SP tlog-checkpoint with the signature of the ledger';

CREATE INDEX checkpoints_anchor_idx ON public.checkpoints USING btree (anchor, ledger);

CREATE INDEX checkpoints_size_idx ON public.checkpoints USING btree (ledger, size, anchor);

CREATE TRIGGER checkpoints_refuse_row BEFORE DELETE OR UPDATE ON public.checkpoints FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_refuse_row;

CREATE TRIGGER checkpoints_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_refuse_statement;

GRANT SELECT ON checkpoints TO truetrail_service;

CREATE TABLE cosignature_objects (
  object_key text COLLATE "C" NOT NULL,
  sha256 bytea NOT NULL,
  bytes bigint NOT NULL,
  cosignatures integer NOT NULL,
  location text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  catalogued_at timestamp with time zone NOT NULL,
  CONSTRAINT cosignature_objects_pkey PRIMARY KEY (object_key),
  CONSTRAINT cosignature_objects_bytes_check CHECK ((bytes > 0)),
  CONSTRAINT cosignature_objects_cosignatures_check CHECK ((cosignatures > 0)),
  CONSTRAINT cosignature_objects_object_key_check CHECK (((object_key ~ '^cosignatures/[0-9]{12,18}-[0-9a-f]{16}\.json$'::text) AND ("right"(object_key, 21) = ("left"(encode(sha256, 'hex'::text), 16) || '.json'::text)))),
  CONSTRAINT cosignature_objects_sha256_check CHECK ((octet_length(sha256) = 32))
);

COMMENT ON TABLE cosignature_objects IS 'Objects of the store that hold cosignatures: one immutable row each';

COMMENT ON COLUMN cosignature_objects.sha256 IS 'Of the object';

COMMENT ON COLUMN cosignature_objects.cosignatures IS 'How many it holds';

COMMENT ON COLUMN cosignature_objects.location IS 'The store that it was written to, before the key';

COMMENT ON COLUMN cosignature_objects.version_id IS 'What the store calls the version';

CREATE TRIGGER cosignature_objects_refuse_row BEFORE DELETE OR UPDATE ON public.cosignature_objects FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE cosignature_objects ENABLE ALWAYS TRIGGER cosignature_objects_refuse_row;

CREATE TRIGGER cosignature_objects_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.cosignature_objects FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE cosignature_objects ENABLE ALWAYS TRIGGER cosignature_objects_refuse_statement;

GRANT SELECT ON cosignature_objects TO truetrail_service;

CREATE TABLE cosignatures (
  ledger text COLLATE "C" NOT NULL,
  anchor bigint NOT NULL,
  witness_key text COLLATE "C" NOT NULL,
  line text COLLATE "C" NOT NULL,
  cosigned_at timestamp with time zone NOT NULL,
  kept_at timestamp with time zone NOT NULL,
  CONSTRAINT cosignatures_pkey PRIMARY KEY (ledger, witness_key, anchor),
  CONSTRAINT cosignatures_checkpoint_fkey FOREIGN KEY (ledger, anchor) REFERENCES checkpoints(ledger, anchor),
  CONSTRAINT cosignatures_line_check CHECK (((length(line) <= 10000) AND starts_with(line, '— '::text) AND (strpos(line, '
'::text) = length(line)))),
  CONSTRAINT cosignatures_witness_key_check CHECK (((length(witness_key) >= 1) AND (length(witness_key) <= 1000)))
);

COMMENT ON TABLE cosignatures IS 'That a witness has seen nothing but extensions of a ledger’s tree up to a checkpoint (C2SP tlog-cosignature): one immutable row a checkpoint and witness';

COMMENT ON COLUMN cosignatures.witness_key IS 'Verifier key of the witness, as its line in the policy has it';

COMMENT ON COLUMN cosignatures.line IS 'The line of the signature, which is appended to the note of the checkpoint; with its newline';

COMMENT ON COLUMN cosignatures.cosigned_at IS 'When the witness says that it was';

COMMENT ON COLUMN cosignatures.kept_at IS 'When it came here';

CREATE INDEX cosignatures_anchor_idx ON public.cosignatures USING btree (ledger, anchor);

CREATE TRIGGER cosignatures_refuse_row BEFORE DELETE OR UPDATE ON public.cosignatures FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE cosignatures ENABLE ALWAYS TRIGGER cosignatures_refuse_row;

CREATE TRIGGER cosignatures_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.cosignatures FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE cosignatures ENABLE ALWAYS TRIGGER cosignatures_refuse_statement;

GRANT SELECT ON cosignatures TO truetrail_service;

CREATE TABLE deployment (
  singleton boolean NOT NULL DEFAULT true,
  id uuid NOT NULL,
  log_origin text COLLATE "C" NOT NULL,
  config_digest bytea,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT deployment_pkey PRIMARY KEY (singleton),
  CONSTRAINT deployment_config_digest_check CHECK ((octet_length(config_digest) = 32)),
  CONSTRAINT deployment_log_origin_check CHECK (((log_origin ~ '^[!-~]+$'::text) AND (log_origin !~ '["\\+]'::text) AND (length(log_origin) <= 200))),
  CONSTRAINT deployment_singleton_check CHECK (singleton)
);

COMMENT ON TABLE deployment IS 'One row: what this installation is called, for ever';

COMMENT ON COLUMN deployment.log_origin IS 'First part of every ledger''s origin';

COMMENT ON COLUMN deployment.config_digest IS 'SHA-256 of the configuration, secrets left out, as last recorded in _service';

GRANT SELECT ON deployment TO truetrail_service;

CREATE TABLE event_keys (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_pkey PRIMARY KEY (event_id, ledger)
) PARTITION BY HASH (event_id);

COMMENT ON TABLE event_keys IS 'Makes an event id count once in its ledger, over all months, also those that have left PostgreSQL';

CREATE TRIGGER event_keys_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys ENABLE ALWAYS TRIGGER event_keys_refuse_statement;

GRANT SELECT ON event_keys TO truetrail_service;

CREATE TABLE event_keys_0 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_0_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_0 FOR VALUES WITH (modulus 8, remainder 0);

CREATE TRIGGER event_keys_0_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_0 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_0 ENABLE ALWAYS TRIGGER event_keys_0_refuse_row;

CREATE TRIGGER event_keys_0_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_0 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_0 ENABLE ALWAYS TRIGGER event_keys_0_refuse_statement;

GRANT SELECT ON event_keys_0 TO truetrail_service;

CREATE TABLE event_keys_1 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_1_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_1 FOR VALUES WITH (modulus 8, remainder 1);

CREATE TRIGGER event_keys_1_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_1 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_1 ENABLE ALWAYS TRIGGER event_keys_1_refuse_row;

CREATE TRIGGER event_keys_1_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_1 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_1 ENABLE ALWAYS TRIGGER event_keys_1_refuse_statement;

GRANT SELECT ON event_keys_1 TO truetrail_service;

CREATE TABLE event_keys_2 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_2_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_2 FOR VALUES WITH (modulus 8, remainder 2);

CREATE TRIGGER event_keys_2_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_2 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_2 ENABLE ALWAYS TRIGGER event_keys_2_refuse_row;

CREATE TRIGGER event_keys_2_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_2 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_2 ENABLE ALWAYS TRIGGER event_keys_2_refuse_statement;

GRANT SELECT ON event_keys_2 TO truetrail_service;

CREATE TABLE event_keys_3 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_3_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_3 FOR VALUES WITH (modulus 8, remainder 3);

CREATE TRIGGER event_keys_3_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_3 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_3 ENABLE ALWAYS TRIGGER event_keys_3_refuse_row;

CREATE TRIGGER event_keys_3_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_3 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_3 ENABLE ALWAYS TRIGGER event_keys_3_refuse_statement;

GRANT SELECT ON event_keys_3 TO truetrail_service;

CREATE TABLE event_keys_4 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_4_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_4 FOR VALUES WITH (modulus 8, remainder 4);

CREATE TRIGGER event_keys_4_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_4 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_4 ENABLE ALWAYS TRIGGER event_keys_4_refuse_row;

CREATE TRIGGER event_keys_4_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_4 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_4 ENABLE ALWAYS TRIGGER event_keys_4_refuse_statement;

GRANT SELECT ON event_keys_4 TO truetrail_service;

CREATE TABLE event_keys_5 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_5_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_5 FOR VALUES WITH (modulus 8, remainder 5);

CREATE TRIGGER event_keys_5_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_5 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_5 ENABLE ALWAYS TRIGGER event_keys_5_refuse_row;

CREATE TRIGGER event_keys_5_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_5 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_5 ENABLE ALWAYS TRIGGER event_keys_5_refuse_statement;

GRANT SELECT ON event_keys_5 TO truetrail_service;

CREATE TABLE event_keys_6 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_6_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_6 FOR VALUES WITH (modulus 8, remainder 6);

CREATE TRIGGER event_keys_6_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_6 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_6 ENABLE ALWAYS TRIGGER event_keys_6_refuse_row;

CREATE TRIGGER event_keys_6_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_6 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_6 ENABLE ALWAYS TRIGGER event_keys_6_refuse_statement;

GRANT SELECT ON event_keys_6 TO truetrail_service;

CREATE TABLE event_keys_7 (
  ledger text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT event_keys_7_pkey PRIMARY KEY (event_id, ledger)
);

ALTER TABLE event_keys ATTACH PARTITION event_keys_7 FOR VALUES WITH (modulus 8, remainder 7);

CREATE TRIGGER event_keys_7_refuse_row BEFORE DELETE OR UPDATE ON public.event_keys_7 FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_7 ENABLE ALWAYS TRIGGER event_keys_7_refuse_row;

CREATE TRIGGER event_keys_7_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_keys_7 FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_keys_7 ENABLE ALWAYS TRIGGER event_keys_7_refuse_statement;

GRANT SELECT ON event_keys_7 TO truetrail_service;

CREATE TABLE evidence_run_pieces (
  run uuid NOT NULL,
  piece integer NOT NULL,
  bytes bytea NOT NULL,
  CONSTRAINT evidence_run_pieces_pkey PRIMARY KEY (run, piece),
  CONSTRAINT evidence_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES evidence_runs(id),
  CONSTRAINT evidence_run_pieces_piece_check CHECK ((piece >= 1))
);

COMMENT ON TABLE evidence_run_pieces IS 'Kept bundles, in order; each piece in the format of gzip, and stored in it as it is';

GRANT DELETE, INSERT, SELECT ON evidence_run_pieces TO truetrail_service;

CREATE TABLE evidence_runs (
  id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  asked jsonb NOT NULL,
  contents boolean NOT NULL,
  envelopes boolean NOT NULL,
  as_of bigint NOT NULL,
  made_by text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  rows bigint,
  bytes bigint NOT NULL DEFAULT 0,
  sha256 bytea,
  pieces integer NOT NULL DEFAULT 0,
  packed_bytes bigint NOT NULL DEFAULT 0,
  error text,
  requested_by text COLLATE "C" NOT NULL,
  runner uuid,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  progress_at timestamp with time zone,
  finished_at timestamp with time zone,
  expires_at timestamp with time zone,
  attempts integer NOT NULL DEFAULT 0,
  CONSTRAINT evidence_runs_pkey PRIMARY KEY (id),
  CONSTRAINT evidence_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT evidence_runs_done_check CHECK (((status <> ALL (ARRAY['done'::text, 'expired'::text])) OR ((rows IS NOT NULL) AND (sha256 IS NOT NULL)))),
  CONSTRAINT evidence_runs_expires_check CHECK (((status = ANY (ARRAY['done'::text, 'expired'::text])) = (expires_at IS NOT NULL))),
  CONSTRAINT evidence_runs_running_check CHECK (((status = 'running'::text) = (runner IS NOT NULL))),
  CONSTRAINT evidence_runs_sha256_check CHECK ((octet_length(sha256) = 32)),
  CONSTRAINT evidence_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text, 'expired'::text])))
);

COMMENT ON TABLE evidence_runs IS 'A row for each bundle of evidence that was asked for as a run';

COMMENT ON COLUMN evidence_runs.asked IS 'What was asked for, as in the manifest of the bundle';

COMMENT ON COLUMN evidence_runs.rows IS 'Lines of events in the bundle: events and envelopes';

COMMENT ON COLUMN evidence_runs.bytes IS 'Of the bundle, as far as it is made';

COMMENT ON COLUMN evidence_runs.sha256 IS 'Of the whole bundle';

COMMENT ON COLUMN evidence_runs.packed_bytes IS 'What its pieces take';

COMMENT ON COLUMN evidence_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica';

COMMENT ON COLUMN evidence_runs.attempts IS 'How often it was begun and not put back for no fault of its own';

CREATE INDEX evidence_runs_expires_idx ON public.evidence_runs USING btree (expires_at) WHERE (status = 'done'::text);

CREATE INDEX evidence_runs_ledger_idx ON public.evidence_runs USING btree (ledger, created_at DESC);

CREATE INDEX evidence_runs_open_idx ON public.evidence_runs USING btree (created_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

GRANT INSERT, SELECT, UPDATE ON evidence_runs TO truetrail_service;

CREATE TABLE finding_acknowledgements (
  id uuid NOT NULL,
  ledger text COLLATE "C",
  job text COLLATE "C",
  run uuid NOT NULL,
  findings jsonb NOT NULL,
  findings_total bigint NOT NULL,
  reason text COLLATE "C" NOT NULL,
  acknowledged_by text COLLATE "C" NOT NULL,
  acknowledged_at timestamp with time zone NOT NULL,
  CONSTRAINT finding_acknowledgements_pkey PRIMARY KEY (id),
  CONSTRAINT finding_acknowledgements_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT finding_acknowledgements_findings_check CHECK (((jsonb_typeof(findings) = 'array'::text) AND (findings_total >= jsonb_array_length(findings)))),
  CONSTRAINT finding_acknowledgements_subject_check CHECK (((ledger IS NULL) <> (job IS NULL)))
);

COMMENT ON TABLE finding_acknowledgements IS 'Findings that somebody has looked at: alarms tell of others alone. What they say stays in verifications and job_runs';

COMMENT ON COLUMN finding_acknowledgements.run IS 'Of verifications where ledger is given, of job_runs otherwise; runs of jobs are forgotten after a time';

COMMENT ON COLUMN finding_acknowledgements.findings IS 'As the run lists them';

COMMENT ON COLUMN finding_acknowledgements.findings_total IS 'How many the run had, listed or not';

CREATE INDEX finding_acknowledgements_job_idx ON public.finding_acknowledgements USING btree (job);

CREATE INDEX finding_acknowledgements_ledger_idx ON public.finding_acknowledgements USING btree (ledger);

CREATE TRIGGER finding_acknowledgements_refuse_row BEFORE DELETE OR UPDATE ON public.finding_acknowledgements FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE finding_acknowledgements ENABLE ALWAYS TRIGGER finding_acknowledgements_refuse_row;

CREATE TRIGGER finding_acknowledgements_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.finding_acknowledgements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE finding_acknowledgements ENABLE ALWAYS TRIGGER finding_acknowledgements_refuse_statement;

GRANT INSERT, SELECT ON finding_acknowledgements TO truetrail_service;

CREATE TABLE job_runs (
  id uuid NOT NULL,
  job text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  scheduled_for timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  outcome jsonb,
  CONSTRAINT job_runs_scheduled_for_key UNIQUE (job, scheduled_for),
  CONSTRAINT job_runs_pkey PRIMARY KEY (id),
  CONSTRAINT job_runs_finished_check CHECK (((status = ANY (ARRAY['done'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
  CONSTRAINT job_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

COMMENT ON TABLE job_runs IS 'A row for each run of a job: what it did and how it ended';

COMMENT ON COLUMN job_runs.scheduled_for IS 'The time of its schedule for which it runs, once over all replicas; null when it was asked for';

CREATE INDEX job_runs_done_idx ON public.job_runs USING btree (job, finished_at DESC) WHERE (status = 'done'::text);

CREATE INDEX job_runs_job_idx ON public.job_runs USING btree (job, created_at DESC);

CREATE INDEX job_runs_open_idx ON public.job_runs USING btree (job) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

GRANT INSERT, SELECT, UPDATE ON job_runs TO truetrail_service;

CREATE TABLE key_successions (
  ledger text COLLATE "C" NOT NULL,
  anchor bigint NOT NULL,
  note text COLLATE "C" NOT NULL,
  "position" integer NOT NULL,
  CONSTRAINT key_successions_pkey PRIMARY KEY (ledger, anchor, "position"),
  CONSTRAINT key_successions_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors(number),
  CONSTRAINT key_successions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT key_successions_position_check CHECK (("position" > 0))
);

COMMENT ON TABLE key_successions IS 'Notes by which the key of a ledger gave way to the next, signed by both';

COMMENT ON COLUMN key_successions."position" IS 'From 1, among the notes of the ledger in this anchor: each leads from where the one before it ends';

CREATE TRIGGER key_successions_refuse_row BEFORE DELETE OR UPDATE ON public.key_successions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE key_successions ENABLE ALWAYS TRIGGER key_successions_refuse_row;

CREATE TRIGGER key_successions_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.key_successions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE key_successions ENABLE ALWAYS TRIGGER key_successions_refuse_statement;

GRANT SELECT ON key_successions TO truetrail_service;

CREATE TABLE late_executions (
  ledger text COLLATE "C" NOT NULL,
  day text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT late_executions_pkey PRIMARY KEY (ledger, day, sequence),
  CONSTRAINT late_executions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT late_executions_day_check CHECK ((day ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'::text))
);

COMMENT ON TABLE late_executions IS 'Archived events of orders that tell of an execution of another day than that of their event time, or the one before';

COMMENT ON COLUMN late_executions.day IS 'The day of execution_time as it is stated, in the time zone in which it is stated';

CREATE INDEX late_executions_sequence_idx ON public.late_executions USING btree (ledger, sequence, day);

CREATE TRIGGER late_executions_refuse_row BEFORE DELETE OR UPDATE ON public.late_executions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_row;

CREATE TRIGGER late_executions_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.late_executions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_statement;

GRANT SELECT ON late_executions TO truetrail_service;

CREATE TABLE ledger_heads (
  ledger text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  event_hash bytea,
  recorded_at timestamp with time zone NOT NULL,
  ahead_accepted_until timestamp with time zone,
  archived_to bigint NOT NULL DEFAULT 0,
  raised_at_size bigint,
  raised_from timestamp with time zone,
  CONSTRAINT ledger_heads_pkey PRIMARY KEY (ledger),
  CONSTRAINT ledger_heads_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT ledger_heads_archived_to_check CHECK (((archived_to >= 0) AND (archived_to <= size))),
  CONSTRAINT ledger_heads_event_hash_check CHECK ((((size = 0) = (event_hash IS NULL)) AND (octet_length(event_hash) = 32))),
  CONSTRAINT ledger_heads_size_check CHECK ((size >= 0))
) WITH (fillfactor=10);

COMMENT ON TABLE ledger_heads IS 'Where each chain ends; its row lock is the queue of appends over all replicas. Low fillfactor: every append updates it in place';

COMMENT ON COLUMN ledger_heads.size IS 'Events in the ledger, and the sequence of the last';

COMMENT ON COLUMN ledger_heads.event_hash IS 'Hash of the last event; null while empty';

COMMENT ON COLUMN ledger_heads.recorded_at IS 'Floor: no later event is recorded before it. The time of the last event, or the end of the last closed month';

COMMENT ON COLUMN ledger_heads.ahead_accepted_until IS 'An administrator has accepted a head this far ahead of the clock';

COMMENT ON COLUMN ledger_heads.archived_to IS 'Events up to this sequence have left, or are about to leave, PostgreSQL: readers take them from the archive';

COMMENT ON COLUMN ledger_heads.raised_at_size IS 'How many events there were when the floor was last raised to the end of a month';

COMMENT ON COLUMN ledger_heads.raised_from IS 'recorded_at of the last of these events: of the ledger, as long as none has come since';

GRANT SELECT ON ledger_heads TO truetrail_service;

CREATE TABLE ledger_successions (
  ledger text COLLATE "C" NOT NULL,
  predecessor text COLLATE "C" NOT NULL,
  noted_at timestamp with time zone NOT NULL,
  CONSTRAINT ledger_successions_pkey PRIMARY KEY (ledger),
  CONSTRAINT ledger_successions_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT ledger_successions_predecessor_fkey FOREIGN KEY (predecessor) REFERENCES ledgers(ledger),
  CONSTRAINT ledger_successions_predecessor_check CHECK ((predecessor <> ledger))
);

COMMENT ON TABLE ledger_successions IS 'Which ledger succeeds which closed one, as its first event says; stays when that event is deleted';

CREATE TRIGGER ledger_successions_refuse_row BEFORE DELETE OR UPDATE ON public.ledger_successions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE ledger_successions ENABLE ALWAYS TRIGGER ledger_successions_refuse_row;

CREATE TRIGGER ledger_successions_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_successions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE ledger_successions ENABLE ALWAYS TRIGGER ledger_successions_refuse_statement;

GRANT SELECT ON ledger_successions TO truetrail_service;

CREATE TABLE ledgers (
  ledger text COLLATE "C" NOT NULL,
  origin text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL DEFAULT 'open'::text,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT ledgers_origin_key UNIQUE (origin),
  CONSTRAINT ledgers_pkey PRIMARY KEY (ledger),
  CONSTRAINT ledgers_ledger_check CHECK ((ledger ~ '^([a-z0-9][a-z0-9-]{0,62}|_[a-z0-9-]{1,62})$'::text)),
  CONSTRAINT ledgers_origin_check CHECK (((origin ~ '^[!-~]+$'::text) AND (origin !~ '["\\+]'::text) AND (length(origin) <= 300))),
  CONSTRAINT ledgers_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text])))
);

COMMENT ON TABLE ledgers IS 'One hash chain each; never renamed, never deleted';

COMMENT ON COLUMN ledgers.ledger IS 'Slug; those that begin with _ are the service''s own';

COMMENT ON COLUMN ledgers.origin IS 'Names the ledger in every envelope, for ever';

GRANT SELECT ON ledgers TO truetrail_service;

CREATE TABLE legal_hold_acts (
  hold uuid NOT NULL,
  ordinal integer NOT NULL,
  act text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  principal text COLLATE "C" NOT NULL,
  reason text COLLATE "C",
  acted_at timestamp with time zone NOT NULL,
  CONSTRAINT legal_hold_acts_pkey PRIMARY KEY (hold, ordinal),
  CONSTRAINT legal_hold_acts_hold_fkey FOREIGN KEY (hold) REFERENCES legal_holds(id),
  CONSTRAINT legal_hold_acts_act_check CHECK ((act = ANY (ARRAY['request'::text, 'approve'::text, 'reject'::text, 'request_release'::text, 'approve_release'::text, 'reject_release'::text]))),
  CONSTRAINT legal_hold_acts_ordinal_check CHECK ((ordinal > 0)),
  CONSTRAINT legal_hold_acts_principal_check CHECK ((principal ~ '^[!-~]{1,255}$'::text)),
  CONSTRAINT legal_hold_acts_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
  CONSTRAINT legal_hold_acts_reason_given_check CHECK (((reason IS NOT NULL) OR (act = ANY (ARRAY['approve'::text, 'approve_release'::text]))))
);

COMMENT ON TABLE legal_hold_acts IS 'What was done to each hold, by whom and why: one immutable row an act';

COMMENT ON COLUMN legal_hold_acts.ordinal IS 'Of the hold’s acts, from 1';

COMMENT ON COLUMN legal_hold_acts.state IS 'Of the hold after the act';

COMMENT ON COLUMN legal_hold_acts.principal IS 'key:<uuid>, oidc:<issuer>#<subject>, or cli:<user>';

COMMENT ON COLUMN legal_hold_acts.reason IS 'Why; an approval may go without';

CREATE TRIGGER legal_hold_acts_refuse_own BEFORE INSERT ON public.legal_hold_acts FOR EACH ROW WHEN ((new.act = ANY (ARRAY['approve'::text, 'reject'::text, 'approve_release'::text]))) EXECUTE FUNCTION refuse_own_approval();

ALTER TABLE legal_hold_acts ENABLE ALWAYS TRIGGER legal_hold_acts_refuse_own;

CREATE TRIGGER legal_hold_acts_refuse_row BEFORE DELETE OR UPDATE ON public.legal_hold_acts FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE legal_hold_acts ENABLE ALWAYS TRIGGER legal_hold_acts_refuse_row;

CREATE TRIGGER legal_hold_acts_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.legal_hold_acts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE legal_hold_acts ENABLE ALWAYS TRIGGER legal_hold_acts_refuse_statement;

GRANT SELECT ON legal_hold_acts TO truetrail_service;

CREATE TABLE legal_holds (
  id uuid NOT NULL,
  state text COLLATE "C" NOT NULL,
  asked_by text COLLATE "C",
  ledgers text[] COLLATE "C" NOT NULL,
  entity_type text COLLATE "C",
  entity_id text COLLATE "C",
  user_id text COLLATE "C",
  event_type text COLLATE "C",
  recorded_from timestamp with time zone,
  recorded_to timestamp with time zone,
  reason text COLLATE "C" NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  requested_at timestamp with time zone NOT NULL,
  CONSTRAINT legal_holds_pkey PRIMARY KEY (id),
  CONSTRAINT legal_holds_asked_by_check CHECK (((asked_by IS NOT NULL) = (state = ANY (ARRAY['requested'::text, 'release-requested'::text])))),
  CONSTRAINT legal_holds_entity_check CHECK (((entity_type IS NULL) = (entity_id IS NULL))),
  CONSTRAINT legal_holds_entity_id_check CHECK (((length(entity_id) >= 1) AND (length(entity_id) <= 255))),
  CONSTRAINT legal_holds_entity_type_check CHECK (((length(entity_type) >= 1) AND (length(entity_type) <= 50))),
  CONSTRAINT legal_holds_event_type_check CHECK (((length(event_type) >= 1) AND (length(event_type) <= 100))),
  CONSTRAINT legal_holds_ledgers_check CHECK ((((cardinality(ledgers) >= 1) AND (cardinality(ledgers) <= 100)) AND (array_ndims(ledgers) = 1) AND (array_position(ledgers, NULL::text) IS NULL))),
  CONSTRAINT legal_holds_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
  CONSTRAINT legal_holds_recorded_check CHECK ((recorded_from < recorded_to)),
  CONSTRAINT legal_holds_requested_by_check CHECK ((requested_by ~ '^[!-~]{1,255}$'::text)),
  CONSTRAINT legal_holds_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'active'::text, 'release-requested'::text, 'rejected'::text, 'released'::text]))),
  CONSTRAINT legal_holds_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 255)))
);

COMMENT ON TABLE legal_holds IS 'What may be neither dropped nor deleted, whatever its retention says. A hold stops both from its request on, until it is rejected or its release is approved';

COMMENT ON COLUMN legal_holds.state IS 'requested and release-requested wait for a second principal; rejected and released are the ends';

COMMENT ON COLUMN legal_holds.asked_by IS 'Who asked for what waits for a second principal; null when nothing does';

COMMENT ON COLUMN legal_holds.ledgers IS 'Slugs, sorted, each once';

COMMENT ON COLUMN legal_holds.entity_type IS 'With entity_id: only events of this entity; null for all';

COMMENT ON COLUMN legal_holds.user_id IS 'Only events of this user; null for all';

COMMENT ON COLUMN legal_holds.event_type IS 'Only events of this record class; null for all';

COMMENT ON COLUMN legal_holds.recorded_from IS 'Recorded time, included; null for no beginning';

COMMENT ON COLUMN legal_holds.recorded_to IS 'Recorded time, not included; null for no end: what is yet to be recorded is held as well';

COMMENT ON COLUMN legal_holds.reason IS 'Why, in the words of whoever asked for it';

COMMENT ON COLUMN legal_holds.requested_by IS 'Principal that asked for the hold';

CREATE TRIGGER legal_holds_refuse_row BEFORE DELETE OR UPDATE OF id, ledgers, entity_type, entity_id, user_id, event_type, recorded_from, recorded_to, reason, requested_by, requested_at ON public.legal_holds FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE legal_holds ENABLE ALWAYS TRIGGER legal_holds_refuse_row;

CREATE TRIGGER legal_holds_refuse_statement BEFORE DELETE OR TRUNCATE ON public.legal_holds FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE legal_holds ENABLE ALWAYS TRIGGER legal_holds_refuse_statement;

GRANT SELECT ON legal_holds TO truetrail_service;

CREATE TABLE month_deletion_acts (
  deletion uuid NOT NULL,
  ordinal integer NOT NULL,
  act text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  principal text COLLATE "C" NOT NULL,
  reason text COLLATE "C",
  acted_at timestamp with time zone NOT NULL,
  CONSTRAINT month_deletion_acts_pkey PRIMARY KEY (deletion, ordinal),
  CONSTRAINT month_deletion_acts_deletion_fkey FOREIGN KEY (deletion) REFERENCES month_deletions(id),
  CONSTRAINT month_deletion_acts_act_check CHECK ((act = ANY (ARRAY['request'::text, 'approve'::text, 'reject'::text, 'begin'::text, 'finish'::text]))),
  CONSTRAINT month_deletion_acts_ordinal_check CHECK ((ordinal > 0)),
  CONSTRAINT month_deletion_acts_principal_check CHECK ((principal ~ '^[!-~]{1,255}$'::text)),
  CONSTRAINT month_deletion_acts_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
  CONSTRAINT month_deletion_acts_reason_given_check CHECK (((reason IS NOT NULL) OR (act <> ALL (ARRAY['request'::text, 'reject'::text]))))
);

COMMENT ON TABLE month_deletion_acts IS 'What was done about each deletion, by whom and why: one immutable row an act';

COMMENT ON COLUMN month_deletion_acts.ordinal IS 'Of the deletion’s acts, from 1';

COMMENT ON COLUMN month_deletion_acts.state IS 'Of the deletion after the act';

COMMENT ON COLUMN month_deletion_acts.principal IS 'key:<uuid>, oidc:<issuer>#<subject>, or cli:<user>; service for begin and finish';

CREATE TRIGGER month_deletion_acts_refuse_own BEFORE INSERT ON public.month_deletion_acts FOR EACH ROW WHEN ((new.act = 'approve'::text)) EXECUTE FUNCTION refuse_own_approval();

ALTER TABLE month_deletion_acts ENABLE ALWAYS TRIGGER month_deletion_acts_refuse_own;

CREATE TRIGGER month_deletion_acts_refuse_row BEFORE DELETE OR UPDATE ON public.month_deletion_acts FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE month_deletion_acts ENABLE ALWAYS TRIGGER month_deletion_acts_refuse_row;

CREATE TRIGGER month_deletion_acts_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.month_deletion_acts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE month_deletion_acts ENABLE ALWAYS TRIGGER month_deletion_acts_refuse_statement;

GRANT SELECT ON month_deletion_acts TO truetrail_service;

CREATE TABLE month_deletions (
  id uuid NOT NULL,
  month date NOT NULL,
  state text COLLATE "C" NOT NULL,
  policy uuid,
  reason text COLLATE "C" NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  requested_at timestamp with time zone NOT NULL,
  begun_at timestamp with time zone,
  done_at timestamp with time zone,
  CONSTRAINT month_deletions_pkey PRIMARY KEY (id),
  CONSTRAINT month_deletions_month_fkey FOREIGN KEY (month) REFERENCES months(month),
  CONSTRAINT month_deletions_policy_fkey FOREIGN KEY (policy) REFERENCES retention_policies(id),
  CONSTRAINT month_deletions_begun_check CHECK ((((state = ANY (ARRAY['removing'::text, 'done'::text])) = (begun_at IS NOT NULL)) AND ((begun_at IS NULL) = (policy IS NULL)))),
  CONSTRAINT month_deletions_done_check CHECK (((state = 'done'::text) = (done_at IS NOT NULL))),
  CONSTRAINT month_deletions_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
  CONSTRAINT month_deletions_requested_by_check CHECK ((requested_by ~ '^[!-~]{1,255}$'::text)),
  CONSTRAINT month_deletions_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'approved'::text, 'removing'::text, 'done'::text, 'rejected'::text])))
);

COMMENT ON TABLE month_deletions IS 'Months whose archive is, or is to be, deleted at the end of retention';

COMMENT ON COLUMN month_deletions.state IS 'From removing on its events are deleted, for every reader; rejected is the other end, open until the first object is gone';

COMMENT ON COLUMN month_deletions.policy IS 'The one that had kept it the longest, when the removal began';

COMMENT ON COLUMN month_deletions.requested_by IS 'Principal that asked for it; another has to approve';

COMMENT ON COLUMN month_deletions.begun_at IS 'When the removal of its objects began';

COMMENT ON COLUMN month_deletions.done_at IS 'When the last one was gone';

CREATE UNIQUE INDEX month_deletions_month_key ON public.month_deletions USING btree (month) WHERE (state <> 'rejected'::text);

CREATE TRIGGER month_deletions_refuse_row BEFORE DELETE OR UPDATE OF id, month, reason, requested_by, requested_at ON public.month_deletions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE month_deletions ENABLE ALWAYS TRIGGER month_deletions_refuse_row;

CREATE TRIGGER month_deletions_refuse_statement BEFORE DELETE OR TRUNCATE ON public.month_deletions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE month_deletions ENABLE ALWAYS TRIGGER month_deletions_refuse_statement;

GRANT SELECT ON month_deletions TO truetrail_service;

CREATE TABLE month_ranges (
  month date NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  from_sequence bigint NOT NULL,
  to_sequence bigint NOT NULL,
  least_timestamp timestamp with time zone NOT NULL,
  greatest_timestamp timestamp with time zone NOT NULL,
  least_recorded_at timestamp with time zone NOT NULL,
  greatest_recorded_at timestamp with time zone NOT NULL,
  previous_event_hash bytea,
  last_event_hash bytea NOT NULL,
  CONSTRAINT month_ranges_from_sequence_key UNIQUE (ledger, from_sequence),
  CONSTRAINT month_ranges_pkey PRIMARY KEY (month, ledger),
  CONSTRAINT month_ranges_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT month_ranges_month_fkey FOREIGN KEY (month) REFERENCES months(month),
  CONSTRAINT month_ranges_last_event_hash_check CHECK ((octet_length(last_event_hash) = 32)),
  CONSTRAINT month_ranges_previous_event_hash_check CHECK ((((previous_event_hash IS NULL) = (from_sequence = 1)) AND (octet_length(previous_event_hash) = 32))),
  CONSTRAINT month_ranges_sequence_check CHECK (((from_sequence > 0) AND (to_sequence >= from_sequence)))
);

COMMENT ON TABLE month_ranges IS 'What a sealed month holds of each ledger: one immutable row; a ledger without events in it has none';

COMMENT ON COLUMN month_ranges.to_sequence IS 'Included';

COMMENT ON COLUMN month_ranges.least_timestamp IS 'Of event times, cut to microseconds';

COMMENT ON COLUMN month_ranges.previous_event_hash IS 'event_hash of the event before the first; null at 1';

COMMENT ON COLUMN month_ranges.last_event_hash IS 'event_hash of the last event';

CREATE TRIGGER month_ranges_refuse_row BEFORE DELETE OR UPDATE ON public.month_ranges FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE month_ranges ENABLE ALWAYS TRIGGER month_ranges_refuse_row;

CREATE TRIGGER month_ranges_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.month_ranges FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE month_ranges ENABLE ALWAYS TRIGGER month_ranges_refuse_statement;

GRANT SELECT ON month_ranges TO truetrail_service;

CREATE TABLE months (
  month date NOT NULL,
  state text COLLATE "C" NOT NULL DEFAULT 'open'::text,
  partition_name text COLLATE "C" NOT NULL,
  created_at timestamp with time zone NOT NULL,
  closed_at timestamp with time zone,
  sealed_at timestamp with time zone,
  retired_at timestamp with time zone,
  dropped_at timestamp with time zone,
  executions_listed_at timestamp with time zone,
  CONSTRAINT months_partition_name_key UNIQUE (partition_name),
  CONSTRAINT months_pkey PRIMARY KEY (month),
  CONSTRAINT months_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
  CONSTRAINT months_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text, 'sealed'::text, 'retired'::text, 'dropped'::text]))),
  CONSTRAINT months_state_times_check CHECK ((((closed_at IS NOT NULL) = (state <> 'open'::text)) AND ((sealed_at IS NOT NULL) = (state = ANY (ARRAY['sealed'::text, 'retired'::text, 'dropped'::text]))) AND ((retired_at IS NOT NULL) = (state = ANY (ARRAY['retired'::text, 'dropped'::text]))) AND ((dropped_at IS NOT NULL) = (state = 'dropped'::text))))
);

COMMENT ON TABLE months IS 'The month catalogue: which months there are, and how far each has come';

COMMENT ON COLUMN months.month IS 'First day of the month, UTC';

COMMENT ON COLUMN months.closed_at IS 'Since when every ledger goes on after it';

COMMENT ON COLUMN months.sealed_at IS 'Since when its ranges stand in month_ranges, and nothing can be inserted';

COMMENT ON COLUMN months.retired_at IS 'Since when readers take it from the archive';

COMMENT ON COLUMN months.dropped_at IS 'Since when its table is gone';

COMMENT ON COLUMN months.executions_listed_at IS 'Since when late_executions has what the month holds; null while it has not left, and where it had left before there was the list until the archive was read for it';

GRANT SELECT ON months TO truetrail_service;

CREATE TABLE reference_changes (
  revision bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  entry_id text COLLATE "C" NOT NULL,
  valid_from timestamp with time zone NOT NULL,
  valid_to timestamp with time zone,
  attributes jsonb,
  reason text COLLATE "C",
  principal text COLLATE "C" NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  event_id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT reference_changes_event_key UNIQUE (ledger, sequence),
  CONSTRAINT reference_changes_pkey PRIMARY KEY (revision),
  CONSTRAINT reference_changes_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT reference_changes_attributes_check CHECK ((jsonb_typeof(attributes) = 'object'::text)),
  CONSTRAINT reference_changes_revision_check CHECK ((revision >= 1)),
  CONSTRAINT reference_changes_validity_check CHECK ((valid_to > valid_from))
);

COMMENT ON TABLE reference_changes IS 'Every change of reference data, one immutable row each, taken from the events of the service: of two about the same time the one of the later revision holds, and both stand';

COMMENT ON COLUMN reference_changes.revision IS 'In the order in which the changes were recorded, from 1 without a gap';

COMMENT ON COLUMN reference_changes.entry_id IS 'What events call it, for example a MIC or a client id';

COMMENT ON COLUMN reference_changes.valid_from IS 'From when on it is so; included';

COMMENT ON COLUMN reference_changes.valid_to IS 'Until when; not included. null: until something else is recorded';

COMMENT ON COLUMN reference_changes.attributes IS 'null: at that time there is no such entry';

COMMENT ON COLUMN reference_changes.principal IS 'Who made the change';

COMMENT ON COLUMN reference_changes.event_id IS 'The event that the change is, at this sequence of this ledger';

CREATE INDEX reference_changes_attributes_idx ON public.reference_changes USING gin (attributes jsonb_path_ops);

CREATE INDEX reference_changes_entry_idx ON public.reference_changes USING btree (kind, entry_id, revision DESC);

CREATE INDEX reference_changes_recorded_at_idx ON public.reference_changes USING btree (recorded_at);

CREATE TRIGGER reference_changes_refuse_row BEFORE DELETE OR UPDATE ON public.reference_changes FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE reference_changes ENABLE ALWAYS TRIGGER reference_changes_refuse_row;

CREATE TRIGGER reference_changes_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.reference_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE reference_changes ENABLE ALWAYS TRIGGER reference_changes_refuse_statement;

GRANT SELECT ON reference_changes TO truetrail_service;

CREATE TABLE reference_progress (
  ledger text COLLATE "C" NOT NULL,
  taken_to bigint NOT NULL,
  CONSTRAINT reference_progress_pkey PRIMARY KEY (ledger),
  CONSTRAINT reference_progress_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT reference_progress_taken_to_check CHECK ((taken_to >= 0))
);

COMMENT ON TABLE reference_progress IS 'Up to which event each ledger of the service has been looked at for changes of reference data';

GRANT SELECT ON reference_progress TO truetrail_service;

CREATE TABLE report_run_pieces (
  run uuid NOT NULL,
  piece integer NOT NULL,
  bytes bytea NOT NULL,
  CONSTRAINT report_run_pieces_pkey PRIMARY KEY (run, piece),
  CONSTRAINT report_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES report_runs(id),
  CONSTRAINT report_run_pieces_piece_check CHECK ((piece >= 1))
);

COMMENT ON TABLE report_run_pieces IS 'Kept answers, in order; each piece packed by gzip for itself';

GRANT DELETE, INSERT, SELECT ON report_run_pieces TO truetrail_service;

CREATE TABLE report_runs (
  id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  report text COLLATE "C" NOT NULL,
  report_version integer NOT NULL,
  tables jsonb NOT NULL,
  format text COLLATE "C" NOT NULL,
  parameters jsonb NOT NULL,
  as_of bigint NOT NULL,
  as_of_event_hash bytea,
  archived_to bigint NOT NULL,
  deleted jsonb NOT NULL,
  made_by text COLLATE "C" NOT NULL,
  is_kept boolean NOT NULL,
  status text COLLATE "C" NOT NULL,
  rows bigint,
  bytes bigint NOT NULL DEFAULT 0,
  sha256 bytea,
  pieces integer NOT NULL DEFAULT 0,
  packed_bytes bigint NOT NULL DEFAULT 0,
  error text,
  requested_by text COLLATE "C" NOT NULL,
  runner uuid,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  progress_at timestamp with time zone,
  finished_at timestamp with time zone,
  expires_at timestamp with time zone,
  attempts integer NOT NULL DEFAULT 0,
  read_ranges jsonb,
  CONSTRAINT report_runs_pkey PRIMARY KEY (id),
  CONSTRAINT report_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT report_runs_done_check CHECK (((status <> ALL (ARRAY['done'::text, 'expired'::text])) OR ((rows IS NOT NULL) AND (sha256 IS NOT NULL)))),
  CONSTRAINT report_runs_expires_check CHECK (((is_kept AND (status = ANY (ARRAY['done'::text, 'expired'::text]))) = (expires_at IS NOT NULL))),
  CONSTRAINT report_runs_running_check CHECK (((status = 'running'::text) = (runner IS NOT NULL))),
  CONSTRAINT report_runs_sha256_check CHECK ((octet_length(sha256) = 32)),
  CONSTRAINT report_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text, 'expired'::text])))
);

COMMENT ON TABLE report_runs IS 'A row for each answer of a report that was asked for: what its manifest says';

COMMENT ON COLUMN report_runs.report_version IS 'Of how its cells follow from events, and of the tables that they follow from besides';

COMMENT ON COLUMN report_runs.as_of_event_hash IS 'Hash of the event at as_of, which binds all before it; null at 0 and where that event was deleted';

COMMENT ON COLUMN report_runs.is_kept IS 'Whether the answer is kept to be fetched; otherwise it went out as it was made';

COMMENT ON COLUMN report_runs.sha256 IS 'Of the whole answer, unpacked';

COMMENT ON COLUMN report_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica';

COMMENT ON COLUMN report_runs.attempts IS 'How often it was begun and not put back for no fault of its own';

COMMENT ON COLUMN report_runs.read_ranges IS 'Which ranges of which ledgers were read, and how many events each had; null of runs that are not done, or older than this column';

CREATE INDEX report_runs_expires_idx ON public.report_runs USING btree (expires_at) WHERE (status = 'done'::text);

CREATE INDEX report_runs_open_idx ON public.report_runs USING btree (created_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX report_runs_report_idx ON public.report_runs USING btree (ledger, report, created_at DESC);

GRANT INSERT, SELECT, UPDATE ON report_runs TO truetrail_service;

CREATE TABLE reporting_acts (
  act integer NOT NULL,
  kind text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  maker uuid NOT NULL,
  principal text COLLATE "C" NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  summary jsonb NOT NULL,
  CONSTRAINT reporting_acts_maker_key UNIQUE (maker),
  CONSTRAINT reporting_acts_pkey PRIMARY KEY (act),
  CONSTRAINT reporting_acts_act_check CHECK ((act >= 1)),
  CONSTRAINT reporting_acts_kind_check CHECK ((kind = ANY (ARRAY['submission'::text, 'feedback'::text])))
);

COMMENT ON TABLE reporting_acts IS 'Submissions and feedback in their order: each is one event that makes those before it count';

COMMENT ON COLUMN reporting_acts.act IS 'From 1, without a gap; its event''s id follows from it';

COMMENT ON COLUMN reporting_acts.subject IS 'Of a submission the id of its run, of feedback the SHA-256 of the file in hex: again where it was judged again';

COMMENT ON COLUMN reporting_acts.maker IS 'Names the events of single reports that belong to it; those of a maker without an act count for nothing';

COMMENT ON COLUMN reporting_acts.summary IS 'new_state of the event';

CREATE INDEX reporting_acts_subject_idx ON public.reporting_acts USING btree (kind, subject, act);

CREATE UNIQUE INDEX reporting_acts_submission_key ON public.reporting_acts USING btree (subject) WHERE (kind = 'submission'::text);

GRANT INSERT, SELECT ON reporting_acts TO truetrail_service;

CREATE TABLE reporting_advices (
  maker uuid NOT NULL,
  number integer NOT NULL,
  act integer,
  executing_entity text COLLATE "C" NOT NULL,
  transaction_reference text COLLATE "C" NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  rules jsonb NOT NULL,
  contradicts boolean NOT NULL,
  CONSTRAINT reporting_advices_pkey PRIMARY KEY (maker, number),
  CONSTRAINT reporting_advices_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts(act),
  CONSTRAINT reporting_advices_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'accepted'::text, 'rejected'::text])))
);

COMMENT ON TABLE reporting_advices IS 'What feedback said of single records that was news';

COMMENT ON COLUMN reporting_advices.contradicts IS 'The record has a final state already, and keeps it';

CREATE INDEX reporting_advices_record_idx ON public.reporting_advices USING btree (message_id, executing_entity, transaction_reference, act) WHERE (act IS NOT NULL);

GRANT INSERT, SELECT, UPDATE ON reporting_advices TO truetrail_service;

CREATE TABLE reporting_decisions (
  run uuid NOT NULL,
  maker uuid NOT NULL,
  number integer NOT NULL,
  transaction_reference text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  decision text COLLATE "C" NOT NULL,
  to_mend text COLLATE "C",
  digest bytea,
  message_id text COLLATE "C",
  order_id text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  version integer NOT NULL,
  leg integer NOT NULL,
  trading_time text COLLATE "C",
  file_from bigint,
  file_bytes integer,
  noted text COLLATE "C",
  values_digest bytea,
  CONSTRAINT reporting_decisions_pkey PRIMARY KEY (run, maker, number),
  CONSTRAINT reporting_decisions_run_fkey FOREIGN KEY (run) REFERENCES reporting_runs(id),
  CONSTRAINT reporting_decisions_noted_check CHECK ((noted = ANY (ARRAY['held'::text, 'drafted'::text, 'released'::text]))),
  CONSTRAINT reporting_decisions_sent_check CHECK ((((decision = 'send'::text) = (digest IS NOT NULL)) AND ((decision = 'send'::text) = (message_id IS NOT NULL)))),
  CONSTRAINT reporting_decisions_status_check CHECK ((status = ANY (ARRAY['NEWT'::text, 'CANC'::text])))
);

COMMENT ON TABLE reporting_decisions IS 'What a submission did about each transaction reference of its period';

COMMENT ON COLUMN reporting_decisions.decision IS 'send, or why it was not sent';

COMMENT ON COLUMN reporting_decisions.to_mend IS 'Of what is held: fields and causes, as in the report transactions';

COMMENT ON COLUMN reporting_decisions.file_from IS 'Bytes of the file before the record';

COMMENT ON COLUMN reporting_decisions.file_bytes IS 'Bytes of the record in the file';

COMMENT ON COLUMN reporting_decisions.noted IS 'What is news of a report that is not sent, and is recorded; null: nothing is';

COMMENT ON COLUMN reporting_decisions.values_digest IS 'SHA-256 of the values of a report that is noted as held or drafted';

GRANT DELETE, INSERT, SELECT ON reporting_decisions TO truetrail_service;

CREATE TABLE reporting_notes (
  maker uuid NOT NULL,
  act integer,
  ledger text COLLATE "C" NOT NULL,
  executing_entity text COLLATE "C" NOT NULL,
  transaction_reference text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  noted text COLLATE "C" NOT NULL,
  why text COLLATE "C" NOT NULL,
  to_mend text COLLATE "C",
  values_digest bytea,
  CONSTRAINT reporting_notes_pkey PRIMARY KEY (maker, transaction_reference),
  CONSTRAINT reporting_notes_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts(act),
  CONSTRAINT reporting_notes_digest_check CHECK ((octet_length(values_digest) = 32)),
  CONSTRAINT reporting_notes_noted_check CHECK ((noted = ANY (ARRAY['held'::text, 'drafted'::text, 'released'::text])))
);

COMMENT ON TABLE reporting_notes IS 'What submissions found of reports that they did not send, each time that it was another than before';

COMMENT ON COLUMN reporting_notes.act IS 'The submission that found it so; null: it came to nothing';

COMMENT ON COLUMN reporting_notes.why IS 'The decision: held, or why a report that could be sent was not, or what let go of it';

CREATE INDEX reporting_notes_event_idx ON public.reporting_notes USING btree (event_id, executing_entity) WHERE (act IS NOT NULL);

GRANT INSERT, SELECT, UPDATE ON reporting_notes TO truetrail_service;

CREATE TABLE reporting_parts (
  maker uuid NOT NULL,
  part integer NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  message_id text COLLATE "C",
  file_from bigint,
  file_bytes integer,
  CONSTRAINT reporting_parts_pkey PRIMARY KEY (maker, part),
  CONSTRAINT reporting_parts_content_check CHECK ((((message_id IS NULL) = (file_from IS NULL)) AND ((message_id IS NULL) = (file_bytes IS NULL)))),
  CONSTRAINT reporting_parts_part_check CHECK ((part >= 1))
);

COMMENT ON TABLE reporting_parts IS 'Parts of the zips of files that were sent: in which event of the line _reporting each stands';

COMMENT ON COLUMN reporting_parts.message_id IS 'The file of which it holds a piece; null: it holds what the zip has besides';

COMMENT ON COLUMN reporting_parts.file_from IS 'Bytes of the file before the piece';

COMMENT ON COLUMN reporting_parts.file_bytes IS 'Bytes of the piece, unpacked';

CREATE INDEX reporting_parts_file_idx ON public.reporting_parts USING btree (maker, message_id, file_from);

GRANT INSERT, SELECT ON reporting_parts TO truetrail_service;

CREATE TABLE reporting_progress (
  ledger text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  CONSTRAINT reporting_progress_pkey PRIMARY KEY (ledger),
  CONSTRAINT reporting_progress_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger)
);

COMMENT ON TABLE reporting_progress IS 'Up to which event each ledger of the line _reporting was read';

GRANT INSERT, SELECT, UPDATE ON reporting_progress TO truetrail_service;

CREATE TABLE reporting_records (
  maker uuid NOT NULL,
  act integer,
  executing_entity text COLLATE "C" NOT NULL,
  transaction_reference text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  digest bytea NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  trading_time text COLLATE "C",
  sent_at timestamp with time zone,
  file_from bigint,
  file_bytes integer,
  CONSTRAINT reporting_records_pkey PRIMARY KEY (maker, executing_entity, transaction_reference),
  CONSTRAINT reporting_records_act_fkey FOREIGN KEY (act) REFERENCES reporting_acts(act),
  CONSTRAINT reporting_records_digest_check CHECK ((octet_length(digest) = 32)),
  CONSTRAINT reporting_records_sent_check CHECK (((act IS NULL) = (sent_at IS NULL))),
  CONSTRAINT reporting_records_status_check CHECK ((status = ANY (ARRAY['NEWT'::text, 'CANC'::text])))
);

COMMENT ON TABLE reporting_records IS 'Records of files of transaction reports';

COMMENT ON COLUMN reporting_records.act IS 'The submission by which it counts as sent; null: it was written and never sent';

COMMENT ON COLUMN reporting_records.digest IS 'SHA-256 of the record as it stands in the file';

COMMENT ON COLUMN reporting_records.event_id IS 'The execution or allocation, as first recorded';

COMMENT ON COLUMN reporting_records.file_from IS 'Bytes of the file before the record';

COMMENT ON COLUMN reporting_records.file_bytes IS 'Bytes of the record in the file';

CREATE INDEX reporting_records_event_idx ON public.reporting_records USING btree (event_id, executing_entity) WHERE (act IS NOT NULL);

CREATE INDEX reporting_records_message_idx ON public.reporting_records USING btree (message_id, executing_entity, transaction_reference) WHERE (act IS NOT NULL);

CREATE INDEX reporting_records_reference_idx ON public.reporting_records USING btree (executing_entity, transaction_reference, act) WHERE (act IS NOT NULL);

GRANT INSERT, SELECT, UPDATE ON reporting_records TO truetrail_service;

CREATE TABLE reporting_run_pieces (
  run uuid NOT NULL,
  piece integer NOT NULL,
  bytes bytea NOT NULL,
  CONSTRAINT reporting_run_pieces_pkey PRIMARY KEY (run, piece),
  CONSTRAINT reporting_run_pieces_run_fkey FOREIGN KEY (run) REFERENCES reporting_runs(id),
  CONSTRAINT reporting_run_pieces_piece_check CHECK ((piece >= 1))
);

COMMENT ON TABLE reporting_run_pieces IS 'Kept zips of files, in order; each piece in the format of gzip, and stored in it as it is';

GRANT DELETE, INSERT, SELECT ON reporting_run_pieces TO truetrail_service;

CREATE TABLE reporting_runs (
  id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  executing_entity text COLLATE "C" NOT NULL,
  parameters jsonb NOT NULL,
  as_of bigint NOT NULL,
  made_by text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  decided_by uuid,
  rows bigint,
  bytes bigint NOT NULL DEFAULT 0,
  sha256 bytea,
  pieces integer NOT NULL DEFAULT 0,
  packed_bytes bigint NOT NULL DEFAULT 0,
  error text,
  requested_by text COLLATE "C" NOT NULL,
  runner uuid,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  progress_at timestamp with time zone,
  finished_at timestamp with time zone,
  expires_at timestamp with time zone,
  sender text,
  receiver text,
  overtaken integer NOT NULL DEFAULT 0,
  CONSTRAINT reporting_runs_pkey PRIMARY KEY (id),
  CONSTRAINT reporting_runs_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT reporting_runs_done_check CHECK (((status <> ALL (ARRAY['done'::text, 'expired'::text])) OR ((rows IS NOT NULL) AND (sha256 IS NOT NULL)))),
  CONSTRAINT reporting_runs_expires_check CHECK (((expires_at IS NULL) OR (status = ANY (ARRAY['done'::text, 'expired'::text])))),
  CONSTRAINT reporting_runs_running_check CHECK (((status = 'running'::text) = (runner IS NOT NULL))),
  CONSTRAINT reporting_runs_sha256_check CHECK ((octet_length(sha256) = 32)),
  CONSTRAINT reporting_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text, 'expired'::text])))
);

COMMENT ON TABLE reporting_runs IS 'A row for each submission of transaction reports that was asked for';

COMMENT ON COLUMN reporting_runs.attempts IS 'How often it was begun and not put back for no fault of its own';

COMMENT ON COLUMN reporting_runs.decided_by IS 'Under which maker what it decided stands';

COMMENT ON COLUMN reporting_runs.rows IS 'Records in its files';

COMMENT ON COLUMN reporting_runs.bytes IS 'Of the zip of its files, as far as it is made';

COMMENT ON COLUMN reporting_runs.sha256 IS 'Of the whole zip';

COMMENT ON COLUMN reporting_runs.packed_bytes IS 'What its pieces take';

COMMENT ON COLUMN reporting_runs.progress_at IS 'Last sign of life; a run silent for long is begun again by another replica';

COMMENT ON COLUMN reporting_runs.sender IS 'Who sends its files, as it stood when it was asked for; null of runs older than this column';

COMMENT ON COLUMN reporting_runs.receiver IS 'Which authority gets them; null of runs older than this column';

COMMENT ON COLUMN reporting_runs.overtaken IS 'How often acts of others outdated what it decided before that was recorded';

CREATE INDEX reporting_runs_expires_idx ON public.reporting_runs USING btree (expires_at) WHERE (status = 'done'::text);

CREATE INDEX reporting_runs_ledger_idx ON public.reporting_runs USING btree (ledger, created_at DESC);

CREATE INDEX reporting_runs_open_idx ON public.reporting_runs USING btree (created_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

GRANT INSERT, SELECT, UPDATE ON reporting_runs TO truetrail_service;

CREATE TABLE retention_policies (
  id uuid NOT NULL,
  record_class text COLLATE "C" NOT NULL,
  valid_from date NOT NULL,
  ledger text COLLATE "C",
  entity_type text COLLATE "C",
  event_type text COLLATE "C",
  years integer NOT NULL,
  reason text COLLATE "C" NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  created_at timestamp with time zone NOT NULL,
  CONSTRAINT retention_policies_pkey PRIMARY KEY (id),
  CONSTRAINT retention_policies_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT retention_policies_created_by_check CHECK ((created_by ~ '^[!-~]{1,255}$'::text)),
  CONSTRAINT retention_policies_default_check CHECK (((record_class <> 'default'::text) OR (num_nonnulls(ledger, entity_type, event_type) = 0))),
  CONSTRAINT retention_policies_entity_type_check CHECK (((length(entity_type) >= 1) AND (length(entity_type) <= 50))),
  CONSTRAINT retention_policies_event_type_check CHECK (((length(event_type) >= 1) AND (length(event_type) <= 100))),
  CONSTRAINT retention_policies_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
  CONSTRAINT retention_policies_record_class_check CHECK ((record_class ~ '^[a-z0-9][a-z0-9-]{0,62}$'::text)),
  CONSTRAINT retention_policies_years_check CHECK (((years >= 5) AND (years <= 40)))
);

COMMENT ON TABLE retention_policies IS 'For how long records of a class are kept at least: one immutable row a policy. The longest of those that are in force and match an event counts';

COMMENT ON COLUMN retention_policies.record_class IS 'Name of the class; default is ARCHIVE_RETENTION_YEARS, for every event';

COMMENT ON COLUMN retention_policies.valid_from IS 'First day, UTC, on which it counts; from then on also for what was recorded before';

COMMENT ON COLUMN retention_policies.ledger IS 'Slug; null for every ledger';

COMMENT ON COLUMN retention_policies.entity_type IS 'null for any';

COMMENT ON COLUMN retention_policies.event_type IS 'null for any';

COMMENT ON COLUMN retention_policies.years IS 'From recorded_at on';

CREATE TRIGGER retention_policies_refuse_row BEFORE DELETE OR UPDATE ON public.retention_policies FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE retention_policies ENABLE ALWAYS TRIGGER retention_policies_refuse_row;

CREATE TRIGGER retention_policies_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.retention_policies FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE retention_policies ENABLE ALWAYS TRIGGER retention_policies_refuse_statement;

GRANT SELECT ON retention_policies TO truetrail_service;

CREATE TABLE signing_keys (
  number bigint NOT NULL,
  public_key bytea NOT NULL,
  from_anchor bigint NOT NULL,
  CONSTRAINT signing_keys_public_key_key UNIQUE (public_key),
  CONSTRAINT signing_keys_pkey PRIMARY KEY (number),
  CONSTRAINT signing_keys_number_check CHECK ((number > 0)),
  CONSTRAINT signing_keys_public_key_check CHECK ((octet_length(public_key) = 32))
);

COMMENT ON TABLE signing_keys IS 'The keys that have signed, one after the other; the last one signs';

COMMENT ON COLUMN signing_keys.public_key IS 'Ed25519, raw';

COMMENT ON COLUMN signing_keys.from_anchor IS 'The first anchor that it signed';

CREATE TRIGGER signing_keys_refuse_row BEFORE DELETE OR UPDATE ON public.signing_keys FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE signing_keys ENABLE ALWAYS TRIGGER signing_keys_refuse_row;

CREATE TRIGGER signing_keys_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.signing_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE signing_keys ENABLE ALWAYS TRIGGER signing_keys_refuse_statement;

GRANT SELECT ON signing_keys TO truetrail_service;

CREATE TABLE timestamps (
  anchor bigint NOT NULL,
  sha256 bytea NOT NULL,
  authority_url text COLLATE "C" NOT NULL,
  authority text COLLATE "C" NOT NULL,
  stamped_at timestamp with time zone NOT NULL,
  reply bytea NOT NULL,
  location text COLLATE "C" NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  version_id text COLLATE "C" NOT NULL,
  kept_at timestamp with time zone NOT NULL,
  CONSTRAINT timestamps_pkey PRIMARY KEY (anchor, sha256),
  CONSTRAINT timestamps_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors(number),
  CONSTRAINT timestamps_object_key_check CHECK ((object_key = (((('timestamps/'::text || lpad((anchor)::text, GREATEST(12, length((anchor)::text)), '0'::text)) || '-'::text) || "left"(encode(sha256, 'hex'::text), 16)) || '.tsr'::text))),
  CONSTRAINT timestamps_reply_check CHECK (((octet_length(reply) >= 1) AND (octet_length(reply) <= 65536))),
  CONSTRAINT timestamps_sha256_check CHECK ((sha256 = sha256(reply)))
);

COMMENT ON TABLE timestamps IS 'That the bytes of an anchor, and by the chain of anchors all before them, were there at a time (RFC 3161): one immutable row a reply, kept in the store before';

COMMENT ON COLUMN timestamps.sha256 IS 'Of the reply';

COMMENT ON COLUMN timestamps.authority_url IS 'Who was asked';

COMMENT ON COLUMN timestamps.authority IS 'Whose certificate signed it: its subject';

COMMENT ON COLUMN timestamps.stamped_at IS 'genTime of the reply, cut to microseconds';

COMMENT ON COLUMN timestamps.reply IS 'The whole TimeStampResp, with the certificates of the authority';

COMMENT ON COLUMN timestamps.location IS 'The store that it was written to, before the key';

COMMENT ON COLUMN timestamps.version_id IS 'What the store calls the version';

CREATE INDEX timestamps_authority_url_idx ON public.timestamps USING btree (authority_url, anchor);

CREATE TRIGGER timestamps_refuse_row BEFORE DELETE OR UPDATE ON public.timestamps FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE timestamps ENABLE ALWAYS TRIGGER timestamps_refuse_row;

CREATE TRIGGER timestamps_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.timestamps FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE timestamps ENABLE ALWAYS TRIGGER timestamps_refuse_statement;

GRANT SELECT ON timestamps TO truetrail_service;

CREATE TABLE tree_tiles (
  ledger text COLLATE "C" NOT NULL,
  level smallint NOT NULL,
  tile_index bigint NOT NULL,
  hashes bytea NOT NULL,
  CONSTRAINT tree_tiles_pkey PRIMARY KEY (ledger, level, tile_index),
  CONSTRAINT tree_tiles_ledger_fkey FOREIGN KEY (ledger) REFERENCES trees(ledger),
  CONSTRAINT tree_tiles_hashes_check CHECK ((((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192)) AND ((octet_length(hashes) % 32) = 0))),
  CONSTRAINT tree_tiles_level_check CHECK (((level >= 1) AND (level <= 7))),
  CONSTRAINT tree_tiles_tile_index_check CHECK ((tile_index >= 0))
);

COMMENT ON TABLE tree_tiles IS 'Tiles of levels 1 and up of the Merkle trees (C2SP tlog-tiles); level 0 follows from the events. A tile only grows';

COMMENT ON COLUMN tree_tiles.hashes IS '1 to 256 hashes of 32 bytes';

GRANT SELECT ON tree_tiles TO truetrail_service;

CREATE TABLE trees (
  ledger text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  open_leaves bytea NOT NULL,
  CONSTRAINT trees_pkey PRIMARY KEY (ledger),
  CONSTRAINT trees_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT trees_open_leaves_check CHECK ((octet_length(open_leaves) = (32 * (size % (256)::bigint)))),
  CONSTRAINT trees_size_check CHECK ((size > 0))
);

COMMENT ON TABLE trees IS 'How far the Merkle tree of a ledger has grown in tree_tiles. It follows from the events, and is made anew when it does not';

COMMENT ON COLUMN trees.size IS 'Leaves: events up to this sequence';

COMMENT ON COLUMN trees.open_leaves IS 'Hashes of the leaves past the last full tile of level 0, 32 bytes each';

GRANT SELECT ON trees TO truetrail_service;

CREATE TABLE unrecorded_recoveries (
  event_id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  operator text COLLATE "C" NOT NULL,
  state jsonb NOT NULL,
  recovered_at timestamp with time zone NOT NULL,
  action text COLLATE "C" NOT NULL DEFAULT 'recover'::text,
  CONSTRAINT unrecorded_recoveries_pkey PRIMARY KEY (event_id),
  CONSTRAINT unrecorded_recoveries_action_check CHECK ((action = ANY (ARRAY['recover'::text, 'close'::text])))
);

COMMENT ON TABLE unrecorded_recoveries IS 'What recoveries have brought back into ledgers, and which they have closed, that is not on record in the ledger of the service yet';

COMMENT ON COLUMN unrecorded_recoveries.event_id IS 'Of the event that will record it: recorded twice, it counts once';

COMMENT ON COLUMN unrecorded_recoveries.operator IS 'Who ran the recovery';

COMMENT ON COLUMN unrecorded_recoveries.state IS 'What that event will say';

COMMENT ON COLUMN unrecorded_recoveries.action IS 'recover: events came back into the ledger; close: it was closed, and is recorded once it has a successor';

CREATE TABLE verifications (
  id uuid NOT NULL,
  ledger text COLLATE "C" NOT NULL,
  from_sequence bigint NOT NULL,
  to_sequence bigint NOT NULL,
  to_head boolean NOT NULL,
  status text COLLATE "C" NOT NULL,
  verdict text COLLATE "C",
  next_sequence bigint NOT NULL,
  checked bigint NOT NULL DEFAULT 0,
  findings jsonb NOT NULL DEFAULT '[]'::jsonb,
  findings_total bigint NOT NULL DEFAULT 0,
  unread jsonb NOT NULL DEFAULT '[]'::jsonb,
  deleted jsonb NOT NULL DEFAULT '[]'::jsonb,
  error text,
  requested_by text COLLATE "C" NOT NULL,
  job_run uuid,
  runner uuid,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  progress_at timestamp with time zone,
  finished_at timestamp with time zone,
  CONSTRAINT verifications_pkey PRIMARY KEY (id),
  CONSTRAINT verifications_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledgers(ledger),
  CONSTRAINT verifications_done_check CHECK (((status = 'done'::text) = (verdict IS NOT NULL))),
  CONSTRAINT verifications_range_check CHECK (((from_sequence >= 1) AND (to_sequence >= (from_sequence - 1)))),
  CONSTRAINT verifications_running_check CHECK (((status = 'running'::text) = (runner IS NOT NULL))),
  CONSTRAINT verifications_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text]))),
  CONSTRAINT verifications_verdict_check CHECK ((verdict = ANY (ARRAY['valid'::text, 'invalid'::text, 'undecided'::text])))
);

COMMENT ON TABLE verifications IS 'Runs of verification over a range of a ledger, both ends included';

COMMENT ON COLUMN verifications.to_head IS 'The range ends where the ledger ended when it was asked for';

COMMENT ON COLUMN verifications.next_sequence IS 'Everything before it is verified; a run that is taken up again goes on here';

COMMENT ON COLUMN verifications.job_run IS 'The run of the daily job that asked for it';

COMMENT ON COLUMN verifications.runner IS 'The replica that runs it';

COMMENT ON COLUMN verifications.progress_at IS 'Last sign of life; a run silent for long is taken up by another replica';

CREATE INDEX verifications_ledger_idx ON public.verifications USING btree (ledger, created_at DESC);

CREATE INDEX verifications_status_idx ON public.verifications USING btree (status) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

GRANT INSERT, SELECT, UPDATE ON verifications TO truetrail_service;

CREATE TABLE waiting_cosignatures (
  ledger text COLLATE "C" NOT NULL,
  witness_key text COLLATE "C" NOT NULL,
  anchor bigint NOT NULL,
  CONSTRAINT waiting_cosignatures_pkey PRIMARY KEY (anchor, ledger, witness_key),
  CONSTRAINT waiting_cosignatures_cosignature_fkey FOREIGN KEY (ledger, witness_key, anchor) REFERENCES cosignatures(ledger, witness_key, anchor)
);

COMMENT ON TABLE waiting_cosignatures IS 'Cosignatures that are in no object of the store yet: a row leaves when its object is catalogued';

GRANT SELECT ON waiting_cosignatures TO truetrail_service;

CREATE TABLE witnessed_checkpoints (
  ledger text COLLATE "C" NOT NULL,
  anchor bigint NOT NULL,
  witnessed_at timestamp with time zone NOT NULL,
  CONSTRAINT witnessed_checkpoints_pkey PRIMARY KEY (ledger, anchor),
  CONSTRAINT witnessed_checkpoints_checkpoint_fkey FOREIGN KEY (ledger, anchor) REFERENCES checkpoints(ledger, anchor)
);

COMMENT ON TABLE witnessed_checkpoints IS 'Checkpoints that as many witnesses have cosigned as the policy of that moment asked for';

CREATE TRIGGER witnessed_checkpoints_refuse_row BEFORE DELETE OR UPDATE ON public.witnessed_checkpoints FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE witnessed_checkpoints ENABLE ALWAYS TRIGGER witnessed_checkpoints_refuse_row;

CREATE TRIGGER witnessed_checkpoints_refuse_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON public.witnessed_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE witnessed_checkpoints ENABLE ALWAYS TRIGGER witnessed_checkpoints_refuse_statement;

GRANT SELECT ON witnessed_checkpoints TO truetrail_service;

CREATE OR REPLACE FUNCTION public.accept_clock_ahead(p_ledger text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          UPDATE ledger_heads SET ahead_accepted_until = recorded_at WHERE ledger = p_ledger RETURNING recorded_at
        $function$;

COMMENT ON FUNCTION accept_clock_ahead(text) IS 'An administrator''s act after the clock ran ahead and was set back: appends go on with the head''s recorded_at until the clock has caught up';

REVOKE ALL ON FUNCTION accept_clock_ahead(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION accept_clock_ahead(text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.act_on_legal_hold(p_id uuid, p_act text, p_principal text, p_reason text, p_seen_state text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_state text;
        v_asked_by text;
        v_act text;
        v_next text;
      BEGIN
        SELECT h.state, h.asked_by INTO v_state, v_asked_by FROM legal_holds AS h WHERE h.id = p_id FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no legal hold %', p_id USING ERRCODE = 'TT030';
        END IF;
        v_act := CASE WHEN v_state = 'release-requested' AND p_act IN ('approve', 'reject') THEN p_act || '_release' ELSE p_act END;
        v_next := CASE
          WHEN v_act = 'approve' AND v_state = 'requested' THEN 'active'
          WHEN v_act = 'reject' AND v_state = 'requested' THEN 'rejected'
          WHEN v_act = 'request_release' AND v_state = 'active' THEN 'release-requested'
          WHEN v_act = 'approve_release' AND v_state = 'release-requested' THEN 'released'
          WHEN v_act = 'reject_release' AND v_state = 'release-requested' THEN 'active'
        END;
        IF v_next IS NULL OR p_act NOT IN ('approve', 'reject', 'request_release') OR p_seen_state <> v_state THEN
          RAISE EXCEPTION 'legal hold % is %: it cannot be subject to %', p_id, v_state, p_act USING ERRCODE = 'TT032';
        END IF;
        -- to take back one's own request for a release keeps the records, and needs nobody else
        IF v_asked_by = p_principal AND v_act <> 'reject_release' THEN
          RAISE EXCEPTION 'legal hold %: % is for another principal than %', p_id, v_act, p_principal
            USING ERRCODE = 'TT031';
        END IF;
        UPDATE legal_holds
          SET state = v_next, asked_by = CASE WHEN v_next = 'release-requested' THEN p_principal END
          WHERE id = p_id;
        INSERT INTO legal_hold_acts (hold, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, (SELECT max(a.ordinal) + 1 FROM legal_hold_acts AS a WHERE a.hold = p_id),
            v_act, v_next, p_principal, p_reason, trail_now());
        RETURN v_act;
      END
      $function$;

COMMENT ON FUNCTION act_on_legal_hold(uuid,text,text,text,text) IS 'approve, reject or request_release; the act as it was recorded. Nothing happens when the hold is in another state than p_seen_state, if that is given. TT030 no such hold, TT031 it takes another principal than the one who asked, TT032 not in this state';

REVOKE ALL ON FUNCTION act_on_legal_hold(uuid,text,text,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION act_on_legal_hold(uuid,text,text,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.act_on_month_deletion(p_id uuid, p_act text, p_principal text, p_reason text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_deletion record;
        v_policy uuid;
        v_next text;
        v_left bigint;
        v_hold uuid;
      BEGIN
        SELECT * INTO v_deletion FROM month_deletions AS d WHERE d.id = p_id FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no deletion %', p_id USING ERRCODE = 'TT063';
        END IF;
        v_next := CASE
          WHEN p_act = 'approve' AND v_deletion.state = 'requested' THEN 'approved'
          -- to keep records takes nobody else
          WHEN p_act = 'reject' AND v_deletion.state IN ('requested', 'approved', 'removing') THEN 'rejected'
          WHEN p_act = 'begin' AND v_deletion.state = 'approved' THEN 'removing'
          WHEN p_act = 'finish' AND v_deletion.state = 'removing' THEN 'done'
        END;
        IF v_next IS NULL THEN
          RAISE EXCEPTION 'deletion % is %: it cannot be subject to %', p_id, v_deletion.state, p_act USING ERRCODE = 'TT061';
        END IF;
        IF p_act = 'approve' AND v_deletion.requested_by = p_principal THEN
          RAISE EXCEPTION 'deletion %: its approval is for another principal than %', p_id, p_principal USING ERRCODE = 'TT031';
        END IF;
        IF p_act IN ('approve', 'begin') THEN
          v_policy := assert_month_may_be_deleted(v_deletion.month);
        END IF;
        IF p_act = 'begin' THEN
          -- a copy that a hold on other months keeps would outlast the deletion
          SELECT n, h INTO v_left, v_hold
            FROM early_objects_of_month(v_deletion.month) AS n
            JOIN archive_ranges AS r ON r.number = n
            CROSS JOIN LATERAL month_holds(r.least_recorded_at, r.greatest_recorded_at + interval '1 microsecond', ARRAY[r.ledger]) AS h
            ORDER BY n LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % has events of month %, and is under the legal hold %', v_left, v_deletion.month, v_hold
              USING ERRCODE = 'TT062';
          END IF;
        END IF;
        IF p_act = 'reject' AND v_deletion.state = 'removing' THEN
          SELECT n INTO v_left FROM objects_of_month(v_deletion.month) AS n
            WHERE EXISTS (SELECT FROM archive_removals AS x WHERE x.number = n AND x.removed_at IS NOT NULL) LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % of month % is removed already', v_left, v_deletion.month USING ERRCODE = 'TT061';
          END IF;
          DELETE FROM archive_removals WHERE deletion = p_id;
        END IF;
        IF p_act = 'finish' THEN
          SELECT n INTO v_left
            FROM (SELECT objects_of_month(v_deletion.month) AS n UNION ALL SELECT early_objects_of_month(v_deletion.month)) AS o
            WHERE NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = n AND x.removed_at IS NOT NULL) LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'object % of month % is not removed', v_left, v_deletion.month USING ERRCODE = 'TT061';
          END IF;
        END IF;
        UPDATE month_deletions
          SET state = v_next,
              policy = CASE v_next WHEN 'removing' THEN v_policy WHEN 'rejected' THEN NULL ELSE policy END,
              begun_at = CASE v_next WHEN 'removing' THEN trail_now() WHEN 'rejected' THEN NULL ELSE begun_at END,
              done_at = CASE WHEN p_act = 'finish' THEN trail_now() ELSE done_at END
          WHERE id = p_id;
        INSERT INTO month_deletion_acts (deletion, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, (SELECT max(a.ordinal) + 1 FROM month_deletion_acts AS a WHERE a.deletion = p_id),
            p_act, v_next, p_principal, p_reason, trail_now());
      END
      $function$;

COMMENT ON FUNCTION act_on_month_deletion(uuid,text,text,text) IS 'approve, reject (until the first object is gone), begin or finish. TT063 no such deletion, TT031 it takes another principal than the one who asked, TT061 not in this state, or not all, or something already, is removed, TT062 and why the month must be kept';

REVOKE ALL ON FUNCTION act_on_month_deletion(uuid,text,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION act_on_month_deletion(uuid,text,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.add_retention_policy(p_id uuid, p_record_class text, p_valid_from date, p_ledger text, p_entity_type text, p_event_type text, p_years integer, p_reason text, p_principal text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_longer record;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.retention', 0));
        IF p_ledger IS NOT NULL AND NOT EXISTS (SELECT FROM ledgers WHERE ledger = p_ledger) THEN
          RAISE EXCEPTION 'no ledger %', p_ledger USING ERRCODE = 'TT001';
        END IF;
        -- in force by the day on which the new one begins, and of its name, or about all that it is about
        SELECT p.record_class, p.years INTO v_longer FROM retention_policies AS p
          WHERE p.years > p_years AND p.valid_from <= greatest(p_valid_from, trail_now()::date)
            AND (p.record_class = p_record_class
              OR (p.ledger IS NULL OR p.ledger = p_ledger)
                AND (p.entity_type IS NULL OR p.entity_type = p_entity_type)
                AND (p.event_type IS NULL OR p.event_type = p_event_type))
          ORDER BY p.years DESC, p.created_at, p.id LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'record class % keeps these records for % years already', v_longer.record_class, v_longer.years
            USING ERRCODE = 'TT060';
        END IF;
        IF p_years < 5 OR p_record_class = 'default' THEN
          RAISE EXCEPTION 'the default of % years cannot be set here', p_years USING ERRCODE = 'TT060';
        END IF;
        INSERT INTO retention_policies
            (id, record_class, valid_from, ledger, entity_type, event_type, years, reason, created_by, created_at)
          VALUES (p_id, p_record_class, p_valid_from, p_ledger, p_entity_type, p_event_type, p_years, p_reason, p_principal,
            trail_now());
      END
      $function$;

COMMENT ON FUNCTION add_retention_policy(uuid,text,date,text,text,text,integer,text,text) IS 'Adds a policy; TT001 no such ledger, TT060 when one in force keeps the same records, or the same class, for longer';

REVOKE ALL ON FUNCTION add_retention_policy(uuid,text,date,text,text,text,integer,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION add_retention_policy(uuid,text,date,text,text,text,integer,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.append_events(p_ledger text, p_max_ahead interval, p_requests integer[], p_event_ids uuid[], p_timestamps timestamp with time zone[], p_timestamp_nanos smallint[], p_timestamp_digits smallint[], p_event_types text[], p_entity_types text[], p_entity_ids text[], p_actions text[], p_user_ids text[], p_previous_states jsonb[], p_new_states jsonb[], p_metadata jsonb[], p_sources text[], p_source_sessions text[], p_source_sequences text[], p_corrects uuid[], p_raw_media_types text[], p_raw_data bytea[], p_recorded_by text[], p_salts bytea[], p_content_hashes bytea[], OUT first_sequence bigint, OUT recorded_at text, OUT previous_event_hash bytea, OUT event_hashes bytea, OUT repeats text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_origin text;
        v_state text;
        v_size bigint;
        v_floor timestamptz;
        v_accepted timestamptz;
        v_now timestamptz;
        v_at timestamptz;
        v_count integer := coalesce(array_length(p_event_ids, 1), 0);
        v_known integer[];
        v_known_sequences bigint[];
        v_skipped integer[];
        v_sequences bigint[] := '{}';
        v_previous bytea[] := '{}';
        v_hashes bytea[] := '{}';
        v_hash bytea;
        v_tail text;
      BEGIN
        -- The queue of all replicas: whoever holds this row appends, the others wait here.
        SELECT l.origin, l.state, h.size, h.event_hash, h.recorded_at, h.ahead_accepted_until
          INTO v_origin, v_state, v_size, v_hash, v_floor, v_accepted
          FROM ledger_heads AS h JOIN ledgers AS l ON l.ledger = h.ledger
          WHERE h.ledger = p_ledger FOR UPDATE OF h;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'no ledger %', p_ledger USING ERRCODE = 'TT001';
        END IF;
        IF v_state <> 'open' THEN
          RAISE EXCEPTION 'ledger % is closed', p_ledger USING ERRCODE = 'TT002';
        END IF;
        v_now := trail_now();
        IF v_floor > v_now + p_max_ahead AND v_floor > coalesce(v_accepted, '-infinity') THEN
          RAISE EXCEPTION 'ledger % ends at %, ahead of the database clock, which reads %', p_ledger, v_floor, v_now
            USING ERRCODE = 'TT003';
        END IF;
        v_at := greatest(v_floor, v_now);

        IF v_count = 1 THEN
          -- a constant id lets the executor open one partition of the keys and not all
          SELECT ARRAY[1], ARRAY[k.sequence] INTO v_known, v_known_sequences
            FROM event_keys AS k WHERE k.event_id = p_event_ids[1] AND k.ledger = p_ledger;
        ELSE
          -- LATERAL and LIMIT leave the planner nothing but the index: on tables that were never analysed a join here
          -- became a scan of every key (measured: 6.7 ms an append at 60,000 events, and growing)
          SELECT array_agg(u.i::integer), array_agg(k.sequence) INTO v_known, v_known_sequences
            FROM unnest(p_event_ids) WITH ORDINALITY AS u (event_id, i)
            CROSS JOIN LATERAL (
              SELECT x.sequence FROM event_keys AS x
                WHERE x.event_id = u.event_id AND x.ledger = p_ledger LIMIT 1
            ) AS k;
        END IF;
        IF v_known IS NOT NULL THEN
          SELECT array_agg(DISTINCT p_requests[known.i]),
                 json_agg(json_build_object(
                   'index', known.i - 1,
                   'sequence', known.sequence::text,
                   'salt', encode(e.salt, 'hex'),
                   'recorded_at', to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'recorded_by', e.recorded_by,
                   'content_hash', encode(e.content_hash, 'hex'),
                   'previous_event_hash', encode(e.previous_event_hash, 'hex'),
                   'event_hash', encode(e.event_hash, 'hex')) ORDER BY known.i)::text
            INTO v_skipped, repeats
            FROM unnest(v_known, v_known_sequences) AS known (i, sequence)
            LEFT JOIN LATERAL (
              -- BETWEEN, not =: with = the order is no reason to prefer the one index that has it
              SELECT r.* FROM audit_events AS r
                WHERE r.ledger = p_ledger AND r.sequence BETWEEN known.sequence AND known.sequence
                ORDER BY r.sequence LIMIT 1
            ) AS e ON true;
        END IF;

        recorded_at := to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
        previous_event_hash := v_hash;
        v_tail := ',"recorded_at":"' || recorded_at || '","recorded_by":"';
        FOR i IN 1 .. v_count LOOP
          IF v_skipped IS NOT NULL AND p_requests[i] = ANY (v_skipped) THEN
            v_sequences[i] := NULL;
            v_previous[i] := NULL;
            v_hashes[i] := NULL;
            CONTINUE;
          END IF;
          v_size := v_size + 1;
          v_sequences[i] := v_size;
          v_previous[i] := v_hash;
          first_sequence := coalesce(first_sequence, v_size);
          v_hash := sha256(convert_to(
            '{"content_hash":"' || encode(p_content_hashes[i], 'hex')
            || '","event_id":"' || p_event_ids[i]
            || '","format":"truetrail/1","origin":"' || v_origin
            || '","previous_event_hash":' || coalesce('"' || encode(v_hash, 'hex') || '"', 'null')
            || v_tail || p_recorded_by[i]
            || '","sequence":"' || v_size || '"}', 'UTF8'));
          v_hashes[i] := v_hash;
        END LOOP;
        IF first_sequence IS NULL THEN
          RETURN; -- nothing new
        END IF;

        INSERT INTO event_keys (ledger, event_id, sequence)
          SELECT p_ledger, u.event_id, u.sequence
            FROM unnest(p_event_ids, v_sequences) AS u (event_id, sequence)
            WHERE u.sequence IS NOT NULL;
        INSERT INTO audit_events (
            ledger, sequence, recorded_at, "timestamp", event_id, corrects, timestamp_nanos, timestamp_digits,
            event_type, entity_type, entity_id, action, user_id, previous_state, new_state, metadata,
            source, source_session, source_sequence, raw_media_type, raw_data,
            recorded_by, salt, content_hash, previous_event_hash, event_hash)
          SELECT p_ledger, u.sequence, v_at, u.ts, u.event_id, u.corrects, u.nanos, u.digits,
              u.event_type, u.entity_type, u.entity_id, u.action, u.user_id, u.previous_state, u.new_state, u.metadata,
              u.source, u.source_session, u.source_sequence::numeric, u.raw_media_type, u.raw_data,
              u.recorded_by, u.salt, u.content_hash, u.previous_event_hash, u.event_hash
            FROM unnest(
              v_sequences, p_timestamps, p_event_ids, p_corrects, p_timestamp_nanos, p_timestamp_digits,
              p_event_types, p_entity_types, p_entity_ids, p_actions, p_user_ids,
              p_previous_states, p_new_states, p_metadata,
              p_sources, p_source_sessions, p_source_sequences, p_raw_media_types, p_raw_data,
              p_recorded_by, p_salts, p_content_hashes, v_previous, v_hashes)
              AS u (sequence, ts, event_id, corrects, nanos, digits,
                event_type, entity_type, entity_id, action, user_id,
                previous_state, new_state, metadata,
                source, source_session, source_sequence, raw_media_type, raw_data,
                recorded_by, salt, content_hash, previous_event_hash, event_hash)
            WHERE u.sequence IS NOT NULL;
        UPDATE ledger_heads AS h SET size = v_size, event_hash = v_hash, recorded_at = v_at WHERE h.ledger = p_ledger;
        IF v_count = 1 THEN
          event_hashes := v_hash;
        ELSE
          SELECT string_agg(u.hash, ''::bytea ORDER BY u.i) INTO event_hashes
            FROM unnest(v_hashes) WITH ORDINALITY AS u (hash, i) WHERE u.hash IS NOT NULL;
        END IF;
      END
      $function$;

COMMENT ON FUNCTION append_events(text,interval,integer[],uuid[],timestamp with time zone[],smallint[],smallint[],text[],text[],text[],text[],text[],jsonb[],jsonb[],jsonb[],text[],text[],text[],uuid[],text[],bytea[],text[],bytea[],bytea[]) IS 'Appends the requests that hold no known id, returns what is stored under the known ones; TT001 no such ledger, TT002 closed, TT003 head ahead of the clock';

REVOKE ALL ON FUNCTION append_events(text,interval,integer[],uuid[],timestamp with time zone[],smallint[],smallint[],text[],text[],text[],text[],text[],jsonb[],jsonb[],jsonb[],text[],text[],text[],uuid[],text[],bytea[],text[],bytea[],bytea[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION append_events(text,interval,integer[],uuid[],timestamp with time zone[],smallint[],smallint[],text[],text[],text[],text[],text[],jsonb[],jsonb[],jsonb[],text[],text[],text[],uuid[],text[],bytea[],text[],bytea[],bytea[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.assert_month_has_digests(p_month date, p_verified_within interval, p_missing text, p_unverified text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_found record;
      BEGIN
        SELECT r.ledger, r.from_sequence, r.to_sequence, d.number, s.verified_at, s.retain_until INTO v_found
          FROM month_ranges AS m
          JOIN archive_ranges AS r ON r.kind = 'month' AND r.ledger = m.ledger
            AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
          LEFT JOIN archive_ranges AS d ON d.kind = 'digests' AND d.ledger = r.ledger
            AND d.from_sequence = r.from_sequence AND d.to_sequence = r.to_sequence
          LEFT JOIN archive_object_states AS s ON s.number = d.number
          WHERE m.month = p_month
            AND (d.number IS NULL OR s.retain_until <= trail_now() OR s.verified_at < trail_now() - p_verified_within)
          ORDER BY d.number NULLS FIRST LIMIT 1;
        IF NOT FOUND THEN
          RETURN;
        END IF;
        IF v_found.number IS NULL THEN
          RAISE EXCEPTION 'month % of ledger % has no digests of the events % to % yet: the job archive-export writes them',
            p_month, v_found.ledger, v_found.from_sequence, v_found.to_sequence USING ERRCODE = p_missing;
        END IF;
        IF v_found.retain_until <= trail_now() THEN
          RAISE EXCEPTION 'the digests of month % of ledger % are not locked any more: the job retention locks them',
            p_month, v_found.ledger USING ERRCODE = p_missing;
        END IF;
        RAISE EXCEPTION 'the digests of month % of ledger % were last verified at %: the job archive-verification does it',
          p_month, v_found.ledger, v_found.verified_at USING ERRCODE = p_unverified;
      END
      $function$;

COMMENT ON FUNCTION assert_month_has_digests(date,interval,text,text) IS 'Nothing, or the first code when a month has no digests that are locked, and the second when they were not verified lately';

REVOKE ALL ON FUNCTION assert_month_has_digests(date,interval,text,text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.assert_month_is_not_wrong(p_month date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_wrong record;
      BEGIN
        SELECT s.number, s.found_wrong_at INTO v_wrong
          FROM month_ranges AS m
          JOIN archive_ranges AS r ON r.kind <> 'early' AND r.ledger = m.ledger
            AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
          JOIN archive_object_states AS s ON s.number = r.number
          WHERE m.month = p_month AND s.found_wrong_at IS NOT NULL
          ORDER BY s.number LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'object % of month % was found wrong at %', v_wrong.number, p_month, v_wrong.found_wrong_at
            USING ERRCODE = 'TT023';
        END IF;
      END
      $function$;

COMMENT ON FUNCTION assert_month_is_not_wrong(date) IS 'Nothing, or TT023 while an object of a month is known to be damaged';

REVOKE ALL ON FUNCTION assert_month_is_not_wrong(date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.assert_month_may_be_deleted(p_month date)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_range record;
        v_kept record;
        v_holds uuid[];
      BEGIN
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'dropped') THEN
          RAISE EXCEPTION 'month % has not left PostgreSQL', p_month USING ERRCODE = 'TT062';
        END IF;
        -- also keeps new holds from being asked for until the caller's transaction ends
        SELECT array_agg(h) INTO v_holds
          FROM month_holds(p_month::timestamp AT TIME ZONE 'UTC', (p_month + interval '1 month') AT TIME ZONE 'UTC',
            ARRAY(SELECT r.ledger FROM month_ranges AS r WHERE r.month = p_month)) AS h;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'month % is under the legal holds %', p_month, array_to_string(v_holds, ', ') USING ERRCODE = 'TT062';
        END IF;
        SELECT * INTO v_kept FROM retention_of_month(p_month);
        IF v_kept.policy IS NULL THEN
          RAISE EXCEPTION 'month % holds no events', p_month USING ERRCODE = 'TT062';
        END IF;
        IF v_kept.retain_until > trail_now() THEN
          RAISE EXCEPTION 'month % is kept until % as record class % (% years)',
            p_month, v_kept.retain_until, v_kept.record_class, v_kept.years USING ERRCODE = 'TT062';
        END IF;
        IF v_kept.locked_until > trail_now() THEN
          RAISE EXCEPTION 'an object of month % is locked until %', p_month, v_kept.locked_until USING ERRCODE = 'TT062';
        END IF;
        -- what stays of the events once they are gone
        PERFORM assert_month_has_digests(p_month, interval '35 days', 'TT062', 'TT062');
        RETURN v_kept.policy;
      END
      $function$;

COMMENT ON FUNCTION assert_month_may_be_deleted(date) IS 'The policy under which a month is deleted, or TT062 and why it may not be: also when its digests are not there, or were not verified lately';

REVOKE ALL ON FUNCTION assert_month_may_be_deleted(date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.assert_month_may_leave(p_month date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_end timestamptz := (p_month + interval '1 month') AT TIME ZONE 'UTC';
        v_range record;
        v_kind text;
        v_covered record;
        v_holds uuid[];
      BEGIN
        IF v_end + interval '1 month' > trail_now() THEN
          RAISE EXCEPTION 'month % is not old enough', p_month USING ERRCODE = 'TT022';
        END IF;
        -- also keeps new holds from being asked for until the caller's transaction ends
        SELECT array_agg(h) INTO v_holds
          FROM month_holds(p_month::timestamp AT TIME ZONE 'UTC', v_end,
            ARRAY(SELECT r.ledger FROM month_ranges AS r WHERE r.month = p_month)) AS h;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'month % is under the legal holds %', p_month, array_to_string(v_holds, ', ') USING ERRCODE = 'TT022';
        END IF;
        FOR v_range IN SELECT * FROM month_ranges WHERE month = p_month ORDER BY ledger LOOP
          FOREACH v_kind IN ARRAY ARRAY['month', 'entities'] LOOP
            -- ranges of a kind follow each other without a gap, so that the ends say all
            SELECT min(r.from_sequence) AS first, max(r.to_sequence) AS last,
                   min(s.verified_at) AS verified_at, min(s.retain_until) AS retain_until,
                   max(r.to_sequence) FILTER (WHERE r.last_event_hash = v_range.last_event_hash) AS last_right
              INTO v_covered
              FROM archive_ranges AS r JOIN archive_object_states AS s ON s.number = r.number
              WHERE r.kind = v_kind AND r.ledger = v_range.ledger
                AND r.from_sequence <= v_range.to_sequence AND r.to_sequence >= v_range.from_sequence;
            IF v_covered.first IS NULL OR v_covered.first > v_range.from_sequence OR v_covered.last < v_range.to_sequence
                OR v_covered.last_right IS DISTINCT FROM v_range.to_sequence THEN
              RAISE EXCEPTION 'month % of ledger % is not archived as a whole (%)', p_month, v_range.ledger, v_kind
                USING ERRCODE = 'TT022';
            END IF;
            IF v_covered.verified_at < trail_now() - interval '7 days' THEN
              RAISE EXCEPTION 'an object of month % of ledger % was last verified at %', p_month, v_range.ledger, v_covered.verified_at
                USING ERRCODE = 'TT023';
            END IF;
            IF v_covered.retain_until <= trail_now() THEN
              RAISE EXCEPTION 'an object of month % of ledger % is not locked any more', p_month, v_range.ledger
                USING ERRCODE = 'TT022';
            END IF;
          END LOOP;
        END LOOP;
        PERFORM assert_month_has_digests(p_month, interval '7 days', 'TT022', 'TT023');
      END
      $function$;

COMMENT ON FUNCTION assert_month_may_leave(date) IS 'Nothing, or why a month may not leave PostgreSQL: TT022, and TT023 when its objects were not verified for a week';

REVOKE ALL ON FUNCTION assert_month_may_leave(date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.begin_object_removal(p_number bigint, p_deletion uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_object record;
        v_month date;
        v_kept timestamptz;
        v_uncovered record;
        v_holds uuid[];
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.removal', 0));
        -- add_retention_policy waits for it: a policy that was accepted keeps whatever is there
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('truetrail.retention', 0));
        SELECT o.kind, s.retain_until INTO v_object
          FROM archive_objects AS o JOIN archive_object_states AS s ON s.number = o.number WHERE o.number = p_number;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'there is no object %', p_number USING ERRCODE = 'TT062';
        END IF;
        IF EXISTS (SELECT FROM archive_removals WHERE number = p_number AND removed_at IS NOT NULL) THEN
          RETURN false;
        END IF;
        -- no hold is made until the transaction of the caller ends, in which the store is asked
        SELECT array_agg(DISTINCT h) INTO v_holds
          FROM archive_ranges AS r
          CROSS JOIN LATERAL month_holds(r.least_recorded_at, r.greatest_recorded_at + interval '1 microsecond', ARRAY[r.ledger]) AS h
          WHERE r.number = p_number;
        IF v_holds IS NOT NULL THEN
          RAISE EXCEPTION 'object % is under the legal holds %', p_number, array_to_string(v_holds, ', ') USING ERRCODE = 'TT062';
        END IF;
        IF v_object.retain_until > trail_now() THEN
          RAISE EXCEPTION 'object % is locked until %', p_number, v_object.retain_until USING ERRCODE = 'TT062';
        END IF;
        IF v_object.kind = 'early' THEN
          IF p_deletion IS NOT NULL THEN
            RAISE EXCEPTION 'object % is an early one, which goes without a deletion', p_number USING ERRCODE = 'TT062';
          END IF;
          -- what it holds is in objects of months, up to its end, each of them read again just now or gone since
          SELECT r.ledger, r.to_sequence INTO v_uncovered
            FROM archive_ranges AS r
            WHERE r.number = p_number AND NOT EXISTS (
              SELECT FROM archive_ranges AS m
                WHERE m.kind = 'month' AND m.ledger = r.ledger AND m.to_sequence >= r.to_sequence)
            LIMIT 1;
          IF FOUND THEN
            RAISE EXCEPTION 'event % of ledger % is in no object of a month', v_uncovered.to_sequence, v_uncovered.ledger
              USING ERRCODE = 'TT062';
          END IF;
          SELECT m.number, s.verified_at, s.found_wrong_at INTO v_uncovered
            FROM archive_ranges AS r
            JOIN archive_ranges AS m ON m.kind = 'month' AND m.ledger = r.ledger
              AND m.from_sequence <= r.to_sequence AND m.to_sequence >= r.from_sequence
            JOIN archive_object_states AS s ON s.number = m.number
            WHERE r.number = p_number
              AND (s.found_wrong_at IS NOT NULL OR s.verified_at < trail_now() - interval '1 day')
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = m.number AND x.removed_at IS NOT NULL)
            ORDER BY s.found_wrong_at NULLS LAST, s.verified_at LIMIT 1;
          IF v_uncovered.found_wrong_at IS NOT NULL THEN
            RAISE EXCEPTION 'object %, which holds the same, was found wrong at %', v_uncovered.number, v_uncovered.found_wrong_at
              USING ERRCODE = 'TT023';
          ELSIF v_uncovered.number IS NOT NULL THEN
            RAISE EXCEPTION 'object %, which holds the same, was last verified at %', v_uncovered.number, v_uncovered.verified_at
              USING ERRCODE = 'TT023';
          END IF;
        ELSE
          SELECT d.month INTO v_month FROM month_deletions AS d WHERE d.id = p_deletion AND d.state = 'removing' FOR SHARE;
          IF v_month IS NULL OR p_number NOT IN (SELECT objects_of_month(v_month)) THEN
            RAISE EXCEPTION 'object % is in no month that is being deleted', p_number USING ERRCODE = 'TT062';
          END IF;
          SELECT w.retain_until INTO v_kept FROM retention_of_objects(ARRAY[p_number]) AS w;
          IF v_kept > trail_now() THEN
            RAISE EXCEPTION 'object % is kept until %', p_number, v_kept USING ERRCODE = 'TT062';
          END IF;
        END IF;
        INSERT INTO archive_removals (number, deletion, begun_at) VALUES (p_number, p_deletion, trail_now())
          ON CONFLICT ON CONSTRAINT archive_removals_pkey DO NOTHING;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION begin_object_removal(bigint,uuid) IS 'Whether an object may be removed from the store now, and still has to be; false when it was. TT062 and why not, TT023 when what holds the same was not verified lately, or was found wrong. Neither a hold nor a policy is made until the transaction of the caller ends';

REVOKE ALL ON FUNCTION begin_object_removal(bigint,uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION begin_object_removal(bigint,uuid) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.catalogue_anchor(p_number bigint, p_previous bytea, p_sha256 bytea, p_bytes bigint, p_location text, p_object_key text, p_version_id text, p_public_key bytea, p_ledgers text[], p_sizes bigint[], p_root_hashes bytea[], p_notes text[], p_succession_ledgers text[], p_successions text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_number bigint;
        v_sha256 bytea;
        v_key bytea;
        v_wrong text;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.anchors', 0));
        SELECT number, sha256 INTO v_number, v_sha256 FROM anchors ORDER BY number DESC LIMIT 1;
        IF p_number <> coalesce(v_number, 0) + 1 OR p_previous IS DISTINCT FROM v_sha256 THEN
          RAISE EXCEPTION 'anchor % does not follow anchor %', p_number, coalesce(v_number, 0) USING ERRCODE = 'TT041';
        END IF;
        IF p_object_key <> 'anchors/' || lpad(p_number::text, greatest(12, length(p_number::text)), '0') THEN
          RAISE EXCEPTION 'anchor % is called %', p_number, p_object_key USING ERRCODE = 'TT041';
        END IF;
        IF cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_sizes)
            OR cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_root_hashes)
            OR cardinality(p_ledgers) IS DISTINCT FROM cardinality(p_notes)
            OR cardinality(p_succession_ledgers) IS DISTINCT FROM cardinality(p_successions) THEN
          RAISE EXCEPTION 'the checkpoints of anchor % are not whole', p_number USING ERRCODE = 'TT041';
        END IF;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_ledgers, p_sizes) AS g (ledger, size)
          CROSS JOIN LATERAL (
            SELECT c.size FROM checkpoints AS c WHERE c.ledger = g.ledger ORDER BY c.anchor DESC LIMIT 1) AS last
          WHERE g.size < last.size LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'ledger % was signed with a greater size before anchor %', v_wrong, p_number USING ERRCODE = 'TT041';
        END IF;
        SELECT k.public_key INTO v_key FROM signing_keys AS k ORDER BY k.number DESC LIMIT 1;
        IF v_key IS DISTINCT FROM p_public_key THEN
          IF v_key IS NOT NULL AND cardinality(p_successions) = 0 THEN
            RAISE EXCEPTION 'anchor % is signed by another key that does not succeed the last one', p_number USING ERRCODE = 'TT041';
          END IF;
          INSERT INTO signing_keys (number, public_key, from_anchor)
            SELECT coalesce(max(k.number), 0) + 1, p_public_key, p_number FROM signing_keys AS k;
        END IF;
        INSERT INTO anchors (number, sha256, bytes, location, object_key, version_id, catalogued_at)
          VALUES (p_number, p_sha256, p_bytes, p_location, p_object_key, p_version_id, trail_now());
        INSERT INTO checkpoints (ledger, anchor, size, root_hash, note)
          SELECT g.ledger, p_number, g.size, g.root_hash, g.note
            FROM unnest(p_ledgers, p_sizes, p_root_hashes, p_notes) AS g (ledger, size, root_hash, note);
        INSERT INTO key_successions (ledger, anchor, position, note)
          SELECT g.ledger, p_number, row_number() OVER (PARTITION BY g.ledger ORDER BY g.place), g.note
            FROM unnest(p_succession_ledgers, p_successions) WITH ORDINALITY AS g (ledger, note, place);
      END
      $function$;

COMMENT ON FUNCTION catalogue_anchor(bigint,bytea,bytea,bigint,text,text,text,bytea,text[],bigint[],bytea[],text[],text[],text[]) IS 'Puts an anchor that is in the store, and its checkpoints, into the catalogue; TT041 when it does not follow what is there';

REVOKE ALL ON FUNCTION catalogue_anchor(bigint,bytea,bytea,bigint,text,text,text,bytea,text[],bigint[],bytea[],text[],text[],text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION catalogue_anchor(bigint,bytea,bytea,bigint,text,text,text,bytea,text[],bigint[],bytea[],text[],text[],text[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.catalogue_archive_contents(p_number bigint, p_ledgers text[], p_entity_types text[], p_event_types text[], p_events bigint[], p_least_recorded timestamp with time zone[], p_greatest_recorded timestamp with time zone[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        IF EXISTS (SELECT FROM archive_contents WHERE number = p_number) THEN
          RAISE EXCEPTION 'what object % holds stands in the catalogue already', p_number USING ERRCODE = 'TT010';
        END IF;
        IF NOT EXISTS (SELECT FROM archive_objects AS o WHERE o.number = p_number AND o.xmin = pg_current_xact_id()::xid) THEN
          RAISE EXCEPTION 'object % was catalogued before, without what it holds', p_number USING ERRCODE = 'TT010';
        END IF;
        INSERT INTO archive_contents (number, ledger, entity_type, event_type, events, least_recorded_at, greatest_recorded_at)
          SELECT p_number, u.* FROM unnest(p_ledgers, p_entity_types, p_event_types, p_events, p_least_recorded, p_greatest_recorded) AS u;
        IF EXISTS (
          SELECT FROM archive_ranges AS r
            WHERE r.number = p_number AND r.to_sequence - r.from_sequence + 1 IS DISTINCT FROM
              (SELECT sum(c.events) FROM archive_contents AS c WHERE c.number = r.number AND c.ledger = r.ledger)) THEN
          RAISE EXCEPTION 'object % does not hold as many events as its classes do', p_number USING ERRCODE = 'TT010';
        END IF;
        IF EXISTS (
          SELECT FROM archive_ranges AS r
            JOIN (SELECT c.ledger, min(c.least_recorded_at) AS least, max(c.greatest_recorded_at) AS greatest,
                         bool_or(c.least_recorded_at > c.greatest_recorded_at) AS is_reversed
                    FROM archive_contents AS c WHERE c.number = p_number GROUP BY c.ledger) AS c ON c.ledger = r.ledger
            WHERE r.number = p_number
              AND (c.is_reversed OR (c.least, c.greatest) IS DISTINCT FROM (r.least_recorded_at, r.greatest_recorded_at))) THEN
          RAISE EXCEPTION 'object % was recorded at other times than its classes', p_number USING ERRCODE = 'TT010';
        END IF;
      END
      $function$;

COMMENT ON FUNCTION catalogue_archive_contents(bigint,text[],text[],text[],bigint[],timestamp with time zone[],timestamp with time zone[]) IS 'What an object holds by class, in the transaction that catalogues it; TT010 later, when its events do not add up, or when their times are not those of its ranges';

REVOKE ALL ON FUNCTION catalogue_archive_contents(bigint,text[],text[],text[],bigint[],timestamp with time zone[],timestamp with time zone[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION catalogue_archive_contents(bigint,text[],text[],text[],bigint[],timestamp with time zone[],timestamp with time zone[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.catalogue_archive_object(p_number bigint, p_kind text, p_location text, p_object_key text, p_version_id text, p_format text, p_sha256 bytea, p_bytes bigint, p_reason text, p_created_by text, p_retain_until timestamp with time zone, p_ledgers text[], p_from bigint[], p_to bigint[], p_least_timestamps timestamp with time zone[], p_greatest_timestamps timestamp with time zone[], p_least_recorded timestamp with time zone[], p_greatest_recorded timestamp with time zone[], p_previous_hashes bytea[], p_last_hashes bytea[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_last bigint;
        v_end bigint;
        v_hash bytea;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.archive', 0));
        SELECT coalesce(max(number), 0) INTO v_last FROM archive_objects;
        IF p_number <> v_last + 1 THEN
          RAISE EXCEPTION 'object % does not follow object %', p_number, v_last USING ERRCODE = 'TT010';
        END IF;
        IF p_object_key NOT LIKE p_kind || '/%' THEN
          RAISE EXCEPTION 'object % of kind % is called %', p_number, p_kind, p_object_key USING ERRCODE = 'TT010';
        END IF;
        IF p_retain_until IS NULL OR p_retain_until NOT BETWEEN trail_now() AND trail_now() + interval '50 years' THEN
          RAISE EXCEPTION 'object % is locked until %', p_number, p_retain_until USING ERRCODE = 'TT010';
        END IF;
        IF NOT (cardinality(p_ledgers) = ALL (ARRAY[
            cardinality(p_from), cardinality(p_to), cardinality(p_least_timestamps), cardinality(p_greatest_timestamps),
            cardinality(p_least_recorded), cardinality(p_greatest_recorded), cardinality(p_previous_hashes),
            cardinality(p_last_hashes)])) THEN
          RAISE EXCEPTION 'the ranges of object % are not whole', p_number USING ERRCODE = 'TT010';
        END IF;
        IF coalesce(array_length(p_ledgers, 1), 0) = 0 THEN
          RAISE EXCEPTION 'object % holds nothing', p_number USING ERRCODE = 'TT010';
        END IF;
        INSERT INTO archive_objects
            (number, kind, location, object_key, version_id, format, sha256, bytes, events, reason, created_by, archived_at)
          VALUES (p_number, p_kind, p_location, p_object_key, p_version_id, p_format, p_sha256, p_bytes,
            (SELECT sum(u.t - u.f + 1) FROM unnest(p_from, p_to) AS u (f, t)), p_reason, p_created_by, trail_now());
        FOR i IN 1 .. array_length(p_ledgers, 1) LOOP
          IF p_kind = 'digests' THEN
            -- of events that may have left the database: they are those of a month's object
            IF NOT EXISTS (
                SELECT FROM archive_ranges AS m
                  WHERE m.kind = 'month' AND m.ledger = p_ledgers[i] AND m.from_sequence = p_from[i] AND m.to_sequence = p_to[i]
                    AND m.previous_event_hash IS NOT DISTINCT FROM p_previous_hashes[i] AND m.last_event_hash = p_last_hashes[i]) THEN
              RAISE EXCEPTION 'no object of a month has the range % to % of ledger %', p_from[i], p_to[i], p_ledgers[i]
                USING ERRCODE = 'TT010';
            END IF;
          ELSE
            -- each range goes on where the last one of its kind ended: nothing is left out, nothing is there twice
            SELECT r.to_sequence, r.last_event_hash INTO v_end, v_hash
              FROM archive_ranges AS r WHERE r.kind = p_kind AND r.ledger = p_ledgers[i]
              ORDER BY r.from_sequence DESC LIMIT 1;
            IF p_from[i] <> coalesce(v_end, 0) + 1 OR p_previous_hashes[i] IS DISTINCT FROM v_hash THEN
              RAISE EXCEPTION 'the range % to % of ledger % does not follow %', p_from[i], p_to[i], p_ledgers[i], coalesce(v_end, 0)
                USING ERRCODE = 'TT010';
            END IF;
            IF p_to[i] > (SELECT h.size FROM ledger_heads AS h WHERE h.ledger = p_ledgers[i]) THEN
              RAISE EXCEPTION 'ledger % has no event %', p_ledgers[i], p_to[i] USING ERRCODE = 'TT010';
            END IF;
            IF (SELECT e.event_hash FROM audit_events AS e
                  WHERE e.ledger = p_ledgers[i] AND e.sequence BETWEEN p_to[i] AND p_to[i]
                  ORDER BY e.sequence LIMIT 1) IS DISTINCT FROM p_last_hashes[i] THEN
              RAISE EXCEPTION 'event % of ledger % is not the one that object % ends with', p_to[i], p_ledgers[i], p_number
                USING ERRCODE = 'TT010';
            END IF;
          END IF;
          INSERT INTO archive_ranges
              (number, kind, ledger, from_sequence, to_sequence, least_timestamp, greatest_timestamp,
               least_recorded_at, greatest_recorded_at, previous_event_hash, last_event_hash)
            VALUES (p_number, p_kind, p_ledgers[i], p_from[i], p_to[i], p_least_timestamps[i], p_greatest_timestamps[i],
              p_least_recorded[i], p_greatest_recorded[i], p_previous_hashes[i], p_last_hashes[i]);
        END LOOP;
        INSERT INTO archive_object_states (number, retain_until, verified_at)
          VALUES (p_number, p_retain_until, trail_now());
      END
      $function$;

COMMENT ON FUNCTION catalogue_archive_object(bigint,text,text,text,text,text,bytea,bigint,text,text,timestamp with time zone,text[],bigint[],bigint[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],bytea[],bytea[]) IS 'Puts an object that is in the store, read back and verified, into the catalogue; TT010 when it does not follow what is there, or has digests of other events';

REVOKE ALL ON FUNCTION catalogue_archive_object(bigint,text,text,text,text,text,bytea,bigint,text,text,timestamp with time zone,text[],bigint[],bigint[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],bytea[],bytea[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION catalogue_archive_object(bigint,text,text,text,text,text,bytea,bigint,text,text,timestamp with time zone,text[],bigint[],bigint[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],bytea[],bytea[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.catalogue_cosignature_object(p_object_key text, p_sha256 bytea, p_bytes bigint, p_location text, p_version_id text, p_ledgers text[], p_witness_keys text[], p_anchors bigint[])
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO cosignature_objects (object_key, sha256, bytes, cosignatures, location, version_id, catalogued_at)
            VALUES (p_object_key, p_sha256, p_bytes, cardinality(p_ledgers), p_location, p_version_id, trail_now())
            ON CONFLICT ON CONSTRAINT cosignature_objects_pkey DO NOTHING;
          DELETE FROM waiting_cosignatures AS w
            USING unnest(p_ledgers, p_witness_keys, p_anchors) AS g (ledger, witness_key, anchor)
            WHERE w.anchor = g.anchor AND w.ledger = g.ledger AND w.witness_key = g.witness_key
        $function$;

COMMENT ON FUNCTION catalogue_cosignature_object(text,bytea,bigint,text,text,text[],text[],bigint[]) IS 'Catalogues an object of cosignatures that is in the store: they wait no more';

REVOKE ALL ON FUNCTION catalogue_cosignature_object(text,bytea,bigint,text,text,text[],text[],bigint[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION catalogue_cosignature_object(text,bytea,bigint,text,text,text[],text[],bigint[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.claim_archive_store(p_id uuid, p_location text)
 RETURNS uuid
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO archive_store (id, location, claimed_at) VALUES (p_id, p_location, trail_now())
            ON CONFLICT ON CONSTRAINT archive_store_pkey DO NOTHING;
          SELECT id FROM archive_store;
        $function$;

COMMENT ON FUNCTION claim_archive_store(uuid,text) IS 'Ties the catalogue to a store, once and for good; the id of the one that it is tied to';

REVOKE ALL ON FUNCTION claim_archive_store(uuid,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION claim_archive_store(uuid,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.close_month(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '2s'
AS $function$
      DECLARE
        v_end timestamptz := (p_month + interval '1 month') AT TIME ZONE 'UTC';
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'open') THEN
          RETURN false;
        END IF;
        IF v_end > trail_now() THEN
          RAISE EXCEPTION 'month % is not over', p_month USING ERRCODE = 'TT020';
        END IF;
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state = 'open') THEN
          RAISE EXCEPTION 'a month before % is still open', p_month USING ERRCODE = 'TT020';
        END IF;
        -- after a restore: what is missing may belong into it, and could not be brought back any more
        IF EXISTS (
            SELECT FROM ledgers AS l JOIN ledger_heads AS h USING (ledger)
              CROSS JOIN LATERAL (
                SELECT c.size FROM checkpoints AS c WHERE c.ledger = l.ledger ORDER BY c.anchor DESC LIMIT 1) AS signed
              WHERE l.state = 'open' AND signed.size > h.size) THEN
          RETURN false;
        END IF;
        -- appends that are under way end before this, and those that come see the floor
        PERFORM FROM ledger_heads ORDER BY ledger FOR UPDATE;
        UPDATE ledger_heads
          SET raised_from = CASE WHEN size = raised_at_size THEN raised_from ELSE recorded_at END,
              raised_at_size = size, recorded_at = v_end
          WHERE recorded_at < v_end;
        UPDATE months SET state = 'closed', closed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION close_month(date) IS 'Raises the floor of every ledger to the end of a month that is over; false when that was done before, and while a ledger is behind its anchor; TT020 when it may not be';

REVOKE ALL ON FUNCTION close_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION close_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.create_ledger(p_ledger text, p_origin text)
 RETURNS TABLE(created boolean, origin text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('truetrail.months', 0));
        INSERT INTO ledgers AS l (ledger, origin, created_at) VALUES (p_ledger, p_origin, trail_now())
          ON CONFLICT ON CONSTRAINT ledgers_pkey DO NOTHING;
        created := FOUND;
        IF created THEN
          INSERT INTO ledger_heads (ledger, size, recorded_at) VALUES (p_ledger, 0, coalesce(
            (SELECT max(m.month + interval '1 month') AT TIME ZONE 'UTC' FROM months AS m WHERE m.state <> 'open'),
            '-infinity'));
        END IF;
        SELECT l.origin INTO origin FROM ledgers AS l WHERE l.ledger = p_ledger;
        RETURN NEXT;
      END
      $function$;

REVOKE ALL ON FUNCTION create_ledger(text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION create_ledger(text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.create_month(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '2s'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_name text := 'audit_events_' || to_char(p_month, 'YYYY_MM');
      BEGIN
        IF p_month IS NULL OR extract(day FROM p_month) <> 1 THEN
          RAISE EXCEPTION 'create_month: % is not the first day of a month', p_month USING ERRCODE = '22023';
        END IF;
        -- one maker at a time: two would wait for each other's catalogue rows
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.create_month', 0));
        IF EXISTS (SELECT FROM months WHERE month = p_month) THEN
          RETURN false;
        END IF;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_events
          INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE)', v_name);
        EXECUTE format('CREATE UNIQUE INDEX %I ON public.%I (ledger, sequence)', v_name || '_sequence_key', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, entity_type, entity_id, sequence)',
          v_name || '_entity_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, user_id, "timestamp", timestamp_nanos, sequence)',
          v_name || '_user_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, event_type, "timestamp", timestamp_nanos, sequence)',
          v_name || '_type_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, "timestamp", timestamp_nanos, sequence)',
          v_name || '_timestamp_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I (ledger, entity_type, entity_id, sequence)
          WHERE corrects IS NOT NULL', v_name || '_corrects_idx', v_name);
        EXECUTE format('CREATE INDEX %I ON public.%I USING gin (metadata jsonb_path_ops)',
          v_name || '_metadata_idx', v_name);
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON public.%I
          FOR EACH ROW EXECUTE FUNCTION public.refuse_change()', v_name || '_refuse_row', v_name);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', v_name, v_name || '_refuse_row');
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON public.%I
          FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', v_name || '_refuse_statement', v_name);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', v_name, v_name || '_refuse_statement');
        EXECUTE format('GRANT SELECT ON public.%I TO truetrail_service', v_name);
        EXECUTE format('ALTER TABLE public.audit_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
          v_name, p_month::timestamp AT TIME ZONE 'UTC',
          (p_month + interval '1 month') AT TIME ZONE 'UTC');
        INSERT INTO months (month, partition_name, created_at) VALUES (p_month, v_name, trail_now());
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION create_month(date) IS 'Makes and attaches the month that begins on that day; false when it is there already';

REVOKE ALL ON FUNCTION create_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION create_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.declare_default_retention(p_id uuid, p_years integer, p_principal text)
 RETURNS TABLE(years integer, is_added boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.retention', 0));
        SELECT max(p.years) INTO years FROM retention_policies AS p WHERE p.record_class = 'default';
        is_added := coalesce(p_years > years, true);
        IF is_added THEN
          years := p_years;
          -- it counts from the beginning, whatever a clock says
          INSERT INTO retention_policies (id, record_class, valid_from, years, reason, created_by, created_at)
            VALUES (p_id, 'default', '1970-01-01', p_years, 'ARCHIVE_RETENTION_YEARS', p_principal, trail_now());
        END IF;
        RETURN NEXT;
      END
      $function$;

COMMENT ON FUNCTION declare_default_retention(uuid,integer,text) IS 'The policy default, raised to the configured years if it was shorter; the years that count, which may be more';

REVOKE ALL ON FUNCTION declare_default_retention(uuid,integer,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION declare_default_retention(uuid,integer,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.drop_month(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
      DECLARE
        v_name text;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        SELECT partition_name INTO v_name FROM months WHERE month = p_month AND state = 'retired';
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        PERFORM assert_month_may_leave(p_month);
        PERFORM assert_month_is_not_wrong(p_month);
        -- whoever reads at this moment still sees the month; whoever comes later waits, and then sees that it is archived
        LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('ALTER TABLE public.audit_events DETACH PARTITION public.%I', v_name);
        EXECUTE format('DROP TABLE public.%I', v_name);
        UPDATE months SET state = 'dropped', dropped_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION drop_month(date) IS 'Drops the table of a retired month after looking once more whether it may; waits 100 ms for readers and is to be tried again';

REVOKE ALL ON FUNCTION drop_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION drop_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.early_objects_of_month(p_month date)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          SELECT DISTINCT r.number
            FROM month_ranges AS m
            JOIN archive_ranges AS r ON r.kind = 'early' AND r.ledger = m.ledger
              AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
            JOIN archive_object_states AS s ON s.number = r.number
            WHERE m.month = p_month AND s.retain_until <= trail_now()
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = r.number AND x.removed_at IS NOT NULL)
            ORDER BY r.number
        $function$;

COMMENT ON FUNCTION early_objects_of_month(date) IS 'Early objects with events of a month that are not locked any more, and not removed';

REVOKE ALL ON FUNCTION early_objects_of_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION early_objects_of_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.enter_late_executions(p_month date, p_ledger text, p_sequences bigint[], p_days text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_entered bigint;
      BEGIN
        PERFORM FROM months WHERE month = p_month AND state IN ('retired', 'dropped') AND executions_listed_at IS NULL
          FOR SHARE;
        IF NOT FOUND THEN
          RETURN 0;
        END IF;
        INSERT INTO late_executions (ledger, day, sequence)
          SELECT r.ledger, e.day, e.sequence
            FROM unnest(p_sequences, p_days) AS e (sequence, day)
            JOIN month_ranges AS r ON r.month = p_month AND r.ledger = p_ledger
              AND e.sequence BETWEEN r.from_sequence AND r.to_sequence
          ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS v_entered = ROW_COUNT;
        RETURN v_entered;
      END
      $function$;

COMMENT ON FUNCTION enter_late_executions(date,text,bigint[],text[]) IS 'Enters late executions of a month that has left and is not listed; how many were new. Of another month, and of sequences that are not its own, none';

REVOKE ALL ON FUNCTION enter_late_executions(date,text,bigint[],text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION enter_late_executions(date,text,bigint[],text[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.enter_reference_change(p_ledger text, p_sequence bigint, p_event_id uuid, p_recorded_at timestamp with time zone, p_entity_type text, p_entity_id text, p_principal text, p_state jsonb, p_metadata jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO reference_changes
              (revision, kind, entry_id, valid_from, valid_to, attributes, reason, principal, recorded_at, event_id,
               ledger, sequence)
            SELECT 1 + coalesce((SELECT max(c.revision) FROM reference_changes AS c), 0), substr(p_entity_type, 11),
                   p_entity_id, (p_state->>'valid_from')::timestamptz, (p_state->>'valid_to')::timestamptz,
                   nullif(p_state->'attributes', 'null'), p_metadata->>'reason', p_principal,
                   p_recorded_at, p_event_id, p_ledger, p_sequence
              -- nobody but the service records such events, and one that is no change must not stop those after it
              WHERE p_entity_type LIKE 'reference\_%' AND p_state->>'valid_from' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$'
                AND coalesce(p_state->>'valid_to' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$', true)
        $function$;

COMMENT ON FUNCTION enter_reference_change(text,bigint,uuid,timestamp with time zone,text,text,text,jsonb,jsonb) IS 'Enters what one event of event_type reference_data says, as the next revision; for the owner';

REVOKE ALL ON FUNCTION enter_reference_change(text,bigint,uuid,timestamp with time zone,text,text,text,jsonb,jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.finish_late_executions(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        UPDATE months AS m SET executions_listed_at = trail_now()
          WHERE m.month = p_month AND m.state IN ('retired', 'dropped') AND m.executions_listed_at IS NULL
            AND NOT EXISTS (
              SELECT FROM month_ranges AS r WHERE r.month = p_month AND NOT EXISTS (
                -- ranges of a kind follow each other without a gap, so that the ends say all
                SELECT FROM archive_ranges AS a
                  WHERE a.kind = 'month' AND a.ledger = r.ledger
                    AND a.from_sequence <= r.to_sequence AND a.to_sequence >= r.from_sequence
                  HAVING min(a.from_sequence) <= r.from_sequence AND max(a.to_sequence) >= r.to_sequence));
        RETURN FOUND;
      END
      $function$;

COMMENT ON FUNCTION finish_late_executions(date) IS 'Says that all late executions of a month that has left are entered; false when that was said, or objects do not hold all of it';

REVOKE ALL ON FUNCTION finish_late_executions(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION finish_late_executions(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.finish_object_removal(p_number bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        IF NOT EXISTS (SELECT FROM archive_removals WHERE number = p_number) THEN
          RAISE EXCEPTION 'nobody has begun to remove object %', p_number USING ERRCODE = 'TT062';
        END IF;
        UPDATE archive_removals SET removed_at = trail_now() WHERE number = p_number AND removed_at IS NULL;
        RETURN FOUND;
      END
      $function$;

COMMENT ON FUNCTION finish_object_removal(bigint) IS 'Notes that the store has said that an object is gone; TT062 when its removal was not begun';

REVOKE ALL ON FUNCTION finish_object_removal(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION finish_object_removal(bigint) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.forget_job_runs(p_jobs text[])
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH old AS (
            SELECT r.id
              FROM unnest(p_jobs) AS j (job)
              CROSS JOIN LATERAL (
                SELECT created_at FROM job_runs WHERE job = j.job ORDER BY created_at DESC OFFSET 1000 LIMIT 1) AS last
              JOIN job_runs AS r ON r.job = j.job AND r.created_at <= last.created_at
              WHERE r.finished_at < trail_now() - interval '90 days' AND r.created_at < trail_now() - interval '90 days'
              LIMIT 50000),
          forgotten AS (DELETE FROM job_runs USING old WHERE job_runs.id = old.id RETURNING 1)
          SELECT count(*) FROM forgotten
        $function$;

COMMENT ON FUNCTION forget_job_runs(text[]) IS 'Forgets runs of these jobs that ended 90 days ago or earlier, but of each job its last 1,000; at most 50,000 at a time';

REVOKE ALL ON FUNCTION forget_job_runs(text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION forget_job_runs(text[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.forget_tree(p_ledger text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          DELETE FROM tree_tiles WHERE ledger = p_ledger;
          DELETE FROM trees WHERE ledger = p_ledger;
        $function$;

COMMENT ON FUNCTION forget_tree(text) IS 'Has the tree of a ledger made anew from its events';

REVOKE ALL ON FUNCTION forget_tree(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION forget_tree(text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.grow_trees(p_ledgers text[], p_from bigint[], p_to bigint[], p_open_leaves bytea[], p_tile_ledgers text[], p_tile_levels smallint[], p_tile_indexes bigint[], p_tile_hashes bytea[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_wrong text;
      BEGIN
        -- of a tree that is not there yet no row can be locked
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.tree.' || g.ledger, 0))
          FROM (SELECT DISTINCT ledger FROM unnest(p_ledgers) AS l (ledger) ORDER BY ledger) AS g;
        PERFORM FROM trees WHERE ledger = ANY (p_ledgers) ORDER BY ledger FOR UPDATE;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_ledgers, p_from, p_to) AS g (ledger, old_size, new_size)
          LEFT JOIN trees AS t ON t.ledger = g.ledger
          LEFT JOIN ledger_heads AS h ON h.ledger = g.ledger
          WHERE coalesce(t.size, 0) <> g.old_size OR g.new_size <= g.old_size OR g.new_size > coalesce(h.size, 0)
          LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'the tree of ledger % does not grow like this', v_wrong USING ERRCODE = 'TT040';
        END IF;
        INSERT INTO trees AS t (ledger, size, open_leaves)
          SELECT g.ledger, g.new_size, g.open_leaves
            FROM unnest(p_ledgers, p_to, p_open_leaves) AS g (ledger, new_size, open_leaves)
          ON CONFLICT ON CONSTRAINT trees_pkey DO UPDATE SET size = excluded.size, open_leaves = excluded.open_leaves;
        SELECT g.ledger INTO v_wrong
          FROM unnest(p_tile_ledgers, p_tile_levels, p_tile_indexes, p_tile_hashes) AS g (ledger, level, tile_index, hashes)
          JOIN tree_tiles AS t ON t.ledger = g.ledger AND t.level = g.level AND t.tile_index = g.tile_index
          WHERE substring(g.hashes FROM 1 FOR octet_length(t.hashes)) <> t.hashes
          LIMIT 1;
        IF v_wrong IS NOT NULL THEN
          RAISE EXCEPTION 'a tile of ledger % would change', v_wrong USING ERRCODE = 'TT040';
        END IF;
        INSERT INTO tree_tiles AS t (ledger, level, tile_index, hashes)
          SELECT * FROM unnest(p_tile_ledgers, p_tile_levels, p_tile_indexes, p_tile_hashes)
          ON CONFLICT ON CONSTRAINT tree_tiles_pkey DO UPDATE SET hashes = excluded.hashes;
      END
      $function$;

COMMENT ON FUNCTION grow_trees(text[],bigint[],bigint[],bytea[],text[],smallint[],bigint[],bytea[]) IS 'Stores what trees have grown by, from the size that they have; TT040 when they do not follow';

REVOKE ALL ON FUNCTION grow_trees(text[],bigint[],bigint[],bytea[],text[],smallint[],bigint[],bytea[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION grow_trees(text[],bigint[],bigint[],bytea[],text[],smallint[],bigint[],bytea[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.keep_cosignatures(p_ledgers text[], p_anchors bigint[], p_witness_keys text[], p_lines text[], p_cosigned_at timestamp with time zone[])
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH kept AS (
            INSERT INTO cosignatures (ledger, anchor, witness_key, line, cosigned_at, kept_at)
              SELECT g.ledger, g.anchor, g.witness_key, g.line, g.cosigned_at, trail_now()
                FROM unnest(p_ledgers, p_anchors, p_witness_keys, p_lines, p_cosigned_at)
                  AS g (ledger, anchor, witness_key, line, cosigned_at)
              ON CONFLICT ON CONSTRAINT cosignatures_pkey DO NOTHING
              RETURNING ledger, witness_key, anchor
          )
          INSERT INTO waiting_cosignatures (ledger, witness_key, anchor) SELECT ledger, witness_key, anchor FROM kept
        $function$;

COMMENT ON FUNCTION keep_cosignatures(text[],bigint[],text[],text[],timestamp with time zone[]) IS 'Keeps cosignatures, the first one of a witness for each checkpoint';

REVOKE ALL ON FUNCTION keep_cosignatures(text[],bigint[],text[],text[],timestamp with time zone[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION keep_cosignatures(text[],bigint[],text[],text[],timestamp with time zone[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.keep_timestamp(p_anchor bigint, p_anchor_sha256 bytea, p_reply bytea, p_authority_url text, p_authority text, p_stamped_at timestamp with time zone, p_location text, p_object_key text, p_version_id text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        PERFORM FROM anchors WHERE number = p_anchor AND sha256 = p_anchor_sha256;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'anchor % has other bytes than those that were stamped', p_anchor USING ERRCODE = 'TT042';
        END IF;
        INSERT INTO timestamps
            (anchor, sha256, authority_url, authority, stamped_at, reply, location, object_key, version_id, kept_at)
          VALUES (p_anchor, sha256(p_reply), p_authority_url, p_authority, p_stamped_at, p_reply, p_location,
            p_object_key, p_version_id, trail_now())
          ON CONFLICT ON CONSTRAINT timestamps_pkey DO NOTHING;
      END
      $function$;

COMMENT ON FUNCTION keep_timestamp(bigint,bytea,bytea,text,text,timestamp with time zone,text,text,text) IS 'Keeps a time stamp that is in the store already; TT042 when the anchor has another SHA-256 than the one that was stamped';

REVOKE ALL ON FUNCTION keep_timestamp(bigint,bytea,bytea,text,text,timestamp with time zone,text,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION keep_timestamp(bigint,bytea,bytea,text,text,timestamp with time zone,text,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.kept_until(p_recorded_at timestamp with time zone, p_years integer)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
          -- what was recorded on 29 February is kept until 1 March where there is no such day
          SELECT date_trunc('second', interval '999999 microseconds' + greatest(
            p_recorded_at + make_interval(years => p_years),
            p_recorded_at - interval '1 day' + make_interval(years => p_years) + interval '1 day'))
        $function$;

COMMENT ON FUNCTION kept_until(timestamp with time zone,integer) IS 'Until when an event is kept that was recorded then; whole seconds, as S3 keeps them';

REVOKE ALL ON FUNCTION kept_until(timestamp with time zone,integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION kept_until(timestamp with time zone,integer) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.late_execution_day(p_metadata jsonb, p_told timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog'
AS $function$
          SELECT left(s.stated, 10)
            FROM (SELECT p_metadata->>'execution_time' AS stated, (p_told AT TIME ZONE 'UTC')::date AS told) AS s
            -- the day that it is in UTC, less the one that is stated: -1, 0 or 1
            CROSS JOIN LATERAL (SELECT CASE
              WHEN s.stated ~ '^.{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}$' THEN floor((
                substr(s.stated, 12, 2)::integer * 60 + substr(s.stated, 15, 2)::integer
                - CASE left(right(s.stated, 6), 1) WHEN '-' THEN -1 ELSE 1 END
                  * (left(right(s.stated, 5), 2)::integer * 60 + right(s.stated, 2)::integer)) / 1440.0)::integer
              ELSE 0 END AS shift) AS z
            WHERE p_metadata ? 'execution_id'
              AND left(s.stated, 10) NOT IN (to_char(s.told - z.shift, 'YYYY-MM-DD'), to_char(s.told - z.shift - 1, 'YYYY-MM-DD'))
              AND s.stated ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$'
        $function$;

COMMENT ON FUNCTION late_execution_day(jsonb,timestamp with time zone) IS 'The day of an execution that is told on another day than it was, or the next one, both in UTC, as it is stated; null otherwise';

REVOKE ALL ON FUNCTION late_execution_day(jsonb,timestamp with time zone) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.ledger_line(p_ledger text)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH RECURSIVE line (ledger) AS (
            SELECT p_ledger COLLATE "C"
            UNION
            SELECT s.predecessor FROM line JOIN ledger_successions AS s ON s.ledger = line.ledger)
          SELECT array_agg(line.ledger) FROM line
        $function$;

COMMENT ON FUNCTION ledger_line(text) IS 'A ledger and all that it succeeded';

REVOKE ALL ON FUNCTION ledger_line(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION ledger_line(text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.list_late_executions(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_name text;
      BEGIN
        SELECT partition_name INTO v_name FROM months
          WHERE month = p_month AND state = 'sealed' AND executions_listed_at IS NULL;
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        EXECUTE format('INSERT INTO late_executions (ledger, day, sequence)
          SELECT e.ledger, e.day, e.sequence FROM (
            SELECT t.ledger, t.sequence, late_execution_day(t.metadata, t."timestamp") AS day FROM public.%I AS t
              WHERE t.entity_type = ''order'' AND t.event_type = ''order_lifecycle'' AND t.metadata ? ''execution_id''
                -- most are told on the same day, and the function is asked of the others alone: it takes 20 microseconds
                AND t.metadata->>''execution_time'' NOT LIKE to_char(t."timestamp", ''YYYY-MM-DD'') || ''T%%Z'') AS e
            WHERE e.day IS NOT NULL
          ON CONFLICT DO NOTHING', v_name);
        UPDATE months SET executions_listed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION list_late_executions(date) IS 'Enters the late executions of a sealed month, all of which it reads, and makes nobody wait; false when that was done, or the month is not sealed';

REVOKE ALL ON FUNCTION list_late_executions(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION list_late_executions(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.makers_of(p_principal text)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH RECURSIVE makers (principal) AS (
            SELECT p_principal COLLATE "C"
            UNION
            SELECT k.created_by FROM makers AS m JOIN api_keys AS k ON 'key:' || k.id::text = m.principal)
          SELECT array_agg(m.principal) FROM makers AS m
        $function$;

COMMENT ON FUNCTION makers_of(text) IS 'A principal, whoever made its API key, whoever made the key of that one, and so on';

REVOKE ALL ON FUNCTION makers_of(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.month_holds(p_from timestamp with time zone, p_to timestamp with time zone, p_ledgers text[])
 RETURNS SETOF uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
      BEGIN
        -- Until the caller's transaction ends, no hold can be made: one that is asked for while a month is being dropped
        -- comes either before the look or after the drop.
        LOCK TABLE legal_holds IN SHARE MODE;
        RETURN QUERY
          SELECT h.id FROM legal_holds AS h
            WHERE h.state NOT IN ('rejected', 'released')
              AND (p_ledgers IS NULL
                OR h.ledgers && ARRAY(SELECT unnest(ledger_line(given.ledger)) FROM unnest(p_ledgers) AS given (ledger)))
              AND coalesce(h.recorded_from, '-infinity') < coalesce(p_to, 'infinity')
              AND coalesce(h.recorded_to, 'infinity') > coalesce(p_from, '-infinity')
            ORDER BY h.id;
      END
      $function$;

COMMENT ON FUNCTION month_holds(timestamp with time zone,timestamp with time zone,text[]) IS 'The holds that keep what was recorded in [p_from, p_to) in any of the ledgers; null means no bound, and every ledger. Which entity, user or record class a hold selects does not matter: it keeps the whole time of its ledgers. No hold is made or changed until the transaction of the caller ends, which waits for them for 100 ms at most (55P03)';

REVOKE ALL ON FUNCTION month_holds(timestamp with time zone,timestamp with time zone,text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION month_holds(timestamp with time zone,timestamp with time zone,text[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.name_deployment(p_id uuid, p_log_origin text)
 RETURNS text
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO deployment (id, log_origin, created_at) VALUES (p_id, p_log_origin, trail_now())
            ON CONFLICT ON CONSTRAINT deployment_pkey DO NOTHING;
          SELECT log_origin FROM deployment;
        $function$;

REVOKE ALL ON FUNCTION name_deployment(uuid,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION name_deployment(uuid,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_archive_finding(p_number bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          UPDATE archive_object_states SET found_wrong_at = trail_now() WHERE number = p_number
        $function$;

COMMENT ON FUNCTION note_archive_finding(bigint) IS 'Something is wrong with an object in the store: it counts for no copy until it was read again and found right';

REVOKE ALL ON FUNCTION note_archive_finding(bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_archive_finding(bigint) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_archive_object(p_number bigint, p_retain_until timestamp with time zone, p_verified boolean)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          UPDATE archive_object_states
            SET retain_until = greatest(retain_until, p_retain_until),
                verified_at = CASE WHEN p_verified THEN greatest(verified_at, trail_now()) ELSE verified_at END,
                found_wrong_at = CASE WHEN p_verified THEN NULL ELSE found_wrong_at END
            WHERE number = p_number AND p_retain_until <= trail_now() + interval '50 years'
        $function$;

COMMENT ON FUNCTION note_archive_object(bigint,timestamp with time zone,boolean) IS 'What was found of an object in the store: locked until then, and whether it was read as a whole and right';

REVOKE ALL ON FUNCTION note_archive_object(bigint,timestamp with time zone,boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_archive_object(bigint,timestamp with time zone,boolean) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_checked_server(p_identity text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO checked_server (identity, checked_at) VALUES (p_identity, trail_now())
            ON CONFLICT ON CONSTRAINT checked_server_pkey
            DO UPDATE SET identity = excluded.identity, checked_at = excluded.checked_at
        $function$;

COMMENT ON FUNCTION note_checked_server(text) IS 'Notes on which server the ledgers were held against all anchors of the store';

REVOKE ALL ON FUNCTION note_checked_server(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_checked_server(text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_ledger_successions()
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO ledger_successions (ledger, predecessor, noted_at)
            SELECT l.ledger, p.ledger, trail_now()
              FROM ledgers AS l
              JOIN audit_events AS e ON e.ledger = l.ledger AND e.sequence = 1
                AND e.event_type = 'ledger' AND e.action = 'succeed' AND e.recorded_by = 'service'
              JOIN ledgers AS p ON p.ledger = e.entity_id
              WHERE NOT EXISTS (SELECT FROM ledger_successions AS s WHERE s.ledger = l.ledger)
            ON CONFLICT ON CONSTRAINT ledger_successions_pkey DO NOTHING
        $function$;

COMMENT ON FUNCTION note_ledger_successions() IS 'Notes of every ledger whose first event says that it succeeds another one that it does';

REVOKE ALL ON FUNCTION note_ledger_successions() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_ledger_successions() TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_object_holds(p_numbers bigint[], p_step text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        IF p_step = 'begun' THEN
          INSERT INTO archive_object_holds (number, begun_at) SELECT DISTINCT n, trail_now() FROM unnest(p_numbers) AS n
            ON CONFLICT ON CONSTRAINT archive_object_holds_pkey DO NOTHING;
        ELSIF p_step = 'held' THEN
          UPDATE archive_object_holds SET confirmed_at = trail_now() WHERE number = ANY (p_numbers);
        ELSIF p_step = 'freed' THEN
          -- a hold may have come up since: then the store has to be told anew
          UPDATE archive_object_holds SET confirmed_at = NULL WHERE number = ANY (p_numbers);
          DELETE FROM archive_object_holds AS x
            WHERE x.number = ANY (p_numbers) AND x.number NOT IN (SELECT objects_under_hold(NULL));
        ELSE
          RAISE EXCEPTION 'there is no step %', p_step USING ERRCODE = 'TT033';
        END IF;
      END
      $function$;

COMMENT ON FUNCTION note_object_holds(bigint[],text) IS 'begun: the store is about to be asked to hold these objects; held: it says that it does; freed: it says that it does not. TT033 for any other step';

REVOKE ALL ON FUNCTION note_object_holds(bigint[],text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_object_holds(bigint[],text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.note_witnessed(p_ledgers text[], p_anchors bigint[])
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          INSERT INTO witnessed_checkpoints (ledger, anchor, witnessed_at)
            SELECT DISTINCT g.ledger, g.anchor, trail_now()
              FROM unnest(p_ledgers, p_anchors) AS g (ledger, anchor)
              WHERE EXISTS (SELECT FROM cosignatures AS c WHERE c.ledger = g.ledger AND c.anchor = g.anchor)
          ON CONFLICT ON CONSTRAINT witnessed_checkpoints_pkey DO NOTHING
        $function$;

COMMENT ON FUNCTION note_witnessed(text[],bigint[]) IS 'Notes that checkpoints have the cosignatures that are asked for; nothing for one that has none at all';

REVOKE ALL ON FUNCTION note_witnessed(text[],bigint[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION note_witnessed(text[],bigint[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.objects_of_month(p_month date)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          SELECT DISTINCT r.number
            FROM month_ranges AS m
            JOIN archive_ranges AS r ON r.kind IN ('month', 'entities') AND r.ledger = m.ledger
              AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
            WHERE m.month = p_month ORDER BY r.number
        $function$;

COMMENT ON FUNCTION objects_of_month(date) IS 'The objects that count of a month: of its events and of its entities';

REVOKE ALL ON FUNCTION objects_of_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION objects_of_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.objects_under_hold(p_hold uuid)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l)
          SELECT DISTINCT r.number
            FROM legal_holds AS h
            JOIN line ON line.ledgers && h.ledgers
            JOIN archive_ranges AS r ON r.ledger = line.ledger
              AND coalesce(h.recorded_from, '-infinity') <= r.greatest_recorded_at
              AND coalesce(h.recorded_to, 'infinity') > r.least_recorded_at
            WHERE h.state NOT IN ('rejected', 'released') AND (p_hold IS NULL OR h.id = p_hold)
              AND NOT EXISTS (SELECT FROM archive_removals AS x WHERE x.number = r.number AND x.removed_at IS NOT NULL)
        $function$;

COMMENT ON FUNCTION objects_under_hold(uuid) IS 'Archive objects that hold something that a hold keeps, or with null any hold';

REVOKE ALL ON FUNCTION objects_under_hold(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION objects_under_hold(uuid) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.open_object_holds(p_after bigint, p_recheck interval, p_limit integer)
 RETURNS TABLE(number bigint, object_key text, version_id text, wanted boolean, confirmed boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          SELECT o.number, o.object_key, o.version_id, t.number IS NOT NULL, x.confirmed_at IS NOT NULL
            FROM (SELECT u.number FROM objects_under_hold(NULL) AS u (number)) AS t
            FULL JOIN archive_object_holds AS x ON x.number = t.number
            JOIN archive_objects AS o ON o.number = coalesce(t.number, x.number)
            WHERE o.number > p_after
              AND (t.number IS NULL OR x.confirmed_at IS NULL OR x.confirmed_at <= trail_now() - p_recheck)
            ORDER BY o.number LIMIT p_limit
        $function$;

COMMENT ON FUNCTION open_object_holds(bigint,interval,integer) IS 'Objects of which the store has yet to be told, or was last asked before p_recheck: wanted or to be freed, and whether the store has confirmed it before';

REVOKE ALL ON FUNCTION open_object_holds(bigint,interval,integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION open_object_holds(bigint,interval,integer) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.record_config_digest(p_digest bytea)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$ UPDATE deployment SET config_digest = p_digest $function$;

REVOKE ALL ON FUNCTION record_config_digest(bytea) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION record_config_digest(bytea) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
      BEGIN
        RAISE EXCEPTION '% on %: the trail is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'TT100';
      END
      $function$;

REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.refuse_own_approval()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_asked_by text;
      BEGIN
        IF TG_TABLE_NAME = 'legal_hold_acts' THEN
          SELECT a.principal INTO v_asked_by FROM legal_hold_acts AS a
            WHERE a.hold = NEW.hold AND a.act IN ('request', 'request_release') ORDER BY a.ordinal DESC LIMIT 1;
        ELSE
          SELECT d.requested_by INTO v_asked_by FROM month_deletions AS d WHERE d.id = NEW.deletion;
        END IF;
        IF v_asked_by = ANY (makers_of(NEW.principal)) OR NEW.principal = ANY (makers_of(v_asked_by)) THEN
          RAISE EXCEPTION '% is for somebody else than %: one of % and % made the key of the other',
            NEW.act, v_asked_by, v_asked_by, NEW.principal USING ERRCODE = 'TT031';
        END IF;
        RETURN NEW;
      END
      $function$;

COMMENT ON FUNCTION refuse_own_approval() IS 'TT031 when who agrees is who asked, or one of the two made the API key of the other, also by way of further keys';

REVOKE ALL ON FUNCTION refuse_own_approval() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.request_legal_hold(p_id uuid, p_ledgers text[], p_entity_type text, p_entity_id text, p_user_id text, p_event_type text, p_recorded_from timestamp with time zone, p_recorded_to timestamp with time zone, p_reason text, p_principal text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      DECLARE
        v_unknown text;
        v_now timestamptz := trail_now();
      BEGIN
        SELECT l INTO v_unknown FROM unnest(p_ledgers) AS l
          WHERE NOT EXISTS (SELECT FROM ledgers WHERE ledger = l) LIMIT 1;
        IF FOUND THEN
          RAISE EXCEPTION 'no ledger %', v_unknown USING ERRCODE = 'TT001';
        END IF;
        INSERT INTO legal_holds
            (id, state, asked_by, ledgers, entity_type, entity_id, user_id, event_type, recorded_from, recorded_to,
             reason, requested_by, requested_at)
          VALUES (p_id, 'requested', p_principal, ARRAY(SELECT DISTINCT l COLLATE "C" FROM unnest(p_ledgers) AS l ORDER BY 1),
            p_entity_type, p_entity_id, p_user_id, p_event_type, p_recorded_from, p_recorded_to, p_reason, p_principal, v_now);
        INSERT INTO legal_hold_acts (hold, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, 1, 'request', 'requested', p_principal, p_reason, v_now);
      END
      $function$;

COMMENT ON FUNCTION request_legal_hold(uuid,text[],text,text,text,text,timestamp with time zone,timestamp with time zone,text,text) IS 'Makes a hold, which stops drops and deletions from then on and waits for a second principal; TT001 no such ledger';

REVOKE ALL ON FUNCTION request_legal_hold(uuid,text[],text,text,text,text,timestamp with time zone,timestamp with time zone,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION request_legal_hold(uuid,text[],text,text,text,text,timestamp with time zone,timestamp with time zone,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.request_month_deletion(p_id uuid, p_month date, p_reason text, p_principal text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.removal', 0));
        IF EXISTS (SELECT FROM month_deletions WHERE month = p_month AND state <> 'rejected') THEN
          RAISE EXCEPTION 'the deletion of month % was asked for already', p_month USING ERRCODE = 'TT061';
        END IF;
        PERFORM assert_month_may_be_deleted(p_month);
        INSERT INTO month_deletions (id, month, state, reason, requested_by, requested_at)
          VALUES (p_id, p_month, 'requested', p_reason, p_principal, trail_now());
        INSERT INTO month_deletion_acts (deletion, ordinal, act, state, principal, reason, acted_at)
          VALUES (p_id, 1, 'request', 'requested', p_principal, p_reason, trail_now());
      END
      $function$;

COMMENT ON FUNCTION request_month_deletion(uuid,date,text,text) IS 'Asks for the deletion of a month that is past its retention; TT061 when that was done, TT062 and why it must be kept';

REVOKE ALL ON FUNCTION request_month_deletion(uuid,date,text,text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION request_month_deletion(uuid,date,text,text) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.retention_of_contents(p_ledgers text[], p_entity_types text[], p_event_types text[], p_greatest_recorded timestamp with time zone[])
 RETURNS TABLE(policy uuid, record_class text, years integer, retain_until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l)
          SELECT p.id, p.record_class, p.years, kept_until(c.greatest_recorded_at, p.years)
            FROM unnest(p_ledgers, p_entity_types, p_event_types, p_greatest_recorded)
              AS c (ledger, entity_type, event_type, greatest_recorded_at)
            LEFT JOIN line ON line.ledger = c.ledger
            JOIN retention_policies AS p ON p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date AND (p.ledger IS NULL OR p.ledger = ANY (line.ledgers))
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)
            ORDER BY 4 DESC, p.years DESC, p.created_at, p.id LIMIT 1
        $function$;

COMMENT ON FUNCTION retention_of_contents(text[],text[],text[],timestamp with time zone[]) IS 'Until when events of some classes are kept, the longest, and by which policy; no row when there is no policy';

REVOKE ALL ON FUNCTION retention_of_contents(text[],text[],text[],timestamp with time zone[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION retention_of_contents(text[],text[],text[],timestamp with time zone[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.retention_of_month(p_month date)
 RETURNS TABLE(policy uuid, record_class text, years integer, retain_until timestamp with time zone, locked_until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          SELECT w.policy, w.record_class, w.years, w.retain_until, w.locked_until FROM retention_of_months(ARRAY[p_month]) AS w
        $function$;

COMMENT ON FUNCTION retention_of_month(date) IS 'Until when a month is kept by the policies in force, by which the longest, and until when its objects are locked';

REVOKE ALL ON FUNCTION retention_of_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION retention_of_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.retention_of_months(p_months date[])
 RETURNS TABLE(month date, policy uuid, record_class text, years integer, retain_until timestamp with time zone, locked_until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l),
          held (month, number, kind, ledger, greatest_recorded_at) AS MATERIALIZED (
            SELECT m.month, r.number, r.kind, r.ledger, r.greatest_recorded_at
              FROM month_ranges AS m
              JOIN archive_ranges AS r ON r.kind IN ('month', 'entities') AND r.ledger = m.ledger
                AND r.from_sequence <= m.to_sequence AND r.to_sequence >= m.from_sequence
              WHERE m.month = ANY (p_months)),
          contents (month, ledger, entity_type, event_type, greatest_recorded_at) AS (
            SELECT h.month, h.ledger, d.entity_type, d.event_type, max(d.greatest_recorded_at)
              FROM held AS h JOIN archive_contents AS d ON d.number = h.number AND d.ledger = h.ledger
              WHERE h.kind = 'month' GROUP BY h.month, h.ledger, d.entity_type, d.event_type
            UNION ALL
            -- catalogued before its classes were: any may be among them
            SELECT h.month, h.ledger, NULL, NULL, max(h.greatest_recorded_at)
              FROM held AS h
              WHERE h.kind = 'month' AND NOT EXISTS (SELECT FROM archive_contents AS d WHERE d.number = h.number)
              GROUP BY h.month, h.ledger),
          last AS (
            SELECT c.month, p.id, p.record_class, p.years, p.created_at, max(c.greatest_recorded_at) AS recorded_at
              FROM contents AS c
              JOIN line ON line.ledger = c.ledger
              JOIN retention_policies AS p ON p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date AND (p.ledger IS NULL OR p.ledger = ANY (line.ledgers))
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)
              GROUP BY c.month, p.id),
          locks AS (
            SELECT h.month, max(s.retain_until) AS locked_until
              FROM held AS h JOIN archive_object_states AS s ON s.number = h.number GROUP BY h.month)
          SELECT DISTINCT ON (last.month) last.month, last.id, last.record_class, last.years,
                 kept_until(last.recorded_at, last.years), locks.locked_until
            FROM last JOIN locks ON locks.month = last.month
            ORDER BY last.month, 5 DESC, last.years DESC, last.created_at, last.id
        $function$;

COMMENT ON FUNCTION retention_of_months(date[]) IS 'Until when months are kept by the policies in force, by which the longest, and until when their objects are locked; of each month that is archived';

REVOKE ALL ON FUNCTION retention_of_months(date[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION retention_of_months(date[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.retention_of_objects(p_numbers bigint[])
 RETURNS TABLE(number bigint, policy uuid, record_class text, years integer, retain_until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
          WITH line (ledger, ledgers) AS MATERIALIZED (SELECT l.ledger, ledger_line(l.ledger) FROM ledgers AS l)
          SELECT DISTINCT ON (last.number) last.number, last.id, last.record_class, last.years, kept_until(last.recorded_at, last.years + last.more_years)
            FROM (
              -- of what a policy keeps in an object the last event is kept the longest
              SELECT c.number, c.more_years, p.id, p.record_class, p.years, p.created_at, max(c.greatest_recorded_at) AS recorded_at
                FROM (
                  -- an index of entities is kept as long as the events that it leads to, digests longer
                  SELECT DISTINCT own.number, x.number AS holder, x.ledger,
                         CASE own.kind WHEN 'digests' THEN 5 ELSE 0 END AS more_years
                    FROM archive_ranges AS own
                    CROSS JOIN LATERAL (
                      -- the last that begins at or before the range, and those that begin within it
                      (SELECT h.number, h.ledger, h.to_sequence FROM archive_ranges AS h
                         WHERE h.kind = 'month' AND h.ledger = own.ledger AND h.from_sequence <= own.from_sequence
                         ORDER BY h.from_sequence DESC LIMIT 1)
                      UNION ALL
                      (SELECT h.number, h.ledger, h.to_sequence FROM archive_ranges AS h
                         WHERE h.kind = 'month' AND h.ledger = own.ledger
                           AND h.from_sequence > own.from_sequence AND h.from_sequence <= own.to_sequence)
                    ) AS x
                    WHERE own.number = ANY (p_numbers) AND own.kind IN ('month', 'entities', 'digests')
                      AND x.to_sequence >= own.from_sequence
                ) AS held
                CROSS JOIN LATERAL (
                  SELECT held.number, held.more_years, held.ledger, d.entity_type, d.event_type, d.greatest_recorded_at
                    FROM archive_contents AS d WHERE d.number = held.holder AND d.ledger = held.ledger
                  UNION ALL
                  -- catalogued before its classes were: any may be among them
                  SELECT held.number, held.more_years, held.ledger, NULL, NULL, r.greatest_recorded_at
                    FROM archive_ranges AS r
                    WHERE r.number = held.holder AND r.ledger = held.ledger
                      AND NOT EXISTS (SELECT FROM archive_contents AS d WHERE d.number = held.holder)
                ) AS c
                JOIN line ON line.ledger = c.ledger
                JOIN retention_policies AS p ON p.valid_from <= (trail_now() AT TIME ZONE 'UTC')::date AND (p.ledger IS NULL OR p.ledger = ANY (line.ledgers))
  AND (p.entity_type IS NULL OR c.entity_type IS NULL OR p.entity_type = c.entity_type)
  AND (p.event_type IS NULL OR c.event_type IS NULL OR p.event_type = c.event_type)
                GROUP BY c.number, c.more_years, p.id
            ) AS last
            ORDER BY last.number, 5 DESC, last.years DESC, last.created_at, last.id
        $function$;

COMMENT ON FUNCTION retention_of_objects(bigint[]) IS 'Until when objects of months are kept by the policies that are in force, and by which; whatever their locks say. Digests are kept longer than the policy says of their events';

REVOKE ALL ON FUNCTION retention_of_objects(bigint[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION retention_of_objects(bigint[]) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.retire_month(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        IF NOT EXISTS (SELECT FROM months WHERE month = p_month AND state = 'sealed') THEN
          RETURN false;
        END IF;
        -- in order, so that of each ledger the archive serves the beginning and PostgreSQL the rest
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state NOT IN ('retired', 'dropped')) THEN
          RAISE EXCEPTION 'a month before % is not retired', p_month USING ERRCODE = 'TT020';
        END IF;
        PERFORM assert_month_may_leave(p_month);
        PERFORM assert_month_is_not_wrong(p_month);
        -- readers find these no more by the month's indexes; whoever called it before has nobody wait for it now
        PERFORM list_late_executions(p_month);
        UPDATE ledger_heads AS h SET archived_to = r.to_sequence
          FROM month_ranges AS r WHERE r.month = p_month AND r.ledger = h.ledger;
        UPDATE months SET state = 'retired', retired_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION retire_month(date) IS 'Has readers take a sealed month from the archive; refuses by itself (TT020, TT022, TT023)';

REVOKE ALL ON FUNCTION retire_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION retire_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.seal_month(p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '500ms'
AS $function$
      DECLARE
        v_name text;
        v_head record;
        v_range month_ranges%ROWTYPE;
        v_end bigint;
        v_hash bytea;
        v_present boolean;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.months', 0));
        SELECT partition_name INTO v_name FROM months WHERE month = p_month AND state = 'closed';
        IF v_name IS NULL THEN
          RETURN false;
        END IF;
        IF EXISTS (SELECT FROM months WHERE month < p_month AND state IN ('open', 'closed')) THEN
          RAISE EXCEPTION 'a month before % is not sealed', p_month USING ERRCODE = 'TT020';
        END IF;
        -- from here on nobody can insert, whoever he is; rows that are there are not looked at, so this takes no time
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (false) NOT VALID', v_name, v_name || '_sealed_check');
        -- the next vacuum freezes all of it, and none is needed after that
        EXECUTE format('ALTER TABLE public.%I SET (autovacuum_freeze_min_age = 0, autovacuum_freeze_table_age = 0,
          autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 0)', v_name);
        FOR v_head IN SELECT h.ledger, h.size FROM ledger_heads AS h ORDER BY h.ledger LOOP
          SELECT r.to_sequence, r.last_event_hash INTO v_end, v_hash
            FROM month_ranges AS r WHERE r.ledger = v_head.ledger ORDER BY r.from_sequence DESC LIMIT 1;
          v_range := NULL;
          EXECUTE format('SELECT $1::date, $2::text, f.sequence, l.sequence,
              (SELECT t."timestamp" FROM public.%1$I AS t WHERE t.ledger = $2 ORDER BY t."timestamp", t.timestamp_nanos, t.sequence LIMIT 1),
              (SELECT t."timestamp" FROM public.%1$I AS t WHERE t.ledger = $2 ORDER BY t."timestamp" DESC, t.timestamp_nanos DESC, t.sequence DESC LIMIT 1),
              f.recorded_at, l.recorded_at, f.previous_event_hash, l.event_hash
            FROM (SELECT * FROM public.%1$I WHERE ledger = $2 ORDER BY sequence LIMIT 1) AS f,
                 (SELECT * FROM public.%1$I WHERE ledger = $2 ORDER BY sequence DESC LIMIT 1) AS l', v_name)
            INTO v_range USING p_month, v_head.ledger;
          IF v_range.ledger IS NULL THEN
            CONTINUE;
          END IF;
          IF v_range.from_sequence <> coalesce(v_end, 0) + 1 OR v_range.previous_event_hash IS DISTINCT FROM v_hash THEN
            RAISE EXCEPTION 'ledger % begins month % with event %, which does not follow event % where the month before ended',
              v_head.ledger, p_month, v_range.from_sequence, coalesce(v_end, 0) USING ERRCODE = 'TT021';
          END IF;
          IF v_range.to_sequence > v_head.size THEN
            RAISE EXCEPTION 'month % holds event % of ledger %, which ends at %',
              p_month, v_range.to_sequence, v_head.ledger, v_head.size USING ERRCODE = 'TT021';
          END IF;
          INSERT INTO month_ranges SELECT v_range.*;
        END LOOP;
        UPDATE months SET state = 'sealed', sealed_at = trail_now() WHERE month = p_month;
        RETURN true;
      END
      $function$;

COMMENT ON FUNCTION seal_month(date) IS 'Writes down what a closed month holds and lets nothing more in; TT020 when it is not its turn, TT021 when its chains do not go on from the month before';

REVOKE ALL ON FUNCTION seal_month(date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION seal_month(date) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.take_reference_changes(p_settled boolean)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      DECLARE
        v_head record;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('truetrail.reference', 0));
        IF p_settled THEN
          PERFORM FROM ledger_heads AS h WHERE h.ledger ~ '^_service(-[1-9][0-9]*)?$' FOR SHARE;
        END IF;
        FOR v_head IN
          SELECT h.ledger, h.size, coalesce((SELECT p.taken_to FROM reference_progress AS p WHERE p.ledger = h.ledger), 0) AS taken_to
            FROM ledger_heads AS h WHERE h.ledger ~ '^_service(-[1-9][0-9]*)?$'
            ORDER BY length(h.ledger), h.ledger
        LOOP
          CONTINUE WHEN v_head.size <= v_head.taken_to;
          PERFORM enter_reference_change(e.ledger, e.sequence, e.event_id, e.recorded_at, e.entity_type, e.entity_id,
                                         e.user_id, e.new_state, e.metadata)
            FROM (
              SELECT * FROM audit_events AS a
                WHERE a.ledger = v_head.ledger AND a.sequence > v_head.taken_to AND a.sequence <= v_head.size
                  AND a.event_type = 'reference_data' AND a.recorded_by = 'service'
                ORDER BY a.sequence
            ) AS e;
          INSERT INTO reference_progress AS p (ledger, taken_to) VALUES (v_head.ledger, v_head.size)
            ON CONFLICT ON CONSTRAINT reference_progress_pkey DO UPDATE SET taken_to = excluded.taken_to;
        END LOOP;
        RETURN coalesce((SELECT max(c.revision) FROM reference_changes AS c), 0);
      END
      $function$;

COMMENT ON FUNCTION take_reference_changes(boolean) IS 'Takes all changes of reference data from the events of the service that were not taken yet, and says the last revision, 0 for none. One caller at a time, to the end of its transaction. p_settled waits for whoever is appending, so that whatever is recorded later has a later time: not for a transaction that goes on to append';

REVOKE ALL ON FUNCTION take_reference_changes(boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION take_reference_changes(boolean) TO truetrail_service;

CREATE OR REPLACE FUNCTION public.trail_now()
 RETURNS timestamp with time zone
 LANGUAGE sql
 PARALLEL SAFE
 SET search_path TO 'pg_catalog'
AS $function$ SELECT clock_timestamp() $function$;

COMMENT ON FUNCTION trail_now() IS 'The only place from which SQL takes the time. Tests replace it; the daily check of the catalogue compares it.';

REVOKE ALL ON FUNCTION trail_now() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION trail_now() TO truetrail_service;
