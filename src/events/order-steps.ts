import type { JsonObject, JsonValue } from '../integrity/strict-json.js';
import { isObject } from '../http/dto.pipe.js';
import { Problem, type FieldError } from '../http/problem.js';

export const ORDER_ACTIONS = ['create', 'modify', 'partial_fill', 'fill', 'cancel', 'reject'] as const;
export type OrderAction = (typeof ORDER_ACTIONS)[number];

/** What an order's step must carry beyond what every event must. */
const REQUIRED: Record<
  OrderAction,
  { state?: readonly string[]; metadata?: readonly string[]; previousState?: boolean }
> = {
  create: {},
  modify: { previousState: true, metadata: ['reason'] },
  partial_fill: { state: ['price', 'quantity', 'exchange'] },
  fill: { state: ['price', 'quantity', 'exchange'] },
  cancel: { metadata: ['reason'] },
  reject: { metadata: ['reason'] },
};

const DECIMALS = ['price', 'quantity', 'remaining_quantity'];
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;

/** Throws invalid-parameter for what is no step of an order. */
export function orderAction(text: string): OrderAction {
  const action = ORDER_ACTIONS.find((candidate) => candidate === text);
  if (action !== undefined) return action;
  const detail = `an order's step is one of ${ORDER_ACTIONS.join(', ')}`;
  throw new Problem('invalid-parameter', detail, { errors: [{ pointer: '/path/action', rule: 'one-of', detail }] });
}

/** What the step lacks, or holds in a wrong form. Members that are no object at all are left to the event's own rules. */
export function orderStepErrors(action: OrderAction, step: JsonObject): FieldError[] {
  const required = REQUIRED[action];
  const errors: FieldError[] = [];
  const { previous_state: before, new_state: after, metadata } = step;
  if (required.previousState && !isObject(before)) {
    errors.push({
      pointer: '/previous_state',
      rule: 'required',
      detail: `${action} needs previous_state, the order as it was`,
    });
  }
  for (const name of required.state ?? []) {
    if (isObject(after) && !isGiven(after, name)) {
      errors.push({
        pointer: `/new_state/${name}`,
        rule: 'required',
        detail: `${action} needs new_state.${name}, a string`,
      });
    }
  }
  for (const name of required.metadata ?? []) {
    if (!isObject(metadata) || !isGiven(metadata, name)) {
      errors.push({
        pointer: `/metadata/${name}`,
        rule: 'required',
        detail: `${action} needs metadata.${name}, a string`,
      });
    }
  }
  for (const [member, state] of [
    ['previous_state', before],
    ['new_state', after],
  ] as const) {
    if (!isObject(state)) continue;
    for (const name of DECIMALS) {
      const value = own(state, name);
      if (value !== undefined && value !== null && !(typeof value === 'string' && DECIMAL.test(value))) {
        errors.push({
          pointer: `/${member}/${name}`,
          rule: 'decimal',
          detail: `${name} must be a decimal written as a string, such as "585.33"`,
        });
      }
    }
  }
  return errors;
}

function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isGiven(object: JsonObject, name: string): boolean {
  const value = own(object, name);
  return typeof value === 'string' && value !== '';
}
