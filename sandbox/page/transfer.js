/** The upload of one file: announced, sent to the storage, and tried again after a lost connection. It goes on in every view. */
import { call } from './api.js';
import { Failure, failureOf, lost, open } from './http.js';

const MIME = 'application/pdf';
const NAME_CHARACTERS = 120;
const KEY = 'sending';
const BEGIN_SECONDS = 60;

/** The transfer under way, or null: file, percent sent, and the announcement. */
export let transfer = null;

let changed = () => {};

/** Be called whenever the transfer changes. */
export function whenTransferred(tell) {
  changed = tell;
}

export async function limits() {
  return (await open('GET', '/api/upload-pipeline/upload/limits')).json();
}

/** What is wrong with a file, in words; null if it can be sent. */
export function problemOf(file, limits) {
  if (!file) return 'Choose a PDF document first.';
  if (file.type !== MIME && !(file.type === '' && /\.pdf$/i.test(file.name))) return `“${file.name}” is not a PDF document.`;
  if (file.size === 0) return `“${file.name}” is empty.`;
  if (limits && file.size > limits.max_file_size_bytes) {
    return `“${file.name}” is too large: a document may have ${limits.max_file_size_bytes / 1024 ** 2} MiB at most.`;
  }
  if (file.name.length > NAME_CHARACTERS) return `The name of this file is too long: ${NAME_CHARACTERS} characters at most.`;
  return null;
}

/** Send a file; one at a time. Returns the announcement: job and document. */
export async function upload(file) {
  if (transfer?.busy) return null;
  const earlier = transfer;
  const announced = earlier?.file === file ? earlier.announced : null;
  transfer = { file, percent: 0, busy: true, announced };
  changed();
  try {
    if (earlier?.announced && !announced) await withdraw(earlier.announced.document_id);
    await send();
    const sent = transfer.announced;
    transfer = null;
    return sent;
  } catch (failure) {
    transfer.busy = false;
    throw failure;
  } finally {
    if (!transfer) sessionStorage.removeItem(KEY);
    changed();
  }
}

async function send() {
  if (transfer.announced) {
    // After a lost connection: the address may still be valid, or the bytes may have arrived.
    try {
      return await put(transfer.announced.signed_url);
    } catch (failure) {
      if (failure.status !== 403) throw failure;
      if (await hasArrived(transfer.announced.document_id)) return undefined;
      await withdraw(transfer.announced.document_id);
    }
  }
  const { file } = transfer;
  const body = { filename: file.name, bytes_len: file.size, mime: MIME, sha256: await sha256(file) };
  transfer.announced = await (await call('POST', '/api/upload-pipeline/upload', { body })).json();
  const { document_id } = transfer.announced;
  sessionStorage.setItem(KEY, JSON.stringify({ document_id, name: file.name }));
  return put(transfer.announced.signed_url);
}

async function sha256(file) {
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new Failure(`“${file.name}” cannot be read any more.`, { code: 'unreadable_file', advice: 'Choose it again.' });
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function put(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', address);
    request.setRequestHeader('content-type', MIME);
    request.timeout = BEGIN_SECONDS * 1000;
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      transfer.percent = Math.floor((100 * loaded) / total);
      changed();
    });
    request.addEventListener('load', () => {
      if (request.status < 300) resolve();
      else reject(failureOf(request.status, request.responseText, (name) => request.getResponseHeader(name)));
    });
    for (const event of ['error', 'timeout', 'abort']) {
      request.addEventListener(event, () => reject(lost('The connection was lost during the upload.')));
    }
    request.send(transfer.file);
  });
}

async function hasArrived(documentId) {
  try {
    const response = await call('GET', `/documents/${documentId}/content`);
    await response.body.cancel();
    return true;
  } catch (failure) {
    if (failure.status === 404) return false;
    throw failure;
  }
}

async function withdraw(documentId) {
  try {
    await call('DELETE', `/documents/${documentId}`);
  } catch (failure) {
    if (failure.status !== 404) throw failure;
  }
}

/** The name of a file whose upload a reload has interrupted; its announcement is withdrawn, so that it can be sent again. */
export async function interrupted() {
  const found = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
  if (!found || transfer) return null;
  sessionStorage.removeItem(KEY);
  if (await hasArrived(found.document_id)) return null;
  await withdraw(found.document_id);
  return found.name;
}
