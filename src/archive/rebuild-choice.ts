import { createHash } from 'node:crypto';
import { MultisetHash } from '../integrity/multiset-hash.js';
import type { AnyManifest, ArchivedRange, DigestsManifest } from './archive-format.js';
import type { AnyEncoded } from './archive-tasks.js';
import type { ListedVersion } from './object-store.js';
import type { RecordedRange, RemovedObject } from './retention-records.js';

/** An object that was read back as a whole; all of them with the same key for the sums of their entities. */
export interface FoundObject {
  version: ListedVersion;
  encoded: AnyEncoded;
}

/** Objects in the order of their numbers, those that were removed among them. */
export type KnownObject = { found: FoundObject; removed?: undefined } | { removed: RemovedObject; found?: undefined };

/** A number of which several objects could count: those that were not tried yet, and how all was before. */
interface Choice {
  number: bigint;
  untried: FoundObject[];
  chains: KindChains;
}

/**
 * Of each number the object that counts, from 1 on. Of several one that goes on from those before it and that those after
 * it go on from: the others were left by exporters that had lost their turn. Where no later object tells them apart,
 * the one with the most events: each holds what was recorded. One that was removed is known by the record of that.
 * Throws an Error for the operator when there is no such choice.
 */
export function chooseObjects(
  found: ReadonlyMap<string, readonly FoundObject[]>,
  removed: ReadonlyMap<string, RemovedObject>,
): KnownObject[] {
  const last = [...found.keys(), ...removed.keys()].map(BigInt).reduce((a, b) => (a > b ? a : b), 0n);
  const objects: KnownObject[] = [];
  const choices: Choice[] = [];
  /** where several could count: what came of them is known, and no better the next time */
  const tried = new Set<string>();
  let chains = new KindChains();
  let failure: Error | undefined;
  for (let number = 1n; number <= last; number++) {
    const fitting = (found.get(String(number)) ?? [])
      .filter(({ encoded }) => new KindChains(chains).takes(encoded))
      .sort((a, b) => eventsOf(b) - eventsOf(a));
    const gone = removed.get(String(number));
    const place = fitting.length > 1 ? `${number} ${chains.digest()}` : '';
    const isTried = tried.has(place);
    if (fitting.length > 1 && !isTried) {
      tried.add(place);
      choices.push({ number, untried: fitting.slice(1), chains: new KindChains(chains) });
    }
    if (fitting.length > 0 && !isTried) {
      chains.takes(fitting[0]!.encoded);
      objects.push({ found: fitting[0]! });
    } else if (gone && !isTried) {
      chains.passes(gone);
      objects.push({ removed: gone });
    } else {
      failure ??= missing(number, found.has(String(number)));
      const choice = choices.at(-1);
      if (!choice) throw failure;
      const next = choice.untried.shift()!;
      if (choice.untried.length === 0) choices.pop();
      number = choice.number;
      chains = new KindChains(choice.chains);
      chains.takes(next.encoded);
      objects.splice(Number(number) - 1, Infinity, { found: next });
    }
  }
  return objects;
}

function eventsOf({ encoded }: FoundObject): number {
  const ranges: readonly { from_sequence: string; to_sequence: string }[] = encoded.manifest.ranges;
  return ranges.reduce((sum, range) => sum + Number(BigInt(range.to_sequence) - BigInt(range.from_sequence)) + 1, 0);
}

function missing(number: bigint, isThere: boolean): Error {
  const what = isThere ? 'does not go on from those before it' : 'is not there';
  return new Error(
    `object ${number} of the archive ${what}, and no record in the ledger _service says that it was removed`,
  );
}

/** Where each kind of object ends in each ledger, and what of the entities of months was not listed yet. */
class KindChains {
  private readonly ends: Map<string, { sequence: string; hash: string }>;
  /** what objects of months hold of a ledger, in order: where each ends, and the keyed sum of its entities in hex */
  private readonly unlisted: Map<string, readonly { to: string; sum: string }[]>;
  /** objects of months by their numbers */
  private readonly months: Map<string, { sha256: string; ranges: readonly RecordedRange[] }>;

  /** As another one is now, if it is given one. */
  constructor(other?: KindChains) {
    this.ends = new Map(other?.ends);
    this.unlisted = new Map(other?.unlisted);
    this.months = new Map(other?.months);
  }

  /** The same of chains that the same objects go on from. */
  digest(): string {
    const months = [...this.months].map(([number, { sha256 }]) => [number, sha256]);
    const all = [[...this.ends].map(([name, { hash }]) => [name, hash]), [...this.unlisted], months];
    return createHash('sha256')
      .update(JSON.stringify(all.map((entries) => entries.sort(([a], [b]) => (a < b ? -1 : 1)))))
      .digest('hex');
  }

  /** Whether an object goes on from what was taken before it; if so, it is taken. */
  takes({ manifest, sha256, keyedSums }: AnyEncoded): boolean {
    const { kind, number, ranges } = manifest;
    // of events whose object may be gone, in whichever order it was done
    if (kind === 'digests') return this.isOfMonth(manifest);
    const goesOn = ranges.every(({ ledger, from_sequence, to_sequence, previous_event_hash }) => {
      const end = this.ends.get(`${kind} ${ledger}`);
      const follows =
        BigInt(from_sequence) === BigInt(end?.sequence ?? 0) + 1n && previous_event_hash === (end?.hash ?? null);
      return follows && (kind !== 'entities' || this.isListed(ledger, to_sequence, keyedSums?.get(ledger)));
    });
    if (!goesOn) return false;
    this.end(kind, ranges);
    if (kind === 'month') this.months.set(number, { sha256: sha256.toString('hex'), ranges });
    for (const { ledger, to_sequence: to } of ranges) {
      if (kind === 'entities') this.listed(ledger, to);
      if (kind !== 'month') continue;
      const sum = keyedSums!.get(ledger)!;
      this.unlisted.set(ledger, [...(this.unlisted.get(ledger) ?? []), { to, sum }]);
    }
    return true;
  }

  /** Goes on over an object that was removed. */
  passes({ kind, number, sha256, ranges }: RemovedObject): void {
    this.end(kind, ranges);
    if (kind === 'month') this.months.set(number, { sha256, ranges });
    if (kind === 'entities') for (const { ledger, to_sequence } of ranges) this.listed(ledger, to_sequence);
  }

  /** Whether a sum is that of the objects of months of a ledger that no index lists, up to one that ends with an event. */
  private isListed(ledger: string, to: string, listed: string | undefined): boolean {
    const objects = this.unlisted.get(ledger) ?? [];
    const last = objects.findIndex((each) => each.to === to);
    if (last < 0) return false;
    const all = new MultisetHash();
    for (const { sum } of objects.slice(0, last + 1)) all.addSet(sum);
    return all.hex() === listed;
  }

  private listed(ledger: string, to: string): void {
    const rest = (this.unlisted.get(ledger) ?? []).filter((each) => BigInt(each.to) > BigInt(to));
    if (rest.length > 0) this.unlisted.set(ledger, rest);
    else this.unlisted.delete(ledger);
  }

  private isOfMonth({ digests_of: of, ranges }: DigestsManifest): boolean {
    const month = this.months.get(of.number);
    const known = new Map(month?.ranges.map((range) => [range.ledger, range]));
    return (
      month?.sha256 === of.sha256 &&
      known.size === ranges.length &&
      ranges.every((range) => {
        const facts = Object.entries(known.get(range.ledger) ?? { ledger: null });
        return facts.every(([name, value]) => range[name as keyof ArchivedRange] === value);
      })
    );
  }

  private end(kind: AnyManifest['kind'], ranges: readonly RecordedRange[]): void {
    for (const { ledger, to_sequence, last_event_hash } of ranges) {
      this.ends.set(`${kind} ${ledger}`, { sequence: to_sequence, hash: last_event_hash });
    }
  }
}
