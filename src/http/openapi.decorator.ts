import { applyDecorators, type Type } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { PROBLEMS, type ProblemSlug } from './problem.js';

/** A successful answer with a body of JSON. */
export function ApiAnswer(status: number, type: Type, description = ''): MethodDecorator {
  return ApiResponse({ status, type, description });
}

/** The problems of an operation, one response per status with an example of each. */
export function ApiProblems(...slugs: ProblemSlug[]): MethodDecorator {
  const all = [...new Set<ProblemSlug>([...slugs, 'unauthorized', 'forbidden', 'internal-error'])];
  const byStatus = groupByStatus(all);
  return applyDecorators(
    ...[...byStatus].map(([status, members]) =>
      ApiResponse({
        status,
        description: members.map((slug) => PROBLEMS[slug].title).join('; '),
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(members.map((slug) => [slug, { value: exampleProblem(slug) }])),
          },
        },
      }),
    ),
  );
}

function groupByStatus(slugs: readonly ProblemSlug[]): Map<number, ProblemSlug[]> {
  const groups = new Map<number, ProblemSlug[]>();
  for (const slug of slugs) {
    const status = PROBLEMS[slug].status;
    groups.set(status, [...(groups.get(status) ?? []), slug]);
  }
  return groups;
}

function exampleProblem(slug: ProblemSlug): Record<string, unknown> {
  return {
    type: `/docs/problems/${slug}`,
    title: PROBLEMS[slug].title,
    status: PROBLEMS[slug].status,
    detail: PROBLEMS[slug].title,
    instance: 'urn:request:6f1c1a52-5f0e-4c1e-9f43-0f5d3a4f6a11',
  };
}
