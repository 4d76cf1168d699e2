/** Schemas that belong together, and the days on which files are sent by them. */
export interface SchemaSet {
  version: string;
  /** the first day of sending */
  from: string;
  /** the first day for which it does not hold any more */
  to?: string;
  /** names of the files in the folder of the schema pack, as they are published, by their target namespaces */
  files: Readonly<Record<string, string>>;
}

/** A file is held as a tree of many times its size, in memory that WebAssembly does not give back. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Tags of a message, comments among them. The most that fit into as many bytes of feedback are 4,194,180; each costs some 150 bytes. */
export const MAX_MESSAGE_TAGS = 4_200_000;

const NAMESPACE = 'urn:iso:std:iso:20022:tech:xsd:';
/** Of the envelope, its header, the reports and the feedback. */
export const ENVELOPE_NAMESPACE = `${NAMESPACE}head.003.001.01`;
export const HEADER_NAMESPACE = `${NAMESPACE}head.001.001.01`;
export const REPORT_MESSAGE = 'auth.016.001.01';
export const REPORT_NAMESPACE = `${NAMESPACE}${REPORT_MESSAGE}`;
export const FEEDBACK_NAMESPACE = `${NAMESPACE}auth.031.001.01`;

export const SCHEMA_SETS: readonly SchemaSet[] = [
  {
    version: '1.1.0',
    from: '2019-09-23',
    files: {
      [ENVELOPE_NAMESPACE]: 'head.003.001.01.xsd',
      [HEADER_NAMESPACE]: 'head.001.001.01_ESMAUG_1.0.0.xsd',
      [REPORT_NAMESPACE]: 'auth.016.001.01_ESMAUG_Reporting_1.1.0.xsd',
      [FEEDBACK_NAMESPACE]: 'auth.031.001.01_ESMAUG_Reporting_1.1.0.xsd',
    },
  },
];

/** The set for files that are sent on a day; undefined for a day before the first. */
export function schemaSetOn(day: string): SchemaSet | undefined {
  return SCHEMA_SETS.find(({ from, to }) => from <= day && (to === undefined || day < to));
}
