import { generateKeyPairSync } from 'node:crypto';
import { COSIGNATURE_ED25519, cosignText, formatNote, parseNote, signText, verifierKey } from './signed-note.js';
import { cosignersOf, isQuorum, parsePolicy, PolicyError } from './witness-policy.js';

const newKey = () => generateKeyPairSync('ed25519').privateKey;
const keys = Array.from({ length: 5 }, newKey);
const vkeys = keys.map((key, at) => verifierKey(`w${at}.example/x`, key, COSIGNATURE_ED25519).toString());
const logKey = newKey();
const log = verifierKey('log.example/main', logKey).toString();
const [a, b, c, d, e] = vkeys;
const witnesses = `witness A ${a} https://a.example/w/\nwitness B ${b}\nwitness C ${c}\nwitness D ${d}\nwitness E ${e}\n`;

describe('a witness policy', () => {
  it('names witnesses, groups and what is enough, among comments and blanks', () => {
    const policy = parsePolicy(
      `# ours\n\tlog ${log}  https://log.example/\n \t\n${witnesses}group X 2 A B C\n  group Y any D E\ngroup Z all X Y\nquorum Z\n`,
    );
    expect(policy.logs.map(({ key }) => key.toString())).toEqual([log]);
    expect(policy.witnesses.map(({ name, url }) => [name, url])).toEqual([
      ['A', 'https://a.example/w'],
      ...['B', 'C', 'D', 'E'].map((name) => [name, undefined]),
    ]);
    const enough = (names: string): boolean =>
      isQuorum(policy, new Set(policy.witnesses.filter(({ name }) => names.includes(name))));
    for (const names of ['ABD', 'BCE', 'ABCDE']) expect([names, enough(names)]).toEqual([names, true]);
    for (const names of ['', 'ABC', 'DE', 'AD', 'ADE']) expect([names, enough(names)]).toEqual([names, false]);
  });

  it('may ask for nobody, or for one', () => {
    expect(isQuorum(parsePolicy('quorum none'), new Set())).toBe(true);
    const policy = parsePolicy(`witness A ${a}\nquorum A`);
    expect(isQuorum(policy, new Set())).toBe(false);
    expect(isQuorum(policy, new Set(policy.witnesses))).toBe(true);
  });

  it('counts cosignatures that verify, and no others', () => {
    const policy = parsePolicy(`${witnesses}quorum none\n`);
    const text = 'log.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n';
    const signatures = [
      signText(text, 'log.example/main', logKey),
      cosignText(text, 'w0.example/x', keys[0]!, 1n),
      cosignText(`${text}extension\n`, 'w1.example/x', keys[1]!, 1n),
      cosignText(text, 'w2.example/x', keys[3]!, 1n), // under another's name, so under an id that nobody has
      cosignText(text, 'unknown.example', newKey(), 1n),
      signText(text, 'w4.example/x', keys[4]!), // a witness's key, and no cosignature
    ];
    const note = parseNote(formatNote({ text, signatures }));
    expect([...cosignersOf(policy, note)].map(({ name }) => name)).toEqual(['A']);
  });

  it.each<[string, string]>([
    ['', 'one line of quorum'],
    [`witness A ${a}`, 'one line of quorum'],
    ['quorum none\nquorum none', 'line 2: there is a quorum already'],
    ['quorum A', 'line 1: no line before has the name "A"'],
    [`quorum A\nwitness A ${a}`, 'no line before'],
    ['quorum', 'it must be: quorum'],
    ['quorum none none', 'it must be: quorum'],
    ['witnes A', '"witnes" is none of'],
    ['witness A', 'it must be: witness'],
    [`witness A ${a} https://x 1`, 'it must be: witness'],
    [`witness none ${a}`, 'none is no name'],
    [`witness A ${a}\nwitness A ${b}`, 'there is a "A" already'],
    [`witness A ${a}\nwitness B ${a}`, 'is there twice'],
    [
      `witness A ${verifierKey('same', keys[0]!, COSIGNATURE_ED25519).toString()}\nwitness B ${verifierKey('same', keys[1]!, COSIGNATURE_ED25519).toString()}`,
      'two keys of the name same',
    ],
    [`witness A ${log}`, 'none for cosignatures'],
    [`witness A ${a!.slice(0, -4)}AAA=`, 'line 1: '],
    [`witness A ${a} ftp://a.example`, 'a submission prefix is'],
    [`witness A ${a} https://u:p@a.example`, 'a submission prefix is'],
    [`witness A ${a} https://a.example/?x`, 'a submission prefix is'],
    [`log ${a}`, 'no key of a log'],
    [`log ${log}\nlog ${log}`, 'is there twice'],
    ['log', 'it must be: log'],
    [`${witnesses}group G 0 A`, 'a number from 1 to 1'],
    [`${witnesses}group G 2 A`, 'a number from 1 to 1'],
    [`${witnesses}group G 01 A`, 'a number from 1 to 1'],
    [`${witnesses}group G some A`, 'a number from 1 to 1'],
    [`${witnesses}group G all`, 'it must be: group'],
    [`${witnesses}group G all A A`, 'a member of a group already'],
    [`${witnesses}group G all A\ngroup H all A`, 'a member of a group already'],
    [`${witnesses}group G all none`, 'no line before'],
    [`${witnesses}group G all G`, 'no line before'],
    [`${witnesses}group A all B`, 'there is a "A" already'],
    ['quorum none\r\n', 'without control characters'],
  ])('is none: %#', (text, message) => {
    expect(() => parsePolicy(text)).toThrow(PolicyError);
    expect(() => parsePolicy(text)).toThrow(message);
  });
});
