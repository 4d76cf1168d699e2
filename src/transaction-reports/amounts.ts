import { add, divide, formatDecimal, multiply, parseDecimal, type Decimal } from '../reports/decimal.js';
import type { Execution } from './execution.js';
import { isDebt } from './rules/facts.js';
import { fromEvent, type Source, type Stated, type Trace } from './trace.js';
import { isFill } from './transactions.js';
import type { Money, Price, Quantity } from './transaction-report.js';

/** Fields 30 and 31: of the execution, or of a part of it. */
export function quantityOf(execution: Execution, trace: Trace, isPart = false): Quantity | undefined {
  const { facts, instrument } = execution;
  const rule = 'the quantity that was executed';
  const found = facts.get('quantity');
  if (!found) {
    trace.mend(30, rule, `quantity must be stated${isPart ? IN_EACH : ''}`);
    return undefined;
  }
  const notation = facts.get('quantity_notation');
  const sources = [fromEvent(found), ...(notation ? [fromEvent(notation)] : [])];
  const is = notation?.text ?? notationOf(instrument.cfi);
  if (is === undefined) {
    trace.mend(30, rule, `quantity_notation must be stated of instruments classified ${instrument.cfi}`);
    return undefined;
  }
  // an order for an amount of money is executed in whatever its instrument is counted in
  if (notation?.text === 'monetary' && !isSaidOfExecution(notation, execution)) {
    const text = 'quantity_notation must be stated of the execution itself: what was stated before it is monetary';
    trace.mend(30, rule, text);
  }
  trace.say([30], rule, sources);
  if (is !== 'nominal' && is !== 'monetary') return { is: 'units', value: found.text };
  const stated = facts.get('quantity_currency');
  const known = stated
    ? { text: stated.text, sources: [fromEvent(stated)] }
    : (instrument.notionalCurrency() ?? instrument.value('currency', 'currency'));
  if (known) trace.say([31], 'the currency of the quantity', known.sources);
  else if (!instrument.isUnknown) trace.mend(31, 'the currency of the quantity', 'quantity_currency must be stated');
  return { is, value: found.text, currency: known?.text };
}

/** Shares, funds, listed derivatives and rights are in units; what nothing is known of is not asked about twice. */
function notationOf(cfi: string | undefined): 'units' | undefined {
  return cfi === undefined || 'ECOFR'.includes(cfi.charAt(0)) ? 'units' : undefined;
}

/** Fields 33 and 34. */
export function priceOf(execution: Execution, trace: Trace, isPart = false): Price | undefined {
  const { facts, instrument } = execution;
  const rule = 'the price of the execution';
  const currency = currencyOf(execution);
  const found = facts.get('price');
  if (!found) {
    const absent = facts.get('price_absent');
    if (!absent) {
      trace.mend(
        33,
        rule,
        isPart ? `price or price_absent must be stated${IN_EACH}` : 'price or price_absent must be stated',
      );
      return undefined;
    }
    trace.say([33], 'there is no price', [fromEvent(absent)]);
    if (currency) trace.say([34], 'the currency of the price', currency.sources);
    return { is: absent.text === 'pending' ? 'pending' : 'not-applicable', currency: currency?.text };
  }
  const notation = facts.get('price_notation');
  const inDoubt = notation ? undefined : PRICED_IN_DOUBT.find(({ are }) => are(instrument.cfi ?? ''));
  if (inDoubt) {
    trace.mend(33, rule, `price_notation must be stated of ${inDoubt.words}`);
    return undefined;
  }
  if (notation?.text === 'yield' && !isSaidOfExecution(notation, execution)) {
    const text = 'price_notation must be stated of the execution itself: what was stated before it is yield';
    trace.mend(33, rule, text);
  }
  trace.say([33], rule, [fromEvent(found), ...(notation ? [fromEvent(notation)] : [])]);
  if (notation?.text === 'percentage' || notation?.text === 'yield') return { is: notation.text, value: found.text };
  if (notation?.text === 'basis_points') return { is: 'basis-points', value: found.text };
  if (currency) trace.say([34], 'the currency of the price', currency.sources);
  else if (!instrument.isUnknown)
    trace.mend(34, 'the currency of the price', 'currency must be stated, or stand in the entry of the instrument');
  return { is: 'money', amount: found.text, currency: currency?.text };
}

/** What is rarely priced in money, so that it is not taken for that where nobody says so. */
const PRICED_IN_DOUBT: readonly { words: string; are: (cfi: string) => boolean }[] = [
  { words: 'debt instruments', are: isDebt },
  { words: 'swaps and forwards on rates or credit', are: (cfi) => /^[SJ][RC]/.test(cfi) },
];

/** By an execution or allocation itself, or by the execution that is allocated. */
function isSaidOfExecution({ event_id: id }: Stated, { at, fill }: Execution): boolean {
  return id === at.content.event_id || id === fill?.content.event_id;
}

/**
 * Field 35, of debt instruments: as stated, or clean price times quantity with what interest accrued. What accrued on a
 * part of an execution is in proportion to it, where it is stated of the whole alone.
 */
export function netAmountOf(
  { facts, instrument }: Execution,
  trace: Trace,
  { price, quantity, whole }: { price: Price | undefined; quantity: Quantity | undefined; whole?: Execution },
): string | undefined {
  if (!isDebt(instrument.cfi ?? '') || !price || price.is === 'pending' || price.is === 'not-applicable')
    return undefined;
  const rule = 'net amount: clean price times nominal value, and accrued interest';
  const stated = facts.get('net_amount');
  if (stated) {
    trace.say([35], rule, [fromEvent(stated)]);
    return stated.text;
  }
  const accrued = facts.get('accrued_interest');
  const clean = quantity && cleanAmount(price, quantity);
  const interest = accrued
    ? interestOn(ONE, accrued, ONE)
    : whole && quantity && interestOfPart(whole, quantity, price);
  if (!clean || !interest) {
    const text = 'net_amount, or accrued_interest with a price in percent or money, must be stated';
    const orOfAll = whole && isFill(whole.at) ? ', or of all' : '';
    trace.mend(35, rule, `${text}${whole ? IN_EACH : ''}${orOfAll}`);
    return undefined;
  }
  const names = ['price', 'quantity'] as const;
  const sources = [...names.flatMap((name) => facts.get(name) ?? []), ...interest.sources].map(fromEvent);
  const how = interest.part === ONE ? rule : `${rule} in proportion to the part`;
  trace.say([35], `${how}, rounded to five decimals, halves up`, sources);
  return formatDecimal(
    divide(add(multiply(clean, interest.whole), multiply(interest.total, interest.part)), interest.whole, 5),
  );
}

const ONE: Decimal = { unscaled: 1n, scale: 0 };
const IN_EACH = ' in each of allocations';

/** What accrued on a part, `total × part / whole`. */
interface Interest {
  total: Decimal;
  part: Decimal;
  whole: Decimal;
  sources: readonly Stated[];
}

function interestOn(part: Decimal, accrued: Stated, whole: Decimal): Interest | undefined {
  const total = parseDecimal(accrued.text);
  return total && { total, part, whole, sources: [accrued] };
}

/** By what the execution states of itself: what accrued, or its net amount, less its clean price times quantity. */
function interestOfPart({ facts, at }: Execution, { value }: Quantity, { is }: Price): Interest | undefined {
  const [quantity, price] = [facts.get('quantity'), facts.get('price')];
  const [whole, part] = [parseDecimal(quantity?.text ?? ''), parseDecimal(value)];
  if (!isFill(at) || !quantity || !whole || whole.unscaled === 0n || !part) return undefined;
  const [accrued, net] = [facts.get('accrued_interest'), facts.get('net_amount')];
  if (accrued) {
    const interest = interestOn(part, accrued, whole);
    return interest && { ...interest, sources: [accrued, quantity] };
  }
  const clean = price && cleanOf(is, price.text, quantity.text);
  const amount = net && parseDecimal(net.text);
  if (!clean || !amount) return undefined;
  const total = add(amount, { ...clean, unscaled: -clean.unscaled });
  return { total, part, whole, sources: [net, price, quantity] };
}

/** Undefined where the price is neither money nor percent of the nominal value. */
function cleanAmount(price: Price, quantity: Quantity): Decimal | undefined {
  return cleanOf(price.is, price.is === 'money' ? price.amount : 'value' in price ? price.value : '', quantity.value);
}

function cleanOf(notation: Price['is'], price: string, quantity: string): Decimal | undefined {
  const [size, value] = [parseDecimal(quantity), parseDecimal(price)];
  if (!size || !value) return undefined;
  if (notation === 'money') return multiply(size, value);
  return notation === 'percentage' ? multiply(multiply(size, value), { unscaled: 1n, scale: 2 }) : undefined;
}

/** Fields 38 and 39: more than zero where the seller receives it. */
export function upFrontPaymentOf(execution: Execution, trace: Trace, whole?: Execution): Money | undefined {
  const { facts, instrument } = execution;
  const amount = facts.get('upfront_payment');
  if (amount && !isSaidOfExecution(amount, execution)) {
    const text = 'upfront_payment must be stated of each execution: what its order says is of all of them';
    trace.mend(38, 'the up-front payment', text);
  }
  if (!amount) {
    if (whole?.facts.get('upfront_payment'))
      trace.mend(38, 'the up-front payment', `upfront_payment must be stated${IN_EACH}, as it is of the whole`);
    return undefined;
  }
  trace.say([38], 'the up-front payment', [fromEvent(amount)]);
  const stated = facts.get('upfront_payment_currency');
  const currency = stated
    ? { text: stated.text, sources: [fromEvent(stated)] }
    : (instrument.notionalCurrency() ?? instrument.value('notional_currency', 'currency'));
  if (currency) trace.say([39], 'the currency of the up-front payment', currency.sources);
  else if (!instrument.isUnknown)
    trace.mend(39, 'the currency of the up-front payment', 'upfront_payment_currency must be stated');
  return { amount: amount.text, currency: currency?.text };
}

/** The currency of prices: as stated, or that in which the instrument is traded. */
function currencyOf({ facts, instrument }: Execution): { text: string; sources: readonly Source[] } | undefined {
  const stated = facts.get('currency');
  return stated ? { text: stated.text, sources: [fromEvent(stated)] } : instrument.value('currency');
}
