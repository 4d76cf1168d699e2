import { startService, sampleEvent, TEST_ORIGIN, type TestService } from './support/app.js';
import {
  canonicalContent,
  contentHash,
  eventHash,
  toContent,
  type Receipt,
  type SentContent,
} from '../src/integrity/event.js';

describe('recording one event', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  const post = (body: object, ledger = 'main') => service.http().post(`/v1/ledgers/${ledger}/events`).send(body);

  function recomputes(sent: object, receipt: Receipt): void {
    const { content } = toContent(sent as SentContent);
    const hash = contentHash(Buffer.from(receipt.salt, 'hex'), canonicalContent(content).text).toString('hex');
    expect(receipt.content_hash).toBe(hash);
    expect(eventHash(receipt).toString('hex')).toBe(receipt.event_hash);
  }

  it('answers 201 with a receipt that recomputes from what was sent, and links to the one before', async () => {
    const first = sampleEvent();
    const second = sampleEvent({
      timestamp: '2026-06-02T10:15:30+02:00',
      event_id: '0197F3A1-0000-7000-8000-0000000000AB',
    });
    const a = await post(first).expect(201);
    const b = await post(second).expect(201);
    recomputes(first, a.body);
    recomputes(second, b.body);
    expect(a.body.origin).toBe(`${TEST_ORIGIN}/main`);
    expect(BigInt(b.body.sequence)).toBe(BigInt(a.body.sequence) + 1n);
    expect(b.body.previous_event_hash).toBe(a.body.event_hash);
    expect(b.body.event_id).toBe('0197f3a1-0000-7000-8000-0000000000ab');
  });

  it('answers a repeat with 200 and the same bytes', async () => {
    const event = sampleEvent();
    const first = await post(event).expect(201);
    const again = await post(event).expect(200);
    expect(again.text).toBe(first.text);
  });

  it('refuses other content under a known id, and keeps it in the service ledger', async () => {
    const event = sampleEvent();
    await post(event).expect(201);
    const { body: before } = await service.http().get('/v1/ledgers/_service').expect(200);
    const refused = await post({ ...event, user_id: 'trader-2' }).expect(409);
    expect(refused.body).toMatchObject({
      type: '/docs/problems/event-id-conflict',
      errors: [{ pointer: '/event_id', rule: 'conflict' }],
      errors_total: 1,
    });
    expect(refused.headers['content-type']).toContain('application/problem+json');
    const { body: after } = await service.http().get('/v1/ledgers/_service').expect(200);
    expect(BigInt(after.size)).toBe(BigInt(before.size) + 1n);
  });

  it('names the field and the rule of what it refuses', async () => {
    const refused = await post({ ...sampleEvent(), user_id: '', extra: 1, source: null }).expect(400);
    expect(refused.body.type).toBe('/docs/problems/invalid-event');
    expect(refused.body.errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ pointer: '/user_id', rule: 'text' }),
        expect.objectContaining({ pointer: '/extra', rule: 'unknown' }),
        expect.objectContaining({ pointer: '/source', rule: 'text' }),
      ]),
    );
    expect(refused.body.errors_total).toBe(3);
  });

  it('says of a leap second that it is one', async () => {
    const refused = await post(sampleEvent({ timestamp: '2016-12-31T23:59:60Z' })).expect(400);
    expect(refused.body.type).toBe('/docs/problems/leap-second');
  });

  it('takes an Idempotency-Key for the event id, and refuses two different ones', async () => {
    const { event_id: id, ...event } = sampleEvent();
    const send = (body: object) => service.http().post('/v1/ledgers/main/events').set('Idempotency-Key', id).send(body);
    const first = await send(event).expect(201);
    expect(first.body.event_id).toBe(id);
    expect((await send(event).expect(200)).text).toBe(first.text);
    const other = await send({ ...event, event_id: '0197f3a1-0000-7000-8000-00000000ffff' }).expect(400);
    expect(other.body.type).toBe('/docs/problems/idempotency-key-mismatch');
  });

  it('refuses a batch with an Idempotency-Key where an event has no id, which would be recorded twice', async () => {
    const { event_id: id, ...event } = sampleEvent();
    const send = (...events: object[]) =>
      service.http().post('/v1/ledgers/main/events/batch').set('Idempotency-Key', id).send({ events });
    const refused = await send(sampleEvent(), event).expect(400);
    expect(refused.body.errors).toMatchObject([{ pointer: '/events/1/event_id', rule: 'required' }]);
    await send(sampleEvent(), sampleEvent()).expect(201);
  });

  it('answers 404 for a ledger that is not there, 403 for its own, 401 without a key', async () => {
    expect((await post(sampleEvent(), 'nowhere').expect(404)).body.type).toBe('/docs/problems/ledger-not-found');
    expect((await post(sampleEvent(), '_service').expect(403)).body.type).toBe('/docs/problems/forbidden');
    const stranger = await service.http(null).post('/v1/ledgers/main/events').send(sampleEvent()).expect(401);
    expect(stranger.headers['www-authenticate']).toContain('Bearer');
  });
});
