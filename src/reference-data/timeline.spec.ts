import { isKnown, timelineOf, type Span } from './timeline.js';

const span = (from: number, to: number | null, name: string | null): Span => ({
  valid_from: `2026-01-0${from}`,
  valid_to: to === null ? null : `2026-01-0${to}`,
  attributes: name === null ? null : { name },
});

describe('a timeline', () => {
  it('has what was said last of each time, and joins what says the same', () => {
    expect(timelineOf([])).toEqual([]);
    expect(timelineOf([span(1, null, 'a'), span(3, 5, 'b')])).toEqual([
      span(1, 3, 'a'),
      span(3, 5, 'b'),
      span(5, null, 'a'),
    ]);
    expect(timelineOf([span(1, null, 'a'), span(3, 5, 'b'), span(2, 6, 'a')])).toEqual([span(1, null, 'a')]);
    expect(timelineOf([span(3, 5, 'a'), span(1, 4, null)])).toEqual([span(1, 4, null), span(4, 5, 'a')]);
    expect(timelineOf([span(1, 2, 'a'), span(3, 4, 'a')])).toEqual([span(1, 2, 'a'), span(3, 4, 'a')]);
  });

  it('is day by day what the last change about the day says', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 300; round++) {
      const changes = Array.from({ length: 1 + random(6) }, () => {
        const from = 1 + random(8);
        const to = random(4) === 0 ? null : from + 1 + random(9 - from);
        return span(from, to, random(4) === 0 ? null : 'abc'[random(3)]!);
      });
      const covers = ({ valid_from: from, valid_to: to }: Span, day: string): boolean =>
        from <= day && (to === null || day < to);
      const timeline = timelineOf(changes);
      for (let day = 1; day <= 9; day++) {
        const at = `2026-01-0${day}`;
        const found = timeline.filter((each) => covers(each, at));
        const last = changes.filter((each) => covers(each, at)).at(-1);
        expect(found.map(({ attributes }) => attributes)).toEqual(last ? [last.attributes] : []);
      }
      const another = span(
        1 + random(4),
        random(2) === 0 ? null : 6 + random(3),
        random(3) === 0 ? null : 'abc'[random(3)]!,
      );
      // what is known changes nothing that holds
      const holding = (spans: readonly Span[]): Span[] => spans.filter(({ attributes }) => attributes !== null);
      const after = holding(timelineOf([...changes, another]));
      expect(isKnown(timeline, another)).toBe(JSON.stringify(after) === JSON.stringify(holding(timeline)));
    }
  });
});
