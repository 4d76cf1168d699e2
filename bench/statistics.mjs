/** The q-quantile (0 to 1) of numbers, by nearest rank: always one of them. NaN of none. */
export function percentile(samples, q) {
  if (samples.length === 0) return NaN;
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** What the JSON form keeps of a set of samples, in their own unit. */
export function summarize(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = (q) => round(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]);
  if (sorted.length === 0) return { count: 0 };
  const mean = sorted.reduce((sum, sample) => sum + sample, 0) / sorted.length;
  return {
    count: sorted.length,
    mean: round(mean),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  };
}

export function median(values) {
  return percentile(values, 0.5);
}

/** Four significant digits: more would be noise. */
export function round(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : null;
}
