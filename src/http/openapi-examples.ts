import { readFileSync } from 'node:fs';
import type { OpenAPIObject } from '@nestjs/swagger';
import { readJson } from '../integrity/strict-json.js';

/** What was sent to an operation once, and what it answered. */
export interface OperationExamples {
  /** by name, of the path and the query alike */
  parameters?: Record<string, string>;
  /** bodies by media type */
  request?: Record<string, unknown>;
  /** bodies by status and media type */
  answers: Record<string, Record<string, unknown>>;
}

export type OpenApiExamples = Readonly<Record<string, OperationExamples>>;

/** By operationId. test/openapi-examples.e2e-spec.ts makes the file, and sends all of them again. */
export function openApiExamples(): OpenApiExamples {
  return readJson(readFileSync(new URL('openapi-examples.json', import.meta.url))) as unknown as OpenApiExamples;
}

interface Exampled {
  example?: unknown;
  examples?: unknown;
}

interface Operation {
  operationId: string;
  parameters?: (Exampled & { name: string; schema?: Exampled })[];
  requestBody?: { content: Record<string, Exampled> };
  responses: Record<string, { content?: Record<string, Exampled> }>;
}

/** Puts the examples where the document has none of its own. */
export function addExamples(document: OpenAPIObject): void {
  const all = openApiExamples();
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods as Record<string, Operation>)) {
      const examples = all[operation.operationId];
      if (!examples) continue;
      for (const parameter of operation.parameters ?? []) {
        const value = examples.parameters?.[parameter.name];
        if (value !== undefined && parameter.schema?.example === undefined) give(parameter, value);
      }
      for (const [type, body] of Object.entries(operation.requestBody?.content ?? {})) {
        give(body, examples.request?.[type]);
      }
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        for (const [type, body] of Object.entries(content)) give(body, examples.answers[status]?.[type]);
      }
    }
  }
}

function give(place: Exampled, example: unknown): void {
  if (example !== undefined && place.example === undefined && place.examples === undefined) place.example = example;
}
