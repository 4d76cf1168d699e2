// What only CI has: the API's page in a real browser. Starts the service as `npm start` does, on a folder of its own,
// opens /docs in Debian's Chromium, and fails unless every operation is there, one can be opened, and nothing was blocked
// or failed on the way. CHROMIUM names another browser; SCREENSHOT a file to keep what was seen.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, root } from './install.mjs';

await ensureInstalled();
const { chromium } = await import('playwright-core');
const folder = mkdtempSync(join(tmpdir(), 'truetrail-browser-'));
const service = spawn(process.execPath, [join(root, 'scripts', 'start.mjs')], {
  env: { ...process.env, PORT: '0', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' },
  stdio: ['ignore', 'ignore', 'pipe'],
});
try {
  const url = await new Promise((resolve, reject) => {
    let output = '';
    service.stderr.on('data', (chunk) => {
      output += chunk;
      const found = /listens on (http:\/\/\S+)/.exec(output);
      if (found) resolve(found[1]);
    });
    service.once('exit', () => reject(new Error(`the service ended before it listened:\n${output}`)));
  });
  const document = await (await fetch(`${url}/openapi.json`)).json();
  const operations = Object.values(document.paths).reduce((sum, item) => sum + Object.keys(item).length, 0);

  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } });
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('requestfailed', (request) => faults.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => response.status() >= 400 && faults.push(`${response.url()}: ${response.status()}`));
  await page.goto(`${url}/docs`);
  await page.waitForSelector('.opblock');
  const shown = await page.locator('.opblock').count();
  if (shown !== operations) faults.push(`${shown} operations are shown, and there are ${operations}`);
  await page.locator('#operations-events-recordEvent .opblock-summary-control').click();
  await page.waitForSelector('#operations-events-recordEvent .opblock-body');
  const text = await page.locator('#operations-events-recordEvent').innerText();
  if (!text.includes('event_id')) faults.push('the example of an event is not shown');
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  await browser.close();
  if (faults.length > 0) throw new Error(faults.join('\n'));
  console.log(`the API's page shows all ${operations} operations`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  service.kill('SIGTERM');
  await new Promise((resolve) => (service.exitCode === null ? service.once('exit', resolve) : resolve()));
  rmSync(folder, { recursive: true, force: true });
}
