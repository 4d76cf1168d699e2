import { setImmediate as turn } from 'node:timers/promises';
import { readAhead } from './read-ahead.js';

describe('readAhead', () => {
  let read: number[];
  let isOpen: boolean;

  async function* numbers(to: number, failAt = Infinity): AsyncGenerator<number> {
    isOpen = true;
    try {
      for (let n = 1; n <= to; n++) {
        await turn();
        if (n === failAt) throw new Error(`number ${n} is damaged`);
        read.push(n);
        yield n;
      }
    } finally {
      await turn();
      isOpen = false;
    }
  }

  beforeEach(() => {
    read = [];
    isOpen = false;
  });

  it('gives the same items in their order, and none twice', async () => {
    const all: number[] = [];
    for await (const n of readAhead(numbers(5))) all.push(n);
    expect(all).toEqual([1, 2, 3, 4, 5]);
    for await (const n of readAhead(numbers(0))) all.push(n);
    expect(all.length).toBe(5);
    expect([read, isOpen]).toEqual([[1, 2, 3, 4, 5], false]);
  });

  it('reads one item while another is worked on, and no more', async () => {
    for await (const n of readAhead(numbers(5))) {
      for (let i = 0; i < 20; i++) await turn();
      expect(read.length).toBe(Math.min(5, n + 1));
    }
  });

  it('tells what failed when its turn comes, and not before', async () => {
    const taken: number[] = [];
    const all = async (): Promise<void> => {
      for await (const n of readAhead(numbers(5, 3))) {
        for (let i = 0; i < 20; i++) await turn();
        taken.push(n);
      }
    };
    await expect(all()).rejects.toThrow('number 3 is damaged');
    expect([taken, isOpen]).toEqual([[1, 2], false]);
  });

  it('ends when nothing is being read any more, though nobody wants the rest', async () => {
    for await (const n of readAhead(numbers(5))) if (n === 2) break;
    const atEnd = [...read];
    expect([atEnd, isOpen]).toEqual([[1, 2, 3], false]);
    for (let i = 0; i < 20; i++) await turn();
    expect(read).toEqual(atEnd);
  });

  it('is silent about an item that fails and that nobody wants any more', async () => {
    for await (const n of readAhead(numbers(5, 3))) if (n === 2) break;
    expect(isOpen).toBe(false);
  });
});
