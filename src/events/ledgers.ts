import type pg from 'pg';
import { Problem } from '../http/problem.js';
import * as sql from './ledgers.sql.js';
import type { LedgerState } from './ledgers.sql.js';

/** The ledger of the service's own events; nobody can post to it. */
export const SERVICE_LEDGER = '_service';
/** The ledger of what was sent to authorities, and of their answers; there from the first of these on. */
export const REPORTING_LEDGER = '_reporting';
/** Is there from the start. */
export const DEFAULT_LEDGER = 'main';

const SLUG = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** What a ledger's name can be, the service's own included; anything else need not be looked up (U+0000 could not be). */
const ANY_SLUG = /^(_|[a-z0-9])[a-z0-9-]{0,62}$/;

/** One that the service alone writes to: no other name may begin so. */
export function isOwnLedger(ledger: string): boolean {
  return ledger.startsWith('_');
}

/** The ledger of the service's own events, or one of its successors. */
export function isServiceLedger(ledger: string): boolean {
  return /^_service(?:-[1-9][0-9]*)?$/.test(ledger);
}

/** A slug has room for it unless the first one has used it up. */
function successorName(first: string, number: number): string {
  const suffix = `-${number}`;
  return `${first.slice(0, 63 - suffix.length)}${suffix}`;
}

export class Ledgers {
  /** Origins never change, so once read they are known. */
  private readonly origins = new Map<string, string>();
  private logOrigin: string | undefined;

  constructor(private readonly pool: pg.Pool) {}

  /** Fixes the deployment's name at the first start, makes the first ledgers; the name that holds. */
  async open(deploymentId: string, logOrigin: string): Promise<string> {
    this.logOrigin = await sql.nameDeployment(this.pool, deploymentId, logOrigin);
    for (const ledger of [SERVICE_LEDGER, DEFAULT_LEDGER]) {
      await sql.createLedger(this.pool, ledger, `${this.logOrigin}/${ledger}`);
    }
    return this.logOrigin;
  }

  /** The origin of a ledger that exists. Throws ledger-not-found. */
  async origin(ledger: string): Promise<string> {
    const known = this.origins.get(ledger);
    if (known !== undefined) return known;
    const state = await this.state(ledger);
    this.origins.set(ledger, state.origin);
    return state.origin;
  }

  async list(): Promise<LedgerState[]> {
    return sql.listLedgers(this.pool);
  }

  /** Throws ledger-not-found. */
  async state(ledger: string): Promise<LedgerState> {
    const state = ANY_SLUG.test(ledger) ? await sql.findLedger(this.pool, ledger) : undefined;
    if (!state) throw new Problem('ledger-not-found', 'There is no such ledger, or these credentials are not for it');
    return state;
  }

  /** The last ledger of those that succeed each other from this one on: itself, `<ledger>-2`, `<ledger>-3` ... */
  async lastSuccessor(ledger: string): Promise<string> {
    return (await this.lineOf(ledger)).at(-1) ?? ledger;
  }

  /** Those that succeed each other from this one on: itself, `<ledger>-2`, `<ledger>-3` ...; none where it is not there. */
  async lineOf(ledger: string): Promise<string[]> {
    const line: string[] = [];
    for (let next = ledger; await sql.findLedger(this.pool, next);) {
      line.push(next);
      next = successorName(ledger, line.length + 1);
    }
    return line;
  }

  /** Makes one of the service's own ledgers unless it is there. */
  async openOwn(ledger: typeof REPORTING_LEDGER): Promise<void> {
    await sql.createLedger(this.pool, ledger, `${this.logOrigin}/${ledger}`);
  }

  /**
   * Makes a ledger that can succeed another: the first one of `<first>-2`, `<first>-3` ... that is not there, or has no
   * event yet. `first` began their line; it is the ledger itself unless that succeeds another one. None of `behind` is
   * taken, whose events were lost.
   */
  async createSuccessor(ledger: string, first: string, behind: ReadonlySet<string>): Promise<string> {
    const { origin } = await this.state(ledger);
    for (let number = 2; ; number++) {
      const successor = successorName(first, number);
      if (behind.has(successor)) continue;
      await sql.createLedger(this.pool, successor, `${origin.slice(0, -ledger.length)}${successor}`);
      if ((await this.state(successor)).size === '0') return successor;
    }
  }

  /** Has policies and legal holds of closed ledgers count for those that succeed them, as their first events say. */
  noteSuccessions(): Promise<void> {
    return sql.noteSuccessions(this.pool);
  }

  /**
   * Makes a ledger, or finds it made. Throws invalid-parameter for a slug that is none, ledger-origin-conflict when it
   * is there with another origin than the one asked for.
   */
  async create(ledger: string, origin?: string): Promise<{ created: boolean; state: LedgerState }> {
    if (!SLUG.test(ledger)) {
      const detail =
        'a ledger is named by 1 to 63 lower-case letters, digits and hyphens, and does not begin with a hyphen';
      throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/path/ledger', rule: 'slug', detail }] });
    }
    const wanted = `${this.logOrigin}/${ledger}`;
    if (origin !== undefined && origin !== wanted) {
      const there = await sql.findLedger(this.pool, ledger);
      if (there?.origin !== origin) {
        throw new Problem('ledger-origin-conflict', `the origin of this ledger can only be ${there?.origin ?? wanted}`);
      }
    }
    const created = await sql.createLedger(this.pool, ledger, wanted);
    return { created, state: await this.state(ledger) };
  }
}
