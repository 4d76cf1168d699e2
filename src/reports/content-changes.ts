import { canonicalize, type JsonObject, type JsonValue } from '../integrity/canonical-json.js';
import type { Content } from '../integrity/event.js';

/** In what two contents of an event differ: by the member's name, as `new_state.price`, in order; what is not there is null. */
export function changesBetween(before: Content, after: Content): Record<string, { from: JsonValue; to: JsonValue }> {
  const [was, is] = [flat(before), flat(after)];
  const changed: [string, { from: JsonValue; to: JsonValue }][] = [];
  for (const name of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    const [from, to] = [was.get(name) ?? null, is.get(name) ?? null];
    if (canonicalize(from) !== canonicalize(to)) changed.push([name, { from, to }]);
  }
  return Object.fromEntries(changed);
}

/** What a correction may change, a member each. A raw message stands apart. */
function flat({ event_id: _, corrects: __, raw: ___, previous_state, new_state, metadata, ...rest }: Content) {
  const parts: [string, JsonObject][] = Object.entries({ previous_state: previous_state ?? {}, new_state, metadata });
  return new Map<string, JsonValue>([
    ...Object.entries(rest),
    ...parts.flatMap(([part, object]) =>
      Object.entries(object).map(([name, value]): [string, JsonValue] => [`${part}.${name}`, value]),
    ),
  ]);
}
