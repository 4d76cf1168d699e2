import { PARTY_FORM } from '../config/message-id.js';
import { isTimeZone } from '../config/settings.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import type { ReportParameter } from '../reports/report.js';

export const REPORTING_AS_OF = 'reporting_as_of';
export const AT = 'at';
export const TIME_ZONE = 'time_zone';
export const RECEIVER = 'receiver';
/** Of a run for which neither who asked nor the installation said one, so that no setting made later changes it. No party and no zone is called so. */
export const NONE = '-';

export const REPORTING_AS_OF_PARAMETER: ReportParameter = {
  name: REPORTING_AS_OF,
  description:
    'Number of the act in the ledger _reporting up to which submissions and feedback count; 0 for none. Without it all of them, or with at or as_of those that were recorded by then',
  example: '12',
  required: false,
  mistake: (value) =>
    /^(?:0|[1-9][0-9]{0,8})$/.test(value) ? undefined : { rule: 'act', rest: 'must be the number of an act, or 0' },
};

/** What fixes a run to what was sent and answered, besides `as_of` and `reference_as_of`: reporting-standing.ts. */
export const STANDING_PARAMETERS: readonly ReportParameter[] = [
  {
    name: AT,
    description:
      'When it is looked at, for what is overdue: an RFC 3339 time. Without it now, or with as_of the time at which that event was recorded',
    example: '2026-06-03T06:00:00Z',
    required: false,
    mistake: (value) => {
      try {
        parseTimestamp(value);
        return undefined;
      } catch (error) {
        if (!(error instanceof TimestampError)) throw error;
        return { rule: error.rule, rest: error.message };
      }
    },
  },
  REPORTING_AS_OF_PARAMETER,
  {
    name: TIME_ZONE,
    description:
      'Time zone of the authority, of the IANA list, of firms whose entry has no report_time_zone; REPORTING_TIME_ZONE when left out, and - where there is none',
    example: 'Europe/Paris',
    required: false,
    mistake: (value) =>
      value === NONE || isTimeZone(value)
        ? undefined
        : { rule: 'time-zone', rest: 'must be a time zone of the IANA list, as Europe/Paris, or - for none' },
  },
  {
    name: RECEIVER,
    description:
      'Authority whose days off count, besides those of every one, for firms whose entry has no report_receiver; REPORTING_RECEIVER when left out, and - where there is none',
    example: 'FR',
    required: false,
    mistake: (value) =>
      value === NONE || PARTY_FORM.test(value)
        ? undefined
        : { rule: 'report-party', rest: 'must have 1 to 20 letters and digits, or be - for none' },
  },
];
