import { hash } from 'node:crypto';
import { canonicalize, type JsonObject, type JsonValue } from './canonical-json.js';
import { parseCheckpoint, type Checkpoint } from './checkpoint.js';
import { parseAnchor, anchorHash } from './anchor.js';
import {
  askedOfContents,
  deletedText,
  openEnd,
  type BundleClaims,
  type BundleTimestamp,
  type Completeness,
} from './evidence-claims.js';
import { signedByReached } from './key-succession.js';
import { pageText } from './page-text.js';
import { cosignatureTime, NoteError, parseNote, VerifierKey, type SignedNote } from './signed-note.js';

/**
 * The page of a bundle that people read and print. It is a function of what else is in the bundle, so that a verifier
 * makes it again and compares: it cannot say anything that the rest does not.
 */

/** Changed with every change of the page; a verifier compares pages that its own version made. */
export const PAGE_VERSION = 'truetrail-page/6';

/** So many events and objects of the archive are listed; all are in the files. */
const LISTED_EVENTS = 1_000;
const LISTED_OBJECTS = 200;

export interface PageFacts {
  events: bigint;
  envelopes: bigint;
  checkpoint: string;
  anchors: readonly Buffer[];
  timestamps: readonly BundleTimestamp[];
  keys: readonly string[];
  successions: readonly string[];
  archive: readonly JsonObject[];
}

const STYLE = `
body{font:10.5pt/1.45 system-ui,sans-serif;color:#111;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{border:1px solid #bbb;padding:.25rem .4rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f2f2f2}thead{display:table-header-group}tr{break-inside:avoid}
code,pre,.m{font-family:ui-monospace,monospace;font-size:9pt}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.5rem}
@media print{body{max-width:none;margin:0;font-size:9pt}code,pre,.m{font-size:7.5pt}}
`;
const STYLE_HASH = hash('sha256', STYLE, 'base64');

const COMPLETE: Record<Completeness, string> = {
  'complete-range':
    'Complete. Every event of the range is here: sequences are given without a gap, each event names the one before it, and all of them stand in the signed tree. Nothing of the range was left out.',
  'as-found':
    'As found. These are the events that the service found when it looked at the ledger up to as_of. Each of them is proven to be in the ledger as it was recorded. That there are no others which fit is the word of the service.',
  'as-found-in-range':
    'As found, among the envelopes of a whole range. Each event is proven to be in the ledger as it was recorded. Of every other event of the range the envelope is here, so that it is known how many there are, when they were recorded, and by whom; that none of them fits is the word of the service until their contents are shown, which the envelopes’ hashes then confirm.',
};

export class EvidencePage {
  private readonly rows: string[] = [];

  constructor(private readonly claims: BundleClaims) {}

  /** The next line of the bundle. */
  take(line: JsonObject): void {
    if (this.rows.length === LISTED_EVENTS) return;
    const isFull = Object.hasOwn(line, 'salt');
    const what = isFull
      ? [
          line.timestamp,
          line.event_type,
          `${plain(line.entity_type)} ${plain(line.entity_id)}`,
          line.action,
          line.user_id,
        ]
      : ['', '', '(envelope alone)', '', ''];
    const cells = [line.sequence, line.recorded_at, ...what, line.event_id, line.event_hash];
    this.rows.push(`<tr>${cells.map((cell) => `<td>${pageText(plain(cell))}</td>`).join('')}</tr>\n`);
  }

  /** The page once all lines were taken. Throws NoteError and AnchorError for papers that are none. */
  render(facts: PageFacts): string {
    const { ledger, origin, asOf, asked, completeness, range, contents, deleted } = this.claims;
    const { events, envelopes, timestamps, keys, archive } = facts;
    const note = parseNote(facts.checkpoint);
    const checkpoint = parseCheckpoint(note.text);
    const anchor = parseAnchor(facts.anchors[0]!);
    const open = openEnd(this.claims);
    const isUnseen = !contents && events > 0n && askedOfContents(asked).length > 0;
    const title = `Evidence of ${events} events of ${ledger}`;
    const signatures = note.signatures.map((signature): Row => {
      const id = signature.keyId.toString('hex');
      const isWitness = signature.name !== checkpoint.origin;
      if (!isWitness) return ['Signed by', `${signature.name}, key ${id}`];
      const time = signature.signature.length === 72 ? `, time ${cosignatureTime(signature)}` : '';
      return ['Cosignature in the file', `${signature.name}, key ${id}${time}`];
    });
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${STYLE_HASH}'">
<meta name="generator" content="${PAGE_VERSION}">
<meta name="viewport" content="width=device-width">
<title>${pageText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${pageText(title)}</h1>
<p>This page is part of an evidence bundle: a zip file that holds records of an audit trail together with the proof that they stand there as they were recorded. The page alone proves nothing. Whoever has the zip can check it offline, as told below; the check also compares this page with the rest.</p>
<h2>What it is</h2>
<table>
${rows([
  ['Ledger', ledger],
  ['Origin', origin],
  ['Asked for', canonicalize(asked)],
  ['As of', `sequence ${asOf}`],
  ...(range ? [['Range', range.to < range.from ? 'no event' : `sequences ${range.from} to ${range.to}`] as Row] : []),
  ['Events', String(events)],
  ['Envelopes beside them', String(envelopes)],
  ['Contents', contents ? 'in this bundle' : 'not in this bundle: envelopes and proofs alone'],
  ...deleted.map((each): Row => ['Deleted', deletedText(each)]),
])}</table>
<h2>What it proves, and what not</h2>
<p>${COMPLETE[completeness]}</p>
${open === undefined ? '' : `<p><b>${pageText(`${open[0]!.toUpperCase()}${open.slice(1)}`)}.</b></p>\n`}<ul>
<li>The hash of every event was computed again from ${contents ? 'its content and ' : ''}its envelope, and leads with the hashes in proof/ to the root of the checkpoint below.</li>
${isUnseen ? `<li>The contents are not here, and only they would show that these events are the ones that were asked for: that is the word of the service.</li>\n` : ''}${deleted.length > 0 ? `<li>Events that may have been among these were deleted at the end of their retention, before this bundle was made: that they were due is the word of the service. Their hashes are still in the signed tree; whoever has the receipt and the content of one can prove it.</li>\n` : ''}<li>The checkpoint is signed with the key of the ledger, and stands in the anchor that is here, number ${anchor.number} of a chain of objects under a lock. That this anchor is the one in the store, and the checkpoint the only one that was ever shown, is seen by comparing its SHA-256 with the store’s, or by the word of a witness or a time stamp authority.</li>
<li>When an event happened (<i>timestamp</i>) is what its source said. When it was recorded (<i>recorded_at</i>) is the clock of the service; ${timestamps.length > 0 ? `${timestamps.length === 1 ? 'one reply' : `${timestamps.length} replies`} of time stamp authorities in this bundle limit it from above, once they are checked against certificates of theirs` : 'this bundle has no time stamp of an outside authority'}.</li>
${note.signatures.length > 1 || timestamps.length > 0 ? `<li>Cosignatures of witnesses and time stamps are named below as they stand in the files. They count once the check is told whom to trust: <code>--witness</code> and <code>--timestamp-roots</code>.</li>\n` : ''}
<li>What the archive says of its objects (below) is told by the service; whoever may read the store can compare it.</li>
</ul>
<h2>The checkpoint</h2>
<table>
${rows([
  ['Size', `${checkpoint.size} events`],
  ['Root hash', checkpoint.rootHash.toString('hex')],
  ...signatures,
  ['Anchor', String(anchor.number)],
  ['SHA-256 of the anchor', anchorHash(facts.anchors[0]!).toString('hex')],
  ['Time stamps in the files', String(timestamps.length)],
  ...keys.map((key): Row => ['Key of the ledger', key]),
])}</table>
<h2>How to check it again</h2>
<ol>
<li>Get the verifier key of the ledger from somebody you trust, not from this bundle: it looks like the <i>Key of the ledger</i> above.</li>
<li>Get the verifier, a folder <i>truetrail-verify</i> that needs Node.js and nothing else, from somebody you trust as well, or take the copy that you have: the firm makes it by <code>npm run verifier:pack</code>. It is in no package registry, and what has its name there is not ours.</li>
<li>Without a network: <pre>node truetrail-verify/src/verify/truetrail-verify.js bundle.zip --key '${pageText(keyToGive(note, checkpoint, facts))}'</pre></li>
<li>The files in the zip and every rule are described in docs/evidence.md and docs/format.md of Truetrail, so that a verifier can be written anew; a second one in Python comes with it.</li>
</ol>
<h2>Events${events + envelopes > BigInt(LISTED_EVENTS) ? `: the first ${LISTED_EVENTS} of ${events + envelopes}; all are in events/` : ''}</h2>
<table>
<thead><tr><th>Sequence</th><th>Recorded at</th><th>Timestamp</th><th>Type</th><th>Entity</th><th>Action</th><th>User</th><th>Event id</th><th>Event hash</th></tr></thead>
<tbody class="m">
${this.rows.join('')}</tbody>
</table>
<h2>In the archive${archive.length > LISTED_OBJECTS ? `: the first ${LISTED_OBJECTS} of ${archive.length} objects; all are in archive.ndjson` : ''}</h2>
${archive.length === 0 ? '<p>Not archived yet.</p>' : objects(archive.slice(0, LISTED_OBJECTS))}
</body>
</html>
`;
  }
}

/** Of a ledger's first keys so many are tried, each with all successions. */
const TRIED_KEYS = 16;

/**
 * The first of a ledger's keys from which the one that signed is reached: notes of the keys before are missing where they
 * were no longer at hand. The present key where there is none, as in a bundle that is not valid.
 */
function keyToGive(note: SignedNote, { origin, size }: Checkpoint, { keys, successions }: PageFacts): string {
  const reaches = (text: string): boolean => {
    try {
      const key = VerifierKey.parse(text);
      return key.name === origin && signedByReached(note, size, [key], successions).length > 0;
    } catch (error) {
      if (error instanceof NoteError) return false;
      throw error;
    }
  };
  return keys.slice(-TRIED_KEYS).toReversed().find(reaches) ?? keys[0] ?? 'KEY';
}

type Row = [name: string, value: string];

function rows(facts: readonly Row[]): string {
  return facts
    .map(([name, value]) => `<tr><th>${pageText(name)}</th><td class="m">${pageText(value)}</td></tr>\n`)
    .join('');
}

function objects(archive: readonly JsonObject[]): string {
  const names = ['object_key', 'version_id', 'sha256', 'from_sequence', 'to_sequence', 'retain_until'];
  const head = names.map((name) => `<th>${name}</th>`).join('');
  const lines = archive.map(
    (entry) => `<tr>${names.map((name) => `<td>${pageText(plain(entry[name]))}</td>`).join('')}</tr>\n`,
  );
  return `<table><thead><tr>${head}</tr></thead><tbody class="m">\n${lines.join('')}</tbody></table>`;
}

function plain(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : value === undefined ? '' : canonicalize(value);
}
