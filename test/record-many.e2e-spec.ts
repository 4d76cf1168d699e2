import { gzipSync } from 'node:zlib';
import { startService, sampleEvent, type TestService } from './support/app.js';

describe('recording many events', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const size = async (ledger = 'main'): Promise<bigint> =>
    BigInt((await service.http().get(`/v1/ledgers/${ledger}`).expect(200)).body.size);

  describe('as a batch', () => {
    const post = (body: unknown) =>
      service
        .http()
        .post('/v1/ledgers/main/events/batch')
        .send(body as object);

    it('answers receipts in the order of the events', async () => {
      const events = Array.from({ length: 50 }, () => sampleEvent());
      const { body } = await post({ events }).expect(201);
      expect(body).toMatchObject({ recorded: '50', repeated: '0' });
      expect(body.receipts.map((receipt: { event_id: string }) => receipt.event_id)).toEqual(
        events.map((event) => event.event_id),
      );
      const sequences = body.receipts.map((receipt: { sequence: string }) => BigInt(receipt.sequence));
      expect(sequences).toEqual(sequences.map((_: bigint, i: number) => sequences[0] + BigInt(i)));
    });

    it('takes what is new when some was there, and answers both alike', async () => {
      const [a, b, c] = [sampleEvent(), sampleEvent(), sampleEvent()];
      const first = await post({ events: [b] }).expect(201);
      const mixed = await post({ events: [a, b, c] }).expect(201);
      expect(mixed.body).toMatchObject({ recorded: '2', repeated: '1' });
      expect(mixed.body.receipts[1]).toEqual(first.body.receipts[0]);
      const again = await post({ events: [a, b, c] }).expect(200);
      expect(again.body).toEqual({ receipts: mixed.body.receipts, recorded: '0', repeated: '3' });
    });

    it('takes the same id twice as one event if its content is the same, and as a conflict if not', async () => {
      const event = sampleEvent();
      const { body } = await post({ events: [event, { ...event }] }).expect(201);
      expect(body).toMatchObject({ recorded: '1', repeated: '1' });
      expect(body.receipts[0]).toEqual(body.receipts[1]);

      const other = sampleEvent();
      const before = await size();
      const refused = await post({ events: [sampleEvent(), other, { ...other, action: 'cancel' }] }).expect(409);
      expect(refused.body.errors).toEqual([
        expect.objectContaining({ pointer: '/events/2/event_id', rule: 'conflict' }),
      ]);
      expect(await size()).toBe(before);
    });

    it('records nothing when one event conflicts or is malformed, and says which and how many', async () => {
      const known = sampleEvent();
      await post({ events: [known] }).expect(201);
      const before = await size();
      const conflict = await post({ events: [sampleEvent(), { ...known, user_id: 'someone else' }] }).expect(409);
      expect(conflict.body.errors).toEqual([expect.objectContaining({ pointer: '/events/1/event_id' })]);
      const malformed = await post({
        events: Array.from({ length: 150 }, (_, i) => sampleEvent(i === 7 ? {} : { timestamp: 'now' })),
      }).expect(400);
      expect(malformed.body.errors).toHaveLength(100);
      expect(malformed.body.errors_total).toBe(149);
      expect(malformed.body.errors[0]).toMatchObject({ pointer: '/events/0/timestamp', rule: 'timestamp' });
      expect(await size()).toBe(before);
    });

    it.each([
      ['no object', []],
      ['no events', {}],
      ['an empty list', { events: [] }],
      ['too many', { events: Array.from({ length: 10_001 }, () => ({})) }],
      ['another member', { events: [sampleEvent()], dry_run: true }],
      ['events that are none', { events: [1, null, 'x'] }],
    ])('refuses %s', async (_, body) => {
      const { body: problem } = await post(body).expect(400);
      expect(problem.type).toBe('/docs/problems/invalid-event');
      expect(problem.errors_total).toBeGreaterThan(0);
    });

    it('takes a compressed body, and refuses one that grows past the limit', async () => {
      const send = (bytes: Buffer) =>
        service
          .http()
          .post('/v1/ledgers/main/events/batch')
          .set('content-type', 'application/json')
          .set('content-encoding', 'gzip')
          .serialize((body: unknown) => body as string)
          .send(bytes);
      await send(gzipSync(JSON.stringify({ events: [sampleEvent()] }))).expect(201);
      const bomb = gzipSync(Buffer.alloc(17 * 1024 * 1024, ' '));
      expect(bomb.length).toBeLessThan(100_000);
      expect((await send(bomb).expect(413)).body.type).toBe('/docs/problems/payload-too-large');
      expect((await send(Buffer.from('not gzip')).expect(400)).body.type).toBe('/docs/problems/invalid-body');
    });

    it('joins what many clients send at once, each event once', async () => {
      const events = Array.from({ length: 40 }, () => sampleEvent());
      const before = await size();
      const answers = await Promise.all(
        [...events, ...events].map((event) => service.http().post('/v1/ledgers/main/events').send(event)),
      );
      expect(answers.filter((answer) => answer.status === 201)).toHaveLength(40);
      expect(answers.filter((answer) => answer.status === 200)).toHaveLength(40);
      expect((await size()) - before).toBe(40n);
    });
  });

  describe('as a stream', () => {
    const post = (lines: string, type = 'application/x-ndjson') =>
      service
        .http()
        .post('/v1/ledgers/main/events/stream')
        .set('content-type', type)
        .buffer(true)
        .parse((res, done) => {
          let text = '';
          res.setEncoding('utf8');
          res.on('data', (chunk: string) => (text += chunk));
          res.on('end', () => done(null, text));
        })
        .send(lines);
    const parse = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));

    it('answers each line in order, and a bad one does not stop the rest', async () => {
      const [a, b] = [sampleEvent(), sampleEvent()];
      const { event_id: _, ...nameless } = sampleEvent();
      const lines = [
        JSON.stringify(a),
        '{"broken',
        JSON.stringify(nameless),
        JSON.stringify(a),
        '',
        JSON.stringify({ ...a, action: 'x' }),
        JSON.stringify(b),
      ];
      const { body, status } = await post(lines.join('\n') + '\n');
      expect(status).toBe(200);
      const answers = parse(body as string);
      expect(answers.map((answer) => answer.line)).toEqual([1, 2, 3, 4, 5, 6, 7, undefined]);
      expect(answers[0].receipt.event_id).toBe(a.event_id);
      expect(answers[1].problem.type).toBe('/docs/problems/invalid-json');
      expect(answers[2].problem.errors[0]).toMatchObject({ pointer: '/event_id', rule: 'required' });
      expect(answers[3].receipt).toEqual(answers[0].receipt);
      expect(answers[4].problem.status).toBe(400);
      expect(answers[5].problem.type).toBe('/docs/problems/event-id-conflict');
      expect(answers[6].receipt.event_id).toBe(b.event_id);
      expect(answers[7]).toEqual({
        end: { lines: '7', recorded: '2', repeated: '1', refused: '4', reason: 'complete' },
      });
    });

    it('keeps the order of its lines in the ledger over many commits', async () => {
      const events = Array.from({ length: 3_000 }, () => sampleEvent());
      const { body } = await post(events.map((event) => JSON.stringify(event)).join('\r\n'));
      const answers = parse(body as string);
      const receipts = answers.slice(0, -1).map((answer) => answer.receipt);
      expect(receipts.map((receipt) => receipt.event_id)).toEqual(events.map((event) => event.event_id));
      const sequences = receipts.map((receipt) => BigInt(receipt.sequence));
      expect(sequences.every((sequence, i) => i === 0 || sequence > sequences[i - 1]!)).toBe(true);
      expect(answers.at(-1).end).toMatchObject({ lines: '3000', recorded: '3000' });
    });

    it('refuses a line past the limit and goes on', async () => {
      const event = sampleEvent();
      const { body } = await post(`{"x":"${'y'.repeat(300_000)}"}\n${JSON.stringify(event)}`);
      const answers = parse(body as string);
      expect(answers[0].problem.type).toBe('/docs/problems/payload-too-large');
      expect(answers[1].receipt.event_id).toBe(event.event_id);
    });

    it('wants lines, and a ledger that is there', async () => {
      await service.http().post('/v1/ledgers/main/events/stream').send(sampleEvent()).expect(415);
      await service
        .http()
        .post('/v1/ledgers/main/events')
        .set('content-type', 'application/x-ndjson')
        .send('{}')
        .expect(415);
      await service
        .http()
        .post('/v1/ledgers/nowhere/events/stream')
        .set('content-type', 'application/x-ndjson')
        .send('{}')
        .expect(404);
    });
  });

  describe("as an order's steps", () => {
    const step = (action: string, body: object, order = 'O%2F1') =>
      service.http().post(`/v1/ledgers/main/orders/${order}/${action}`).send(body);
    const content = (members: object = {}): Record<string, unknown> => {
      const { event_type: _t, entity_type: _e, entity_id: _i, action: _a, ...rest } = sampleEvent();
      return { ...rest, ...members };
    };

    it('is the same event as by the plain route', async () => {
      const body = content();
      const first = await step('create', body).expect(201);
      const plain = {
        ...body,
        event_type: 'order_lifecycle',
        entity_type: 'order',
        entity_id: 'O/1',
        action: 'create',
      };
      const again = await service.http().post('/v1/ledgers/main/events').send(plain).expect(200);
      expect(again.text).toBe(first.text);
    });

    it.each([
      [
        'modify',
        content({
          metadata: { reason: 'price' },
          previous_state: { price: '1', quantity: '2' },
          new_state: { price: '1.5' },
        }),
      ],
      ['partial_fill', content({ new_state: { price: '585.33', quantity: '10', exchange: 'XNAS' } })],
      ['fill', content({ new_state: { price: '-0.5', quantity: '10', exchange: 'XNAS' } })],
      ['cancel', content({ metadata: { reason: 'client' } })],
      ['reject', content({ metadata: { reason: 'limit' } })],
    ])('takes a whole %s', async (action, body) => {
      await step(action, body).expect(201);
    });

    it.each([
      ['modify', content(), ['/previous_state', '/metadata/reason']],
      [
        'fill',
        content({ new_state: { price: 585.33 } }),
        ['/new_state/price', '/new_state/quantity', '/new_state/exchange'],
      ],
      [
        'partial_fill',
        content({ new_state: { price: '1e3', quantity: '+1', exchange: 'X' } }),
        ['/new_state/price', '/new_state/quantity'],
      ],
      ['cancel', content({ metadata: undefined }), ['/metadata/reason']],
      ['create', content({ action: 'create' }), ['/action']],
      ['create', content({ new_state: { quantity: 100 } }), ['/new_state/quantity']],
    ])('refuses a %s that is not whole, naming each place', async (action, body, pointers) => {
      const { body: problem } = await step(action, body).expect(400);
      expect(problem.type).toBe('/docs/problems/invalid-event');
      const named = problem.errors.map((error: { pointer: string }) => error.pointer);
      for (const pointer of pointers) expect(named).toContain(pointer);
    });

    it('knows six steps', async () => {
      const { body } = await step('explode', content()).expect(400);
      expect(body.errors[0]).toMatchObject({ pointer: '/path/action', rule: 'one-of' });
    });
  });

  it('makes a ledger once, and takes events into it', async () => {
    expect((await service.http().post('/v1/ledgers/desk-1/events').send(sampleEvent()).expect(404)).body.type).toBe(
      '/docs/problems/ledger-not-found',
    );
    const made = await service.http().put('/v1/ledgers/desk-1').expect(201);
    expect(made.body).toMatchObject({
      ledger: 'desk-1',
      size: '0',
      event_hash: null,
      state: 'open',
      recorded_at: null,
    });
    await service.http().put('/v1/ledgers/desk-1').send({ origin: made.body.origin }).expect(200);
    await service.http().put('/v1/ledgers/desk-1').send({ origin: 'elsewhere/desk-1' }).expect(409);
    await service.http().put('/v1/ledgers/_own').expect(400);
    await service.http().put('/v1/ledgers/UPPER').expect(400);
    const event = sampleEvent();
    const { body } = await service.http().post('/v1/ledgers/desk-1/events').send(event).expect(201);
    expect(body).toMatchObject({ sequence: '1', previous_event_hash: null, origin: made.body.origin });
    await service.http().post('/v1/ledgers/main/events').send(event).expect(201); // an id counts once in its ledger
  });
});
