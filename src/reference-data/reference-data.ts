import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { inOneAct } from '../database/one-act.js';
import { DATABASE_URL, POOL } from '../database/tokens.js';
import { Turnstile } from '../database/turnstile.js';
import { BulkReads } from '../events/bulk-reads.js';
import { SERVICE_LEDGER } from '../events/ledgers.js';
import { ServiceLedger, type ServiceEvent } from '../events/service-ledger.js';
import { summary } from '../http/dto.pipe.js';
import { Problem, type FieldError } from '../http/problem.js';
import { invalidParameters, queryError } from '../http/parameters.js';
import { isEventText } from '../integrity/event.js';
import { judgeChanges, referencesOf, type Known } from './change-context.js';
import { readChange, readInstant, type Change, type FlatChange } from './change.js';
import { KINDS, MAX_TEXT, type Attributes, type Kind } from './kinds.js';
import { changeLine, headerLine, lineError, readReferenceFile, type PlacedChange } from './reference-file.js';
import * as sql from './reference-changes.sql.js';
import type { RecordedChange } from './reference-changes.sql.js';
import { timelineOf } from './timeline.js';

export type { RecordedChange };

/** What became of a file, or would. */
export interface Imported {
  /** changes in the file */
  changes: number;
  recorded: number;
  /** changes that say what holds already, and were not recorded again */
  unchanged: number;
  /** the last revision after it */
  asOf: bigint;
}

/** Entries that a step of an export reads. */
const EXPORT_STEP = 500;
const APPLICATION = 'truetrail reference data';

/**
 * Reference data: who and what the events name, at any time, as it was known at any time. Every change is an event of the
 * service's ledger first; what is read here is taken from those events, so a database that is made anew has the same.
 * Nothing is overwritten: a later change about the same time holds, and both stand.
 */
@Injectable()
export class ReferenceData {
  /** Each change has a connection of its own while it waits for others. */
  private readonly changing = new Turnstile(1);
  private taking: Promise<unknown> = Promise.resolve();
  private nextTaking: Promise<bigint> | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(DATABASE_URL) private readonly url: string,
    private readonly serviceLedger: ServiceLedger,
    private readonly bulkReads: BulkReads,
  ) {}

  /** Throws reference-kind-not-found. */
  kind(name: string): Kind {
    const kind = KINDS.find((each) => each.name === name);
    if (kind) return kind;
    const known = KINDS.map((each) => each.name).join(', ');
    throw new Problem('reference-kind-not-found', `There is no such kind of reference data; there are ${known}`);
  }

  /** The revision that a text means: its number, or the last one before a time; the last one of all without it. */
  async revision(asOf: string | undefined): Promise<bigint> {
    const last = await this.takeSettled();
    if (asOf === undefined) return last;
    if (/^(?:0|[1-9][0-9]{0,17})$/.test(asOf)) {
      if (BigInt(asOf) <= last) return BigInt(asOf);
      throw invalidParameters([queryError('as_of', 'range', `must be no more than the last revision, ${last}`)]);
    }
    const read = readInstant(asOf);
    if ('mistake' in read) {
      throw invalidParameters([queryError('as_of', 'revision', 'must be a revision, or a day or time')]);
    }
    return sql.revisionBefore(this.pool, read.time);
  }

  /** The event that a revision is, which there is. */
  async placeOf(revision: bigint): Promise<{ ledger: string; sequence: string }> {
    return (await sql.findRevision(this.pool, revision))!;
  }

  /** How many changes there are of each kind. */
  counts(upTo: bigint): Promise<Map<string, string>> {
    return sql.countChanges(this.pool, upTo);
  }

  /**
   * Entries that are there at a time, after the one named: of those with certain values alone, where these are given by
   * column. Throws invalid-parameter for a column that the kind does not have.
   */
  list(
    kind: Kind,
    at: { validAt: string; upTo: bigint; after: string; limit: number },
    values: Attributes = {},
  ): Promise<RecordedChange[]> {
    const names = [kind.id, ...kind.fields].map(({ name }) => name);
    const unknown = Object.keys(values).filter((name) => !names.includes(name));
    if (unknown.length > 0) {
      throw invalidParameters(unknown.map((name) => queryError(name, 'unknown', `is no column of ${kind.name}`)));
    }
    const { [kind.id.name]: id, ...attributes } = values;
    return sql.entriesAt(this.pool, kind.name, { ...at, id, attributes });
  }

  /** An entry as it is at a time. Throws reference-entry-not-found. */
  async find(kind: Kind, id: string, { validAt, upTo }: { validAt: string; upTo: bigint }): Promise<RecordedChange> {
    const changes = await this.changesOf(kind, id, upTo);
    const found = changes.findLast((each) => each.valid_from <= validAt && (each.valid_to ?? '~') > validAt);
    if (found && found.attributes !== null) return found;
    throw new Problem('reference-entry-not-found', `No ${kind.name} ${id} is known at ${validAt}`);
  }

  /** All that was ever said of an entry, in its order. Throws reference-entry-not-found. */
  async history(kind: Kind, id: string, upTo: bigint): Promise<RecordedChange[]> {
    const changes = await this.changesOf(kind, id, upTo);
    if (changes.length > 0) return changes;
    throw new Problem('reference-entry-not-found', `Nothing was ever recorded of ${kind.name} ${id}`);
  }

  /** None of what no id can be: PostgreSQL would not even look for U+0000. */
  private async changesOf(kind: Kind, id: string, upTo: bigint): Promise<RecordedChange[]> {
    return isEventText(id, MAX_TEXT) ? sql.changesOf(this.pool, kind.name, upTo, [id]) : [];
  }

  /**
   * Records a change; the one that holds when it was known already. Throws invalid-body with every mistake, and what an
   * append throws.
   */
  async change(
    caller: Principal,
    kind: Kind,
    given: FlatChange,
  ): Promise<{ change: RecordedChange; isRecorded: boolean }> {
    const { change, mistakes } = readChange(kind, given);
    if (!change) throw invalid(mistakes.map(({ column, ...rest }) => ({ pointer: `/${column}`, ...rest })));
    const { recorded } = await this.take(caller, kind, [{ line: 0, change }], undefined, false, (_, mistake) => ({
      pointer: `/${mistake.column}`,
      rule: mistake.rule,
      detail: mistake.detail,
    }));
    const changes = await sql.changesOf(this.pool, kind.name, await sql.takeChanges(this.pool), [change.entry_id]);
    const isOurs = (each: RecordedChange): boolean =>
      each.valid_from <= change.valid_from && (each.valid_to ?? '~') > change.valid_from;
    return { change: changes.findLast(isOurs) ?? changes.at(-1)!, isRecorded: recorded > 0 };
  }

  /** Records all changes of a file, or none. Throws invalid-body with every mistake, and what an append throws. */
  async import(caller: Principal, kind: Kind, bytes: Buffer, isDryRun: boolean): Promise<Imported> {
    const { changes, errors } = await readReferenceFile(kind, bytes);
    if (errors.length > 0) throw invalid(errors);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return this.take(caller, kind, changes, sha256, isDryRun, (line, { column, rule, detail }) =>
      lineError(line, column, rule, detail),
    );
  }

  /** What holds of all entries of a kind, over all times, as a file that `import` takes; reading it is on record first. */
  async *export(caller: Principal, kind: Kind, upTo: bigint): AsyncGenerator<Uint8Array> {
    await this.recordExport(caller, kind, upTo);
    let text = headerLine(kind);
    for (let after = ''; ;) {
      const ids = await sql.idsAfter(this.pool, kind.name, upTo, after, EXPORT_STEP);
      const last = ids.at(-1);
      if (last === undefined) break;
      for (const [id, changes] of byEntry(await sql.changesOf(this.pool, kind.name, upTo, ids))) {
        for (const span of timelineOf(changes)) {
          if (span.attributes === null) continue;
          text += changeLine(kind, { entry_id: id, reason: null, ...pick(span) });
        }
      }
      yield Buffer.from(text);
      text = '';
      after = last;
    }
    if (text !== '') yield Buffer.from(text);
  }

  /**
   * The last revision, after all that is recorded when this is called. However many ask, one connection of the pool waits
   * for whoever changes reference data: reads of other things go on, and with them whoever posts events.
   */
  private takeSettled(): Promise<bigint> {
    return (this.nextTaking ??= (async () => {
      await this.taking.catch(() => undefined); // it may have looked before this was called
      this.nextTaking = undefined;
      const taking = sql.takeChanges(this.pool, { isSettled: true });
      this.taking = taking;
      return taking;
    })());
  }

  private async recordExport(caller: Principal, kind: Kind, upTo: bigint): Promise<void> {
    const place = upTo === 0n ? { ledger: SERVICE_LEDGER, sequence: '0' } : await this.placeOf(upTo);
    const parameters = { kind: kind.name, as_of: String(upTo) };
    const { ledger, sequence: asOf } = place;
    await this.bulkReads.record({ ledger, action: 'reference-data', parameters, asOf }, caller);
  }

  /**
   * Judges changes by all that is known, records what is new and takes it over, while nobody else can. The events are
   * durable before they are taken over; after a crash between the two the next reader takes them over.
   */
  private async take(
    caller: Principal,
    kind: Kind,
    placed: readonly PlacedChange[],
    sha256: string | undefined,
    isDryRun: boolean,
    errorOf: (line: number, mistake: { column: string; rule: string; detail: string }) => FieldError,
  ): Promise<Imported> {
    const act = async (client: pg.Client): Promise<Imported> => {
      const revision = await sql.takeChanges(client);
      const known = await this.known(client, kind, placed, revision);
      const judged = judgeChanges(
        kind,
        placed.map(({ change }) => change),
        known,
      );
      const errors = judged.flatMap(({ mistakes }, i) => mistakes.map((each) => errorOf(placed[i]!.line, each)));
      if (errors.length > 0) throw invalid(errors);
      const fresh = placed.filter((_, i) => !judged[i]!.isKnown);
      const done = { changes: placed.length, recorded: fresh.length, unchanged: placed.length - fresh.length };
      if (isDryRun || fresh.length === 0) return { ...done, asOf: revision };
      await this.serviceLedger.record(...fresh.map(({ line, change }) => eventOf(caller, kind, change, sha256, line)));
      return { ...done, asOf: await sql.takeChanges(client) };
    };
    return this.changing.pass(() => inOneAct(this.url, APPLICATION, act));
  }

  private async known(
    client: pg.ClientBase,
    kind: Kind,
    placed: readonly PlacedChange[],
    upTo: bigint,
  ): Promise<Known> {
    const counts = await sql.countChanges(client, upTo);
    const read = async (name: string, ids: Iterable<string>): Promise<Map<string, RecordedChange[]>> =>
      byEntry(await sql.changesOf(client, name, upTo, [...new Set(ids)]));
    const own = await read(
      kind.name,
      placed.map(({ change }) => change.entry_id),
    );
    const others = new Map<string, Map<string, RecordedChange[]>>();
    const named = placed.flatMap(({ change }) => referencesOf(kind, change.entry_id, change.attributes));
    for (const name of new Set(named.map((each) => each.kind))) {
      if (!counts.has(name)) continue;
      const ids = named.filter((each) => each.kind === name).map(({ id }) => id);
      others.set(name, await read(name, ids));
    }
    return {
      changesOf: (id) => own.get(id) ?? [],
      has: (name) => counts.has(name),
      changesOfOther: (name, id) => others.get(name)?.get(id) ?? [],
    };
  }
}

function eventOf(
  { id: principal }: Principal,
  kind: Kind,
  { entry_id: id, valid_from, valid_to, attributes, reason }: Change,
  sha256: string | undefined,
  line: number,
): ServiceEvent {
  return {
    event_type: 'reference_data',
    entity_type: `reference_${kind.name}`,
    entity_id: id,
    action: attributes === null ? 'end' : 'set',
    user_id: principal,
    new_state: { valid_from, valid_to, attributes: attributes === null ? null : { ...attributes } },
    metadata: {
      ...(reason === null ? {} : { reason }),
      ...(sha256 === undefined ? {} : { file_sha256: sha256, line: String(line) }),
    },
  };
}

function byEntry(changes: readonly RecordedChange[]): Map<string, RecordedChange[]> {
  const entries = new Map<string, RecordedChange[]>();
  for (const change of changes) {
    const own = entries.get(change.entry_id);
    if (own) own.push(change);
    else entries.set(change.entry_id, [change]);
  }
  return entries;
}

function pick<T extends Pick<Change, 'valid_from' | 'valid_to' | 'attributes'>>({
  valid_from,
  valid_to,
  attributes,
}: T): Pick<Change, 'valid_from' | 'valid_to' | 'attributes'> {
  return { valid_from, valid_to, attributes };
}

function invalid(errors: readonly FieldError[]): Problem {
  return new Problem('invalid-body', summary(errors), { errors });
}
