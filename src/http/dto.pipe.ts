import type { PipeTransform } from '@nestjs/common';
import { validateSync, type ValidationError } from 'class-validator';
import { readJson, StrictJsonError, type JsonObject, type JsonValue } from '../integrity/strict-json.js';
import { escapePointer, Problem, type FieldError, type ProblemSlug } from './problem.js';

type Class<T extends object> = new () => T;

/** Reads a body of bytes strictly. Throws invalid-json with the place and the rule. */
export function readJsonBody(body: unknown, maxDepth?: number): JsonValue {
  if (!Buffer.isBuffer(body)) throw new Problem('invalid-json', 'The body is missing: send application/json');
  try {
    return readJson(body, maxDepth === undefined ? {} : { maxDepth });
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new Problem('invalid-json', error.message, {
      errors: [{ pointer: error.pointer, rule: error.rule, detail: error.message }],
    });
  }
}

/**
 * A body as an instance of a DTO class: strict JSON, then the class's rules; members without a rule are refused.
 * Objects inside stay the plain objects that were sent (class-transformer would copy them, and lose some names).
 */
export class BodyPipe<T extends object> implements PipeTransform {
  constructor(private readonly type: Class<T>) {}

  transform(body: unknown): T {
    const value = readJsonBody(body);
    if (!isObject(value)) throw new Problem('invalid-body', 'The body must be a JSON object');
    return checked(this.type, value, '', 'invalid-body');
  }
}

/** Query parameters as an instance of a DTO class; unknown and doubled ones are refused. */
export class QueryPipe<T extends object> implements PipeTransform {
  constructor(private readonly type: Class<T>) {}

  transform(query: Record<string, unknown>): T {
    for (const [name, value] of Object.entries(query)) {
      if (typeof value !== 'string') {
        throw new Problem('invalid-parameter', `${name} was given more than once`, {
          errors: [
            { pointer: `/query/${escapePointer(name)}`, rule: 'once', detail: `${name} was given more than once` },
          ],
        });
      }
    }
    return checked(this.type, query, '/query', 'invalid-parameter');
  }
}

function checked<T extends object>(type: Class<T>, value: object, at: string, slug: ProblemSlug): T {
  const instance = instanceOf(type, value);
  const errors = [...fieldErrors(instance, at), ...unassignable(value, at)];
  if (errors.length > 0) throw new Problem(slug, summary(errors), { errors });
  return instance;
}

/** An instance that holds what was sent, but for names that every object has: class-validator trips over those. */
export function instanceOf<T extends object>(type: Class<T>, value: object): T {
  const instance = new type();
  for (const [name, member] of Object.entries(value)) {
    if (!(name in Object.prototype)) (instance as Record<string, unknown>)[name] = member;
  }
  return instance;
}

/** What `instanceOf` leaves out, as the mistakes that they are. */
export function unassignable(value: object, at: string): FieldError[] {
  return Object.keys(value)
    .filter((name) => name in Object.prototype)
    .map((name) => ({ pointer: `${at}/${name}`, rule: 'unknown', detail: `${name} is not known here` }));
}

/** Checks an instance by its class's rules; each broken one as the place, the rule and a sentence. */
export function fieldErrors(instance: object, at: string, allowUnknown = false): FieldError[] {
  const errors = validateSync(instance, {
    whitelist: !allowUnknown,
    forbidNonWhitelisted: !allowUnknown,
    forbidUnknownValues: false,
    validationError: { target: false, value: true },
  });
  return flatten(errors, at);
}

function flatten(errors: readonly ValidationError[], at: string): FieldError[] {
  return errors.flatMap((error) => {
    const pointer = `${at}/${escapePointer(error.property)}`;
    return [...ownErrors(error, pointer), ...flatten(error.children ?? [], pointer)];
  });
}

/** What is missing is told once, with the first rule that it would have to keep. */
function ownErrors({ property, value, constraints = {} }: ValidationError, pointer: string): FieldError[] {
  const broken = Object.entries(constraints);
  if (value === undefined && broken.length > 0) {
    return [{ pointer, rule: 'required', detail: `${property} is missing: ${broken[0]![1]}` }];
  }
  return broken.map(([rule, detail]) =>
    rule === 'whitelistValidation'
      ? { pointer, rule: 'unknown', detail: `${property} is not known here` }
      : { pointer, rule, detail },
  );
}

/** The sentence of a problem with field errors: the first one, and how many more. */
export function summary(errors: readonly FieldError[]): string {
  const first = errors[0];
  if (!first) return 'The request breaks a rule';
  const where = first.pointer === '' ? '' : `${first.pointer}: `;
  return `${where}${first.detail}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
