import type pg from 'pg';
import type { ArchivedEvents } from '../archive/archived-events.js';
import type { DeletedRange } from '../archive/deleted-ranges.js';
import type { LedgerExtent } from '../events/read-transaction.js';
import type { Parameters } from '../http/parameters.js';
import type { Instant, Period } from './instant.js';
import type { ReadRanges } from './read-ranges.js';

export type { Instant, Period };

/** A column of a report: what stands in it, and from where. */
export interface Column<Name extends string = string> {
  name: Name;
  description: string;
  /** `time`: instants, which people may have shown in a time zone of theirs; days, and fields in a regulation's form, are none */
  holds?: 'time';
}

/** A parameter that a report has besides its period and `as_of`. */
export interface ReportParameter {
  name: string;
  description: string;
  example: string;
  required: boolean;
  /** what is wrong with a value, as a rule's name and the rest of the sentence that the parameter's name begins */
  mistake: (value: string) => { rule: string; rest: string } | undefined;
}

/** A table of data that stands in the service, as a manifest names it. */
export interface VersionedTable {
  name: string;
  version: string;
}

/** Every cell is text as it was sent, a number in its JCS form, or null where there is nothing. */
export type Row<Name extends string = string> = Readonly<Record<Name, string | null>>;

/** One run of a report: what it is asked for, and its way to the trail. */
export interface ReportRun {
  ledger: string;
  /** no event of a later sequence is looked at */
  asOf: bigint;
  period: Period;
  /** what was deleted of the ledger, up to `asOf` */
  deleted: readonly DeletedRange[];
  /** canonical; what makes the run again, together with `asOf` */
  parameters: Parameters;
  /**
   * Reads in one short transaction, in which no month can be dropped. Since the trail only grows and `asOf` is fixed,
   * several of them see one and the same trail. `other`: another ledger, of which no month can be dropped instead. Throws
   * once nobody waits for the report any more.
   */
  read: <T>(work: (client: pg.ClientBase, extent: LedgerExtent) => Promise<T>, other?: string) => Promise<T>;
  /** Takes note of what is asked for, for the manifest. */
  readRanges?: ReadRanges;
  /** Events that `read` says are archived; to be read outside of it. */
  archive: ArchivedEvents;
}

/** What is asked for by a name: a question, and its parameters. */
interface Asked {
  name: string;
  /**
   * Of how its cells follow from events, counted from 1: changed with every change after which the same run has other
   * cells. Manifests name it.
   */
  version: number;
  /** of the service's own ledger and its successors alone */
  isOfServiceLedger?: true;
  title: string;
  /** as compliance staff would ask it */
  question: string;
  /** may be asked without a period: other parameters say what it reads then, of all time */
  isPeriodOptional?: true;
  parameters: readonly ReportParameter[];
  /** what is wrong with parameters that are right one by one: the one to be named, the rule, and the rest of its sentence */
  mistakeTogether?: (parameters: Parameters) => { name: string; rule: string; rest: string } | undefined;
}

/**
 * A report: a question, and how it is answered. To add one, write it in a file of its own and name it in reports.ts;
 * list, parameters, formats, the record of who ran it and the API's document follow.
 */
export interface Report<Name extends string = string> extends Asked {
  /** shows events of the ledger `_reporting` as well, to whoever may read it */
  showsReportingLedger?: true;
  /** tables that its cells follow from besides events: code lists, rules */
  tables?: readonly VersionedTable[];
  columns: readonly Column<Name>[];
  /**
   * The rows in an order that is a total one, so that the same run gives the same bytes. Must hold no more than a page
   * of them, and read by `run.read` alone.
   */
  rows: (run: ReportRun) => AsyncGenerator<Row<Name>>;
}

/** A question that is answered by another table of columns for each value of one of its parameters: report-forms.ts. */
export interface ReportOfForms extends Asked {
  /** the name of the parameter, which is required */
  formBy: string;
  /** by its values; name, version and parameters are those of the whole */
  forms: ReadonlyMap<string, Report>;
}

export type AnyReport = Report | ReportOfForms;

/** Lets the columns of a report say what its rows must have. */
export function defineReport<const Name extends string>(report: Report<Name>): Report<Name> {
  return report;
}
