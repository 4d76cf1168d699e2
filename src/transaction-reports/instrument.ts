import type { ReferenceAt, ReferenceEntry } from '../reference-data/reference-timelines.js';
import { parseUnderlyings, type StatedUnderlying } from '../reference-data/underlyings.js';
import { itemsOf, type FactName } from '../reports/regimes/regime.js';
import { isCodeOn } from './rules/code-lists.js';
import { isOn } from './rules/facts.js';
import { rts22Code, type Rts22CodeList } from './rts22-codes.js';
import { fromEntry, fromEvent, type Source, type Trace } from './trace.js';
import type {
  DescribedInstrument,
  Instrument,
  Price,
  Underlying,
  UnderlyingInstrument,
  UnderlyingLeg,
} from './transaction-report.js';
import type { Facts } from './transactions.js';

/** An instrument as reference data and, for what they lack, events have it. */
export class KnownInstrument {
  readonly entry: ReferenceEntry | undefined;
  readonly isin: string | undefined;
  /** where events name the instrument by it alone, and several have it */
  readonly ambiguousSymbol: string | undefined;
  /** where events name another instrument by it than by the ISIN, which does not stand beside it */
  readonly otherSymbol: { text: string; isin: string } | undefined;
  private readonly named: readonly Source[];

  constructor(
    private readonly facts: Facts,
    private readonly reference: ReferenceAt,
    private readonly day: string,
  ) {
    const [isin, symbol] = [facts.get('isin'), facts.get('symbol')];
    const having = symbol ? reference.findHaving('instrument', 'symbol', symbol.text) : [];
    const isBeside = isin && symbol && (facts.isOwn('isin') || isin.event_id === symbol.event_id);
    const isOther = isin && !isBeside && having.length > 0 && !having.some(({ id }) => id === isin.text);
    this.otherSymbol = isOther ? { text: symbol!.text, isin: having[0]!.id } : undefined;
    const named = isin ? [] : having;
    // a symbol of several names none
    this.entry = isin ? reference.find('instrument', isin.text) : named.length === 1 ? named[0] : undefined;
    this.ambiguousSymbol = named.length > 1 ? symbol?.text : undefined;
    this.isin = isin?.text ?? this.entry?.id;
    this.named = [...(isin ? [fromEvent(isin)] : this.entry && symbol ? [fromEvent(symbol)] : [])];
  }

  /** Nothing but perhaps a symbol, which no entry has or several: all that is missing follows from that. */
  get isUnknown(): boolean {
    return !this.entry && this.isin === undefined && !DESCRIPTIONS.some((name) => this.facts.get(name));
  }

  /** By what events name it, where no entry has that symbol. */
  get unknownSymbol(): string | undefined {
    return this.isUnknown && this.ambiguousSymbol === undefined ? this.facts.text('symbol') : undefined;
  }

  /** A value of the entry; otherwise what events state, by the first of the names that they state. */
  value(column: string, ...names: readonly FactName[]): { text: string; sources: readonly Source[] } | undefined {
    const text = this.entry?.attributes[column];
    if (text !== undefined) return { text, sources: [...this.named, fromEntry(this.entry!)] };
    const stated = names.map((name) => this.facts.get(name)).find((each) => each !== undefined);
    return stated ? { text: stated.text, sources: [fromEvent(stated)] } : undefined;
  }

  get cfi(): string | undefined {
    return this.value('cfi', 'cfi')?.text;
  }

  get currencies(): readonly (string | undefined)[] {
    return [
      (this.notionalCurrency() ?? this.value('notional_currency', 'currency'))?.text,
      this.value('notional_currency_2', 'second_leg_currency')?.text,
    ];
  }

  /** Of the notional or its first leg, where that is said apart from the currency of the prices. */
  notionalCurrency(): { text: string; sources: readonly Source[] } | undefined {
    return this.value('notional_currency', 'notional_currency');
  }

  isListed(): boolean {
    return isListed(this.entry, this.day);
  }

  /** Whether an underlying is on the reference list. */
  hasListedUnderlying(): boolean {
    return this.listedUnderlyings().length > 0;
  }

  /** The underlyings that are on the reference list, by their ISINs. */
  listedUnderlyings(): readonly string[] {
    // all are asked for, and so read at once
    const entries = this.underlyingIsins().map((isin) => this.reference.find('instrument', isin));
    return entries.flatMap((entry) => (entry && isListed(entry, this.day) ? [entry.id] : []));
  }

  /** Where it is known from what the instrument is, and what it is on. */
  sources(): readonly Source[] {
    const underlyings = this.underlyingIsins().flatMap((isin) => this.reference.find('instrument', isin) ?? []);
    const stated = this.facts.get('underlying_isins');
    const isDescribed = !this.entry && stated !== undefined;
    return [
      ...[...this.named, ...(this.entry ? [fromEntry(this.entry)] : [])],
      ...[...(isDescribed ? [fromEvent(stated)] : []), ...underlyings.map(fromEntry)],
    ];
  }

  /** Surely neither admitted or traded on a venue itself, nor on anything that is: all that it names is known. */
  isOutOfScope(): boolean {
    if (this.isListed() || this.hasListedUnderlying()) return false;
    const isKnown = this.entry !== undefined || this.underlyingIsins().length > 0;
    return isKnown && this.unknownUnderlyings().length === 0 && this.unknownIndices().length === 0;
  }

  /** Underlyings that reference data do not have, so that it is not known whether they are on the list. */
  unknownUnderlyings(): readonly string[] {
    return this.underlyingIsins().filter((isin) => this.reference.find('instrument', isin) === undefined);
  }

  /** Indices that are named alone, and may be of what is traded on a venue: all but rates, which have a code or a term. */
  unknownIndices(): readonly string[] {
    const isRate = ({ name, term }: { name?: string; term?: unknown }): boolean =>
      term !== undefined || isCodeOn(48, name ?? '', this.day);
    const named = this.legs().flatMap((leg) => leg.filter((each) => each.is === 'index' && each.isin === undefined));
    return named.flatMap((each) => (each.is === 'index' && !isRate(each) ? [each.name ?? ''] : []));
  }

  /** Fields 41 to 56. `isByIsin`: executed on a venue, or on the reference list. */
  report(trace: Trace, isByIsin: boolean): Instrument {
    const { isin } = this;
    if (isin !== undefined)
      trace.say([41], 'the ISIN of the instrument', [...this.named, ...(this.entry ? [fromEntry(this.entry)] : [])]);
    if (isByIsin && isin !== undefined) return { is: 'identified', isin };
    const rule = 'as the instrument is described';
    const put = (field: number, column: string, name?: FactName, codes?: Rts22CodeList): string | undefined => {
      const value = this.value(column, ...(name ? [name] : []));
      if (!value) return undefined;
      trace.say([field], rule, value.sources, codes);
      return codes ? rts22Code(codes, value.text) : value.text;
    };
    const first = this.notionalCurrency();
    const byDefault = first ? undefined : this.value('notional_currency', 'currency');
    if (first) trace.say([44], rule, first.sources);
    if (byDefault) trace.say([44], `${rule}: no notional currency, that of the prices by default`, byDefault.sources);
    const second = put(45, 'notional_currency_2', 'second_leg_currency');
    const described: DescribedInstrument = {
      is: 'described',
      isin,
      fullName: put(42, 'name', 'instrument_name'),
      classification: put(43, 'cfi', 'cfi'),
      notionalCurrency: (first ?? byDefault)?.text,
      otherNotionalCurrency:
        second === undefined
          ? undefined
          : { of: isOnCurrencies(this.cfi ?? '') ? 'currencies' : 'interest', currency: second },
      priceMultiplier: put(46, 'price_multiplier', 'price_multiplier'),
      underlying: this.underlying(trace),
      optionType: put(50, 'option_type', 'option_type', 'optionType'),
      strikePrice: this.strike(trace),
      exerciseStyle: put(53, 'exercise_style', 'exercise_style', 'exerciseStyle'),
      maturityDate: put(54, 'maturity_date', 'maturity_date'),
      expiryDate: put(55, 'expiry_date', 'expiry_date'),
      deliveryType: put(56, 'delivery_type', 'delivery_type', 'deliveryType'),
    };
    return described;
  }

  private underlyingIsins(): readonly string[] {
    return this.legs().flatMap((leg) => leg.flatMap((each) => each.isin ?? []));
  }

  private legs(): (readonly StatedUnderlying[])[] {
    const columns = ['underlying', 'received_by_buyer', 'paid_by_buyer'].flatMap((column) => this.value(column) ?? []);
    if (columns.length > 0) return columns.map(({ text }) => parseUnderlyings(text) ?? []);
    const isins = this.facts.text('underlying_isins');
    return isins === undefined ? [] : [itemsOf(isins).map((isin) => ({ is: 'instrument', isin }))];
  }

  private underlying(trace: Trace): Underlying | undefined {
    const leg = (column: string): UnderlyingLeg | undefined => {
      const value = this.value(column);
      const parsed = value && parseUnderlyings(value.text);
      if (!parsed) return undefined;
      const fields = new Set(
        parsed.flatMap((each) => [
          ...(each.isin ? [47] : []),
          ...(each.is === 'index' ? [48] : []),
          ...('term' in each ? [49] : []),
        ]),
      );
      trace.say([...fields], 'as the instrument is described', value.sources);
      return this.legOf(parsed);
    };
    const [received, paid] = [leg('received_by_buyer'), leg('paid_by_buyer')];
    if (received || paid) return { is: 'swap', received, paid };
    const own = leg('underlying');
    if (own) return own;
    const stated = this.facts.get('underlying_isins');
    if (!stated) return undefined;
    trace.say([47], 'as the event states it', [fromEvent(stated)]);
    return this.legOf(itemsOf(stated.text).map((isin) => ({ is: 'instrument', isin })));
  }

  private legOf(parsed: readonly StatedUnderlying[]): UnderlyingLeg {
    const instruments = parsed.map((each): UnderlyingInstrument => {
      if (each.is === 'instrument') return each;
      const { isin, name, term } = each;
      const text = name ?? this.reference.find('instrument', isin!)?.attributes.name ?? isin!;
      const isCode = isCodeOn(48, text, this.day);
      return { is: 'index', isin, name: isCode ? { code: text } : { text: firstCharacters(text, 25) }, term };
    });
    return instruments.length === 1 ? instruments[0]! : { is: 'basket', instruments };
  }

  private strike(trace: Trace): Price | undefined {
    const stated = this.value('strike_notation');
    const notation = stated?.text ?? 'monetary';
    const currency = this.value('strike_currency', 'strike_price_currency');
    if (notation === 'pending') {
      trace.say([51], 'as the instrument is described', stated!.sources);
      if (currency) trace.say([52], 'as the instrument is described', currency.sources);
      return { is: 'pending', currency: currency?.text };
    }
    const value = this.value('strike_price', 'strike_price');
    if (!value) return undefined;
    trace.say([51], 'as the instrument is described', value.sources);
    if (notation === 'percentage' || notation === 'yield') return { is: notation, value: value.text };
    if (notation === 'basis_points') return { is: 'basis-points', value: value.text };
    if (currency) trace.say([52], 'as the instrument is described', currency.sources);
    return { is: 'money', amount: value.text, currency: currency?.text };
  }
}

/** By what events say what an instrument is that they do not name. */
const DESCRIPTIONS: readonly FactName[] = ['cfi', 'instrument_name', 'underlying_isins'];

/** Also futures and listed options. */
function isOnCurrencies(cfi: string): boolean {
  return isOn(cfi, 'currencies') || /^(?:FFC|O..C)/.test(cfi);
}

function firstCharacters(text: string, count: number): string {
  return [...text].slice(0, count).join('').trimEnd();
}

function isListed(entry: ReferenceEntry | undefined, day: string): boolean {
  const { listed_from: from, listed_to: to } = entry?.attributes ?? {};
  return from !== undefined && from <= day && (to === undefined || day <= to);
}
