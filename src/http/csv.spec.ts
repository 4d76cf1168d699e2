import { CsvError, csvLine, readCsv } from './csv.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

const ALL = { records: Infinity, fields: Infinity, characters: Infinity };
const cells = (text: string): string[][] => readCsv(text, ALL).map((record) => record.cells);

describe('a CSV text', () => {
  it('is read as it was written, whatever stands in it', () => {
    const rows = [
      ['a', 'b', 'c'],
      ['', 'x "y"', 'one,\r\ntwo'],
      ['=1+1', '-5', '-x'],
      ['@x', '+y', '\tz'],
      [' ', "it's", 'ü'],
      ["'=1+1", "''=1", "'x"],
      ["'-5", "'", "'\r\n"],
      ['＝1+1', "'＠x", 'a;=1+1;b'],
      ["a;'=1", ";;-5;'", "=1;''+2"],
    ];
    expect(cells(rows.map(csvLine).join(''))).toEqual(rows);
  });

  it('is run by no spreadsheet, also where one takes full-width signs for formulas, or semicolons for the ends of cells', () => {
    expect(csvLine(['＝1+1', '－x', '＋y', '＠z'])).toBe("'＝1+1,'－x,'＋y,'＠z\r\n");
    expect(csvLine(['a;=1+1;b', ';@x', 'a; b;c', '-5'])).toBe("a;'=1+1;b,;'@x,a; b;c,-5\r\n");
  });

  it('may have LF for CRLF, a byte order mark, empty lines, and no end of the last line', () => {
    expect(readCsv('\uFEFFa,b\n\n1,\r\n"x\ny",2\n,3', ALL)).toEqual([
      { line: 1, cells: ['a', 'b'] },
      { line: 3, cells: ['1', ''] },
      { line: 4, cells: ['x\ny', '2'] },
      { line: 6, cells: ['', '3'] },
    ]);
    expect(readCsv('', ALL)).toEqual([]);
    expect(cells('\r\n\n\r\na\n\n')).toEqual([['a']]);
    expect(cells('""\n\n""')).toEqual([[''], ['']]);
    expect(cells('a,""\n')).toEqual([['a', '']]);
    expect(cells('a,')).toEqual([['a', '']]);
  });

  it('is read so far, and no line longer than it may be', () => {
    const most = { records: 2, fields: 1, characters: 3 };
    expect(readCsv('a\nb\n"c', most).map((record) => record.cells)).toEqual([['a'], ['b']]);
    expect(() => readCsv('a\nb,c', most)).toThrow(new CsvError(2, 'a line may have 1 fields'));
    expect(() => readCsv('a\nbcde', most)).toThrow(new CsvError(2, 'a field may have 3 characters'));
    expect(() => readCsv('a\n"b""""c"', most)).toThrow(new CsvError(2, 'a field may have 3 characters'));
  });

  it.each(['\n', '\r\n', ',', '"', '""\n', 'a\n', '"\n'])('of millions of %j is read in no time', (piece) => {
    const text = piece.repeat((4 * 1024 * 1024) / piece.length);
    const cost = cpuMsOf(() => {
      try {
        readCsv(text, { records: 10_000, fields: 100, characters: 10_000 });
      } catch (error) {
        expect(error).toBeInstanceOf(CsvError);
      }
    });
    expect(cost).toBeLessThan(2_500);
  });

  it.each([
    ['a\n"b', 2, 'does not end'],
    ['a\n"b"c', 2, 'after the closing quote'],
    ['a\nb"c"', 2, 'inside of a field'],
    ['a\rb', 1, 'carriage return'],
    ['"x\n\ny" z', 3, 'after the closing quote'],
  ])('%j is none', (text, line, words) => {
    const read = (): unknown => readCsv(text, ALL);
    expect(read).toThrow(CsvError);
    expect(read).toThrow(new RegExp(`^line ${line}: .*${words}`));
  });
});
