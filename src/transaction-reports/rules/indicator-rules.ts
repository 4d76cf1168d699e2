import { isCodeOn, OF_EQUITY, OF_POST_TRADE_NOT_OF_EQUITY, OF_WAIVERS_NOT_OF_EQUITY } from './code-lists.js';
import { classification, isDebt, isEquityLike, isOnCommodities, isOwner, venueKind } from './facts.js';
import { forbiddenRule, has, requiredRule, rule, valueRule, type Judged, type Rule } from './rule.js';

/** 61 to 65: waivers, short selling, post-trade indicators, commodity derivatives, securities financing. */
export const INDICATOR_RULES: readonly Rule[] = [
  valueRule('TR-061-1', 61, 'A waiver must be RFPT, NLIQ, OILQ, PRIC, SIZE or ILQD.', isCode(61)),
  rule('TR-061-2', [61], 'Each waiver must be given once.', ({ report }) => hasTwice(report.waivers)),
  rule(
    'TR-061-3',
    [61],
    'Waivers for equity (RFPT, NLIQ, OILQ, PRIC) must not stand with those for others (SIZE, ILQD).',
    ({ report: { waivers } }) =>
      waivers.some((code) => OF_EQUITY.has(code)) && waivers.some((code) => OF_WAIVERS_NOT_OF_EQUITY.has(code)),
  ),
  rule(
    'TR-061-4',
    [61, 43],
    'The waivers must be those for the kind of instrument: for equity RFPT, NLIQ, OILQ, PRIC, for others SIZE, ILQD.',
    (judged) => {
      const cfi = classification(judged);
      if (cfi === undefined) return false;
      const others = isEquityLike(cfi) ? OF_WAIVERS_NOT_OF_EQUITY : OF_EQUITY;
      return judged.report.waivers.some((code) => others.has(code));
    },
  ),
  forbiddenRule(
    'TR-061-5',
    [61, 36],
    'A waiver must be given of executions on a trading venue alone.',
    (judged) => !['trading-venue', 'unknown'].includes(venueKind(judged)),
  ),
  requiredRule(
    'TR-003-4',
    [3, 61, 36],
    'The trading venue transaction identification code must be given of an execution under a waiver.',
    ({ report }) => has(61, report),
  ),
  valueRule('TR-062-1', 62, 'The short selling indicator must be SESH, SSEX, SELL or UNDI.', isCode(62)),
  forbiddenRule(
    'TR-062-2',
    [62, 16],
    'A short selling indicator must be given only where the seller is the firm or its client, and not a venue.',
    ({ report }) => report.seller.owners.some(({ id }) => id.is === 'venue'),
  ),
  forbiddenRule(
    'TR-062-3',
    [62, 41, 43],
    'A short selling indicator must be given of shares and sovereign debt alone, which Regulation (EU) No 236/2012 is on.',
    (judged) => {
      const cfi = classification(judged);
      return cfi !== undefined && !cfi.startsWith('E') && !isDebt(cfi);
    },
  ),
  rule(
    'TR-062-4',
    [62, 16, 29],
    'SSEX must be given only where the firm sells on own account, as a market maker or primary dealer.',
    ({ report }) => report.shortSelling === 'SSEX' && (report.tradingCapacity !== 'DEAL' || !isOwner('seller', report)),
  ),
  rule(
    'TR-062-5',
    [62, 16],
    'UNDI must be given only of a client who does not say: the firm knows of itself.',
    ({ report }) => report.shortSelling === 'UNDI' && isOwner('seller', report),
  ),
  valueRule('TR-063-1', 63, 'An OTC post-trade indicator must be one of those that field 63 lists.', isCode(63)),
  rule('TR-063-2', [63], 'Each OTC post-trade indicator must be given once.', ({ report }) =>
    hasTwice(report.postTradeIndicators),
  ),
  rule(
    'TR-063-3',
    [63],
    'Indicators for equity (SDIV, RPRI, DUPL, TNCP) must not stand with those for others (TPAC, XFPH).',
    ({ report: { postTradeIndicators: codes } }) =>
      codes.some((code) => OF_EQUITY.has(code)) && codes.some((code) => OF_POST_TRADE_NOT_OF_EQUITY.has(code)),
  ),
  rule(
    'TR-063-4',
    [63, 43],
    'The indicators must be those for the kind of instrument: SDIV, RPRI, DUPL, TNCP for equity, TPAC, XFPH for others.',
    (judged) => {
      const cfi = classification(judged);
      if (cfi === undefined) return false;
      const others = isEquityLike(cfi) ? OF_POST_TRADE_NOT_OF_EQUITY : OF_EQUITY;
      return judged.report.postTradeIndicators.some((code) => others.has(code));
    },
  ),
  forbiddenRule(
    'TR-063-5',
    [63, 36, 3],
    'An OTC post-trade indicator must be given only where the transaction is not on a trading venue.',
    (judged) => venueKind(judged) === 'trading-venue' || has(3, judged.report),
  ),
  forbiddenRule(
    'TR-064-1',
    [64, 41, 43],
    'Whether risk is reduced must be given of commodity derivatives alone.',
    (judged) => {
      const cfi = classification(judged);
      return cfi !== undefined && !isOnCommodities(cfi);
    },
  ),
  requiredRule(
    'TR-064-2',
    [64, 41, 43],
    'Whether risk is reduced must be given of commodity derivatives.',
    (judged) => {
      const cfi = classification(judged);
      return cfi !== undefined && isOnCommodities(cfi);
    },
  ),
  requiredRule('TR-065-1', [65], 'Whether it is a securities financing transaction must be given.'),
];

function hasTwice(codes: readonly string[]): boolean {
  return new Set(codes).size !== codes.length;
}

function isCode(field: number) {
  return (text: string, _: string, { day }: Judged): boolean => isCodeOn(field, text, day);
}
