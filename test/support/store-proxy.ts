import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the store does to requests, until it is told otherwise. */
export type StoreFault =
  /** every answer comes so much later than the store gave it */
  | { kind: 'slow'; ms: number }
  /** requests are taken and never answered */
  | { kind: 'hang' }
  /** half of an answer's body comes, and then nothing */
  | { kind: 'hang in body' }
  /** half of an answer's body comes, and then the connection is cut */
  | { kind: 'cut in body' }
  /** half of a request's body is taken, and then the connection is cut */
  | { kind: 'cut in request' }
  /** the request has its effect, and its answer is lost */
  | { kind: 'lose answer' }
  /** refused by S3's error of that code */
  | { kind: 'answer'; status: number; code: string }
  /** nobody is there */
  | { kind: 'refuse' };

/**
 * An S3 endpoint in front of a real one, whose faults a test switches on and off. Requests pass through as they are,
 * with the host that the client signed.
 */
export class StoreProxy {
  /** requests that met the fault */
  met = 0;
  private fault: StoreFault | undefined;
  private where = /^/;
  private readonly server: Server;
  private port = 0;

  private constructor(private readonly target: URL) {
    this.server = createServer((incoming, answer) => this.pass(incoming, answer));
    this.server.on('clientError', (_, socket) => socket.destroy());
  }

  static async start(target: string): Promise<StoreProxy> {
    const proxy = new StoreProxy(new URL(target));
    await proxy.listen();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** From now on, for requests whose `METHOD path` matches. Connections that are open are cut. */
  async break(fault: StoreFault, where = /^/): Promise<void> {
    await this.heal();
    this.fault = fault;
    this.where = where;
    if (fault.kind === 'refuse') await this.close();
  }

  /** Nothing is wrong any more; whoever hangs is let go. */
  async heal(): Promise<void> {
    this.fault = undefined;
    this.met = 0;
    this.server.closeAllConnections();
    if (!this.server.listening) await this.listen();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, '127.0.0.1', () => {
        this.port = (this.server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  private pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const fault = this.where.test(`${incoming.method} ${incoming.url}`) ? this.fault : undefined;
    if (fault) this.met += 1;
    incoming.on('error', () => undefined);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'answer') return this.refuse(incoming, answer, fault);
    if (fault?.kind === 'cut in request') {
      const half = Number(incoming.headers['content-length'] ?? 0) / 2;
      let taken = 0;
      incoming.on('data', (chunk: Buffer) => {
        taken += chunk.length;
        if (taken >= half) incoming.socket.destroy();
      });
      return;
    }
    const { hostname, port } = this.target;
    const onward = request(
      { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers },
      (received) => this.answer(received, answer, fault, incoming.method === 'HEAD'),
    );
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  }

  private answer(
    received: IncomingMessage,
    answer: ServerResponse,
    fault: StoreFault | undefined,
    bare: boolean,
  ): void {
    const chunks: Buffer[] = [];
    received.on('data', (chunk: Buffer) => chunks.push(chunk));
    received.on('error', () => answer.destroy());
    received.on('end', () => {
      const body = Buffer.concat(chunks);
      const headers = { ...received.headers };
      delete headers['transfer-encoding'];
      if (!bare) headers['content-length'] = String(body.length);
      const send = (): void => void answer.writeHead(received.statusCode!, headers).end(body);
      if (fault?.kind === 'lose answer') answer.destroy();
      else if (fault?.kind === 'slow') setTimeout(send, fault.ms);
      else if ((fault?.kind === 'hang in body' || fault?.kind === 'cut in body') && body.length > 0) {
        answer.writeHead(received.statusCode!, headers).write(body.subarray(0, body.length / 2), () => {
          if (fault.kind === 'cut in body') answer.destroy();
        });
      } else send();
    });
  }

  private refuse(
    incoming: IncomingMessage,
    answer: ServerResponse,
    { status, code }: { status: number; code: string },
  ): void {
    incoming.resume().on('end', () => {
      const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>on purpose</Message></Error>`;
      answer.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length });
      answer.end(incoming.method === 'HEAD' ? undefined : body);
    });
  }
}
