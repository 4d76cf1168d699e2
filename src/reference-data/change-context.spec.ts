import { judgeChanges, type Known } from './change-context.js';
import type { Change } from './change.js';
import { KINDS } from './kinds.js';
import { MAX_FILE_CHANGES } from './reference-file.js';
import { cpuMsOf } from '../../test/support/cpu-time.js';

const kind = (name: string) => KINDS.find((each) => each.name === name)!;
const NOTHING: Known = { changesOf: () => [], has: () => false, changesOfOther: () => [] };

/** So many seconds after the beginning of a day. */
const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1_000).toISOString();

function change(id: string, from: number, attributes: Record<string, string> | null, to?: number): Change {
  return { entry_id: id, valid_from: at(from), valid_to: to === undefined ? null : at(to), attributes, reason: null };
}

describe('changes of a file are judged', () => {
  it('each after those before it, in no time, also where all of a whole file are of one entry', () => {
    const versions = Array.from({ length: MAX_FILE_CHANGES - 2 }, (_, i) =>
      change('MM7', i, { version: String(i), name: 'Market maker', purpose: 'both' }, i + 1),
    );
    const again = versions[5_000]!;
    const afterAGap = change('MM7', MAX_FILE_CHANGES, { version: 'x', name: 'Other', purpose: 'both' });
    let judged: ReturnType<typeof judgeChanges> = [];
    const cost = cpuMsOf(() => (judged = judgeChanges(kind('algorithm'), [...versions, again, afterAGap], NOTHING)));
    expect(cost).toBeLessThan(5_000); // it keeps appends waiting
    expect(judged.slice(0, -2).every(({ isKnown, mistakes }) => !isKnown && mistakes.length === 0)).toBe(true);
    expect(judged.at(-2)).toEqual({ isKnown: true, mistakes: [] });
    expect(judged.at(-1)).toMatchObject({ isKnown: false, mistakes: [{ rule: 'unique-over-time' }] });
  });

  it('against what they name, however much is known of it', () => {
    const spans = Array.from({ length: 2_000 }, (_, i) => change('XETR', 2 * i, { name: `name ${i}` }, 2 * i + 1));
    const known: Known = { ...NOTHING, has: () => true, changesOfOther: (_, id) => (id === 'XETR' ? spans : []) };
    const instruments = Array.from({ length: 2_000 }, (_, i) =>
      change(`I-${i}`, 2 * i, { name: 'x', venue: i % 2 === 0 ? 'XETR' : 'XLON' }, 2 * i + 1),
    );
    let judged: ReturnType<typeof judgeChanges> = [];
    expect(cpuMsOf(() => (judged = judgeChanges(kind('instrument'), instruments, known)))).toBeLessThan(5_000);
    expect(judged.map(({ mistakes }) => mistakes.length)).toEqual(instruments.map((_, i) => i % 2));
  });
});
