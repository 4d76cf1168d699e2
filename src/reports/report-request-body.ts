import { readJsonBody } from '../http/dto.pipe.js';
import type { Parameters } from '../http/parameters.js';
import { escapePointer, Problem, type FieldError } from '../http/problem.js';
import { parametersOf, readReportRequest, type ReportRequest } from './report-parameters.js';
import type { AnyReport } from './report.js';

/** Throws invalid-json, invalid-body, and invalid-parameter for what is wrong with single parameters. */
export function readRequest(report: AnyReport, body: unknown): ReportRequest {
  const value = readJsonBody(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('invalid-body', 'The body must be a JSON object');
  }
  const errors = mistypedParameters(report, value);
  if (errors.length > 0) throw new Problem('invalid-body', errors[0]!.detail, { errors });
  return readReportRequest(report, value as Parameters);
}

/** Members that cannot be parameters of a report, whatever they say. */
export function mistypedParameters(report: AnyReport, members: object): FieldError[] {
  const known = new Set(parametersOf(report).map(({ name }) => name));
  return Object.entries(members)
    .filter(([, member]) => typeof member !== 'string')
    .map(([name]) => {
      const [rule, rest] = known.has(name) ? ['string', 'must be a string'] : ['unknown', 'is not known here'];
      return { pointer: `/${escapePointer(name)}`, rule, detail: `${name} ${rest}` };
    });
}

/** What is said of query parameters, said of the members of a body. */
export async function asBody<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Problem) || error.slug !== 'invalid-parameter') throw error;
    const errors = (error.errors ?? []).map((each) => ({ ...each, pointer: each.pointer.replace(/^\/query/, '') }));
    throw new Problem('invalid-body', error.message, { errors });
  }
}
