// `node scripts/healthcheck.mjs [URL]`: ends with 0 when it answers 200 within four seconds. Without a URL it is the service
// of this container, at PORT: alive, whatever its database does. An image needs no curl for it.
import { get as plainGet } from 'node:http';
import { get as secureGet } from 'node:https';

const TIMEOUT_MS = 4_000;

const { PORT = '3000', TLS_CERT_FILE = '' } = process.env;
const url = process.argv[2] ?? `${TLS_CERT_FILE === '' ? 'http' : 'https'}://127.0.0.1:${PORT}/health/live`;
const get = url.startsWith('https:') ? secureGet : plainGet;
// a certificate is not for 127.0.0.1, and nothing is told to whoever answers
const request = get(url, { rejectUnauthorized: false, timeout: TIMEOUT_MS }, (response) => {
  response.resume();
  if (response.statusCode !== 200) fail(`answered ${response.statusCode}`);
});
request.on('timeout', () => request.destroy(new Error('no answer in time')));
request.on('error', (error) => fail(error.message));

function fail(reason) {
  console.error(`${url}: ${reason}`);
  process.exitCode = 1;
}
