import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ARCHIVED_EVENTS, type ArchivedEvents } from '../src/archive/archived-events.js';
import { OBJECT_STORE } from '../src/archive/archive-store.js';
import type { ObjectStore } from '../src/archive/object-store.js';
import type { VerificationThreads } from '../src/chain/verification-threads.js';
import { Verifications } from '../src/chain/verifications.js';
import { Problem } from '../src/http/problem.js';
import { PartitionManager } from '../src/partitions/partition-manager.js';
import { startService, type TestService } from './support/app.js';
import { serviceEvents } from './support/keys.js';
import { folderStore, onFolders, type TestStore } from './support/stores.js';
import { record, runJob, tamper, verify, type JobRun } from './support/verification.js';

/*
 * Runs that have found something and then fail, at a step after it: what they had found is kept, told and counted.
 */

jest.setTimeout(120_000);

onFolders('a run that fails once it has found something', () => {
  let test: TestStore;
  let service: TestService;
  const END = 'the store has gone away';

  beforeAll(async () => {
    test = folderStore();
    service = await startService({ env: { ARCHIVE_URL: test.url } });
    await record(service, 40);
    await runJob(service, 'checkpoint');
    await runJob(service, 'archive-export');
  });
  afterAll(async () => {
    await service.close();
    test.close();
  });
  afterEach(() => jest.restoreAllMocks());

  const overwrite = (folder: string): string => {
    const path = join(test.url.slice('file:'.length), folder);
    const name = readdirSync(path).filter((each) => !each.includes('.lock.'))[0]!;
    chmodSync(join(path, name), 0o600);
    writeFileSync(join(path, name), 'other');
    return `${folder}/${name}`;
  };

  /** The store fails at its first listing below a prefix. */
  function listingFails(prefix: string): void {
    const store = service.app.get<ObjectStore>(OBJECT_STORE);
    const list = store.list.bind(store);
    jest.spyOn(store, 'list').mockImplementation(async function* (asked) {
      if (asked === prefix) throw new Error(END);
      yield* list(asked);
    });
  }

  const unacknowledged = async (job: string): Promise<string | undefined> => {
    const { text } = await service.http().get('/metrics').expect(200);
    return new RegExp(`^truetrail_job_unacknowledged_findings\\{job="${job}"\\} (.*)$`, 'm').exec(text)?.[1];
  };

  it.each([
    ['archive-verification', 'early', '', ['object-changed', 'object-changed']], // its length, and its content
    ['anchor-verification', 'anchors', 'anchors/', ['anchor-invalid']],
  ])('keeps, tells and counts what it had found: %s', async (job, folder, prefix, kinds) => {
    const key = overwrite(folder);
    listingFails(prefix);
    const run: JobRun = await runJob(service, job);
    const found = { verdict: 'invalid', findings: kinds.map((kind) => ({ kind, object_key: key })) };
    expect(run).toMatchObject({ status: 'failed', outcome: { ...found, error: END, stopped_by: END } });
    const event = (await serviceEvents(service.database, job.replace('-', '_'))).at(-1);
    expect(event).toMatchObject({ entity_id: run.id, action: 'stopped', new_state: { ...found, stopped_by: END } });
    expect(await unacknowledged(job)).toBe(String(run.outcome.findings.length));
    await service
      .http()
      .post(`/v1/jobs/${job}/runs/${run.id}/acknowledgements`)
      .send({ reason: 'a drill' })
      .expect(201);
    expect(await unacknowledged(job)).toBe('0');
  });

  it('keeps what the steps before it did, also where that is no verification: retention', async () => {
    jest.spyOn(service.app.get(PartitionManager), 'leaving').mockRejectedValue(new Error(END));
    const run = await runJob(service, 'retention');
    expect(run).toMatchObject({
      ...{ status: 'failed', outcome: { extended: 0, short_total: 0, short: [], findings_total: 0, error: END } },
    });
  });

  it('keeps, tells and counts what a verification of a ledger had found', async () => {
    await tamper(
      service.database.adminUrl,
      `UPDATE audit_events SET new_state = '{"quantity": "7"}' WHERE ledger = 'main' AND sequence = 12`,
    );
    const { threads } = service.app.get<{ threads: VerificationThreads }>(Verifications);
    const run = threads.run.bind(threads);
    let isRead!: () => void;
    const read = new Promise<void>((resolve) => (isRead = resolve));
    jest.spyOn(threads, 'run').mockImplementation(async (subject, task) => {
      if (task.kind !== 'rows') {
        await read;
        throw new Error(END);
      }
      const result = await run(subject, task);
      setImmediate(isRead);
      return result;
    });
    const over = await verify(service);
    const finding = { kind: 'content', sequence: '12' };
    expect(over).toMatchObject({ status: 'failed', findings_total: '1', findings: [finding] });
    const event = (await serviceEvents(service.database, 'verification')).at(-1);
    expect(event).toMatchObject({
      ...{ entity_id: over.id, action: 'stopped' },
      new_state: { verdict: 'invalid', findings_total: '1', findings: [finding], stopped_by: END },
    });
    const { text } = await service.http().get('/metrics').expect(200);
    expect(text).toMatch(/^truetrail_verification_findings_total\{[^}]*ledger="main"[^}]*\} 1$/m);
  });

  it('keeps on record what an audit had found', async () => {
    await record(service, 300);
    await runJob(service, 'archive-export');
    // the first of its objects was overwritten above: events from 1 on have faults
    const archive = service.app.get<ArchivedEvents>(ARCHIVED_EVENTS);
    const audit = archive.audit.bind(archive);
    let parts = 0;
    jest.spyOn(archive, 'audit').mockImplementation(async (ledger, sequences) => {
      if ((parts += 1) === 2) throw new Problem('archive-unavailable', END);
      return audit(ledger, sequences);
    });
    await service.http().post('/v1/ledgers/main/archive/audits').send({ events: 1_000 }).expect(503);
    const event = (await serviceEvents(service.database, 'archive_audit')).at(-1)!;
    expect(event).toMatchObject({
      ...{ entity_id: 'main', action: 'stopped' },
      new_state: { verdict: 'invalid', archived: '340', events: '250', stopped_by: END },
    });
    expect((event.new_state.faults as { sequence: string }[]).map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    jest.restoreAllMocks();
    const { body } = await service.http().post('/v1/ledgers/main/archive/audits').send({ events: 1_000 }).expect(200);
    expect(body.events).toHaveLength(340);
    expect((await serviceEvents(service.database, 'archive_audit')).at(-1)).toMatchObject({ action: 'done' });
  });
});
