import { connect } from 'node:net';

/** A request or answer that takes longer is a failure of the row, not a sample. */
const TIMEOUT_MS = 300_000;
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/**
 * One kept-alive HTTP/1.1 connection to the service: one request at a time, written as bytes that were made before the
 * clock started. The load generator shares the cores with what it measures; node:http costs it several times as much a
 * request. Knows just what our service answers: a content-length, or chunks.
 */
export class HttpConnection {
  #socket;
  #url;
  #headers;
  #pending = NOTHING;
  #answer; // { resolve, reject, onBody } of the request under way
  #head; // { status, length, chunked } once it has been read
  #parts = [];
  #read = 0; // bytes of the body so far
  #failure;

  static open(url, key) {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new HttpConnection(socket, url, key));
      });
    });
  }

  constructor(socket, url, key) {
    this.#socket = socket;
    this.#url = new URL(url);
    this.#headers = `Host: ${this.#url.host}\r\nAuthorization: Bearer ${key}\r\n`;
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('the service did not answer in time')));
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the service closed the connection')));
  }

  /** A request as bytes, for send(). */
  encode(method, path, body, accept = 'application/json', contentType = 'application/json') {
    const head = `${method} ${path} HTTP/1.1\r\n${this.#headers}Accept: ${accept}\r\n`;
    if (body === undefined) return Buffer.from(`${head}\r\n`);
    return Buffer.from(
      `${head}Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  /**
   * Sends what encode() made and waits for the whole answer: `{status, body}`. With `onBody` the body goes there piece
   * by piece and is not kept.
   */
  send(request, onBody) {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#answer) return Promise.reject(new Error('one request at a time'));
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject, onBody };
      this.#socket.write(request);
    });
  }

  /** A request whose cost does not matter; the answer's body read as JSON where it is JSON. */
  async call(method, path, body) {
    const answer = await this.send(this.encode(method, path, body === undefined ? undefined : JSON.stringify(body)));
    const text = answer.body.toString();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  close() {
    this.#failure ??= new Error('the connection was closed');
    this.#socket.destroy();
  }

  #take(bytes) {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    try {
      while (this.#pending.length > 0 && this.#answer && this.#step());
    } catch (error) {
      this.#socket.destroy(error);
    }
  }

  /** Reads on in what is pending; false when more bytes are needed first. */
  #step() {
    if (!this.#head) {
      const end = this.#pending.indexOf(END_OF_HEAD);
      if (end < 0) return false;
      const text = this.#pending.latin1Slice(0, end).toLowerCase();
      this.#pending = this.#pending.subarray(end + 4);
      const status = Number(text.slice(9, 12));
      const length = /\r\ncontent-length: *(\d+)/.exec(text)?.[1];
      const chunked = /\r\ntransfer-encoding: *chunked/.test(text);
      if (status < 200 || (length === undefined && !chunked && status !== 204)) {
        throw new Error(`an answer that this client does not know: ${text.slice(0, 200)}`);
      }
      this.#head = { status, length: Number(length ?? 0), chunked };
      return chunked || this.#finishIfWhole();
    }
    if (!this.#head.chunked) {
      const part = this.#pending.subarray(0, this.#head.length - this.#read);
      this.#pending = this.#pending.subarray(part.length);
      this.#keep(part);
      return this.#finishIfWhole();
    }
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return false;
    const size = parseInt(this.#pending.latin1Slice(0, end), 16);
    if (!Number.isInteger(size)) throw new Error('a chunk without a size');
    if (this.#pending.length < end + 2 + size + 2) return false;
    this.#keep(this.#pending.subarray(end + 2, end + 2 + size));
    this.#pending = this.#pending.subarray(end + 2 + size + 2);
    if (size === 0) this.#finish();
    return true;
  }

  #keep(part) {
    this.#read += part.length;
    if (this.#answer.onBody) this.#answer.onBody(part);
    else this.#parts.push(part);
  }

  #finishIfWhole() {
    if (this.#read < this.#head.length) return this.#pending.length > 0;
    this.#finish();
    return true;
  }

  #finish() {
    const { resolve } = this.#answer;
    const body = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    const { status } = this.#head;
    this.#answer = this.#head = undefined;
    this.#parts = [];
    this.#read = 0;
    resolve({ status, body });
  }

  #fail(error) {
    this.#failure ??= error;
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.reject(error);
  }
}
