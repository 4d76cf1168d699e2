import type { ReferenceTimelines } from '../reference-data/reference-timelines.js';

/** What a firm's entry says of how its transaction reports are sent, and when they are due; the installation's settings say the rest. */
export interface FirmSettings {
  sender?: string | undefined;
  receiver?: string | undefined;
  fileName?: string | undefined;
  timeZone?: string | undefined;
}

/** As they are at a time; of a firm whose entry has ended as they were last: it may have reports to cancel. */
export function firmSettings(timelines: ReferenceTimelines, firm: string, time: string): FirmSettings {
  const { attributes = {} } = timelines.atOrBefore(time, 'legal-entity', firm) ?? {};
  return {
    ...{ sender: attributes.report_sender, receiver: attributes.report_receiver },
    ...{ fileName: attributes.report_file_name, timeZone: attributes.report_time_zone },
  };
}
