import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isExplained, isFoundBy, isUnseen, matrixPage, readMatrix, THREATS } from './support/tamper-matrix.js';

describe('the tamper matrix', () => {
  const rows = readMatrix();

  const ways = Object.values(THREATS).flatMap(({ ways }) => ways as readonly string[]);

  it.each(ways)('has a row for whoever %s', (way) => {
    expect(rows.filter((row) => row.way === way)).not.toEqual([]);
  });

  it.each(Object.values(THREATS))(
    'has what must catch it in each row, or why nothing does: $who',
    ({ ways, mustFind }) => {
      const own = rows.filter(({ way }) => (ways as readonly string[]).includes(way));
      expect(own.filter((row) => !isFoundBy(row, mustFind) && !isExplained(row))).toEqual([]);
    },
  );

  it('says why of nothing that was found', () => {
    expect(rows.filter((row) => !isUnseen(row) && row.found.some((each) => each.startsWith('nothing:')))).toEqual([]);
  });

  it('is what its rows make of it, and nothing was written into it by hand', () => {
    const page = join(import.meta.dirname, '..', 'docs', 'tamper-matrix.md');
    expect(readFileSync(page, 'utf8')).toBe(matrixPage(rows));
  });

  it('has rows of suites that compare theirs with it, and each says what looked', () => {
    for (const suite of new Set(rows.map(({ test }) => test.slice(0, test.indexOf(':'))))) {
      const file = join(import.meta.dirname, suite);
      expect([suite, existsSync(file) && readFileSync(file, 'utf8').includes(`publishesItsRows(`)]).toEqual([
        suite,
        true,
      ]);
    }
    const isHalf = ({ by, found }: (typeof rows)[number]): boolean =>
      by.length !== found.length || by.includes('') || found.includes('');
    expect(rows.filter(isHalf)).toEqual([]);
  });
});
