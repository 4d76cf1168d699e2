import { request, type Agent } from 'node:http';
import { TEST_KEY } from './app.js';

const REQUEST_TIMEOUT_MS = 10_000;

/** Posts once, as a submitter does that counts on nothing: undefined when no whole answer came. */
export function postOnce(
  agent: Agent,
  url: string,
  body: unknown,
): Promise<{ status: number; text: string } | undefined> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      {
        method: 'POST',
        agent,
        timeout: REQUEST_TIMEOUT_MS,
        headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(response.complete ? { status: response.statusCode!, text } : undefined));
        response.on('error', () => resolve(undefined));
      },
    );
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end(JSON.stringify(body));
  });
}
