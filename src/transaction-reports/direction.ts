/** Roles of a swap that make the buyer, and those that make the seller (Annex I, fields 7 and 16). */
const BUYER_ROLES = new Set(
  'pays_fixed pays_spread takes_price_risk receives_dividends buys_protection receives_commodity'.split(' '),
);

/** Asked of the order's party. */
export interface DirectionFacts {
  cfi: string | undefined;
  side: string | undefined;
  role: string | undefined;
  receivedCurrency: string | undefined;
  currencies: readonly (string | undefined)[];
  notionalChange: string | undefined;
}

export interface Direction {
  side: 'buy' | 'sell';
  rule: string;
}

/** Whether the order's party is buyer or seller; a text says what is missing. */
export function directionOf(facts: DirectionFacts): Direction | string {
  const direction = withoutChange(facts);
  if (typeof direction === 'string' || facts.notionalChange !== 'decrease') return direction;
  return {
    side: direction.side === 'buy' ? 'sell' : 'buy',
    rule: `${direction.rule}; sides swap where the notional decreases`,
  };
}

function withoutChange({ cfi, side, role, receivedCurrency, currencies }: DirectionFacts): Direction | string {
  if (isOfCurrencies(cfi, currencies)) {
    const both = currencies.filter((each) => each !== undefined).sort();
    const [first, second] = both;
    if (receivedCurrency === undefined) return 'received_currency must say which of the two currencies is received';
    if (first === undefined || second === undefined) return 'the two currencies of the instrument must be known';
    if (first === second)
      return `the two currencies of the instrument must not both be ${first}: notional_currency must be stated where it is not that of the price`;
    if (!both.includes(receivedCurrency)) return `received_currency ${receivedCurrency} must be ${first} or ${second}`;
    return {
      side: receivedCurrency === first ? 'buy' : 'sell',
      rule: 'the buyer receives the currency that is first in the alphabet',
    };
  }
  if (role !== undefined && hasRoles(cfi)) {
    return { side: BUYER_ROLES.has(role) ? 'buy' : 'sell', rule: `the buyer is who ${wordsOf(role)}` };
  }
  if (side === 'buy' || side === 'sell')
    return { side, rule: 'the buyer is who acquires; of options who holds the right' };
  return 'side must be buy or sell';
}

/** Swaps and forwards; of an option, also on a swap, the buyer holds the right, and of a security acquires it. */
function hasRoles(cfi: string | undefined): boolean {
  return cfi === undefined || /^[SJ]/.test(cfi);
}

/** Currency swaps and forwards, and rate swaps in two currencies. */
function isOfCurrencies(cfi: string | undefined, [one, other]: DirectionFacts['currencies']): boolean {
  if (cfi === undefined) return false;
  if (cfi.startsWith('SF') || cfi.startsWith('JF')) return true;
  return cfi.startsWith('SR') && one !== undefined && other !== undefined && one !== other;
}

function wordsOf(role: string): string {
  const buyers: Readonly<Record<string, string>> = {
    receives_fixed: 'pays_fixed',
    receives_spread: 'pays_spread',
    gives_price_risk: 'takes_price_risk',
    pays_dividends: 'receives_dividends',
    sells_protection: 'buys_protection',
    delivers_commodity: 'receives_commodity',
  };
  return (Object.hasOwn(buyers, role) ? buyers[role]! : role).replaceAll('_', ' ');
}
