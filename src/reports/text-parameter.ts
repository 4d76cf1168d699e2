import { isEventText, MAX_CODE_POINTS } from '../integrity/event.js';
import type { ReportParameter } from './report.js';

/** A parameter that is compared with texts of events, and that may be left out. */
export function textParameter(name: string, description: string, example: string): ReportParameter {
  return {
    name,
    description,
    example,
    required: false,
    mistake: (value) =>
      isEventText(value, MAX_CODE_POINTS.user_id)
        ? undefined
        : { rule: 'text', rest: `must have 1 to ${MAX_CODE_POINTS.user_id} characters and no control characters` },
  };
}
