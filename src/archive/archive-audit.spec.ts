import { drawSequences } from './archive-audit.js';

describe('the draw of an audit', () => {
  it('takes all when there are no more, and none twice', () => {
    expect(drawSequences(10, 4n, [])).toEqual(['1', '2', '3', '4']);
    expect(drawSequences(5, 0n, [])).toEqual([]);
    const drawn = drawSequences(50, 1_000_000n, []);
    expect(new Set(drawn).size).toBe(50);
  });

  it('passes over what was deleted', () => {
    const deleted = [
      { from: 1n, to: 2n },
      { from: 5n, to: 5n },
      { from: 9n, to: 10n },
    ];
    expect(drawSequences(10, 10n, deleted)).toEqual(['3', '4', '6', '7', '8']);
    expect(drawSequences(10, 2n, [{ from: 1n, to: 2n }])).toEqual([]);
    for (let i = 0; i < 50; i++) {
      for (const sequence of drawSequences(3, 10n, deleted)) expect(['3', '4', '6', '7', '8']).toContain(sequence);
    }
  });
});
