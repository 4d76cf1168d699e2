import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { sampleEvent, startService, type TestService } from './support/app.js';
import { S3Stub } from './support/s3-stub.js';
import { folderStore } from './support/stores.js';
import { whenOver } from './support/verification.js';

interface Inspection {
  id: string;
  status: string;
  requested_by: string;
  outcome: { store_faults?: { rule: string }[]; error?: string };
}

describe('the store that a service was given', () => {
  let lines: string[];
  const logger = () => pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  beforeEach(() => (lines = []));

  /** The run that the start asked for, once it is over. */
  async function inspectionAtStart(service: TestService): Promise<Inspection> {
    for (;;) {
      const { body } = await service.http().get('/v1/jobs/store-inspection/runs').expect(200);
      const [run] = body.runs as Inspection[];
      if (run) return whenOver<Inspection>(service, `/v1/jobs/store-inspection/runs/${run.id}`);
    }
  }

  it('is looked at when the service starts, which says what is wrong with it', async () => {
    const archive = folderStore();
    const service = await startService({ env: { ARCHIVE_URL: archive.url }, logger: logger() });
    try {
      expect(await inspectionAtStart(service)).toMatchObject({
        ...{ status: 'done', requested_by: 'service' },
        outcome: { location: archive.store.location, store_faults: [{ rule: 'object-lock' }] },
      });
      const { text } = await service.http().get('/metrics').expect(200);
      expect(text).toContain('truetrail_archive_store_faults 1\n');
      const said = lines.map((line) => JSON.parse(line)).filter(({ alarm }) => alarm === 'archive-store');
      expect(said).toMatchObject([{ rule: 'object-lock', detail: expect.stringContaining('file system') }]);
    } finally {
      await service.close();
      archive.close();
    }
  });

  it('does not hold up a start when it cannot be used, which is said', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-inspection-'));
    writeFileSync(join(folder, 'file'), '');
    const service = await startService({ env: { ARCHIVE_URL: `file:${folder}/file` }, logger: logger() });
    try {
      await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      expect((await inspectionAtStart(service)).outcome.store_faults).toMatchObject([{ rule: 'access' }]);
    } finally {
      await service.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('does not keep a new installation from its start when it takes connections and says nothing', async () => {
    const before = { ...process.env };
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => void sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const where = {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(mute.address() as AddressInfo).port}`,
      AWS_REGION: 'us-east-1',
    };
    Object.assign(process.env, where, { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'a-secret' });
    const started = startService({ env: { ARCHIVE_URL: 's3://bucket/trail' }, logger: logger() });
    try {
      const service = await started;
      await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      expect(lines.filter((line) => line.includes('cannot be asked whose archive it has'))).toHaveLength(1);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
      await started.then(
        (service) => service.close(),
        () => undefined,
      );
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });

  it('does not hold up a start when it does not answer, and the run of the look says so', async () => {
    const before = { ...process.env };
    const stub = await S3Stub.start();
    await stub.close(); // nobody is there any more
    const where = { AWS_ENDPOINT_URL_S3: stub.url, AWS_REGION: 'us-east-1' };
    Object.assign(process.env, where, { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'a-secret' });
    const service = await startService({ env: { ARCHIVE_URL: 's3://bucket/trail' }, logger: logger() });
    try {
      await service.http().post('/v1/ledgers/main/events').send(sampleEvent()).expect(201);
      expect(await inspectionAtStart(service)).toMatchObject({
        status: 'failed',
        outcome: { error: expect.stringContaining('cannot be reached') },
      });
      const { text } = await service.http().get('/metrics').expect(200);
      expect(text).not.toContain('truetrail_archive_store_faults 0');
      expect(lines.some((line) => line.includes('store-inspection') && line.includes('cannot be reached'))).toBe(true);
    } finally {
      await service.close();
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });
});
