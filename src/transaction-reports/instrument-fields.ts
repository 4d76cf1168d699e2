import { priceCurrency, priceCurrencyPaths, pricePaths, priceValue } from './price-fields.js';
import { at, type FieldValue, type ReportField } from './report-field.js';
import type {
  DescribedInstrument,
  NewReport,
  UnderlyingBasket,
  UnderlyingInstrument,
  UnderlyingLeg,
} from './transaction-report.js';

const GENERAL = 'FinInstrm/Othr/FinInstrmGnlAttrbts';
const DERIVATIVE = 'FinInstrm/Othr/DerivInstrmAttrbts';
export const UNDERLYING = `${DERIVATIVE}/UndrlygInstrm`;
const STRIKE = `${DERIVATIVE}/StrkPric`;

/** The element that a second notional currency is in. */
export const ASSET_CLASS_ELEMENTS = { interest: 'Intrst', currencies: 'FX' } as const;

/** 41 to 56 */
export const INSTRUMENT_FIELDS: readonly ReportField[] = [
  {
    number: 41,
    name: 'instrument_id',
    title: 'Instrument identification code',
    paths: ['FinInstrm/Id', 'FinInstrm/Othr/FinInstrmGnlAttrbts/Id'],
    format: 'ISIN',
    read: ({ instrument }) =>
      instrument?.is === 'identified' ? at('FinInstrm/Id', instrument.isin) : at(`${GENERAL}/Id`, instrument?.isin),
  },
  described(42, 'instrument_name', 'Instrument full name', `${GENERAL}/FullNm`, 'AN-350', (each) => each.fullName),
  described(
    43,
    'classification',
    'Instrument classification',
    `${GENERAL}/ClssfctnTp`,
    'CFI',
    (each) => each.classification,
  ),
  described(
    44,
    'notional_currency_1',
    'Notional currency 1',
    `${GENERAL}/NtnlCcy`,
    'CCY',
    (each) => each.notionalCurrency,
  ),
  {
    number: 45,
    name: 'notional_currency_2',
    title: 'Notional currency 2',
    paths: ['Intrst', 'FX'].map((element) => `${DERIVATIVE}/AsstClssSpcfcAttrbts/${element}/OthrNtnlCcy`),
    format: 'CCY',
    read: ({ instrument }) => {
      const other = instrument?.is === 'described' ? instrument.otherNotionalCurrency : undefined;
      if (!other) return [];
      return at(`${DERIVATIVE}/AsstClssSpcfcAttrbts/${ASSET_CLASS_ELEMENTS[other.of]}/OthrNtnlCcy`, other.currency);
    },
  },
  described(
    46,
    'price_multiplier',
    'Price multiplier',
    `${DERIVATIVE}/PricMltplr`,
    'DEC-18/17',
    (each) => each.priceMultiplier,
  ),
  {
    number: 47,
    name: 'underlying_id',
    title: 'Underlying instrument code',
    paths: ['Sngl/ISIN', 'Sngl/Indx/ISIN', 'Bskt/ISIN', 'Bskt/Indx/ISIN'].flatMap(belowUnderlying),
    format: 'ISIN',
    read: (report) =>
      underlyings(report).map(({ path, instrument }) => ({
        path: instrument.is === 'index' ? `${path}/ISIN` : path,
        text: instrument.isin,
      })),
  },
  {
    number: 48,
    name: 'underlying_index_name',
    title: 'Underlying index name',
    paths: ['Sngl', 'Bskt']
      .flatMap((kind) => [`${kind}/Indx/Nm/RefRate/Indx`, `${kind}/Indx/Nm/RefRate/Nm`])
      .flatMap(belowUnderlying),
    format: 'a code of four letters, or AN-25',
    read: (report) =>
      underlyings(report).map(({ path, instrument }) => {
        if (instrument.is !== 'index') return { path: `${path}/Nm/RefRate`, text: undefined };
        return 'code' in instrument.name
          ? { path: `${path}/Nm/RefRate/Indx`, text: instrument.name.code }
          : { path: `${path}/Nm/RefRate/Nm`, text: instrument.name.text };
      }),
  },
  {
    number: 49,
    name: 'underlying_index_term',
    title: 'Term of the underlying index',
    paths: ['Sngl/Indx/Nm/Term', 'Bskt/Indx/Nm/Term'].flatMap(belowUnderlying),
    format: 'a whole number of three digits at most, then DAYS, WEEK, MNTH or YEAR',
    read: (report) =>
      underlyings(report).map(({ path, instrument }) => ({
        path: `${path}/Nm/Term`,
        text:
          instrument.is === 'index' && instrument.term ? `${instrument.term.value} ${instrument.term.unit}` : undefined,
      })),
  },
  described(50, 'option_type', 'Option type', `${DERIVATIVE}/OptnTp`, 'PUTO, CALL, OTHR', (each) => each.optionType),
  {
    number: 51,
    name: 'strike_price',
    title: 'Strike price',
    paths: pricePaths(STRIKE),
    format: 'as field 33, without NOAP',
    read: ({ instrument }) => priceValue(STRIKE, instrument?.is === 'described' ? instrument.strikePrice : undefined),
  },
  {
    number: 52,
    name: 'strike_price_currency',
    title: 'Strike price currency',
    paths: priceCurrencyPaths(STRIKE),
    format: 'CCY',
    read: ({ instrument }) =>
      priceCurrency(STRIKE, instrument?.is === 'described' ? instrument.strikePrice : undefined),
  },
  described(
    53,
    'exercise_style',
    'Option exercise style',
    `${DERIVATIVE}/OptnExrcStyle`,
    'EURO, AMER, ASIA, BERM, OTHR',
    (each) => each.exerciseStyle,
  ),
  described(
    54,
    'maturity_date',
    'Maturity date',
    'FinInstrm/Othr/DebtInstrmAttrbts/MtrtyDt',
    'DATE',
    (each) => each.maturityDate,
  ),
  described(55, 'expiry_date', 'Expiry date', `${DERIVATIVE}/XpryDt`, 'DATE', (each) => each.expiryDate),
  described(
    56,
    'delivery_type',
    'Delivery type',
    `${DERIVATIVE}/DlvryTp`,
    'PHYS, CASH, OPTL',
    (each) => each.deliveryType,
  ),
];

/** The underlying instruments, each with the path of its element. */
export function underlyings({ instrument }: NewReport): { path: string; instrument: UnderlyingInstrument }[] {
  const underlying = instrument?.is === 'described' ? instrument.underlying : undefined;
  if (!underlying) return [];
  if (underlying.is !== 'swap') return ofLeg(`New/${UNDERLYING}/Othr`, underlying);
  const { received, paid } = underlying;
  return [
    ...(received ? ofLeg(`New/${UNDERLYING}/Swp/SwpIn`, received) : []),
    ...(paid ? ofLeg(`New/${UNDERLYING}/Swp/SwpOut`, paid) : []),
  ];
}

/** Of a basket in the order that the file has them in: those that are an ISIN alone, then indices. */
export function inFileOrder({ instruments }: UnderlyingBasket): readonly UnderlyingInstrument[] {
  return [...instruments.filter(({ is }) => is === 'instrument'), ...instruments.filter(({ is }) => is === 'index')];
}

function ofLeg(path: string, leg: UnderlyingLeg): { path: string; instrument: UnderlyingInstrument }[] {
  if (leg.is !== 'basket') {
    return [{ path: `${path}/Sngl/${leg.is === 'index' ? 'Indx' : 'ISIN'}`, instrument: leg }];
  }
  const numbers = { instrument: 0, index: 0 };
  return inFileOrder(leg).map((instrument) => ({
    path: `${path}/Bskt/${instrument.is === 'index' ? 'Indx' : 'ISIN'}[${++numbers[instrument.is]}]`,
    instrument,
  }));
}

function belowUnderlying(path: string): string[] {
  return ['Othr', 'Swp/SwpIn', 'Swp/SwpOut'].map((kind) => `${UNDERLYING}/${kind}/${path}`);
}

/** A field that stands for itself in the description of an instrument. */
function described(
  number: number,
  name: string,
  title: string,
  path: string,
  format: string,
  text: (instrument: DescribedInstrument) => string | undefined,
): ReportField {
  const read = ({ instrument }: NewReport): readonly FieldValue[] =>
    instrument?.is === 'described' ? at(path, text(instrument)) : [];
  return { number, name, title, paths: [path], format, read };
}
