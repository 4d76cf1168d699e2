import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ParseOption,
  XmlBufferInputProvider,
  xmlCleanupInputProvider,
  XmlDocument,
  XmlLibError,
  xmlRegisterInputProvider,
  XsdValidator,
} from 'libxml2-wasm';
import type { SchemaSet } from './schema-sets.js';

/** A folder that does not hold the schemas of a set, or schemas that cannot be used. */
export class SchemaPackError extends Error {
  override readonly name = 'SchemaPackError';
}

/** What a document lacks against its schemas. */
export interface SchemaFinding {
  message: string;
  /** from 1 */
  line: number;
}

/** A document stays in memory as a tree of many times its size, which WebAssembly does not give back. */
export const MAX_VALIDATED_BYTES = 64 * 1024 * 1024;
/** Nothing is loaded from outside, whatever a document says. */
const PARSING = ParseOption.XML_PARSE_NO_XXE | ParseOption.XML_PARSE_NONET;

/**
 * The schemas of a set, strictly: the envelope allows only what one of them defines. The operator gets them from the
 * authority and puts them into a folder: their licence does not let others hand them on.
 */
export class SchemaPack {
  private constructor(
    readonly version: string,
    private readonly validator: XsdValidator,
  ) {}

  /** Throws SchemaPackError. */
  static async load(folder: string, { version, files }: SchemaSet): Promise<SchemaPack> {
    const read: Record<string, Uint8Array> = {};
    for (const [namespace, file] of Object.entries(files)) {
      const bytes = await readFile(join(folder, file)).catch((cause: unknown) => {
        throw new SchemaPackError(`the schema pack lacks ${file}, of version ${version}`, { cause });
      });
      if (!bytes.includes(`targetNamespace="${namespace}"`)) {
        throw new SchemaPackError(`${file} of the schema pack is no schema of ${namespace}`);
      }
      read[`schema-pack/${file}`] = bytes;
    }
    return new SchemaPack(version, compiled(read, files));
  }

  /** What the schemas find in a document; nothing in one that is valid. Throws RangeError for more than 64 MiB. */
  validate(document: Uint8Array): SchemaFinding[] {
    if (document.byteLength > MAX_VALIDATED_BYTES) {
      throw new RangeError(`a document of more than ${MAX_VALIDATED_BYTES} bytes is not validated in one piece`);
    }
    let parsed: XmlDocument | undefined;
    try {
      parsed = XmlDocument.fromBuffer(document, { option: PARSING });
      if (parsed.dtd) return [{ message: 'a document type definition is not allowed', line: 1 }];
      this.validator.validate(parsed);
      return [];
    } catch (error) {
      if (!(error instanceof XmlLibError)) throw error;
      return error.details.map(({ message, line }) => ({ message: message.trim(), line }));
    } finally {
      parsed?.dispose();
    }
  }

  /** Gives back its memory; it validates nothing any more. */
  close(): void {
    this.validator.dispose();
  }
}

/** One schema of no namespace that imports the others, so that each can be met below the wildcards of the envelope. */
function compiled(read: Record<string, Uint8Array>, files: SchemaSet['files']): XsdValidator {
  const imports = Object.entries(files).map(
    ([namespace, file]) => `<xs:import namespace="${namespace}" schemaLocation="${file}"/>`,
  );
  const text = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">${imports.join('')}</xs:schema>`;
  xmlRegisterInputProvider(new XmlBufferInputProvider(read));
  const schema = XmlDocument.fromString(text, { url: 'schema-pack/all.xsd', option: PARSING });
  try {
    return XsdValidator.fromDoc(schema);
  } catch (error) {
    if (!(error instanceof XmlLibError)) throw error;
    throw new SchemaPackError(`the schemas cannot be used: ${error.message.trim()}`, { cause: error });
  } finally {
    schema.dispose();
    xmlCleanupInputProvider();
  }
}
