import type { DeletedRange } from '../archive/deleted-ranges.js';
import type { HistoryRequest, SearchRequest } from '../events/search-query.dto.js';
import type { Parameters } from '../http/query-parameters.js';
import type { Period } from '../reports/report.js';

/** A read of any length, as data: it is done on the thread for long reads. */
export type LongRead =
  | { kind: 'search'; ledger: string; request: SearchRequest }
  | { kind: 'history'; ledger: string; orderId: string; request: HistoryRequest }
  | {
      kind: 'report';
      ledger: string;
      /** by their names */
      report: string;
      format: string;
      asOf: bigint;
      period: Period;
      /** of its events */
      deleted: readonly DeletedRange[];
      parameters: Parameters;
    };

/** A part of an answer, in the order in which it goes out. */
export interface Piece {
  text: string;
  /** of the whole answer, the same in each of its pieces */
  asOf: string;
}
