/** The codes of Delegated Regulation (EU) 2017/590, Annex I, by the neutral ones of the vocabulary. */
export const RTS22_CODES = {
  capacity: { own_account: 'DEAL', matched_principal: 'MTCH', any_other: 'AOTC' },
  notionalChange: { increase: 'INCR', decrease: 'DECR' },
  optionType: { put: 'PUTO', call: 'CALL', other: 'OTHR' },
  exerciseStyle: { european: 'EURO', american: 'AMER', asian: 'ASIA', bermudan: 'BERM', other: 'OTHR' },
  deliveryType: { physical: 'PHYS', cash: 'CASH', optional: 'OPTL' },
  waivers: {
    reference_price: 'RFPT',
    negotiated_liquid: 'NLIQ',
    negotiated_illiquid: 'OILQ',
    negotiated_conditions: 'PRIC',
    above_size: 'SIZE',
    illiquid: 'ILQD',
  },
  shortSelling: { not_exempt: 'SESH', exempt: 'SSEX', not_short: 'SELL', undisclosed: 'UNDI' },
  otcFlags: {
    benchmark: 'BENC',
    agency_cross: 'ACTX',
    large_in_scale: 'LRGS',
    illiquid: 'ILQD',
    above_size: 'SIZE',
    cancellation: 'CANC',
    amendment: 'AMND',
    special_dividend: 'SDIV',
    price_improvement: 'RPRI',
    duplicative: 'DUPL',
    not_price_forming: 'TNCP',
    package: 'TPAC',
    exchange_for_physical: 'XFPH',
  },
} as const;

export type Rts22CodeList = keyof typeof RTS22_CODES;

/** A code by a list; what is not in it as it is, so that it is shown and found wrong. */
export function rts22Code(list: Rts22CodeList, code: string): string {
  const codes: Readonly<Record<string, string>> = RTS22_CODES[list];
  return Object.hasOwn(codes, code) ? codes[code]! : code;
}

/** What Article 2(5) has to be no transaction, by `transaction_nature`. */
export const EXCLUSIONS: ReadonlyMap<string, string> = new Map([
  ['securities_financing', 'a securities financing transaction'],
  ['clearing_or_settlement', 'a contract for clearing or settlement alone'],
  ['netting', 'settlement of mutual obligations, the net of which is carried forward'],
  ['custodial', 'a result of custody alone'],
  ['novation', 'assignment or novation of a derivative to a third party'],
  ['portfolio_compression', 'portfolio compression'],
  ['fund_units', 'creation or redemption of fund units by the administrator'],
  ['embedded_right', 'exercise of an embedded right, or conversion of a bond'],
  ['predetermined_terms', 'creation, expiry or redemption by terms set before'],
  ['predetermined_notional_change', 'change of the notional by terms set before'],
  ['index_recomposition', 'change of the members of an index or basket'],
  ['dividend_reinvestment', 'reinvestment of dividends'],
  ['employee_plan', 'a small employee plan'],
  ['exchange_or_tender_offer', 'an exchange or tender offer on a bond, published before'],
  ['collateral_transfer', 'a transfer of collateral'],
]);
