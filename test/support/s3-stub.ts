import { createHash } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface SeenRequest {
  method: string;
  /** with the bucket, without the query */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What a bucket says of itself; undefined for what it answers with an error. */
export interface BucketConfiguration {
  versioning?: 'Enabled' | 'Suspended' | undefined;
  objectLock?: { mode?: 'COMPLIANCE' | 'GOVERNANCE' } | undefined;
  encryption?: boolean;
}

interface Version {
  id: string;
  body: Buffer;
  headers: Record<string, string>;
}

const AS_IT_SHOULD_BE: BucketConfiguration = {
  versioning: 'Enabled',
  objectLock: { mode: 'COMPLIANCE' },
  encryption: true,
};

/**
 * As much of S3 as an object store of ours asks for, as strict as AWS where the S3 that tests run on is not: it checks
 * SHA-256 and Content-MD5, wants one of them beside a lock, and minds `If-None-Match: *` in a versioned bucket. Every
 * request is kept, so that a test can say what must be in it. It checks no signatures.
 */
export class S3Stub {
  readonly requests: SeenRequest[] = [];
  url = '';
  /** how far its clock is from ours */
  clockAheadMs = 0;
  configuration = AS_IT_SHOULD_BE;
  /** what somebody else does just before a write is taken */
  beforePut: ((path: string) => void) | undefined;
  private readonly objects = new Map<string, Version[]>();
  private readonly hidden = new Set<string>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer({ keepAlive: false }, (incoming, answer) => this.take(incoming, answer));
  }

  static async start(): Promise<S3Stub> {
    const stub = new S3Stub();
    await new Promise<void>((resolve) => stub.server.listen(0, '127.0.0.1', resolve));
    stub.url = `http://127.0.0.1:${(stub.server.address() as AddressInfo).port}`;
    return stub;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** Forgets all requests and objects, and is as it should be. */
  reset(): void {
    this.requests.length = 0;
    this.objects.clear();
    this.hidden.clear();
    this.clockAheadMs = 0;
    this.configuration = AS_IT_SHOULD_BE;
    this.beforePut = undefined;
  }

  /** Puts a version there, as somebody else would; its id. */
  place(path: string, body: Buffer, headers: Record<string, string> = {}): string {
    const versions = this.objects.get(path) ?? [];
    const id = `v${versions.length + 1}`;
    this.objects.set(path, [...versions, { id, body, headers }]);
    return id;
  }

  /** Puts a delete marker there in the second of the last version. */
  hide(path: string): void {
    this.hidden.add(path);
  }

  versions(path: string): number {
    return this.objects.get(path)?.length ?? 0;
  }

  private take(incoming: IncomingMessage, answer: ServerResponse): void {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { pathname, searchParams } = new URL(incoming.url!, this.url);
      const request = {
        ...{ method: incoming.method!, path: pathname.slice(1), query: searchParams },
        ...{ headers: incoming.headers, body: Buffer.concat(chunks) },
      };
      this.requests.push(request);
      answer.setHeader('date', new Date(Date.now() + this.clockAheadMs).toUTCString());
      this.answer(request, answer);
    });
  }

  private answer(request: SeenRequest, answer: ServerResponse): void {
    const { method, path, query } = request;
    const { versioning, objectLock, encryption } = this.configuration;
    if (query.has('versioning')) {
      const status = versioning ? `<Status>${versioning}</Status>` : '';
      return xml(answer, 200, `<VersioningConfiguration>${status}</VersioningConfiguration>`);
    }
    if (query.has('object-lock')) {
      if (!objectLock) return refuse(answer, 404, 'ObjectLockConfigurationNotFoundError');
      const rule = objectLock.mode
        ? `<Rule><DefaultRetention><Mode>${objectLock.mode}</Mode><Days>60</Days></DefaultRetention></Rule>`
        : '';
      const inner = `<ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}`;
      return xml(answer, 200, `<ObjectLockConfiguration>${inner}</ObjectLockConfiguration>`);
    }
    if (query.has('encryption')) {
      if (!encryption) return refuse(answer, 404, 'ServerSideEncryptionConfigurationNotFoundError');
      const by =
        '<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>';
      return xml(
        answer,
        200,
        `<ServerSideEncryptionConfiguration><Rule>${by}</Rule></ServerSideEncryptionConfiguration>`,
      );
    }
    if (query.has('versions')) return this.list(path, query.get('prefix') ?? '', answer);
    if (query.has('retention') || query.has('legal-hold')) return this.change(request, answer);
    if (method === 'PUT') return this.put(request, answer);
    return this.get(request, answer);
  }

  private put({ path, headers, body }: SeenRequest, answer: ServerResponse): void {
    this.beforePut?.(path);
    const md5 = headers['content-md5'];
    const sha256 = headers['x-amz-checksum-sha256'];
    const isLocked = headers['x-amz-object-lock-mode'] !== undefined;
    if (isLocked && md5 === undefined && sha256 === undefined) return refuse(answer, 400, 'InvalidRequest');
    for (const [algorithm, given] of [
      ['md5', md5],
      ['sha256', sha256],
    ] as const) {
      if (given !== undefined && given !== createHash(algorithm).update(body).digest('base64')) {
        return refuse(answer, 400, algorithm === 'md5' ? 'BadDigest' : 'XAmzContentChecksumMismatch');
      }
    }
    if (headers['if-none-match'] === '*' && this.versions(path) > 0) return refuse(answer, 412, 'PreconditionFailed');
    const kept = Object.entries(headers).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && /^(x-amz-|content-type)/.test(entry[0]),
    );
    const id = this.place(path, body, Object.fromEntries(kept));
    answer.writeHead(200, { 'x-amz-version-id': id, etag: '"e"' }).end();
  }

  /** Moves a lock, or sets or clears a hold; what a lock forbids is not its business. */
  private change({ path, query, body }: SeenRequest, answer: ServerResponse): void {
    const version = this.objects.get(path)?.find(({ id }) => id === query.get('versionId'));
    if (!version) return refuse(answer, 404, 'NoSuchVersion');
    const [, until] = /<RetainUntilDate>(.*)<\/RetainUntilDate>/.exec(String(body)) ?? [];
    const [, status] = /<Status>(.*)<\/Status>/.exec(String(body)) ?? [];
    if (until !== undefined) version.headers['x-amz-object-lock-retain-until-date'] = until;
    if (status !== undefined) version.headers['x-amz-object-lock-legal-hold'] = status;
    answer.writeHead(200).end();
  }

  private get({ method, path, query, headers: asked }: SeenRequest, answer: ServerResponse): void {
    const version = this.objects.get(path)?.find(({ id }) => id === query.get('versionId'));
    if (!version) return refuse(answer, 404, 'NoSuchVersion');
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? '') ?? [];
    const body = from === undefined ? version.body : version.body.subarray(Number(from), Number(to) + 1);
    const headers: Record<string, string | number> = { ...version.headers, 'content-length': body.length };
    if (from !== undefined) delete headers['x-amz-checksum-sha256']; // it is of the whole
    answer.writeHead(from === undefined ? 200 : 206, headers);
    answer.end(method === 'HEAD' ? undefined : body);
  }

  private list(bucket: string, prefix: string, answer: ServerResponse): void {
    const begin = `${bucket.replace(/\/$/, '')}/`;
    const modified = (i: number): string => `<LastModified>2026-06-01T00:00:0${i}.000Z</LastModified>`;
    const markers = [...this.hidden]
      .filter((path) => path.startsWith(begin + prefix))
      .sort()
      .map(
        (path) =>
          `<DeleteMarker><Key>${path.slice(begin.length)}</Key><VersionId>marker</VersionId><IsLatest>true</IsLatest>` +
          `${modified(this.versions(path) - 1)}</DeleteMarker>`,
      );
    const versions = [...this.objects]
      .sort()
      .flatMap(([path, all]) =>
        path.startsWith(begin + prefix)
          ? all.map(
              ({ id, body }, i) =>
                `<Version><Key>${path.slice(begin.length)}</Key><VersionId>${id}</VersionId><IsLatest>${i === all.length - 1 && !this.hidden.has(path)}</IsLatest>` +
                `${modified(i)}<Size>${body.length}</Size></Version>`,
            )
          : [],
      );
    xml(
      answer,
      200,
      `<ListVersionsResult><IsTruncated>false</IsTruncated>${[...versions, ...markers].join('')}</ListVersionsResult>`,
    );
  }
}

function xml(answer: ServerResponse, status: number, text: string): void {
  answer.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>${text}`);
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  xml(answer, status, `<Error><Code>${code}</Code><Message>on purpose</Message></Error>`);
}
