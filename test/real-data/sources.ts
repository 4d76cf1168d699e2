import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bitstampEvents } from './bitstamp.js';
import type { Action, EventContent } from './content.js';
import { databentoEvents } from './databento.js';
import { fixEvents, type FixLog } from './fix.js';
import { lobsterEvents } from './lobster.js';

export interface Source {
  name: string;
  /** Below {@link Source.folder}; the events come in this order of the files. */
  files: readonly string[];
  /** Where the files are; undefined if the data are not on this machine. */
  folder(): string | undefined;
  /** All events, in file order, as they are read. Throws if there is no folder. */
  convert(): AsyncGenerator<EventContent>;
  expectedCounts: Readonly<Record<Action, number>>;
}

const here = dirname(fileURLToPath(import.meta.url));
const projectRoot = resolve(here, '../..');

/** The folder of the recorded order data, which are not part of the project; undefined where they are missing. */
export function sharedDataFolder(): string | undefined {
  const folder = resolve(projectRoot, process.env['TRUETRAIL_SHARED'] ?? '../shared', 'data');
  return existsSync(folder) ? folder : undefined;
}

/** Whether it is a market's feed of tens of thousands of events, which takes a minute and more to go in and to be compared. */
export function isFeed({ expectedCounts }: Source): boolean {
  return Object.values(expectedCounts).reduce((sum, count) => sum + count, 0) > 10_000;
}

/** The folder of the samples that come with the project. */
export function sampleFolder(): string {
  return join(here, 'sample');
}

type Convert = (path: string) => AsyncGenerator<EventContent>;

function source(
  name: string,
  folder: () => string | undefined,
  files: readonly string[],
  convertFile: Convert,
  counts: Partial<Record<Action, number>>,
): Source {
  async function* convert(): AsyncGenerator<EventContent> {
    const from = folder();
    if (from === undefined) throw new Error(`${name}: the data are not on this machine`);
    for (const file of files) yield* convertFile(join(from, file));
  }
  const none = { create: 0, modify: 0, cancel: 0, partial_fill: 0, fill: 0, reject: 0 };
  return { name, files, folder, convert, expectedCounts: { ...none, ...counts } };
}

function below(folder: string): () => string | undefined {
  return () => {
    const data = sharedDataFolder();
    return data === undefined ? undefined : join(data, folder);
  };
}

const seconds = (date: string) => Date.parse(date) / 1000;

const fix =
  (log: FixLog): Convert =>
  (path) =>
    fixEvents(path, log);

/** The recorded data. The counts are those of the data's own READMEs; small.log has 4 repetitions where tmp.log has 39. */
export const sources: readonly Source[] = [
  source(
    'lobster-aapl-2012-06-21',
    below('lobster-aapl-2012-06-21'),
    ['AAPL_2012-06-21_34200000_37800000_message_50.csv.gz'],
    (path) =>
      lobsterEvents(path, {
        source: 'lobster-aapl-2012-06-21',
        symbol: 'AAPL',
        exchange: 'XNAS',
        midnight: seconds('2012-06-21T00:00:00-04:00'),
      }),
    { create: 44_256, modify: 469, cancel: 41_004, partial_fill: 1_115, fill: 2_952 },
  ),
  source(
    'bitstamp-btcusd-2015-05-01',
    below('bitstamp-btcusd-2015-05-01'),
    ['2015-05-01.log.gz'],
    // Bitstamp had no MIC in 2015
    (path) => bitstampEvents(path, { source: 'bitstamp-btcusd-2015-05-01', symbol: 'BTC/USD', exchange: 'BITSTAMP' }),
    { create: 24_894, modify: 40, cancel: 24_338, partial_fill: 562, fill: 580 },
  ),
  source(
    'databento-esm4-2024-05-08',
    below('databento-esm4-2024-05-08'),
    ['esm4-glbx-mdp3-20240508.mbo.csv.gz'],
    // XCME: the MIC GLBX has gone to another market since
    (path) => databentoEvents(path, { source: 'databento-esm4-2024-05-08', exchange: 'XCME' }),
    { create: 78, modify: 24, cancel: 78, partial_fill: 3, fill: 2 },
  ),
  source(
    'fix-kod-bon-2018-02-23',
    below('fix-kod-bon-2018-02-23'),
    ['FIX.4.2-KOD-BON.messages.current.log.gz'],
    fix({ source: 'fix-kod-bon-2018-02-23', idsAreUniqueWithin: 'day' }),
    { create: 602, cancel: 602 },
  ),
  source(
    'fix-client-tw-2004',
    below('fix-client-tw-2004'),
    ['tmp.log'],
    fix({ source: 'fix-client-tw-2004', idsAreUniqueWithin: 'logon' }),
    { create: 156, cancel: 39, partial_fill: 39, fill: 39, reject: 39 },
  ),
  source(
    'fix-client-tw-2004-small',
    below('fix-client-tw-2004'),
    ['small.log'],
    fix({ source: 'fix-client-tw-2004', idsAreUniqueWithin: 'logon' }),
    { create: 16, cancel: 4, partial_fill: 4, fill: 4, reject: 4 },
  ),
  source(
    'fix-routing-2015',
    below('fix-routing-2015'),
    ['100FIX42.dat'],
    fix({ source: 'fix-routing-2015', idsAreUniqueWithin: 'day' }),
    { create: 75, fill: 25 },
  ),
  source(
    'fix-coytrade-2006',
    below('fix-coytrade-2006'),
    [
      'FIX42-CoyTrade-BCExchange-SenderMessagePerLine.log',
      'FIX42-CoyTrade-BCExchange-TargetMessagePerLine.log',
      'FIX42-CoyTrade-BCExchange-SenderMessagePerLineMixedWithOtherText.log',
      'FIX42-CoyTrade-BCExchange-MessagesSplitBetweenMultipleLines.log',
      'FIX42-CoyTrade-BCExchange-SenderAndTargetInSameLogFile.log',
      'FIX42-CoyTrade-BCExchange-PipeDelimeter.log',
    ],
    fix({ source: 'fix-coytrade-2006', idsAreUniqueWithin: 'day' }),
    { create: 7 },
  ),
];

/** Made for the tests and part of the project: sample/README.md says what is in them. */
export const sampleSources: readonly Source[] = [
  source(
    'sample-lobster',
    sampleFolder,
    ['lobster.csv'],
    (path) =>
      lobsterEvents(path, {
        source: 'sample-lobster',
        symbol: 'MADE',
        exchange: 'XMAD',
        midnight: seconds('2024-03-15T00:00:00-04:00'),
      }),
    { create: 38, modify: 11, cancel: 29, partial_fill: 16, fill: 6 },
  ),
  source(
    'sample-bitstamp',
    sampleFolder,
    ['bitstamp.txt'],
    (path) => bitstampEvents(path, { source: 'sample-bitstamp', symbol: 'MDE/EUR', exchange: 'MADEUP' }),
    { create: 31, modify: 6, cancel: 16, partial_fill: 17, fill: 10 },
  ),
  source(
    'sample-databento',
    sampleFolder,
    ['databento.csv'],
    (path) => databentoEvents(path, { source: 'sample-databento', exchange: 'XMAD' }),
    { create: 5, modify: 3, cancel: 4, partial_fill: 2, fill: 3 },
  ),
  source(
    'sample-fix44-parties',
    sampleFolder,
    ['fix44-parties.txt'],
    fix({ source: 'sample-fix44-parties', idsAreUniqueWithin: 'day' }),
    { create: 33, modify: 1, cancel: 14, partial_fill: 12, fill: 10, reject: 2 },
  ),
  source(
    'sample-fix42-sessions',
    sampleFolder,
    ['fix42-sessions.txt'],
    fix({ source: 'sample-fix42-sessions', idsAreUniqueWithin: 'logon' }),
    { create: 18, cancel: 4, partial_fill: 4, fill: 4, reject: 4 },
  ),
];
