import pg from 'pg';
import { connectionOptions } from '../src/database/connection.js';
import { SqlState } from '../src/database/sqlstate.js';
import { canonicalContent, contentHash } from '../src/integrity/event.js';
import { startService, type TestService } from './support/app.js';
import { COLUMN_CHANGES, eventOfEveryColumn } from './support/column-changes.js';
import { query } from './support/keys.js';
import { rewriting } from './support/rewriting.js';
import { endRow, publishesItsRows, refused, tampering, type Way } from './support/tamper-matrix.js';
import { connected, record, runJob, tamper, verify, type ShownVerification } from './support/verification.js';

/*
 * Rows of DESIGN.md's table of who could tamper and how, as far as the chain itself (level 1) must catch them. Each test
 * does it for real, as a superuser where nothing less can, and reads the verdict over HTTP.
 */

/** What a tampered ledger holds: two requests of four events each, so that recorded_at differs between them. */
const EVENTS = 8;
/** The event that most tests change. */
const CHANGED = 4;

let service: TestService;
let ledgers = 0;

beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

/** A new ledger of EVENTS events that use every column, and its events' receipts. */
async function newLedger(on = service): Promise<{ ledger: string; receipts: Awaited<ReturnType<typeof record>> }> {
  const ledger = `tampered-${(ledgers += 1)}`;
  await on.http().put(`/v1/ledgers/${ledger}`).expect(201);
  const first = await record(on, EVENTS / 2, ledger, eventOfEveryColumn);
  return { ledger, receipts: [...first, ...(await record(on, EVENTS / 2, ledger, eventOfEveryColumn))] };
}

/** `kind@sequence` of each finding, in order. */
function places({ findings }: Pick<ShownVerification, 'findings'>): string[] {
  return findings.map(({ kind, sequence }) => `${kind}@${sequence}`);
}

/** Does something to a new ledger as a superuser, and verifies it. `$ledger` in the statements is its name. */
async function afterTampering(...statements: string[]): Promise<ShownVerification> {
  const { ledger } = await newLedger();
  await tamper(service.database.adminUrl, ...statements.map((sql) => sql.replaceAll('$ledger', `'${ledger}'`)));
  return verify(service, {}, ledger);
}

/** As a superuser, who may do anything. */
const bySuperuser = (way: Way, done: string, more: { blind?: string } = {}): void =>
  tampering(way, 'a superuser', done, more);
/** Why nothing is found of what no round has signed. */
const UNSIGNED = { blind: 'no round has signed it yet, at most one interval; receipts that submitters keep show it' };

const THE_EVENT = `WHERE ledger = $ledger AND sequence = ${CHANGED}`;

describe('a changed column', () => {
  /** What must be found where a column has the other value of COLUMN_CHANGES. */
  const COLUMNS: Record<string, { finds: string[]; says?: RegExp }> = {
    ledger: { finds: ['missing@4', 'key@4'] },
    sequence: { finds: ['missing@4', 'key@4', 'sequence@1000'] },
    recorded_at: {
      finds: ['link@4'],
      says: /^recorded_at was changed: it was \d{4}-/,
    },
    timestamp: { finds: ['content@4'] },
    event_id: {
      finds: ['content@4', 'link@4', 'key@4', 'key@4'],
      says: /hashes are right with the id of the key: its event_id was changed$/,
    },
    corrects: { finds: ['content@4'] },
    timestamp_nanos: { finds: ['content@4'] },
    timestamp_digits: { finds: ['content@4'] },
    event_type: { finds: ['content@4'] },
    entity_type: { finds: ['content@4'] },
    entity_id: { finds: ['content@4'] },
    action: { finds: ['content@4'] },
    user_id: { finds: ['content@4'] },
    previous_state: { finds: ['content@4'] },
    new_state: { finds: ['content@4'] },
    metadata: { finds: ['content@4'] },
    source: { finds: ['content@4'] },
    source_session: { finds: ['content@4'] },
    source_sequence: { finds: ['content@4'] },
    raw_media_type: { finds: ['content@4'] },
    raw_data: { finds: ['content@4'] },
    recorded_by: { finds: ['link@4'], says: /^recorded_by was changed: it was key:/ },
    salt: { finds: ['content@4'] },
    content_hash: {
      finds: ['content@4'],
      says: /^content_hash was changed$/,
    },
    previous_event_hash: {
      finds: ['link@4'],
      says: /^previous_event_hash was changed$/,
    },
    event_hash: {
      finds: ['link@4'],
      says: /^event_hash was changed: the next event has the one that it should be$/,
    },
  };

  it('has a case for each column that there is', async () => {
    const columns = await connected(service.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ name: string }>(
        `SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'audit_events'`,
      );
      return rows.map(({ name }) => name);
    });
    expect(Object.keys(COLUMNS).sort()).toEqual(columns.sort());
  });

  it.each(Object.entries(COLUMNS))('is found: %s', async (column, { finds, says }) => {
    bySuperuser('changes a column of a row', column);
    const found = await afterTampering(`UPDATE audit_events SET "${column}" = ${COLUMN_CHANGES[column]} ${THE_EVENT}`);
    expect(found).toMatchObject({ status: 'done', verdict: 'invalid', unread: [] });
    expect(places(found)).toEqual(finds);
    if (says) expect(found.findings.map(({ detail }) => detail)).toContainEqual(expect.stringMatching(says));
  });

  it.each([
    ['later', `recorded_at + interval '1 microsecond'`, 2],
    ['earlier', `recorded_at - interval '1 microsecond'`, 6],
  ])('recorded_at is found out of order when it is %s than that of the same request', async (which, to, sequence) => {
    bySuperuser('moves recorded_at', `${which} than that of its request`);
    const found = await afterTampering(
      `UPDATE audit_events SET recorded_at = ${to} WHERE ledger = $ledger AND sequence = ${sequence}`,
    );
    expect(places(found)).toEqual([`link@${sequence}`, `recorded_time@${sequence}`]);
  });

  it.each(['first', 'last'] as const)('is found in the %s event, too', async (which) => {
    bySuperuser('changes a column of a row', `event_hash of the ${which} event`);
    const sequence = which === 'first' ? 1 : EVENTS;
    const found = await afterTampering(
      `UPDATE audit_events SET event_hash = set_byte(event_hash, 0, get_byte(event_hash, 0) # 1) WHERE ledger = $ledger AND sequence = ${sequence}`,
    );
    expect(places(found)).toContain(`link@${sequence}`);
  });

  it('of an event moved to another ledger is found there as well', async () => {
    bySuperuser('changes a column of a row', 'ledger, and the other one is looked at');
    const { ledger } = await newLedger();
    await service.http().put(`/v1/ledgers/${ledger}-elsewhere`).expect(201);
    await tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET ledger = '${ledger}-elsewhere' WHERE ledger = '${ledger}' AND sequence = ${CHANGED}`,
    );
    const found = await verify(service, {}, `${ledger}-elsewhere`);
    expect(found).toMatchObject({ verdict: 'invalid', total: '0', findings: [{ kind: 'sequence', sequence: '4' }] });
  });
});

describe('a number in jsonb', () => {
  it.each([
    ['exact', '9007199254740993', /9007199254740993/],
    ['one', '1.0', /1\.0/],
    ['tenth', '0.10000000000000000555', /0\.10000000000000000555/],
    ['one', '1.00000000000000000000000000000000000000001', /./],
    ['exact', '9007199254740992.0', /./],
    ['one', '"1"', /./],
  ])('is found changed although a double would not show it: %s to %s', async (member, to, says) => {
    bySuperuser('changes a number past its 17th digit', `in new_state, to ${to}`);
    const found = await afterTampering(
      `UPDATE audit_events SET new_state = jsonb_set(new_state, '{${member}}', '${to}') ${THE_EVENT}`,
    );
    expect(places(found)).toEqual(['content@4']);
    expect(found.findings[0]!.detail).toMatch(says);
  });
});

/** In a cast that takes the bytes as they are, a superuser has any bytes in a column: also such as PostgreSQL would not make. */
describe('bytes that read as before', () => {
  /** Sets a column of the event to these bytes. */
  async function withBytes(
    column: string,
    type: 'text' | 'jsonb',
    bytes: Buffer,
  ): Promise<[string, ShownVerification]> {
    const ledger = `tampered-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    const members = { entity_id: 'O-\ufffd', source: '\ufffd', raw: { media_type: 'x/\ufffd', data: '' } };
    const metadata = { client_id: 'C-\ufffd', z: 'x' };
    await record(service, EVENTS, ledger, () => ({ ...members, metadata }));
    await tamper(
      service.database.adminUrl,
      `CREATE CAST (bytea AS ${type}) WITHOUT FUNCTION`,
      `UPDATE audit_events SET ${column} = CAST('\\x${bytes.toString('hex')}'::bytea AS ${type})
         WHERE ledger = '${ledger}' AND sequence = ${CHANGED}`,
      `DROP CAST (bytea AS ${type})`,
    );
    return [ledger, await verify(service, {}, ledger)];
  }

  it.each([
    ['entity_id', 'O-'],
    ['source', ''],
    ['raw_media_type', 'x/'],
  ])('are found where they are not UTF-8 and a U+FFFD stood: %s', async (column, before) => {
    bySuperuser('changes a column of a row', `${column}, from a U+FFFD to bytes that are not UTF-8`);
    const bytes = Buffer.concat([Buffer.from(before), Buffer.from([0xff])]);
    const [ledger, found] = await withBytes(column, 'text', bytes);
    if (column === 'entity_id') {
      // what it is done for
      const { body } = await service.http().get(`/v1/ledgers/${ledger}/orders/O-%EF%BF%BD/history`).expect(200);
      expect(body.events).toHaveLength(EVENTS - 1);
    }
    expect(places(found)).toEqual(['content@4']);
  });

  it.each([
    [
      'a string that is not UTF-8',
      [
        ['z', 'x'],
        ['client_id', 'C-\xff'],
      ],
    ],
    [
      'names in another order than that of jsonb',
      [
        ['client_id', 'C-\u00ef\u00bf\u00bd'],
        ['z', 'x'],
      ],
    ],
  ] as [string, [string, string][]][])('are found in jsonb: %s', async (what, members) => {
    bySuperuser('changes a column of a row', `metadata, to ${what}, which a search does not find`);
    const [ledger, found] = await withBytes('metadata', 'jsonb', jsonbOf(members));
    const { body } = await service
      .http()
      .get(`/v1/ledgers/${ledger}/events?metadata.client_id=C-%EF%BF%BD`)
      .expect(200);
    expect(body.events).toHaveLength(EVENTS - 1);
    expect(places(found)).toEqual(['content@4']);
  });

  /** A jsonb object of strings as PostgreSQL stores it, with names and values, Latin-1 for bytes, as they are given. */
  function jsonbOf(members: [name: string, value: string][]): Buffer {
    const IS_OBJECT = 0x2000_0000;
    const HAS_OFFSET = 0x8000_0000;
    const parts = [...members.map(([name]) => name), ...members.map(([, value]) => value)];
    const words = [IS_OBJECT + members.length, ...parts.map(({ length }, i) => (i === 0 ? HAS_OFFSET : 0) + length)];
    const head = Buffer.alloc(4 * words.length);
    words.forEach((word, i) => head.writeUInt32LE(word, 4 * i));
    return Buffer.concat([head, Buffer.from(parts.join(''), 'latin1')]);
  }
});

describe('events taken away', () => {
  it('one in the middle is missing, and its key says which', async () => {
    bySuperuser('deletes events', 'one in the middle');
    const { ledger, receipts } = await newLedger();
    await tamper(service.database.adminUrl, `DELETE FROM audit_events WHERE ledger = '${ledger}' AND sequence = 4`);
    const found = await verify(service, {}, ledger);
    expect(found).toMatchObject({ verdict: 'invalid', checked: '7', total: '8' });
    expect(places(found)).toEqual(['missing@4', 'key@4']);
    expect(found.findings[1]!.event_id).toBe(receipts[3]!.event_id);
  });

  it('several in a row are one gap', async () => {
    bySuperuser('deletes events', 'several in a row');
    const found = await afterTampering('DELETE FROM audit_events WHERE ledger = $ledger AND sequence BETWEEN 3 AND 5');
    expect(found.findings[0]).toMatchObject({
      kind: 'missing',
      sequence: '3',
      detail: 'there are no events from 3 to 5',
    });
    expect(places(found)).toEqual(['missing@3', 'key@3', 'key@4', 'key@5']);
  });

  it('the first is missing', async () => {
    bySuperuser('deletes events', 'the first');
    const found = await afterTampering('DELETE FROM audit_events WHERE ledger = $ledger AND sequence = 1');
    expect(places(found)).toEqual(['missing@1', 'key@1']);
  });

  it('the last is missing: the head has counted it', async () => {
    bySuperuser('deletes events', 'the last');
    const found = await afterTampering(`DELETE FROM audit_events WHERE ledger = $ledger AND sequence = ${EVENTS}`);
    expect(places(found)).toEqual(['missing@8', 'key@8']);
  });

  it('all are missing', async () => {
    bySuperuser('deletes events', 'all');
    const found = await afterTampering('DELETE FROM audit_events WHERE ledger = $ledger');
    expect(found).toMatchObject({ verdict: 'invalid', checked: '0' });
    expect(places(found)[0]).toBe('missing@1');
    expect(found.findings_total).toBe('9');
  });

  const CUT = `DELETE FROM audit_events WHERE ledger = $ledger AND sequence > 6;
    UPDATE ledger_heads SET size = 6, event_hash = (SELECT event_hash FROM audit_events AS e WHERE e.ledger = $ledger AND sequence = 6)
      WHERE ledger = $ledger`;

  it('a tail, with the head put back: the keys that are left show it', async () => {
    bySuperuser('cuts the tail', 'and puts the head back, and forgets the keys');
    const found = await afterTampering(CUT);
    expect(found.verdict).toBe('invalid');
    expect(places(found)).toEqual(['key@7', 'key@8']);
  });

  it('a tail, with head and keys: without a checkpoint nobody can know, and it is valid', async () => {
    bySuperuser('cuts the tail', 'with keys and head, before a checkpoint covers it', UNSIGNED);
    const found = await afterTampering(CUT, 'DELETE FROM event_keys WHERE ledger = $ledger AND sequence > 6');
    expect(found).toMatchObject({ verdict: 'valid', total: '6' });
  });
});

describe('months as a whole', () => {
  it('that are forgotten, detached, swapped and dropped, one after the other', async () => {
    const own = await startService();
    try {
      const { ledger } = await newLedger(own);
      const [{ month }] = (await query(
        own.database,
        'SELECT DISTINCT tableoid::regclass::text AS month FROM audit_events',
      )) as [{ month: string }];
      const schemaFindings = async (): Promise<string[]> =>
        (await runJob(own, 'schema-check')).outcome.findings.map(({ detail }) => detail);
      await query(own.database, 'CREATE TABLE kept AS SELECT * FROM months');

      bySuperuser('edits the catalogue', 'deletes a month’s row');
      await tamper(own.database.adminUrl, `DELETE FROM months WHERE partition_name = '${month}'`);
      expect(await schemaFindings()).toContainEqual(expect.stringContaining(month));
      endRow();
      await tamper(own.database.adminUrl, `INSERT INTO months SELECT * FROM kept WHERE partition_name = '${month}'`);
      await query(own.database, 'DROP TABLE kept');
      expect(await schemaFindings()).toEqual([]);

      await record(own, 4, ledger);
      bySuperuser('swaps in an older month', 'a copy of before the last 4 of 12 events, triggers and all');
      await query(
        own.database,
        `DO $$
         DECLARE bound text;
         BEGIN
           SELECT pg_get_expr(relpartbound, oid) INTO bound FROM pg_class WHERE relname = '${month}';
           CREATE TABLE older (LIKE ${month} INCLUDING ALL);
           INSERT INTO older SELECT * FROM ${month} WHERE sequence <= ${EVENTS};
           EXECUTE 'ALTER TABLE audit_events DETACH PARTITION ${month}';
           ALTER TABLE ${month} RENAME TO newer;
           ALTER TABLE older RENAME TO ${month};
           EXECUTE 'ALTER TABLE audit_events ATTACH PARTITION ${month} ' || bound;
         END $$`,
      );
      expect(places(await verify(own, {}, ledger)).slice(0, 2)).toEqual([`missing@${EVENTS + 1}`, `key@${EVENTS + 1}`]);
      expect(await schemaFindings()).not.toEqual([]);

      bySuperuser('drops a month', 'detaches it');
      await query(own.database, `ALTER TABLE audit_events DETACH PARTITION ${month}`);
      const found = await verify(own, {}, ledger);
      expect(found).toMatchObject({ verdict: 'invalid', checked: '0' });
      expect(places(found)[0]).toBe('missing@1');

      tampering('drops a month', 'the owner', 'and leaves its row in the catalogue');
      const asOwner = (sql: string) => connected(own.database.ownerUrl, (owner) => owner.query(sql));
      await query(own.database, 'DROP TABLE newer');
      await asOwner(`DROP TABLE ${month}`);
      expect(places(await verify(own, {}, ledger))[0]).toBe('missing@1');
      expect(await schemaFindings()).toContainEqual(
        expect.stringMatching(/^month audit_events_\d{4}_\d\d of the catalogue is no part of the trail$/),
      );

      tampering('drops a month', 'the owner', 'with its row in the catalogue');
      await asOwner(`DELETE FROM months WHERE partition_name = '${month}'`);
      expect(places(await verify(own, {}, ledger))[0]).toBe('missing@1');
      // nothing of the catalogue speaks of it any more: the events that are missing do
      expect(await schemaFindings()).toEqual([]);
    } finally {
      await own.close();
    }
  });
});

describe('events put in or moved', () => {
  const COPY_OF_4 = (changes: string): string =>
    `CREATE TEMP TABLE copied AS SELECT * FROM audit_events ${THE_EVENT};
     UPDATE copied SET ${changes};
     INSERT INTO audit_events SELECT * FROM copied;
     DROP TABLE copied`;

  it('two that changed places', async () => {
    bySuperuser('swaps two events', 'by their sequences');
    const found = await afterTampering(
      `UPDATE audit_events SET sequence = CASE sequence WHEN 3 THEN 1005 ELSE 1003 END WHERE ledger = $ledger AND sequence IN (3, 5);
       UPDATE audit_events SET sequence = sequence - 1000 WHERE ledger = $ledger AND sequence > 1000`,
    );
    expect([...new Set(places(found))]).toEqual([
      'link@3',
      'recorded_time@3',
      'key@3',
      'link@4',
      'link@5',
      'key@5',
      'link@6',
    ]);
    expect(found.findings.map(({ detail }) => detail)).toContainEqual(
      expect.stringMatching(/names sequence 5, and so does its event_hash: its sequence was changed/),
    );
  });

  it('one beyond the head', async () => {
    bySuperuser('inserts an event', 'beyond the head');
    const found = await afterTampering(COPY_OF_4(`sequence = 9, event_id = '0197f3a1-0000-7000-8000-0000000000fe'`));
    expect(places(found)).toEqual(['sequence@9']);
  });

  it('one before the first', async () => {
    bySuperuser('inserts an event', 'before the first');
    const found = await afterTampering(
      'ALTER TABLE audit_events DROP CONSTRAINT audit_events_sequence_check',
      COPY_OF_4(`sequence = 0, event_id = '0197f3a1-0000-7000-8000-0000000000fd'`),
    );
    expect(places(found)).toEqual(['sequence@0']);
    await connected(service.database.adminUrl, (admin) =>
      admin.query('ALTER TABLE audit_events ADD CONSTRAINT audit_events_sequence_check CHECK (sequence > 0) NOT VALID'),
    );
  });

  it('one of a sequence that another month has', async () => {
    bySuperuser('inserts an event', 'of a sequence that another month has');
    const found = await afterTampering(
      COPY_OF_4(
        `recorded_at = recorded_at + interval '1 month', user_id = 'mallory', event_id = '0197f3a1-0000-7000-8000-0000000000fc'`,
      ),
    );
    expect(places(found)).toEqual(['sequence@4', 'key@4']);
    expect(found.findings[0]).toMatchObject({ event_id: '0197f3a1-0000-7000-8000-0000000000fc' });
    expect(found).toMatchObject({ checked: '8' });
  });

  it('the same event in two months', async () => {
    bySuperuser('inserts an event', 'the same one in another month');
    const found = await afterTampering(COPY_OF_4(`recorded_at = recorded_at + interval '1 month'`));
    expect(places(found)).toContain('sequence@4');
  });

  it('one in between, where the others made room', async () => {
    bySuperuser('inserts an event', 'in between, and makes room for it');
    const found = await afterTampering(
      `UPDATE audit_events SET sequence = sequence + 1000 WHERE ledger = $ledger AND sequence > 4;
       UPDATE audit_events SET sequence = sequence - 999 WHERE ledger = $ledger AND sequence > 4;
       ${COPY_OF_4(`sequence = 5, event_id = '0197f3a1-0000-7000-8000-0000000000fb'`)};
       UPDATE ledger_heads SET size = 9 WHERE ledger = $ledger`,
    );
    expect(found.verdict).toBe('invalid');
    expect(places(found)).toEqual(expect.arrayContaining(['content@5', 'link@5', 'link@6', 'key@5', 'key@6', 'key@9']));
  });

  it.each([
    ['later', `+ interval '1 month'`],
    ['earlier', `- interval '1 month'`],
  ])('one that is moved to a month %s', async (which, by) => {
    bySuperuser('moves recorded_at', `to a month ${which}`);
    await connected(service.database.ownerUrl, (owner) =>
      owner.query(`SELECT create_month((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date)`),
    );
    const found = await afterTampering(`UPDATE audit_events SET recorded_at = recorded_at ${by} ${THE_EVENT}`);
    expect(places(found)).toEqual(expect.arrayContaining(['link@4', 'recorded_time@4']));
    expect(found.findings.every(({ sequence }) => sequence === '4')).toBe(true);
  });

  it('one whose time fits and whose table is another month', async () => {
    bySuperuser('moves recorded_at', 'and nothing else: the event stands in another month’s table');
    const own = await startService();
    try {
      const { ledger } = await newLedger(own);
      // past the partition's own constraint: detached, filled, and attached by somebody who edits the catalogue
      await tamper(
        own.database.adminUrl,
        `DO $$
         DECLARE here text; there text; bound text;
         BEGIN
           SELECT tableoid::regclass::text INTO here FROM audit_events WHERE ledger = '${ledger}' LIMIT 1;
           SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) INTO there, bound
             FROM pg_class AS c WHERE c.relname LIKE 'audit\\_events\\_2%' AND c.relkind = 'r' AND c.relname > here ORDER BY 1 LIMIT 1;
           EXECUTE format('ALTER TABLE audit_events DETACH PARTITION %I', there);
           EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE ledger = %L AND sequence = 4', there, here, '${ledger}');
           EXECUTE format('DELETE FROM %I WHERE ledger = %L AND sequence = 4', here, '${ledger}');
           EXECUTE format('ALTER TABLE %I ADD CONSTRAINT said CHECK (recorded_at IS NOT NULL AND recorded_at >= %L AND recorded_at < %L) NOT VALID',
             there, (regexp_match(bound, 'FROM \\(''([^'']+)'))[1], (regexp_match(bound, 'TO \\(''([^'']+)'))[1]);
           UPDATE pg_constraint SET convalidated = true WHERE conname = 'said';
           EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION %I %s', there, bound);
         END $$`,
      );
      const found = await verify(own, {}, ledger);
      expect(places(found)).toEqual(['recorded_time@4']);
      expect(found.findings[0]!.detail).toMatch(/outside the month in which the event stands$/);
    } finally {
      await own.close();
    }
  });
});

describe('keys', () => {
  const KEY = `WHERE ledger = $ledger AND sequence = ${CHANGED}`;

  it('one that was deleted', async () => {
    bySuperuser('edits keys', 'deletes one');
    const found = await afterTampering(`DELETE FROM event_keys ${KEY}`);
    expect(places(found)).toEqual(['key@4']);
    expect(found.findings[0]!.detail).toBe('the event has no key');
  });

  it('one that names another sequence', async () => {
    bySuperuser('edits keys', 'has one name another event');
    const found = await afterTampering(`UPDATE event_keys SET sequence = 7 ${KEY}`);
    expect(places(found)).toEqual(['key@4', 'key@7']);
    expect(found.findings[0]!.detail).toBe('the key of the event names sequence 7');
  });

  it('two that changed their sequences', async () => {
    bySuperuser('edits keys', 'swaps two');
    const found = await afterTampering(
      `UPDATE event_keys SET sequence = CASE sequence WHEN 3 THEN 5 ELSE 3 END WHERE ledger = $ledger AND sequence IN (3, 5)`,
    );
    expect(places(found)).toEqual(['key@3', 'key@3', 'key@5', 'key@5']);
  });

  it('one too many, which leads to another event', async () => {
    bySuperuser('edits keys', 'adds one that leads to another event');
    const found = await afterTampering(
      `INSERT INTO event_keys (ledger, event_id, sequence) VALUES ($ledger, '0197f3a1-0000-7000-8000-0000000000fa', 4)`,
    );
    expect(found.findings).toEqual([
      expect.objectContaining({ kind: 'key', sequence: '4', event_id: '0197f3a1-0000-7000-8000-0000000000fa' }),
    ]);
  });

  it.each(['100', '0', '-5'])('one too many, for sequence %s, which the ledger does not have', async (sequence) => {
    bySuperuser('edits keys', `adds one for sequence ${sequence}, which the ledger does not have`);
    const found = await afterTampering(
      `INSERT INTO event_keys (ledger, event_id, sequence) VALUES ($ledger, '0197f3a1-0000-7000-8000-0000000000f9', ${sequence})`,
    );
    expect(places(found)).toEqual([`key@${sequence}`]);
  });

  it('of another ledger', async () => {
    bySuperuser('edits keys', 'gives one to another ledger');
    const found = await afterTampering(`UPDATE event_keys SET ledger = 'main' ${KEY}`);
    expect(places(found)).toEqual(['key@4']);
  });
});

describe('the head and the ledger', () => {
  const HEAD = 'WHERE ledger = $ledger';

  it.each<[name: string, set: string, finds: string[]]>([
    ['a size too great', 'size = 10', ['missing@9']],
    ['a size beyond all reason', 'size = 9000000000000000000', ['missing@9']],
    ['a size too small', 'size = 7', ['link@7', 'sequence@8']],
    ['another hash', `event_hash = sha256('x')`, ['link@8']],
  ])('%s', async (what, set, finds) => {
    bySuperuser('edits the head', `gives it ${what}`);
    const found = await afterTampering(`UPDATE ledger_heads SET ${set} ${HEAD}`);
    expect(places(found)).toEqual(finds);
  });

  it('a size of nothing', async () => {
    bySuperuser('edits the head', 'gives it a size of nothing');
    const found = await afterTampering(`UPDATE ledger_heads SET size = 0, event_hash = NULL ${HEAD}`);
    expect(places(found)).toEqual(Array.from({ length: EVENTS }, (_, i) => `sequence@${i + 1}`));
  });

  it('a floor before its events', async () => {
    bySuperuser('edits the head', 'gives it a time before its events’');
    const found = await afterTampering(`UPDATE ledger_heads SET recorded_at = recorded_at - interval '1 hour' ${HEAD}`);
    expect(new Set(found.findings.map(({ kind }) => kind))).toEqual(new Set(['recorded_time']));
    expect(found.findings.map(({ detail }) => detail)).toContain("the head's recorded_at lies before the last event's");
  });

  it('no head at all', async () => {
    bySuperuser('edits the head', 'deletes it');
    const found = await afterTampering(`DELETE FROM ledger_heads ${HEAD}`);
    expect(found.findings).toEqual([
      { kind: 'sequence', sequence: null, event_id: null, detail: 'the ledger has no head' },
    ]);
    expect(found.checked).toBe('8');
  });

  it('another origin', async () => {
    bySuperuser('edits the catalogue', 'gives the ledger another origin');
    const found = await afterTampering(`UPDATE ledgers SET origin = 'audit.example.com/forged' WHERE ledger = $ledger`);
    expect(found.findings_total).toBe(String(EVENTS));
    expect(found.findings[0]).toMatchObject({ kind: 'link', sequence: '1', detail: "the ledger's origin was changed" });
  });

  it('events of a ledger that does not exist are found by the daily run', async () => {
    bySuperuser('edits the catalogue', 'gives events to a ledger that does not exist');
    const own = await startService();
    try {
      const { ledger } = await newLedger(own);
      await tamper(own.database.adminUrl, `UPDATE audit_events SET ledger = 'nobody' WHERE ledger = '${ledger}'`);
      const { outcome } = await runJob(own, 'chain-verification');
      expect(outcome).toMatchObject({
        verdict: 'invalid',
        schema: {
          findings: [
            { kind: 'sequence', sequence: '1', detail: 'there are events of a ledger nobody, which does not exist' },
          ],
        },
      });
    } finally {
      await own.close();
    }
  });
});

describe('DDL', () => {
  let own: TestService;
  let ledger: string;
  beforeEach(async () => {
    own = await startService();
    ({ ledger } = await newLedger(own));
  });
  afterEach(() => own.close());

  const asOwner = (sql: string): Promise<unknown> => connected(own.database.ownerUrl, (owner) => owner.query(sql));

  it('that rewrites a column, which fires no trigger', async () => {
    tampering('DDL that rewrites', 'the owner', 'ALTER COLUMN … TYPE … USING, which fires no trigger');
    await asOwner(
      `ALTER TABLE audit_events ALTER COLUMN user_id TYPE text COLLATE "C"
         USING CASE WHEN sequence = 4 AND ledger = '${ledger}' THEN 'mallory' ELSE user_id END`,
    );
    expect(places(await verify(own, {}, ledger))).toEqual(['content@4']);
  });

  it('a rule that swallows inserts: the events are missing', async () => {
    tampering('rules and triggers that swallow or change', 'the owner', 'a rule that swallows inserts, dropped again');
    await asOwner('CREATE RULE swallow AS ON INSERT TO audit_events DO INSTEAD NOTHING');
    await record(own, 2, ledger);
    await asOwner('DROP RULE swallow ON audit_events');
    const found = await verify(own, {}, ledger);
    expect(places(found)).toEqual(['missing@9', 'key@9', 'key@10']);
    expect(found.findings[0]!.detail).toBe('there are no events from 9 to 10');
  });

  it('a trigger that changes what comes in', async () => {
    tampering('rules and triggers that swallow or change', 'the owner', 'a trigger that changes what comes in');
    await asOwner(
      `CREATE FUNCTION polish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := 'x'; RETURN NEW; END $$;
       CREATE TRIGGER polish BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION polish()`,
    );
    await record(own, 1, ledger);
    expect(places(await verify(own, {}, ledger))).toEqual(['content@9']);
  });

  it('a disabled trigger, and what the owner then does', async () => {
    tampering('rules and triggers that swallow or change', 'the owner', 'disables all triggers and changes a row');
    await asOwner(
      `ALTER TABLE audit_events DISABLE TRIGGER ALL;
       DO $$ DECLARE month regclass; BEGIN
         FOR month IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_events'::regclass LOOP
           EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', month);
         END LOOP; END $$;
       UPDATE audit_events SET user_id = 'mallory' WHERE ledger = '${ledger}' AND sequence = 4`,
    );
    expect(places(await verify(own, {}, ledger))).toEqual(['content@4']);
    const { outcome } = await runJob(own, 'chain-verification');
    expect(outcome).toMatchObject({ verdict: 'invalid', schema: { verdict: 'invalid' } });
  });

  it('a replaced append function that forges', async () => {
    tampering(
      'rules and triggers that swallow or change',
      'the owner',
      'replaces the append function by one that forges',
    );
    await asOwner(
      `DO $$ DECLARE definition text; BEGIN
         SELECT pg_get_functiondef('append_events'::regproc) INTO definition;
         EXECUTE replace(definition, 'u.action, u.user_id, u.previous_state', 'u.action, ''mallory'', u.previous_state');
       END $$`,
    );
    await record(own, 1, ledger);
    expect(places(await verify(own, {}, ledger))).toEqual(['content@9']);
    expect((await runJob(own, 'schema-check')).outcome.verdict).toBe('invalid');
  });

  it.each([
    ['timestamp_digits', 'integer'],
    ['sequence', 'numeric'],
    ['recorded_by', "bytea USING convert_to(recorded_by, 'UTF8')"],
    ['new_state', 'json'],
    ['new_state', 'text'],
    ['salt', "text USING encode(salt, 'hex')"],
  ])('that gives a column another type is found, by one of the two: %s to %s', async (column, type) => {
    tampering('DDL that rewrites', 'a superuser', `gives ${column} the type ${type.split(' ')[0]!}`);
    await connected(own.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ name: string }>(
        `SELECT conname AS name FROM pg_constraint WHERE conrelid = 'audit_events'::regclass AND contype = 'c'`,
      );
      for (const { name } of rows) await admin.query(`ALTER TABLE audit_events DROP CONSTRAINT ${name}`);
      await admin.query(`ALTER TABLE audit_events ALTER COLUMN ${column} TYPE ${type}`);
    });
    const { verdict } = await verify(own, {}, ledger);
    // bytes that are the same on the wire are the schema check's alone to find
    expect([column, verdict]).toEqual([
      column,
      column === 'recorded_by' ? 'valid' : expect.stringMatching(/invalid|undecided/),
    ]);
    expect((await runJob(own, 'schema-check')).outcome.verdict).toBe('invalid');
  });

  it('columns that may be empty, and are: each is found, and none stops the verification', async () => {
    tampering('DDL that rewrites', 'a superuser', 'drops NOT NULL and constraints, and empties every column');
    const optional = [
      'previous_state',
      'corrects',
      'source',
      'source_session',
      'source_sequence',
      'raw_media_type',
      'raw_data',
    ];
    const columns = await connected(own.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ name: string }>(
        `SELECT column_name AS name FROM information_schema.columns
           WHERE table_name = 'audit_events' AND column_name NOT IN ('ledger', 'sequence', 'recorded_at')`,
      );
      return rows.map(({ name }) => name);
    });
    await record(own, columns.length, ledger);
    await connected(own.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ name: string; parent: string }>(
        `SELECT conrelid::regclass::text AS parent, conname AS name FROM pg_constraint WHERE conrelid = 'audit_events'::regclass AND contype = 'c'`,
      );
      for (const { name, parent } of rows) await admin.query(`ALTER TABLE ${parent} DROP CONSTRAINT ${name}`);
      for (const column of columns)
        await admin.query(`ALTER TABLE audit_events ALTER COLUMN "${column}" DROP NOT NULL`);
    });
    await tamper(
      own.database.adminUrl,
      ...columns.map(
        (column, i) =>
          `UPDATE audit_events SET "${column}" = NULL WHERE ledger = '${ledger}' AND sequence = ${EVENTS + 1 + i}`,
      ),
    );
    const found = await verify(own, {}, ledger);
    expect(found).toMatchObject({
      status: 'done',
      verdict: 'invalid',
      unread: [],
      checked: String(EVENTS + columns.length),
    });
    const damaged = new Set(found.findings.map(({ sequence }) => Number(sequence) - EVENTS - 1));
    // what these events did not have in the first place cannot be taken from them
    expect(columns.filter((_, i) => !damaged.has(i)).sort()).toEqual(optional.sort());
  });
});

describe('the application’s role', () => {
  /** Runs a statement as the service may, and gives back by which SQLSTATE it was refused. */
  async function refusalOf(url: string, asService: boolean, statement: string): Promise<string | undefined> {
    const client = new pg.Client(connectionOptions({ url, asService, applicationName: 'test', lockTimeoutMs: 0 }));
    await client.connect();
    try {
      await client.query(statement);
      return undefined;
    } catch (error) {
      return (error as { code?: string }).code;
    } finally {
      await client.end();
    }
  }

  const CHANGES: [way: Way, statement: (ledger: string) => string][] = [
    ['INSERT', (ledger) => `INSERT INTO audit_events SELECT * FROM audit_events WHERE ledger = '${ledger}' LIMIT 1`],
    ['UPDATE', (ledger) => `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = '${ledger}'`],
    ['DELETE', (ledger) => `DELETE FROM audit_events WHERE ledger = '${ledger}'`],
    ['TRUNCATE', () => 'TRUNCATE audit_events'],
  ];

  it.each(CHANGES)('is refused, and nothing is changed: %s', async (way, statement) => {
    const { ledger } = await newLedger();
    tampering(way, 'the service’s role', 'on audit_events');
    const code = await refusalOf(service.database.serviceUrl, true, statement(ledger));
    expect(code).toBe(SqlState.insufficientPrivilege);
    refused('PostgreSQL’s privileges', code!);
    expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '8' });
  });

  it.each(CHANGES.slice(1))('is refused to the owner as well, by a trigger: %s', async (way, statement) => {
    const { ledger } = await newLedger();
    tampering(way, 'the owner', 'on audit_events');
    const code = await refusalOf(service.database.ownerUrl, false, statement(ledger));
    expect(code).toBe(SqlState.appendOnly);
    refused('triggers', code!);
    expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '8' });
  });

  const FORGED_ID = '0197f3a1-0000-7000-8000-0000000000f0';
  /** Calls the append function as the service may, with arguments of one's own. */
  async function appendAsService(ledger: string, members: Record<string, string>): Promise<void> {
    const values: Record<string, string> = {
      user_id: `'trader-1'`,
      new_state: `'{"price": "1"}'::jsonb`,
      recorded_by: `'key:0190a0b0-0000-7000-8000-000000000001'`,
      content_hash: `sha256('anything')`,
      ...members,
    };
    const client = new pg.Client(
      connectionOptions({
        url: service.database.serviceUrl,
        asService: true,
        applicationName: 'test',
        lockTimeoutMs: 0,
      }),
    );
    await client.connect();
    try {
      await client.query(
        `SELECT append_events('${ledger}', interval '2 seconds', ARRAY[0], ARRAY['${FORGED_ID}'::uuid], ARRAY['2026-06-02 08:00:00+00'::timestamptz],
           ARRAY[0::smallint], ARRAY[0::smallint], ARRAY['t'], ARRAY['order'], ARRAY['O'], ARRAY['create'], ARRAY[${values.user_id}],
           ARRAY[NULL::jsonb], ARRAY[${values.new_state}], ARRAY['{}'::jsonb], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text],
           ARRAY[NULL::uuid], ARRAY[NULL::text], ARRAY[NULL::bytea], ARRAY[${values.recorded_by}],
           ARRAY['\\x000102030405060708090a0b0c0d0e0f'::bytea], ARRAY[${values.content_hash}])`,
      );
    } finally {
      await client.end();
    }
  }

  it.each<[name: string, members: Record<string, string>, finds: string[]]>([
    ['a content hash that is none of the content', {}, ['content@9']],
    ['a content that the door would not take', { user_id: `repeat('x', 300)` }, ['content@9']],
    ['a number that no double has', { new_state: `'{"n": 9007199254740993}'::jsonb` }, ['content@9']],
    ['a principal that breaks out of its JSON', { recorded_by: `'key:x","sequence":"1'` }, ['content@9', 'link@9']],
  ])('forges through the append function: %s', async (name, members, finds) => {
    tampering('calls the append function with forged arguments', 'the service’s role', name);
    const { ledger } = await newLedger();
    try {
      await appendAsService(ledger, members);
    } catch (error) {
      // the function may as well refuse it
      const code = (error as { code?: string }).code ?? '';
      expect(code).toMatch(/^(2|TT)/);
      refused('the append function', code);
      return;
    }
    expect(places(await verify(service, {}, ledger))).toEqual(finds);
  });

  it('records what is true in itself under a principal of its choice', async () => {
    tampering(
      'calls the append function with forged arguments',
      'the service’s role',
      'a right content hash, and a principal who did not send it',
      { blind: 'whoever has the service’s login may name any principal: keep it from people' },
    );
    const { ledger } = await newLedger();
    const salt = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    const { text } = canonicalContent({
      event_id: FORGED_ID,
      timestamp: '2026-06-02T08:00:00Z',
      ...{ event_type: 't', entity_type: 'order', entity_id: 'O', action: 'create', user_id: 'trader-1' },
      ...{ previous_state: null, new_state: { price: '1' }, metadata: {} },
    });
    await appendAsService(ledger, { content_hash: `'\\x${contentHash(salt, text).toString('hex')}'::bytea` });
    expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '9' });
  });
});

describe('a whole rewriting', () => {
  it.each([1n, 4n, 8n])(
    'from event %s on, with right hashes and head: without a checkpoint nobody can know, and it is valid',
    async (sequence) => {
      tampering(
        'rewrites all from an event on, with right hashes',
        'a superuser',
        `from event ${sequence} on, before a checkpoint covers it`,
        UNSIGNED,
      );
      const { ledger } = await newLedger();
      await tamper(service.database.adminUrl, ...(await rewriting(service.database, ledger, sequence)));
      expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '8', findings_total: '0' });
    },
  );

  it('that forgets the head is found', async () => {
    tampering('rewrites all from an event on, with right hashes', 'a superuser', 'and forgets the head');
    const { ledger } = await newLedger();
    await tamper(service.database.adminUrl, ...(await rewriting(service.database, ledger, 4n)).slice(0, -1));
    expect(places(await verify(service, {}, ledger))).toEqual(['link@8']);
  });

  it('that forgets the last event is found', async () => {
    tampering('rewrites all from an event on, with right hashes', 'a superuser', 'and forgets the last event');
    const { ledger } = await newLedger();
    await tamper(service.database.adminUrl, ...(await rewriting(service.database, ledger, 4n)).slice(0, -2));
    expect(places(await verify(service, {}, ledger))).toEqual(['link@8']);
  });
});

describe('more than can be listed', () => {
  it('is counted', async () => {
    const ledger = `tampered-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    await record(service, 1_500, ledger);
    await tamper(service.database.adminUrl, `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = '${ledger}'`);
    const found = await verify(service, {}, ledger);
    expect(found.findings_total).toBe('1500');
    expect(found.findings).toHaveLength(1000);
  });
});

publishesItsRows('tamper.e2e-spec.ts');
