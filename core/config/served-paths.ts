/** The paths that the broker serves itself: WebSocket connections there would hide them. */

const operatingPath = /^\/(healthz|livez|readyz|metrics|sse|api\/v1(\/.*)?)$/;
const pagePath = /^\/(api|assets|dashboard|demos|docs|not-found)(\/.*)?$|^\/[^/]+\.(js|map|txt|webmanifest)$/;

/** `hasPages`: whether there are pages too. Their first one, `/`, may give way. */
export function isServedPath(path: string, hasPages: boolean): boolean {
  return operatingPath.test(path) || (hasPages && pagePath.test(path));
}
