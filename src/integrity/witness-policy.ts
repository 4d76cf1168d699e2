import { COSIGNATURE_ED25519, ED25519, NoteError, VerifierKey, type SignedNote } from './signed-note.js';

/**
 * Which witnesses there are, and which of them together are enough: C2SP tlog-policy. Pure, so that a verifier judges a
 * checkpoint by the file that the service asks by.
 */
export interface WitnessPolicy {
  /** keys of logs; none when the file leaves it to somebody else to say whose checkpoints they are */
  logs: readonly { key: VerifierKey; url: string | undefined }[];
  witnesses: readonly PolicyWitness[];
  /** what must have cosigned; null when nothing has to */
  quorum: PolicyMember | null;
}

export interface PolicyWitness {
  /** in the file */
  name: string;
  key: VerifierKey;
  /** the submission prefix of tlog-witness, without a slash at its end */
  url: string | undefined;
}

export type PolicyMember = { witness: PolicyWitness } | { group: string; threshold: number; members: PolicyMember[] };

/** What is no policy; `message` is a sentence that names the line. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** tlog-policy: 32 of each at least. */
const MAX_LINES = 1_000;
const MAX_CHARACTERS = 1_000_000;

/** Reads a policy file: UTF-8, as tlog-policy recommends. Throws PolicyError. */
export function parsePolicy(text: string): WitnessPolicy {
  if (text.length > MAX_CHARACTERS || !text.isWellFormed() || /[\u0000-\u0008\u000b-\u001f\u007f\ufeff]/.test(text)) {
    throw new PolicyError('a policy is lines of text, without control characters but tabs and newlines');
  }
  const reader = new PolicyReader();
  const lines = text.split('\n');
  if (lines.length > MAX_LINES) throw new PolicyError(`a policy has at most ${MAX_LINES} lines`);
  for (const [at, line] of lines.entries()) {
    const [keyword, ...words] = line.split(/[ \t]+/).filter((word) => word !== '');
    if (keyword === undefined || keyword.startsWith('#')) continue;
    try {
      reader.read(keyword, words);
    } catch (error) {
      if (!(error instanceof PolicyError) && !(error instanceof NoteError)) throw error;
      throw new PolicyError(`line ${at + 1}: ${error.message}`, { cause: error });
    }
  }
  return reader.policy();
}

class PolicyReader {
  private readonly logs: { key: VerifierKey; url: string | undefined }[] = [];
  private readonly witnesses: PolicyWitness[] = [];
  private readonly members = new Map<string, PolicyMember>();
  private readonly grouped = new Set<string>();
  private quorum: PolicyMember | null | undefined;

  read(keyword: string, words: readonly string[]): void {
    switch (keyword) {
      case 'log':
        return this.readLog(words);
      case 'witness':
        return this.readWitness(words);
      case 'group':
        return this.readGroup(words);
      case 'quorum':
        return this.readQuorum(words);
      default:
        throw new PolicyError(`${JSON.stringify(keyword)} is none of log, witness, group and quorum`);
    }
  }

  policy(): WitnessPolicy {
    const { logs, witnesses, quorum } = this;
    if (quorum === undefined) throw new PolicyError('a policy has one line of quorum, and this has none');
    return { logs, witnesses, quorum };
  }

  private readLog([vkey, url, more]: readonly string[]): void {
    if (vkey === undefined || more !== undefined) throw new PolicyError('it must be: log <vkey> [<url>]');
    const key = VerifierKey.parse(vkey);
    if (key.algorithm !== ED25519) throw new PolicyError(`${key.name} is no key of a log`);
    if (this.logs.some((log) => log.key.publicKey.equals(key.publicKey))) {
      throw new PolicyError(`the key of ${key.name} is there twice`);
    }
    this.logs.push({ key, url });
  }

  private readWitness([name, vkey, url, more]: readonly string[]): void {
    if (name === undefined || vkey === undefined || more !== undefined) {
      throw new PolicyError('it must be: witness <name> <vkey> [<url>]');
    }
    const key = VerifierKey.parse(vkey);
    if (key.algorithm !== COSIGNATURE_ED25519) {
      throw new PolicyError(`the key of ${key.name} is none for cosignatures (algorithm 4)`);
    }
    if (this.witnesses.some((witness) => witness.key.publicKey.equals(key.publicKey))) {
      throw new PolicyError(`the key of ${key.name} is there twice`);
    }
    // it is by the name of its key that a signature says whose it is
    if (this.witnesses.some((witness) => witness.key.name === key.name)) {
      throw new PolicyError(`there are two keys of the name ${key.name}, and one witness has one here`);
    }
    const witness = { name, key, url: url === undefined ? undefined : submissionPrefix(url) };
    this.define(name, { witness });
    this.witnesses.push(witness);
  }

  private readGroup([name, rule, ...names]: readonly string[]): void {
    if (name === undefined || rule === undefined || names.length === 0) {
      throw new PolicyError('it must be: group <name> all|any|<number> <member>...');
    }
    const members = names.map((each) => {
      const member = this.find(each);
      if (this.grouped.has(each)) throw new PolicyError(`${JSON.stringify(each)} is a member of a group already`);
      this.grouped.add(each);
      return member;
    });
    const threshold =
      rule === 'all' ? names.length : rule === 'any' ? 1 : /^[1-9][0-9]*$/.test(rule) ? Number(rule) : 0;
    if (threshold < 1 || threshold > names.length) {
      throw new PolicyError(`all, any or a number from 1 to ${names.length} of its members are a group`);
    }
    this.define(name, { group: name, threshold, members });
  }

  private readQuorum([name, more]: readonly string[]): void {
    if (name === undefined || more !== undefined) throw new PolicyError('it must be: quorum <name>|none');
    if (this.quorum !== undefined) throw new PolicyError('there is a quorum already');
    this.quorum = name === 'none' ? null : this.find(name);
  }

  private define(name: string, member: PolicyMember): void {
    if (name === 'none') throw new PolicyError('none is no name of a witness or group');
    if (this.members.has(name)) throw new PolicyError(`there is a ${JSON.stringify(name)} already`);
    this.members.set(name, member);
  }

  private find(name: string): PolicyMember {
    const member = this.members.get(name);
    if (!member) throw new PolicyError(`no line before has the name ${JSON.stringify(name)}`);
    return member;
  }
}

function submissionPrefix(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOne = url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (!isOne || url.search !== '' || url.hash !== '') {
    throw new PolicyError('a submission prefix is a URL of http or https, without user, query and fragment');
  }
  return url.href.replace(/\/+$/, '');
}

/** Whether some witnesses together are the quorum; true when nobody has to cosign. */
export function isQuorum({ quorum }: WitnessPolicy, cosigners: ReadonlySet<PolicyWitness>): boolean {
  const has = (member: PolicyMember): boolean =>
    'witness' in member ? cosigners.has(member.witness) : member.members.filter(has).length >= member.threshold;
  return quorum === null || has(quorum);
}

/** The witnesses of a policy whose cosignatures a note bears and that verify; what does not verify counts for nothing. */
export function cosignersOf({ witnesses }: WitnessPolicy, { text, signatures }: SignedNote): Set<PolicyWitness> {
  return new Set(
    witnesses.filter(({ key }) =>
      signatures.some((signature) => key.isNamedBy(signature) && key.verifies(text, signature)),
    ),
  );
}
