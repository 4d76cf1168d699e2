import { ParseOption, XmlCData, XmlDocument, XmlElement, XmlLibError, XmlText, XmlTreeNode } from 'libxml2-wasm';
import { ENVELOPE_NAMESPACE, HEADER_NAMESPACE, MAX_MESSAGE_BYTES, MAX_MESSAGE_TAGS } from './schema-sets.js';

/** A file that is not the message that it should be, or that contradicts itself. Nothing of it counts. */
export class MessageFileError extends Error {
  override readonly name = 'MessageFileError';

  constructor(
    message: string,
    /** of the file, from 1 */
    readonly line?: number,
  ) {
    super(line === undefined ? message : `line ${line}: ${message}`);
  }
}

/** Nothing is loaded from outside, whatever a file says. */
const PARSING = ParseOption.XML_PARSE_NO_XXE | ParseOption.XML_PARSE_NONET;

/** A message of ISO 20022. */
export interface MessageDocument {
  /** `BizMsgIdr` of the header; undefined where the document comes without an envelope */
  messageId: string | undefined;
  /** the id in `To` of the header; undefined where the header does not say, or there is none */
  addressedTo: string | undefined;
  /** the same in `Fr` */
  sentBy: string | undefined;
  /** the element `Document` */
  document: Element;
}

/**
 * Parses a message of a namespace, in its envelope (`head.003.001.01`) or bare, and gives `take` what is in it; its elements
 * are good until `take` returns.
 *
 * Throws MessageFileError for what is no XML, has a document type definition, or is another message.
 */
export function withMessageDocument<T>(file: Uint8Array, namespace: string, take: (message: MessageDocument) => T): T {
  if (file.byteLength > MAX_MESSAGE_BYTES) {
    throw new MessageFileError(`the file has ${file.byteLength} bytes, and may have ${MAX_MESSAGE_BYTES}`);
  }
  const tags = tagsIn(file);
  if (tags > MAX_MESSAGE_TAGS) {
    throw new MessageFileError(`the file has ${tags} tags, and may have ${MAX_MESSAGE_TAGS}`);
  }
  const document = parsed(file);
  try {
    if (document.dtd) throw new MessageFileError('a document type definition is not allowed', 1);
    return take(opened(new Element(document.root), namespace));
  } finally {
    document.dispose();
  }
}

/** Before it is parsed: a tree of nothing but tags would need gigabytes. */
function tagsIn(file: Uint8Array): number {
  let tags = 0;
  for (let at = file.indexOf(TAG); at !== -1; at = file.indexOf(TAG, at + 1)) tags += 1;
  return tags;
}

const TAG = 0x3c; // <, in every encoding that is read

function parsed(file: Uint8Array): XmlDocument {
  try {
    return XmlDocument.fromBuffer(file, { option: PARSING });
  } catch (error) {
    if (!(error instanceof XmlLibError)) throw error;
    const [first] = error.details;
    throw new MessageFileError(
      `the file is no well-formed XML: ${(first?.message ?? error.message).trim()}`,
      first?.line,
    );
  }
}

function opened(root: Element, namespace: string): MessageDocument {
  if (root.is('Document', namespace)) {
    return { messageId: undefined, addressedTo: undefined, sentBy: undefined, document: root };
  }
  if (!root.is('BizData', ENVELOPE_NAMESPACE)) {
    throw new MessageFileError(
      `the root of the file is ${root.title}, and must be BizData of ${ENVELOPE_NAMESPACE} or Document of ${namespace}`,
      root.line,
    );
  }
  const { Hdr, Pyld } = root.children({ Hdr: 'one', Pyld: 'one' });
  const header = Hdr[0]!.only('AppHdr', HEADER_NAMESPACE);
  const document = Pyld[0]!.only('Document', namespace);
  const messageId = header.named('BizMsgIdr').text();
  if (messageId === '') throw new MessageFileError('BizMsgIdr must not be empty', header.line);
  const partyOf = (side: 'Fr' | 'To') => header.textAt([side, ...PARTY_ID]);
  return { messageId, addressedTo: partyOf('To'), sentBy: partyOf('Fr'), document };
}

/** Where the header has the id of whose a message is, and for whom; what else may stand there is not looked at. */
const PARTY_ID = ['OrgId', 'Id', 'OrgId', 'Othr', 'Id'] as const;

/** How often a child may be there: once, at most once, any number of times, or once or more. */
export type Occurrence = 'one' | 'optional' | 'any' | 'some';

/** An element of a file, whose mistakes are told with its line. */
export class Element {
  constructor(private readonly element: XmlElement) {}

  get line(): number {
    return this.element.line;
  }

  get name(): string {
    return this.element.name;
  }

  /** By name. */
  get attributes(): [string, string][] {
    return this.element.attrs.map(({ name, value }) => [name, value]);
  }

  get title(): string {
    const { name, namespaceUri } = this.element;
    return `${name} of ${namespaceUri === '' ? 'no namespace' : namespaceUri}`;
  }

  is(name: string, namespace: string): boolean {
    return this.element.name === name && this.element.namespaceUri === namespace;
  }

  /** Its text, without the white space around it; it may have no elements. Throws MessageFileError. */
  text(): string {
    for (const child of this.nodes()) {
      if (child instanceof XmlElement)
        throw new MessageFileError(`${this.element.name} must hold text alone`, child.line);
    }
    return this.element.content.trim();
  }

  /** Its children by name: exactly these, in this order, each as often as it may be there. Throws MessageFileError. */
  children<const T extends Readonly<Record<string, Occurrence>>>(allowed: T): { [K in keyof T]: Element[] } {
    const names = Object.keys(allowed);
    const found = Object.fromEntries(names.map((name): [string, Element[]] => [name, []]));
    let position = 0;
    for (const child of this.elements()) {
      const { name, namespaceUri } = child.element;
      const at = namespaceUri === this.element.namespaceUri ? names.indexOf(name) : -1;
      if (at === -1) throw new MessageFileError(`${this.element.name} may not have a ${child.title}`, child.line);
      if (at < position) throw new MessageFileError(`${name} stands after ${names[position]}`, child.line);
      position = at;
      found[name]!.push(child);
    }
    for (const [name, occurrence] of Object.entries(allowed)) {
      const count = found[name]!.length;
      const isMissing = count === 0 && (occurrence === 'one' || occurrence === 'some');
      if (isMissing) throw new MessageFileError(`${this.element.name} has no ${name}`, this.line);
      const isOnce = occurrence === 'one' || occurrence === 'optional';
      if (isOnce && count > 1) throw new MessageFileError(`${this.element.name} has ${count} ${name}`, this.line);
    }
    return found as { [K in keyof T]: Element[] };
  }

  /** Its one child, which is of another namespace. Throws MessageFileError. */
  only(name: string, namespace: string): Element {
    const elements = this.elements();
    const [first] = elements;
    if (elements.length !== 1 || !first?.is(name, namespace)) {
      throw new MessageFileError(
        `${this.element.name} must hold one ${name} of ${namespace}`,
        first?.line ?? this.line,
      );
    }
    return first;
  }

  /** The one of its children that has this name; what else there is does not matter. Throws MessageFileError. */
  named(name: string): Element {
    const found = this.elements().filter((child) => child.is(name, this.element.namespaceUri));
    if (found.length !== 1) throw new MessageFileError(`${this.element.name} must have one ${name}`, this.line);
    return found[0]!;
  }

  /** The text of an element below it by the names on the way; undefined where one of these is not there once, or it is empty. */
  textAt(path: readonly string[]): string | undefined {
    const [name, ...rest] = path;
    if (name === undefined) return this.text() || undefined;
    const found = this.elements().filter((child) => child.is(name, this.element.namespaceUri));
    return found.length === 1 ? found[0]!.textAt(rest) : undefined;
  }

  /** All its children, or its text where it has none; looked at once, as a file has many. Throws MessageFileError for both. */
  elementsOrText(): readonly Element[] | string {
    const elements: Element[] = [];
    const texts: (XmlText | XmlCData)[] = [];
    for (const node of this.nodes()) {
      if (node instanceof XmlElement) elements.push(new Element(node));
      else if (node instanceof XmlText || node instanceof XmlCData) texts.push(node);
    }
    if (elements.length === 0) return this.element.content.trim();
    const wrong = texts.find(({ content }) => content.trim() !== '');
    if (wrong) throw new MessageFileError(`${this.element.name} may not have text`, wrong.line);
    return elements;
  }

  /** All its children; there may be no text beside them. Throws MessageFileError. */
  elements(): Element[] {
    const elements: Element[] = [];
    for (const node of this.nodes()) {
      if (node instanceof XmlElement) elements.push(new Element(node));
      else if ((node instanceof XmlText || node instanceof XmlCData) && node.content.trim() !== '') {
        throw new MessageFileError(`${this.element.name} may not have text`, node.line);
      }
    }
    return elements;
  }

  private *nodes() {
    for (let node = this.element.firstChild; node !== null; node = node.next) {
      // libxml2-wasm gives one whatever the types say, and cannot go on from it to what follows
      if (!((node as object) instanceof XmlTreeNode)) {
        throw new MessageFileError(`${this.element.name} may not have a processing instruction`, this.line);
      }
      yield node;
    }
  }
}
