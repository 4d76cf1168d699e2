/**
 * An SQL expression as PostgreSQL prints it, with ANDs that are nested in ANDs lifted out: `(((a) AND (b)) AND (c))` becomes
 * `((a) AND (b) AND (c))`.
 *
 * `x BETWEEN 1 AND 9 AND y` is kept as the first and printed so. pg_upgrade and pg_dump make the object anew from that text, and
 * PostgreSQL reads it as the second. Nothing else is changed: a group counts only where it is parenthesised conjunctions and
 * nothing more, as they are printed; what stands in quotes is left as it is.
 */
export function flattenConjunctions(expression: string): string {
  const read = { at: 0, unclosed: false };
  const nodes = readNodes(expression, read);
  // no expression as it is printed, such as a function's body
  return read.unclosed || read.at < expression.length ? expression : nodes.map(print).join('');
}

/** Text without parentheses, or what stands in a pair of them. */
type Node = string | Node[];

const AND = ' AND ';
/** up to the next parenthesis; a quoted name or text is taken as a whole */
const TEXT = /(?:[^()'"]|'(?:[^']|'')*'|"(?:[^"]|"")*")+/y;

/** Reads up to a closing parenthesis that it did not open, or to the end. */
function readNodes(expression: string, read: { at: number; unclosed: boolean }): Node[] {
  const nodes: Node[] = [];
  while (read.at < expression.length && expression[read.at] !== ')') {
    if (expression[read.at] === '(') {
      read.at += 1;
      const group = readNodes(expression, read);
      read.unclosed ||= expression[read.at] !== ')';
      read.at += 1;
      nodes.push(lifted(group));
      continue;
    }
    TEXT.lastIndex = read.at;
    const text = TEXT.exec(expression)?.[0] ?? expression.slice(read.at);
    nodes.push(text);
    read.at += text.length;
  }
  return nodes;
}

function lifted(group: Node[]): Node[] {
  if (!isConjunction(group)) return group;
  return group.flatMap((node) => (typeof node !== 'string' && isConjunction(node) ? node : [node]));
}

/** Groups with nothing but AND between them, at least two. */
function isConjunction(nodes: Node[]): boolean {
  return (
    nodes.length >= 3 &&
    nodes.length % 2 === 1 &&
    nodes.every((node, index) => (index % 2 === 0 ? typeof node !== 'string' : node === AND))
  );
}

function print(node: Node): string {
  return typeof node === 'string' ? node : `(${node.map(print).join('')})`;
}
