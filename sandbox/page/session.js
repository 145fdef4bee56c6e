/** The session: kept for all tabs of this browser, renewed before it expires, and asked for again when it has ended. */
import { open } from './http.js';

const KEY = 'session';
const MARGIN = 0.1;
const MOST_MARGIN_MS = 30_000;

let renewing = null;
let asking = null;
let ask = () => Promise.reject(new Error('nobody asks for the password'));

/** The session of this browser, or null. */
export function current() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export function begin(answer) {
  const { access_token, refresh_token, expires_in, user } = answer;
  const fresh_until = Date.now() + expires_in * 1000 - Math.min(MOST_MARGIN_MS, expires_in * 1000 * MARGIN);
  localStorage.setItem(KEY, JSON.stringify({ access_token, refresh_token, fresh_until, user }));
}

/** Forget the session and what was typed and asked in it. */
export function end() {
  localStorage.removeItem(KEY);
  sessionStorage.clear();
}

/** Who asks for the password when the session has ended; resolves once there is a session again. */
export function whenEnded(asks) {
  ask = asks;
}

/** An access token that is valid for a while. */
export async function token() {
  const session = current();
  if (!session) return again();
  return session.fresh_until > Date.now() ? session.access_token : renewed(session.access_token);
}

/** A token in place of one that is no longer accepted. */
export function renewed(stale) {
  renewing ??= renew(stale).finally(() => { renewing = null; });
  return renewing;
}

async function renew(stale) {
  // One tab at a time: a refresh token can be used once.
  const found = await navigator.locks.request('session', async () => {
    const session = current();
    if (!session || session.access_token !== stale) return session?.access_token;
    try {
      begin(await (await open('POST', '/auth/refresh', { refresh_token: session.refresh_token })).json());
      return current().access_token;
    } catch (failure) {
      if (failure.status !== 401) throw failure;
      return null;
    }
  });
  return found ?? again();
}

/** Ask for the password once, however many calls wait for it. */
export function again() {
  asking ??= ask().finally(() => { asking = null; });
  return asking.then(() => current().access_token);
}
