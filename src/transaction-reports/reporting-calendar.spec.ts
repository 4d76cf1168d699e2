import { Random } from '../../test/support/random.js';
import { ReportingCalendar } from './reporting-calendar.js';
import { ageingOf, type Reported } from './timeliness.js';

const PARIS = new ReportingCalendar({ timeZone: 'Europe/Paris', holidays: ['2026-04-03', '2026-04-06'] });
const AZORES = new ReportingCalendar({ timeZone: 'Atlantic/Azores', holidays: [] });
const DUBLIN = new ReportingCalendar({ timeZone: 'Europe/Dublin', holidays: ['2026-03-17'] });

describe('the deadline of a report', () => {
  it.each([
    ['of a Tuesday is the end of Wednesday', PARIS, '2026-06-02T08:15:30.123456789Z', '2026-06-03T22:00:00.000000Z'],
    ['of a Friday is the end of Monday', PARIS, '2026-06-05T15:00:00Z', '2026-06-08T22:00:00.000000Z'],
    ['of a Saturday is the end of Monday', PARIS, '2026-06-06T15:00:00Z', '2026-06-08T22:00:00.000000Z'],
    ['passes over holidays around a weekend', PARIS, '2026-04-02T15:00:00Z', '2026-04-07T22:00:00.000000Z'],
    ['of a holiday is the end of the next working day', PARIS, '2026-04-03T10:00:00Z', '2026-04-07T22:00:00.000000Z'],
    ['goes by the day there, not by that in UTC', PARIS, '2026-06-02T22:00:00Z', '2026-06-04T22:00:00.000000Z'],
    [
      'goes by the day there, up to its last instant',
      PARIS,
      '2026-06-02T21:59:59.999999999Z',
      '2026-06-03T22:00:00.000000Z',
    ],
    ['at the end of all times is their last instant', PARIS, '2199-12-31T12:00:00Z', '2199-12-31T23:59:59.999999Z'],
    ['in winter', PARIS, '2026-01-13T09:00:00Z', '2026-01-14T23:00:00.000000Z'],
    ['over a weekend on which clocks go forward', PARIS, '2026-03-27T22:59:59Z', '2026-03-30T22:00:00.000000Z'],
    ['over a weekend on which clocks go back', PARIS, '2026-10-23T21:59:59Z', '2026-10-26T23:00:00.000000Z'],
    ['of a Sunday that has 23 hours', PARIS, '2026-03-29T21:59:59Z', '2026-03-30T22:00:00.000000Z'],
    ['on the eve of a year', DUBLIN, '2026-12-31T12:00:00Z', '2027-01-02T00:00:00.000000Z'],
    ['of a holiday of that authority alone', DUBLIN, '2026-03-16T12:00:00Z', '2026-03-19T00:00:00.000000Z'],
    ['behind UTC', AZORES, '2026-01-14T00:30:00Z', '2026-01-15T01:00:00.000000Z'],
  ])('%s', (_, calendar, time, deadline) => {
    expect(calendar.deadlineOf(time)).toBe(deadline);
  });

  it('is when the day after begins, where midnight is left out', () => {
    // at the end of Thursday 2025-04-24 the clocks go from 00:00 to 01:00 there, at 22:00 UTC
    const cairo = new ReportingCalendar({ timeZone: 'Africa/Cairo', holidays: [] });
    expect(cairo.dayOf('2025-04-24T21:59:59Z')).toBe('2025-04-24');
    expect(cairo.dayOf('2025-04-24T22:00:00Z')).toBe('2025-04-25');
    expect(cairo.deadlineOf('2025-04-23T09:00:00Z')).toBe('2025-04-24T22:00:00.000000Z');
    expect(cairo.deadlineOf('2025-04-24T09:00:00Z')).toBe('2025-04-25T21:00:00.000000Z');
  });

  it('is told from zones and days that are none, and from a calendar without working days', () => {
    expect(() => new ReportingCalendar({ timeZone: 'Europe/Atlantis', holidays: [] })).toThrow(RangeError);
    for (const day of ['2026-02-30', '2026-2-3', '', '2026-13-01']) {
      expect(() => new ReportingCalendar({ timeZone: 'Europe/Paris', holidays: [day] })).toThrow(RangeError);
    }
    const holidays = Array.from({ length: 60 }, (_, i) =>
      new Date(Date.UTC(2026, 5, 1 + i)).toISOString().slice(0, 10),
    );
    const closed = new ReportingCalendar({ timeZone: 'Europe/Paris', holidays });
    expect(() => closed.deadlineOf('2026-06-02T08:00:00Z')).toThrow('no working day');
  });

  it('is passed exactly where a report is late by a working day or more', () => {
    const random = new Random(7);
    const instant = (from: number, days: number): number => from + random.below(days * 86_400) * 1000;
    for (let i = 0; i < 2000; i++) {
      const calendar = random.of([PARIS, AZORES, DUBLIN]);
      const traded = instant(Date.UTC(2026, 0, 1), 365);
      const at = random.chance(4)
        ? Date.parse(calendar.deadlineOf(text(traded))) - random.below(2)
        : instant(traded, 9);
      const isLate = calendar.workingDaysLate(text(traded), text(at)) > 0;
      expect([text(traded), text(at), isLate]).toEqual([
        text(traded),
        text(at),
        at >= Date.parse(calendar.deadlineOf(text(traded))),
      ]);
    }
  });
});

describe('how a report stands against its deadline', () => {
  const FRIDAY = '2026-06-05T15:00:00Z';
  const IN_TIME = '2026-06-08T21:59:59.999999Z';
  const LATE = '2026-06-08T22:00:00Z';
  const WEDNESDAY = '2026-06-10T09:00:00Z';
  it.each<[Reported['state'], string | undefined, string, string, number]>([
    ['accepted', IN_TIME, WEDNESDAY, 'in-time', 0],
    ['accepted', LATE, WEDNESDAY, 'late', 1],
    ['sent', IN_TIME, '2026-06-09T21:59:59Z', 'awaiting', 0],
    ['sent', IN_TIME, '2026-06-09T22:00:00Z', 'unanswered', 0],
    ['pending', IN_TIME, '2026-06-15T21:59:59Z', 'awaiting', 0],
    ['pending', IN_TIME, '2026-06-15T22:00:00Z', 'unanswered', 0],
    ['pending', LATE, WEDNESDAY, 'overdue', 2],
    ['rejected', IN_TIME, IN_TIME, 'due', 0],
    ['rejected', IN_TIME, LATE, 'overdue', 1],
    ['rejected', IN_TIME, WEDNESDAY, 'overdue', 2],
    ['cancelled', IN_TIME, WEDNESDAY, 'overdue', 2],
    ['unsent', undefined, IN_TIME, 'due', 0],
    ['unsent', undefined, WEDNESDAY, 'overdue', 2],
  ])('%s, sent %s, at %s: %s', (state, sentAt, now, timeliness, workingDaysLate) => {
    const deadline = '2026-06-08T22:00:00.000000Z';
    expect(ageingOf({ tradingTime: FRIDAY, state, sentAt }, now, PARIS)).toEqual({
      timeliness,
      deadline,
      workingDaysLate,
    });
  });
});

function text(ms: number): string {
  return new Date(ms).toISOString();
}
