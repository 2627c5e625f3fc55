/**
 * The body of an answer over HTTP as text, read only as far as it may be long. Errors: those of the connection, and one that
 * says that it is too long; the connection is ended then.
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
