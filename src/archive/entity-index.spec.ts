import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AsyncBuffer } from 'hyparquet';
import { EntityIndexWriter, groupsOfEntity, readEntitiesFooter, verifyEntities } from './entity-index.js';
import { loadCompression } from './parquet-file.js';

function bufferOf(bytes: Buffer): AsyncBuffer {
  const all = new Uint8Array(bytes).buffer;
  return { byteLength: all.byteLength, slice: (start, end) => all.slice(start, end) };
}

describe('an index of entities', () => {
  let folder: string;
  let content: Buffer;
  const time = '2026-06-02T08:00:00.000000Z';
  beforeAll(async () => {
    await loadCompression();
    folder = mkdtempSync(join(tmpdir(), 'truetrail-entities-'));
    const file = join(folder, 'entities');
    const writer = new EntityIndexWriter(file, { number: 9n });
    writer.begin({
      ledger: 'main',
      origin: 'audit.example.com/truetrail/main',
      from_sequence: '1',
      to_sequence: '100',
      least_timestamp: time,
      greatest_timestamp: time,
      least_recorded_at: time,
      greatest_recorded_at: time,
      previous_event_hash: null,
      last_event_hash: '0'.repeat(64),
    });
    for (let i = 1; i <= 100; i++) {
      const id = `O-${String(i).padStart(3, '0')}`;
      writer.add({ entity_type: 'order', entity_id: id, sequence: String(i), is_correction: i === 50 });
    }
    writer.finish();
    content = readFileSync(file);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('does not verify with a greatest value that is not so: a look-up would leave out the order', async () => {
    const order = { entityType: 'order', entityId: 'O-100' };
    await expect(verifyEntities(bufferOf(content))).resolves.toBeDefined();
    expect(groupsOfEntity(await readEntitiesFooter(bufferOf(content)), 'main', order)).toEqual([0]);
    const lying = Buffer.from(content);
    const begin = lying.length - 8 - lying.readUInt32LE(lying.length - 8);
    for (let at = lying.indexOf('O-100', begin); at >= 0; at = lying.indexOf('O-100', at)) lying.write('O-099', at);
    expect(groupsOfEntity(await readEntitiesFooter(bufferOf(lying)), 'main', order)).toEqual([]);
    await expect(verifyEntities(bufferOf(lying))).rejects.toThrow(/entity_id .* least and the greatest/);
  });
});
