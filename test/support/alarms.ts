import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RULES = join(import.meta.dirname, '../../helm/truetrail/files/alerts.yaml');
/** What the chart's rules select. */
const TARGET = 'namespace="truetrail",job="truetrail-metrics"';
const HAS_PROMTOOL = spawnSync('promtool', ['--version']).status === 0;
const SCRAPE_TIMEOUT_MS = 10_000;
/** Of an archive in a folder, which locks nothing, from the start on; of the disk of the machine that tests run on. */
const OF_FOLDERS = 'TruetrailArchiveStoreFault|TruetrailDiskFull';

/** A family's one reading in Prometheus' text format. */
const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;

/**
 * What Prometheus would have scraped of replicas during a failure, and which of the chart's alarms would have fired. Each
 * `scrape` stands for one of the minute: a failure that the test holds up for twenty scrapes is one of twenty minutes.
 * Ratios, quantiles and states are what they would be; ages are as old as the test, unless it moves the trail's clock.
 */
export class Alarms {
  private readonly series = new Map<string, string[]>();
  private minutes = 0;

  /** Metrics by pod: the addresses of /metrics, without a key; how long a scrape waits, ms. */
  constructor(
    private readonly pods: Record<string, string>,
    private readonly timeoutMs = SCRAPE_TIMEOUT_MS,
  ) {}

  async scrape(times = 1, between: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    for (let i = 0; i < times; i++) {
      await Promise.all(Object.entries(this.pods).map(([pod, url]) => this.scrapeOne(pod, url)));
      this.minutes += 1;
      for (const values of this.series.values()) {
        if (values.length < this.minutes)
          values.push(values.at(-1) === '_' || values.at(-1) === 'stale' ? '_' : 'stale');
      }
      await between();
    }
  }

  /**
   * Fails unless each of these alarms fired at some time, and no other did but those in `maybe`. Without promtool the
   * question is said to be skipped.
   */
  expectFired(name: string, fired: readonly string[], { maybe = [] }: { maybe?: readonly string[] } = {}): void {
    const asked = (selector: string): string =>
      `group by (alertname) (last_over_time(ALERTS{alertstate="firing",${selector}}[10h]))`;
    const eval_time = `${this.minutes - 1}m`;
    const test = {
      rule_files: ['rules.yaml'],
      evaluation_interval: '1m',
      tests: [
        {
          name,
          interval: '1m',
          input_series: [...this.series].map(([series, values]) => ({ series, values: values.join(' ') })),
          promql_expr_test: [
            {
              expr: asked(`alertname=~"${fired.join('|') || 'none'}"`),
              eval_time,
              exp_samples: fired.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
            },
            { expr: asked(`alertname!~"${[...fired, ...maybe, OF_FOLDERS].join('|')}"`), eval_time, exp_samples: [] },
          ],
        },
      ],
    };
    if (!HAS_PROMTOOL) {
      process.stderr.write(`skipped: the alarms of "${name}" (no promtool)\n`);
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-alarms-'));
    const file = join(folder, 'alarms.json');
    writeFileSync(file, JSON.stringify(test));
    // there are to be as many replicas as the test has
    const replicas = `count(up{${TARGET}}) <`;
    const rules = readFileSync(RULES, 'utf8').replace(`${replicas} 3`, `${replicas} ${Object.keys(this.pods).length}`);
    writeFileSync(join(folder, 'rules.yaml'), rules);
    try {
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`the alarms of "${name}":\n${stdout}${stderr}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  private async scrapeOne(pod: string, url: string): Promise<void> {
    let text: string | undefined;
    const signal = AbortSignal.timeout(this.timeoutMs); // throws for what is no whole number
    try {
      const answer = await fetch(url, { signal });
      if (answer.status === 200) text = await answer.text();
    } catch {
      // `up` says so
    }
    this.add(`up{${TARGET},pod="${pod}"}`, text === undefined ? '0' : '1');
    for (const line of text?.split('\n') ?? []) {
      const [, name, labels, value] = LINE.exec(line) ?? [];
      if (name === undefined || !name.startsWith('truetrail_') || !/^[-+.\de]+$/.test(value!)) continue;
      const own = (labels ?? '').replaceAll(/(^|,)job="/g, '$1exported_job="');
      this.add(`${name}{${TARGET},pod="${pod}"${own === '' ? '' : `,${own}`}}`, Number(value).toFixed(6));
    }
  }

  private add(series: string, value: string): void {
    const values = this.series.get(series) ?? Array.from({ length: this.minutes }, () => '_');
    values.push(value);
    this.series.set(series, values);
  }
}
