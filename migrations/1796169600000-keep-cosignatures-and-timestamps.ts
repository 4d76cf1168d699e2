import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What others say of signed checkpoints: cosignatures of witnesses, and time stamps over anchors. Each was verified
 * before it was kept, and can be verified again by whoever has its key or root, from what stands in its row.
 */
export class KeepCosignaturesAndTimestamps1796169600000 implements MigrationInterface {
  name = 'KeepCosignaturesAndTimestamps1796169600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE cosignatures (
        ledger text COLLATE "C" NOT NULL,
        anchor bigint NOT NULL,
        witness_key text COLLATE "C" NOT NULL,
        line text COLLATE "C" NOT NULL,
        cosigned_at timestamptz NOT NULL,
        kept_at timestamptz NOT NULL,
        CONSTRAINT cosignatures_pkey PRIMARY KEY (ledger, witness_key, anchor),
        CONSTRAINT cosignatures_checkpoint_fkey FOREIGN KEY (ledger, anchor) REFERENCES checkpoints (ledger, anchor),
        CONSTRAINT cosignatures_witness_key_check CHECK (length(witness_key) BETWEEN 1 AND 1000),
        CONSTRAINT cosignatures_line_check CHECK (
          length(line) <= 10000 AND starts_with(line, '— ') AND strpos(line, E'\\n') = length(line)
        )
      )`);
    await runner.query('CREATE INDEX cosignatures_anchor_idx ON cosignatures (ledger, anchor)');
    await this.comment(
      runner,
      'TABLE cosignatures',
      'That a witness has seen nothing but extensions of a ledger’s tree up to a checkpoint (C2SP tlog-cosignature): one immutable row a checkpoint and witness',
    );
    for (const [column, meaning] of [
      ['witness_key', 'Verifier key of the witness, as its line in the policy has it'],
      ['line', 'The line of the signature, which is appended to the note of the checkpoint; with its newline'],
      ['cosigned_at', 'When the witness says that it was'],
      ['kept_at', 'When it came here'],
    ]) {
      await this.comment(runner, `COLUMN cosignatures.${column}`, meaning!);
    }
    await runner.query(`
      CREATE TABLE witnessed_checkpoints (
        ledger text COLLATE "C" NOT NULL,
        anchor bigint NOT NULL,
        witnessed_at timestamptz NOT NULL,
        CONSTRAINT witnessed_checkpoints_pkey PRIMARY KEY (ledger, anchor),
        CONSTRAINT witnessed_checkpoints_checkpoint_fkey
          FOREIGN KEY (ledger, anchor) REFERENCES checkpoints (ledger, anchor)
      )`);
    await this.comment(
      runner,
      'TABLE witnessed_checkpoints',
      'Checkpoints that as many witnesses have cosigned as the policy of that moment asked for',
    );
    await runner.query(`
      CREATE TABLE timestamps (
        anchor bigint NOT NULL,
        sha256 bytea NOT NULL,
        authority_url text COLLATE "C" NOT NULL,
        authority text COLLATE "C" NOT NULL,
        stamped_at timestamptz NOT NULL,
        reply bytea NOT NULL,
        location text COLLATE "C" NOT NULL,
        object_key text COLLATE "C" NOT NULL,
        version_id text COLLATE "C" NOT NULL,
        kept_at timestamptz NOT NULL,
        CONSTRAINT timestamps_pkey PRIMARY KEY (anchor, sha256),
        CONSTRAINT timestamps_anchor_fkey FOREIGN KEY (anchor) REFERENCES anchors (number),
        CONSTRAINT timestamps_sha256_check CHECK (sha256 = sha256(reply)),
        CONSTRAINT timestamps_reply_check CHECK (octet_length(reply) BETWEEN 1 AND 65536),
        CONSTRAINT timestamps_object_key_check CHECK (
          object_key = 'timestamps/' || lpad(anchor::text, greatest(12, length(anchor::text)), '0')
            || '-' || left(encode(sha256, 'hex'), 16) || '.tsr'
        )
      )`);
    await runner.query('CREATE INDEX timestamps_authority_url_idx ON timestamps (authority_url, anchor)');
    await this.comment(
      runner,
      'TABLE timestamps',
      'That the bytes of an anchor, and by the chain of anchors all before them, were there at a time (RFC 3161): one immutable row a reply, kept in the store before',
    );
    for (const [column, meaning] of [
      ['sha256', 'Of the reply'],
      ['authority_url', 'Who was asked'],
      ['authority', 'Whose certificate signed it: its subject'],
      ['stamped_at', 'genTime of the reply, cut to microseconds'],
      ['reply', 'The whole TimeStampResp, with the certificates of the authority'],
      ['location', 'The store that it was written to, before the key'],
      ['version_id', 'What the store calls the version'],
    ]) {
      await this.comment(runner, `COLUMN timestamps.${column}`, meaning!);
    }

    for (const table of ['cosignatures', 'witnessed_checkpoints', 'timestamps']) {
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_row BEFORE UPDATE OR DELETE ON ${table}
          FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
      await runner.query(`
        CREATE TRIGGER ${table}_refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
          FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_row`);
      await runner.query(`ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_refuse_statement`);
    }

    await runner.query(`
      CREATE FUNCTION keep_cosignatures(
        p_ledgers text[], p_anchors bigint[], p_witness_keys text[], p_lines text[], p_cosigned_at timestamptz[]
      ) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO cosignatures (ledger, anchor, witness_key, line, cosigned_at, kept_at)
            SELECT g.ledger, g.anchor, g.witness_key, g.line, g.cosigned_at, trail_now()
              FROM unnest(p_ledgers, p_anchors, p_witness_keys, p_lines, p_cosigned_at)
                AS g (ledger, anchor, witness_key, line, cosigned_at)
          ON CONFLICT ON CONSTRAINT cosignatures_pkey DO NOTHING
        $$`);
    await this.comment(
      runner,
      'FUNCTION keep_cosignatures',
      'Keeps cosignatures, the first one of a witness for each checkpoint',
    );
    await runner.query(`
      CREATE FUNCTION note_witnessed(p_ledgers text[], p_anchors bigint[]) RETURNS void
        LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
          INSERT INTO witnessed_checkpoints (ledger, anchor, witnessed_at)
            SELECT DISTINCT g.ledger, g.anchor, trail_now()
              FROM unnest(p_ledgers, p_anchors) AS g (ledger, anchor)
              WHERE EXISTS (SELECT FROM cosignatures AS c WHERE c.ledger = g.ledger AND c.anchor = g.anchor)
          ON CONFLICT ON CONSTRAINT witnessed_checkpoints_pkey DO NOTHING
        $$`);
    await this.comment(
      runner,
      'FUNCTION note_witnessed',
      'Notes that checkpoints have the cosignatures that are asked for; nothing for one that has none at all',
    );
    await runner.query(`
      CREATE FUNCTION keep_timestamp(
        p_anchor bigint, p_anchor_sha256 bytea, p_reply bytea, p_authority_url text, p_authority text,
        p_stamped_at timestamptz, p_location text, p_object_key text, p_version_id text
      ) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp
        AS $$
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
      $$`);
    await this.comment(
      runner,
      'FUNCTION keep_timestamp',
      'Keeps a time stamp that is in the store already; TT042 when the anchor has another SHA-256 than the one that was stamped',
    );

    const functions = 'keep_cosignatures, note_witnessed, keep_timestamp';
    await runner.query(`REVOKE ALL ON FUNCTION ${functions} FROM PUBLIC`);
    await runner.query(`GRANT EXECUTE ON FUNCTION ${functions} TO truetrail_service`);
    await runner.query(`GRANT SELECT ON cosignatures, witnessed_checkpoints, timestamps TO truetrail_service`);
  }

  down(): Promise<void> {
    throw new Error('Migrations go forward only: restore a backup instead');
  }

  private async comment(runner: QueryRunner, on: string, text: string): Promise<void> {
    await runner.query(`COMMENT ON ${on} IS '${text.replaceAll("'", "''")}'`);
  }
}
