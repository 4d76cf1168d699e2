import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { Injectable } from '@nestjs/common';
import { ends } from './certificate-end.js';
import { Metrics } from './metrics.js';

/** Whom this service calls: the store, the issuer of tokens, authorities that stamp, witnesses. */
export type PeerKind = 'archive' | 'issuer' | 'timestamp_authority' | 'witness';

interface Peer {
  kind: PeerKind;
  address: () => URL | undefined;
  nextLookAt: number;
  /** `host:port` as it was last seen, and ms of the epoch */
  seen?: { host: string; endsAt: number };
}

const LOOK_EVERY_MS = 3_600_000;
const AFTER_FAILURE_MS = 300_000;
const TIMEOUT_MS = 5_000;
const HTTPS_PORT = 443;

/**
 * When the certificates end by which those are known that this service calls over TLS: from then on it cannot. Seen once an
 * hour, on connections of their own over which nothing is sent. No scrape waits for them: it begins a look that is due, and
 * has what was seen before.
 */
@Injectable()
export class PeerCertificates {
  private readonly peers: Peer[] = [];

  constructor(metrics: Metrics) {
    metrics.gauge(
      'truetrail_peer_certificate_remaining_seconds',
      'Time until the certificate of a service that this one calls expires, or a CA that it is trusted by, whichever is first',
      ['peer', 'address'],
      () => {
        for (const peer of this.peers) if (performance.now() >= peer.nextLookAt) void this.look(peer);
        return this.peers.flatMap(({ kind, seen }) =>
          seen ? [{ labels: { peer: kind, address: seen.host }, value: (seen.endsAt - Date.now()) / 1_000 }] : [],
        );
      },
    );
  }

  /** Has a peer watched from now on. One whose address is not, or not yet, known, or has no TLS, has no certificate. */
  watch(kind: PeerKind, address: () => URL | undefined): void {
    this.peers.push({ kind, address, nextLookAt: 0 });
  }

  /** One that cannot be reached is told of by whoever calls it; what was seen last stands, also once it has expired. */
  private async look(peer: Peer): Promise<void> {
    const url = peer.address();
    if (url?.protocol !== 'https:') return;
    peer.nextLookAt = performance.now() + AFTER_FAILURE_MS;
    try {
      const endsAt = await certificateEnd(url);
      peer.seen = { host: `${url.hostname}:${url.port || HTTPS_PORT}`, endsAt };
      peer.nextLookAt = performance.now() + LOOK_EVERY_MS;
    } catch {
      // the next look may come to something
    }
  }
}

/**
 * The first end, ms of the epoch, of the certificate that is shown there and those above it. One that has ended while what
 * is shown is trusted none the less is not what it is trusted by: servers go on showing CAs that have expired.
 */
function certificateEnd(url: URL): Promise<number> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(url.port || HTTPS_PORT),
      ...(isIP(host) === 0 && { servername: host }),
      rejectUnauthorized: false, // of one that is trusted no more the end is told as well; nothing is sent
      timeout: TIMEOUT_MS,
    });
    socket.unref();
    socket.once('timeout', () => socket.destroy(new Error(`no TLS within ${TIMEOUT_MS} ms`)));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const now = Date.now();
      const all = ends(socket.getPeerCertificate(true));
      resolve(Math.min(...(socket.authorized ? all.filter((end) => end > now) : all)));
      socket.destroy();
    });
  });
}
