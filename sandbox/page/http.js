/** Requests, and their failures in words. */
const LOST = 'The application could not be reached.';
const MOST_MS = 30_000;
const LOST_ADVICE = 'Check your connection and try again.';

/** What went wrong, for the person: a message, what to do, and a reference for support. */
export class Failure extends Error {
  constructor(message, { status = 0, code = '', advice = '', reference = '' } = {}) {
    super(message);
    Object.assign(this, { status, code, advice, reference });
  }
}

export const lost = (message = LOST) => new Failure(message, { code: 'connection_lost', advice: LOST_ADVICE });

/** A response of the application; raises Failure for every other than a success. */
export async function open(method, path, body, access = null) {
  return checked(await send(method, path, access, { body }));
}

export async function send(method, path, access, { body, signal } = {}) {
  const headers = { accept: 'application/json' };
  if (body) headers['content-type'] = 'application/json';
  if (access) headers.authorization = `Bearer ${access}`;
  try {
    return await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: signal ?? AbortSignal.timeout(MOST_MS), cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw error.name === 'TimeoutError' ? lost('The application did not answer in time.') : lost();
  }
}

/** The response if it is a success; raises Failure else. */
export async function checked(response) {
  if (response.status === 204) await response.text(); // else it counts as aborted when the page is left
  if (response.ok) return response;
  throw failureOf(response.status, await response.text().catch(() => ''), (name) => response.headers.get(name));
}

/** A refusal in words: those of the application where it gives some. */
export function failureOf(status, text, header = () => null) {
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // A gateway answers with a page of its own.
  }
  const { code = body.error_type ?? '', message = body.message, request_id: reference } = body.error ?? {};
  const wait = Number(header('retry-after')) || 0;
  return new Failure(sentence(status, message), { status, code, reference: reference ?? '', advice: advice(status, wait) });
}

function sentence(status, message) {
  if (typeof message === 'string' && message.trim()) return message;
  return status >= 500 ? 'The application has a problem just now.' : 'The application refused this.';
}

function advice(status, wait) {
  if (wait === 1) return 'You can try again in a second.';
  if (wait > 90) return `You can try again in ${Math.ceil(wait / 60)} minutes.`;
  if (wait) return `You can try again in ${wait} seconds.`;
  return status >= 500 ? 'Please try again in a moment.' : '';
}
