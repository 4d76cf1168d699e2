import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseCheckpoint, type Checkpoint } from '../../src/integrity/checkpoint.js';
import { isStrictBase64 } from '../../src/integrity/event.js';
import { isConsistent } from '../../src/integrity/merkle-proof.js';
import { emptyRoot } from '../../src/integrity/merkle-tree.js';
import {
  COSIGNATURE_ED25519,
  cosignText,
  formatSignature,
  NoteError,
  parseNote,
  verifierKey,
  verifyNote,
  type SignedNote,
  type VerifierKey,
} from '../../src/integrity/signed-note.js';

/** What a witness does instead of what it should, until it is told otherwise. */
export type WitnessFault =
  | 'hang'
  /** the status and half of the body come, and then nothing */
  | 'hang in body'
  | 'cut'
  | 'refuse'
  /** signs by a key that nobody knows, under its own name and key id */
  | 'wrong key'
  | 'unknown key'
  | 'garbage'
  | 'empty'
  | 'no newline'
  | 'oversized'
  | 'endless'
  /** the cosignature of the checkpoint that it saw before */
  | 'replay'
  | 'old time'
  | 'future time'
  /** a plain signature, without a time */
  | 'plain signature'
  | 'redirect'
  /** 409 as a text without its type */
  | 'untyped conflict'
  /** 409 with another size each time */
  | 'wandering size'
  /** has updated what it remembers, and the answer is lost */
  | 'lose answer'
  | { status: number };

interface Refusal {
  status: number;
  body?: string;
  contentType?: string;
}

/** A witness of C2SP tlog-witness, as strict as its text: what it has cosigned, it goes on from. */
export class TestWitness {
  readonly key: VerifierKey;
  /** requests that came, whatever became of them */
  requests = 0;
  /** the most that were under way at once */
  mostAtOnce = 0;
  fault: WitnessFault | undefined;
  /** keys of logs that it knows; an origin that is none of theirs is unknown. A function may know all that come. */
  private readonly logs = new Map<string, VerifierKey[]>();
  private readonly latest = new Map<string, { checkpoint: Checkpoint; line: string }>();
  private readonly privateKey: KeyObject;
  private readonly server: Server;
  private port = 0;
  private atOnce = 0;
  private wandering = 0n;

  private constructor(readonly name: string) {
    this.privateKey = generateKeyPairSync('ed25519').privateKey;
    this.key = verifierKey(name, this.privateKey, COSIGNATURE_ED25519);
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  static async start(name: string): Promise<TestWitness> {
    const witness = new TestWitness(name);
    await witness.listen();
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/witness`;
  }

  trust(key: VerifierKey): void {
    this.logs.set(key.name, [...(this.logs.get(key.name) ?? []), key]);
  }

  /** What it has cosigned last of an origin. */
  sizeOf(origin: string): bigint {
    return this.latest.get(origin)?.checkpoint.size ?? 0n;
  }

  /** As after the loss of its disk. */
  forget(): void {
    this.latest.clear();
  }

  async break(fault: WitnessFault | undefined): Promise<void> {
    this.fault = fault;
    if (fault === 'refuse') await this.close();
    else if (!this.server.listening) await this.listen();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    response.on('close', () => (this.atOnce -= 1));
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.answersByFault(response)) return;
      if (request.method !== 'POST' || request.url !== '/witness/add-checkpoint') {
        response.writeHead(404).end();
        return;
      }
      const { status, body = '', contentType } = this.addCheckpoint(Buffer.concat(chunks).toString('utf8'));
      if (this.fault === 'lose answer') {
        response.destroy();
        return;
      }
      const type = this.fault === 'untyped conflict' ? 'text/plain' : (contentType ?? 'text/plain');
      response.writeHead(status, { 'content-type': type }).end(status === 200 ? this.spoil(body) : body);
    } catch {
      response.destroy(); // the client has gone
    }
  }

  private answersByFault(response: ServerResponse): boolean {
    const { fault } = this;
    if (typeof fault === 'object') response.writeHead(fault.status).end('as it was told');
    else if (fault === 'cut') response.destroy();
    else if (fault === 'hang in body') response.writeHead(200, { 'content-length': '100' }).write('\u2014 ');
    else if (fault === 'redirect') response.writeHead(307, { location: `${this.url}/elsewhere` }).end();
    else if (fault === 'endless') {
      response.on('drain', () => response.write(Buffer.alloc(16_384, 'a')));
      response.writeHead(200).write(Buffer.alloc(65_536, 'a'));
    } else if (fault === 'wandering size') {
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${++this.wandering}\n`);
    } else return fault === 'hang';
    return true;
  }

  /** One body, looked at and remembered in one go: nothing comes between. */
  private addCheckpoint(body: string): Refusal {
    const [head, ...rest] = body.split('\n\n');
    const [first = '', ...lines] = head!.split('\n');
    const [, oldText] = /^old (0|[1-9][0-9]{0,18})$/.exec(first) ?? [];
    if (oldText === undefined || lines.length > 63 || !lines.every((line) => isHash(line))) {
      return { status: 400, body: 'no old size, or no proof' };
    }
    let note: SignedNote;
    let checkpoint: Checkpoint;
    try {
      note = parseNote(rest.join('\n\n'));
      checkpoint = parseCheckpoint(note.text);
    } catch (error) {
      if (error instanceof NoteError) return { status: 400, body: error.message };
      throw error;
    }
    const { origin, size, rootHash } = checkpoint;
    const keys = this.logs.get(origin);
    if (!keys) return { status: 404, body: 'unknown origin' };
    try {
      verifyNote(note, keys);
    } catch {
      return { status: 403, body: 'no signature by a trusted key' };
    }
    const old = BigInt(oldText);
    if (old > size) return { status: 400, body: 'the old size is larger' };
    const known = this.latest.get(origin)?.checkpoint ?? { size: 0n, rootHash: emptyRoot() };
    if (old !== known.size) return { status: 409, contentType: 'text/x.tlog.size', body: `${known.size}\n` };
    const proof = lines.map((line) => Buffer.from(line, 'base64'));
    if (!isConsistent(known.size, known.rootHash, size, rootHash, proof)) {
      return { status: 422, body: 'the proof does not lead there' };
    }
    const before = this.latest.get(origin)?.line;
    const line = this.cosign(note.text);
    this.latest.set(origin, { checkpoint, line });
    return { status: 200, body: this.fault === 'replay' && before !== undefined ? before : line };
  }

  private cosign(text: string): string {
    const now = BigInt(Math.floor(Date.now() / 1000));
    const time = now + (this.fault === 'old time' ? -3_600n : this.fault === 'future time' ? 3_600n : 0n);
    const another = generateKeyPairSync('ed25519').privateKey;
    const signature = cosignText(text, this.name, this.fault === 'unknown key' ? another : this.privateKey, time);
    if (this.fault !== 'wrong key') return formatSignature(signature);
    return formatSignature({ ...cosignText(text, this.name, another, time), keyId: signature.keyId });
  }

  private spoil(line: string): string | Buffer {
    const { fault } = this;
    if (fault === 'garbage') return Buffer.from([0xff, 0xfe, 0x00, 0x0a]);
    if (fault === 'empty') return '';
    if (fault === 'no newline') return line.trimEnd();
    if (fault === 'oversized') return `${line}${'a'.repeat(200_000)}\n`;
    if (fault === 'plain signature') {
      const blob = Buffer.concat([this.key.keyId, Buffer.alloc(64)]);
      return `\u2014 ${this.name} ${blob.toString('base64')}\n`;
    }
    // a witness may have other keys as well
    return formatSignature(cosignText('x\n', 'other.example', generateKeyPairSync('ed25519').privateKey, 1n)) + line;
  }
}

function isHash(line: string): boolean {
  return isStrictBase64(line) && Buffer.from(line, 'base64').length === 32;
}
