import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

interface Pair {
  client: Socket;
  target: Socket;
  isSilent: boolean;
}

/** A TCP proxy between a service and its database, whose faults a test switches on and off. */
export class FaultProxy {
  private readonly pairs = new Set<Pair>();
  private readonly server: Server;
  /** answers of the server are swallowed: it works, and nobody hears of it */
  private losesReplies = false;
  private latencyMs = 0;
  private joined = 0;

  private constructor(private targetPort: number) {
    this.server = createServer((client) => this.join(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** Resolves when so many connections were made in all. */
  async untilJoined(connections: number): Promise<void> {
    while (this.joined < connections) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on new connections go there. */
  retarget(port: number): void {
    this.targetPort = port;
  }

  /** Resets every connection that is open now. */
  cut(): void {
    for (const { client, target } of this.pairs) {
      for (const socket of [client, target]) {
        // the reset of one that is ending is refused, and its handle left: Node would wait for that as it exits
        if (socket.writableEnded) socket.destroy();
        else socket.resetAndDestroy();
      }
    }
  }

  loseReplies(lose: boolean): void {
    this.losesReplies = lose;
  }

  /** What passes from now on comes so much later, each way. */
  delay(ms: number): void {
    this.latencyMs = ms;
  }

  /** As when the server's machine loses its power: on what is open now nothing passes any more, and nobody closes it. */
  silence(): void {
    for (const pair of this.pairs) {
      pair.isSilent = true;
      pair.target.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket): void {
    this.joined += 1;
    const target = connect(this.targetPort, '127.0.0.1');
    const pair: Pair = { client, target, isSilent: false };
    this.pairs.add(pair);
    const end = (): void => {
      this.pairs.delete(pair);
      client.destroy();
      target.destroy();
    };
    client.on('error', end).on('close', end);
    for (const event of ['error', 'close']) target.on(event, () => pair.isSilent || end());
    client.on('data', (chunk) => this.pass(chunk, target));
    target.on('data', (chunk) => {
      if (!this.losesReplies && !pair.isSilent) this.pass(chunk, client);
    });
  }

  private pass(chunk: Buffer, to: Socket): void {
    const send = (): void => void (to.destroyed || to.write(chunk));
    if (this.latencyMs === 0) send();
    else setTimeout(send, this.latencyMs);
  }
}
