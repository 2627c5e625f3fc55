/**
 * An add-on: a token that is renewed without reconnecting (MQTT 5, 4.12.1). The broker gets the new one in time, and no
 * message is lost or delayed.
 */
import { encodeAuth } from '../core/wire/encode-disconnect.ts';
import type { RallyOptions } from './rally.ts';

/** Returns a token (JWT), for example from your back end. */
export type TokenSource = () => string | Promise<string>;

/** The part of a token's lifetime after which it is renewed. */
const shareUsed = 0.75;
/** The delay after a token could not be obtained. */
const retryMs = 5_000;
/** How long a token may take to come. */
const answerMs = 20_000;
/** Between two tokens: where the page's clock is ahead, each of them seems to have expired. */
const pauseMs = 1_000;
/** A timer may be late by as long as the machine sleeps, so the clock is checked regularly. */
const lookMs = 15_000;

/**
 * Options that authenticate a page with `token` and renew it: `connect(url, { ...renewing(token) })`. `token` is called before
 * each attempt to connect, and when three quarters of the token's lifetime have passed, also after the machine has slept. A
 * token without an expiry is not renewed.
 */
export function renewing(token: TokenSource): Pick<RallyOptions, 'credentials' | 'whileConnected'> {
  /** Of the last connection's first token. Times are on the page's own clock. */
  let firstRenewAtMs = Number.POSITIVE_INFINITY;
  const next = async () => {
    const text = await token();
    const authenticationData = new TextEncoder().encode(text);
    return {
      properties: { authenticationMethod: 'OAUTH2-JWT', authenticationData },
      atMs: Date.now() + Math.max(pauseMs, lifeMsOf(text) * shareUsed),
    };
  };
  return {
    credentials: async () => {
      const { properties, atMs } = await next();
      firstRenewAtMs = atMs;
      return { properties };
    },
    whileConnected: (send) => {
      // Of this connection: several clients may have been given these options.
      let renewAtMs = firstRenewAtMs;
      let isOver = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      let asked = 0;
      const wait = (): void => {
        clearTimeout(timer);
        const leftMs = Math.max(0, renewAtMs - Date.now());
        if (!isOver) timer = setTimeout(look, Math.min(leftMs, lookMs));
      };
      const look = (): void => {
        if (Date.now() >= renewAtMs) void renew().then(wait);
        wait();
      };
      const renew = async (): Promise<void> => {
        const number = ++asked;
        renewAtMs = Date.now() + answerMs;
        try {
          const { properties, atMs } = await next();
          if (number !== asked || isOver) return; // it comes too late
          renewAtMs = atMs;
          send(encodeAuth({ reasonCode: 0x19, properties }));
        } catch {
          // If that goes on, the broker ends the connection, and the next one asks again.
          if (number === asked) renewAtMs = Date.now() + retryMs;
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

/** How long a token is valid from now. Its issuer knows the time; a page's clock may be wrong. */
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
