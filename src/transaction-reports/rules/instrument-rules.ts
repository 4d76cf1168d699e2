import { isCfi } from '../../identifiers/cfi.js';
import { isIsin } from '../../identifiers/isin.js';
import { underlyings } from '../instrument-fields.js';
import type { DescribedInstrument, Underlying } from '../transaction-report.js';
import { isCodeOn } from './code-lists.js';
import { described, isDebt, isDerivative, isOn, isOption, NOT_ADMITTED, OFF_VENUE, venueKind } from './facts.js';
import { isCurrencyOn, isDay, isPositiveDecimal, isPriceAt, isText } from './formats.js';
import { forbiddenRule, has, requiredRule, rule, valueRule, type Judged, type Rule } from './rule.js';

/** 41 to 56: the instrument. */
export const INSTRUMENT_RULES: readonly Rule[] = [
  requiredRule(
    'TR-041-1',
    [41, 36],
    'The instrument must be given by its ISIN, or where no venue has admitted it, be described by fields 42 to 56.',
    ({ report: { instrument } }) => instrument?.is !== 'described',
  ),
  valueRule('TR-041-2', 41, 'The instrument must be an ISIN with a right check digit.', isIsin),
  valueRule(
    'CON-411',
    41,
    'The instrument is not in the reference data of the authorities yet: the report stays pending until it is.',
    (text, _, { day, context, report }) =>
      report.instrument?.is !== 'identified' || context.instrumentOn?.(text, day) !== 'pending',
    { severity: 'hint' },
  ),
  valueRule(
    'CON-412',
    41,
    'The instrument must be in the reference data of the authorities on the trade date.',
    (text, _, { day, context, report }) =>
      report.instrument?.is !== 'identified' || !isIsin(text) || context.instrumentOn?.(text, day) !== null,
  ),
  rule(
    'TR-041-3',
    [41, 36],
    'An instrument of a transaction at XXXX is not admitted anywhere, and must be described by fields 42 to 56.',
    ({ report: { instrument, venue } }) => instrument?.is === 'identified' && venue === NOT_ADMITTED,
  ),
  forbiddenRule(
    'TR-042-1',
    [42, 36, 41],
    'Fields 42 to 56 must not be given of a transaction on a trading venue, with a systematic internaliser, or at XOFF.',
    (judged) =>
      judged.report.venue === OFF_VENUE || ['trading-venue', 'systematic-internaliser'].includes(venueKind(judged)),
  ),
  ofDescribed('TR-042-2', 42, 'The full name of the instrument must be given.'),
  valueRule('TR-042-3', 42, 'The full name of the instrument must have 1 to 350 characters, none of control.', (text) =>
    isText(text, 350),
  ),
  ofDescribed('TR-043-1', 43, 'The classification of the instrument must be given.'),
  valueRule('TR-043-2', 43, 'The classification must be a CFI code of a category and group of ISO 10962.', isCfi),
  rule(
    'TR-043-3',
    [43, 46, 47, 56],
    'An instrument that is described must be a derivative: others have an ISIN.',
    ({ report }) => isDescribedAs(report, (cfi) => isCfi(cfi) && !isDerivative(cfi) && !cfi.startsWith('R')),
    { severity: 'hint' },
  ),
  ofDescribed(
    'TR-044-1',
    44,
    'The notional currency must be given of swaps, and of options and forwards on rates, credit and currencies.',
    (cfi) => cfi.startsWith('S') || isOn(cfi, 'rates') || isOn(cfi, 'credit') || isOn(cfi, 'currencies'),
  ),
  valueRule('TR-044-2', 44, 'Notional currency 1 must be one of ISO 4217 on the trade date.', isCurrency),
  ofDescribed('TR-045-1', 45, 'The second notional currency must be given of derivatives on currencies.', (cfi) =>
    isOn(cfi, 'currencies'),
  ),
  valueRule('TR-045-2', 45, 'Notional currency 2 must be one of ISO 4217 on the trade date.', isCurrency),
  rule(
    'TR-045-3',
    [45, 44],
    'Notional currency 2 must be another than notional currency 1, which must be given too.',
    ({ report }) => {
      const instrument = described(report);
      return (
        instrument?.otherNotionalCurrency !== undefined &&
        (instrument.notionalCurrency === undefined ||
          instrument.otherNotionalCurrency.currency === instrument.notionalCurrency)
      );
    },
  ),
  rule(
    'TR-045-4',
    [45, 43],
    'Notional currency 2 must stand with what the derivative is on: interest rates or currencies.',
    ({ report }) => {
      const of = described(report)?.otherNotionalCurrency?.of;
      return isDescribedAs(
        report,
        (cfi) => (isOn(cfi, 'currencies') && of === 'interest') || (isOn(cfi, 'rates') && of === 'currencies'),
      );
    },
  ),
  ofDescribed('TR-046-1', 46, 'The price multiplier must be given.'),
  valueRule(
    'TR-046-2',
    46,
    'The price multiplier must be more than zero, with up to 18 digits and 17 decimals.',
    (text) => isPositiveDecimal(text, 18, 17),
  ),
  rule(
    'TR-046-3',
    [46, 30, 33],
    'The price multiplier of an instrument whose quantity is nominal or monetary is 1.',
    ({ report }) =>
      report.quantity !== undefined &&
      report.quantity.is !== 'units' &&
      ![undefined, '1'].includes(described(report)?.priceMultiplier),
    { severity: 'hint' },
  ),
  rule(
    'TR-047-1',
    [47, 43],
    'The underlying must be given: an ISIN or an index, or of derivatives on currencies or commodities a basket or swap of none.',
    ({ report }) => {
      const instrument = described(report);
      return instrument !== undefined && lacksUnderlying(instrument);
    },
  ),
  valueRule('TR-047-2', 47, 'The underlying must be an ISIN with a right check digit.', isIsin),
  rule('TR-047-3', [47, 43], 'What a swap is on must be given for its legs, and only of a swap.', ({ report }) => {
    const instrument = described(report);
    const isOfSwap = instrument?.underlying?.is === 'swap';
    return isOfSwap && isDescribedAs(report, (cfi) => !cfi.startsWith('S'));
  }),
  rule('TR-047-4', [47, 41], 'An instrument must not be its own underlying.', ({ report }) =>
    underlyings(report).some(
      ({ instrument }) => instrument.isin !== undefined && instrument.isin === described(report)?.isin,
    ),
  ),
  valueRule(
    'TR-048-1',
    48,
    'The name of the underlying index must be a code of the list, or have 1 to 25 characters.',
    (text, path, { day }) => (path.endsWith('/Indx') ? isCodeOn(48, text, day) : isText(text, 25)),
  ),
  valueRule(
    'TR-048-2',
    48,
    'An underlying index that the list has must be given by its code.',
    (text, path, { day }) => path.endsWith('/Indx') || !isCodeOn(48, text, day),
  ),
  valueRule(
    'TR-049-1',
    49,
    'The term of the underlying index must be a whole number from 1 to 999, and DAYS, WEEK, MNTH or YEAR.',
    (text, _, { day }) => {
      const [value = '', unit = ''] = text.split(' ');
      return /^[1-9][0-9]{0,2}$/.test(value) && isCodeOn(49, unit, day);
    },
  ),
  rule(
    'TR-049-2',
    [49, 43, 48],
    'The term of the underlying index must be given of derivatives on interest rates.',
    ({ report }) =>
      isDescribedAs(report, (cfi) => isOn(cfi, 'rates')) &&
      underlyings(report).some(({ instrument }) => instrument.is === 'index' && instrument.term === undefined),
  ),
  ofDescribed('TR-050-1', 50, 'The option type must be given of options.', isOption),
  valueRule('TR-050-2', 50, 'The option type must be PUTO, CALL or OTHR.', isCode(50)),
  notOfDescribed('TR-050-3', 50, 'An option type must be given of options and warrants alone.', isOptionOrWarrant),
  rule(
    'TR-050-4',
    [50, 43],
    'The option type must be that of the classification: OC is CALL, OP is PUTO.',
    ({ report }) => {
      const type = described(report)?.optionType;
      return isDescribedAs(
        report,
        (cfi) => (cfi.startsWith('OC') && type === 'PUTO') || (cfi.startsWith('OP') && type === 'CALL'),
      );
    },
  ),
  rule(
    'TR-051-1',
    [51, 50],
    'The strike price of a put or call must be given, also as pending (PNDG).',
    ({ report }) => ['PUTO', 'CALL'].includes(described(report)?.optionType ?? '') && !has(51, report),
  ),
  valueRule(
    'TR-051-2',
    51,
    'The strike price must be a price as in field 33, or pending: where there is none, it is left out.',
    (text, path) => isPriceAt(path, text) && text !== 'NOAP',
  ),
  notOfDescribed('TR-051-3', 51, 'A strike price must be given of options and warrants alone.', isOptionOrWarrant),
  rule('TR-052-1', [52, 51], 'The currency of a strike price in money must be given.', ({ report }) => {
    const strike = described(report)?.strikePrice;
    return strike?.is === 'money' && strike.currency === undefined;
  }),
  valueRule('TR-052-2', 52, 'The currency of the strike price must be one of ISO 4217 on the trade date.', isCurrency),
  ofDescribed('TR-053-1', 53, 'The exercise style must be given of options.', isOption),
  valueRule('TR-053-2', 53, 'The exercise style must be EURO, AMER, ASIA, BERM or OTHR.', isCode(53)),
  notOfDescribed('TR-053-3', 53, 'An exercise style must be given of options and warrants alone.', isOptionOrWarrant),
  rule(
    'TR-053-4',
    [53, 43],
    'The exercise style is that of the classification: A is AMER, E is EURO, B is BERM.',
    ({ report }) => {
      const style = described(report)?.exerciseStyle;
      return isDescribedAs(report, (cfi) => {
        const stated = cfi.startsWith('O') ? STYLES[cfi.charAt(2)] : undefined;
        return stated !== undefined && style !== undefined && style !== stated;
      });
    },
    { severity: 'hint' },
  ),
  valueRule('TR-054-1', 54, 'The maturity date must be a day of the calendar, and not before the trade date.', isLater),
  notOfDescribed('TR-054-2', 54, 'A maturity date must be given of debt instruments alone.', isDebt),
  ofDescribed('TR-055-1', 55, 'The expiry date must be given of listed options and futures.', (cfi) =>
    /^[OF]/.test(cfi),
  ),
  valueRule('TR-055-2', 55, 'The expiry date must be a day of the calendar, and not before the trade date.', isLater),
  notOfDescribed(
    'TR-055-3',
    55,
    'An expiry date must be given of derivatives and warrants alone.',
    (cfi) => isDerivative(cfi) || cfi.startsWith('R'),
  ),
  ofDescribed('TR-056-1', 56, 'The delivery type must be given.'),
  valueRule('TR-056-2', 56, 'The delivery type must be PHYS, CASH or OPTL.', isCode(56)),
  rule(
    'TR-056-3',
    [56, 43],
    'The delivery type is that of the classification: P is PHYS, C is CASH.',
    ({ report }) => {
      const delivery = described(report)?.deliveryType;
      return isDescribedAs(report, (cfi) => {
        const at = cfi.startsWith('O') ? 4 : cfi.startsWith('F') ? 3 : undefined;
        const stated = at === undefined ? undefined : DELIVERIES[cfi.charAt(at)];
        return stated !== undefined && delivery !== undefined && delivery !== stated;
      });
    },
    { severity: 'hint' },
  ),
  rule(
    'TR-047-5',
    [47, 7, 16, 43],
    'The buyer of a swap of a fixed for a floating rate pays the fixed one, so that the index is what the buyer receives.',
    ({ report }) =>
      isDescribedAs(report, (cfi) => cfi.startsWith('SR')) && isOnlyPaid(described(report)?.underlying, 'index'),
    { severity: 'hint' },
  ),
  rule(
    'TR-047-6',
    [47, 7, 16, 43],
    'The buyer of an equity swap takes the risk of the price, so that the share or index is what the buyer receives.',
    ({ report }) =>
      isDescribedAs(report, (cfi) => cfi.startsWith('SE')) && isOnlyPaid(described(report)?.underlying, undefined),
    { severity: 'hint' },
  ),
];

const STYLES: Readonly<Record<string, string>> = { A: 'AMER', E: 'EURO', B: 'BERM' };
const DELIVERIES: Readonly<Record<string, string>> = { P: 'PHYS', C: 'CASH' };

function isDescribedAs(report: Judged['report'], holds: (cfi: string) => boolean): boolean {
  const cfi = described(report)?.classification;
  return cfi !== undefined && holds(cfi);
}

/** A field that a described instrument must have, if it is such a one. */
function ofDescribed(id: string, field: number, text: string, isSuch?: (cfi: string) => boolean): Rule {
  const fields = isSuch ? ([field, 43] as const) : ([field] as const);
  return requiredRule(id, fields, text, ({ report }) =>
    isSuch ? isDescribedAs(report, isSuch) : described(report) !== undefined,
  );
}

/** A field that a described instrument must not have, unless it is such a one. */
function notOfDescribed(id: string, field: number, text: string, isSuch: (cfi: string) => boolean): Rule {
  return forbiddenRule(id, [field, 43], text, ({ report }) =>
    isDescribedAs(report, (cfi) => isCfi(cfi) && !isSuch(cfi)),
  );
}

function isOptionOrWarrant(cfi: string): boolean {
  return isOption(cfi) || cfi.startsWith('RW');
}

/** Nothing is said of it, or nothing is in it though it must be. */
function lacksUnderlying({ underlying, classification }: DescribedInstrument): boolean {
  if (!underlying) return true;
  const legs = underlying.is === 'swap' ? [underlying.received, underlying.paid] : [underlying];
  const isEmpty = legs.every((leg) => leg === undefined || (leg.is === 'basket' && leg.instruments.length === 0));
  return isEmpty && !mayLackUnderlying(classification ?? '');
}

/** Currencies and commodities have neither ISIN nor index. */
function mayLackUnderlying(cfi: string): boolean {
  return isOn(cfi, 'currencies') || isOn(cfi, 'commodities') || cfi.startsWith('FC') || /^O..[TC]/.test(cfi);
}

function isOnlyPaid(underlying: Underlying | undefined, kind: 'index' | undefined): boolean {
  if (underlying?.is !== 'swap' || underlying.received !== undefined) return false;
  return kind === undefined ? underlying.paid !== undefined : underlying.paid?.is === kind;
}

function isLater(text: string, _: string, { day }: Judged): boolean {
  return isDay(text) && text >= day;
}

function isCode(field: number) {
  return (text: string, _: string, { day }: Judged): boolean => isCodeOn(field, text, day);
}

function isCurrency(text: string, _: string, { day }: Judged): boolean {
  return isCurrencyOn(text, day);
}
