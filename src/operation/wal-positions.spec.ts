import { endOfSegment, WalPositions } from './wal-positions.js';

const MIB = 1n << 20n;

describe('WalPositions', () => {
  it('knows the last moment at which all that was written is archived by now', () => {
    const positions = new WalPositions();
    expect(positions.writtenUpTo(100n)).toBeUndefined();
    for (const [position, at] of [[10n, 1], [20n, 2], [30n, 3]] as const) positions.note(position, at); // prettier-ignore
    expect(positions.writtenUpTo(9n)).toBeUndefined();
    expect(positions.writtenUpTo(10n)).toBe(1);
    expect(positions.writtenUpTo(29n)).toBe(2);
    expect(positions.writtenUpTo(29n)).toBe(2);
    expect(positions.writtenUpTo(30n)).toBe(3);
  });

  it('goes on while nothing is written', () => {
    const positions = new WalPositions();
    positions.note(10n, 1);
    positions.note(10n, 5);
    positions.note(10n, 4);
    expect(positions.writtenUpTo(10n)).toBe(5);
  });

  it('forgets a server whose WAL went further', () => {
    const positions = new WalPositions();
    positions.note(50n, 1);
    positions.note(20n, 2);
    expect(positions.writtenUpTo(19n)).toBeUndefined();
    expect(positions.writtenUpTo(60n)).toBe(2);
  });

  it('thins out what it knows, and keeps its ends', () => {
    const positions = new WalPositions();
    for (let i = 0; i <= 40_000; i++) positions.note(BigInt(i), i);
    const at = positions.writtenUpTo(20_000n)!;
    expect(at).toBeLessThanOrEqual(20_000);
    expect(at).toBeGreaterThan(19_990);
    expect(positions.writtenUpTo(40_000n)).toBe(40_000);
  });
});

describe('endOfSegment', () => {
  it.each([
    ['000000010000000000000001', 16n * MIB, 32n * MIB],
    ['0000000200000000000000FF', 16n * MIB, 1n << 32n],
    ['000000020000000100000000', 16n * MIB, (1n << 32n) + 16n * MIB],
    ['000000010000000000000FFF', MIB, 1n << 32n],
  ])('%s of %s bytes ends at %s', (name, bytes, end) => {
    expect(endOfSegment(name, bytes)).toBe(end);
  });

  it.each(['00000002.history', '000000010000000000000001.partial', '000000010000000000000001.00000028.backup', ''])(
    '%s is no segment',
    (name) => {
      expect(endOfSegment(name, 16n * MIB)).toBeUndefined();
    },
  );
});
