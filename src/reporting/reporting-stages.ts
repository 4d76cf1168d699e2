import type pg from 'pg';
import { lesser } from '../events/sequences.js';
import { readJson, type JsonObject } from '../integrity/strict-json.js';
import type { ReportRun } from '../reports/report.js';
import * as sql from './reporting-book.sql.js';

/** Executions whose reports are looked up at once. */
const AT_ONCE = 100;
/** Parts of one file of feedback that are shown: 64 KiB each. */
const MOST_PARTS = 64;

/** A stage of the reporting of an execution or allocation: an event of the ledger `_reporting` or of a successor. */
export interface ReportingStage {
  stage: 'report' | 'report-cancellation' | 'submission' | 'feedback' | 'feedback-file';
  ledger: string;
  sequence: string;
  /** the execution or allocation that is reported, as first recorded */
  eventId: string;
}

/** That there are more parts of a file than are shown. */
export interface PartsNotListed {
  stage: 'parts-not-listed';
  /** SHA-256 of the file, hex */
  file: string;
  eventId: string;
}

/** Whatever may be asked of ledgers besides that of the run. */
type Run = Pick<ReportRun, 'ledger' | 'archive' | 'read' | 'readRanges'>;

/**
 * What was reported of executions and allocations, and what came back: of each id, in the order in which they come, every
 * event of `_reporting` about it that counts after an act, by its place. Events of a submission and of a file of feedback,
 * which are about many reports, are told of with the first of them: `told` has those that were. Holds the places of what
 * concerns AT_ONCE executions.
 */
export async function* reportingStages(
  run: Run,
  eventIds: readonly string[],
  upToAct: number,
  told: Set<number>,
): AsyncGenerator<ReportingStage | PartsNotListed> {
  for (let at = 0; at < eventIds.length; at += AT_ONCE) {
    const ids = eventIds.slice(at, at + AT_ONCE);
    const { records, line } = await run.read(async (client) => {
      const sent = await sql.sentRecords(client, { eventIds: ids }, upToAct);
      const acts = await sql.actsOfLedger(
        client,
        sent.map(({ act }) => act),
        run.ledger,
      );
      const own = sent.filter(({ act }) => acts.has(act));
      return { records: own, line: own.length === 0 ? [] : await sql.readLedgers(client) };
    });
    if (records.length === 0) continue;
    for (const ledger of line) {
      run.readRanges?.lookUp({
        ledger,
        of: 'reports of executions, and feedback on them',
        asOf: undefined,
        period: undefined,
      });
    }
    const references = [...new Set(records.map(({ transactionReference }) => transactionReference))];
    const events = await entityEvents(run, line, 'transaction_report', references);
    const makers = [...new Set(events.map(({ maker }) => maker))];
    const acts = new Map(
      (await run.read((client) => sql.actsOfMakers(client, makers, upToAct))).map((act) => [act.maker, act]),
    );
    for (const eventId of ids) {
      const own = records.filter((record) => record.eventId === eventId);
      const isOwn = ({ reference, entity }: EntityEvent): boolean =>
        own.some((record) => record.transactionReference === reference && record.executingEntity === entity);
      const mine = events.filter((event) => acts.has(event.maker) && isOwn(event));
      const stages: ReportingStage[] = mine.map(({ ledger, sequence, action, status }) => ({
        stage: action !== 'written' ? 'feedback' : status === 'CANC' ? 'report-cancellation' : 'report',
        ...{ ledger, sequence, eventId },
      }));
      const notListed: PartsNotListed[] = [];
      for (const maker of new Set(mine.map((event) => event.maker))) {
        const act = acts.get(maker)!;
        if (told.has(act.act)) continue;
        told.add(act.act);
        const isFeedback = act.kind === 'feedback';
        const stage = isFeedback ? 'feedback-file' : 'submission';
        stages.push({ stage, ledger: act.ledger, sequence: act.sequence, eventId });
        if (!isFeedback) continue;
        const parts = await entityEvents(run, line, 'transaction_report_feedback', [act.subject]);
        const ofFile = parts.filter((part) => part.maker === maker && part.action === 'part');
        for (const { ledger, sequence } of ofFile.slice(0, MOST_PARTS))
          stages.push({ stage, ledger, sequence, eventId });
        if (ofFile.length > MOST_PARTS) notListed.push({ stage: 'parts-not-listed', file: act.subject, eventId });
      }
      const placeOf = ({ ledger, sequence }: ReportingStage): [number, bigint] => [
        line.indexOf(ledger),
        BigInt(sequence),
      ];
      yield* stages.sort((a, b) => {
        const [[lineA, sequenceA], [lineB, sequenceB]] = [placeOf(a), placeOf(b)];
        return lineA - lineB || Number(sequenceA - sequenceB);
      });
      yield* notListed;
    }
  }
}

/** An event of `_reporting`, as far as it is looked for. */
interface EntityEvent {
  ledger: string;
  sequence: string;
  action: string;
  reference: string;
  maker: string;
  /** executing entity and status of a report */
  entity: string | null;
  status: string | null;
}

/** All events of some entities in the ledgers of a line, wherever they are. */
async function entityEvents(
  run: Run,
  line: readonly string[],
  entityType: string,
  ids: readonly string[],
): Promise<EntityEvent[]> {
  const found: EntityEvent[] = [];
  for (const ledger of line) {
    const { rows, archivedTo, size } = await run.read(
      async (client, extent) => ({
        rows: await eventsOnline(client, ledger, entityType, ids, extent.archivedTo),
        ...extent,
      }),
      ledger,
    );
    const upTo = lesser(archivedTo, size);
    const lives = ids.map((entityId) => ({ entityType, entityId, after: 0n, upTo }));
    const archived = upTo === 0n ? [] : (await run.archive.lives(ledger, lives, Infinity)).flat();
    for (const { sequence, action, entity_id: reference, new_state, metadata } of archived) {
      const state = readJson(new_state) as JsonObject;
      const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
      const maker = text((readJson(metadata) as JsonObject).maker)!;
      const of = { entity: text(state.executing_entity), status: text(state.status) };
      found.push({ ...{ ledger, sequence, action, reference, maker }, ...of });
    }
    found.push(...rows.map((row) => ({ ledger, ...row })));
  }
  return found;
}

async function eventsOnline(
  client: pg.ClientBase,
  ledger: string,
  entityType: string,
  ids: readonly string[],
  archivedTo: bigint,
): Promise<Omit<EntityEvent, 'ledger'>[]> {
  const { rows } = await client.query<Omit<EntityEvent, 'ledger'>>({
    text: `SELECT sequence, action, entity_id AS reference, metadata->>'maker' AS maker,
                  new_state->>'executing_entity' AS entity, new_state->>'status' AS status
             FROM audit_events
             WHERE ledger = $1 AND entity_type = $2 AND entity_id = ANY ($3::text[]) AND sequence > $4
             ORDER BY sequence`,
    values: [ledger, entityType, ids, String(archivedTo)],
  });
  return rows;
}
