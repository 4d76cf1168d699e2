import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { PutObjectLegalHoldCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import { pino } from 'pino';
import type { ArchivedEvents } from '../src/archive/archived-events.js';
import { Exporter } from '../src/archive/exporter.js';
import { RetentionRefused, StoreUnavailable, type ObjectStore } from '../src/archive/object-store.js';
import { connectionOptions } from '../src/database/connection.js';
import { POOL } from '../src/database/tokens.js';
import { SqlState } from '../src/database/sqlstate.js';
import { ServiceLedger } from '../src/events/service-ledger.js';
import { ObjectHolds, type ObjectHoldsOutcome } from '../src/holds/object-holds.js';
import { RecordedHolds } from '../src/holds/recorded-holds.js';
import { RequestsOnRecord } from '../src/holds/requests-on-record.js';
import type { JobLock } from '../src/jobs/job-lock.js';
import { sampleEvent, startService, takeTurn, type TestService } from './support/app.js';
import { createKey, query, serviceEvents } from './support/keys.js';
import { onFolders, STORES, storeWith, type TestStore } from './support/stores.js';
import { connected, runJob } from './support/verification.js';

const log = pino({ level: 'silent' });
const REASON = 'Inquiry 2026/117';

/** A key and who it is in records. */
interface Person {
  key: string;
  principal: string;
}

async function person(service: TestService, scopes: string[], ledgers = ['*']): Promise<Person> {
  const { id, key } = await createKey(service, scopes, ledgers);
  return { key, principal: `key:${id}` };
}

/** Two who may do everything with holds, and what they do. */
async function people(service: TestService) {
  const scopes = ['holds:request', 'holds:approve'];
  const [ann, bob] = [await person(service, scopes), await person(service, scopes)];
  const post = (who: Person, id: string, what: string, body?: object) => {
    const sent = service.http(who.key).post(`/v1/legal-holds/${id}/${what}`);
    return body === undefined ? sent : sent.send(body);
  };
  return {
    ann,
    bob,
    request: (who: Person, members: object = {}) =>
      service
        .http(who.key)
        .post('/v1/legal-holds')
        .send({ ledgers: ['main'], reason: REASON, ...members }),
    approve: (who: Person, id: string, body?: object) => post(who, id, 'approvals', body),
    reject: (who: Person, id: string, body: object = { reason: 'not this one' }) => post(who, id, 'rejections', body),
    release: (who: Person, id: string, body: object = { reason: 'it is over' }) => post(who, id, 'releases', body),
  };
}

const problem = (slug: string) => ({ type: `/docs/problems/${slug}` });

onFolders('legal holds', () => {
  let service: TestService;
  let team: Awaited<ReturnType<typeof people>>;
  beforeAll(async () => {
    service = await startService();
    for (const ledger of ['desk-1', 'desk-2']) await service.http().put(`/v1/ledgers/${ledger}`).expect(201);
    team = await people(service);
  });
  afterAll(() => service.close());

  const read = async (id: string) => (await service.http().get(`/v1/legal-holds/${id}`).expect(200)).body;

  /** A hold in a state, reached over the API: Ann asks, Bob agrees. */
  async function holdIn(state: string, members: object = {}): Promise<string> {
    const { ann, bob, request, approve, reject, release } = team;
    const { id } = (await request(ann, members).expect(201)).body;
    if (state === 'rejected') await reject(bob, id).expect(201);
    if (['active', 'release-requested', 'released'].includes(state)) await approve(bob, id).expect(201);
    if (['release-requested', 'released'].includes(state)) await release(ann, id).expect(201);
    if (state === 'released') await approve(bob, id).expect(201);
    expect((await read(id)).state).toBe(state);
    return id;
  }

  /** Ids of the holds that keep what was recorded in a range, as drops ask. */
  async function holdsOf(from: string | null, to: string | null, ledgers: string[] | null): Promise<string[]> {
    const rows = await query<{ id: string }>(
      service.database,
      'SELECT month_holds($1::timestamptz, $2::timestamptz, $3::text[]) AS id',
      [from, to, ledgers],
    );
    return rows.map(({ id }) => id);
  }

  const stops = async (id: string): Promise<boolean> =>
    (await holdsOf('2026-06-01T00:00:00Z', '2026-07-01T00:00:00Z', ['main'])).includes(id);

  it('stop drops from the request on, and are what was asked for', async () => {
    const { ann, request } = team;
    const asked = {
      ledgers: ['main', 'desk-1'],
      entity_type: 'order',
      entity_id: 'O-1',
      user_id: 'trader-1',
      event_type: 'order_lifecycle',
      recorded_from: '2026-06-03T00:00:00.123456789+02:00',
      recorded_to: '2026-06-04T00:00:00.123456789Z',
      reason: REASON,
    };
    const { body, headers } = await request(ann, asked).expect(201);
    expect(headers.location).toBe(`/v1/legal-holds/${body.id}`);
    expect(body).toEqual({
      ...asked,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      state: 'requested',
      ledgers: ['desk-1', 'main'],
      recorded_from: '2026-06-02T22:00:00.123456Z',
      recorded_to: '2026-06-04T00:00:00.123457Z', // an end finer than microseconds holds more, not less
      requested_by: ann.principal,
      requested_at: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/),
      acts: [
        {
          act: 'request',
          state: 'requested',
          principal: ann.principal,
          reason: REASON,
          acted_at: body.requested_at,
        },
      ],
      objects: '0',
      objects_held: '0',
    });
    expect(await read(body.id.toUpperCase())).toEqual(body);
    expect(await stops(body.id)).toBe(true);
  });

  it('are made and ended by two, keep all the while, and every act is recorded with who and why', async () => {
    const { ann, bob, request, approve, reject, release } = team;
    const { id } = (await request(ann, { user_id: 'trader-7' }).expect(201)).body;
    const steps: [act: string, state: string, who: Person, reason: string | null, does: () => PromiseLike<unknown>][] =
      [
        ['approve', 'active', bob, null, () => approve(bob, id).expect(201)],
        ['request_release', 'release-requested', bob, 'over', () => release(bob, id, { reason: 'over' }).expect(201)],
        ['reject_release', 'active', ann, 'not yet', () => reject(ann, id, { reason: 'not yet' }).expect(201)],
        ['request_release', 'release-requested', bob, 'now', () => release(bob, id, { reason: 'now' }).expect(201)],
        ['reject_release', 'active', bob, 'oh', () => reject(bob, id, { reason: 'oh' }).expect(201)], // one's own: keeps
        [
          'request_release',
          'release-requested',
          ann,
          'closed',
          () => release(ann, id, { reason: 'closed' }).expect(201),
        ],
        ['approve_release', 'released', bob, 'yes', () => approve(bob, id, { reason: 'yes' }).expect(201)],
      ];
    const done = [['request', 'requested', ann.principal, REASON]];
    for (const [act, state, who, reason, does] of steps) {
      expect(await stops(id)).toBe(true);
      await does();
      done.push([act, state, who.principal, reason!]);
      expect((await read(id)).state).toBe(state);
    }
    expect(await stops(id)).toBe(false);
    const { acts } = await read(id);
    expect(acts.map((each: Record<string, unknown>) => [each.act, each.state, each.principal, each.reason])).toEqual(
      done,
    );

    const recorded = (await serviceEvents(service.database, 'legal_hold')).filter(({ entity_id }) => entity_id === id);
    expect(recorded.map((event) => [event.action, event.new_state.state, event.user_id])).toEqual(
      done.map(([act, state, who]) => [act, state, who]),
    );
    expect(recorded[0]).toMatchObject({
      recorded_by: 'service',
      new_state: {
        ledgers: ['main'],
        user_id: 'trader-7',
        event_type: null,
        reason: REASON,
        requested_by: ann.principal,
      },
    });
    const why = await query<{ reason: string | null }>(
      service.database,
      `SELECT metadata ->> 'reason' AS reason FROM audit_events
         WHERE ledger = '_service' AND entity_id = $1 ORDER BY sequence`,
      [id],
    );
    expect(why.map(({ reason }) => reason)).toEqual(done.map(([, , , reason]) => reason));
  });

  it('that were rejected stop nothing any more', async () => {
    const id = await holdIn('rejected');
    expect(await stops(id)).toBe(false);
  });

  it('are not agreed to by credentials that made those of whoever asked, or were made by them', async () => {
    const { ann, request, approve, reject, release } = team;
    const maker = await person(service, ['holds:request', 'holds:approve', 'keys:manage']);
    const make = async (by: string): Promise<Person> => {
      const scopes = ['holds:request', 'holds:approve', 'keys:manage'];
      const { body } = await service
        .http(by)
        .post('/v1/api-keys')
        .send({ name: 'twin', scopes, ledgers: ['*'] })
        .expect(201);
      return { key: body.key, principal: `key:${body.id}` };
    };
    const twin = await make(maker.key);
    const twinOfTwin = await make(twin.key);
    for (const [asks, agrees] of [
      [maker, twin],
      [twin, maker],
      [maker, twinOfTwin],
      [twinOfTwin, maker],
    ] as const) {
      const { id } = (await request(asks).expect(201)).body;
      for (const refused of [approve(agrees, id), reject(agrees, id)]) {
        expect((await refused.expect(403)).body).toMatchObject(problem('other-principal-needed'));
      }
      await approve(ann, id).expect(201);
      await release(asks, id).expect(201);
      expect((await approve(agrees, id).expect(403)).body.detail).toContain('release of the hold');
      await approve(ann, id).expect(201);
    }
  });

  it('are neither approved nor rejected by whoever asked for them, nor released by whoever asked for that', async () => {
    const { ann, bob, approve, reject, release } = team;
    const requested = await holdIn('requested');
    for (const refused of [approve(ann, requested), reject(ann, requested)]) {
      expect((await refused.expect(403)).body).toMatchObject(problem('other-principal-needed'));
    }
    const active = await holdIn('active');
    await release(bob, active).expect(201);
    expect((await approve(bob, active).expect(403)).body).toMatchObject({
      ...problem('other-principal-needed'),
      detail: expect.stringContaining('release of the hold'),
    });
    for (const [id, state] of [
      [requested, 'requested'],
      [active, 'release-requested'],
    ] as const) {
      expect(await read(id)).toMatchObject({ state });
      expect(await stops(id)).toBe(true);
      const refusals = (await serviceEvents(service.database, 'legal_hold')).filter(
        ({ entity_id }) => entity_id === id,
      );
      expect(refusals).toHaveLength((await read(id)).acts.length); // what was refused is not recorded as done
    }
    await approve(ann, active).expect(201); // who asked for the hold may agree to its end
    expect(await stops(active)).toBe(false);
  });

  it.each([
    ['requested', 'release'],
    ['active', 'approve'],
    ['active', 'reject'],
    ['release-requested', 'release'],
    ['rejected', 'approve'],
    ['rejected', 'reject'],
    ['rejected', 'release'],
    ['released', 'approve'],
    ['released', 'reject'],
    ['released', 'release'],
  ] as const)('that are %s are not open to: %s', async (state, what) => {
    const id = await holdIn(state);
    const before = await read(id);
    for (const who of [team.ann, team.bob]) {
      const { body } = await team[what](who, id).expect(409);
      expect(body).toMatchObject({ ...problem('hold-state-conflict'), detail: expect.stringContaining(state) });
    }
    expect(await read(id)).toEqual(before);
  });

  it('are not released by an approval that was meant for their request', async () => {
    const id = await holdIn('release-requested');
    const { body } = await team.approve(team.bob, id, { seen_state: 'requested' }).expect(409);
    expect(body.detail).toContain('seen as requested');
    await team.reject(team.bob, id, { reason: 'x', seen_state: 'active' }).expect(409);
    expect(await read(id)).toMatchObject({ state: 'release-requested' });
    await team.approve(team.bob, id, { seen_state: 'release-requested' }).expect(201);
  });

  it('take one of several approvals at once, and record one', async () => {
    const third = await person(service, ['holds:approve']);
    const id = await holdIn('requested');
    const answers = await Promise.all(
      [team.bob, third, team.bob, third].map(async (who) => (await team.approve(who, id)).status),
    );
    expect(answers.sort()).toEqual([201, 409, 409, 409]);
    const recorded = (await serviceEvents(service.database, 'legal_hold')).filter(({ entity_id }) => entity_id === id);
    expect(recorded.map(({ action }) => action)).toEqual(['request', 'approve']);
  });

  it('are neither made nor changed when that cannot be recorded', async () => {
    const id = await holdIn('release-requested');
    const before = await query(service.database, 'SELECT id, state FROM legal_holds ORDER BY id');
    await query(service.database, `UPDATE ledgers SET state = 'closed' WHERE ledger = '_service'`);
    try {
      await team.request(team.ann).expect(409);
      await team.approve(team.bob, id).expect(409);
    } finally {
      await query(service.database, `UPDATE ledgers SET state = 'open' WHERE ledger = '_service'`);
    }
    expect(await query(service.database, 'SELECT id, state FROM legal_holds ORDER BY id')).toEqual(before);
    await team.approve(team.bob, id).expect(201);
  });

  it.each<[string, object, string]>([
    ['no ledger', { ledgers: [] }, '/ledgers'],
    ['a ledger twice', { ledgers: ['main', 'main'] }, '/ledgers'],
    ['a text for ledgers', { ledgers: 'main' }, '/ledgers'],
    ['no reason', { reason: undefined }, '/reason'],
    ['an empty reason', { reason: '' }, '/reason'],
    ['a long reason', { reason: 'x'.repeat(1001) }, '/reason'],
    ['an entity without its id', { entity_type: 'order' }, '/entity_id'],
    ['an id without its entity', { entity_id: 'O-1' }, '/entity_id'],
    ['a user that is null', { user_id: null }, '/user_id'],
    ['a time that is none', { recorded_from: '2026-06-01' }, '/recorded_from'],
    [
      'an end before the beginning',
      { recorded_from: '2026-06-02T00:00:00Z', recorded_to: '2026-06-01T00:00:00Z' },
      '/recorded_to',
    ],
    [
      'an end at the beginning',
      { recorded_from: '2026-06-02T00:00:00Z', recorded_to: '2026-06-02T00:00:00Z' },
      '/recorded_to',
    ],
    ['event time', { from: '2026-06-02T00:00:00Z' }, '/from'],
    ['a state', { state: 'active' }, '/state'],
  ])('are refused with %s', async (_, members, pointer) => {
    const { body } = await team.request(team.ann, members).expect(400);
    expect(body).toMatchObject({ ...problem('invalid-body'), errors: [{ pointer }] });
  });

  it('are acted on with bodies that say why, where that is needed, and nothing unknown', async () => {
    const { ann, bob, approve, reject, release } = team;
    const id = await holdIn('requested');
    await reject(bob, id, {}).expect(400);
    await release(ann, id, {}).expect(400);
    await approve(bob, id, { reason: '' }).expect(400);
    await approve(bob, id, { seen_state: 'approved' }).expect(400);
    await approve(bob, id, { by: 'bob' }).expect(400);
    await service.http(bob.key).post(`/v1/legal-holds/${id}/approvals`).type('json').send('{').expect(400);
    expect((await read(id)).acts).toHaveLength(1);
  });

  it('of ledgers that a key is not for are neither seen nor made nor changed by it', async () => {
    const scopes = ['holds:request', 'holds:approve'];
    const [desk, main] = [await person(service, scopes, ['desk-1']), await person(service, scopes, ['main'])];
    for (const ledgers of [['main'], ['desk-1', 'main'], ['nowhere'], ['_service'], ['MAIN'], ['*'], ['a\u0000b']]) {
      const { body } = await team.request(desk, { ledgers });
      expect(body.type).toMatch(ledgers[0]!.includes('\u0000') ? /invalid-json/ : /ledger-not-found/);
    }
    for (const ledgers of [['nowhere'], ['*']]) await team.request(team.ann, { ledgers }).expect(404);

    const ofMain = await holdIn('requested');
    const ofBoth = await holdIn('active', { ledgers: ['desk-1', 'main'] });
    const { id: ofDesk } = (await team.request(desk, { ledgers: ['desk-1'] }).expect(201)).body;
    for (const id of [ofMain, ofBoth, '0197f3a1-6c00-7000-8000-0000000000c1', 'x', '%00']) {
      const answers = [
        service.http(desk.key).get(`/v1/legal-holds/${id}`),
        team.approve(desk, id),
        team.reject(desk, id),
        team.release(desk, id),
      ];
      for (const answer of answers) expect((await answer.expect(404)).body).toMatchObject(problem('hold-not-found'));
    }
    await team.approve(main, ofDesk).expect(404);
    expect(await read(ofMain)).toMatchObject({ state: 'requested' });
    expect(await read(ofBoth)).toMatchObject({ state: 'active' });

    const seen = (await service.http(desk.key).get('/v1/legal-holds').expect(200)).body;
    expect(seen).toMatchObject({ holds: [{ id: ofDesk, ledgers: ['desk-1'] }], next_cursor: null });
    await service.http(desk.key).get('/v1/legal-holds?ledger=main').expect(404);
    await service.http().get('/v1/legal-holds?ledger=nowhere').expect(404);
    await service.http(desk.key).get(`/v1/legal-holds/${ofDesk}`).expect(200);
  });

  it('are listed the latest first, by state and ledger, a page at a time', async () => {
    const requested = await holdIn('requested', { ledgers: ['desk-2'] });
    const active = await holdIn('active', { ledgers: ['desk-2', 'main'] });
    const released = await holdIn('released', { ledgers: ['desk-2'] });
    const list = async (parameters: string) =>
      (await service.http().get(`/v1/legal-holds?${parameters}`).expect(200)).body as {
        holds: { id: string }[];
        next_cursor: string | null;
      };
    const ids = ({ holds }: { holds: { id: string }[] }) => holds.map(({ id }) => id);
    expect(ids(await list('ledger=desk-2'))).toEqual([released, active, requested]);
    expect(ids(await list('ledger=desk-2&state=active'))).toEqual([active]);
    expect(ids(await list('ledger=desk-2&state=rejected'))).toEqual([]);
    const first = await list('ledger=desk-2&limit=2');
    expect([ids(first), first.next_cursor]).toEqual([[released, active], active]);
    const last = await list(`ledger=desk-2&limit=2&cursor=${first.next_cursor}`);
    expect([ids(last), last.next_cursor]).toEqual([[requested], null]);
    const exactly = await list('ledger=desk-2&limit=3');
    expect([ids(exactly).length, exactly.next_cursor]).toEqual([3, null]);
    expect((await list('state=active&limit=1')).holds[0]).not.toHaveProperty('objects');
    for (const wrong of ['state=open', 'limit=0', 'limit=1001', 'cursor=x', 'user_id=x', 'state=active&state=active']) {
      expect((await service.http().get(`/v1/legal-holds?${wrong}`).expect(400)).body).toMatchObject(
        problem('invalid-parameter'),
      );
    }
  });

  it('are counted by state', async () => {
    await holdIn('rejected');
    const { text } = await service.http().get('/metrics').expect(200);
    const rows = await query<{ state: string; holds: string }>(
      service.database,
      'SELECT state, count(*) AS holds FROM legal_holds GROUP BY state',
    );
    expect(rows.length).toBeGreaterThan(2);
    for (const { state, holds } of rows) expect(text).toContain(`truetrail_legal_holds{state="${state}"} ${holds}\n`);
    const other = await startService();
    try {
      expect((await other.http().get('/metrics').expect(200)).text).toContain(
        'truetrail_legal_holds{state="active"} 0\n',
      );
    } finally {
      await other.close();
    }
  });

  describe('month_holds', () => {
    const JUNE = ['2026-06-01T00:00:00Z', '2026-07-01T00:00:00Z'] as const;
    const CASES: [name: string, members: object, isHeld: boolean][] = [
      ['all of the ledger', {}, true],
      ['an entity', { entity_type: 'order', entity_id: 'O-1' }, true],
      ['a user', { user_id: 'nobody' }, true],
      ['a record class', { event_type: 'none' }, true],
      ['several ledgers, this one among them', { ledgers: ['desk-1', 'main'] }, true],
      ['another ledger', { ledgers: ['desk-1'] }, false],
      ['from within on', { recorded_from: '2026-06-30T23:59:59.999999Z' }, true],
      ['from its end on', { recorded_from: '2026-07-01T00:00:00Z' }, false],
      ['up to within', { recorded_to: '2026-06-01T00:00:00.000001Z' }, true],
      ['up to its beginning', { recorded_to: '2026-06-01T00:00:00Z' }, false],
      ['a time around it', { recorded_from: '2026-01-01T00:00:00Z', recorded_to: '2027-01-01T00:00:00Z' }, true],
      ['a moment of it', { recorded_from: '2026-06-10T00:00:00Z', recorded_to: '2026-06-10T00:00:01Z' }, true],
      ['a time before it', { recorded_from: '2026-05-01T00:00:00Z', recorded_to: '2026-06-01T00:00:00Z' }, false],
      ['a time after it', { recorded_from: '2026-07-01T00:00:00Z', recorded_to: '2026-08-01T00:00:00Z' }, false],
    ];

    it.each(CASES)('of June: %s', async (_, members, isHeld) => {
      const id = await holdIn('active', members);
      expect((await holdsOf(...JUNE, ['main'])).includes(id)).toBe(isHeld);
      expect((await holdsOf(...JUNE, ['desk-2', 'main'])).includes(id)).toBe(isHeld);
    });

    it.each([
      ['requested', true],
      ['active', true],
      ['release-requested', true],
      ['rejected', false],
      ['released', false],
    ])('of a hold that is %s: %s', async (state, isHeld) => {
      const id = await holdIn(state);
      expect((await holdsOf(...JUNE, ['main'])).includes(id)).toBe(isHeld);
    });

    it('takes what it is not told for everything', async () => {
      const id = await holdIn('active', { recorded_from: '2026-06-10T00:00:00Z', recorded_to: '2026-06-11T00:00:00Z' });
      expect(await holdsOf(null, null, null)).toContain(id);
      expect(await holdsOf(null, '2026-06-10T00:00:00.000001Z', ['main'])).toContain(id);
      expect(await holdsOf(null, '2026-06-10T00:00:00Z', ['main'])).not.toContain(id);
      expect(await holdsOf('2026-06-10T23:59:59Z', null, ['main'])).toContain(id);
      expect(await holdsOf('2026-06-11T00:00:00Z', null, ['main'])).not.toContain(id);
      expect(await holdsOf(...JUNE, null)).toContain(id);
      expect(await holdsOf(...JUNE, [])).toEqual([]);
    });

    it('keeps a hold from coming up between the look and the drop, and gives way to one that is coming up', async () => {
      await connected(service.database.ownerUrl, async (dropping) => {
        await dropping.query('BEGIN');
        await dropping.query(`SELECT month_holds($1, $2, '{main}')`, [...JUNE]);
        let isAnswered = false;
        const asked = team
          .request(team.ann)
          .expect(201)
          .then(({ body }) => {
            isAnswered = true;
            return body as { id: string };
          });
        await pause(300);
        expect(isAnswered).toBe(false);
        await dropping.query('COMMIT');
        expect(await stops((await asked).id)).toBe(true);
      });
      await connected(service.database.ownerUrl, async (requesting) => {
        await requesting.query('BEGIN');
        await requesting.query(
          `SELECT request_legal_hold(gen_random_uuid(), '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:x')`,
        );
        await expect(holdsOf(...JUNE, ['main'])).rejects.toMatchObject({ code: SqlState.lockNotAvailable });
        await requesting.query('ROLLBACK');
      });
    });
  });

  describe('for the service’s role', () => {
    let client: pg.Client;
    beforeAll(async () => {
      client = new pg.Client(
        connectionOptions({
          url: service.database.serviceUrl,
          asService: true,
          applicationName: 'test',
          lockTimeoutMs: 2_000,
        }),
      );
      await client.connect();
    });
    afterAll(() => client.end());

    const refusal = async (statement: string, values: unknown[] = []): Promise<string | undefined> => {
      await client.query('BEGIN');
      try {
        await client.query(statement, values);
        return undefined;
      } catch (error) {
        return (error as { code?: string }).code;
      } finally {
        await client.query('ROLLBACK');
      }
    };
    const act = (id: string, what: string | null, who: string | null, reason: string | null = 'x') =>
      refusal('SELECT act_on_legal_hold($1, $2, $3, $4, NULL)', [id, what, who, reason]);

    it('the functions see to the four eyes, the order and the reasons themselves', async () => {
      const { ann, bob } = team;
      const requested = await holdIn('requested');
      expect(await act(requested, 'approve', ann.principal)).toBe('TT031');
      expect(await act(requested, 'reject', ann.principal)).toBe('TT031');
      expect(await act(requested, 'approve', null)).toBe('23502');
      expect(await act(requested, 'approve', '')).toBe(SqlState.checkViolation);
      expect(await act(requested, 'approve', 'two words')).toBe(SqlState.checkViolation);
      expect(await act(requested, 'reject', bob.principal, null)).toBe(SqlState.checkViolation);
      expect(await act(requested, 'reject', bob.principal, '')).toBe(SqlState.checkViolation);
      expect(await act(requested, 'approve', bob.principal, 'x'.repeat(1001))).toBe(SqlState.checkViolation);
      for (const what of ['approve_release', 'reject_release', 'release', 'request', '', null]) {
        expect(await act(requested, what, bob.principal)).toBe('TT032');
      }
      expect(await act(requested, 'approve', bob.principal)).toBeUndefined();
      expect(await act('0197f3a1-6c00-7000-8000-0000000000c1', 'approve', bob.principal)).toBe('TT030');

      const leaving = await holdIn('release-requested');
      expect(await act(leaving, 'approve', ann.principal)).toBe('TT031');
      expect(await act(leaving, 'approve_release', bob.principal)).toBe('TT032');
      expect(await act(leaving, 'reject', ann.principal)).toBeUndefined();
      for (const state of ['rejected', 'released']) {
        const over = await holdIn(state);
        for (const what of ['approve', 'reject', 'request_release']) {
          expect(await act(over, what, bob.principal)).toBe('TT032');
        }
      }
    });

    it.each<[string, string, string]>([
      ['no ledger', `'{}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:x'`, SqlState.checkViolation],
      ['null for ledgers', `NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:x'`, SqlState.checkViolation],
      ['a ledger that is null', `'{NULL}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:x'`, SqlState.noSuchLedger],
      [
        'a ledger that is not there',
        `'{main,no}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:x'`,
        SqlState.noSuchLedger,
      ],
      ['half an entity', `'{main}', 'order', NULL, NULL, NULL, NULL, NULL, 'x', 'key:x'`, SqlState.checkViolation],
      ['an empty user', `'{main}', NULL, NULL, '', NULL, NULL, NULL, 'x', 'key:x'`, SqlState.checkViolation],
      [
        'an empty time',
        `'{main}', NULL, NULL, NULL, NULL, '2026-06-01', '2026-06-01', 'x', 'key:x'`,
        SqlState.checkViolation,
      ],
      ['no reason', `'{main}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'key:x'`, '23502'],
      ['nobody', `'{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', NULL`, '23502'],
    ])('no hold is made with %s', async (_, values, code) => {
      expect(await refusal(`SELECT request_legal_hold(gen_random_uuid(), ${values})`)).toBe(code);
    });

    it.each([
      `UPDATE legal_holds SET state = 'released', asked_by = NULL`,
      `DELETE FROM legal_holds`,
      `INSERT INTO legal_hold_acts SELECT * FROM legal_hold_acts LIMIT 1`,
      `UPDATE legal_hold_acts SET principal = 'key:x'`,
      `DELETE FROM archive_object_holds`,
      `LOCK TABLE legal_holds IN SHARE MODE`,
      `SELECT * FROM legal_holds FOR UPDATE`,
    ])('no right to: %s', async (statement) => {
      expect(await refusal(statement)).toBe(SqlState.insufficientPrivilege);
    });

    it('no step of an object that there is not', async () => {
      expect(await refusal(`SELECT note_object_holds('{1}', 'begun')`)).toBe('23503');
      expect(await refusal(`SELECT note_object_holds('{1}', 'forgotten')`)).toBe('TT033');
    });
  });

  it.each([
    `UPDATE legal_hold_acts SET principal = 'key:x'`,
    `UPDATE legal_hold_acts SET reason = reason WHERE false`,
    `DELETE FROM legal_hold_acts`,
    `TRUNCATE legal_hold_acts`,
    `DELETE FROM legal_holds WHERE false`,
    `TRUNCATE legal_holds CASCADE`,
    ...['ledgers = ledgers', `user_id = 'x'`, 'recorded_to = now()', `reason = 'x'`, `requested_by = 'key:x'`].map(
      (change) => `UPDATE legal_holds SET ${change}`,
    ),
  ])('refuse even a superuser for whom ordinary triggers do not fire: %s', async (statement) => {
    await holdIn('requested');
    await connected(service.database.adminUrl, async (admin) => {
      await admin.query('SET session_replication_role = replica');
      await expect(admin.query(statement)).rejects.toMatchObject({ code: SqlState.appendOnly });
    });
  });
});

describe.each(STORES.map((make) => [make.name === 's3Store' ? 'S3' : 'a folder', make] as const))(
  'archive objects under a legal hold, in %s',
  (_, make) => {
    let test: TestStore;
    let service: TestService;
    let team: Awaited<ReturnType<typeof people>>;
    let turn: JobLock;
    beforeEach(async () => {
      test = await make();
      service = await startService({ env: { ARCHIVE_URL: test.url } });
      await service.http().put('/v1/ledgers/desk-1').expect(201);
      team = await people(service);
      turn = await takeTurn(service, 'archive-export');
    });
    afterEach(async () => {
      await turn.release();
      await service.close();
      test.close();
    });

    /** Records an event in a ledger and archives all that is not archived yet: an object; its number and version. */
    async function archive(ledger = 'main'): Promise<{ number: string; key: string; versionId: string }> {
      await service.http().post(`/v1/ledgers/${ledger}/events`).send(sampleEvent()).expect(201);
      const pool = service.app.get<pg.Pool>(POOL);
      const settings = { ARCHIVE_EXPORT_AGE: 300_000, ARCHIVE_EXPORT_EVENTS: 500, ARCHIVE_RETENTION_YEARS: 7 };
      const exporter = new Exporter(settings, pool, service.database.serviceUrl, test.store);
      const request = { takeAll: true, requestedBy: 'key:test', signal: new AbortController().signal, log };
      expect(await exporter.run(request)).toMatchObject({ objects: 1 });
      const rows = await query<{ number: string; object_key: string; version_id: string }>(
        service.database,
        'SELECT number, object_key, version_id FROM archive_objects ORDER BY number DESC LIMIT 1',
      );
      const { number, object_key: key, version_id: versionId } = rows[0]!;
      return { number, key, versionId };
    }

    const isHeld = async (version: { key: string; versionId: string }): Promise<boolean> =>
      (await test.store.describe(version)).legalHold;

    /** The keeper beside the service's own, over a store that may misbehave. */
    const keep = (
      store: ObjectStore = test.store,
      recheckAll = false,
      recorded = service.app.get(RecordedHolds),
    ): Promise<ObjectHoldsOutcome> =>
      new ObjectHolds(service.app.get<pg.Pool>(POOL), store, recorded, service.app.get(RequestsOnRecord)).run({
        recheckAll,
        signal: new AbortController().signal,
        log,
      });

    /** Waits for every run of the job that changes have asked for. */
    async function settled(): Promise<void> {
      for (const began = Date.now(); ; await pause(20)) {
        const { body } = await service.http().get('/v1/jobs/legal-holds/runs').expect(200);
        const statuses = body.runs.map(({ status }: { status: string }) => status);
        if (statuses.length > 0 && statuses.every((status: string) => status === 'done')) return;
        if (statuses.includes('failed') || Date.now() - began > 20_000) throw new Error(JSON.stringify(body.runs));
      }
    }

    const rows = () =>
      query<{ number: string; confirmed: boolean }>(
        service.database,
        'SELECT number, confirmed_at IS NOT NULL AS confirmed FROM archive_object_holds ORDER BY number',
      );

    it('are held in the store once the hold is asked for, those that come later too, and freed once it is over', async () => {
      const { ann, bob, request, approve, release } = team;
      const ofDesk = await archive('desk-1'); // with what the service has recorded of itself
      const before = await archive();
      const { id } = (await request(ann).expect(201)).body;
      await settled();
      expect([await isHeld(before), await isHeld(ofDesk)]).toEqual([true, false]);
      expect(await rows()).toEqual([{ number: before.number, confirmed: true }]);
      expect((await service.http().get(`/v1/legal-holds/${id}`).expect(200)).body).toMatchObject({
        objects: '1',
        objects_held: '1',
      });

      const later = await archive();
      expect((await service.http().get(`/v1/legal-holds/${id}`).expect(200)).body).toMatchObject({
        objects: '2',
        objects_held: '1',
      });
      const { text } = await service.http().get('/metrics').expect(200);
      expect(text).toContain('truetrail_archive_held_objects{state="held"} 1\n');
      expect(text).toContain('truetrail_archive_held_objects{state="open"} 1\n');
      const { status, outcome } = await runJob(service, 'legal-holds');
      expect([status, outcome]).toEqual(['done', { held: 1, freed: 0, confirmed: 1, restored: 0 }]);
      expect(await isHeld(later)).toBe(true);

      await approve(bob, id).expect(201);
      await release(ann, id).expect(201);
      await settled();
      expect([await isHeld(before), await isHeld(later)]).toEqual([true, true]);
      await expect(test.store.remove(before)).rejects.toThrow(RetentionRefused);
      await approve(bob, id).expect(201);
      await settled();
      expect([await isHeld(before), await isHeld(later)]).toEqual([false, false]);
      expect(await rows()).toEqual([]);
    });

    it('stay held as long as any hold touches them, by ledger and recorded time', async () => {
      const { ann, bob, request, reject } = team;
      const object = await archive();
      const [{ least, greatest }] = (await query<{ least: string; greatest: string }>(
        service.database,
        `SELECT to_char(least_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS least,
                to_char(greatest_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS greatest
           FROM archive_ranges WHERE number = $1 AND ledger = 'main'`,
        [object.number],
      )) as [{ least: string; greatest: string }];
      const touching = [{ recorded_from: greatest }, { recorded_to: '2199-01-01T00:00:00Z' }, { user_id: 'nobody' }];
      const not = [{ recorded_to: least }, { recorded_from: '2199-01-01T00:00:00Z' }, { ledgers: ['desk-1'] }];
      for (const members of not) await request(ann, members).expect(201);
      await settled();
      expect(await isHeld(object)).toBe(false);
      const ids: string[] = [];
      for (const members of touching) ids.push((await request(ann, members).expect(201)).body.id);
      await settled();
      for (const id of ids) {
        expect(await isHeld(object)).toBe(true);
        await reject(bob, id).expect(201);
        await settled();
      }
      expect(await isHeld(object)).toBe(false);
    });

    it('are as they should be after a run is killed at any step, and the hold has changed meanwhile', async () => {
      class Crash extends Error {}
      /** Fails at the n-th call that sets or looks at a hold: before it has an effect, or after. */
      const crashing = (at: number, after: boolean): ObjectStore => {
        let calls = 0;
        return storeWith(test.store, (target, name) => {
          const member = Reflect.get(target, name) as unknown;
          if (typeof member !== 'function' || !['setLegalHold', 'describe'].includes(String(name))) return member;
          return async (...parameters: unknown[]): Promise<unknown> => {
            calls += 1;
            if (calls === at && !after) throw new Crash();
            const result = await (member as (...all: unknown[]) => Promise<unknown>).apply(target, parameters);
            if (calls === at) throw new Crash();
            return result;
          };
        });
      };
      const objects = [await archive(), await archive(), await archive()];
      const held = () => Promise.all(objects.map(isHeld));
      const hold = (id: string): Promise<unknown> =>
        query(
          service.database,
          `SELECT request_legal_hold($1, '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:a')`,
          [id],
        );
      const end = (id: string): Promise<unknown> =>
        query(service.database, `SELECT act_on_legal_hold($1, 'reject', 'key:b', 'x', NULL)`, [id]);
      let crashes = 0;
      for (let at = 1; at <= 6; at++) {
        for (const after of [false, true]) {
          for (const endsMeanwhile of [false, true]) {
            const id = `0197f3a1-6c00-7000-8000-00000${at}${Number(after)}${Number(endsMeanwhile)}00d1`;
            await hold(id);
            await keep(crashing(at, after)).catch((error: unknown) => {
              expect(error).toBeInstanceOf(Crash);
              crashes += 1;
            });
            if (!endsMeanwhile) {
              await keep();
              expect(await held()).toEqual([true, true, true]);
            }
            await end(id);
            await keep(crashing(at, after)).catch((error: unknown) => {
              expect(error).toBeInstanceOf(Crash);
              crashes += 1;
            });
            await keep();
            expect(await held()).toEqual([false, false, false]);
            expect(await rows()).toEqual([]);
          }
        }
      }
      expect(crashes).toBeGreaterThan(24);
      expect(await keep()).toEqual({ held: 0, freed: 0, confirmed: 0, restored: 0 });
    });

    it('are held in the end when a hold comes up while they are being freed', async () => {
      const object = await archive();
      const hold = (): Promise<unknown> =>
        query(
          service.database,
          `SELECT request_legal_hold(gen_random_uuid(), '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:a')`,
        );
      await hold();
      await keep();
      await query(service.database, `SELECT act_on_legal_hold(id, 'reject', 'key:b', 'x', NULL) FROM legal_holds`);
      const interrupted = storeWith(test.store, (target, name) =>
        name === 'setLegalHold'
          ? async (version: { key: string; versionId: string }, on: boolean) => {
              await hold();
              await target.setLegalHold(version, on);
            }
          : Reflect.get(target, name),
      );
      expect(await keep(interrupted)).toMatchObject({ freed: 1 });
      expect(await rows()).toEqual([{ number: object.number, confirmed: false }]);
      expect(await keep()).toMatchObject({ held: 1 });
      expect(await isHeld(object)).toBe(true);
    });

    it('are held again when somebody has lifted the hold in the store', async () => {
      const object = await archive();
      await team.request(team.ann).expect(201);
      await settled();
      if (test.owner) {
        await test.owner.client.send(
          new PutObjectLegalHoldCommand({
            Bucket: test.owner.bucket,
            Key: `trail/${object.key}`,
            VersionId: object.versionId,
            LegalHold: { Status: 'OFF' },
          }),
        );
      } else {
        await test.store.setLegalHold(object, false);
      }
      expect(await keep()).toMatchObject({ restored: 0, confirmed: 0 }); // asked within the day
      await query(
        service.database,
        `CREATE OR REPLACE FUNCTION trail_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
           SET search_path = pg_catalog AS $$ SELECT clock_timestamp() + interval '25 hours' $$`,
      );
      expect(await keep()).toEqual({ held: 0, freed: 0, confirmed: 0, restored: 1 });
      expect(await isHeld(object)).toBe(true);
      expect(await keep()).toEqual({ held: 0, freed: 0, confirmed: 0, restored: 0 });
      expect(await keep(test.store, true)).toEqual({ held: 0, freed: 0, confirmed: 1, restored: 0 });
    });

    it('make a run fail while the store is away, and are held by the next', async () => {
      const object = await archive();
      const away = storeWith(test.store, (target, name) =>
        name === 'setLegalHold' ? () => Promise.reject(new StoreUnavailable('away')) : Reflect.get(target, name),
      );
      await query(
        service.database,
        `SELECT request_legal_hold(gen_random_uuid(), '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:a')`,
      );
      await expect(keep(away)).rejects.toThrow(StoreUnavailable);
      expect(await rows()).toEqual([{ number: object.number, confirmed: false }]);
      expect(await keep()).toMatchObject({ held: 1 });
      expect(await isHeld(object)).toBe(true);
    });

    it('hold up no other when one of them is missing, and the run says which', async () => {
      const [first, second] = [await archive(), await archive()];
      const damaged = storeWith(test.store, (target, name) =>
        name === 'setLegalHold'
          ? (version: { key: string; versionId: string }, on: boolean) =>
              target.setLegalHold(version.key === first.key ? { ...version, key: 'early/none.parquet' } : version, on)
          : Reflect.get(target, name),
      );
      await query(
        service.database,
        `SELECT request_legal_hold(gen_random_uuid(), '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:a')`,
      );
      await expect(keep(damaged)).rejects.toThrow(`1 objects under a legal hold are not in the store: ${first.key}`);
      expect([await isHeld(first), await isHeld(second)]).toEqual([false, true]);
    });

    it('stay held when a hold is ended, or made to keep less, in the database alone; and the run says so', async () => {
      const { ann, bob, request, approve, release } = team;
      const [first, second] = [await archive(), await archive('desk-1')];
      const hold = async (ledger: string): Promise<string> => {
        const { id } = (await request(ann, { ledgers: [ledger] }).expect(201)).body;
        await approve(bob, id).expect(201);
        return id;
      };
      const [ofMain, ofDesk] = [await hold('main'), await hold('desk-1')];
      await settled();
      const past = (change: string, id: string) =>
        connected(service.database.adminUrl, async (admin) => {
          await admin.query('ALTER TABLE legal_holds DISABLE TRIGGER legal_holds_refuse_row');
          await admin.query(`UPDATE legal_holds SET ${change} WHERE id = $1`, [id]);
          await admin.query('ALTER TABLE legal_holds ENABLE ALWAYS TRIGGER legal_holds_refuse_row');
        });
      const refused = async (says: string): Promise<void> => {
        await expect(keep()).rejects.toThrow(says);
        expect([await isHeld(first), await isHeld(second)]).toEqual([true, true]);
      };
      // an end that was given up: its record landed late, after those of acts that came after it
      const given = (await serviceEvents(service.database, 'legal_hold')).filter((each) => each.entity_id === ofMain);
      await service.app.get(ServiceLedger).record({
        ...{ event_type: 'legal_hold', entity_type: 'legal_hold', entity_id: ofMain, action: 'approve_release' },
        ...{ user_id: 'key:b', new_state: { ...given.at(-1)!.new_state, state: 'released' } },
        metadata: { reason: 'x', acted_at: '2020-01-01T00:00:00.000000Z' },
      });
      await past(`state = 'released'`, ofMain);
      await refused(`${ofMain}: it is released in the database, and the last act on record left it active`);
      const later = await archive('desk-1'); // what other holds keep is held all the same
      await refused('nothing is freed in the store until it is as it was');
      expect(await isHeld(later)).toBe(true);
      await past(`state = 'active'`, ofMain);
      await past(`recorded_to = '2001-01-01T00:00:00Z'`, ofDesk);
      await refused(`${ofDesk}: its recorded_to is "2001-01-01T00:00:00.000000Z" in the database, and null on record`);
      await past('recorded_to = NULL', ofDesk);
      expect(await keep()).toMatchObject({ freed: 0 });
      await release(ann, ofMain).expect(201);
      await approve(bob, ofMain).expect(201);
      await settled();
      expect([await isHeld(first), await isHeld(second)]).toEqual([false, true]);
    });

    it('stay held when a hold is removed from the database altogether; and the run says so', async () => {
      const { ann, bob, request, approve } = team;
      const object = await archive();
      const { id } = (await request(ann, { ledgers: ['main'] }).expect(201)).body;
      await approve(bob, id).expect(201);
      await settled();
      await removePast(id);
      await expect(keep()).rejects.toThrow(
        `${id}: it is not in the database, and the last act on record left it active`,
      );
      expect(await isHeld(object)).toBe(true);
    });

    it('stay held when one is removed that was only asked for, or whose request was interrupted: it is put back', async () => {
      const { ann, bob, request, approve, reject, release } = team;
      const [object, other] = [await archive(), await archive('desk-1')];
      const { id } = (await request(ann, { ledgers: ['main'], user_id: 'trader-1' }).expect(201)).body;
      // keeps `other` until it is released, which makes that one ready to be freed
      const { id: ended } = (await request(ann, { ledgers: ['desk-1'] }).expect(201)).body;
      await approve(bob, ended).expect(201);
      await settled();
      expect([await isHeld(object), await isHeld(other)]).toEqual([true, true]);
      const asked = (await service.http().get(`/v1/legal-holds/${id}`).expect(200)).body;
      await removePast(id);
      await service.http().get(`/v1/legal-holds/${id}`).expect(404);
      await release(ann, ended).expect(201);
      await approve(bob, ended).expect(201);
      await settled().catch(() => undefined);
      const { requested_at: _, acts: __, ...selection } = asked;
      const back = (await service.http().get(`/v1/legal-holds/${id}`).expect(200)).body;
      expect(back).toMatchObject(selection);
      expect(back.acts).toMatchObject([{ act: 'request', state: 'requested', principal: ann.principal }]);
      const said = (await serviceEvents(service.database, 'legal_hold')).filter((each) => each.entity_id === id);
      expect(said.map(({ action }) => action)).toEqual(['request', 'request']);
      const { body: runs } = await service.http().get('/v1/jobs/legal-holds/runs').expect(200);
      expect(runs.runs.filter(({ status }: { status: string }) => status === 'failed')[0].outcome.error).toContain(
        `${id}: it is not in the database, and the last act on record left it requested; it is put back`,
      );
      // from then on all is as it was, and a second removal is beyond doubt
      expect(await keep()).toMatchObject({});
      expect([await isHeld(object), await isHeld(other)]).toEqual([true, false]);
      await removePast(id);
      for (let run = 0; run < 2; run++) await expect(keep()).rejects.toThrow(`left it requested. Somebody`);

      // its record alone, as an interrupted request leaves it, of a ledger that is there and of one that is not
      const [recorded] = said;
      const interrupted = async (ledger: string): Promise<string> => {
        const entity_id = randomUUID();
        await service.app.get(ServiceLedger).record({
          ...{ event_type: 'legal_hold', entity_type: 'legal_hold', entity_id, action: 'request' },
          ...{ user_id: 'key:a', new_state: { ...recorded!.new_state, ledgers: [ledger], requested_by: 'key:a' } },
          metadata: { reason: 'x', acted_at: '2020-01-01T00:00:00.000000Z' },
        });
        return entity_id;
      };
      const [there, nowhere] = [await interrupted('main'), await interrupted('nowhere')];
      await expect(keep()).rejects.toThrow('3 legal holds are not as');
      expect((await service.http().get(`/v1/legal-holds/${there}`).expect(200)).body).toMatchObject({
        ...{ state: 'requested', ledgers: ['main'], requested_by: 'key:a' },
      });
      await service.http().get(`/v1/legal-holds/${nowhere}`).expect(404);
      await expect(keep()).rejects.toThrow('2 legal holds are not as');
      await reject(bob, there).expect(201);
    });

    it('are put back by the next run where the commit of that fails', async () => {
      const { ann, request } = team;
      const { id } = (await request(ann, { ledgers: ['main'] }).expect(201)).body;
      await settled();
      await removePast(id);
      await connected(service.database.adminUrl, async (admin) => {
        await admin.query(
          `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$`,
        );
        await admin.query(
          `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON legal_holds
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
        );
        try {
          await expect(keep()).rejects.toThrow('disk full');
        } finally {
          await admin.query('DROP TRIGGER refuse ON legal_holds');
          await admin.query('DROP FUNCTION refuse()');
        }
      });
      await service.http().get(`/v1/legal-holds/${id}`).expect(404);
      await expect(keep()).rejects.toThrow(
        `${id}: it is not in the database, and the last act on record left it requested; it is put back`,
      );
      await service.http().get(`/v1/legal-holds/${id}`).expect(200);
      expect(await keep()).toMatchObject({});
    });

    /** As the tables' owner can. */
    async function removePast(id: string): Promise<void> {
      const tables = ['legal_hold_acts', 'legal_holds'];
      await connected(service.database.adminUrl, async (admin) => {
        for (const table of tables) await admin.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
        await admin.query('DELETE FROM legal_hold_acts WHERE hold = $1', [id]);
        await admin.query('DELETE FROM legal_holds WHERE id = $1', [id]);
        for (const table of tables) await admin.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
      });
    }

    it('are held, and none is freed, while the acts on record cannot be read', async () => {
      const { ann, bob, request, reject } = team;
      const [freed, held] = [await archive('desk-1'), await archive()];
      const { id } = (await request(ann, { ledgers: ['desk-1'] }).expect(201)).body;
      await settled();
      const turnOfHolds = await takeTurn(service, 'legal-holds');
      try {
        await reject(bob, id).expect(201);
        await request(ann).expect(201);
        const unreadable = new RecordedHolds(service.app.get<pg.Pool>(POOL), {} as ArchivedEvents);
        jest.spyOn(unreadable, 'contradicted').mockRejectedValue(new Error('an object of _service is damaged'));
        await expect(keep(test.store, false, unreadable)).rejects.toThrow('an object of _service is damaged');
        expect([await isHeld(freed), await isHeld(held)]).toEqual([true, true]);
      } finally {
        await turnOfHolds.release();
      }
      expect(await keep()).toMatchObject({ freed: 1 });
    });

    it('are not touched in a store that is not this database’s', async () => {
      await archive();
      const elsewhere = await make();
      try {
        await query(
          service.database,
          `SELECT request_legal_hold(gen_random_uuid(), '{main}', NULL, NULL, NULL, NULL, NULL, NULL, 'x', 'key:a')`,
        );
        await expect(keep(elsewhere.store)).rejects.toThrow('not the store that this database archives to');
        expect(await rows()).toEqual([]);
      } finally {
        elsewhere.close();
      }
    });
  },
);
