import pg from 'pg';
import { ArchiveVerifier, type ArchiveVerificationOutcome } from '../src/archive/archive-verifier.js';
import { SERVICE_ROLE } from '../src/database/connection.js';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { query } from './support/keys.js';
import { recordInThePast } from './support/months.js';
import { STORES, type TestStore } from './support/stores.js';
import { publishesItsRows, seen, tampering, type Found } from './support/tamper-matrix.js';
import { ANY_DIFFERENCE_MS } from './support/trail-clock.js';
import { connected, runJob, tamper } from './support/verification.js';

/*
 * Late executions are found, once their month has left PostgreSQL, by a list in the database. What a superuser does to that
 * list past its triggers, and what the verification of the archive, which has the events themselves, then says of it.
 */

/** Months that have left, back from the present one, and one that stays. */
const LEFT = [17, 16, 15, 14, 13];
const STAYS = 2;
const LATE = '2001-02-03';
const OTHER = '2001-02-04';
const DAY_MS = 86_400_000;

interface StoreFinding {
  kind: string;
  object_key: string | null;
  ledger: string;
  sequence: string;
  detail: string;
}

interface Entry {
  ledger: string;
  day: string;
  sequence: string;
}

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'the list of late executions beside %s,',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    /** as it was made when the months left, in order */
    let whole: Entry[];
    /** by ledger and sequence */
    let objects: { object_key: string; number: string; ledger: string; from_sequence: string; to_sequence: string }[];

    beforeAll(async () => {
      test = await make();
      service = await startService({
        // the export of the minute would archive the verifications' own events
        env: { ARCHIVE_URL: test.url, ONLINE_MONTHS: '12', ARCHIVE_EXPORT_AGE: '24h' },
        settings: { CLOCK_TOLERANCE: ANY_DIFFERENCE_MS },
      });
      for (const ledger of ['main', 'desk']) {
        await service.http().put(`/v1/ledgers/${ledger}`);
        await recordInThePast(
          service.database,
          ledger,
          [...LEFT, STAYS].map((back) => ({ at: monthsAgo(back).toISOString(), events: eventsOf(monthsAgo(back)) })),
        );
      }
      await runJob(service, 'partition-maintenance');
      await runJob(service, 'archive-export');
      expect((await runJob(service, 'retention')).outcome).toMatchObject({ dropped: LEFT.map(monthOf) });
      whole = await entries();
      objects = await query(
        service.database,
        `SELECT o.object_key, o.number, r.ledger, r.from_sequence, r.to_sequence FROM archive_objects AS o
           JOIN archive_ranges AS r ON r.number = o.number WHERE o.kind = 'month'`,
      );
    });
    afterAll(async () => {
      await service.close();
      test.close();
    });

    function monthsAgo(back: number): Date {
      const now = new Date();
      return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 15, 12));
    }
    const monthOf = (back: number): string => `${monthsAgo(back).toISOString().slice(0, 7)}-01`;

    /** Six of a month: the second and fifth tell late, the third in time, the fourth of another's execution, none of an order's. */
    function eventsOf(at: Date): object[] {
      const told = (execution: object, members: object = {}) =>
        sampleEvent({ timestamp: at.toISOString(), metadata: execution, ...members });
      const early = new Date(at.getTime() - DAY_MS).toISOString();
      return [
        told({ client_id: 'C-1' }),
        told({ execution_id: 'X-1', execution_time: `${LATE}T23:30:00-01:00` }),
        told({ execution_id: 'X-2', execution_time: early }),
        told({ execution_id: 'X-3', execution_time: `${LATE}T10:00:00Z` }, { event_type: 'risk' }),
        told({ execution_id: 'X-4', execution_time: `${LATE}T10:00:00.5Z`, a: { execution_time: at.toISOString() } }),
        told({ execution_time: `${LATE}T10:00:00Z`, n: 1.5e21 }),
      ];
    }
    const PER_MONTH = 6;

    const entries = (): Promise<Entry[]> =>
      query(
        service.database,
        'SELECT ledger, day, sequence FROM late_executions ORDER BY ledger, sequence, day',
      ) as never;
    const byAdmin = (...statements: string[]): Promise<void> => tamper(service.database.adminUrl, ...statements);
    const insert = (ledger: string, day: string, sequence: number): string =>
      `INSERT INTO late_executions (ledger, day, sequence) VALUES ('${ledger}', '${day}', ${sequence})`;
    const remove = (ledger: string, sequence: number): string =>
      `DELETE FROM late_executions WHERE ledger = '${ledger}' AND sequence = ${sequence}`;

    /** Puts back what was there, past the triggers. */
    async function restore(): Promise<void> {
      await byAdmin(
        'DELETE FROM late_executions',
        ...whole.map(({ ledger, day, sequence }) => insert(ledger, day, Number(sequence))),
        `UPDATE months SET executions_listed_at = now() WHERE state = 'dropped'`,
      );
    }

    async function complete(): Promise<{ verdict: string; findings: StoreFinding[]; listed: string[] }> {
      const { outcome } = await runJob(service, 'archive-verification');
      return outcome as never;
    }
    const sample = (): Promise<ArchiveVerificationOutcome> =>
      service.app.get(ArchiveVerifier).run(false, new AbortController().signal);

    function keyOf(ledger: string, sequence: number): string | null {
      const holds = ({ ledger: of, from_sequence: from, to_sequence: to }: (typeof objects)[0]): boolean =>
        of === ledger && BigInt(from) <= sequence && BigInt(to) >= sequence;
      return objects.find(holds)?.object_key ?? null;
    }

    const foundWrong = async (): Promise<string[]> => {
      const rows = await query<{ object_key: string }>(
        service.database,
        `SELECT object_key FROM archive_objects JOIN archive_object_states USING (number)
           WHERE found_wrong_at IS NOT NULL ORDER BY number`,
      );
      return rows.map(({ object_key: key }) => key);
    };

    it('is found right while nobody touches it', async () => {
      const expected = ['desk', 'main'].flatMap((ledger) =>
        LEFT.flatMap((_back, i) => [2, 5].map((at) => ({ ledger, day: LATE, sequence: String(i * PER_MONTH + at) }))),
      );
      expect(whole).toEqual(expected);
      expect(await complete()).toMatchObject({ verdict: 'valid', findings: [], listed: [] });
      expect(await foundWrong()).toEqual([]);
    });

    const online = LEFT.length * PER_MONTH + 2;
    const WAYS: { what: string; ledger: string; sequence: number; act: string[]; says: RegExp }[] = [
      {
        ...{ what: 'an entry taken out', ledger: 'main', sequence: 8, act: [remove('main', 8)] },
        says: /^event 8 of main tells of an execution of 2001-02-03, and the list of late executions has it not: /,
      },
      {
        ...{ what: 'an entry of an event that was told in time', ledger: 'desk', sequence: 9 },
        ...{
          act: [insert('desk', OTHER, 9)],
          says: /^the list .* has event 9 of desk under 2001-02-04, where it does not/,
        },
      },
      {
        ...{ what: 'an entry moved to another day', ledger: 'main', sequence: 29 },
        act: [remove('main', 29), insert('main', OTHER, 29)],
        says: /^event 29 of main tells of an execution of 2001-02-03, and the list .* has it under 2001-02-04: /,
      },
      {
        ...{ what: 'an entry of another day beside the right one', ledger: 'desk', sequence: 2 },
        ...{
          act: [insert('desk', OTHER, 2)],
          says: /^the list .* has event 2 of desk under 2001-02-04, where it does not/,
        },
      },
      {
        ...{ what: 'an entry of an event that has not left, told late', ledger: 'main', sequence: online },
        ...{ act: [insert('main', LATE, online)], says: /^the list .* under 2001-02-03, where it does not belong: / },
      },
      {
        ...{ what: 'an entry of an event that there is not', ledger: 'main', sequence: 1_000_000 },
        act: [insert('main', LATE, 1_000_000)],
        says: /^the list .* has event 1000000 of main under 2001-02-03, and no object of a month holds that event: /,
      },
    ];

    it.each(WAYS)('names $what', async ({ what, ledger, sequence, act, says }) => {
      tampering('edits the catalogue', 'a superuser', `of late executions: ${what}`);
      await byAdmin(...act);
      try {
        const { verdict, findings } = await complete();
        seen(
          'archive',
          findings.map((each): Found => ({ kind: each.kind, sequence: each.sequence })),
        );
        const key = keyOf(ledger, sequence);
        expect(verdict).toBe('invalid');
        expect(findings).toEqual([
          {
            kind: 'catalogue',
            object_key: key,
            ledger,
            sequence: String(sequence),
            detail: expect.stringMatching(says),
          },
        ]);
        expect(await foundWrong()).toEqual(key === null ? [] : [key]);
      } finally {
        await restore();
      }
      expect(await complete()).toMatchObject({ verdict: 'valid', findings: [], listed: [] });
      expect(await foundWrong()).toEqual([]);
    });

    it('names each entry where all are gone', async () => {
      tampering('edits the catalogue', 'a superuser', 'of late executions: all that there is');
      await byAdmin('TRUNCATE late_executions');
      const { findings } = await complete();
      seen(
        'archive',
        [...new Set(findings.map(({ kind }) => kind))].map((kind): Found => ({ kind })),
      );
      const places = findings.map(({ ledger, sequence }) => `${ledger} ${sequence}`);
      expect(places.sort()).toEqual(whole.map(({ ledger, sequence }) => `${ledger} ${sequence}`).sort());
      await restore();
    });

    it('is mended as the documents say: what is wrong goes, and the month is listed again from the archive', async () => {
      await byAdmin(remove('main', 8), insert('main', OTHER, 9));
      expect((await complete()).findings).toMatchObject([{ sequence: '8' }, { sequence: '9' }]);
      const [, second] = LEFT.map(monthOf);
      await connected(service.database.ownerUrl, (owner) =>
        owner.query(`
          BEGIN;
          ALTER TABLE late_executions DISABLE TRIGGER USER;
          DELETE FROM late_executions WHERE ledger = 'main' AND sequence = 9;
          ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_row;
          ALTER TABLE late_executions ENABLE ALWAYS TRIGGER late_executions_refuse_statement;
          UPDATE months SET executions_listed_at = NULL WHERE month = '${second}';
          COMMIT`),
      );
      expect(await complete()).toMatchObject({ verdict: 'valid', findings: [], listed: [second] });
      expect(await entries()).toEqual(whole);
    });

    it('takes up months that had left before there was a list, the last ones first, and is held against the archive then', async () => {
      await byAdmin(
        'DELETE FROM late_executions',
        `UPDATE months SET executions_listed_at = NULL WHERE state = 'dropped'`,
        insert('desk', OTHER, 3), // which is wrong
      );
      const first = await sample();
      expect(first).toMatchObject({ findings: [], listed: LEFT.slice(-3).reverse().map(monthOf) });
      expect(await entries()).toEqual([
        ...[{ ledger: 'desk', day: OTHER, sequence: '3' }],
        ...whole.filter(({ sequence }) => Number(sequence) > 2 * PER_MONTH),
      ]);
      // a month is listed even where somebody has entered what is wrong, which is named each time it is read
      const wrong = [{ kind: 'catalogue', ledger: 'desk', sequence: '3' }];
      expect(await sample()).toMatchObject({ findings: wrong, listed: LEFT.slice(0, 2).reverse().map(monthOf) });
      await byAdmin(remove('desk', 3));
      expect(await entries()).toEqual(whole);
      expect(await sample()).toMatchObject({ findings: [], listed: [] });
      expect(await complete()).toMatchObject({ verdict: 'valid', findings: [], listed: [] });
    });

    it('takes from the service what belongs to a month that has left unlisted, and nothing else', async () => {
      const [first, second] = LEFT.map(monthOf) as [string, string];
      const enter = (client: pg.Client, month: string, ledger: string, sequences: number[], day = OTHER) =>
        client
          .query<{ entered: string }>('SELECT enter_late_executions($1, $2, $3, $4) AS entered', [
            ...[month, ledger, sequences],
            sequences.map(() => day),
          ])
          .then(({ rows }) => Number(rows[0]!.entered));
      const finish = async (client: pg.Client, month: string): Promise<unknown> =>
        (await client.query<{ done: boolean }>('SELECT finish_late_executions($1) AS done', [month])).rows[0]!.done;
      await byAdmin(`UPDATE months SET executions_listed_at = NULL WHERE month = '${first}'`);
      await connected(service.database.adminUrl, async (client) => {
        await client.query(`SET ROLE ${SERVICE_ROLE}`);
        expect(await enter(client, second, 'main', [8])).toBe(0); // is listed
        expect(await enter(client, monthOf(STAYS), 'main', [online])).toBe(0); // has not left
        expect(await finish(client, monthOf(STAYS))).toBe(false);
        expect(await enter(client, first, 'main', [8, 10_000])).toBe(0); // not its own
        expect(await enter(client, first, 'nobody', [1])).toBe(0);
        await expect(enter(client, first, 'main', [1], '3 February 2001')).rejects.toThrow('late_executions_day_check');
        expect(await enter(client, first, 'main', [2], LATE)).toBe(0); // is there
        expect(await enter(client, first, 'main', [1, 8])).toBe(1);
        expect(await finish(client, first)).toBe(true);
        expect(await finish(client, first)).toBe(false);
        expect(await enter(client, first, 'main', [3])).toBe(0);
      });
      expect(await complete()).toMatchObject({ findings: [{ kind: 'catalogue', ledger: 'main', sequence: '1' }] });
      await byAdmin(remove('main', 1));

      // a month of which an object is not catalogued is not whole
      await byAdmin(
        `UPDATE months SET executions_listed_at = NULL WHERE month = '${first}'`,
        `UPDATE archive_ranges SET to_sequence = to_sequence - 1 WHERE kind = 'month' AND ledger = 'main' AND from_sequence = 1`,
      );
      await connected(service.database.adminUrl, async (client) => {
        await client.query(`SET ROLE ${SERVICE_ROLE}`);
        expect(await finish(client, first)).toBe(false);
      });
      const { findings, listed } = await complete();
      expect(listed).toEqual([]);
      expect(findings[0]).toMatchObject({ kind: 'catalogue', object_key: keyOf('main', 1) });
      await byAdmin(
        `UPDATE archive_ranges SET to_sequence = to_sequence + 1 WHERE kind = 'month' AND ledger = 'main' AND from_sequence = 1`,
      );
      expect(await complete()).toMatchObject({ findings: [], listed: [first] });
      expect(await entries()).toEqual(whole);
    });
  },
);

publishesItsRows('tamper-late-executions.e2e-spec.ts', [
  'the list of late executions beside S3,',
  'the list of late executions beside a folder,',
]);
