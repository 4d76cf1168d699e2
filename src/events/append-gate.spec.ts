import type pg from 'pg';
import { pino } from 'pino';
import { Problem } from '../http/problem.js';
import { AppendGate, type HeldLedgers } from './append-gate.js';

/** A connection that leads to a start of a server. */
function connectionTo(start: string): pg.ClientBase {
  return { query: () => Promise.resolve({ rows: [{ identity: 'of a cluster', start }] }) } as unknown as pg.ClientBase;
}

describe('the gate before appends', () => {
  let server: string;
  let behind: Map<string, string>;
  let checks: number;
  let storeAsked: boolean;
  let gate: AppendGate;
  beforeEach(() => {
    server = '1/00000001';
    behind = new Map();
    checks = 0;
    storeAsked = true;
    gate = new AppendGate(pino({ level: 'silent' }));
    gate.register({
      run: (): Promise<HeldLedgers> => {
        checks += 1;
        return Promise.resolve({ server, behind, storeAsked });
      },
    });
  });

  it('is open where nobody knows of anchors', () => {
    expect(new AppendGate(pino({ level: 'silent' })).admit('main')).toBeUndefined();
  });

  it('looks once for all ledgers and all who wait, and then not at all', async () => {
    await gate.meet(connectionTo(server));
    await Promise.all([gate.admit('main'), gate.admit('desk-1'), gate.admit('main')]);
    expect(gate.admit('main')).toBeUndefined();
    await gate.meet(connectionTo(server));
    expect(gate.admit('desk-2')).toBeUndefined();
    expect(checks).toBe(1);
  });

  it('looks again when a new connection shows another server or timeline', async () => {
    await gate.meet(connectionTo(server));
    await gate.admit('main');
    server = '1/00000002';
    behind.set('main', 'events 2 to 3 are missing');
    await gate.meet(connectionTo(server));
    await expect(gate.admit('main')).rejects.toThrow('events 2 to 3 are missing');
    expect(gate.admit('desk-1')).toBeUndefined();
    expect(checks).toBe(2);
    expect(gate.countBehind()).toBe(1);
  });

  it('looks again when somebody doubts', async () => {
    await gate.meet(connectionTo(server));
    await gate.admit('main');
    behind = new Map([['main', 'events 2 to 3 are missing']]);
    expect(gate.admit('main')).toBeUndefined();
    gate.doubt();
    await expect(gate.admit('main')).rejects.toThrow('events 2 to 3 are missing');
    expect(checks).toBe(2);
  });

  it('lets nothing go over a connection to another server than the one that was looked at', async () => {
    const [old, now] = [connectionTo(server), connectionTo('1/00000002')];
    await gate.meet(old);
    await gate.meet(now);
    await gate.admit('main'); // the look was at the old one
    expect([gate.isOfServer(old), gate.isOfServer(now)]).toEqual([true, false]);
    server = '1/00000002';
    await gate.meet(connectionTo(server));
    await gate.admit('main');
    expect([gate.isOfServer(old), gate.isOfServer(now)]).toEqual([false, true]);
    expect(checks).toBe(2);
  });

  it('does not look at a closed ledger with each append', async () => {
    behind.set('main', 'events 2 to 3 are missing');
    for (let i = 0; i < 3; i++) {
      await expect(gate.admit('main')).rejects.toMatchObject({ slug: 'ledger-behind-its-anchor' });
    }
    expect(checks).toBe(1);
  });

  it('tells of a check that failed, and makes another for the next append', async () => {
    let fails = true;
    gate.register({
      run: () => {
        checks += 1;
        if (fails) return Promise.reject(new Problem('anchors-unavailable', 'the store does not answer'));
        return Promise.resolve({ server, behind, storeAsked });
      },
    });
    await expect(gate.admit('main')).rejects.toMatchObject({ slug: 'anchors-unavailable' });
    fails = false;
    await gate.admit('main');
    expect(gate.admit('main')).toBeUndefined();
    expect(checks).toBe(2);
  });
});
