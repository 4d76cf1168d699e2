import { startService, type TestService } from './support/app.js';
import { connected, record, runJob, tamper, verify, whenOver } from './support/verification.js';

describe('verification of a range', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  let ledgers = 0;
  async function newLedger(): Promise<string> {
    const ledger = `verified-${(ledgers += 1)}`;
    await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    return ledger;
  }
  const post = (ledger: string, body?: object) => service.http().post(`/v1/ledgers/${ledger}/verifications`).send(body);

  it('of an untouched ledger says valid, in the shape that is promised', async () => {
    const ledger = await newLedger();
    await record(service, 25, ledger);
    const found = await verify(service, {}, ledger);
    expect(found).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      ledger,
      from_sequence: '1',
      to_sequence: '25',
      status: 'done',
      verdict: 'valid',
      checked: '25',
      total: '25',
      findings: [],
      findings_total: '0',
      unread: [],
      deleted: [],
      requested_by: expect.stringMatching(/^key:/),
      created_at: expect.any(String),
      started_at: expect.any(String),
      finished_at: expect.any(String),
    });
    const { body } = await service.http().get(`/v1/ledgers/${ledger}/verifications`).expect(200);
    expect(body.verifications).toEqual([found]);
  });

  it('of an empty ledger says valid', async () => {
    const found = await verify(service, {}, await newLedger());
    expect(found).toMatchObject({ verdict: 'valid', checked: '0', total: '0' });
  });

  it('of the service’s own ledger says valid, though it grows by every verification', async () => {
    expect(await verify(service, {}, '_service')).toMatchObject({ verdict: 'valid' });
    expect(await verify(service, {}, '_service')).toMatchObject({ verdict: 'valid' });
  });

  it('by sequence includes both ends, and is cut at the ledger’s', async () => {
    const ledger = await newLedger();
    await record(service, 20, ledger);
    expect(await verify(service, { from_sequence: '5', to_sequence: '7' }, ledger)).toMatchObject({
      verdict: 'valid',
      checked: '3',
      total: '3',
    });
    expect(await verify(service, { from_sequence: '18', to_sequence: '99' }, ledger)).toMatchObject({
      from_sequence: '18',
      to_sequence: '20',
      checked: '3',
    });
    await tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = '${ledger}' AND sequence = 10`,
    );
    const verdicts = async (from: number, to: number): Promise<string | null> =>
      (await verify(service, { from_sequence: String(from), to_sequence: String(to) }, ledger)).verdict;
    expect(await verdicts(1, 9)).toBe('valid');
    expect(await verdicts(11, 20)).toBe('valid');
    expect(await verdicts(10, 10)).toBe('invalid');
    expect(await verdicts(1, 20)).toBe('invalid');
  });

  it('reads the event before its first', async () => {
    const ledger = await newLedger();
    await record(service, 6, ledger);
    await tamper(service.database.adminUrl, `DELETE FROM audit_events WHERE ledger = '${ledger}' AND sequence = 3`);
    const found = await verify(service, { from_sequence: '4' }, ledger);
    expect(found.findings).toEqual([{ kind: 'missing', sequence: '3', event_id: null, detail: 'there is no event 3' }]);
  });

  it('by recorded time takes one event more on each side, which a changed recorded_at cannot lead astray', async () => {
    const ledger = await newLedger();
    const times: string[] = [];
    for (let i = 0; i < 9; i++) {
      const [receipt] = await record(service, 1, ledger);
      times.push((receipt as unknown as { recorded_at: string }).recorded_at);
    }
    const range = { recorded_from: times[3]!, recorded_to: times[6]! };
    expect(await verify(service, range, ledger)).toMatchObject({
      from_sequence: '3',
      to_sequence: '7',
      verdict: 'valid',
    });
    expect(await verify(service, { recorded_from: times[3]! }, ledger)).toMatchObject({
      from_sequence: '3',
      to_sequence: '9',
    });
    expect(await verify(service, { recorded_to: times[0]! }, ledger)).toMatchObject({
      from_sequence: '1',
      to_sequence: '1',
    });
    expect(await verify(service, { recorded_from: '2100-01-01T00:00:00Z' }, ledger)).toMatchObject({
      from_sequence: '9',
      to_sequence: '9',
    });
    // wherever the halving is misled, the event that misleads it is among those that are verified
    for (let changed = 1; changed <= 9; changed++) {
      for (const by of ['1 month', '-1 hour']) {
        const set = (change: string): Promise<void> =>
          tamper(
            service.database.adminUrl,
            `SELECT create_month((date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month')::date);
             UPDATE audit_events SET recorded_at = recorded_at + interval '${change}' WHERE ledger = '${ledger}' AND sequence = ${changed}`,
          );
        await set(by);
        const found = await verify(service, range, ledger);
        const covers = [3, 4, 5, 6, 7].every(
          (sequence) => sequence >= Number(found.from_sequence) && sequence <= Number(found.to_sequence),
        );
        expect([changed, by, covers || found.verdict === 'invalid']).toEqual([changed, by, true]);
        await set(by.startsWith('-') ? by.slice(1) : `-${by}`);
      }
    }
  });

  it.each<[name: string, body: object, says: RegExp]>([
    ['event time', { from: '2026-06-01T00:00:00Z' }, /event time.*recorded_from/],
    ['event time, too', { to: '2026-06-01T00:00:00Z' }, /event time/],
    ['both kinds of range', { from_sequence: '1', recorded_to: '2026-06-01T00:00:00Z' }, /not both/],
    ['a sequence that is a number', { from_sequence: 1 }, /whole number/],
    ['sequence 0', { from_sequence: '0' }, /whole number/],
    ['a sequence beyond the ledger', { from_sequence: '1000000' }, /beyond the ledger/],
    ['an end before the beginning', { from_sequence: '5', to_sequence: '4' }, /before from_sequence/],
    ['a time that is none', { recorded_from: 'yesterday' }, /recorded_from/],
    [
      'an end before the beginning in time',
      { recorded_from: '2026-06-02T00:00:00Z', recorded_to: '2026-06-01T00:00:00Z' },
      /after recorded_from/,
    ],
    ['an unknown member', { ledger: 'main' }, /not known/],
  ])('refuses %s', async (_, body, says) => {
    const { body: problem } = await post('main', body).expect(400);
    expect(problem.type).toBe('/docs/problems/invalid-body');
    expect(problem.detail).toMatch(says);
  });

  it('answers 404 for ledgers and runs that are not there, 403 without the scope', async () => {
    expect((await post('nowhere').expect(404)).body.type).toBe('/docs/problems/ledger-not-found');
    const runs = '/v1/ledgers/main/verifications';
    for (const id of ['0197f3a1-0000-7000-8000-000000000000', 'x']) {
      const { body } = await service.http().get(`${runs}/${id}`).expect(404);
      expect(body.type).toBe('/docs/problems/verification-not-found');
    }
    await service.http().get('/v1/ledgers/nowhere/verifications').expect(404);
    await service.http(null).post(runs).expect(401);
  });

  it('leaves a run that is over as it is when it is cancelled', async () => {
    const ledger = await newLedger();
    const { id } = await verify(service, {}, ledger);
    const runs = `/v1/ledgers/${ledger}/verifications`;
    expect((await service.http().post(`${runs}/${id}/cancel`).expect(200)).body.status).toBe('done');
    await service.http().post(`${runs}/0197f3a1-0000-7000-8000-000000000000/cancel`).expect(404);
  });

  it('takes events of every script and size', async () => {
    const ledger = await newLedger();
    await record(service, 6, ledger, (i) => ({
      entity_id: ['é', 'e\u0301', '注文-1', '😀'.repeat(255), 'x'.repeat(255), '"\\'][i],
      new_state: {
        text: 'äöü😀'.repeat([1, 10, 100, 1_000, 10_000, 0][i]!),
        '\uffff': 1,
        '\u{10000}': 2,
        nested: [[{}]],
      },
      raw: {
        media_type: 'text/plain',
        data: Buffer.alloc([0, 1, 1_000, 65_536, 127, 128][i]!, 0xff).toString('base64'),
      },
    }));
    expect(await verify(service, {}, ledger)).toMatchObject({ verdict: 'valid', checked: '6' });
  });

  it('is recorded in the service’s own ledger, findings and all', async () => {
    const ledger = await newLedger();
    await record(service, 3, ledger);
    await tamper(service.database.adminUrl, `DELETE FROM event_keys WHERE ledger = '${ledger}' AND sequence = 2`);
    const found = await verify(service, {}, ledger);
    const state = await connected(service.database.adminUrl, async (admin) => {
      const { rows } = await admin.query<{ new_state: Record<string, unknown>; action: string }>(
        `SELECT new_state, action FROM audit_events WHERE ledger = '_service' AND event_type = 'verification' AND entity_id = $1`,
        [found.id],
      );
      expect(rows).toHaveLength(1);
      return rows[0]!.new_state;
    });
    expect(state).toMatchObject({
      ledger,
      verdict: 'invalid',
      checked: '3',
      findings_total: '1',
      findings: found.findings,
    });
  });

  it('shows in the metrics', async () => {
    const ledger = await newLedger();
    const age = new RegExp(`truetrail_verification_age_seconds\\{ledger="${ledger}"\\} \\d`);
    const scheduled = await startService({
      env: { VERIFICATION_SCHEDULE: '0 0 29 2 *' },
      database: service.database,
    });
    const textOf = async (of: TestService): Promise<string> => (await of.http().get('/metrics').expect(200)).text;
    try {
      expect(await textOf(scheduled)).not.toMatch(age);
      await record(service, 3, ledger);
      expect(await textOf(scheduled)).toMatch(age); // since it was made
      expect(await textOf(service)).not.toMatch(age); // where none is scheduled, there is none to wait for
    } finally {
      await scheduled.close();
    }
    expect(await textOf(service)).not.toContain(`truetrail_verification_valid{ledger="${ledger}"}`);
    await verify(service, {}, ledger);
    const { text } = await service.http().get('/metrics').expect(200);
    expect(text).toContain(`truetrail_verification_valid{ledger="${ledger}"} 1`);
    expect(text).toMatch(age);
  });
});

describe('what cannot be read', () => {
  let service: TestService;
  beforeEach(async () => {
    service = await startService();
    await record(service, 40);
  });
  afterEach(() => service.close());

  const asAdmin = (sql: string): Promise<unknown> => connected(service.database.adminUrl, (admin) => admin.query(sql));

  it('makes a verdict undecided, and says what and why', async () => {
    await asAdmin('REVOKE SELECT ON audit_events FROM truetrail_service');
    const found = await verify(service);
    expect(found).toMatchObject({ status: 'done', verdict: 'undecided', checked: '0', findings: [] });
    expect(found.unread[0]).toEqual({
      from_sequence: '1',
      to_sequence: '40',
      reason: 'permission denied for table audit_events',
    });
  });

  it('is narrowed down to the event, and to its neighbours, which are held against it', async () => {
    await asAdmin(
      `ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
       CREATE POLICY broken ON audit_events USING (1 / (sequence - 17) IS NOT NULL)`,
    );
    const found = await verify(service);
    expect(found).toMatchObject({ verdict: 'undecided', checked: '37', findings: [] });
    expect(found.unread.slice(0, 3)).toEqual(
      ['16', '17', '18'].map((sequence) => ({
        from_sequence: sequence,
        to_sequence: sequence,
        reason: 'division by zero',
      })),
    );
  });

  it('does not hide what is damaged elsewhere', async () => {
    await tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET user_id = 'mallory' WHERE ledger = 'main' AND sequence = 4`,
    );
    await asAdmin(
      `ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
       CREATE POLICY broken ON audit_events USING (1 / (sequence - 17) IS NOT NULL)`,
    );
    const found = await verify(service);
    expect(found.verdict).toBe('invalid');
    expect(found.findings).toContainEqual(expect.objectContaining({ kind: 'content', sequence: '4' }));
    expect(found.unread.length).toBeGreaterThan(0);
  });
});

describe('the daily run', () => {
  it('verifies every ledger and the schema, and goes to each ledger once however often it is stopped', async () => {
    const service = await startService();
    try {
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      await record(service, 10);
      await record(service, 5, 'desk-1');
      const { outcome, id } = await runJob(service, 'chain-verification');
      expect(outcome).toMatchObject({ verdict: 'valid', schema: { verdict: 'valid' } });
      expect(outcome.ledgers.map(({ ledger }: { ledger: string }) => ledger)).toEqual(['_service', 'desk-1', 'main']);
      expect(outcome.ledgers[2]).toMatchObject({ verdict: 'valid', checked: '10', findings_total: '0' });
      // as after a stop: the run is put back
      await connected(service.database.adminUrl, (admin) =>
        admin.query(`UPDATE job_runs SET status = 'queued', finished_at = NULL WHERE id = $1`, [id]),
      );
      await runJob(service, 'chain-verification');
      const again = await whenOver<{ status: string; outcome: typeof outcome }>(
        service,
        `/v1/jobs/chain-verification/runs/${id}`,
      );
      expect(again.outcome.ledgers).toEqual(outcome.ledgers);
    } finally {
      await service.close();
    }
  });
});
