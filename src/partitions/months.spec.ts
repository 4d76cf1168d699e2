import { addMonths, monthOf, wantedMonths } from './months.js';

describe('months', () => {
  it('counts over the ends of years', () => {
    expect(addMonths('2026-11-01', 3)).toBe('2027-02-01');
    expect(addMonths('2026-01-01', -1)).toBe('2025-12-01');
    expect(addMonths('2026-12-01', 0)).toBe('2026-12-01');
    expect(addMonths('2026-12-01', 25)).toBe('2029-01-01');
  });

  it('takes the month of a time', () => {
    expect(monthOf('2026-02-28T23:59:59.999999Z')).toBe('2026-02-01');
  });

  it("wants the clock's month and the heads', and three beyond each, once", () => {
    expect(wantedMonths(['2026-11-22T00:00:00Z', '2026-12-31T23:59:59Z'])).toEqual([
      '2026-11-01',
      '2026-12-01',
      '2027-01-01',
      '2027-02-01',
      '2027-03-01',
    ]);
    expect(wantedMonths([])).toEqual([]);
  });
});
