import { add, divide, formatDecimal, multiply, parseDecimal, type Decimal } from '../reports/decimal.js';
import type { Execution } from './execution.js';
import type { Allocation } from './legs.js';
import { isDebt } from './rules/facts.js';
import { fromEvent, type Source, type Trace } from './trace.js';
import { isFill, type Facts } from './transactions.js';
import type { Money, Price, Quantity } from './transaction-report.js';

/** Fields 30 and 31: of the execution, or of its part that a client got. */
export function quantityOf(execution: Execution, trace: Trace, allocation?: Allocation): Quantity | undefined {
  const { facts, instrument } = execution;
  const rule = 'the quantity that was executed';
  const found = ofLeg(facts, 'quantity', allocation);
  if (!found) {
    trace.mend(30, rule, `quantity must be stated${allocation ? ' in each of allocations' : ''}`);
    return undefined;
  }
  const notation = facts.get('quantity_notation');
  const sources = [...found.sources, ...(notation ? [fromEvent(notation)] : [])];
  const is = notation?.text ?? notationOf(instrument.cfi);
  if (is === undefined) {
    trace.mend(30, rule, `quantity_notation must be stated of instruments classified ${instrument.cfi}`);
    return undefined;
  }
  trace.say([30], rule, sources);
  if (is !== 'nominal' && is !== 'monetary') return { is: 'units', value: found.text };
  const stated = facts.get('quantity_currency');
  const known = stated
    ? { text: stated.text, sources: [fromEvent(stated)] }
    : (instrument.value('notional_currency') ?? instrument.value('currency', 'currency'));
  if (known) trace.say([31], 'the currency of the quantity', known.sources);
  else trace.mend(31, 'the currency of the quantity', 'quantity_currency must be stated');
  return { is, value: found.text, currency: known?.text };
}

/** Shares, funds, listed derivatives and rights are in units; what nothing is known of is not asked about twice. */
function notationOf(cfi: string | undefined): 'units' | undefined {
  return cfi === undefined || 'ECOFR'.includes(cfi.charAt(0)) ? 'units' : undefined;
}

/** Fields 33 and 34. */
export function priceOf(execution: Execution, trace: Trace, allocation?: Allocation): Price | undefined {
  const { facts, instrument, at } = execution;
  const rule = 'the price of the execution';
  const currency = currencyOf(execution);
  const found = ofLeg(facts, 'price', allocation) ?? (allocation && isFill(at) ? ofLeg(facts, 'price') : undefined);
  if (!found) {
    const absent = facts.get('price_absent');
    if (!absent || allocation) {
      const text = allocation ? 'price must be stated in each of allocations' : 'price or price_absent must be stated';
      trace.mend(33, rule, text);
      return undefined;
    }
    trace.say([33], 'there is no price', [fromEvent(absent)]);
    if (currency) trace.say([34], 'the currency of the price', currency.sources);
    return { is: absent.text === 'pending' ? 'pending' : 'not-applicable', currency: currency?.text };
  }
  const notation = facts.get('price_notation');
  if (!notation && isDebt(instrument.cfi ?? '')) {
    trace.mend(33, rule, 'price_notation must be stated of debt instruments');
    return undefined;
  }
  trace.say([33], rule, [...found.sources, ...(notation ? [fromEvent(notation)] : [])]);
  if (notation?.text === 'percentage' || notation?.text === 'yield') return { is: notation.text, value: found.text };
  if (notation?.text === 'basis_points') return { is: 'basis-points', value: found.text };
  if (currency) trace.say([34], 'the currency of the price', currency.sources);
  else trace.mend(34, 'the currency of the price', 'currency must be stated, or stand in the entry of the instrument');
  return { is: 'money', amount: found.text, currency: currency?.text };
}

/** Field 35, of debt instruments: as stated, or clean price times quantity with what interest accrued. */
export function netAmountOf(
  execution: Execution,
  trace: Trace,
  {
    price,
    quantity,
    allocation,
  }: { price: Price | undefined; quantity: Quantity | undefined; allocation?: Allocation },
): string | undefined {
  const { facts, instrument } = execution;
  if (!isDebt(instrument.cfi ?? '') || !price || price.is === 'pending' || price.is === 'not-applicable')
    return undefined;
  const rule = 'net amount: clean price times nominal value, and accrued interest';
  const stated = allocation ? undefined : facts.get('net_amount');
  if (stated) {
    trace.say([35], rule, [fromEvent(stated)]);
    return stated.text;
  }
  const accrued = allocation ? undefined : facts.get('accrued_interest');
  const clean = quantity && cleanAmount(price, quantity);
  const interest = accrued && parseDecimal(accrued.text);
  if (!clean || !interest) {
    const text = allocation
      ? 'the net amount of a part is not known: the client must be named by an execution of its own'
      : 'net_amount, or accrued_interest with a price in percent or money, must be stated';
    trace.mend(35, rule, text);
    return undefined;
  }
  const names = ['price', 'quantity'] as const;
  const sources: Source[] = [...names.flatMap((name) => facts.get(name) ?? []).map(fromEvent), fromEvent(accrued)];
  trace.say([35], `${rule}, rounded to five decimals, halves up`, sources);
  return formatDecimal(divide(add(clean, interest), ONE, 5));
}

const ONE: Decimal = { unscaled: 1n, scale: 0 };

/** Undefined where the price is neither money nor percent of the nominal value. */
function cleanAmount(price: Price, quantity: Quantity): Decimal | undefined {
  const size = parseDecimal(quantity.value);
  const value = parseDecimal(price.is === 'money' ? price.amount : 'value' in price ? price.value : '');
  if (!size || !value) return undefined;
  if (price.is === 'money') return multiply(size, value);
  return price.is === 'percentage' ? multiply(multiply(size, value), { unscaled: 1n, scale: 2 }) : undefined;
}

/** Fields 38 and 39: more than zero where the seller receives it. */
export function upFrontPaymentOf({ facts, instrument }: Execution, trace: Trace): Money | undefined {
  const amount = facts.get('upfront_payment');
  if (!amount) return undefined;
  trace.say([38], 'the up-front payment', [fromEvent(amount)]);
  const stated = facts.get('upfront_payment_currency');
  const currency = stated
    ? { text: stated.text, sources: [fromEvent(stated)] }
    : instrument.value('notional_currency', 'currency');
  if (currency) trace.say([39], 'the currency of the up-front payment', currency.sources);
  else trace.mend(39, 'the currency of the up-front payment', 'upfront_payment_currency must be stated');
  return { amount: amount.text, currency: currency?.text };
}

/** The currency of prices: as stated, or that in which the instrument is traded. */
function currencyOf({ facts, instrument }: Execution): { text: string; sources: readonly Source[] } | undefined {
  const stated = facts.get('currency');
  return stated ? { text: stated.text, sources: [fromEvent(stated)] } : instrument.value('currency');
}

/** A member of the event, or of the allocation within it. */
function ofLeg(
  facts: Facts,
  name: 'price' | 'quantity',
  allocation?: Allocation,
): { text: string; sources: readonly Source[] } | undefined {
  if (!allocation) {
    const stated = facts.get(name);
    return stated && { text: stated.text, sources: [fromEvent(stated)] };
  }
  const [text, stated] = [allocation[name], facts.get('allocations')];
  if (text === undefined || !stated) return undefined;
  return { text, sources: [{ ...fromEvent(stated), name: `allocations/${allocation.index}/${name}` }] };
}
