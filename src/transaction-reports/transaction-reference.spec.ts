import { transactionReference } from './transaction-reference.js';

const ID = '0197f3a1-6c00-7000-8000-000000000001';

describe('the transaction reference number', () => {
  it('is the event, the version and the leg in base 36, of one length', () => {
    expect(transactionReference('00000000-0000-0000-0000-000000000024', 1, 0)).toBe(`${'0'.repeat(23)}100010000`);
    // the greatest number of 128 bits in base 36
    expect(transactionReference('ffffffff-ffff-ffff-ffff-ffffffffffff', 46655, 1679615)).toBe(
      'F5LXX1ZZ5PNORYNQGLHZMSP33ZZZZZZZ',
    );
    expect(transactionReference(ID, 1, 0)).toMatch(/^[A-Z0-9]{32}$/);
  });

  it('differs with each of them, and is the same for the same', () => {
    const other = '0197f3a1-6c00-7000-8000-000000000002';
    const all = [ID, other].flatMap((id) =>
      [1, 2, 36].flatMap((version) => [0, 1, 36].map((leg) => [id, version, leg] as const)),
    );
    expect(new Set(all.map((each) => transactionReference(...each))).size).toBe(18);
    expect(transactionReference(ID, 2, 3)).toBe(transactionReference(ID, 2, 3));
  });
});
