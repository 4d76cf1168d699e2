import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { matrixPage, readMatrix, WAYS } from './support/tamper-matrix.js';

describe('the tamper matrix', () => {
  const rows = readMatrix();

  it.each(Object.values(WAYS).flat())('has a row for whoever %s', (way) => {
    expect(rows.filter((row) => row.way === way)).not.toEqual([]);
  });

  it('is what its rows make of it, and nothing was written into it by hand', () => {
    const page = join(import.meta.dirname, '..', 'docs', 'tamper-matrix.md');
    expect(readFileSync(page, 'utf8')).toBe(matrixPage(rows));
  });

  it('has rows of suites that compare theirs with it, and each says what looked', () => {
    for (const suite of new Set(rows.map(({ test }) => test.slice(0, test.indexOf(':'))))) {
      const file = join(import.meta.dirname, suite);
      expect([suite, existsSync(file) && readFileSync(file, 'utf8').includes(`publishesItsRows('${suite}'`)]).toEqual([
        suite,
        true,
      ]);
    }
    expect(rows.filter(({ by, found }) => by.length !== found.length || by.includes('') || found.includes(''))).toEqual(
      [],
    );
  });
});
