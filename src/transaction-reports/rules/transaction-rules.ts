import { isCountry } from '../../identifiers/country.js';
import { isMicShaped } from '../../identifiers/mic.js';
import { parseDecimal } from '../../reports/decimal.js';
import { isCodeOn } from './code-lists.js';
import {
  classification,
  described,
  isDebt,
  isDerivative,
  isEquityLike,
  isOn,
  isOption,
  NOT_ADMITTED,
  OFF_VENUE,
  venueKind,
} from './facts.js';
import { isCurrencyOn, isPositiveDecimal, isPriceAt, isReference, isSignedDecimal, isTime } from './formats.js';
import { FIRST_DAY, forbiddenRule, has, requiredRule, rule, valueRule, type Judged, type Rule } from './rule.js';

/** 28 to 40, and 3: when, how much, at what price, where. */
export const TRANSACTION_RULES: readonly Rule[] = [
  requiredRule('TR-028-1', [28], 'The trading date time must be given.'),
  valueRule('TR-028-2', 28, 'The trading date time must be a time in UTC, with Z, to the second at least.', (text) =>
    isTime(text),
  ),
  valueRule(
    'TR-028-3',
    28,
    `The trading date time must be from ${FIRST_DAY} on, and not after the day on which the report is judged.`,
    (text, _, { context: { today } }) => !isTime(text) || (text >= FIRST_DAY && text.slice(0, 10) <= today),
  ),
  valueRule(
    'TR-028-4',
    28,
    'The trading date time of an execution on a trading venue must be as fine as its clock, finer than a second but for voice, human requests for quote and negotiation.',
    (text, _, judged) =>
      !isTime(text) ||
      text.includes('.') ||
      venueKind(judged) !== 'trading-venue' ||
      judged.context.isClockBySeconds === true,
    { severity: 'hint', others: [36] },
  ),
  requiredRule('TR-029-1', [29], 'The trading capacity must be given.'),
  valueRule('TR-029-2', 29, 'The trading capacity must be DEAL, MTCH or AOTC.', isCode(29)),
  rule(
    'TR-029-3',
    [29, 4, 7, 16],
    'In another capacity than on own account the executing entity is neither buyer nor seller: one report has the client and the other side.',
    ({ report }) =>
      ['AOTC', 'MTCH'].includes(report.tradingCapacity ?? '') &&
      [report.buyer, report.seller].some(({ owners }) =>
        owners.some(({ id }) => id.is === 'legal-entity' && id.lei === report.executingEntity),
      ),
    { severity: 'hint' },
  ),
  requiredRule('TR-030-1', [30], 'The quantity must be given.'),
  valueRule(
    'TR-030-2',
    30,
    'The quantity must be more than zero: of units up to 18 digits with 17 decimals, nominal or monetary up to 18 with 5.',
    (text, path) => isPositiveDecimal(text, 18, path.endsWith('/Unit') ? 17 : 5),
  ),
  rule(
    'TR-030-3',
    [30, 33, 43],
    'The quantity of a share or a unit of a fund must be in units.',
    (judged) =>
      is(judged, isEquityLike) && judged.report.quantity !== undefined && judged.report.quantity.is !== 'units',
  ),
  rule(
    'TR-030-4',
    [30, 33, 35, 43],
    'The quantity of a debt instrument whose price is in percent must be its nominal or monetary value.',
    (judged) =>
      is(judged, isDebt) && judged.report.quantity?.is === 'units' && judged.report.price?.is === 'percentage',
  ),
  rule(
    'TR-030-5',
    [30, 46, 43],
    'The quantity of a swap is its notional, nominal or monetary, unless the swap is traded in contracts.',
    (judged) =>
      is(judged, (cfi) => isOn(cfi, 'rates') && cfi.startsWith('S')) && judged.report.quantity?.is === 'units',
    { severity: 'hint' },
  ),
  rule(
    'TR-031-1',
    [31, 30],
    'The currency of a quantity that is nominal or monetary must be given.',
    ({ report }) => report.quantity !== undefined && report.quantity.is !== 'units' && !has(31, report),
  ),
  valueRule('TR-031-2', 31, 'The currency of the quantity must be one of ISO 4217 on the trade date.', isCurrency),
  rule(
    'TR-031-3',
    [31, 44, 45],
    'The currency of a nominal quantity must be a notional currency of the derivative.',
    ({ report }) => {
      const { quantity } = report;
      const instrument = described(report);
      const currencies = [instrument?.notionalCurrency, instrument?.otherNotionalCurrency?.currency];
      if (quantity?.is !== 'nominal' || quantity.currency === undefined) return false;
      return instrument?.notionalCurrency !== undefined && !currencies.includes(quantity.currency);
    },
    { severity: 'hint' },
  ),
  valueRule('TR-032-1', 32, 'The change of the notional must be INCR or DECR.', isCode(32)),
  forbiddenRule('TR-032-2', [32, 43], 'A change of the notional must be given of derivatives alone.', (judged) =>
    isNot(judged, isDerivative),
  ),
  requiredRule('TR-033-1', [33], 'The price must be given, also as pending (PNDG) or not applicable (NOAP).'),
  valueRule(
    'TR-033-2',
    33,
    'The price must have up to 18 digits with 13 decimals in money, 11 with 10 in percent or yield, 18 with 17 in basis points.',
    (text, path) => isPriceAt(path, text),
  ),
  rule(
    'TR-033-3',
    [33, 43],
    'The price of a share or a unit of a fund must be money, more than zero, pending or not applicable.',
    (judged) => {
      const { price } = judged.report;
      if (!price || !is(judged, isEquityLike)) return false;
      return 'value' in price || (price.is === 'money' && (parseDecimal(price.amount)?.unscaled ?? 1n) <= 0n);
    },
  ),
  rule(
    'TR-033-4',
    [33, 43],
    'The price of a credit default swap is its coupon, in basis points.',
    (judged) =>
      is(judged, (cfi) => cfi.startsWith('S') && isOn(cfi, 'credit')) &&
      ['money', 'percentage', 'yield'].includes(judged.report.price?.is ?? ''),
    { severity: 'hint' },
  ),
  rule(
    'TR-034-1',
    [34, 33],
    'The currency of a price in money must be given.',
    ({ report }) => report.price?.is === 'money' && !has(34, report),
  ),
  valueRule(
    'TR-034-2',
    34,
    'The currency of the price must be one of ISO 4217 on the trade date, the major unit (GBP and not GBX).',
    isCurrency,
  ),
  rule(
    'TR-034-3',
    [34, 33, 43, 44, 45],
    'The price of a swap or forward on currencies is an amount of one of them for one of the other: in a notional currency.',
    ({ report: { instrument, price } }) => {
      if (instrument?.is !== 'described' || price?.is !== 'money' || price.currency === undefined) return false;
      const { classification: cfi = '', notionalCurrency: one, otherNotionalCurrency: other } = instrument;
      if (isOption(cfi) || !isOn(cfi, 'currencies') || one === undefined || other === undefined) return false;
      return price.currency !== one && price.currency !== other.currency;
    },
    { severity: 'hint' },
  ),
  valueRule(
    'TR-035-1',
    35,
    'The net amount must have up to 18 digits with 5 decimals, and no sign.',
    (text) => isSignedDecimal(text, 18, 5) && !text.startsWith('-'),
  ),
  forbiddenRule('TR-035-2', [35, 43], 'A net amount must be given of debt instruments alone.', (judged) =>
    isNot(judged, isDebt),
  ),
  requiredRule(
    'TR-035-3',
    [35, 43],
    'The net amount of a debt instrument must be given where its price is known.',
    (judged) =>
      is(judged, isDebt) && ['money', 'percentage', 'yield', 'basis-points'].includes(judged.report.price?.is ?? ''),
  ),
  rule(
    'TR-035-4',
    [35, 30, 33],
    'A net amount is more than half of nominal times price, and less than twice: it adds accrued interest alone.',
    ({ report: { netAmount, price, quantity } }) => {
      if (netAmount === undefined || price?.is !== 'percentage' || quantity?.is !== 'nominal') return false;
      const [net, percent, nominal] = [netAmount, price.value, quantity.value].map(parseDecimal);
      if (!net || !percent || !nominal) return false;
      const scaled = net.unscaled * 100n * 10n ** BigInt(percent.scale + nominal.scale);
      const clean = percent.unscaled * nominal.unscaled * 10n ** BigInt(net.scale);
      return scaled * 2n < clean || scaled > clean * 2n;
    },
    { severity: 'hint' },
  ),
  requiredRule('TR-036-1', [36], 'The venue must be given: a MIC, XOFF or XXXX.'),
  valueRule('TR-036-2', 36, 'The venue must have the form of a MIC: four upper-case letters and digits.', isMicShaped),
  valueRule(
    'CON-360',
    36,
    'The venue must be a MIC that is valid on the trade date.',
    (text, _, { day, context }) =>
      !isMicShaped(text) || text === OFF_VENUE || text === NOT_ADMITTED || context.venueOn?.(text, day) !== null,
  ),
  valueRule('TR-037-1', 37, 'The country of the branch membership must be one of ISO 3166-1 alpha-2.', isCountry),
  forbiddenRule(
    'TR-037-2',
    [37, 36],
    'A country of the branch membership must not be given of a transaction off venue or with a systematic internaliser.',
    (judged) => ['none', 'systematic-internaliser'].includes(venueKind(judged)),
  ),
  requiredRule(
    'CON-370',
    [37, 3, 36, 61],
    'The country of the branch membership must be given of the market side of an execution on a venue, which field 3 or 61 show.',
    ({ report }) => has(3, report) || has(61, report),
  ),
  forbiddenRule(
    'TR-003-2',
    [3, 36],
    'A trading venue transaction identification code must be given of executions on a trading venue alone.',
    (judged) => ['none', 'systematic-internaliser', 'outside-eea'].includes(venueKind(judged)),
  ),
  requiredRule(
    'TR-003-3',
    [3, 36, 37],
    'The trading venue transaction identification code must be given of the market side of an execution on a trading venue, which field 37 shows.',
    (judged) => venueKind(judged) === 'trading-venue' && has(37, judged.report),
  ),
  rule(
    'TR-036-3',
    [36, 7, 16],
    'A venue as the buyer or the seller stands for an execution on it, so that field 36 must be a venue.',
    ({ report: { venue, buyer, seller } }) =>
      (venue === 'XOFF' || venue === 'XXXX') && [...buyer.owners, ...seller.owners].some(({ id }) => id.is === 'venue'),
  ),
  valueRule('TR-038-1', 38, 'The up-front payment must have up to 18 digits with 5 decimals.', (text) =>
    isSignedDecimal(text, 18, 5),
  ),
  forbiddenRule('TR-038-2', [38, 43], 'An up-front payment must be given of derivatives alone.', (judged) =>
    isNot(judged, isDerivative),
  ),
  requiredRule('TR-039-1', [39, 38], 'The currency of an up-front payment must be given.', ({ report }) =>
    has(38, report),
  ),
  valueRule(
    'TR-039-2',
    39,
    'The currency of the up-front payment must be one of ISO 4217 on the trade date.',
    isCurrency,
  ),
  valueRule(
    'TR-040-1',
    40,
    'The complex trade component id must have 1 to 35 upper-case letters and digits.',
    (text) => isReference(text) && text.length <= 35,
  ),
];

function isCode(field: number) {
  return (text: string, _: string, { day }: Judged): boolean => isCodeOn(field, text, day);
}

function isCurrency(text: string, _: string, { day }: Judged): boolean {
  return isCurrencyOn(text, day);
}

/** That the classification is known, and is such a one. */
function is(judged: Judged, holds: (cfi: string) => boolean): boolean {
  const cfi = classification(judged);
  return cfi !== undefined && holds(cfi);
}

/** That the classification is known, and is another. */
function isNot(judged: Judged, holds: (cfi: string) => boolean): boolean {
  return is(judged, (cfi) => !holds(cfi));
}
