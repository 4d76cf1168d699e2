import { correctionsInForce, type Correctable } from './corrections.js';

const event = (sequence: number, id: string, corrects?: string): Correctable => ({
  sequence: String(sequence),
  event_id: id,
  corrects: corrects ?? null,
});

function inForce(...events: Correctable[]): Record<string, string | null> {
  const find = correctionsInForce(events);
  return Object.fromEntries(events.map((each) => [each.event_id, find(each)]));
}

describe('the correction in force', () => {
  it('is none for an event that nothing corrects', () => {
    expect(inForce(event(1, 'a'), event(2, 'b'))).toEqual({ a: null, b: null });
  });

  it('is the one with the highest sequence, also past nine', () => {
    expect(inForce(event(1, 'a'), event(9, 'b', 'a'), event(10, 'c', 'a'))).toEqual({ a: 'c', b: null, c: null });
  });

  it('is the end of a chain', () => {
    expect(inForce(event(1, 'a'), event(2, 'b', 'a'), event(3, 'c', 'b'), event(4, 'd', 'c'))).toEqual({
      a: 'd',
      b: 'd',
      c: 'd',
      d: null,
    });
  });

  it("follows the last correction's chain, not a longer one's of an earlier", () => {
    expect(inForce(event(1, 'a'), event(2, 'b', 'a'), event(3, 'c', 'a'), event(4, 'd', 'b')).a).toBe('c');
  });

  it('passes over a target that is later, unknown, or the correction itself', () => {
    expect(inForce(event(1, 'a', 'b'), event(2, 'b'), event(3, 'c', 'nowhere'), event(4, 'd', 'd'))).toEqual({
      a: null,
      b: null,
      c: null,
      d: null,
    });
  });

  it('passes over a target on a circle, also from outside of it', () => {
    expect(inForce(event(1, 'a', 'b'), event(2, 'b', 'a'), event(3, 'c', 'a'), event(4, 'd', 'c'))).toEqual({
      a: null,
      b: null,
      c: 'd',
      d: null,
    });
  });

  it('needs of the events that correct nothing only the one asked about', () => {
    const find = correctionsInForce([event(2, 'b', 'a'), event(5, 'c', 'b')]);
    expect(find(event(1, 'a'))).toBe('c');
    expect(find(event(3, 'a'))).toBeNull(); // 'b' is earlier
    expect(find(event(6, 'x'))).toBeNull();
  });

  it('does not recurse on a chain of 100,000', () => {
    const chain = Array.from({ length: 100_000 }, (_, i) => event(i + 1, `e${i}`, i === 0 ? undefined : `e${i - 1}`));
    expect(correctionsInForce(chain)(chain[0]!)).toBe('e99999');
  });

  it('is what the definition says, for any references', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 0x1_0000_0000) * below);
    };
    for (let round = 0; round < 3_000; round++) {
      const size = 1 + random(9);
      const events = Array.from({ length: size }, (_, i) =>
        event(i + 1, `e${i}`, random(3) === 0 ? undefined : `e${random(size + 1)}`),
      );
      const find = correctionsInForce(events.filter(({ corrects }) => corrects !== null));
      for (const each of events) expect([events, each, find(each)]).toEqual([events, each, byDefinition(each, events)]);
    }
  });
});

/** The same, word for word and slowly. */
function byDefinition(corrected: Correctable, events: readonly Correctable[]): string | null {
  const find = (id: string): Correctable | undefined => events.find((each) => each.event_id === id);
  const isOnCircle = (start: Correctable): boolean => {
    let at: Correctable | undefined = start;
    for (let steps = 0; steps < events.length; steps++) {
      at = at.corrects ? find(at.corrects) : undefined;
      if (at === undefined) return false;
      if (at.event_id === start.event_id) return true;
    }
    return false;
  };
  const candidates = events.filter(
    (each) =>
      each.corrects === corrected.event_id &&
      Number(each.sequence) > Number(corrected.sequence) &&
      !isOnCircle(corrected),
  );
  const highest = candidates.sort((a, b) => Number(b.sequence) - Number(a.sequence))[0];
  return highest ? (byDefinition(highest, events) ?? highest.event_id) : null;
}
