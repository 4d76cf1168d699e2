import type { TestService } from './app.js';
import { unzipped } from './unzipped.js';
import { whenOver } from './verification.js';

export const SUBMISSIONS = '/v1/ledgers/main/transaction-reports/submissions';

/** A submission, as the service shows it. */
export interface ShownSubmission {
  id: string;
  status: string;
  records: string | null;
  act: string | null;
  error: string | null;
  sha256: string;
  files: { message_id: string; new: string; cancelled: string }[];
}

/** Asks for a submission, and has it when it is over. */
export async function submitted(
  service: TestService,
  period: { from_date: string; to_date: string },
  more: Record<string, string> = {},
): Promise<ShownSubmission> {
  const asked = await service
    .http()
    .post(SUBMISSIONS)
    .send({ ...period, ...more })
    .expect(202);
  return whenOver<ShownSubmission>(service, asked.headers.location!);
}

/** What a submission decided, reference by reference. */
export async function decisionsOf(service: TestService, id: string): Promise<Record<string, string | null>[]> {
  const { body } = await service.http().get(`${SUBMISSIONS}/${id}/decisions?limit=1000`).expect(200);
  return (body as { decisions: Record<string, string | null>[] }).decisions;
}

/** The files of a submission, by name. */
export async function filesOf(service: TestService, id: string): Promise<Map<string, Buffer>> {
  return unzipped(await zipOf(service, id));
}

/** The same as they come: a zip. Rejects where it breaks off. */
export async function zipOf(service: TestService, id: string): Promise<Buffer> {
  const { body } = await service
    .http()
    .get(`${SUBMISSIONS}/${id}/content`)
    .buffer(true)
    .parse((answer, done) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', (error: Error) => done(error, undefined));
      answer.on('end', () => done(null, Buffer.concat(chunks)));
    })
    .expect(200);
  return body as Buffer;
}
