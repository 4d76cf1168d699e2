import type { FileAdvice } from '../src/transaction-reports/feedback.js';
import { ARM, BANK, MADE_TRANSACTIONS, TRANSACTION_REFERENCE } from './reports/made-transactions.js';
import { startService, type TestService } from './support/app.js';
import { feedbackXml } from './support/feedback.js';
import { createKey } from './support/keys.js';
import { FIRM } from './support/transaction-reports.js';
import { whenOver } from './support/verification.js';

const SUBMISSIONS = '/v1/ledgers/main/transaction-reports/submissions';
const FEEDBACK = '/v1/transaction-report-feedback';
const DAY = { from_date: '2025-06-03', to_date: '2025-06-03' };
const BROKEN = [{ id: 'CON-411', description: 'Field 41 is not on the list of instruments' }];

interface Submission {
  id: string;
  status: string;
  records: string;
  files: { message_id: string; new: string; cancelled: string }[];
}
interface Event {
  entity_type: string;
  entity_id: string;
  action: string;
  user_id: string;
  new_state: Record<string, unknown>;
  metadata: Record<string, string>;
  raw?: { media_type: string; data: string };
}

describe('feedback on transaction reports', () => {
  let service: TestService;
  let first: Submission;
  /** transaction references of the first file, in order */
  let references: string[];

  beforeAll(async () => {
    service = await startService({ env: { REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR' } });
    for (const [kind, text] of Object.entries(TRANSACTION_REFERENCE)) {
      await service.http().post(`/v1/reference/${kind}/imports`).set('content-type', 'text/csv').send(text).expect(201);
    }
    await service.http().post('/v1/ledgers/main/events/batch').send({ events: MADE_TRANSACTIONS }).expect(201);
    first = await submitted();
    expect([first.status, first.files.length]).toEqual(['done', 1]);
    const { body } = await service
      .http()
      .get(`${SUBMISSIONS}/${first.id}/decisions?limit=1000&decision=send`)
      .expect(200);
    references = (body.decisions as { transaction_reference: string }[]).map((each) => each.transaction_reference);
    expect(references.length).toBeGreaterThan(5);
  });
  afterAll(() => service.close());

  async function submitted(more: Record<string, string> = {}): Promise<Submission> {
    const asked = await service
      .http()
      .post(SUBMISSIONS)
      .send({ ...DAY, ...more })
      .expect(202);
    return whenOver<Submission>(service, asked.headers.location!);
  }

  const handIn = (xml: string, type = 'application/xml') =>
    service.http().post(FEEDBACK).set('content-type', type).send(xml);

  const answering = (advice: Partial<FileAdvice>, messageId?: string): string =>
    feedbackXml([{ answers: first.files[0]!.message_id, ...advice }], messageId);

  const ledger = async (): Promise<Event[]> =>
    (await service.http().get('/v1/ledgers/_reporting/events?limit=1000').expect(200)).body.events as Event[];

  /** References of which the list of what is due says that the authority contradicts itself. */
  async function contradicted(): Promise<string[]> {
    const query = { ...DAY, timeliness: 'contradicted', time_zone: 'Europe/Paris' };
    const { body } = await service.http().get('/v1/ledgers/main/reports/transaction-ageing').query(query).expect(200);
    const rows = (body.rows as Record<string, string>[]).filter(({ kind }) => kind === 'report');
    for (const row of rows) expect([row.timeliness, row.next]).toEqual(['contradicted', 'contradicted']);
    return rows.map((row) => row.transaction_reference!);
  }

  const NOTHING = { pending: '0', accepted: '0', rejected: '0', unchanged: '0', contradictions: '0', unknown: '0' };
  const ALL_SAID = { unsaid: '0', why_unsaid: null };

  it('is refused where it is no feedback: the line is told, and nothing is recorded', async () => {
    const before = (await ledger()).length;
    const whole = answering({ status: 'ACPT' });
    for (const [wrong, detail] of [
      ['', 'XML'],
      [whole.slice(0, -20), 'XML'],
      [whole.replaceAll('auth.031.001.01', 'auth.016.001.01'), 'auth.031.001.01'],
      [whole.replace('ACPT', 'FINE'), 'Sts must be one of'],
      [`<!DOCTYPE Document [<!ENTITY a "b">]>${whole}`, 'document type definition'],
      [bomb(whole), 'no well-formed XML'],
      [whole.replace('</StsAdvc>', `${'<a/>'.repeat(4_200_000)}</StsAdvc>`), 'tags, and may have 4200000'],
      ['<a>'.repeat(1_000), 'no well-formed XML'],
      [
        whole
          .replace('encoding="UTF-8"', 'encoding="UTF-7"')
          .replace(/^(?!<\?xml)/, '<?xml version="1.0" encoding="UTF-7"?>'),
        'encoding',
      ],
      [
        answering({
          status: 'PART',
          statistics: { total: 2, perStatus: { RJCT: 2 } },
          records: [{ recordId: FIRM + references[0]!, status: 'RJCT', rules: BROKEN }],
        }),
        '2 are RJCT, and 1 are listed',
      ],
    ] as const) {
      const { body } = await handIn(wrong).expect(400);
      expect(body.type).toBe('/docs/problems/invalid-body');
      expect(body.detail).toContain(detail === 'XML' && wrong === '' ? '' : detail);
    }
    await handIn(whole, 'application/json').expect(415);
    const reader = await createKey(service, ['reports:read']);
    await service.http(reader.key).post(FEEDBACK).set('content-type', 'application/xml').send(whole).expect(403);
    const ofOne = await createKey(service, ['transaction-reports:submit'], ['main']);
    await service.http(ofOne.key).post(FEEDBACK).set('content-type', 'application/xml').send(whole).expect(403);
    expect(await ledger()).toHaveLength(before);
    await service
      .http()
      .get(`${FEEDBACK}/${'0'.repeat(64)}`)
      .expect(404);
    await service.http().get(`${FEEDBACK}/a%00b`).expect(404);
  });

  it('is read in the encodings that XML has, and as if it had come in UTF-8', async () => {
    const text = feedbackXml([
      { answers: 'NEVER-SENT', status: 'RJCT', rules: [{ id: 'FIL-1', description: 'refusé' }] },
    ]);
    const declared = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>\n${text}`;
    for (const file of [
      Buffer.from(`\ufeff${declared('UTF-8')}`),
      Buffer.from(`\ufeff${declared('UTF-16')}`, 'utf16le'),
      Buffer.from(declared('ISO-8859-1'), 'latin1'),
    ]) {
      const { body } = await service
        .http()
        .post(FEEDBACK)
        .set('content-type', 'application/xml')
        .send(file)
        .expect(201);
      expect(body.files).toMatchObject([{ message_id: 'NEVER-SENT', status: 'RJCT' }]);
    }
  });

  it('of a file that was never sent changes nothing, and is kept', async () => {
    const { body } = await handIn(feedbackXml([{ answers: 'NEVER-SENT', status: 'RJCT', rules: BROKEN }])).expect(201);
    expect(body.files).toEqual([
      {
        ...NOTHING,
        ...ALL_SAID,
        message_id: 'NEVER-SENT',
        status: 'RJCT',
        executing_entity: null,
        unknown_records: [],
      },
    ]);
    expect((await submitted({ repeat_rejected: 'yes' })).records).toBe('0');
  });

  it('says of how many records it says nothing, and why', async () => {
    const sent = references.length;
    const counts = { total: sent - 1, perStatus: { ACPT: sent - 1 } };
    const { body } = await handIn(answering({ status: 'ACPT', statistics: counts })).expect(201);
    const why = `the statistics count ${sent - 1} records, of which ${sent - 1} ACPT; with ${sent} that are not listed these must be ${sent} and ${sent}`;
    expect(body.files).toMatchObject([{ ...NOTHING, status: 'ACPT', unsaid: String(sent), why_unsaid: why }]);
    expect((await service.http().get(FEEDBACK).expect(200)).body.feedback[0]).toEqual(body);
  });

  it('ties each status to its record, keeps the file as it came, and counts once', async () => {
    const rejected = references.slice(0, 2);
    const xml = answering(
      {
        status: 'PART',
        statistics: {
          total: references.length,
          perStatus: { ACPT: references.length - 3, PDNG: 1, RJCT: 2 },
        },
        records: [
          ...rejected.map((each) => ({ recordId: FIRM + each, status: 'RJCT' as const, rules: BROKEN })),
          { recordId: references[2]!, status: 'PDNG' as const, rules: [] },
        ],
      },
      'FR-FEEDBACK-1',
    );
    // two at once: one takes it in, the other finds it
    const both = await Promise.all([handIn(xml), handIn(xml, 'text/xml; charset=utf-8')]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 201]);
    const { body } = both[0];
    expect(both[1].body).toEqual(body);
    expect(body.message_id).toBe('FR-FEEDBACK-1');
    expect(body.files).toEqual([
      {
        ...{ ...NOTHING, ...ALL_SAID },
        ...{ message_id: first.files[0]!.message_id, status: 'PART', executing_entity: FIRM, unknown_records: [] },
        ...{ accepted: String(references.length - 3), pending: '1', rejected: '2' },
      },
    ]);
    expect((await service.http().get(both[0].headers.location!).expect(200)).body).toEqual(body);
    expect((await service.http().get(FEEDBACK).expect(200)).body.feedback[0]).toEqual(body);

    const events = await ledger();
    const act = events.find(({ action, entity_id: id }) => action === 'received' && id === body.sha256)!;
    const own = events.filter(({ metadata }) => metadata.maker === act.metadata.maker);
    const advised = own.filter(({ action }) => action === 'advised');
    expect(advised.map(({ entity_id: id, new_state: { state } }) => `${id} ${state as string}`).sort()).toEqual(
      references.map((each, i) => `${each} ${i < 2 ? 'rejected' : i === 2 ? 'pending' : 'accepted'}`).sort(),
    );
    expect(advised.find(({ entity_id: id }) => id === rejected[0])!.new_state.rules).toEqual(BROKEN);
    const parts = own.filter(({ action }) => action === 'part');
    expect(parts.map(({ new_state: { part } }) => part)).toEqual(parts.map((_, i) => String(i + 1)));
    expect(Buffer.concat(parts.map(({ raw }) => Buffer.from(raw!.data, 'base64'))).toString('utf8')).toBe(xml);
    expect(act.user_id).toMatch(/^key:/);
  });

  it('says the same again and nothing changes; what contradicts a final state keeps the report back until it is said again', async () => {
    const contrary = answering({
      status: 'PART',
      records: [
        { recordId: references[0]!, status: 'ACPT', rules: [] },
        { recordId: references[1]!, status: 'RJCT', rules: BROKEN },
        { recordId: 'NOBODYS', status: 'ACPT', rules: [] },
      ],
    });
    const { body } = await handIn(contrary).expect(201);
    expect(body.files).toMatchObject([
      { ...NOTHING, unchanged: '1', contradictions: '1', unknown: '1', unknown_records: ['NOBODYS'] },
    ]);
    const told = (await ledger()).filter(({ action }) => action === 'contradicted');
    expect(told.map(({ entity_id: id }) => id)).toEqual([references[0]]);
    expect(await contradicted()).toEqual([references[0]]);
    const rejected = { recordId: references[0]!, status: 'RJCT' as const, rules: BROKEN };
    const settled = await handIn(answering({ status: 'PART', records: [rejected] }, 'FR-SETTLED')).expect(201);
    expect(settled.body.files).toMatchObject([{ ...NOTHING, rejected: '1' }]);
    expect(await contradicted()).toEqual([]);
  });

  it('says to whom it is addressed, and whether that is somebody else than who sends, submits or executes', async () => {
    const told = async (xml: string): Promise<unknown[]> => {
      const { body, headers } = await handIn(xml).expect(201);
      expect((await service.http().get(headers.location!).expect(200)).body).toEqual(body);
      expect(body.files).toMatchObject([NOTHING]); // it counts all the same
      return [body.addressed_to, body.is_addressed_elsewhere];
    };
    for (const [to, isElsewhere] of [['TF', false] as const, [FIRM, false] as const, [ARM, false] as const]) {
      expect(await told(feedbackXml([{ answers: first.files[0]!.message_id, status: 'RCVD' }], 'FR-TO', to))).toEqual([
        to,
        isElsewhere,
      ]);
    }
    for (const to of [BANK, 'tf', 'FR']) {
      expect(await told(feedbackXml([{ answers: first.files[0]!.message_id, status: 'RCVD' }], 'FR-TO', to))).toEqual([
        to,
        true,
      ]);
    }
    // of a file that this installation never sent nobody but the sender is known
    expect(await told(feedbackXml([{ answers: 'NEVER', status: 'RCVD' }], 'FR-TO', FIRM))).toEqual([FIRM, true]);
    expect(await told(feedbackXml([{ answers: 'NEVER', status: 'RCVD' }], 'FR-TO'))).toEqual(['TF', false]);
    expect(await told(feedbackXml([{ answers: first.files[0]!.message_id, status: 'RMDR' }]))).toEqual([null, false]);
    const noTo = feedbackXml([{ answers: 'NEVER', status: 'RCVD' }], 'FR-NO-TO').replace(/<To>.*?<\/To>/, '<To/>');
    expect(await told(noTo)).toEqual([null, false]);
    const { body } = await service.http().get(FEEDBACK).expect(200);
    const listed = body.feedback as { is_addressed_elsewhere: boolean }[];
    expect(listed.filter((each) => each.is_addressed_elsewhere)).toHaveLength(4);
  });

  it('contradicts itself in one file, and no further answer of that file decides: another one does', async () => {
    const message = first.files[0]!.message_id;
    const saying = (status: 'ACPT' | 'RJCT') => {
      const rules = status === 'RJCT' ? BROKEN : [];
      const records = [{ recordId: references[3]!, status, rules }];
      return { answers: message, status: 'PART' as const, records };
    };
    const files = [saying('RJCT'), saying('ACPT'), saying('RJCT')];
    const { body } = await handIn(feedbackXml(files, 'FR-UNSURE')).expect(201);
    expect(body.files).toMatchObject([
      { ...NOTHING, contradictions: '1' },
      { ...NOTHING, unchanged: '1' },
      { ...NOTHING, unchanged: '1' },
    ]);
    expect(await contradicted()).toEqual([references[3]]);
    // one that decides and then says the other thing again decides nothing
    const both = await handIn(feedbackXml([saying('RJCT'), saying('ACPT'), saying('ACPT')], 'FR-BOTH')).expect(201);
    expect(both.body.files).toMatchObject([
      { ...NOTHING, rejected: '1' },
      { ...NOTHING, contradictions: '1' },
      { ...NOTHING, unchanged: '1' },
    ]);
    expect(await contradicted()).toEqual([references[3]]);
    const settled = await handIn(feedbackXml([saying('ACPT')], 'FR-SURE')).expect(201);
    expect(settled.body.files).toMatchObject([{ ...NOTHING, accepted: '1' }]);
    expect(await contradicted()).toEqual([]);
  });

  it('has what was rejected sent again by request, and that is answered by itself', async () => {
    expect((await submitted()).records).toBe('0');
    const again = await submitted({ repeat_rejected: 'yes' });
    expect(again.records).toBe('2');
    expect((await submitted({ repeat_rejected: 'yes' })).records).toBe('0'); // they are sent now
    const { body } = await handIn(feedbackXml([{ answers: again.files[0]!.message_id, status: 'ACPT' }])).expect(201);
    expect(body.files).toMatchObject([{ ...NOTHING, accepted: '2' }]);
    expect((await submitted({ repeat_rejected: 'yes' })).records).toBe('0');
    // the pending one is accepted in the end
    const late = answering({ status: 'PART', records: [{ recordId: references[2]!, status: 'ACPT', rules: [] }] });
    expect((await handIn(late).expect(201)).body.files).toMatchObject([{ ...NOTHING, accepted: '1' }]);
  });

  it('of a file that was not sent yet is judged once it is, and what it said of others is not said again', async () => {
    const next = first.files[0]!.message_id.replace('000001-0-000000', '000003-0-000002');
    const of = references[4]!;
    const rejected = [{ recordId: of, status: 'RJCT' as const, rules: BROKEN }];
    const xml = feedbackXml(
      [
        { answers: first.files[0]!.message_id, status: 'PART', records: rejected },
        { answers: next, status: 'ACPT' },
        { answers: 'NEVER-SENT', status: 'ACPT' },
      ],
      'FR-EARLY',
    );
    const early = await handIn(xml).expect(201);
    expect(early.body.files).toMatchObject([
      { ...NOTHING, executing_entity: FIRM, contradictions: '1' },
      { ...NOTHING, message_id: next, executing_entity: null },
      { ...NOTHING, executing_entity: null },
    ]);
    expect((await handIn(xml).expect(200)).body).toEqual(early.body);
    // the contradiction is settled, and what was rejected is sent once more
    const settled = answering({ status: 'PART', records: rejected }, 'FR-EARLY-SETTLED');
    expect((await handIn(settled).expect(201)).body.files).toMatchObject([{ ...NOTHING, rejected: '1' }]);
    const sent = await submitted({ repeat_rejected: 'yes' });
    expect([sent.records, sent.files[0]!.message_id]).toEqual(['1', next]);

    // two at once: one judges it, the other finds it judged
    const both = await Promise.all([handIn(xml), handIn(xml)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 201]);
    const again = both.find(({ status }) => status === 201)!.body;
    expect(again).toEqual({
      ...early.body,
      ...{ act: again.act, sequence: again.sequence, received_at: again.received_at },
      files: [
        early.body.files[0],
        { ...early.body.files[1], ...NOTHING, executing_entity: FIRM, accepted: '1' },
        early.body.files[2],
      ],
    });
    expect(Number(again.act)).toBeGreaterThan(Number(early.body.act));
    expect((await handIn(xml).expect(200)).body).toEqual(again);
    expect((await service.http().get(`${FEEDBACK}/${again.sha256}`).expect(200)).body).toEqual(again);
    expect(await contradicted()).toEqual([]);
    expect((await submitted({ repeat_rejected: 'yes' })).records).toBe('0');
    const parts = (await ledger()).filter(({ action, entity_id: id }) => action === 'part' && id === again.sha256);
    expect(parts).toHaveLength(1); // it is kept once
  });

  it('takes a file of many parts, and the ledger is whole', async () => {
    const long = `${answering({ status: 'RCVD' }, 'FR-LONG')}<!--${'x'.repeat(300_000)}-->`;
    const { body } = await handIn(long).expect(201);
    expect([body.parts, body.bytes]).toEqual(['5', String(Buffer.byteLength(long))]);
    const asked = await service.http().post('/v1/ledgers/_reporting/verifications').send({}).expect(202);
    const run = await whenOver<{ status: string; verdict: string }>(service, asked.headers.location!);
    expect(run.verdict).toBe('valid');
  });
});

/** With entities that come to a gigabyte where they are read, in an attribute as in a text. */
function bomb(document: string): string {
  const names = 'abcdefghi';
  const entities = [...names].map((name, i) => `<!ENTITY ${name} "${i === 0 ? 'x' : `&${names[i - 1]};`.repeat(10)}">`);
  return `<!DOCTYPE Document [${entities.join('')}]>${document.replace('<Document ', '<Document a="&i;" ')}`;
}
