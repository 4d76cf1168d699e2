import { getMetadataStorage, type ValidationArguments, type ValidatorConstraintInterface } from 'class-validator';
import {
  isEventText,
  MAX_CODE_POINTS,
  MAX_EVENT_DEPTH,
  toContent,
  type Content,
  type SentContent,
} from '../integrity/event.js';
import type { JsonValue } from '../integrity/strict-json.js';
import type { Timestamp } from '../integrity/timestamp.js';
import { fieldErrors, instanceOf, isObject, readJsonBody, summary, unassignable } from '../http/dto.pipe.js';
import { Problem, type FieldError } from '../http/problem.js';
import { EventDto, RawMessageDto } from './event.dto.js';
import { orderAction, orderStepErrors } from './order-steps.js';

/** The most that one event may have, bytes of JSON. */
export const MAX_EVENT_BYTES = 262_144;
export const MAX_BATCH_EVENTS = 10_000;
export const MAX_BATCH_BYTES = 16_777_216;
/** `{"events": [` around each event of a batch. */
const BATCH_DEPTH = 2;

/** A valid event in canonical form, and its time taken apart for the columns. */
export interface ReadEvent {
  content: Content;
  timestamp: Timestamp;
}

/** The body of a single event. An event_id may be absent. Throws invalid-json, invalid-event or leap-second. */
export function readEventBody(body: unknown, newEventId: () => string): ReadEvent {
  return readEvent(readJsonBody(body), newEventId);
}

const KEY_IS_FOR_ONE =
  'event_id is missing: Idempotency-Key stands for a single event, give each of a batch an id of its own';

/**
 * The body of a batch, as its events in order. Throws with the pointers of all its mistakes, 100 at most. Whoever sends an
 * Idempotency-Key counts on a repeat to be one: then every event must have its id.
 */
export function readBatchBody(body: unknown, newEventId: () => string, idempotencyKey?: string): ReadEvent[] {
  const batch = readJsonBody(body, MAX_EVENT_DEPTH + BATCH_DEPTH);
  const errors: FieldError[] = [];
  if (!isObject(batch))
    throw invalidEvents([{ pointer: '', rule: 'object', detail: 'The body must be an object with the member events' }]);
  for (const name of Object.keys(batch)) {
    if (name !== 'events') errors.push({ pointer: `/${name}`, rule: 'unknown', detail: `${name} is not known here` });
  }
  const { events } = batch;
  if (!Array.isArray(events) || events.length < 1 || events.length > MAX_BATCH_EVENTS) {
    errors.push({
      pointer: '/events',
      rule: 'batch-size',
      detail: `events must be an array of 1 to ${MAX_BATCH_EVENTS} events`,
    });
    throw invalidEvents(errors);
  }
  const read: ReadEvent[] = [];
  events.forEach((event, i) => {
    const mistakes = eventErrors(event, `/events/${i}`);
    if (idempotencyKey !== undefined && isObject(event) && event.event_id === undefined)
      mistakes.push({ pointer: `/events/${i}/event_id`, rule: 'required', detail: KEY_IS_FOR_ONE });
    if (mistakes.length > 0) errors.push(...mistakes);
    else if (errors.length === 0) read.push(canonical(event, newEventId));
  });
  if (errors.length > 0) throw invalidEvents(errors);
  return read;
}

/** One event from a parsed value. Throws invalid-event or leap-second. */
export function readEvent(value: JsonValue, newEventId: () => string): ReadEvent {
  const errors = eventErrors(value, '');
  if (errors.length > 0) throw invalidEvents(errors);
  return canonical(value, newEventId);
}

function canonical(value: JsonValue, newEventId: () => string): ReadEvent {
  const { event_id: given }: { event_id?: string } = value as object;
  return toContent(value as unknown as SentContent, given ?? newEventId());
}

function invalidEvents(errors: readonly FieldError[]): Problem {
  const slug = errors.every((error) => error.rule === 'leap-second') ? 'leap-second' : 'invalid-event';
  return new Problem(slug, summary(errors), { errors });
}

/** What is wrong with an event, by the rules of EventDto; nothing when it is well-formed. */
export function eventErrors(value: JsonValue, at: string): FieldError[] {
  if (!isObject(value)) return [{ pointer: at, rule: 'object', detail: 'An event must be a JSON object' }];
  if (keepsEventRules(value)) return [];
  return eventErrorsByClassValidator(value, at);
}

/** The slow form of the rules, which has the sentences. */
export function eventErrorsByClassValidator(value: object, at: string): FieldError[] {
  const event = instanceOf(EventDto, value);
  const errors = unassignable(value, at);
  const raw: unknown = event.raw;
  if (isObject(raw as JsonValue)) {
    event.raw = instanceOf(RawMessageDto, raw as object);
    errors.push(...unassignable(raw as object, `${at}/raw`));
  }
  return [...fieldErrors(event, at), ...errors];
}

type Check = (owner: object) => boolean;

/**
 * The rules of a DTO class as plain functions, made once from class-validator's own metadata, so that there is no
 * second definition. Measured for one order event: class-validator 6.2 µs, these 0.65; its sentences are made only when
 * a rule is broken.
 */
function compileRules(type: new () => object, nested: Readonly<Record<string, Check>> = {}): Check {
  const storage = getMetadataStorage();
  const metadata = storage.getTargetValidationMetadatas(type, '', false, false);
  const byName = new Map<string, { when: Check[]; holds: ((value: unknown, owner: object) => boolean)[] }>();
  for (const rule of metadata) {
    const checks = byName.get(rule.propertyName) ?? { when: [], holds: [] };
    byName.set(rule.propertyName, checks);
    if (rule.type === 'conditionalValidation') {
      const condition = rule.constraints[0] as (owner: object, value: unknown) => boolean;
      checks.when.push((owner) => condition(owner, (owner as Record<string, unknown>)[rule.propertyName]));
    } else if (rule.type === 'nestedValidation') {
      const check = nested[rule.propertyName];
      if (!check) throw new Error(`no rules for the object ${rule.propertyName}`);
      checks.holds.push((value) => isObject(value as JsonValue) && check(value as object));
    } else {
      for (const constraint of storage.getTargetValidatorConstraints(rule.constraintCls)) {
        const instance: ValidatorConstraintInterface = constraint.instance;
        const args = {
          constraints: rule.constraints ?? [],
          property: rule.propertyName,
        } as unknown as ValidationArguments;
        checks.holds.push((value) => instance.validate(value, args) === true);
      }
    }
  }
  const members = [...byName];
  const known = new Set(byName.keys());
  return (owner) => {
    for (const name of Object.keys(owner)) if (!known.has(name)) return false;
    for (const [name, { when, holds }] of members) {
      if (!when.every((condition) => condition(owner))) continue;
      const value = Object.hasOwn(owner, name) ? (owner as Record<string, unknown>)[name] : undefined;
      for (const hold of holds) if (!hold(value, owner)) return false;
    }
    return true;
  };
}

/** Whether an object keeps every rule of EventDto. */
export const keepsEventRules: Check = compileRules(EventDto, { raw: compileRules(RawMessageDto) });

/** The body of an order's step as the event that it stands for. Throws as readEventBody, and invalid-parameter. */
export function readOrderStepBody(body: unknown, orderId: string, action: string, newEventId: () => string): ReadEvent {
  const implied = {
    event_type: 'order_lifecycle',
    entity_type: 'order',
    entity_id: orderId,
    action: orderAction(action),
  };
  if (!isEventText(orderId, MAX_CODE_POINTS.entity_id)) {
    const detail = `an order id has 1 to ${MAX_CODE_POINTS.entity_id} characters and no control characters`;
    throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/path/order_id', rule: 'text', detail }] });
  }
  const step = readJsonBody(body);
  if (!isObject(step)) return readEvent(step, newEventId);
  const errors: FieldError[] = Object.keys(implied)
    .filter((name) => Object.hasOwn(step, name))
    .map((name) => ({ pointer: `/${name}`, rule: 'implied', detail: `${name} is implied by the path; leave it out` }));
  const event = { ...step, ...implied };
  errors.push(...eventErrors(event, ''), ...orderStepErrors(implied.action, step));
  if (errors.length > 0) throw invalidEvents(errors);
  return canonical(event, newEventId);
}
