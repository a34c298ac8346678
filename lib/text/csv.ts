/** A line of comma-separated values; what would break the line or its columns is put in quotes (RFC 4180). */
export function csvLine(values: readonly unknown[]): string {
  return values.map(field).join(',');
}

function field(value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') : String(value ?? '');
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
