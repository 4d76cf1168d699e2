import type { DetailedPeerCertificate } from 'node:tls';

/** The first moment, ms of the epoch, at which one of a certificate and those above it ends. */
export function firstEnd(certificate: DetailedPeerCertificate): number {
  return Math.min(...ends(certificate));
}

/** When a certificate ends, and those above it, ms of the epoch, from the certificate up. */
export function ends(certificate: DetailedPeerCertificate): number[] {
  const found: number[] = [];
  // a root is its own issuer
  for (let at: DetailedPeerCertificate | undefined = certificate; at;) {
    found.push(Date.parse(at.valid_to));
    const above: DetailedPeerCertificate | undefined = at.issuerCertificate;
    at = above?.fingerprint256 === at.fingerprint256 ? undefined : above;
  }
  return found;
}
