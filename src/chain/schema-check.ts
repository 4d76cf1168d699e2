import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { POOL } from '../database/tokens.js';
import { SERVICE_ROLE } from '../database/connection.js';
import { sqlState } from '../database/sqlstate.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { isDatabaseUnavailable } from '../database/availability.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import { LOGGER } from '../operation/logger.js';
import { Metrics } from '../operation/metrics.js';
import { addMonths } from '../partitions/months.js';
import { flattenConjunctions } from './conjunctions.js';
import { FindingList, type RecordedFinding } from './findings.js';
import type { Verdict } from './range-verification.js';
import { findStrayLedgers } from './trail.sql.js';
import {
  describeSchema,
  findSetMonths,
  findUnmatchedMonths,
  listSealedTables,
  type SchemaFact,
} from './schema-check.sql.js';

/** What a schema says, by what it says it about. */
export type SchemaFacts = Record<string, string>;

export interface SchemaCheckResult {
  verdict: Verdict;
  findings: RecordedFinding[];
  findings_total: number;
  /** what kept a part of it from being checked; null when nothing did */
  unread: string | null;
}

/** Stands for the name of any month's table in what is expected. */
const ANY_MONTH = 'audit_events_YYYY_MM';
const MONTH_TABLE = /\baudit_events_(\d{4})_(\d{2})/;
/** Of a check's findings, in its event and its run's outcome. */
const RECORDED_FINDINGS = 100;

/** What the migrations make, as the catalogue describes it: written by `npm run db:schema`, which CI repeats. */
const EXPECTED = new URL('./expected-schema.json', import.meta.url);

/**
 * What no verification of a ledger can see: events of ledgers that do not exist; and whether the schema is as it was.
 *
 * Compares tables, columns, constraints, indexes, triggers, rules, policies, functions, owners and rights with what the
 * migrations made: what the owner or a superuser does by DDL leaves no trace in a row, or may be about to change rows.
 * A replaced `trail_now` shows here, too.
 *
 * It is about the database, not about a range of a ledger, so verifications that are asked for leave it out.
 */
@Injectable()
export class SchemaCheck {
  private expected: SchemaFacts | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly serviceLedger: ServiceLedger,
    private readonly metrics: Metrics,
  ) {}

  /** Checks, and tells everybody who must know. `runId` names the run in the service's ledger. */
  async check(runId: string): Promise<SchemaCheckResult> {
    const result = await this.compare();
    await this.report(runId, result);
    return result;
  }

  private async compare(): Promise<SchemaCheckResult> {
    this.expected ??= readJson(readFileSync(EXPECTED)) as SchemaFacts;
    const { tables, functions } = objectsIn(this.expected);
    const findings = new FindingList();
    const add = (detail: string): void => findings.add({ kind: 'schema', sequence: null, event_id: null, detail });
    let unread: string | null = null;
    try {
      const facts = await describeSchema(this.pool, tables, functions, SERVICE_ROLE);
      const hasMonths = facts.some(({ about }) => about === 'table months'); // if not, that is told below
      const sealed = hasMonths ? await listSealedTables(this.pool) : new Set<string>();
      for (const detail of differences(this.expected, facts, sealed)) add(detail);
      for (const { partition_name: name, in_catalogue: inCatalogue } of await findUnmatchedMonths(this.pool)) {
        add(
          inCatalogue
            ? `month ${name} of the catalogue is no part of the trail`
            : `table ${name} is no month of the catalogue`,
        );
      }
      for (const { month, state, reason } of await findSetMonths(this.pool)) {
        add(`month ${month} is ${state} in the catalogue, and ${reason}: its state was set by hand`);
      }
      for (const { ledger, sequence } of await findStrayLedgers(this.pool)) {
        const detail = `there are events of a ledger ${ledger}, which does not exist`;
        findings.add({ kind: 'sequence', sequence, event_id: null, detail });
      }
    } catch (error) {
      if (isDatabaseUnavailable(error) || sqlState(error) === undefined) throw error;
      unread = (error as Error).message; // a table that is gone, or a right
    }
    return {
      verdict: findings.total > 0 ? 'invalid' : unread === null ? 'valid' : 'undecided',
      findings: findings.listed,
      findings_total: findings.total,
      unread,
    };
  }

  private async report(runId: string, result: SchemaCheckResult): Promise<void> {
    const { verdict, findings, findings_total: total, unread } = result;
    if (verdict === 'invalid') {
      this.logger.error(
        { alarm: 'schema-changed', findings: total, first: findings.slice(0, 10) },
        'the schema of the trail was changed',
      );
    } else if (verdict === 'undecided') {
      this.logger.error({ alarm: 'schema-undecided', unread }, 'the schema of the trail could not be checked');
    }
    for (const { kind } of findings) this.metrics.countFinding('', kind);
    try {
      await this.serviceLedger.record({
        event_type: 'verification',
        entity_type: 'schema',
        entity_id: runId,
        action: 'done',
        user_id: 'service',
        new_state: summaryOf(result),
      });
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error;
      this.logger.error(
        { err: error },
        "the result of a schema check could not be recorded in the service's own ledger",
      );
    }
  }
}

/** A check's result as it is recorded: some of its findings, and how many there are. */
export function summaryOf({ verdict, findings, findings_total: total, unread }: SchemaCheckResult): JsonObject {
  return {
    verdict,
    findings_total: String(total),
    findings: findings.slice(0, RECORDED_FINDINGS).map(({ kind, sequence, detail }) => ({ kind, sequence, detail })),
    unread,
  };
}

/** The facts of a schema in the form in which they are expected: of all months, which are alike, once. */
export function expectedFrom(facts: readonly SchemaFact[]): SchemaFacts {
  const expected = facts.map(({ about, says }) => [anyMonth(about), boundsOf(about, anyMonth(says), says)] as const);
  return Object.fromEntries(expected);
}

/** Names of the tables that exist once, and of the functions, in what is expected. */
function objectsIn(expected: SchemaFacts): { tables: string[]; functions: string[] } {
  const names = (pattern: RegExp): string[] => [
    ...new Set(Object.keys(expected).flatMap((about) => pattern.exec(about)?.[1] ?? [])),
  ];
  return { tables: names(/^table (\w+)$/).filter((name) => name !== ANY_MONTH), functions: names(/^function (\w+)\(/) };
}

/** Each difference as a sentence. `sealed` names the months' tables that a constraint keeps everybody from inserting into. */
export function differences(
  expected: SchemaFacts,
  facts: readonly SchemaFact[],
  sealed: ReadonlySet<string>,
): string[] {
  const found: string[] = [];
  const actual = new Map(facts.map(({ about, says }) => [about, says]));
  const months = new Set(facts.flatMap(({ object }) => (isMonth(object) ? [object] : [])));
  for (const month of sealed) {
    if (!months.has(month)) continue; // told by the month catalogue
    const about = `constraint ${month}.${month}_sealed_check`;
    if (actual.get(about) !== SEALED)
      found.push(`${about}: is: ${actual.get(about) ?? 'nothing'}; it should be: ${SEALED}`);
    actual.delete(about);
  }
  for (const [about, says] of Object.entries(expected)) {
    const names = about.includes(ANY_MONTH) ? [...months] : [ANY_MONTH];
    for (const month of names) {
      const itsAbout = about.replaceAll(ANY_MONTH, month);
      const wanted = says.replaceAll(ANY_MONTH, month).replace(ITS_MONTH, boundsText(month));
      const present = actual.get(itsAbout);
      actual.delete(itsAbout);
      if (present === undefined) found.push(`${itsAbout}: is not there; it should be: ${wanted}`);
      else if (!saysTheSame(present, wanted)) found.push(`${itsAbout}: is: ${present}; it should be: ${wanted}`);
    }
  }
  for (const [about, says] of actual) found.push(`${about}: should not be there; it is: ${says}`);
  return found.sort();
}

/** Also where pg_upgrade or a restored dump made what is there anew. */
function saysTheSame(present: string, wanted: string): boolean {
  return present === wanted || flattenConjunctions(present) === flattenConjunctions(wanted);
}

/** What is printed of the constraint that seal_month makes. */
const SEALED = 'CHECK (false) NOT VALID';
const ITS_MONTH = 'FOR VALUES of its month';

function isMonth(table: string): boolean {
  return /^audit_events_\d{4}_\d{2}$/.test(table);
}

function anyMonth(text: string): string {
  return text.replaceAll(new RegExp(MONTH_TABLE, 'g'), ANY_MONTH);
}

/** What the bounds of a month are printed as. */
function boundsText(month: string): string {
  const [, year, number] = MONTH_TABLE.exec(month) ?? [];
  if (year === undefined) return ITS_MONTH;
  const first = `${year}-${number}-01`;
  return `FOR VALUES FROM ('${first} 00:00:00+00') TO ('${addMonths(first, 1)} 00:00:00+00')`;
}

function boundsOf(about: string, says: string, original: string): string {
  const month = MONTH_TABLE.exec(about)?.[0];
  return month !== undefined && original.includes(boundsText(month))
    ? says.replace(boundsText(month), ITS_MONTH)
    : says;
}
