// The results of a soak as a table to read.

const number = (value, digits = 1) => (value === null || !Number.isFinite(value) ? '–' : value.toFixed(digits));

/** Writes the results to standard output. */
export function printTable({
  command,
  begunAt,
  minutes,
  rate,
  intervalSeconds,
  machine,
  holds,
  rises,
  rules,
  series,
  requests,
}) {
  const lines = [
    `${command}`,
    `begun ${begunAt}, ${minutes} minutes, ${rate} events a second; ${machine.processors} processors, Node ${machine.node}, archive: ${machine.archive}`,
    `${requests} requests; an interval is ${intervalSeconds} s`,
    '',
    row([
      'interval',
      'RSS MB',
      'heap MB',
      'external',
      'files',
      'handles',
      'threads',
      'sessions',
      'pooled',
      'POSTs',
      'p50 ms',
      'p99 ms',
      'max ms',
      'lag ms',
    ]),
    ...series.rss.map((_, i) =>
      row([
        String(i + 1),
        number(series.rss[i]),
        number(series.heap[i]),
        number(series.external[i]),
        number(series.files[i], 0),
        number(series.handles[i], 0),
        number(series.threads[i], 0),
        number(series.connections[i], 0),
        number(series.pooled[i], 0),
        String(series.posts[i]),
        number(series.postP50[i], 2),
        number(series.postP99[i]),
        number(series.postMax[i]),
        number(series.lag[i]),
      ]),
    ),
    '',
    ...rises.map(
      ({ series: name, unit, first, last, rise, perHour, bound, holds: held }) =>
        `${mark(held)} ${name.padEnd(12)} ${number(first)} → ${number(last)} ${unit}: ${rise >= 0 ? '+' : ''}${number(rise)} of at most ${number(bound)}, ${number(perHour)} an hour`,
    ),
    ...rules.map(({ what, holds: held, detail }) => `${mark(held)} ${what}: ${detail}`),
    '',
    holds ? 'the soak holds' : 'the soak does NOT hold',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const mark = (holds) => (holds ? 'ok    ' : 'FAILED');
const row = (cells) => cells.map((cell) => cell.padStart(9)).join('');
