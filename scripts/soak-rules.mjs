// What a soak must show, as pure functions of what was measured: see docs/soak.md.

/**
 * What may rise, from the end of the warm-up to the end of the load: by `most` and by this part of what it was. Rises are
 * those of a straight line through the values of all intervals (Theil and Sen), so one interval that is out of line, such
 * as that of a large report, changes nothing.
 *
 * Memory: what V8 has not collected yet, and what the allocator keeps, come and go by some tens of MB. Handles, threads and
 * connections (without the pool's and the clients', which are as many as were once wanted at a time): workers that have just begun or not yet
 * ended. Latencies: what sends and PostgreSQL share the processors with
 * the service, and whatever else the machine does shows in them first.
 */
export const RISES = [
  { series: 'rss', unit: 'MB', most: 24, part: 0.05 },
  { series: 'heap', unit: 'MB', most: 10, part: 0.1 },
  { series: 'external', unit: 'MB', most: 10, part: 0.1 },
  { series: 'files', unit: '', most: 4, part: 0 },
  { series: 'handles', unit: '', most: 4, part: 0 },
  { series: 'threads', unit: '', most: 2, part: 0 },
  { series: 'connections', unit: '', most: 4, part: 0 },
  { series: 'postP50', unit: 'ms', most: 10, part: 0.25 },
  { series: 'postP99', unit: 'ms', most: 50, part: 0.5 },
];
/** Of the intervals, as too early to be judged: caches fill, the compiler is at work, pools open their connections. */
const WARM_UP = 1 / 4;
/** Fewer intervals after the warm-up make no line. */
const LEAST_INTERVALS = 6;

/**
 * Rises and verdicts of the series, each an array with a number an interval: `{ series, unit, first, last, rise, perHour,
 * bound, holds }`. `first` and `last` are the ends of the line; `perHour` is its slope. An interval without a value is null.
 * `onlyCounts` leaves memory and latencies out: in a minute or two caches still fill, and other work shows more than a leak.
 */
export function judgeSeries(series, intervalSeconds, { onlyCounts = false } = {}) {
  return RISES.filter(({ unit }) => !onlyCounts || unit === '').map(({ series: name, unit, most, part }) => {
    const all = series[name] ?? [];
    const from = Math.ceil(all.length * WARM_UP);
    const points = all.flatMap((value, i) => (i < from || !Number.isFinite(value) ? [] : [[i, value]]));
    if (points.length < LEAST_INTERVALS) {
      return { series: name, unit, first: null, last: null, rise: null, perHour: null, bound: null, holds: false };
    }
    const { slope, at } = lineThrough(points);
    const [first, last] = [at(points[0][0]), at(points.at(-1)[0])];
    const bound = most + part * first;
    const rise = last - first;
    return {
      series: name,
      unit,
      first,
      last,
      rise,
      perHour: (slope * 3600) / intervalSeconds,
      bound,
      holds: rise <= bound,
    };
  });
}

/** Theil and Sen: the median of the slopes between all two points, and the line with it through the middle of them. */
export function lineThrough(points) {
  const slopes = [];
  for (let i = 0; i < points.length; i++) {
    for (let j = i + 1; j < points.length; j++) {
      slopes.push((points[j][1] - points[i][1]) / (points[j][0] - points[i][0]));
    }
  }
  const slope = middle(slopes);
  const offset = middle(points.map(([x, y]) => y - slope * x));
  return { slope, at: (x) => offset + slope * x };
}

/** The median; of an even number the mean of the middle two. */
export function middle(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * What must hold besides the rises: `{ what, holds, detail }`. `facts` are those that the run found: see soak-run.mjs.
 */
export function judgeFacts(facts) {
  const { acknowledged, size, missing, differing, wrongRepeats, unexpected, refusedShare, neverAcknowledged } = facts;
  const {
    verdicts,
    failedJobs,
    stoppedWith,
    kinds,
    archived,
    logFaults,
    waitingAtEnd,
    neverGivenBack,
    neverClosed,
    dashboardFaults,
  } = facts;
  const rule = (what, holds, detail) => ({ what, holds, detail });
  const isEmpty = (list) => list.length === 0;
  return [
    rule(
      'everything acknowledged is in the ledger, as it was acknowledged',
      missing + differing === 0,
      `${acknowledged} acknowledged, ${missing} missing, ${differing} differing`,
    ),
    rule('nothing else is in it', size === acknowledged, `${size} events`),
    rule('everything sent was acknowledged in the end', neverAcknowledged === 0, `${neverAcknowledged} were not`),
    rule(
      'a repeat got the receipt of the first time',
      wrongRepeats === 0,
      `${kinds.repeat ?? 0} repeats, ${wrongRepeats} others`,
    ),
    rule(
      'every answer was one that the interface promises',
      isEmpty(unexpected),
      unexpected.slice(0, 5).join('; ') || 'no other',
    ),
    rule(
      'at most one request in a thousand was to be sent again (429, 503, 504)',
      refusedShare <= 0.001,
      `${(refusedShare * 100).toFixed(3)} %`,
    ),
    rule(
      'every kind of request was made',
      isEmpty(Object.keys(kinds).filter((kind) => kinds[kind] === 0)),
      Object.entries(kinds)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', '),
    ),
    rule('no job failed', isEmpty(failedJobs), failedJobs.slice(0, 5).join('; ') || 'none'),
    rule(
      'verification of ledgers, archive and anchors: valid',
      verdicts.length > 0 && verdicts.every(({ verdict }) => verdict === 'valid'),
      verdicts.map(({ of, verdict }) => `${of} ${verdict}`).join(', '),
    ),
    rule('everything is archived', archived === size, `${archived} of ${size}`),
    rule('no snapshot, lock or read was left behind', waitingAtEnd === 0, `${waitingAtEnd} sessions in a transaction`),
    rule('every connection was given back to its pool', neverGivenBack === 0, `${neverGivenBack} in use at the end`),
    rule('what clients closed is closed', neverClosed === 0, `${neverClosed} connections to the API are left`),
    // of a soak that a Prometheus looked at
    ...(dashboardFaults === undefined
      ? []
      : [
          rule(
            "every panel of the chart's dashboard has data, or may be without",
            isEmpty(dashboardFaults),
            dashboardFaults.join('; ') || 'none is refused or empty',
          ),
        ]),
    rule('the log has no error', isEmpty(logFaults), logFaults.slice(0, 3).join('; ') || 'none'),
    rule('the service ended by SIGTERM with code 0', stoppedWith === 'code 0', stoppedWith),
  ];
}
