import type { Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import { isLei } from '../identifiers/lei.js';
import { mistakeOfNames } from '../config/message-id.js';
import type { FirmSettings } from './firm-settings.js';
import type { FileMaking } from './submission-read.js';

const BYTES_A_MB = 1_000_000;

/** Who sends the files of a firm to whom, under which names. */
export type Sending = Pick<FileMaking, 'pattern' | 'sender' | 'receiver'>;

/** As the firm's entry says it, and otherwise the operator. Throws reporting-not-configured. */
export function sendingOf(config: Config, firm: FirmSettings = {}): Sending {
  const sender = firm.sender ?? config.REPORTING_SENDER;
  const receiver = firm.receiver ?? config.REPORTING_RECEIVER;
  const pattern = firm.fileName ?? config.REPORTING_FILE_NAME!;
  if (sender === undefined || receiver === undefined) {
    throw new Problem(
      'reporting-not-configured',
      'REPORTING_SENDER and REPORTING_RECEIVER are not given, and the entry of the firm has no report_sender and report_receiver',
    );
  }
  // files of another pair have numbers of their own
  const isOwnPair = sender !== config.REPORTING_SENDER || receiver !== config.REPORTING_RECEIVER;
  if (isOwnPair && !['{sender}', '{receiver}'].every((part) => pattern.includes(part))) {
    const rest = 'must have {sender} and {receiver} where a firm has a report_sender or report_receiver of its own';
    throw new Problem('reporting-not-configured', `The names of files by ${pattern} ${rest}`);
  }
  const mistake = mistakeOfNames(pattern, sender, receiver);
  if (mistake !== undefined) throw new Problem('reporting-not-configured', `Files cannot be named: ${mistake}`);
  return { pattern, sender, receiver };
}

/** How files are made. */
export function fileMakingOf(config: Config, sending: Sending, createdAt: string, firstNumber: number): FileMaking {
  const { sender, receiver } = sending;
  return {
    ...{ ...sending, createdAt, firstNumber },
    from: { id: sender, ...(isLei(sender) ? { scheme: { proprietary: 'LEI' } } : {}) },
    to: { id: receiver, scheme: { proprietary: 'NCA' } },
    limits: { transactions: config.REPORTING_FILE_REPORTS, bytes: config.REPORTING_FILE_MB * BYTES_A_MB },
    schemaFolder: config.REPORTING_SCHEMAS,
  };
}
