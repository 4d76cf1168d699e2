/**
 * A firm that does not exist, its people, algorithms and clients. The identifiers have the right shapes and check
 * digits, and belong to nobody.
 */

/**
 * An ISO 17442 code: its two check digits make the whole, read with A as 10 to Z as 35, leave 1 modulo 97.
 * @param {string} first18
 */
export function lei(first18) {
  let remainder = 0;
  for (const character of `${first18}00`) {
    const value = parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return first18 + String(98 - remainder).padStart(2, '0');
}

export const FIRM = lei('DEMO00TRUETRAIL000');

/**
 * @typedef {object} Trader
 * @property {string} user
 * @property {string} nationalId country, birth, five letters each of first and last name, as MiFIR's CONCAT
 * @property {string} desk
 * @property {'eu' | 'us'} region
 * @property {string} workstation
 */

/** @type {readonly Trader[]} */
export const TRADERS = `
  m.keller    DE19810623MARTAKELLE  equities-frankfurt  eu  FRA-D04-11
  p.dubois    FR19770214PAUL#DUBOI  equities-paris      eu  PAR-D02-03
  s.lindqvist SE19880930SARA#LINDQ  equities-frankfurt  eu  FRA-D04-12
  e.walsh     IE19840118EMMA#WALSH  equities-london     eu  LON-D11-27
  l.rossi     IT19911105LUCA#ROSSI  programs-london     eu  LON-D11-08
  j.okafor    US19790709JAMESOKAFO  equities-new-york   us  NYC-D07-19
  n.tanaka    US19860327NAOMITANAK  equities-new-york   us  NYC-D07-20
`
  .trim()
  .split('\n')
  .map((line) => {
    const [user, nationalId, desk, region, workstation] = line.trim().split(/\s+/);
    return /** @type {Trader} */ ({ user, nationalId, desk, region, workstation });
  });

/**
 * @typedef {object} Algorithm
 * @property {string} user
 * @property {string} id as registered: upper-case letters and digits
 * @property {string} desk
 * @property {number} share of all orders
 * @property {boolean} [ownAccount]
 */

/** @type {readonly Algorithm[]} */
export const ALGORITHMS = [
  { user: 'algo:vwap', id: 'ALGVWAP0007', desk: 'electronic-trading', share: 0.2 },
  { user: 'algo:pov', id: 'ALGPOV0003', desk: 'electronic-trading', share: 0.14 },
  { user: 'algo:smart-router', id: 'ALGSOR0012', desk: 'electronic-trading', share: 0.18 },
  { user: 'algo:market-maker', id: 'ALGMM0002', desk: 'market-making', share: 0.12, ownAccount: true },
];

/**
 * @typedef {object} Client
 * @property {string} id an LEI, or a person's national id
 * @property {boolean} mandate whether the firm decides for it what to buy and sell
 */

/** @type {readonly Client[]} */
export const CLIENTS = [
  ...['ALPINEPENSION', 'NORTHSEAFUND', 'HARBOURLIFE', 'MERIDIANINDEX', 'STONEBRIDGE', 'CEDARCAPITAL'].map((name) => ({
    id: lei(`DEMO00${name.slice(0, 12).padEnd(12, '0')}`),
    mandate: false,
  })),
  ...['LAKESIDEMULTI', 'OAKANDROWE', 'SILVERFJORD'].map((name) => ({
    id: lei(`DEMO00${name.slice(0, 12).padEnd(12, '0')}`),
    mandate: true,
  })),
  { id: 'FR19650519CLAIRMOREA', mandate: true },
  { id: 'DE19720804HANS#BRAND', mandate: false },
];

export const REASONS = {
  reprice: ['market moved away', 'client raised urgency', 'price improved to join the best', 'limit changed by client'],
  resize: ['client reduced the order', 'risk limit of the desk', 'part of it crossed internally'],
  cancel: [
    'client request',
    'market conditions',
    'replaced by a program order',
    'end of the schedule',
    'wrong account',
  ],
  riskReject: [
    'price outside of the collar',
    'order value above the limit',
    'credit limit of the client',
    'restricted list',
  ],
  venueReject: ['duplicate client order id', 'instrument in auction', 'throttle limit exceeded', 'price not on a tick'],
};
