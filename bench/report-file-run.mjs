// Files of transaction reports, written as a submission writes them; a process of its own, whose memory is looked at.
// Arguments: JSON of {build, reports, fileReports, fileMb, schemas}. Prints what it took as JSON.
import { readFileSync } from 'node:fs';
import { importFrom } from './processes.mjs';

const { build, reports, fileReports, fileMb, schemas } = JSON.parse(process.argv[2]);
const { fileMakingOf, sendingOf } = await importFrom(build, 'src/reporting/file-making.js');
const { zipOfReports } = await importFrom(build, 'src/reporting/report-zip.js');

const FIRM = '9695TESTFIRM00000112';
const CCP = '9695TESTCCP000000149';
const BANK = '529900G3SW56SHYNPR95';
const firm = (lei) => ({ owners: [{ id: { is: 'legal-entity', lei } }], decisionMakers: [] });
const person = (id, firstNames, surnames, birthDate) => ({
  id: { is: 'person', id, scheme: 'CONCAT', firstNames, surnames, birthDate },
  branchCountry: 'FR',
});
const SHARE = {
  status: 'NEWT',
  executingEntity: FIRM,
  isInvestmentFirm: true,
  submittingEntity: FIRM,
  buyer: firm(FIRM),
  seller: firm(CCP),
  isTransmitted: false,
  tradingCapacity: 'DEAL',
  quantity: { is: 'units', value: '250' },
  venue: 'XPAR',
  branchMembershipCountry: 'FR',
  instrument: { is: 'identified', isin: 'FR0000131104' },
  investmentDecision: { is: 'algorithm', id: 'MM7' },
  execution: { is: 'algorithm', id: 'SOR7V3' },
  waivers: ['RFPT'],
  postTradeIndicators: [],
  isSecuritiesFinancing: false,
};
const OFF_VENUE = { ...SHARE, venue: 'XOFF', branchMembershipCountry: undefined, waivers: [] };
const KINDS = [
  SHARE,
  {
    ...OFF_VENUE,
    buyer: {
      owners: [
        person('DE19700101ANNA#MUSTE', 'ANNA', 'MUSTERMANN', '1970-01-01'),
        person('FR19800307CAMILTESTE', 'CAMILLE', 'TESTEUR', '1980-03-07'),
      ],
      decisionMakers: [{ is: 'legal-entity', lei: FIRM }],
    },
    seller: firm(BANK),
    tradingCapacity: 'AOTC',
    postTradeIndicators: ['BENC'],
  },
  SHARE,
  {
    ...OFF_VENUE,
    seller: firm(BANK),
    venue: 'XXXX',
    instrument: {
      ...{ is: 'described', fullName: 'CALL ON A SHARE', classification: 'HESAVC', notionalCurrency: 'EUR' },
      ...{ priceMultiplier: '100', underlying: { is: 'instrument', isin: 'FR0000131104' }, optionType: 'CALL' },
      ...{ strikePrice: { is: 'money', amount: '65', currency: 'EUR' }, exerciseStyle: 'EURO' },
      ...{ expiryDate: '2026-12-18', deliveryType: 'CASH' },
    },
  },
];
/** Of a hundred reports one is a cancellation. */
const CANCELLED = 100;

function reportOf(number) {
  const transactionReference = `BENCH${String(number).padStart(27, '0')}`;
  if (number % CANCELLED === CANCELLED - 1) {
    return { status: 'CANC', transactionReference, executingEntity: FIRM, submittingEntity: FIRM };
  }
  const kind = KINDS[number % KINDS.length];
  const micros = String(number % 1_000_000).padStart(6, '0');
  return {
    ...kind,
    transactionReference,
    venueTransactionId: kind === SHARE ? `XPAR${number}` : undefined,
    tradingTime: `2026-06-02T${String(8 + (number % 9)).padStart(2, '0')}:15:30.${micros}Z`,
    price: { is: 'money', amount: (50 + (number % 1000) / 100).toFixed(2), currency: 'EUR' },
  };
}

function* allReports() {
  for (let number = 1; number <= reports; number++) yield reportOf(number);
}

const residentMb = () => process.memoryUsage.rss() / 2 ** 20;
const heapMb = () => process.memoryUsage().heapUsed / 2 ** 20;
const config = {
  ...{ REPORTING_SENDER: 'TF', REPORTING_RECEIVER: 'FR', REPORTING_FILE_REPORTS: fileReports },
  ...{ REPORTING_FILE_NAME: '{sender}_{receiver}_{sequence:6}_{yy}', REPORTING_FILE_MB: fileMb },
  ...{ REPORTING_SCHEMAS: schemas ?? undefined },
};
const files = [];
const memory = [];
let [placed, zipBytes, heapPeak] = [0, 0, 0];
const progress = {
  part: () => undefined,
  placed: (_, places) => {
    const before = placed;
    placed += places.length;
    heapPeak = Math.max(heapPeak, heapMb());
    const tenth = Math.ceil(reports / 10);
    if (Math.floor(before / tenth) < Math.floor(placed / tenth)) memory.push(Math.round(residentMb()));
  },
  written: (file) => files.push(file),
};
const begun = performance.now();
for await (const piece of zipOfReports(
  allReports(),
  fileMakingOf(config, sendingOf(config), '2026-06-02T18:00:00.000000Z', 1),
  progress,
)) {
  zipBytes += piece.length;
}
const seconds = (performance.now() - begun) / 1000;
const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
console.log(
  JSON.stringify({
    ...{ seconds, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), zipBytes, placed },
    ...{ peakMb: peak === undefined ? null : Number(peak) / 1024, heapPeakMb: heapPeak, residentMbByTenth: memory },
  }),
);
