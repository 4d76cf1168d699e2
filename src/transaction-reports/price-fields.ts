import { at, type FieldValue } from './report-field.js';
import type { Price } from './transaction-report.js';

/** The element that says what a price is in, where there is one. */
export const RATE_ELEMENTS = { percentage: 'Pctg', yield: 'Yld', 'basis-points': 'BsisPts' } as const;
/** What stands in place of a price. */
export const NO_PRICE_CODES = { pending: 'PNDG', 'not-applicable': 'NOAP' } as const;

export function pricePaths(path: string): string[] {
  return ['Pric/MntryVal/Amt', 'Pric/Pctg', 'Pric/Yld', 'Pric/BsisPts', 'NoPric/Pdg'].map((each) => `${path}/${each}`);
}

export function priceCurrencyPaths(path: string): string[] {
  return [`${path}/Pric/MntryVal/Amt/@Ccy`, `${path}/NoPric/Ccy`];
}

export function priceValue(path: string, price: Price | undefined): readonly FieldValue[] {
  switch (price?.is) {
    case undefined:
      return [];
    case 'money':
      return at(`${path}/Pric/MntryVal/Amt`, price.amount);
    case 'percentage':
    case 'yield':
    case 'basis-points':
      return at(`${path}/Pric/${RATE_ELEMENTS[price.is]}`, price.value);
    case 'pending':
    case 'not-applicable':
      return at(`${path}/NoPric/Pdg`, NO_PRICE_CODES[price.is]);
  }
}

export function priceCurrency(path: string, price: Price | undefined): readonly FieldValue[] {
  if (!price || 'value' in price) return [];
  return at(price.is === 'money' ? `${path}/Pric/MntryVal/Amt/@Ccy` : `${path}/NoPric/Ccy`, price.currency);
}
