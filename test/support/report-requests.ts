import type { PlacedEvent } from '../reports/plain-computation.js';
import type { SentEvent } from '../reports/made-day.js';
import type { TestService } from './app.js';

/** The day of the made events, as parameters of a report. */
export const DAY = 'from_date=2026-06-02&to_date=2026-06-02';
export const DAY_BOUNDS = ['2026-06-02T00:00:00Z', '2026-06-03T00:00:00Z'] as const;

/** Events with their places, as the receipts say them. */
export async function recordPlaced(
  service: TestService,
  events: readonly object[],
  ledger = 'main',
): Promise<PlacedEvent[]> {
  const { body } = await service.http().post(`/v1/ledgers/${ledger}/events/batch`).send({ events }).expect(201);
  const receipts = body.receipts as { sequence: string; recorded_at: string }[];
  return (events as SentEvent[]).map((event, i) => ({
    ...event,
    sequence: Number(receipts[i]!.sequence),
    recorded_at: receipts[i]!.recorded_at,
  }));
}

/** Asks for a report; the body is its text. */
export async function getReport(service: TestService, path: string, accept?: string) {
  const asked = service.http().get(`/v1/ledgers/main/reports/${path}`).buffer(true);
  if (accept !== undefined) void asked.set('accept', accept);
  return asked.parse((response, done) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => done(null, Buffer.concat(chunks).toString('utf8')));
  });
}

/** The bytes of a report, which must be there. */
export async function reportText(service: TestService, path: string, accept?: string): Promise<string> {
  const { status, body } = await getReport(service, path, accept);
  if (status !== 200) throw new Error(`${status} for ${path}: ${String(body)}`);
  return body as string;
}
