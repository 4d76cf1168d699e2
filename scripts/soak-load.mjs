// The mixed load of a soak: who sends what, and what they were told.
import { setTimeout as pause } from 'node:timers/promises';
import { HttpConnection } from '../bench/http-connection.mjs';
import { timeOf } from '../bench/order-events.mjs';
import { KEY } from '../bench/processes.mjs';

const LEDGER = '/v1/ledgers/main';
const EVENTS = `${LEDGER}/events`;
const NDJSON = 'application/x-ndjson';
const RETRYABLE = new Set([429, 503, 504]);
/** How long an event is sent again before it counts as never acknowledged. */
const PATIENCE_MS = 60_000;
const HASH_BYTES = 32;
/** Of those that were acknowledged, the ones that are asked for again: the latest, and each so-manieth for ever. */
const RECENT = 5_000;
const KEPT_ONE_IN = 50;

/** Connections that are idle for longer are made anew: the service closes them after KEEP_ALIVE_TIMEOUT. */
const IDLE_MS = 30_000;

const BATCH_EVENTS = 100;
const STREAM_LINES = 300;
/** The part of events that come each way, the rest as single events. */
const SHARES = { batch: 0.35, stream: 0.25, step: 0.1 };
/** What a report or a range covers, in events: about the same work however long the soak has run. */
const WINDOW_EVENTS = 2_000;

/** What the service acknowledged: the hash of each event by its sequence, in memory that grows by 32 bytes an event. */
export class Acknowledged {
  count = 0;
  last = 0;
  differing = 0;
  #hashes = Buffer.alloc(HASH_BYTES * 65_536);

  keep({ sequence, event_hash: hash }) {
    const number = Number(sequence);
    const at = number * HASH_BYTES;
    while (at + HASH_BYTES > this.#hashes.length) this.#hashes = Buffer.concat([this.#hashes], this.#hashes.length * 2);
    const bytes = Buffer.from(hash, 'hex');
    const there = this.hashOf(number);
    if (there === undefined) {
      bytes.copy(this.#hashes, at);
      this.count += 1;
      this.last = Math.max(this.last, number);
    } else if (!there.equals(bytes)) this.differing += 1; // one place in the chain for two events
  }

  /** Undefined when nothing was acknowledged with that sequence. */
  hashOf(sequence) {
    const bytes = this.#hashes.subarray(sequence * HASH_BYTES, (sequence + 1) * HASH_BYTES);
    return bytes.length < HASH_BYTES || bytes.every((byte) => byte === 0) ? undefined : bytes;
  }
}

/** All of the load, and what it saw. */
export class Load {
  acknowledged = new Acknowledged();
  /** of single events, `{ at, ms }` */
  latencies = [];
  /** how often each was done */
  kinds = {};
  /** what should not have been answered, a line each, bounded */
  unexpected = [];
  requests = 0;
  refused = 0;
  wrongRepeats = 0;
  neverAcknowledged = 0;
  failedJobs = [];
  #samples = []; // { text, receipt } of events that were acknowledged
  #made = 0;
  #isOver = false;
  #working = [];

  constructor({ url, events, rate, reports }) {
    Object.assign(this, { url, events, rate, reports });
  }

  start() {
    const singles = this.rate * (1 - SHARES.batch - SHARES.stream - SHARES.step);
    const clients = 4;
    for (let i = 0; i < clients; i++) this.#every((1000 * clients) / singles, (api) => this.#single(api), 'single');
    this.#every((1000 * BATCH_EVENTS) / (this.rate * SHARES.batch), (api) => this.#batch(api), 'batch');
    this.#every((1000 * STREAM_LINES) / (this.rate * SHARES.stream), (api) => this.#stream(api), 'stream');
    this.#every(1000 / (this.rate * SHARES.step), (api) => this.#step(api), 'step');
    this.#every(500, (api) => this.#repeat(api), 'repeat');
    this.#every(3_000, (api) => this.#conflict(api), 'conflict');
    this.#every(100, (api) => this.#get(api, `${EVENTS}/${this.#sample().receipt.event_id}`), 'read');
    this.#every(200, (api) => this.#get(api, `${LEDGER}/orders/${this.#sampleEvent().entity_id}/history`), 'history');
    this.#every(500, (api) => this.#search(api), 'search');
    this.#every(5_000, (api) => this.#lines(api), 'search in lines');
    this.#every(1_000, (api) => this.#proof(api), 'proof');
    this.#every(2_000, (api) => this.#get(api, `${LEDGER}/checkpoint`, [200, 409]), 'checkpoint');
    this.#every(3_000, (api) => this.#report(api), 'report');
    this.#every(20_000, (api) => this.#reportRun(api), 'report as a run');
    this.#every(7_000, (api) => this.#evidence(api), 'bundle');
    this.#every(25_000, (api) => this.#verification(api), 'verification');
    this.#every(10_000, (api) => this.#get(api, '/v1/partitions'), 'months');
    // what the service would do once a minute, an hour or a day
    for (const [job, seconds] of JOBS) this.#every(seconds * 1000, (api) => this.job(api, job), `job ${job}`);
  }

  async stop() {
    this.#isOver = true;
    await Promise.all(this.#working);
  }

  /** Does it again and again, each time so long after the last began, or at once when that took longer. */
  #every(ms, work, kind) {
    this.kinds[kind] = 0;
    this.#working.push(
      (async () => {
        let api = await HttpConnection.open(this.url, KEY);
        await this.#wait(Math.random() * Math.min(ms, 20_000));
        while (NEEDS_EVENTS.has(kind) && this.#samples.length === 0 && !this.#isOver) await this.#wait(100);
        for (let next = performance.now(); !this.#isOver;) {
          try {
            if (ms > IDLE_MS) {
              api.close();
              api = await HttpConnection.open(this.url, KEY);
            }
            await work(api);
            this.kinds[kind] += 1;
          } catch (error) {
            this.#note(`${kind}: ${error.message}`);
            api.close();
            await this.#wait(1_000);
            api = await HttpConnection.open(this.url, KEY);
          }
          next = Math.max(next + ms, performance.now());
          await this.#wait(next - performance.now());
        }
        api.close();
      })().catch((error) => this.#note(`${kind} ended: ${error.message}`)),
    );
  }

  /** So long, or until the load is over. */
  async #wait(ms) {
    for (const until = performance.now() + ms; !this.#isOver;) {
      const left = until - performance.now();
      if (left <= 0) return;
      await pause(Math.min(left, 250));
    }
  }

  #note(line) {
    if (this.unexpected.length < 100) this.unexpected.push(line);
  }

  /** One request; `{ status, body }`, the body as text. What is not among `statuses` and cannot be sent again is noted. */
  async #ask(api, method, path, body, statuses, accept) {
    this.requests += 1;
    const { status, body: bytes } = await api.send(api.encode(method, path, body, accept));
    const text = bytes.toString();
    if (RETRYABLE.has(status)) this.refused += 1;
    else if (!statuses.includes(status)) this.#note(`${method} ${path.slice(0, 120)}: ${status} ${text.slice(0, 200)}`);
    return { status, text };
  }

  /** Sends until it is acknowledged, as submitters do. The answer, or undefined. */
  async #send(api, path, body) {
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await pause(100)) {
      const begun = performance.now();
      const answer = await this.#ask(api, 'POST', path, body, [200, 201]);
      if (!RETRYABLE.has(answer.status)) return { ...answer, ms: performance.now() - begun };
    }
    this.neverAcknowledged += 1;
    return undefined;
  }

  #keep(text, receipt) {
    this.acknowledged.keep(receipt);
    const sample = { text, receipt };
    const made = this.#made++;
    if (this.#samples.length < RECENT) this.#samples.push(sample);
    else if (made % KEPT_ONE_IN !== 0) this.#samples[made % RECENT] = sample;
  }

  #sample() {
    const { length } = this.#samples;
    if (length === 0) throw new Error('nothing is acknowledged yet');
    return this.#samples[Math.floor(Math.random() * length)];
  }

  #sampleEvent() {
    return JSON.parse(this.#sample().text);
  }

  async #single(api) {
    const text = this.events.next();
    const answer = await this.#send(api, EVENTS, text);
    if (answer?.status !== 201) return;
    this.latencies.push({ at: performance.now(), ms: answer.ms });
    this.#keep(text, JSON.parse(answer.text));
  }

  async #batch(api) {
    const texts = this.events.take(BATCH_EVENTS);
    const answer = await this.#send(api, `${EVENTS}/batch`, `{"events":[${texts.join(',')}]}`);
    if (answer?.status !== 201) return;
    for (const [i, receipt] of JSON.parse(answer.text).receipts.entries()) this.#keep(texts[i], receipt);
  }

  /** Lines that got no receipt are sent again, as the interface says. */
  async #stream(api) {
    let texts = this.events.take(STREAM_LINES);
    for (const until = performance.now() + PATIENCE_MS; texts.length > 0; await pause(100)) {
      if (performance.now() > until) {
        this.neverAcknowledged += texts.length;
        return;
      }
      this.requests += 1;
      const body = texts.map((text) => `${text}\n`).join('');
      const answer = await api.send(api.encode('POST', `${EVENTS}/stream`, body, NDJSON, NDJSON));
      const lines = answer.body
        .toString()
        .split('\n')
        .filter((line) => line !== '');
      if (answer.status !== 200) throw new Error(`stream: ${answer.status} ${lines[0]}`);
      const parsed = lines.map((line) => JSON.parse(line));
      if (parsed.at(-1)?.end === undefined) throw new Error('a stream without an end');
      const open = new Set(texts);
      for (const { line, receipt, problem } of parsed) {
        if (receipt) {
          this.#keep(texts[line - 1], receipt);
          open.delete(texts[line - 1]);
        } else if (problem) this.refused += 1;
      }
      texts = [...open];
    }
  }

  async #step(api) {
    const text = this.events.next();
    const { event_type: _, entity_type: __, entity_id: order, action, ...content } = JSON.parse(text);
    const answer = await this.#send(api, `${LEDGER}/orders/${order}/${action}`, JSON.stringify(content));
    if (answer?.status === 201) this.#keep(text, JSON.parse(answer.text));
  }

  async #repeat(api) {
    const { text, receipt } = this.#sample();
    const answer = await this.#ask(api, 'POST', EVENTS, text, [200]);
    if (answer.status !== 200) return;
    const { sequence, event_hash: hash } = JSON.parse(answer.text);
    if (sequence !== receipt.sequence || hash !== receipt.event_hash) this.wrongRepeats += 1;
  }

  async #conflict(api) {
    const event = { ...this.#sampleEvent(), user_id: 'somebody else' };
    await this.#ask(api, 'POST', EVENTS, JSON.stringify(event), [409]);
  }

  async #get(api, path, statuses = [200]) {
    await this.#ask(api, 'GET', path, undefined, statuses);
  }

  /** Event times of so many events, the latest of which were made some seconds ago. */
  #period() {
    const to = Math.max(1, this.events.made - WINDOW_EVENTS / 2);
    return { from: timeOf(Math.max(0, to - WINDOW_EVENTS)), to: timeOf(to) };
  }

  #search(api) {
    const { user_id, metadata } = this.#sampleEvent();
    const asked = Math.random() < 0.5 ? { user_id } : { 'metadata.client_id': metadata.client_id };
    return this.#get(api, `${EVENTS}?${new URLSearchParams({ ...asked, ...this.#period(), limit: '50' })}`);
  }

  async #lines(api) {
    const to = this.acknowledged.last;
    const range = { from_sequence: String(Math.max(1, to - WINDOW_EVENTS)), to_sequence: String(to) };
    const path = `${EVENTS}?${new URLSearchParams(range)}`;
    const { status, text } = await this.#ask(api, 'GET', path, undefined, [200], NDJSON);
    if (status === 200 && !text.trimEnd().split('\n').at(-1).startsWith('{"end":')) throw new Error('no end');
  }

  async #proof(api) {
    const { receipt } = this.#sample();
    await this.#get(api, `${EVENTS}/${receipt.event_id}/proof`, [200, 409]);
  }

  #nextReport() {
    const name = this.reports[Math.floor(Math.random() * this.reports.length)];
    const format = ['json', 'csv', 'ndjson'][Math.floor(Math.random() * 3)];
    const { user_id, entity_id } = this.#sampleEvent();
    const period = name === 'order-reconstruction' ? {} : this.#period();
    return { name, query: { ...period, ...NEEDED[name]?.({ user_id, entity_id }), format } };
  }

  #report(api) {
    const { name, query } = this.#nextReport();
    return this.#get(api, `${LEDGER}/reports/${name}?${new URLSearchParams(query)}`);
  }

  async #reportRun(api) {
    const { name, query } = this.#nextReport();
    const runs = `${LEDGER}/reports/${name}/runs`;
    const asked = await this.#ask(api, 'POST', runs, JSON.stringify(query), [202]);
    if (asked.status !== 202) return;
    const run = await this.#untilOver(api, `${runs}/${JSON.parse(asked.text).id}`);
    if (run?.status !== 'done') return;
    await this.#get(api, `${runs}/${run.id}/content`);
    await this.#ask(api, 'DELETE', `${runs}/${run.id}/content`, undefined, [200, 204]);
  }

  async #evidence(api) {
    const { entity_id } = this.#sampleEvent();
    const to = Math.max(1, this.acknowledged.last - WINDOW_EVENTS);
    const range = { from_sequence: String(Math.max(1, to - 200)), to_sequence: String(to) };
    const asked = Math.random() < 0.5 ? { order_id: entity_id } : range;
    await this.#ask(api, 'POST', `${LEDGER}/evidence`, JSON.stringify(asked), [200, 409], 'application/zip');
  }

  async #verification(api) {
    const to = this.acknowledged.last;
    const range = { from_sequence: String(Math.max(1, to - 10 * WINDOW_EVENTS)), to_sequence: String(to) };
    const asked = await this.#ask(api, 'POST', `${LEDGER}/verifications`, JSON.stringify(range), [202]);
    if (asked.status !== 202) return;
    const run = await this.#untilOver(api, `${LEDGER}/verifications/${JSON.parse(asked.text).id}`);
    if (run && run.verdict !== 'valid') this.#note(`verification: ${JSON.stringify(run).slice(0, 300)}`);
  }

  /** Runs a job by hand and waits; its run, or undefined. */
  async job(api, job) {
    const asked = await this.#ask(api, 'POST', `/v1/jobs/${job}/runs`, undefined, [202]);
    if (asked.status !== 202) return undefined;
    const run = await this.#untilOver(api, `/v1/jobs/${job}/runs/${JSON.parse(asked.text).id}`);
    if (run?.status === 'failed') this.failedJobs.push(`${job}: ${JSON.stringify(run.outcome).slice(0, 300)}`);
    return run;
  }

  async #untilOver(api, path) {
    for (;;) {
      const { status, text } = await this.#ask(api, 'GET', path, undefined, [200]);
      if (status === 200) {
        const run = JSON.parse(text);
        if (!['queued', 'running', 'making'].includes(run.status)) return run;
      } else if (!RETRYABLE.has(status)) return undefined;
      await pause(200);
    }
  }
}

/** Jobs, and how many seconds after a run began the next one does. Those with a schedule of a minute run by that as well. */
const JOBS = [
  ['archive-export', 20],
  ['partition-maintenance', 20],
  ['retention', 40],
  ['legal-holds', 40],
  ['month-deletion', 40],
  ['schema-check', 60],
  ['anchor-verification', 60],
  ['archive-verification', 90],
  ['proof-locking', 60],
  ['report-expiry', 30],
  ['evidence-expiry', 30],
];

/** Kinds that begin once something is acknowledged. */
const NEEDS_EVENTS = new Set([
  'repeat',
  'conflict',
  'read',
  'history',
  'search',
  'search in lines',
  'proof',
  'report',
  'report as a run',
  'bundle',
  'verification',
]);

/** What reports must be asked besides a period. */
const NEEDED = {
  'user-activity': ({ user_id }) => ({ user_id }),
  'order-reconstruction': ({ entity_id }) => ({ order_id: entity_id }),
  activity: () => ({ by: 'client' }),
  'drop-copy-reconciliation': () => ({ source: 'oms-0', other_source: 'oms-1' }),
  'order-records': () => ({ regime: 'rts24' }),
  // one that is in no reference data: the report then says of each field what it lacks
  transactions: () => ({ executing_entity: '5493001KJTIIGC8Y1R12' }),
  'transaction-ageing': () => ({ executing_entity: '5493001KJTIIGC8Y1R12', time_zone: 'Europe/Paris' }),
};
