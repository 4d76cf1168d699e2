import { setTimeout as pause } from 'node:timers/promises';
import { startService, TEST_KEY, type TestService } from './support/app.js';
import { Replica } from './support/replica.js';
import {
  connected,
  record,
  runJob,
  tamper,
  verify,
  whenOver,
  type ShownFinding,
  type ShownVerification,
} from './support/verification.js';

/**
 * Many events, quickly: by the append function itself. All of their contents are damaged, so that there is something to
 * be lost or found twice.
 */
async function fill(service: TestService, events: number): Promise<void> {
  const CALL = 5_000;
  await connected(service.database.adminUrl, async (admin) => {
    for (let appended = 0; appended < events; appended += CALL) {
      await admin.query(
        `SELECT append_events('main', interval '2 seconds', array_agg(i), array_agg(gen_random_uuid()), array_agg('2026-06-02 08:00:00+00'::timestamptz),
           array_agg(0::smallint), array_agg(0::smallint), array_agg('t'::text), array_agg('order'::text), array_agg('O'::text), array_agg('create'::text), array_agg('u'::text),
           array_agg(NULL::jsonb), array_agg('{}'::jsonb), array_agg('{}'::jsonb), array_agg(NULL::text), array_agg(NULL::text), array_agg(NULL::text),
           array_agg(NULL::uuid), array_agg(NULL::text), array_agg(NULL::bytea), array_agg('service'::text),
           array_agg('\\x000102030405060708090a0b0c0d0e0f'::bytea), array_agg(sha256('x'::bytea)))
         FROM generate_series(1, ${CALL}) AS i`,
      );
    }
  });
}

describe('a run under way', () => {
  it('stops when it is cancelled, and keeps what it found', async () => {
    const service = await startService({ env: { VERIFICATION_WORKERS: '1' } });
    try {
      await fill(service, 80_000);
      const { headers } = await service.http().post('/v1/ledgers/main/verifications').expect(202);
      const read = async () => (await service.http().get(headers.location!)).body as ShownVerification;
      while ((await read()).checked === '0') await pause(5);
      const { body } = await service.http().post(`${headers.location!}/cancel`).expect(200);
      expect(body).toMatchObject({ status: 'cancelled', verdict: null });
      const after = await verify(service, { to_sequence: '10' }); // begins when the other has stopped
      expect(after).toMatchObject({ verdict: 'invalid', findings_total: '10' });
      const kept = await read();
      expect(kept).toMatchObject({ status: 'cancelled', checked: body.checked });
      expect(Number(kept.checked)).toBeLessThan(80_000);
      expect(kept.findings_total).toBe(kept.checked);
    } finally {
      await service.close();
    }
  });
});

describe('several replicas', () => {
  it('take up a run whose replica has died, where it stopped', async () => {
    const service = await startService();
    try {
      const receipts = await record(service, 50);
      await tamper(
        service.database.adminUrl,
        `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = 'main' AND sequence IN (10, 40)`,
      );
      // what a replica leaves behind that has got as far as sequence 20
      const finding: ShownFinding = {
        kind: 'content',
        sequence: '10',
        event_id: receipts[9]!.event_id,
        detail: 'seen before',
      };
      const id = '0197f3a1-0000-7000-8000-00000000dead';
      await connected(service.database.adminUrl, (admin) =>
        admin.query(
          `INSERT INTO verifications (id, ledger, from_sequence, to_sequence, to_head, status, next_sequence, checked,
               findings, findings_total, requested_by, runner, created_at, started_at, progress_at)
             VALUES ($1, 'main', 1, 50, true, 'running', 21, 20, $2, 1, 'service', gen_random_uuid(),
               now() - interval '2 minutes', now() - interval '2 minutes', now() - interval '1 minute')`,
          [id, JSON.stringify([finding])],
        ),
      );
      await verify(service); // whoever looks for work takes the older run first
      const found = await whenOver<ShownVerification>(service, `/v1/ledgers/main/verifications/${id}`);
      expect(found).toMatchObject({ status: 'done', verdict: 'invalid', checked: '50', findings_total: '2' });
      expect(found.findings[0]).toEqual(finding); // not looked at again
      expect(found.findings[1]).toMatchObject({ kind: 'content', sequence: '40' });
    } finally {
      await service.close();
    }
  });

  it('share the ledgers of one daily run', async () => {
    const first = await startService();
    const second = await startService({ database: first.database });
    try {
      for (let i = 0; i < 6; i++) await first.http().put(`/v1/ledgers/desk-${i}`).expect(201);
      for (let i = 0; i < 6; i++) await record(first, 20, `desk-${i}`);
      const [a, b] = await Promise.all([runJob(first, 'chain-verification'), runJob(second, 'chain-verification')]);
      expect(a.outcome.verdict).toBe('valid');
      expect(b.outcome.verdict).toBe('valid');
      // one after the other
      const runs = await connected(first.database.adminUrl, async (admin) => {
        const { rows } = await admin.query<{ started_at: Date; finished_at: Date }>(
          `SELECT started_at, finished_at FROM job_runs WHERE job = 'chain-verification' ORDER BY started_at`,
        );
        return rows;
      });
      expect(runs).toHaveLength(2);
      expect(runs[1]!.started_at.getTime()).toBeGreaterThanOrEqual(runs[0]!.finished_at.getTime());
    } finally {
      await second.close();
      await first.close();
    }
  });

  it('go on with a verification after the one that ran it was killed', async () => {
    const service = await startService({ env: { PORT: '0' } }); // makes the database, and asks
    const events = 120_000;
    let doomed: Replica | undefined;
    try {
      await fill(service, events);
      doomed = await Replica.start({ DATABASE_URL: service.database.serviceUrl, VERIFICATION_WORKERS: '1' });
      const other = { http: () => service.http(TEST_KEY) };
      const asked = await fetch(`${doomed.url}/v1/ledgers/main/verifications`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TEST_KEY}` },
      });
      const { id } = (await asked.json()) as { id: string };
      const location = `/v1/ledgers/main/verifications/${id}`;
      let checked = 0;
      while (checked === 0) {
        await pause(5);
        checked = Number((await other.http().get(location)).body.checked);
      }
      expect(await doomed.end('SIGKILL')).toBe('SIGKILL');
      expect((await other.http().get(location)).body.status).toBe('running');
      await connected(service.database.adminUrl, (admin) =>
        admin.query(`UPDATE verifications SET progress_at = progress_at - interval '1 minute' WHERE id = $1`, [id]),
      );
      const found = await whenOver<ShownVerification>(other, location);
      expect(found).toMatchObject({
        status: 'done',
        verdict: 'invalid',
        checked: String(events),
        findings_total: String(events),
      });
      expect(found.findings.map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 1000 }, (_, i) => String(i + 1)),
      );
    } finally {
      await doomed?.end('SIGKILL');
      await service.close();
    }
  });
});
