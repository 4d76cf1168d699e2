import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const document = (name: string): string => readFileSync(join(import.meta.dirname, '../docs', name), 'utf8');

it('docs/performance.md has the figures of the soak as docs/soak.md has them', async () => {
  const path = join(import.meta.dirname, '../bench/report.mjs');
  const { soakSection } = (await import(path)) as { soakSection: (text: string) => string };
  const section = soakSection(document('soak.md'));
  expect(section).toMatch(/\| RSS +\|/);
  expect(document('performance.md')).toContain(section);
  expect(() => soakSection('# Soak')).toThrow('does not mark');
});
