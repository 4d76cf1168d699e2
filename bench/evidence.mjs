// `node bench/evidence.mjs [--events 500000]`: how long a bundle of one trade date takes to be made by the code that the
// service makes it with, from events in memory, and to be verified by truetrail-verify from a file; and what each holds in
// memory. Processor time stands beside, which other work on the machine does not lengthen. Prints JSON. Database and HTTP are not in it.
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { OrderEvents } from './order-events.mjs';

const { values } = parseArgs({ options: { events: { type: 'string', default: '500000' } } });
const count = Number(values.events);
const build = ensureBuilt({ hold: true });
const load = (name) => import(pathToFileURL(join(build, 'src', 'integrity', `${name}.js`)).href);
const { canonicalContent, contentHash, eventHash, FORMAT, leafHash, toContent } = await load('event');
const { writeBundle } = await load('evidence-bundle');
const { anchorBytes } = await load('anchor');
const { checkpointText } = await load('checkpoint');
const { formatNote, signText, verifierKey } = await load('signed-note');
const { formatMicros } = await load('timestamp');
const { GrowingTree } = await load('tiles');

const ORIGIN = 'audit.example.com/truetrail/main';
const PAGE = 1_000;
/** Of /proc, on Linux. */
const TICKS_A_SECOND = 100;
const FIRST = Date.UTC(2026, 5, 1, 8) * 1_000;
const { privateKey } = generateKeyPairSync('ed25519');
const folder = mkdtempSync(join(tmpdir(), 'truetrail-bench-'));

/** Pages of linked events, made as they are needed: what a database would hand out. */
function* pages() {
  const events = new OrderEvents(randomUUID);
  let previous = null;
  for (let at = 0; at < count; at += PAGE) {
    yield events.take(Math.min(PAGE, count - at)).map((body, place) => {
      const { content } = toContent(JSON.parse(body));
      const sequence = at + place + 1;
      const salt = randomBytes(16);
      const envelope = {
        format: FORMAT,
        origin: ORIGIN,
        sequence: String(sequence),
        event_id: content.event_id,
        recorded_at: formatMicros(FIRST + sequence * 10_000),
        recorded_by: 'key:0190a0b0-0000-7000-8000-000000000001',
        content_hash: contentHash(salt, canonicalContent(content).text).toString('hex'),
        previous_event_hash: previous,
      };
      previous = eventHash(envelope).toString('hex');
      return { ...content, ...envelope, salt: salt.toString('hex'), event_hash: previous };
    });
  }
}

const tree = new GrowingTree(0n, []);
const records = [];
for (const page of pages()) {
  for (const record of page) tree.append(leafHash(Buffer.from(record.event_hash, 'hex')));
  // as text, so that the heap of what is measured is not full of what is not
  records.push(Buffer.from(JSON.stringify(page)));
}
const text = checkpointText({ origin: ORIGIN, size: tree.size, rootHash: tree.root() });
const note = formatNote({ text, signatures: [signText(text, ORIGIN, privateKey)] });
const key = verifierKey(ORIGIN, privateKey).toString();

async function* found() {
  for (const page of records) yield JSON.parse(page.toString()).map((record) => ({ record, isFound: true }));
}

const file = join(folder, 'bundle.zip');
try {
  const descriptor = openSync(file, 'w');
  globalThis.gc?.();
  const begun = performance.now();
  const cpuBefore = process.cpuUsage();
  let mostHeap = 0;
  for await (const chunk of writeBundle({
    claims: {
      ledger: 'main',
      origin: ORIGIN,
      asOf: tree.size,
      asked: { from_sequence: '1', to_sequence: String(tree.size) },
      completeness: 'complete-range',
      range: { from: 1n, to: tree.size },
      contents: true,
    },
    pages: found(),
    hashesOf: () => Promise.reject(new Error('a whole tree needs no hashes')),
    checkpoint: note,
    papers: () =>
      Promise.resolve({
        anchors: [
          anchorBytes({ number: 1n, previous: null, checkpoints: [{ sizeBefore: 0n, note }], successions: [] }),
        ],
        timestamps: [],
        keys: [key],
        successions: [],
        archive: [],
      }),
  })) {
    writeSync(descriptor, chunk);
    mostHeap = Math.max(mostHeap, process.memoryUsage().heapUsed);
  }
  closeSync(descriptor);
  const madeMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpuBefore);

  const verified = await verify(file, key);
  const { size: bytes } = statSync(file);
  console.log(
    JSON.stringify(
      {
        events: count,
        bundle_mb: round(bytes / 1e6),
        made_s: round(madeMs / 1000),
        made_cpu_s: round((user + system) / 1e6),
        made_heap_mb: round(mostHeap / 1e6),
        verified_s: round(verified.ms / 1000),
        verified_cpu_s: verified.cpuSeconds,
        verified_peak_rss_mb: verified.peakMb,
        verdict: verified.verdict,
      },
      null,
      2,
    ),
  );
  if (verified.verdict !== 'valid') process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** In a process of its own, from its start to its end. */
async function verify(path, trusted) {
  const begun = performance.now();
  const main = join(build, 'src', 'verify', 'truetrail-verify.js');
  const child = spawn(process.execPath, [main, path, '--key', trusted, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let peakMb = null;
  let cpuSeconds = null;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakMb = Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1e3);
      const [user, system] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
      cpuSeconds = (Number(user) + Number(system)) / TICKS_A_SECOND;
    } catch {
      // no /proc, or it has ended
    }
  }, 50);
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(watch);
  return { ms: performance.now() - begun, peakMb, cpuSeconds, verdict: JSON.parse(output).verdict };
}

function round(number) {
  return Math.round(number * 10) / 10;
}
