import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyFile } from '../../src/checkpoints/signer.js';
import type { Config } from '../../src/config/config.js';
import { ED25519, VerifierKey } from '../../src/integrity/signed-note.js';
import { startService, TEST_ORIGIN, type TestService } from './app.js';
import type { TestStore } from './stores.js';
import { answerTo, makeCertificate, TIME_STAMPING } from './time-stamps.js';
import { TestAuthority } from './tsa.js';
import { TestWitness } from './witness-server.js';

const LEDGERS = ['main', '_service', 'desk-1'];

/** A witness that knows the ledgers main, desk-1 and _service, and an authority for time stamps: what a service needs to have both. */
export class Attestors {
  private constructor(
    readonly folder: string,
    readonly witness: TestWitness,
    readonly authority: TestAuthority,
    private readonly rootPem: string,
  ) {}

  static async start(): Promise<Attestors> {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-attested-'));
    const root = makeCertificate({ name: 'Root', ca: {} });
    const purposes = { identifiers: [TIME_STAMPING], critical: true };
    const signer = makeCertificate({ name: 'TSA', issuer: root, purposes });
    const authority = await TestAuthority.start((question) => answerTo(question, signer));
    const witness = await TestWitness.start('north.example/w1');
    const attestors = new Attestors(folder, witness, authority, root.certificate.toString());
    const { publicKey } = await KeyFile.readOrMake(attestors.keyFile);
    for (const ledger of LEDGERS) witness.trust(new VerifierKey(`${TEST_ORIGIN}/${ledger}`, ED25519, publicKey));
    writeFileSync(attestors.policyFile, `witness north ${witness.key.toString()} ${witness.url}\nquorum north\n`);
    writeFileSync(attestors.rootsFile, attestors.rootPem);
    return attestors;
  }

  get keyFile(): string {
    return join(this.folder, 'signing-key.pem');
  }
  get policyFile(): string {
    return join(this.folder, 'policy');
  }
  get rootsFile(): string {
    return join(this.folder, 'roots.pem');
  }

  /** What a service is started with to be attested. */
  environment(store: TestStore): Partial<Record<keyof Config, string>> {
    return {
      ARCHIVE_URL: store.url,
      SIGNING_KEY_FILE: this.keyFile,
      CHECKPOINT_SCHEDULE: 'off',
      WITNESSES: this.policyFile,
      TIMESTAMP_AUTHORITIES: this.authority.url,
      TIMESTAMP_CA_FILE: this.rootsFile,
      TIMESTAMP_INTERVAL: '1s',
    };
  }

  startService(store: TestStore, settings: Partial<Config> = {}): Promise<TestService> {
    return startService({ env: this.environment(store), settings });
  }

  async close(): Promise<void> {
    await this.witness.close();
    await this.authority.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
