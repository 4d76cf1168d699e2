import type { Config } from '../config/config.js';
import { Problem } from '../http/problem.js';
import { isLei } from '../identifiers/lei.js';
import type { FileMaking } from './submission-read.js';

const BYTES_A_MB = 1_000_000;

/** How the operator wants files to be made. Throws reporting-not-configured. */
export function fileMakingOf(config: Config, createdAt: string, firstNumber: number): FileMaking {
  const { REPORTING_SENDER: sender, REPORTING_RECEIVER: receiver } = config;
  if (sender === undefined || receiver === undefined) {
    throw new Problem('reporting-not-configured', 'REPORTING_SENDER and REPORTING_RECEIVER are not given');
  }
  return {
    ...{ pattern: config.REPORTING_FILE_NAME!, sender, receiver, createdAt, firstNumber },
    from: { id: sender, ...(isLei(sender) ? { scheme: { proprietary: 'LEI' } } : {}) },
    to: { id: receiver, scheme: { proprietary: 'NCA' } },
    limits: { transactions: config.REPORTING_FILE_REPORTS, bytes: config.REPORTING_FILE_MB * BYTES_A_MB },
    schemaFolder: config.REPORTING_SCHEMAS,
  };
}
