import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Open } from '../access/access.decorator.js';
import { Problem, PROBLEMS, type ProblemSlug } from './problem.js';

/** A page for each type of problem: what its `type` points to. */
@ApiExcludeController()
@Controller('docs/problems')
export class ProblemsController {
  @Get()
  @Open()
  @Header('content-type', 'text/html; charset=utf-8')
  list(): string {
    const items = (Object.keys(PROBLEMS) as ProblemSlug[]).map(
      (slug) =>
        `<li><a href="/docs/problems/${slug}">${slug}</a> (${PROBLEMS[slug].status}): ${PROBLEMS[slug].title}</li>`,
    );
    return page('Problems', `<ul>${items.join('\n')}</ul>`);
  }

  @Get(':slug')
  @Open()
  @Header('content-type', 'text/html; charset=utf-8')
  read(@Param('slug') slug: string): string {
    if (!Object.hasOwn(PROBLEMS, slug)) throw new Problem('not-found', 'There is no problem of this name');
    const { title, status, meaning } = PROBLEMS[slug as ProblemSlug];
    const marked = meaning.replaceAll('<', '&lt;').replaceAll(/`([^`]+)`/g, '<code>$1</code>');
    return page(title, `<p>HTTP status ${status}</p><p>${marked}</p>`);
  }
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} – Truetrail</title><body><h1>${title}</h1>${body}</body></html>`;
}
