/** A JSON value as PostgreSQL prints it as jsonb, but for blanks: names in its order, the shorter first, in bytes of UTF-8. */
export function storedJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(storedJson).join(',')}]`;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const keyed = members.map(([name, member]) => ({ name, bytes: Buffer.from(name), member: member as unknown }));
  keyed.sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes));
  return `{${keyed.map(({ name, member }) => `${JSON.stringify(name)}:${storedJson(member)}`).join(',')}}`;
}
