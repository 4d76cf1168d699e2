const SOH = '\u0001';

/**
 * A FIX 4.4 execution report (35=8) with its length and checksum, as a venue sends it.
 * @param {{time: string, sequence: string, orderId: string, side: 'buy' | 'sell', execType: string, status: string,
 *   instrument: import('./market.mjs').Instrument, quantity: string, limit: string, filled: string, remaining: string,
 *   executionId?: string, text?: string, last?: {quantity: string, price: string}}} report
 */
export function executionReport(report) {
  const { instrument, last } = report;
  const time = report.time.replaceAll('-', '').replace('T', '-').replace('Z', '').slice(0, 24); // to the microsecond
  /** @type {[number, string | undefined][]} */
  const fields = [
    [35, '8'],
    [49, instrument.venue.mic],
    [56, 'TRUETRAILDEMO'],
    [34, report.sequence],
    [52, time],
    [37, `${instrument.venue.mic}-${report.orderId.slice(2)}`],
    [11, report.orderId],
    [17, report.executionId ?? `${report.orderId}-R`],
    [150, report.execType],
    [39, report.status],
    [55, instrument.symbol],
    [48, instrument.isin],
    [22, '4'],
    [54, report.side === 'buy' ? '1' : '2'],
    [38, report.quantity],
    [40, '2'],
    [44, report.limit],
    [59, '0'],
    [32, last?.quantity],
    [31, last?.price],
    [151, report.remaining],
    [14, report.filled],
    [60, time],
    [58, report.text],
  ];
  const body = fields
    .filter(([, value]) => value !== undefined)
    .map(([tag, value]) => `${tag}=${value}${SOH}`)
    .join('');
  const message = `8=FIX.4.4${SOH}9=${body.length}${SOH}${body}`;
  let sum = 0;
  for (const byte of Buffer.from(message, 'latin1')) sum += byte;
  return `${message}10=${String(sum % 256).padStart(3, '0')}${SOH}`;
}
