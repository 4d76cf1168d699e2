import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { signSuccession } from '../integrity/key-succession.js';
import { signText, verifierKey, type NoteSignature } from '../integrity/signed-note.js';

/** Whatever holds the key that signs checkpoints: a file here, an HSM or a key service elsewhere. */
export interface Signer {
  /** Ed25519, raw: what verifies its signatures under any ledger's origin */
  readonly publicKey: Buffer;
  /** keys that it can sign successions from and to, as it can of its own; in no order */
  readonly predecessors: readonly Buffer[];
  /** Signs a text under a name, which is a ledger's origin. */
  sign(text: string, name: string): NoteSignature;
  /** The note by which one of the predecessors gives way to another or to the key. Throws SigningKeyError. */
  succeed(predecessor: Buffer, successor: Buffer, origin: string, fromSize: bigint): string;
}

/** The key file is not there, or not usable; the message says what to do. */
export class SigningKeyError extends Error {
  override name = 'SigningKeyError';
}

const PEM_BLOCK = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/g;

/** Private keys in a PEM file (PKCS #8, Ed25519): the first one signs, the others are those that it has succeeded. */
export class KeyFile implements Signer {
  readonly publicKey: Buffer;
  readonly predecessors: readonly Buffer[];

  private constructor(private readonly keys: readonly KeyObject[]) {
    const [current, ...before] = keys.map((key) => verifierKey('any', key).publicKey);
    this.publicKey = current!;
    this.predecessors = before;
  }

  /** undefined when there is no such file. Throws SigningKeyError, and never with what is in the file. */
  static async read(path: string): Promise<KeyFile | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw new SigningKeyError(`the signing key ${path} cannot be read (${code})`, { cause: error });
    }
    const blocks = text.match(PEM_BLOCK) ?? [];
    if (blocks.length === 0) throw new SigningKeyError(`${path} holds no private key in PEM (PKCS #8)`);
    return new KeyFile(
      blocks.map((block, at) => {
        let key: KeyObject;
        try {
          key = createPrivateKey(block);
        } catch {
          throw new SigningKeyError(`key ${at + 1} in ${path} is not readable: it must be PKCS #8 and not encrypted`);
        }
        if (key.asymmetricKeyType !== 'ed25519')
          throw new SigningKeyError(`key ${at + 1} in ${path} is not of Ed25519`);
        return key;
      }),
    );
  }

  /** The file's key; a new one when there is no file, the same for all who ask at once. Throws SigningKeyError. */
  static async readOrMake(path: string): Promise<KeyFile> {
    const there = await KeyFile.read(path);
    if (there) return there;
    const draft = await writeDraft(path, newKey());
    try {
      await link(draft, path); // fails when somebody was faster
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(path, error);
    } finally {
      await rm(draft, { force: true });
    }
    return (await KeyFile.read(path))!;
  }

  /** Puts a new key before those in the file; who signs takes it up with the next round. Throws SigningKeyError. */
  static async rotate(path: string): Promise<KeyFile> {
    if (!(await KeyFile.read(path))) throw new SigningKeyError(`there is no signing key ${path} to rotate`);
    const draft = await writeDraft(path, `${newKey()}${await readFile(path, 'utf8')}`);
    await rename(draft, path);
    return (await KeyFile.read(path))!;
  }

  sign(text: string, name: string): NoteSignature {
    return signText(text, name, this.keys[0]!);
  }

  succeed(predecessor: Buffer, successor: Buffer, origin: string, fromSize: bigint): string {
    return signSuccession(origin, fromSize, this.privateKey(predecessor), this.privateKey(successor));
  }

  private privateKey(publicKey: Buffer): KeyObject {
    const at = [this.publicKey, ...this.predecessors].findIndex((key) => key.equals(publicKey));
    if (at < 0) throw new SigningKeyError('a key that is succeeded, or succeeds, is not in the key file');
    return this.keys[at]!;
  }
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** A file beside `path`, readable by nobody else, that would survive a loss of power. */
async function writeDraft(path: string, text: string): Promise<string> {
  const draft = join(dirname(path), `.${basename(path)}-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return draft;
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, cause: unknown): SigningKeyError {
  const { code } = cause as NodeJS.ErrnoException;
  return new SigningKeyError(`the signing key ${path} cannot be written (${code}): see SIGNING_KEY_FILE`, { cause });
}
