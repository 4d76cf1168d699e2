import pg from 'pg';
import { watchForSilence } from './silent-connections.js';

/** A connection of a thread: made when it is first wanted, and anew after it was lost. */
export class KeptConnection {
  private client: pg.Client | undefined;

  /** `url` is what `options` are of. `prepare` is done with each before it is handed out. */
  constructor(
    private readonly options: pg.ClientConfig,
    private readonly url: string,
    private readonly prepare?: (client: pg.Client) => Promise<unknown>,
  ) {}

  /** Throws what connecting and preparing throw; then there is none. */
  async connected(): Promise<pg.Client> {
    if (this.client) return this.client;
    const made = new pg.Client(this.options);
    made.on('error', () => {
      if (this.client === made) this.client = undefined;
    });
    try {
      await made.connect();
      await watchForSilence(made, this.url);
      await this.prepare?.(made);
    } catch (error) {
      void made.end().catch(() => undefined); // of no use to anybody, and the server's to hold
      throw error;
    }
    this.client = made;
    return made;
  }

  /** Whether a connection that was handed out is not known to be lost. */
  has(client: pg.Client): boolean {
    return this.client === client;
  }

  /** Ends it, with whatever is under way on it. */
  async end(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.end();
  }
}
