import type { SearchQuery } from '../events/search-request.js';
import type { AskedKind } from '../integrity/evidence-claims.js';
import type { JsonObject } from '../integrity/strict-json.js';

/** What was asked for, understood. Plain data. */
export interface EvidenceQuestion {
  kind: AskedKind;
  /** in the form in which it stands in the bundle */
  asked: JsonObject;
  /** in ascending sequence; undefined for ids */
  query: SearchQuery | undefined;
  /** lower case, each once */
  ids: readonly string[];
  contents: boolean;
  envelopes: boolean;
  asOf: bigint | undefined;
}

/** A bundle that is to be made, fixed in everything. Plain data, which goes to another thread: its bytes as Uint8Array. */
export interface EvidencePlan extends EvidenceQuestion {
  ledger: string;
  origin: string;
  asOf: bigint;
  /** of the ids, ascending */
  sequences: readonly string[];
  checkpoint: string;
  /** from the one that holds the checkpoint on */
  anchors: readonly Uint8Array[];
  keys: readonly string[];
  successions: readonly string[];
  timestamps: readonly { anchor: bigint; reply: Uint8Array }[];
  /** whether it may have as many events as there are; otherwise it is not made past MAX_DIRECT_EVENTS */
  isUnlimited: boolean;
  /** whether events go in as they are, for a verifier to say what is wrong with them */
  isUnchecked: boolean;
}

/** Lines of events in a bundle that is handed out as it is made. A larger one is made in the background and kept. */
export const MAX_DIRECT_EVENTS = 10_000;
