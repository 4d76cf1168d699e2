/** What to do about it stands in the message; the demo ends. */
export class DemoError extends Error {}

/** An answer that is a problem (RFC 9457). */
export class ProblemError extends Error {
  /** @param {string} request @param {Problem} problem */
  constructor(request, problem) {
    super(`${request} answered ${problem.status} ${slugOf(problem)}: ${problem.detail ?? problem.title ?? ''}`);
    this.problem = problem;
  }
}

/**
 * @typedef {{type: string, title?: string, status: number, detail?: string, errors?: {pointer: string, rule: string,
 *   detail: string}[]}} Problem
 * @typedef {{status: number, text: string, json: any}} Answer
 * @typedef {import('./trading-day.mjs').EventContent} EventContent
 * @typedef {Record<string, any>} Receipt
 */

/** The last part of a problem's type, which names it. @param {{type?: string}} problem */
export function slugOf(problem) {
  return (
    String(problem.type ?? '')
      .split('/')
      .at(-1) || 'without a type'
  );
}

const RETRYABLE = new Set([429, 503, 504]);
const ATTEMPTS = 6;
const CALL_TIMEOUT_MS = 60_000;
/** Of a stream; so much is sent before the next event is written. */
const CHUNK_BYTES = 64 * 1024;

/** Truetrail, over HTTP. */
export class Service {
  #base;
  #key;

  /** @param {string} url @param {string} key */
  constructor(url, key) {
    this.#base = url.replace(/\/+$/, '');
    this.#key = key;
  }

  /** @param {string} path */
  url(path) {
    return this.#base + path;
  }

  /**
   * A request and its whole answer, whatever its status. What says that it may be tried again is tried again: that is
   * safe with events, because they have ids.
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, accept?: string}} [options]
   * @returns {Promise<Answer>}
   */
  async call(method, path, { body, accept = 'application/json' } = {}) {
    const request = {
      method,
      headers: { accept, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#fetch(path, { ...request, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
        const text = await response.text();
        const answer = { status: response.status, text, json: parsed(text) };
        if (!RETRYABLE.has(answer.status) || attempt === ATTEMPTS) return answer;
        await sleep(Math.min(Number(response.headers.get('retry-after')) || 1, 10) * 1_000);
      } catch (error) {
        if (error instanceof DemoError) throw error;
        if (attempt === 3) throw new DemoError(`${this.#base} does not answer: ${reasonOf(error)}`);
        await sleep(300);
      }
    }
  }

  /**
   * As call(), but with what it has to say only. Throws ProblemError.
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, accept?: string}} [options]
   */
  async ask(method, path, options) {
    const answer = await this.call(method, path, options);
    if (answer.status < 400) return answer;
    throw new ProblemError(`${method} ${path.split('?')[0]}`, { status: answer.status, ...answer.json });
  }

  /**
   * Sends events as lines and reads their receipts meanwhile. What has none when the connection is lost, or for the
   * moment cannot be taken, is sent again. Throws ProblemError for an event that is refused.
   * @param {string} ledger
   * @param {EventContent[]} events
   * @param {(done: number) => void} onProgress
   * @returns {Promise<Receipt[]>} in the order of the events
   */
  async stream(ledger, events, onProgress) {
    /** @type {Receipt[]} */
    const receipts = new Array(events.length);
    let done = 0;
    let open = events.map((_, index) => index);
    for (let fruitless = 0; ;) {
      const lines = open;
      const before = done;
      const part = lines.map((index) => /** @type {EventContent} */ (events[index]));
      let reason = 'the service takes no more events at the moment';
      try {
        await this.#streamOnce(ledger, part, (line, receipt) => {
          receipts[/** @type {number} */ (lines[line - 1])] = receipt;
          done += 1;
          onProgress(done);
        });
      } catch (error) {
        if (error instanceof ProblemError) throw error;
        reason = reasonOf(error);
      }
      open = lines.filter((index) => receipts[index] === undefined);
      if (open.length === 0) return receipts;
      fruitless = done > before ? 0 : fruitless + 1;
      if (fruitless === ATTEMPTS) {
        throw new DemoError(
          `${open.length} of ${events.length} events have no receipt yet: ${reason}\nRun the demo again later: it goes on from there.`,
        );
      }
      await sleep(500 * 2 ** fruitless);
    }
  }

  /**
   * @param {string} ledger
   * @param {EventContent[]} events
   * @param {(line: number, receipt: Receipt) => void} onReceipt
   */
  async #streamOnce(ledger, events, onReceipt) {
    const path = `/v1/ledgers/${encodeURIComponent(ledger)}/events/stream`;
    let next = 0;
    const encoder = new TextEncoder();
    const body = new ReadableStream(
      {
        pull(controller) {
          let text = '';
          while (next < events.length && text.length < CHUNK_BYTES) text += `${JSON.stringify(events[next++])}\n`;
          if (text !== '') controller.enqueue(encoder.encode(text));
          if (next === events.length) controller.close();
        },
      },
      { highWaterMark: 1 },
    );
    const response = await this.#fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' },
      body,
      duplex: 'half', // Node's fetch wants it said; answers come while the body is still sent all the same
    });
    if (!response.ok || response.body === null) {
      const problem = { type: '', status: response.status, ...parsed(await response.text()) };
      if (RETRYABLE.has(response.status)) throw new Error(slugOf(problem));
      throw new ProblemError(`POST ${path}`, problem);
    }
    for await (const line of linesOf(response.body)) {
      const answer = JSON.parse(line);
      if (answer.end !== undefined) return;
      if (answer.receipt !== undefined) onReceipt(answer.line, answer.receipt);
      else if (answer.problem.status < 500 && answer.problem.status !== 429) {
        throw new ProblemError(`line ${answer.line} of POST ${path}`, answer.problem);
      }
    }
    throw new Error('the answer had no end');
  }

  /** @param {string} path @param {any} init @returns {Promise<Response>} */
  async #fetch(path, init) {
    try {
      const headers = { authorization: `Bearer ${this.#key}`, ...init.headers };
      return await fetch(this.#base + path, { ...init, headers, redirect: 'manual' });
    } catch (error) {
      throw unreached(this.#base, error);
    }
  }
}

/** A DemoError, unless the connection was lost, after which one tries again. @param {string} base @param {unknown} error */
function unreached(base, error) {
  const cause = /** @type {any} */ (error)?.cause ?? error;
  const code = String(cause?.code ?? '');
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') {
    return new Error(`it closes the connection (${code}); perhaps it is the other of http and https`);
  }
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/.test(code)) {
    return new DemoError(
      `Nothing answers at ${base} (${code}).\n` +
        'Start the service in another terminal with `npm start`, wait for "Truetrail listens on ...", and run this again;\n' +
        'or say where it is: npm run demo -- --url https://truetrail.example.com',
    );
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return new DemoError(
      `${base} shows a certificate that is not trusted here (${code}).\n` +
        'Name the file of the authority that issued it: NODE_EXTRA_CA_CERTS=ca.pem npm run demo -- --url ...',
    );
  }
  if (/^(ERR_SSL|EPROTO)/.test(code) || code === 'HPE_INVALID_CONSTANT') {
    return new DemoError(`${base} does not speak ${base.split(':')[0]} (${code}): is it the other of http and https?`);
  }
  return new DemoError(`${base} does not answer: ${reasonOf(error)}`);
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  const cause =
    error.cause instanceof Error ? ` (${error.cause.message || /** @type {any} */ (error.cause).code})` : '';
  return error.message + cause;
}

/** @param {ReadableStream<Uint8Array>} body */
async function* linesOf(body) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (body))) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** JSON as a value; anything else as nothing. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {number} ms */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
