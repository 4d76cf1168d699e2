import { flattenConjunctions } from './conjunctions.js';

describe('flattenConjunctions', () => {
  it.each([
    ['CHECK ((((a >= 1) AND (a <= 9)) AND (b = 1)))', 'CHECK (((a >= 1) AND (a <= 9) AND (b = 1)))'],
    ['((a = 1) AND (((b = 1) AND (c = 1)) AND (d = 1)))', '((a = 1) AND (b = 1) AND (c = 1) AND (d = 1))'],
    [
      'CASE WHEN x THEN (((a > 1) AND (a < 9)) AND (b = 1)) END',
      'CASE WHEN x THEN ((a > 1) AND (a < 9) AND (b = 1)) END',
    ],
  ])('lifts what is nested: %s', (nested, flat) => {
    expect(flattenConjunctions(nested)).toBe(flat);
    expect(flattenConjunctions(flat)).toBe(flat);
  });

  it.each([
    '(((a = 1) OR (b = 1)) AND (c = 1))',
    '(((a = 1) AND (b = 1)) OR (c = 1))',
    '((NOT ((a = 1) AND (b = 1))) AND (c = 1))',
    '(f((a = 1) AND (b = 1)) AND (c = 1))',
    '((((a = 1) AND (b = 1)) = x) AND (c = 1))',
    "((a = '((x) AND (y)) AND (z)'::text) AND (b = 'it''s ((c) AND (d)'::text))",
    '((("odd "") AND (name" = 1) OR (b = 1)) AND (c = 1))',
    '((a = 1) AND (b = 1)',
    '(a = 1)) AND (b = 1)',
    "BEGIN -- it's (((a) AND (b)) AND (c))",
    '',
  ])('leaves all else: %s', (text) => {
    expect(flattenConjunctions(text)).toBe(text);
  });
});
