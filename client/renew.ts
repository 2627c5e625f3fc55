/**
 * An add-on: a token that is renewed while the connection stays (MQTT 5, 4.12.1). The broker is told the new one in time,
 * and no message is lost or late.
 */
import { encodeAuth } from '../core/wire/encode-disconnect.ts';
import type { RallyOptions } from './rally.ts';

/** Gives a token (JWT) that is good for a while: asks your back end. */
export type TokenSource = () => string | Promise<string>;

/** Of the time that a token has, before it is renewed. */
const shareUsed = 0.75;
/** After a token could not be had. */
const retryMs = 5_000;
/** Timers may be late by as long as a machine sleeps: the clock is looked at now and then. */
const lookMs = 15_000;

/**
 * The options that let a page in by `token`, and renew it: `connect(url, { ...renewing(token) })`. It is asked for before
 * each attempt to connect, and when three quarters of its time have passed, also after the machine has slept. A token that
 * does not say when it expires is not renewed.
 */
export function renewing(token: TokenSource): Pick<RallyOptions, 'credentials' | 'whileConnected'> {
  /** Of the last token, on the page's own clock. */
  let renewAtMs = Number.POSITIVE_INFINITY;
  const next = async () => {
    const text = await token();
    renewAtMs = Date.now() + lifeMsOf(text) * shareUsed;
    return { authenticationMethod: 'OAUTH2-JWT', authenticationData: new TextEncoder().encode(text) };
  };
  return {
    credentials: async () => ({ properties: await next() }),
    whileConnected: (send) => {
      let isOver = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const wait = (): void => {
        const leftMs = Math.max(0, renewAtMs - Date.now());
        if (!isOver) timer = setTimeout(() => void look(), Math.min(leftMs, lookMs));
      };
      const look = async (): Promise<void> => {
        if (Date.now() >= renewAtMs) await renew();
        wait();
      };
      const renew = async (): Promise<void> => {
        try {
          const properties = await next();
          if (!isOver) send(encodeAuth({ reasonCode: 0x19, properties }));
        } catch {
          renewAtMs = Date.now() + retryMs; // if that goes on, the broker ends the connection, and the next one asks again
        }
      };
      wait();
      return () => {
        isOver = true;
        clearTimeout(timer);
      };
    },
  };
}

/** How long a token is good from now. Whoever has made it knows the time; a page's clock may be wrong. */
function lifeMsOf(token: string): number {
  try {
    const [, payload = ''] = token.split('.');
    const { exp, iat } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as {
      exp?: number;
      iat?: number;
    };
    if (exp === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, exp * 1_000 - (iat === undefined ? Date.now() : iat * 1_000));
  } catch {
    return Number.POSITIVE_INFINITY; // the broker has its own opinion of what is no token
  }
}
