import { canonicalJson, isRight, recompute, recomputeAll } from './receipts.mjs';
import { DemoError, ProblemError, slugOf, sleep } from './service.mjs';
import {
  bold,
  command,
  count,
  counted,
  cut,
  dim,
  green,
  heading,
  progress,
  red,
  say,
  table,
  tell,
} from './terminal.mjs';

/**
 * @typedef {import('./service.mjs').Service} Service
 * @typedef {import('./service.mjs').Receipt} Receipt
 * @typedef {import('./trading-day.mjs').EventContent} EventContent
 * @typedef {import('./trading-day.mjs').TradingDay} TradingDay
 */

/** Orders whose steps go by the typed route, and events in the one batch: enough to have seen them. */
const TYPED_ORDERS = 5;
const BATCH_EVENTS = 500;
const LINES_OF_A_REPORT = 4;
const ACTIVITY_COLUMNS = ['timestamp', 'action', 'entity_id', 'symbol', 'side', 'quantity', 'price', 'reason'];
const VERIFICATION_TIMEOUT_MS = 60_000;

/** Records a day and shows what can be done with it then. */
export class Tour {
  #service;
  #ledger;
  #sizeBefore;
  #day;
  #date;
  #printCommand;
  /** @type {Receipt[]} in the order of #sent */
  #receipts = [];
  /** @type {EventContent[]} */
  #sent = [];
  #steps = 0;
  #failures = 0;

  /**
   * @param {Service} service
   * @param {{ledger: string, size: bigint, day: TradingDay, date: string, printCommand: string}} what
   */
  constructor(service, { ledger, size, day, date, printCommand }) {
    this.#service = service;
    this.#ledger = ledger;
    this.#sizeBefore = size;
    this.#day = day;
    this.#date = date;
    this.#printCommand = printCommand;
  }

  /** Returns how many steps failed. Throws DemoError or ProblemError when the day could not be recorded. */
  async run() {
    await this.#record();
    await this.#step('A receipt, and that it recomputes', () => this.#showReceipt());
    await this.#step('The same event once more: the same receipt', () => this.#repeat());
    await this.#step('Another content under the same id: refused', () => this.#conflict());
    await this.#step("One order's whole life", () => this.#history());
    await this.#step('The ledger is verified', () => this.#verify());
    const period = `from_date=${this.#date}&to_date=${this.#date}`;
    await this.#step('The trades of the day, as the report mifid2-trades has them', () => this.#trades(period));
    await this.#step(`What ${this.#day.trader} did that day`, () => this.#activity(period));
    this.#goOn();
    return this.#failures;
  }

  /** @param {string} title @param {() => Promise<void>} act */
  async #step(title, act) {
    this.#steps += 1;
    heading(this.#steps, title);
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const slug = slugOf(error.problem);
      if (error.problem.status === 404 && (slug === 'not-found' || slug === 'report-not-found')) {
        tell(dim(`This service does not have it (404 ${slug}): on to the next.`));
      } else this.#fail(error.message);
    }
  }

  /** @param {string} what */
  #fail(what) {
    this.#failures += 1;
    tell(`${red('failed')}  ${what}`);
  }

  async #record() {
    this.#steps += 1;
    heading(this.#steps, 'A trading day is recorded, each event with a receipt');
    const { example, events } = this.#day;
    const typed = new Set(
      [...new Set(events.filter(({ entity_type: type }) => type === 'order').map(({ entity_id: id }) => id))]
        .filter((id) => id !== example.entity_id)
        .sort()
        .slice(0, TYPED_ORDERS),
    );
    const steps = events.filter(({ entity_id: id }) => typed.has(id));
    const others = events.filter((event) => event !== example && !typed.has(event.entity_id));
    const batched = Math.min(BATCH_EVENTS, Math.floor(others.length / 4));

    /** @type {string[][]} */
    const rows = [];
    let totalMs = 0;
    /** @param {string} route @param {EventContent[]} part @param {() => Promise<Receipt[]>} send */
    const send = async (route, part, send) => {
      const start = performance.now();
      const receipts = await send();
      const ms = performance.now() - start;
      totalMs += ms;
      this.#sent = this.#sent.concat(part);
      this.#receipts = this.#receipts.concat(receipts);
      rows.push([
        route,
        count(part.length),
        `${Math.round(ms)} ms`,
        part.length < 100 ? '' : `${count(Math.round((part.length / ms) * 1_000))}/s`,
      ]);
    };
    await send('POST .../events', [example], () => this.#post([example], () => [this.#path('/events'), example]));
    await send('POST .../orders/{order_id}/{action}', steps, () =>
      this.#post(steps, (event) => this.#orderStep(event)),
    );
    const batch = others.slice(0, batched);
    await send('POST .../events/batch', batch, () => this.#batch(batch));
    const stream = others.slice(batched);
    let shown = 0;
    await send('POST .../events/stream', stream, () =>
      this.#service.stream(this.#ledger, stream, (done) => {
        if (performance.now() - shown < 100 && done < stream.length) return;
        shown = performance.now();
        progress(`   ${count(done)} of ${count(stream.length)} receipts`);
      }),
    );
    progress('');
    table(['by', 'events', 'took', 'rate'], rows, [1, 2, 3]);
    say();
    const recorded = this.#receipts.filter(({ sequence }) => BigInt(sequence) > this.#sizeBefore).length;
    tell(
      `${bold(counted(recorded, 'event'))} recorded, ${count(this.#receipts.length - recorded)} there already` +
        `, in ${(totalMs / 1_000).toFixed(1)} s.` +
        (recorded === 0 ? ' This day was here: sent again, nothing is recorded twice.' : ''),
    );
    command(
      `${this.#printCommand} |`,
      `curl -sS -X POST -T - -H "Authorization: Bearer $TRUETRAIL_KEY" -H 'content-type: application/x-ndjson'`,
      `${this.#url('/events/stream')} | tail -1`,
    );
  }

  /**
   * One after the other.
   * @param {EventContent[]} events
   * @param {(event: EventContent) => [path: string, body: object]} request
   * @returns {Promise<Receipt[]>}
   */
  async #post(events, request) {
    const receipts = [];
    for (const event of events) {
      const [path, body] = request(event);
      receipts.push((await this.#service.ask('POST', path, { body })).json);
    }
    return receipts;
  }

  /** An event without what its path says. @param {EventContent} event @returns {[string, object]} */
  #orderStep({ event_type: _, entity_type: __, entity_id: orderId, action, ...step }) {
    return [this.#path(`/orders/${encodeURIComponent(orderId)}/${action}`), step];
  }

  /** @param {EventContent[]} events @returns {Promise<Receipt[]>} */
  async #batch(events) {
    const { json } = await this.#service.ask('POST', this.#path('/events/batch'), { body: { events } });
    return json.receipts;
  }

  async #showReceipt() {
    const { example } = this.#day;
    const receipt = /** @type {Receipt} */ (this.#receipts[0]);
    const { contentHash, eventHash } = recompute(example, receipt);
    /** @param {boolean} same */
    const mark = (same) => (same ? green('= recomputed') : red('DIFFERS from what we recompute'));
    tell(
      cut(`content       ${canonicalJson(example)}`),
      `origin        ${receipt.origin}, sequence ${receipt.sequence}`,
      `recorded      ${receipt.recorded_at} by ${receipt.recorded_by}`,
      `salt          ${receipt.salt}`,
      `content_hash  ${receipt.content_hash}  ${mark(contentHash === receipt.content_hash)}`,
      `previous      ${receipt.previous_event_hash ?? 'none: the first of its ledger'}`,
      `event_hash    ${receipt.event_hash}  ${mark(eventHash === receipt.event_hash)}`,
      '',
      dim('content_hash = SHA-256(salt ‖ RFC 8785 of the content), event_hash = SHA-256(RFC 8785 of the envelope):'),
      dim('computed by demo/receipts.mjs, a page of code that uses nothing of the service.'),
    );
    const { right, links, rightLinks } = recomputeAll(this.#sent, this.#receipts);
    const all = `${count(right)} of ${counted(this.#receipts.length, 'receipt')} recompute, and ${count(rightLinks)} of ${counted(links, 'link')} between neighbours hold.`;
    if (right === this.#receipts.length && rightLinks === links && isRight(example, receipt)) tell(green(all));
    else this.#fail(all);
    command(
      `${this.#printCommand} | head -1 |`,
      `curl -sS --data-binary @- -H "Authorization: Bearer $TRUETRAIL_KEY" -H 'content-type: application/json'`,
      this.#url('/events'),
    );
  }

  async #repeat() {
    const first = /** @type {Receipt} */ (this.#receipts[0]);
    const { status, json } = await this.#service.ask('POST', this.#path('/events'), { body: this.#day.example });
    const same = status === 200 && canonicalJson(json) === canonicalJson(first);
    if (same)
      tell(`200 and ${green('the same receipt')}, sequence ${json.sequence}: after a lost answer, just send it again.`);
    else this.#fail(`${status}, and another receipt: sequence ${json.sequence}, not ${first.sequence}`);
    tell(dim('The command above does it: 201 the first time, 200 ever after (-i shows it).'));
  }

  async #conflict() {
    const { example } = this.#day;
    const quantity = String(Number(example.new_state.quantity) * 10);
    const other = { ...example, new_state: { ...example.new_state, quantity } };
    const { status, json } = await this.#service.call('POST', this.#path('/events'), { body: other });
    if (status !== 409)
      return this.#fail(`an event with quantity ${quantity} under the id of another got ${status}, not 409`);
    tell(
      `${status} ${bold(slugOf(json))}: ${json.title}`,
      json.detail,
      dim('What was recorded stands; the attempt is kept as well, in the ledger _service.'),
    );
    command(
      `${this.#printCommand} | head -1 | sed 's/"quantity":"[0-9]*"/"quantity":"${quantity}"/' |`,
      `curl -sS --data-binary @- -H "Authorization: Bearer $TRUETRAIL_KEY" -H 'content-type: application/json'`,
      this.#url('/events'),
    );
  }

  async #history() {
    const id = this.#day.example.entity_id;
    const path = `/orders/${encodeURIComponent(id)}/history`;
    const { json } = await this.#service.ask('GET', this.#path(path));
    /** @type {any[]} */
    const events = json.events;
    const ordinals = new Map(events.map(({ event_id: eventId, ordinal }) => [eventId, ordinal]));
    const { side, symbol, isin, exchange } = this.#day.example.new_state;
    tell(`${id}: ${side} ${symbol} (${isin}) on ${exchange}, as of sequence ${json.as_of}`, '');
    table(
      ['#', 'happened', 'what', 'quantity', 'price', 'open', 'by', ''],
      events.map(
        ({ ordinal, timestamp, action, new_state: state, metadata, user_id: user, corrected_by: by, corrects }) => [
          String(ordinal),
          timeOf(timestamp),
          action,
          state.quantity ?? '',
          state.price ?? '',
          state.remaining_quantity ?? '',
          user,
          by
            ? `corrected by ${ordinals.get(by) ?? by}`
            : corrects
              ? `${action === 'void' ? 'voids' : 'corrects'} ${ordinals.get(corrects)}: ${metadata.reason}`
              : (metadata.reason ?? ''),
        ],
      ),
      [0, 3, 4, 5],
    );
    if (events.length === 0) this.#fail('the order has no events');
    this.#curl(path);
  }

  async #verify() {
    const sequences = this.#receipts.map(({ sequence }) => BigInt(sequence));
    const range = {
      from_sequence: String(sequences.reduce((least, each) => (each < least ? each : least))),
      to_sequence: String(sequences.reduce((most, each) => (each > most ? each : most))),
    };
    const start = performance.now();
    let { json: run } = await this.#service.ask('POST', this.#path('/verifications'), { body: range });
    const path = `/verifications/${run.id}`;
    while (run.status === 'queued' || run.status === 'running') {
      if (performance.now() - start > VERIFICATION_TIMEOUT_MS) break;
      progress(`   ${run.status}: ${count(run.checked)} of ${count(run.total)}`);
      await sleep(200);
      ({ json: run } = await this.#service.ask('GET', this.#path(path)));
    }
    progress('');
    const what = `sequences ${count(range.from_sequence)} to ${count(range.to_sequence)}: ${count(run.checked)} of ${count(run.total)} events checked`;
    if (run.status === 'queued' || run.status === 'running')
      tell(`${run.status}, ${what}; ask again by the second command.`);
    else if (run.verdict === 'valid') {
      tell(
        `verdict ${bold(green('valid'))}: ${what} in ${((performance.now() - start) / 1_000).toFixed(1)} s, ${counted(Number(run.findings_total), 'finding')}.`,
        dim('Contents, links, order and keys, computed from what the database holds now.'),
      );
    } else {
      this.#fail(
        `status ${run.status}, verdict ${run.verdict}; ${what}, ${counted(Number(run.findings_total), 'finding')}`,
      );
      for (const { kind, sequence, detail } of run.findings.slice(0, 5))
        tell(cut(`${sequence ?? '-'}  ${kind}  ${detail}`));
    }
    command(
      `curl -sS -X POST -H "Authorization: Bearer $TRUETRAIL_KEY" -H 'content-type: application/json' -d '{}'`,
      this.#url('/verifications'),
    );
    this.#curl(path);
  }

  /** @param {string} period */
  async #trades(period) {
    const path = `/reports/mifid2-trades?${period}&format=csv`;
    const { text } = await this.#service.ask('GET', this.#path(path), { accept: 'text/csv' });
    const lines = text.split(/\r?\n/).filter((line) => line !== '');
    if (lines.length < 2) this.#fail(`it has no line for ${this.#date}`);
    tell(...lines.slice(0, LINES_OF_A_REPORT + 1).map((line) => cut(line)));
    const left = lines.length - LINES_OF_A_REPORT - 1;
    if (left > 0) tell(dim(`... ${counted(left, 'more trade')}; corrected ones as corrected, voided ones not at all`));
    this.#curl(path);
  }

  /** @param {string} period */
  async #activity(period) {
    const path = `/reports/user-activity?user_id=${encodeURIComponent(this.#day.trader)}&${period}&format=csv`;
    const { text } = await this.#service.ask('GET', this.#path(path), { accept: 'text/csv' });
    const [head = [], ...rows] = readCsv(text);
    if (rows.length === 0) this.#fail(`it has no line for ${this.#date}`);
    /** @param {string[]} row @param {string} name */
    const cell = (row, name) => row[head.indexOf(name)] ?? '';
    const shown = rows.slice(0, LINES_OF_A_REPORT);
    const columns = ACTIVITY_COLUMNS.filter((name) => shown.some((row) => cell(row, name) !== ''));
    table(
      columns.map((name) => (name === 'timestamp' ? 'happened' : name)),
      shown.map((row) => columns.map((name) => (name === 'timestamp' ? timeOf(cell(row, name)) : cell(row, name)))),
      ['quantity', 'price'].map((name) => columns.indexOf(name)),
    );
    const actions = new Map();
    for (const row of rows) actions.set(cell(row, 'action'), (actions.get(cell(row, 'action')) ?? 0) + 1);
    const sums = [...actions].map(([action, times]) => `${count(times)} ${action}`).join(', ');
    tell(dim(`${counted(rows.length, 'act')} in all: ${sums}`));
    this.#curl(path);
  }

  #goOn() {
    say();
    say(bold('Go on from here'));
    say();
    tell(`every operation, to read and try      ${this.#service.url('/docs')}`);
    tell('the orders of one client, the latest first:');
    const client = this.#day.example.metadata.client_id;
    this.#curl(`/events?metadata.client_id=${client}&action=create&order=desc&limit=3`);
    if (process.env.TRUETRAIL_KEY === undefined) {
      say();
      tell('The commands take the key from TRUETRAIL_KEY:  export TRUETRAIL_KEY="$BOOTSTRAP_API_KEY"');
    }
    say();
  }

  /** @param {string} path */
  #curl(path) {
    const url = this.#url(path);
    command('curl -sS -H "Authorization: Bearer $TRUETRAIL_KEY"', /[?&]/.test(url) ? `'${url}'` : url);
  }

  /** @param {string} path */
  #path(path) {
    return `/v1/ledgers/${encodeURIComponent(this.#ledger)}${path}`;
  }

  /** @param {string} path */
  #url(path) {
    return this.#service.url(this.#path(path));
  }
}

/** A timestamp's part after its day. @param {string} timestamp */
function timeOf(timestamp) {
  return timestamp.slice(11, -1);
}

/** The cells of RFC 4180, line by line. @param {string} text */
function readCsv(text) {
  /** @type {string[][]} */
  const rows = [];
  let row = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (end === '' && row.length === 0 && quoted === undefined && plain === '') break;
    row.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/**
 * Looks whether the service is there, takes the key and has the ledger. Returns how many events that holds. Throws
 * DemoError, which says what to do.
 * @param {Service} service
 * @param {string} ledger
 */
export async function ledgerSize(service, ledger) {
  const path = `/v1/ledgers/${encodeURIComponent(ledger)}`;
  const { status, json } = await service.call('GET', path);
  if (status === 200 && typeof json?.size === 'string') return BigInt(json.size);
  const slug = slugOf(json ?? {});
  if (status === 401) {
    throw new DemoError(
      'The service does not know the key that TRUETRAIL_KEY (or else BOOTSTRAP_API_KEY) holds.\n' +
        'The first start prints a key; another one is made by\n' +
        "  npm run truetrail -- keys create --name demo --scopes all --ledgers '*'",
    );
  }
  if (status === 403) {
    throw new DemoError(
      `${json.detail}.\nThe demo takes a key with events:write, events:read, verifications:run and reports:read.`,
    );
  }
  if (slug === 'ledger-not-found') {
    throw new DemoError(
      `There is no ledger ${ledger}, or the key is not for it. A ledger is made once, for ever:\n` +
        `  curl -sS -X PUT -H "Authorization: Bearer $TRUETRAIL_KEY" ${service.url(path)}`,
    );
  }
  if (json?.type === undefined)
    throw new DemoError(`${service.url('')} answers (${status}), but not as Truetrail does.`);
  throw new ProblemError(`GET ${path}`, { status, ...json });
}
