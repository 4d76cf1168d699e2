/** An ISIN of nobody's, with a right check digit (ISO 6166). */
export function madeIsin(number: number): string {
  const base = `XS${String(number).padStart(9, '0')}`;
  const digits = [...base].map((each) => parseInt(each, 36)).join('');
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const doubled = at % 2 === 0 ? Number(digit) * 2 : Number(digit);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return `${base}${(10 - (sum % 10)) % 10}`;
}
