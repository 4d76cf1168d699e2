const WIDTH = 110;
const colours = process.stdout.isTTY && process.env.NO_COLOR === undefined;

/** @param {number} code @returns {(text: string) => string} */
const style = (code) => (text) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = style(1);
export const dim = style(2);
export const green = style(32);
export const red = style(31);

/** @param {string} [line] */
export function say(line = '') {
  process.stdout.write(`${line}\n`);
}

/** Indented, as all that belongs to a step. @param {string[]} lines */
export function tell(...lines) {
  for (const line of lines) say(line === '' ? '' : `   ${line}`);
}

/** @param {number} number @param {string} title */
export function heading(number, title) {
  say();
  say(bold(`${number}  ${title}`));
}

/** A command to copy, of one line or more. @param {string[]} lines */
export function command(...lines) {
  say();
  lines.forEach((line, index) => {
    const goesOn = index < lines.length - 1 && !line.endsWith('|');
    say(dim(`   ${index === 0 ? '$' : ' '} ${line}${goesOn ? ' \\' : ''}`));
  });
}

/** One line that is written over while something goes on; nothing unless somebody looks on. @param {string} text */
export function progress(text) {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`);
}

/**
 * Columns; those of `right` are aligned there.
 * @param {string[]} head
 * @param {string[][]} rows
 * @param {number[]} [right]
 */
export function table(head, rows, right = []) {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (/** @type {string[]} */ row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  tell(dim(cut(line(head))), ...rows.map((row) => cut(line(row))));
}

/** @param {string} text @param {number} [width] */
export function cut(text, width = WIDTH - 3) {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** With commas between thousands. @param {number | string | bigint} value */
export function count(value) {
  return BigInt(value).toLocaleString('en-US');
}

/** @param {number} number @param {string} one @param {string} [many] */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
