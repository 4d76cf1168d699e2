// `npm run demo`: sends a made-up trading day to a running service, and shows what can be done with it then. Needs
// nothing but Node.
import { parseArgs } from 'node:util';
import { DemoError, ProblemError, Service } from '../demo/service.mjs';
import { bold, count, dim, say, tell } from '../demo/terminal.mjs';
import { ledgerSize, Tour } from '../demo/tour.mjs';
import { tradingDay } from '../demo/trading-day.mjs';

const HELP = `npm run demo -- [OPTIONS]

  --url URL        where the service is             (http://127.0.0.1:3000)
  --ledger LEDGER  into which ledger                (main)
  --orders N       how many orders, 10 to 50,000    (3000)
  --date DATE      the day, YYYY-MM-DD              (the last weekday before today)
  --seed TEXT      another day with another text    (1)
  --print          only write the events, a line each, to standard output
  --yes            also into a ledger of another machine that holds events: what is recorded stays
  --help           shows this

The key is taken from TRUETRAIL_KEY, or else from BOOTSTRAP_API_KEY. Run twice, it records nothing twice.
`;

class UsageError extends Error {}

/** @param {string[]} args */
function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:3000' },
      ledger: { type: 'string', default: 'main' },
      orders: { type: 'string', default: '3000' },
      date: { type: 'string', default: lastWeekday(new Date()) },
      seed: { type: 'string', default: '1' },
      print: { type: 'boolean', default: false },
      yes: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { url, date } = values;
  const orders = Number(values.orders);
  if (!Number.isInteger(orders) || orders < 10 || orders > 50_000) throw new UsageError('--orders takes 10 to 50000');
  const day = new Date(`${date}T00:00:00Z`);
  const isDay = /^\d{4}-\d\d-\d\d$/.test(date) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
  if (!isDay || date < '1970-01-01' || date > '2199-12-31') {
    throw new UsageError('--date takes a day, such as 2026-06-01');
  }
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    throw new UsageError('--url takes a URL, such as https://truetrail.example.com');
  }
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(values.ledger))
    throw new UsageError('--ledger takes a name such as main or desk-1');
  return { ...values, orders };
}

/** In UTC, as `YYYY-MM-DD`. @param {Date} today */
function lastWeekday(today) {
  const day = new Date(today);
  do day.setUTCDate(day.getUTCDate() - 1);
  while (day.getUTCDay() === 0 || day.getUTCDay() === 6);
  return day.toISOString().slice(0, 10);
}

/** @param {string[]} args @returns {Promise<number>} the exit code */
async function main(args) {
  const { url, ledger, orders, date, seed, print, yes, help } = readOptions(args);
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (print) {
    const { example, events } = tradingDay({ date, orders, seed });
    return printLines([example, ...events.filter((event) => event !== example)]);
  }
  const key = process.env.TRUETRAIL_KEY || process.env.BOOTSTRAP_API_KEY;
  if (!key) {
    throw new DemoError(
      'The demo needs an API key. The first `npm start` printed one:\n' +
        '  export TRUETRAIL_KEY=...\n' +
        'Another one is made by\n' +
        "  npm run truetrail -- keys create --name demo --scopes all --ledgers '*'",
    );
  }
  if (!/^[!-~]+$/.test(key)) throw new DemoError('TRUETRAIL_KEY holds characters that no key has: copy it once more.');

  const service = new Service(url, key);
  const size = await ledgerSize(service, ledger);
  const isHere = /^(localhost|127\..*|\[::1\])$/.test(new URL(url).hostname);
  if (size > 0n && !isHere && !yes) {
    throw new DemoError(
      `The ledger ${ledger} of ${url} holds ${count(size)} events, and what the demo adds would stay among them.\n` +
        'Give it a ledger of its own by --ledger, or say --yes.',
    );
  }
  const day = tradingDay({ date, orders, seed });
  const { events } = day;
  const venues = new Set(events.flatMap(({ new_state: state }) => state.exchange ?? []));
  const clients = new Set(events.flatMap(({ metadata }) => metadata.client_id ?? []));
  say(bold('A trading day in Truetrail'));
  tell(
    `${date}: ${count(orders)} orders of ${clients.size} clients on ${venues.size} venues, ${count(events.length)} events`,
    dim(`into the ledger ${ledger} of ${url}, which holds ${count(size)}`),
  );
  const printCommand = `npm run -s demo -- --print --date ${date} --orders ${orders}${seed === '1' ? '' : ` --seed ${quoted(seed)}`}`;
  const failures = await new Tour(service, { ledger, size, day, date, printCommand }).run();
  return failures === 0 ? 0 : 1;
}

/** For a shell. @param {string} text */
function quoted(text) {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As fast as they are read. @param {object[]} events */
async function printLines(events) {
  for (const event of events) {
    if (process.stdout.write(`${JSON.stringify(event)}\n`)) continue;
    await new Promise((resolve) => process.stdout.once('drain', () => resolve(undefined)));
  }
  return 0;
}

// A reader who has seen enough, such as head, is no failure.
process.stdout.on('error', (error) => process.exit(/** @type {any} */ (error).code === 'EPIPE' ? 0 : 1));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = /** @type {any} */ (error)?.code;
  const isUsage = error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS');
  const isExpected = isUsage || error instanceof DemoError || error instanceof ProblemError;
  process.stderr.write(`${isExpected ? error.message : (error?.stack ?? error)}\n`);
  if (isUsage) process.stderr.write('npm run demo -- --help shows the options.\n');
  process.exitCode = isUsage ? 2 : 1;
}
