import { jest } from '@jest/globals';
import { pino } from 'pino';
import { Metrics } from './metrics.js';

describe('a gauge that cannot be read', () => {
  let now = 1_000_000;
  beforeEach(() => jest.spyOn(performance, 'now').mockImplementation(() => now));
  afterEach(() => jest.restoreAllMocks());

  const linesOf = async (metrics: Metrics): Promise<string[]> => {
    await metrics.render(); // the next scrape says what this one could not read
    const text = await metrics.render();
    return text.split('\n').filter((line) => /^truetrail_(example|metric_stale_seconds)\b/.test(line));
  };

  it('has its last values for five minutes, and is told of for as long as it has none', async () => {
    const metrics = new Metrics(pino({ level: 'silent' }));
    let read = (): { value: number }[] => [{ value: 7 }];
    metrics.gauge('truetrail_example', 'An example', [], () => read());
    expect(await linesOf(metrics)).toEqual(['truetrail_example 7']);
    read = () => {
      throw new Error('permission denied');
    };
    now += 60_000;
    const stale = 'truetrail_metric_stale_seconds{metric="truetrail_example"}';
    expect((await linesOf(metrics)).sort()).toEqual(['truetrail_example 7', `${stale} 60`]);
    now += 86_400_000;
    expect(await linesOf(metrics)).toEqual([`${stale} 86460`]);
    read = () => [{ value: 8 }];
    expect(await linesOf(metrics)).toEqual(['truetrail_example 8']);
  });

  it('is told of from the first scrape on where it never could be read', async () => {
    const metrics = new Metrics(pino({ level: 'silent' }));
    metrics.gauge('truetrail_example', 'An example', [], () => Promise.reject(new Error('no such column')));
    await linesOf(metrics);
    now += 600_000;
    expect(await linesOf(metrics)).toEqual(['truetrail_metric_stale_seconds{metric="truetrail_example"} 600']);
  });
});
