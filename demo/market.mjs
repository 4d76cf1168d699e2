import { Random } from './random.mjs';

/** Times within the day are whole nanoseconds since its midnight in UTC: a double holds them exactly. */
export const SECOND = 1e9;
export const MINUTE = 60 * SECOND;

/**
 * @typedef {object} Venue
 * @property {string} mic
 * @property {'eu' | 'us'} region
 * @property {string} zone
 * @property {string} opens local time
 * @property {string} closes
 * @property {string} currency
 * @property {number} lot
 */

/** @type {Record<string, Venue>} */
export const VENUES = Object.fromEntries(
  [
    ['XETR', 'eu', 'Europe/Berlin', '09:00', '17:30', 'EUR', 10],
    ['XPAR', 'eu', 'Europe/Paris', '09:00', '17:30', 'EUR', 10],
    ['XAMS', 'eu', 'Europe/Amsterdam', '09:00', '17:30', 'EUR', 10],
    ['XMIL', 'eu', 'Europe/Rome', '09:00', '17:30', 'EUR', 50],
    ['XSWX', 'eu', 'Europe/Zurich', '09:00', '17:20', 'CHF', 10],
    ['XLON', 'eu', 'Europe/London', '08:00', '16:30', 'GBP', 50],
    ['XNAS', 'us', 'America/New_York', '09:30', '16:00', 'USD', 100],
    ['XNYS', 'us', 'America/New_York', '09:30', '16:00', 'USD', 100],
  ].map(([mic, region, zone, opens, closes, currency, lot]) => [
    mic,
    /** @type {Venue} */ ({ mic, region, zone, opens, closes, currency, lot }),
  ]),
);

/**
 * @typedef {object} Instrument
 * @property {string} symbol
 * @property {string} isin
 * @property {Venue} venue
 * @property {number} open at the open, in units of `decimals`
 * @property {number} tick in the same units
 * @property {number} decimals
 */

/**
 * Symbol, ISIN, venue, price at the open, tick. Prices are in the major unit, pounds and not pence.
 * @type {readonly Instrument[]}
 */
export const INSTRUMENTS = `
  SAP  DE0007164600 XETR 243.15  0.05
  SIE  DE0007236101 XETR 228.40  0.05
  ALV  DE0008404005 XETR 351.20  0.1
  DTE  DE0005557508 XETR 31.46   0.01
  BMW  DE0005190003 XETR 84.92   0.02
  MC   FR0000121014 XPAR 512.60  0.1
  TTE  FR0000120271 XPAR 54.31   0.01
  BNP  FR0000131104 XPAR 78.88   0.02
  AIR  NL0000235190 XPAR 181.36  0.02
  ASML NL0010273215 XAMS 668.90  0.1
  INGA NL0011821202 XAMS 19.274  0.002
  ENI  IT0003132476 XMIL 14.048  0.002
  ISP  IT0000072618 XMIL 4.8615  0.0005
  NESN CH0038863350 XSWX 84.36   0.02
  ROG  CH0012032048 XSWX 268.30  0.1
  AZN  GB0009895292 XLON 104.62  0.02
  HSBA GB0005405286 XLON 8.792   0.001
  SHEL GB00BP6MXD84 XLON 25.745  0.005
  VOD  GB00BH4HKS39 XLON 0.7654  0.0002
  AAPL US0378331005 XNAS 203.27  0.01
  MSFT US5949181045 XNAS 462.97  0.01
  NVDA US67066G1040 XNAS 141.22  0.01
  AMZN US0231351067 XNAS 206.65  0.01
  JPM  US46625H1005 XNYS 264.95  0.01
  XOM  US30231G1022 XNYS 103.58  0.01
  KO   US1912161007 XNYS 71.61   0.01
`
  .trim()
  .split('\n')
  .map((line) => {
    const [symbol, isin, mic, open, tick] = /** @type {[string, string, string, string, string]} */ (
      line.trim().split(/\s+/)
    );
    const decimals = Math.max(open.split('.')[1]?.length ?? 0, tick.split('.')[1]?.length ?? 0);
    const units = (/** @type {string} */ text) => Math.round(Number(text) * 10 ** decimals);
    return {
      symbol,
      isin,
      venue: /** @type {Venue} */ (VENUES[mic]),
      open: units(open),
      tick: units(tick),
      decimals,
    };
  });

/** A price in ticks as a decimal. @param {Instrument} instrument @param {number} ticks */
export function priceText({ tick, decimals }, ticks) {
  const digits = String(ticks * tick).padStart(decimals + 1, '0');
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

const STEP = 5 * SECOND;
/** Deviation of a price over a day, as a part of it. */
const DAILY_DEVIATION = 0.012;

/** What every instrument cost at every moment of one day. */
export class Market {
  /** @type {Map<Instrument, {opens: number, closes: number, ticks: number[]}>} */
  #sessions = new Map();

  /** @param {string} date @param {string} name names the day's course: the same name, the same prices */
  constructor(date, name) {
    for (const instrument of INSTRUMENTS) {
      const { zone, opens: from, closes: to } = instrument.venue;
      const opens = utcOf(date, from, zone);
      const closes = utcOf(date, to, zone);
      const steps = (closes - opens) / STEP;
      const random = new Random(`${name}/${instrument.isin}`);
      let ticks = instrument.open / instrument.tick;
      const deviation = (ticks * DAILY_DEVIATION) / Math.sqrt(steps);
      const course = [];
      for (let step = 0; step < steps; step++) {
        course.push(Math.max(1, Math.round(ticks)));
        ticks += random.normal() * deviation;
      }
      this.#sessions.set(instrument, { opens, closes, ticks: course });
    }
  }

  /** When its venue opens and closes. @param {Instrument} instrument */
  session(instrument) {
    const session = this.#sessions.get(instrument);
    if (session === undefined) throw new Error(`no market for ${instrument.symbol}`);
    return session;
  }

  /** The middle of the book, in ticks. @param {Instrument} instrument @param {number} time */
  ticksAt(instrument, time) {
    const { opens, ticks } = this.session(instrument);
    const step = Math.floor((time - opens) / STEP);
    return /** @type {number} */ (ticks[Math.min(Math.max(step, 0), ticks.length - 1)]);
  }

  /**
   * When the market first trades through a limit, from `time` on; undefined if it does not before the close.
   * @param {Instrument} instrument
   * @param {'buy' | 'sell'} side
   * @param {number} limit in ticks
   * @param {number} time
   */
  firstTouch(instrument, side, limit, time) {
    const { opens, ticks } = this.session(instrument);
    const first = Math.floor((time - opens) / STEP) + 1;
    for (let step = first; step < ticks.length; step++) {
      const price = /** @type {number} */ (ticks[step]);
      if (side === 'buy' ? price <= limit : price >= limit) return opens + step * STEP;
    }
    return undefined;
  }
}

/** A local time of the day as time since its midnight in UTC. @param {string} date @param {string} time @param {string} zone */
function utcOf(date, time, zone) {
  const noon = new Date(`${date}T12:00:00Z`);
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(noon);
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(offset) ?? [];
  const behind = (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
  const [hour, minute] = time.split(':').map(Number);
  return (Number(hour) * 60 + Number(minute) - behind) * MINUTE;
}
