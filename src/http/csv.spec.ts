import { CsvError, csvLine, readCsv } from './csv.js';

const cells = (text: string): string[][] => readCsv(text).map((record) => record.cells);

describe('a CSV text', () => {
  it('is read as it was written, whatever stands in it', () => {
    const rows = [
      ['a', 'b', 'c'],
      ['', 'x "y"', 'one,\r\ntwo'],
      ['=1+1', '-5', '-x'],
      ['@x', '+y', '\tz'],
      [' ', "it's", 'ü'],
    ];
    expect(cells(rows.map(csvLine).join(''))).toEqual(rows);
  });

  it('may have LF for CRLF, a byte order mark, empty lines, and no end of the last line', () => {
    expect(readCsv('\uFEFFa,b\n\n1,\r\n"x\ny",2\n,3')).toEqual([
      { line: 1, cells: ['a', 'b'] },
      { line: 3, cells: ['1', ''] },
      { line: 4, cells: ['x\ny', '2'] },
      { line: 6, cells: ['', '3'] },
    ]);
    expect(readCsv('')).toEqual([]);
    expect(cells('""')).toEqual([]);
    expect(cells('a,""\n')).toEqual([['a', '']]);
    expect(cells('a,')).toEqual([['a', '']]);
  });

  it.each([
    ['a\n"b', 2, 'does not end'],
    ['a\n"b"c', 2, 'after the closing quote'],
    ['a\nb"c"', 2, 'inside of a field'],
    ['a\rb', 1, 'carriage return'],
    ['"x\n\ny" z', 3, 'after the closing quote'],
  ])('%j is none', (text, line, words) => {
    const read = (): unknown => readCsv(text);
    expect(read).toThrow(CsvError);
    expect(read).toThrow(new RegExp(`^line ${line}: .*${words}`));
  });
});
