/**
 * Reads the body of an HTTP answer as text, up to a maximum length. Errors: those of the connection, and one for a body that is
 * too long, which ends the connection.
 */
export async function textWithin(response: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > bytesMax) throw new Error('its answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
