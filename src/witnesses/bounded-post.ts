import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

/** What came back of a POST. */
export interface Answer {
  status: number;
  /** in lower case, without parameters; '' when there is none */
  contentType: string;
  body: Buffer;
}

/** Nobody answered in time, or not in a way that can be read; `message` is a sentence that says what happened. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

export interface PostOptions {
  contentType: string;
  /** from the connection to the last byte */
  timeoutMs: number;
  maxBytes: number;
  /** what ends it besides */
  signal: AbortSignal;
}

/** Connections are kept for the next ledger. Node's own fetch takes three times the processor's time of these. */
const httpAgent = new HttpAgent({ keepAlive: true });
const httpsAgent = new HttpsAgent({ keepAlive: true });

/**
 * Posts bytes to somebody who is not trusted: bounded in time and size, and led nowhere else. Throws NoAnswer, and the
 * signal's reason.
 */
export async function postBytes(url: string, body: Buffer, options: PostOptions): Promise<Answer> {
  const { timeoutMs, maxBytes, signal } = options;
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await send(url, body, options.contentType, AbortSignal.any([signal, limit]));
    const [type = ''] = (response.headers['content-type'] ?? '').toLowerCase().split(';');
    return { status: response.statusCode!, contentType: type.trim(), body: await readBody(response, maxBytes) };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new NoAnswer(`there was no answer within ${timeoutMs} ms`, { cause: error });
    if (error instanceof NoAnswer) throw error;
    throw new NoAnswer((error as Error).message, { cause: error });
  }
}

/** The head of the answer. A kept connection that the other side was just closing is replaced by a new one, once. */
function send(url: string, body: Buffer, contentType: string, signal: AbortSignal): Promise<IncomingMessage> {
  const isSecure = url.startsWith('https:');
  const headers = { 'content-type': contentType, 'content-length': body.length };
  const attempt = (agent: HttpAgent | false): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      let hasAnswered = false;
      const options = { method: 'POST', agent, headers, signal };
      const request = (isSecure ? requestHttps : requestHttp)(url, options, (response) => {
        hasAnswered = true;
        resolve(response);
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosing = error.code === 'ECONNRESET' && request.reusedSocket && !hasAnswered && !signal.aborted;
        if (wasClosing) resolve(attempt(false));
        else reject(error);
      });
      request.end(body);
    });
  return attempt(isSecure ? httpsAgent : httpAgent);
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // leaving the loop early ends the connection
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new NoAnswer(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
