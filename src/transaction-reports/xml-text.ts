/** A text that XML 1.0 cannot carry. `message` says which character, and not the text: it may be a name. */
export class XmlTextError extends Error {
  override readonly name = 'XmlTextError';
}

/** What XML 1.0 has no way to write (its production Char), and halves of characters. */

const NOT_IN_XML = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|\p{Cs}/u;
const TO_ESCAPE = /[&<>"'\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** A text as content of an element or value of an attribute, read back as it was. Throws XmlTextError. */
export function xmlText(text: string): string {
  if (/^[\w .:+#-]*$/.test(text)) return text;
  const wrong = NOT_IN_XML.exec(text);
  if (wrong) {
    const code = wrong[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    throw new XmlTextError(`has the character U+${code}, which XML cannot carry`);
  }
  return text.replace(TO_ESCAPE, (character) => ESCAPES[character]!);
}

/** An element with a text in it; nothing where there is no text. Throws XmlTextError. */
export function element(name: string, text: string | undefined): string {
  return text === undefined ? '' : `<${name}>${xmlText(text)}</${name}>`;
}
