// What only CI has: a search for secrets in every file of every commit that leads to this one, and so in what was taken out
// again too, by secretlint's recommended rules and one for the service's own keys. Takes the folder in which @secretlint/core
// and its recommended rules are installed. Prints where something was found, never what.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './install.mjs';

const [linter] = process.argv.slice(2);
if (linter === undefined) throw new Error('usage: node scripts/ci-secrets.mjs <folder with secretlint>');
const require = createRequire(join(linter, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const RECOMMENDED = '@secretlint/secretlint-rule-preset-recommend';
const { lintSource } = await load('@secretlint/core');
const { creator: recommended } = await load(RECOMMENDED);
// It keeps a mark of every step for good and searches them all at each: without this most of the time is spent there.
const { secretLintProfiler } = await load('@secretlint/profiler');
secretLintProfiler.mark = () => undefined;

/**
 * Passwords of databases that are no secrets: on the machine itself, where tests make their own servers, and on hosts whose
 * names lead nowhere.
 */
const NOWHERE = String.raw`/@(127\.0\.0\.1|localhost|db\.example\.com|db|h|host)[:/]/`;

/**
 * What the recommended rules do not know. An API key is tt_ and 32 random bytes in base64url; the example in the API's
 * document is longer. They leave out short keys, of which the one that signs is (Ed25519).
 */
const OWN = {
  API_KEY: [/(?<![\w-])tt_[\w-]{43}(?![\w-])/g, 'an API key of the service'],
  PRIVATE_KEY: [/-----BEGIN [A-Z ]*PRIVATE KEY-----(\s|\\n)+[\w+/=]{40}/g, 'a private key'],
};
/**
 * SHA-256 of keys that are no secrets any more: a test had them made, its database was dropped, and examples of the API's
 * document showed them for some commits.
 */
const OF_NOTHING = new Set([
  '6391f1cffcee67e471c5baf8328ea9f14c3ce9419ac14782d25aab912e96745f',
  'b5878cc9422096423eadf2c6a473bac56dd1451ee7330ed0c3264b1daa0a85c2',
  'e927ba0b3914e7a181daaf34c748c9af197f7a5d6e02b9e5a8927c351dc31fea',
]);
const isOfNothing = (text) => OF_NOTHING.has(createHash('sha256').update(text).digest('hex'));
const own = {
  messages: Object.fromEntries(Object.entries(OWN).map(([id, [, text]]) => [id, { en: () => text }])),
  meta: { id: 'truetrail', recommended: false, type: 'scanner', supportedContentTypes: ['text'] },
  create: (context) => ({
    file(source) {
      const translate = context.createTranslator(own.messages);
      for (const [id, [pattern]] of Object.entries(OWN)) {
        for (const { index, 0: text } of source.content.matchAll(pattern)) {
          if (!isOfNothing(text)) context.report({ message: translate(id), range: [index, index + text.length] });
        }
      }
    },
  }),
};

const config = {
  rules: [
    {
      ...{ id: RECOMMENDED, rule: recommended },
      rules: [{ id: '@secretlint/secretlint-rule-database-connection-string', options: { allows: [NOWHERE] } }],
    },
    { id: own.meta.id, rule: own },
  ],
};

async function find(path, content) {
  const source = { filePath: path, content, ext: extname(path), contentType: 'text' };
  const { messages } = await lintSource({ source, options: { config, maskSecrets: true, noPhysicFilePath: true } });
  return messages;
}

function git(...args) {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  return stdout.trim();
}

/** [path, object id] of every content that a file ever had. */
function everyContent() {
  return git('rev-list', '--objects', 'HEAD')
    .split('\n')
    .map((line) => line.split(/ (.*)/))
    .filter(([, path]) => path) // commits, and the trees of their roots
    .map(([id, path]) => [path, id]);
}

/** The contents, one by one, by one process of git for all. */
async function* read(contents) {
  const child = spawn('git', ['cat-file', '--batch'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(contents.map(([, id]) => `${id}\n`).join(''));
  let rest = Buffer.alloc(0);
  let at = 0;
  for await (const chunk of child.stdout) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const [, type, size] = rest.subarray(0, end).toString().split(' ');
      const next = end + 1 + Number(size) + 1;
      if (!(rest.length >= next)) break;
      if (type === 'blob') yield [...contents[at], rest.subarray(end + 1, next - 1).toString()];
      at += 1;
      rest = rest.subarray(next);
    }
  }
  if (at !== contents.length) throw new Error(`git gave ${at} of ${contents.length} objects`);
}

// A search that finds nothing anywhere would be as quiet as one of a clean history.
const made = [
  ['key.ts', `const key = 'tt_${randomBytes(32).toString('base64url')}';`],
  ['signing-key.pem', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })],
  ['url.ts', `'${'postgres:'}//app:${randomBytes(9).toString('hex')}@db.firm.internal/trail'`],
];
for (const [path, content] of made) {
  if ((await find(path, content)).length === 0) throw new Error(`a secret made for the purpose was not found: ${path}`);
}

let searched = 0;
let found = 0;
for await (const [path, id, content] of read(everyContent())) {
  searched += 1;
  for (const { loc, message } of await find(path, content)) {
    found += 1;
    console.error(`${path}:${loc.start.line} of ${id} (git log --find-object=${id}): ${message}`);
  }
}
const shallow = git('rev-parse', '--is-shallow-repository') === 'true' ? ', of a history that is cut off' : '';
console.log(
  `${searched} contents of files of ${git('rev-list', '--count', 'HEAD')} commits${shallow}, ${found} with secrets`,
);
if (found > 0) process.exitCode = 1;
