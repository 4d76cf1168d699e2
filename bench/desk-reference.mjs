// Reference data of the firm whose events desk-events.mjs makes: codes with right check digits, names of nobody.

const SINCE = '2018-01-03';
const VENUES = [
  ['XPAR', 'FR'],
  ['XETR', 'DE'],
  ['XMIL', 'IT'],
  ['XAMS', 'NL'],
  ['XMAD', 'ES'],
];
export const MICS = VENUES.map(([mic]) => mic);
const FIRM = leiOf('FIRM');
const CENTRAL_COUNTERPARTY = leiOf('CCP');

const many = (count, make) => Array.from({ length: count }, (_, i) => make(i, String(i).padStart(4, '0')));

export const INSTRUMENTS = many(200, (_, n) => ({ symbol: `SYM${n}`, isin: isinOf(`FR00000${n}`) }));
export const CLIENTS = many(500, (_, n) => ({ id: `C-${n}`, lei: leiOf(`CL${n}`) }));
export const ALGORITHMS = many(20, (_, n) => ({ id: `ALGO${n}` }));
export const TRADERS = many(50, (i) => ({ id: `trader-${String(i).padStart(3, '0')}`, surname: `T${letters(i)}` }));

/** Files of reference data, by kind, in an order in which each knows what it names. */
const FILES = {
  'legal-entity': [
    'lei,name,country,investment_firm',
    `${FIRM},A firm,FR,yes`,
    `${CENTRAL_COUNTERPARTY},A central counterparty,FR,no`,
  ],
  trader: [
    'trader_id,person_id,person_id_scheme,first_name,surname',
    ...TRADERS.map(({ id, surname }) => {
      const five = surname.toUpperCase().padEnd(5, '#').slice(0, 5);
      return `${id},FR19800307ANNA#${five},CONCAT,Anna,${surname}`;
    }),
  ],
  algorithm: ['algorithm_id,version,name,purpose', ...ALGORITHMS.map(({ id }) => `${id},1,Algorithm ${id},both`)],
  client: ['client_id,name,lei', ...CLIENTS.map(({ id, lei }) => `${id},Client ${id},${lei}`)],
  venue: [
    'mic,name,operating_mic,segment,country,category,central_counterparty',
    ...VENUES.map(([mic, country]) => `${mic},Venue ${mic},${mic},OPRT,${country},RMKT,${CENTRAL_COUNTERPARTY}`),
  ],
  membership: ['member_venue,reported_by', ...MICS.map((mic) => `${FIRM}/${mic},firm`)],
  instrument: [
    'isin,name,symbol,cfi,currency,listed_from',
    ...INSTRUMENTS.map(({ isin, symbol }) => `${isin},Share ${symbol},${symbol},ESVUFR,EUR,${SINCE}`),
  ],
};

/** Imports all of it. Throws where the service refuses a file. */
export async function importReference({ url }, key) {
  for (const [kind, [header, ...lines]] of Object.entries(FILES)) {
    const body = [`${header},valid_from`, ...lines.map((line) => `${line},${SINCE}`), ''].join('\n');
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'text/csv' };
    const answer = await fetch(`${url}/v1/reference/${kind}/imports`, { method: 'POST', headers, body });
    if (answer.status !== 201) throw new Error(`reference data, ${kind}: ${answer.status} ${await answer.text()}`);
  }
}

/** ISO 17442: 18 characters and two digits by which the whole is 1 modulo 97. */
function leiOf(name) {
  const base = `9695BENCH${name}`.padEnd(18, '0');
  return `${base}${String(98n - (BigInt(digitsOf(`${base}00`)) % 97n)).padStart(2, '0')}`;
}

/** ISO 6166: eleven characters and Luhn's digit of their digits. */
function isinOf(base) {
  const sum = [...digitsOf(base)].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return `${base}${(10 - (sum % 10)) % 10}`;
}

/** A is 10, Z is 35. */
function digitsOf(text) {
  return [...text].map((character) => parseInt(character, 36)).join('');
}

/** Four letters that are others for each number. */
function letters(i) {
  return [...String(i).padStart(4, '0')].map((digit) => String.fromCharCode(97 + Number(digit))).join('');
}
