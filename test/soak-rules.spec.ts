import { join } from 'node:path';

interface Rise {
  series: string;
  rise: number | null;
  perHour: number | null;
  holds: boolean;
}
interface Rule {
  what: string;
  holds: boolean;
}
type Series = Record<string, (number | null)[]>;
interface Rules {
  judgeSeries: (series: Series, intervalSeconds: number, options?: { onlyCounts: boolean }) => Rise[];
  judgeFacts: (facts: Record<string, unknown>) => Rule[];
}

const INTERVALS = 20;
/** Up and down by a tenth, the same in every run. */
const noise = (i: number): number => Math.sin(i * 12.9898) * 0.1;
const along = (value: (i: number) => number): number[] => Array.from({ length: INTERVALS }, (_, i) => value(i));

/** A service that needs long to warm up and is steady then. */
const steady = (): Series => {
  const of = (level: number): number[] => along((i) => level * (1 + noise(i) / 2) + (i < 4 ? -level / 2 : 0));
  return {
    rss: of(400),
    heap: of(90),
    external: of(20),
    files: of(80),
    handles: of(46),
    threads: of(14),
    connections: of(15),
    postP50: of(10),
    postP99: of(80),
  };
};

describe('the rules of a soak', () => {
  let rules: Rules;
  beforeAll(async () => {
    const path = join(import.meta.dirname, '../scripts/soak-rules.mjs');
    rules = (await import(path)) as Rules;
  });
  const broken = (series: Series): string[] =>
    rules
      .judgeSeries(series, 60)
      .filter(({ holds }) => !holds)
      .map(({ series: name }) => name);

  it('take a service that warms up and then comes and goes', () => {
    expect(broken(steady())).toEqual([]);
  });

  it.each([
    ['memory', 'rss', 4],
    ['the heap', 'heap', 2],
    ['memory outside the heap', 'external', 1],
    ['files', 'files', 1],
    ['handles', 'handles', 1],
    ['threads', 'threads', 0.3],
    ['connections', 'connections', 1],
    ['the usual time of a POST', 'postP50', 2],
    ['the slowest POSTs', 'postP99', 8],
  ])('find %s that rises a little in every interval', (_, name, each) => {
    const series = steady();
    series[name] = series[name]!.map((value, i) => value! + each * i);
    expect(broken(series)).toEqual([name]);
  });

  it('leave memory and latencies out where a soak is too short for them', () => {
    const series = { ...steady(), rss: along((i) => 400 + 10 * i), files: along((i) => 80 + i) };
    const judged = rules.judgeSeries(series, 60, { onlyCounts: true });
    expect(judged.map(({ series: name }) => name)).toEqual(['files', 'handles', 'threads', 'connections']);
    expect(judged.filter(({ holds }) => !holds).map(({ series: name }) => name)).toEqual(['files']);
  });

  it('say by how much in an hour', () => {
    const rss = along((i) => 400 + 2 * i);
    const [rise] = rules.judgeSeries({ ...steady(), rss }, 60);
    expect(rise!.perHour).toBeCloseTo(120);
    expect(rise!.rise).toBeCloseTo(2 * (INTERVALS - 1 - INTERVALS / 4));
  });

  it('do not take one interval that is out of line for a rise, nor one rise that ends', () => {
    const series = steady();
    series.rss![INTERVALS - 1] = 900;
    series.postP99![INTERVALS - 2] = 4_000;
    expect(broken(series)).toEqual([]);
  });

  it('do not hold for a series that was not measured, or in too few intervals', () => {
    expect(broken({ ...steady(), heap: along(() => NaN) })).toEqual(['heap']);
    expect(broken({ ...steady(), files: steady().files!.slice(0, 7) })).toEqual(['files']);
  });

  const facts = {
    acknowledged: 100,
    size: 100,
    missing: 0,
    differing: 0,
    wrongRepeats: 0,
    unexpected: [],
    refusedShare: 0,
    neverAcknowledged: 0,
    kinds: { single: 80, batch: 1 },
    failedJobs: [],
    verdicts: [{ of: 'main', verdict: 'valid' }],
    archived: 100,
    waitingAtEnd: 0,
    neverGivenBack: 0,
    neverClosed: 0,
    dashboardFaults: [],
    logFaults: [],
    stoppedWith: 'code 0',
  };

  it('hold for a run in which nothing went wrong', () => {
    expect(rules.judgeFacts(facts).filter(({ holds }) => !holds)).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['an event that was acknowledged is missing', { missing: 1 }],
    ['an event is not what was acknowledged', { differing: 1 }],
    ['the ledger has an event that nobody was told of', { size: 101, archived: 101 }],
    ['an event was never acknowledged', { neverAcknowledged: 1 }],
    ['a repeat got another receipt', { wrongRepeats: 1 }],
    ['an answer was none of the interface', { unexpected: ['GET /: 500'] }],
    ['many requests were to be sent again', { refusedShare: 0.01 }],
    ['a kind of request was never made', { kinds: { single: 80, batch: 0 } }],
    ['a job failed', { failedJobs: ['retention'] }],
    ['a ledger is not valid', { verdicts: [{ of: 'main', verdict: 'undecided' }] }],
    ['nothing was verified', { verdicts: [] }],
    ['events are not archived', { archived: 99 }],
    ['a transaction was left open', { waitingAtEnd: 1 }],
    ['a connection was not given back', { neverGivenBack: 1 }],
    ['connections of the pool were not counted', { neverGivenBack: NaN }],
    ['connections of clients that are gone are open', { neverClosed: 3 }],
    ['connections to the API were not counted', { neverClosed: NaN }],
    ['a panel of the dashboard has no data', { dashboardFaults: ['FAILED Disk left: nothing'] }],
    ['the log has an error', { logFaults: ['a job failed'] }],
    ['the service did not end as it should', { stoppedWith: 'the service ended with SIGKILL' }],
  ])('do not hold when %s', (_, change) => {
    expect(rules.judgeFacts({ ...facts, ...change }).filter(({ holds }) => !holds)).toHaveLength(1);
  });
});
