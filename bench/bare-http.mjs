// What HTTP alone costs: a server of node:http in a process of its own, which reads each request whole and answers the bytes
// that it was given. Started as a program with these on standard input; prints its port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { HttpConnection } from './http-connection.mjs';
import { median, summarize } from './statistics.mjs';

/**
 * The row of the same requests, one after the other over one connection, to a server that does nothing for them.
 * `requests` are bytes of HttpConnection's encode(), `answer` the body of each answer.
 */
export async function bareHttpRow(row, { requests, answer, status, what }) {
  const latencies = await withBareServer({ answer, status }, async (connection) => {
    for (const request of requests) await connection.send(request); // as warm as the service is
    const each = [];
    for (const request of requests) {
      const begun = performance.now();
      await connection.send(request);
      each.push(performance.now() - begun);
    }
    return each;
  });
  return {
    row,
    what: `HTTP alone: ${what} to a bare server of node:http that answers the same bytes, p50`,
    unit: 'ms',
    ours: median(latencies),
    target: 'printed',
    detail: { oursMs: summarize(latencies) },
  };
}

async function withBareServer({ answer, status }, work) {
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), String(status)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    server.stdin.end(answer);
    const [port] = await Promise.race([
      once(server.stdout.setEncoding('utf8'), 'data'),
      once(server, 'exit').then(([code]) => {
        throw new Error(`the bare server ended with ${code}`);
      }),
    ]);
    const connection = await HttpConnection.open(`http://127.0.0.1:${Number(port)}`, 'none');
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  } finally {
    server.kill();
  }
}

async function serve(status) {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  const answer = Buffer.concat(parts);
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': answer.length });
      response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(String(server.address().port)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(Number(process.argv[2]));
