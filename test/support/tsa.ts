import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const SCRIPT = resolve(projectRoot, process.env.TRUETRAIL_SHARED ?? '../shared', 'tools/tsa-server.mjs');

/** What is needed for time stamps by openssl, and not here. CI, which sets TEST_TIME_STAMPS once it has it all, skips nothing. */
export const MISSING_FOR_TIME_STAMPS: readonly string[] = [
  ...(existsSync(SCRIPT) ? [] : ['tools/tsa-server.mjs of ../shared (or TRUETRAIL_SHARED)']),
  ...(spawnSync('openssl', ['version']).status === 0 ? [] : ['openssl']),
  ...(spawnSync('faketime', ['--version']).error ? ['faketime'] : []),
];
export const HAS_TIME_STAMPS = MISSING_FOR_TIME_STAMPS.length === 0 || process.env.TEST_TIME_STAMPS !== undefined;
if (!HAS_TIME_STAMPS) {
  process.stderr.write(
    `skipped: time stamps made and read by openssl, for want of ${MISSING_FOR_TIME_STAMPS.join(', ')}\n`,
  );
}

/** An authority whose certificates and answers are openssl's: `url` with `/tsa1` (RSA) and `/tsa2` (P-256), and faults as its script has them. */
export class OpensslAuthority {
  private constructor(
    private readonly process: ChildProcess,
    readonly folder: string,
    readonly url: string,
  ) {}

  static async start(): Promise<OpensslAuthority> {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-tsa-'));
    const started = spawn(process.execPath, [SCRIPT, folder, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const chunk of started.stdout) {
      said += String(chunk);
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
      if (url !== undefined) {
        started.stdout.resume();
        return new OpensslAuthority(started, folder, url);
      }
    }
    throw new Error(`the time-stamp authority has not started: ${said}`);
  }

  /** PEM of its root, and the file that it is in. */
  get rootFile(): string {
    return join(this.folder, 'ca.crt');
  }

  get rootPem(): string {
    return readFileSync(this.rootFile, 'utf8');
  }

  async close(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What `openssl ts -verify` says of a reply over a SHA-256, in its words. */
export function verifyByOpenssl(replyFile: string, imprint: Buffer, rootFile: string): string {
  const files = ['-digest', imprint.toString('hex'), '-in', replyFile, '-CAfile', rootFile];
  const { stdout, stderr } = spawnSync('openssl', ['ts', '-verify', ...files], { encoding: 'utf8' });
  return stdout + stderr;
}

/** An authority that answers what a test wants. */
export class TestAuthority {
  /** bodies of the questions that came */
  readonly questions: { body: Buffer; contentType: string | undefined }[] = [];
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(answer: (question: Buffer) => Buffer | { status: number; body: string }): Promise<TestAuthority> {
    const server = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const body = Buffer.concat(chunks);
        authority.questions.push({ body, contentType: request.headers['content-type'] });
        const answered = answer(body);
        if (Buffer.isBuffer(answered)) {
          response.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(answered);
        } else response.writeHead(answered.status).end(answered.body);
      })();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const authority = new TestAuthority(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return authority;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}
