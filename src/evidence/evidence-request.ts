import { readSearchRequest } from '../events/search-query.dto.js';
import { Problem, type FieldError } from '../http/problem.js';
import { summary } from '../http/dto.pipe.js';
import { kindOfAsked } from '../integrity/evidence-claims.js';
import type { JsonObject } from '../integrity/strict-json.js';
import type { EvidenceRequestDto } from './evidence.dto.js';
import type { EvidenceQuestion } from './evidence-plan.js';

const WHAT =
  'event_ids, order_id, search, from_sequence and to_sequence, recorded_from and recorded_to, or from and to';

/** Understands a body that is well-formed. Throws invalid-body, which names what is wrong. */
export function readEvidenceRequest(ledger: string, body: EvidenceRequestDto): EvidenceQuestion {
  const { contents = true, envelopes = false, as_of: asOf, ...wanted } = body;
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as JsonObject;
  const kind = kindOfAsked(given);
  if (kind === undefined) throw wrong({ pointer: '', rule: 'one-kind', detail: `ask by one of: ${WHAT}` });
  const common = { kind, contents, envelopes, asOf: asOf === undefined ? undefined : BigInt(asOf) };
  if (envelopes && (kind === 'sequences' || kind === 'recorded')) {
    const detail = 'envelopes is for what cannot be proven complete; a range of sequences or recorded time is';
    throw wrong({ pointer: '/envelopes', rule: 'envelopes', detail });
  }
  if (envelopes && !contents) {
    const detail = 'envelopes needs contents: without them it would not be seen which events were found';
    throw wrong({ pointer: '/envelopes', rule: 'envelopes', detail });
  }
  if (kind === 'ids') {
    const ids = [...new Set(body.event_ids!.map((id) => id.toLowerCase()))].sort();
    return { ...common, asked: { event_ids: ids }, query: undefined, ids };
  }
  if (kind === 'order') {
    const filters = { entity_type: 'order', entity_id: body.order_id! };
    const { query } = readSearchRequest(ledger, { ...filters, sort: 'sequence' });
    return { ...common, asked: { order_id: body.order_id! }, query, ids: [] };
  }
  const parameters = kind === 'search' ? body.search! : (given as Record<string, string>);
  const at = kind === 'search' ? '/search' : '';
  const refused = ['sort', 'order', 'limit', 'cursor'].filter((name) => Object.hasOwn(parameters, name));
  if (refused.length > 0) {
    throw wrong(
      ...refused.map((name) => ({ pointer: `${at}/${name}`, rule: 'unknown', detail: `${name} is not known here` })),
    );
  }
  const { query } = inBody(at, () => readSearchRequest(ledger, { ...parameters, sort: 'sequence' }));
  const { sort: _, order: __, ...canonical } = query.parameters;
  return { ...common, asked: kind === 'search' ? { search: canonical } : canonical, query, ids: [] };
}

/** What is wrong with the parameters of a search, as what is wrong with a body. */
function inBody<T>(at: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Problem) || error.errors === undefined) throw error;
    throw wrong(...error.errors.map((each) => ({ ...each, pointer: each.pointer.replace(/^\/query/, at) })));
  }
}

function wrong(...errors: FieldError[]): Problem {
  return new Problem('invalid-body', summary(errors), { errors });
}
