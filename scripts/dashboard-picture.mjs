// Where there is no Grafana at hand: asks a Prometheus every query of the chart's dashboard, says which panels have no data,
// and draws the rest as an HTML page with SVG, to be looked at in a browser. `npm run soak -- --dashboard FILE` does it with
// a Prometheus of its own; by hand:
//   node scripts/dashboard-picture.mjs http://127.0.0.1:9090 page.html [--minutes 30] [--rate-interval 2m]
// The series need the labels that the chart's ServiceMonitor gives them: namespace="truetrail", job="truetrail-metrics", and pod.
// It draws what the panels say (unit, mappings, legend, thresholds), not as Grafana does: it shows what is empty, unreadable or
// in the wrong unit. Ends with 1 when a query is refused, or when a panel has no data and does not say by its `noValue` that
// it may have none.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './install.mjs';

const COLUMN = 60;
const ROW = 34;
const POINTS = 150;
const COLOURS = ['#7eb26d', '#eab839', '#6ed0e0', '#ef843c', '#e24d42', '#1f78c1', '#ba43a9', '#705da0'];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '30' },
    // Grafana's, for a scrape interval of 30 s
    'rate-interval': { type: 'string', default: '2m' },
  },
});
const [prometheus, file] = positionals;
if (file === undefined)
  throw new Error('usage: node scripts/dashboard-picture.mjs PROMETHEUS_URL FILE [--minutes N] [--rate-interval T]');
const end = Math.floor(Date.now() / 1000);
const start = end - Number(values.minutes) * 60;
const step = Math.max(Math.ceil((end - start) / POINTS), 1);

const { panels } = JSON.parse(readFileSync(join(root, 'helm/truetrail/files/dashboard.json'), 'utf8'));
const drawn = [];
for (const panel of panels) drawn.push(panel.type === 'row' ? drawRow(panel) : await drawPanel(panel));
const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW;
const style = `body{margin:0;background:#111217;font:12px sans-serif}div{position:absolute;box-sizing:border-box;color:#ccccdc;overflow:hidden}
.panel{background:#181b1f;border:1px solid #2c3235;padding:6px}.title{position:static;font-weight:bold;margin-bottom:2px}.value{position:static;font-size:28px;text-align:center;padding-top:14px}`;
writeFileSync(
  file,
  `<!doctype html><meta charset="utf-8"><style>${style}</style><body style="height:${height}px">${drawn.join('\n')}`,
);

/** [{name, points: [[time, value]]}] of a target, at least one point each. */
async function ask({ expr, legendFormat = '' }) {
  const query = expr.replaceAll('$__rate_interval', values['rate-interval']);
  const body = new URLSearchParams({ query, start, end, step });
  const answer = await (await fetch(`${prometheus}/api/v1/query_range`, { method: 'POST', body })).json();
  if (answer.status !== 'success') {
    console.error(`refused: ${answer.error}: ${query}`);
    process.exitCode = 1;
    return [];
  }
  return answer.data.result.map(({ metric, values: points }) => ({
    name: legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? ''),
    points: points.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  }));
}

function drawRow({ title, gridPos }) {
  return `<div style="${place(gridPos)};font-size:16px;padding:8px">${escaped(title)}</div>`;
}

async function drawPanel(panel) {
  const answers = [];
  for (const target of panel.targets) answers.push(await ask(target));
  const series = answers.flat().filter(({ points }) => points.length > 0);
  const empty = answers.filter((answer) => !answer.some(({ points }) => points.length > 0)).length;
  const last = series.map(({ name, points }) => `${name || '?'} ${shown(panel, points.at(-1)[1])}`).slice(0, 6);
  const isMissing = series.length === 0 && panel.fieldConfig.defaults.noValue === undefined;
  if (isMissing) process.exitCode = 1;
  console.log(
    `${isMissing ? 'FAILED' : empty === 0 ? 'ok    ' : 'EMPTY '} ${panel.title}: ${last.join(', ') || 'nothing'}${empty ? ` (${empty} of ${answers.length} queries without data)` : ''}`,
  );
  const draw = { stat: drawStat, bargauge: drawBars }[panel.type] ?? drawLines;
  const inner = series.length === 0 ? drawNothing(panel) : draw(panel, series);
  return `<div class="panel" style="${place(panel.gridPos)}"><div class="title">${escaped(panel.title)}</div>${inner}</div>`;
}

function drawNothing({ fieldConfig: { defaults } }) {
  return `<div class="value" style="color:#888;font-size:16px">${escaped(defaults.noValue ?? 'No data')}</div>`;
}

function drawBars(panel, series) {
  const last = series.map(({ name, points }) => [name, points.at(-1)[1]]);
  const most = Math.max(...last.map(([, value]) => value), 1e-9);
  const bar = panel.gridPos.w * COLUMN - 300;
  return last
    .map(
      ([name, value]) =>
        `<p style="margin:3px 0;height:18px"><span style="display:inline-block;width:190px">${escaped(name)}</span><span style="display:inline-block;height:12px;background:${colour(panel, value)};width:${(value / most) * bar}px"></span> ${escaped(shown(panel, value))}</p>`,
    )
    .join('');
}

function drawStat(panel, series) {
  return series
    .map(({ name, points }) => {
      const value = points.at(-1)[1];
      const label = series.length > 1 ? `<span style="font-size:12px">${escaped(name)} </span>` : '';
      return `<div class="value" style="color:${colour(panel, value)}">${label}${escaped(shown(panel, value))}</div>`;
    })
    .join('');
}

function drawLines(panel, series) {
  const [width, height] = [panel.gridPos.w * COLUMN - 90, panel.gridPos.h * ROW - 80];
  const all = series.flatMap(({ points }) => points.map(([, value]) => value));
  const low = Math.min(panel.fieldConfig.defaults.min ?? Infinity, ...all);
  const top = Math.max(...all);
  const high = top > low ? top : low + (Math.abs(low) || 1);
  const x = (time) => 60 + ((time - start) / (end - start)) * width;
  const y = (value) => 8 + height - ((value - low) / (high - low)) * height;
  const axis = [low, (low + high) / 2, high].map(
    (value) =>
      `<line x1="60" x2="${60 + width}" y1="${y(value)}" y2="${y(value)}" stroke="#2c3235"/><text x="56" y="${y(value) + 4}" fill="#999" text-anchor="end">${escaped(shown(panel, value))}</text>`,
  );
  const lines = series.map(
    ({ points }, index) =>
      `<polyline fill="none" stroke="${COLOURS[index % COLOURS.length]}" points="${points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"/>`,
  );
  const legend = series.map(
    ({ name }, index) => `<span style="color:${COLOURS[index % COLOURS.length]}">— ${escaped(name)} </span>`,
  );
  return `<svg width="${width + 66}" height="${height + 16}" font-size="11">${axis.join('')}${lines.join('')}</svg><br>${legend.join('')}`;
}

/** A value as the panel's mappings and unit have it. */
function shown({ fieldConfig: { defaults } }, value) {
  const mapped = defaults.mappings?.find(({ type }) => type === 'value')?.options[String(value)]?.text;
  if (mapped !== undefined) return mapped;
  const { unit } = defaults;
  if (unit === 's') {
    const size = Math.abs(value);
    if (size !== 0 && size < 1e-3) return `${digits(value * 1e6)} µs`;
    if (size !== 0 && size < 1) return `${digits(value * 1e3)} ms`;
    for (const [seconds, name] of [
      [86_400 * 365, 'years'],
      [86_400 * 7, 'weeks'],
      [86_400, 'days'],
      [3_600, 'hours'],
      [60, 'mins'],
    ]) {
      if (size >= seconds) return `${digits(value / seconds)} ${name}`;
    }
    return `${digits(value)} s`;
  }
  if (unit === 'bytes') return `${digits(value / 2 ** 20)} MiB`;
  if (unit === 'percentunit') return `${digits(value * 100)} %`;
  return `${digits(value)}${{ eps: ' evt/s', reqps: ' req/s' }[unit] ?? (unit?.startsWith('suffix:') ? unit.slice(7) : '')}`;
}

function digits(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

/** That of the last threshold that the value reaches. */
function colour({ fieldConfig: { defaults } }, value) {
  const steps = defaults.thresholds?.steps ?? [{ color: '#7eb26d', value: null }];
  return steps.filter(({ value: from }) => from === null || value >= from).at(-1).color;
}

function place({ x, y, w, h }) {
  return `left:${x * COLUMN}px;top:${y * ROW}px;width:${w * COLUMN - 6}px;height:${h * ROW - 6}px`;
}

function escaped(text) {
  return String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
