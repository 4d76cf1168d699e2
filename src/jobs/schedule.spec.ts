import { Schedule } from './schedule.js';

const at = (time: string): number => Date.parse(time);

describe('a schedule', () => {
  it('knows its last and its next time, in UTC', () => {
    const daily = new Schedule('30 3 * * *');
    expect(daily.latest(at('2026-06-02T12:00:00Z'))).toBe(at('2026-06-02T03:30:00Z'));
    expect(daily.latest(at('2026-06-02T03:30:00Z'))).toBe(at('2026-06-02T03:30:00Z'));
    expect(daily.latest(at('2026-06-02T03:29:59.999Z'))).toBe(at('2026-06-01T03:30:00Z'));
    expect(daily.next(at('2026-06-02T03:30:00Z'))).toBe(at('2026-06-03T03:30:00Z'));
  });

  it.each([
    ['* * * * * *', '2026-06-02T12:00:00.500Z', '2026-06-02T12:00:00Z'],
    ['*/5 * * * *', '2026-06-02T12:04:59Z', '2026-06-02T12:00:00Z'],
    ['0 * * * *', '2026-06-02T00:59:59Z', '2026-06-02T00:00:00Z'],
    ['0 0 * * 1', '2026-06-07T23:00:00Z', '2026-06-01T00:00:00Z'],
    ['0 0 1 * *', '2026-06-30T23:00:00Z', '2026-06-01T00:00:00Z'],
    ['0 0 1 1 *', '2026-12-31T23:00:00Z', '2026-01-01T00:00:00Z'],
    ['0 0 29 2 *', '2026-12-31T23:00:00Z', '2024-02-29T00:00:00Z'],
  ])('looks back as far as it must: %s', (expression, now, last) => {
    expect(new Schedule(expression).latest(at(now))).toBe(at(last));
  });

  it('remembers what it found only as long as that is the last time, whichever way the clock goes', () => {
    const asked = new Schedule('*/5 2-4 * * *');
    const begin = at('2026-06-02T01:50:00Z');
    const steps = [0, 8, 10, 14, 15, 16, 15, 14, 9, 200, 201, 205, 1440, 1451, 12, 3, 190, 189];
    for (const minutes of steps) {
      const now = begin + minutes * 60_000;
      expect([minutes, asked.latest(now)]).toEqual([minutes, new Schedule('*/5 2-4 * * *').latest(now)]);
    }
  });

  it('refuses what is no cron expression', () => {
    expect(() => new Schedule('soon')).toThrow();
    expect(() => new Schedule('61 * * * *')).toThrow();
  });
});
