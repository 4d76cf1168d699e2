import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { formatTimestamp, parseTimestamp } from '../integrity/timestamp.js';
import { DISPLAY_TIME_ZONE, DISPLAY_TIME_ZONE_PARAMETER, TIME_ZONE_TABLE, TimesInZone } from './display-time-zone.js';
import { formatOf } from './report-formats.js';
import { defineReport, type ReportRun, type Row } from './report.js';

describe('times in a time zone', () => {
  const shown: [zone: string, time: string, text: string][] = [
    // summer time begins: there is no 02:30
    ['Europe/Berlin', '2026-03-29T00:59:59.999999999Z', '2026-03-29T01:59:59.999999999+01:00'],
    ['Europe/Berlin', '2026-03-29T01:00:00.000000000Z', '2026-03-29T03:00:00.000000000+02:00'],
    // and ends: 02:30 comes twice
    ['Europe/Berlin', '2026-10-25T00:30:00.123456Z', '2026-10-25T02:30:00.123456+02:00'],
    ['Europe/Berlin', '2026-10-25T00:59:59.999999999Z', '2026-10-25T02:59:59.999999999+02:00'],
    ['Europe/Berlin', '2026-10-25T01:00:00Z', '2026-10-25T02:00:00+01:00'],
    ['Europe/Berlin', '2026-10-25T01:30:00.123456Z', '2026-10-25T02:30:00.123456+01:00'],
    // digits stay as they were declared, those of no weight among them
    ['Europe/Berlin', '2026-06-02T08:00:00.10Z', '2026-06-02T10:00:00.10+02:00'],
    ['Europe/Berlin', '2026-06-02T22:00:00.000000001Z', '2026-06-03T00:00:00.000000001+02:00'],
    // what was sent with an offset of its own is the same instant
    ['Europe/Berlin', '2026-06-02T03:00:00.5-05:00', '2026-06-02T10:00:00.5+02:00'],
    ['America/St_Johns', '2026-06-02T08:00:00Z', '2026-06-02T05:30:00-02:30'],
    ['Asia/Kathmandu', '2026-06-02T08:00:00Z', '2026-06-02T13:45:00+05:45'],
    ['Europe/London', '2026-01-02T08:00:00Z', '2026-01-02T08:00:00+00:00'],
    ['Europe/London', '1970-01-01T00:00:00Z', '1970-01-01T01:00:00+01:00'],
    ['UTC', '2026-06-02T08:00:00.10Z', '2026-06-02T08:00:00.10Z'],
    ['UTC', '2026-06-02T10:00:00.10+02:00', '2026-06-02T08:00:00.10Z'],
    // half an hour of summer time, which changes at half past an hour of UTC
    ['Australia/Lord_Howe', '2026-04-04T14:59:59Z', '2026-04-05T01:59:59+11:00'],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', '2026-04-05T01:30:00+10:30'],
    ['Australia/Lord_Howe', '2026-10-03T15:29:59Z', '2026-10-04T01:59:59+10:30'],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', '2026-10-04T02:30:00+11:00'],
    // the last offset that had seconds, and its end within an hour
    ['Africa/Monrovia', '1972-01-07T00:44:29Z', '1972-01-06T23:59:59-00:44:30'],
    ['Africa/Monrovia', '1972-01-07T00:44:30Z', '1972-01-07T00:44:30+00:00'],
    // days that UTC's times do not reach
    ['America/New_York', '1970-01-01T00:00:00Z', '1969-12-31T19:00:00-05:00'],
    ['Asia/Tokyo', '2199-12-31T23:59:59.999999999Z', '2200-01-01T08:59:59.999999999+09:00'],
  ];
  it.each(shown)('in %s %s is %s', (zone, time, text) => {
    expect(new TimesInZone(zone).shown(time)).toBe(text);
  });

  it.each(['63', '2026-06-02', '', 'soon', '2026-06-02T08:00:00', '2026-02-30T08:00:00Z', '20260602-08:00:00.123'])(
    'a text that is no time stays as it is: %j',
    (text) => {
      expect(new TimesInZone('Europe/Berlin').shown(text)).toBe(text);
    },
  );

  it.each(['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Africa/Casablanca'])(
    'are the same instants in %s, and what the clocks there show',
    (timeZone) => {
      const times = new TimesInZone(timeZone);
      const fields = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
      const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
      const local = new Intl.DateTimeFormat('sv-SE', { timeZone, ...fields, ...clock });
      const first = parseTimestamp('1971-01-01T00:00:00Z').micros;
      // over all years, at ever another place within the hour
      for (let i = 0; i < 4000; i++) {
        const micros = first + i * 1_801_234_567_891;
        const nanos = i % 1000;
        const text = times.shown(formatTimestamp(micros, nanos, 9));
        expect(parseTimestamp(text)).toMatchObject({ micros, nanos, digits: 9 });
        expect(text.slice(0, 19).replace('T', ' ')).toBe(local.format(Math.floor(micros / 1000)));
      }
    },
  );

  it('are asked for by a name of the IANA list', () => {
    const { mistake } = DISPLAY_TIME_ZONE_PARAMETER;
    for (const zone of ['Europe/Berlin', 'UTC', 'Asia/Kolkata', 'Etc/GMT+5']) expect(mistake(zone)).toBeUndefined();
    for (const none of ['', 'Europe/Nowhere', '+02:00', 'Berlin', 'Europe/Berlin ', 'constructor', '../etc/passwd']) {
      expect([none, mistake(none)]).toEqual([
        none,
        { rule: 'time-zone', rest: 'must be a time zone of the IANA list, as Europe/Berlin' },
      ]);
    }
  });
});

describe('an answer for people', () => {
  const report = defineReport({
    name: 'made',
    version: 1,
    title: 'Made',
    question: 'When was what?',
    parameters: [],
    columns: [
      { name: 'timestamp', holds: 'time', description: 'event time' },
      { name: 'day', description: 'a day of UTC' },
      { name: 'from', holds: 'time', description: 'a counter, or a time' },
      { name: 'text', description: 'a text' },
    ],
    rows: () => {
      throw new Error('rows are given here');
    },
  });
  const row = (timestamp: string | null, from: string | null, text: string | null): Row => ({
    ...{ timestamp, from, text },
    day: timestamp?.slice(0, 10) ?? null,
  });
  const rows = [
    row('2026-03-29T00:59:59.999999999Z', '2026-03-29T01:00:00Z', 'summer time begins at 2026-03-29T01:00:00Z'),
    row('2026-03-29T01:00:00.000000000Z', '63', null),
    row('2026-10-25T00:30:00.123456Z', null, '<02:30, the first time>'),
    row('2026-10-25T01:30:00.123456Z', 'unreadable', '<02:30, the second time>'),
    row('2026-12-31T23:00:00Z', null, null),
    row(null, null, null),
  ];
  const made = (format: string, zone: string | undefined): Buffer => {
    const parameters: Record<string, string> = {
      ...{ from_date: '2026-03-29', to_date: '2026-12-31' },
      ...(zone === undefined ? {} : { [DISPLAY_TIME_ZONE]: zone }),
    };
    const writer = formatOf(format).begin(report, {
      ledger: 'main',
      parameters,
      asOf: 6n,
      deleted: [],
    } as never as ReportRun);
    return Buffer.concat([...rows.map((each) => writer.row(each)), writer.end()].map((part) => Buffer.from(part)));
  };
  const text = (format: string, zone: string | undefined): string => {
    const bytes = made(format, zone);
    if (format === 'html') return bytes.toString();
    const parts = unzipSync(bytes);
    return [1, 2].map((n) => strFromU8(parts[`xl/worksheets/sheet${n}.xml`]!)).join('\n');
  };

  it.each(['html', 'xlsx'])('shows times in the zone, and days as they are: %s', (format) => {
    const path = join(
      import.meta.dirname,
      '../../test/reports',
      `display-time-zone.${format === 'html' ? 'html' : 'xml'}`,
    );
    // the one thing in it that another version of Node says otherwise
    const found = text(format, 'Europe/Berlin').replaceAll(TIME_ZONE_TABLE.version, 'TIME_ZONES');
    if (process.env.UPDATE_GOLDEN_FILES) writeFileSync(path, found);
    expect(readFileSync(path, 'utf8')).toBe(found);
    expect(found).toContain('>2026-10-25T02:30:00.123456+02:00<');
    expect(found).toContain('>2026-10-25T02:30:00.123456+01:00<');
    expect(found).toContain('shown in Europe/Berlin, each with its offset');
    expect(made(format, 'Europe/Berlin').equals(made(format, 'Europe/Berlin'))).toBe(true);
  });

  it.each(['html', 'xlsx'])('says that they are in UTC where no zone is asked for: %s', (format) => {
    const found = text(format, undefined);
    expect(found).toMatch(/>Times<.{0,120}>UTC</s);
    for (const { timestamp } of rows) if (timestamp !== null) expect(found).toContain(`>${timestamp}<`);
    expect(found).not.toContain('+02:00');
  });

  it.each(['json', 'csv', 'ndjson'])('is none, and shows nothing in a zone, as %s', (format) => {
    expect(formatOf(format).isForPeople).toBe(false);
    for (const { timestamp } of rows) {
      if (timestamp !== null) expect(made(format, 'Europe/Berlin').toString()).toContain(timestamp);
    }
  });
});
