import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { RouteAccess } from '../access/access.decorator.js';
import { CONFIG, type Config } from '../config/config.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { LOGGER } from '../operation/logger.js';
import { SERVICE_LEDGER } from './ledgers.js';
import { ServiceLedger, type ServiceEvent } from './service-ledger.js';

/** Different things that were asked for, which the record of a tally names; and what one of them may take as JSON. */
const MOST_NAMED = 20;
const MOST_CHARACTERS = 1_000;
/** Tallies of a replica: at the first number they are recorded before their time, past the second one counts for the rest. */
const EARLY_AT = 500;
const MOST_TALLIES = 5_000;
const OTHERS = '(others)';
/** Tallies of one append. */
const RECORDED_AT_ONCE = 100;
/** As JSON has it: PostgreSQL takes none, and one would keep the records of all others from being made. */
const NUL = '\\u0000';
/** Of a query what says nothing of what was read. */
const PAGING: readonly string[] = ['limit', 'cursor'];
const MAX_PRINCIPAL_CHARACTERS = 255;

/** What one principal read by one route in one ledger, since it was last recorded. */
interface Tally {
  principal: string;
  action: string;
  ledger: string;
  reads: number;
  /** RFC 3339 */
  first: string;
  last: string;
  /** by their JSON */
  asked: Map<string, JsonObject>;
  /** whether more was asked for than `asked` has */
  isCut: boolean;
}

/**
 * Who read single events, pages, proofs and entries of reference data: counted in memory after each answer, and recorded in the service's own ledger
 * every RECORD_READS_SECONDS, one event for each principal, route and ledger. So no reader waits for a record, reading
 * the service's ledger makes an event a period and no more, and what a replica counted since the last record is lost when
 * it is killed. What could not be recorded is kept for the next time; a record whose outcome is unknown may be made twice.
 */
@Injectable()
export class PageReads implements OnModuleInit, BeforeApplicationShutdown {
  private tallies = new Map<string, Tally>();
  private recording: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'RECORD_READS_SECONDS'>,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly serviceLedger: ServiceLedger,
  ) {}

  onModuleInit(): void {
    const { RECORD_READS_SECONDS: seconds } = this.config;
    if (seconds > 0) this.timer = setInterval(() => void this.record(), seconds * 1_000).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.recording;
    await this.record();
  }

  /** Counts an answer that went out, if it is of a route that `@Access` names `reads` of. */
  answered(request: FastifyRequest, reply: FastifyReply): void {
    const { reads: action } = request.routeOptions.config as RouteAccess;
    if (action === undefined || this.config.RECORD_READS_SECONDS === 0) return;
    if (request.method !== 'GET' || reply.statusCode !== 200 || !request.principal) return;
    if (String(reply.getHeader('content-type')).startsWith('application/x-ndjson')) return; // on record before it began
    // what is of no ledger is kept in that of the service
    const { ledger = SERVICE_LEDGER, ...named } = request.params as Record<string, string>;
    const query = Object.entries(request.query as Record<string, string>).filter(([name]) => !PAGING.includes(name));
    this.count(request.principal.id, action, ledger, { ...Object.fromEntries(query), ...named });
  }

  /** Records what was counted; resolves also when that failed, and the next time does it. */
  record(): Promise<void> {
    return (this.recording ??= this.recordAll().finally(() => (this.recording = undefined)));
  }

  private count(principal: string, action: string, ledger: string, asked: JsonObject): void {
    const now = new Date().toISOString();
    const tally = this.tallyOf(principal.slice(0, MAX_PRINCIPAL_CHARACTERS), action, ledger, now);
    tally.reads += 1;
    tally.last = now;
    const json = JSON.stringify(asked);
    if (tally.asked.has(json) || json === '{}') return; // a further page has its cursor alone
    if (tally.asked.size < MOST_NAMED && json.length <= MOST_CHARACTERS && !json.includes(NUL))
      tally.asked.set(json, asked);
    else tally.isCut = true;
    if (this.tallies.size >= EARLY_AT) void this.record();
  }

  private tallyOf(principal: string, action: string, ledger: string, first: string): Tally {
    const key = JSON.stringify([principal, action, ledger]);
    const there = this.tallies.get(key);
    if (there) return there;
    if (this.tallies.size >= MOST_TALLIES && principal !== OTHERS) return this.tallyOf(OTHERS, action, ledger, first);
    const tally = { principal, action, ledger, reads: 0, first, last: first, asked: new Map(), isCut: false };
    this.tallies.set(key, tally);
    return tally;
  }

  private async recordAll(): Promise<void> {
    const all = [...this.tallies.values()];
    this.tallies = new Map();
    for (let from = 0; from < all.length; from += RECORDED_AT_ONCE) {
      try {
        await this.serviceLedger.record(...all.slice(from, from + RECORDED_AT_ONCE).map(eventOf));
      } catch (error) {
        this.logger.warn({ err: error }, 'who read what could not be recorded; the next time does it');
        for (const tally of all.slice(from)) this.putBack(tally);
        return;
      }
    }
  }

  private putBack({ principal, action, ledger, reads, first, last, asked, isCut }: Tally): void {
    const tally = this.tallyOf(principal, action, ledger, first);
    tally.reads += reads;
    if (first < tally.first) tally.first = first;
    if (last > tally.last) tally.last = last;
    tally.isCut ||= isCut;
    for (const [json, each] of asked) {
      if (tally.asked.size < MOST_NAMED) tally.asked.set(json, each);
      else tally.isCut ||= !tally.asked.has(json);
    }
  }
}

function eventOf({ principal, action, ledger, reads, first, last, asked, isCut }: Tally): ServiceEvent {
  return {
    event_type: 'read',
    entity_type: 'ledger',
    entity_id: ledger,
    action,
    user_id: principal,
    new_state: { reads: String(reads), first, last, asked: [...asked.values()], asked_is_cut: isCut },
  };
}
