import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalize } from '../integrity/canonical-json.js';
import { LISTING_FILE, LISTING_FORMAT, verifyListing } from './archive-listing.js';
import { ArchiveReport } from './archive-report.js';

const LOCATION = 's3://bucket/trail/';
const HEAD = `${canonicalize({ format: LISTING_FORMAT, location: LOCATION })}\n`;
/** of the longest string of Node, in characters */
const MORE_THAN_A_STRING = 2 ** 29 + 1;

describe('the listing of a copy', () => {
  let folder: string;
  let listing: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'truetrail-listing-'));
    listing = join(folder, LISTING_FILE);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const line = (key: string, sha256: string | null, isMarker = false): string =>
    `${canonicalize({ key, version_id: 'v', is_delete_marker: isMarker, is_latest: true, bytes: '1', sha256 })}\n`;
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
  const verify = (files: string[]): { location: string | undefined; found: string[] } => {
    const report = new ArchiveReport();
    const location = verifyListing(folder, files, report);
    return { location, found: report.findings.map(({ kind, detail }) => `${kind}: ${detail}`) };
  };

  it('is read across all pieces of the file, whatever characters they part', () => {
    const names = Array.from({ length: 400 }, (_, i) => `f${i}`);
    for (const name of names) writeFileSync(join(folder, name), name);
    const others = Array.from({ length: 30_000 }, (_, i) => `Größe-€-𝄞-${i}`);
    writeFileSync(
      listing,
      [HEAD, ...names.map((name) => line(name, digest(name))), ...others.map((key) => line(key, null))].join(''),
    );
    const report = new ArchiveReport();
    expect(verifyListing(folder, names, report)).toBe(LOCATION);
    expect(report.total).toBe(others.length);
    expect(report.findings.map(({ detail }) => detail)).toEqual(
      others
        .slice(0, report.findings.length)
        .map((key) => `${key}: 1 version in the store, and no object of an archive under it`),
    );
  });

  it('tells of each key what stands over it, before it and behind it', () => {
    writeFileSync(join(folder, 'a'), 'a');
    writeFileSync(
      listing,
      HEAD + line('a', null, true) + line('a', digest('a')) + line('a', null) + line('b', digest('b')) + 'x\n',
    );
    expect(verify(['a', 'c'])).toEqual({
      location: LOCATION,
      found: [
        'hidden: a: 1 version and 1 delete marker came over it in the store, and hide it',
        'missing: b was copied, and is not there',
        'file: a line of listing.ndjson names no key',
        'file: c is not in listing.ndjson',
      ],
    });
  });

  it('is none without its end, or with another beginning', () => {
    const none = { location: undefined, found: ['file: listing.ndjson is none of truetrail-copy/1, or is cut off'] };
    for (const text of ['', '\n', '{}\n', HEAD.trimEnd(), HEAD + line('a', null).trimEnd()]) {
      writeFileSync(listing, text);
      expect([text, verify([])]).toEqual([text, none]);
    }
  });

  it('may be longer than the longest string', () => {
    writeFileSync(listing, HEAD);
    appendFileSync(listing, line('a', null));
    truncateSync(listing, MORE_THAN_A_STRING); // filled with zeros, which takes no room
    expect(verify([])).toEqual({
      location: undefined,
      found: ['file: listing.ndjson is none of truetrail-copy/1, or is cut off'],
    });
  });
});
