/**
 * Server-Sent Events of any request: EventSource can send neither a token nor a body. By XMLHttpRequest, since Chromium
 * now and then reports a stream that fetch() has read to its end as an aborted request.
 */
import { failureOf, lost } from './http.js';

const SILENCE_MS = 30_000; // the application sends a comment every 15 s

/** Calls `take` with the name and the data of each event as it arrives; resolves at the end of the stream. */
export function stream(method, path, access, { body, signal }, take) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    let read = 0;
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        reject(lost('No answer arrived in time.'));
        stop();
      }, SILENCE_MS);
    };
    const parse = () => {
      if (request.status >= 300) return;
      const text = request.responseText;
      for (let end = text.indexOf('\n\n', read); end >= 0; end = text.indexOf('\n\n', read)) {
        const fields = Object.fromEntries(text.slice(read, end).split('\n').map(field));
        read = end + 2;
        if (fields.data) take(fields.event ?? 'message', JSON.parse(fields.data));
      }
    };
    request.open(method, path);
    request.setRequestHeader('accept', 'text/event-stream');
    request.setRequestHeader('authorization', `Bearer ${access}`);
    if (body) request.setRequestHeader('content-type', 'application/json');
    request.addEventListener('progress', () => {
      heard();
      parse();
    });
    request.addEventListener('load', () => {
      parse();
      if (request.status < 300) resolve();
      else reject(failureOf(request.status, request.responseText, (name) => request.getResponseHeader(name)));
    });
    request.addEventListener('error', () => reject(lost()));
    request.addEventListener('abort', () => reject(new DOMException('The request was stopped.', 'AbortError')));
    request.addEventListener('loadend', () => {
      clearTimeout(silence);
      signal?.removeEventListener('abort', stop);
    });
    signal?.addEventListener('abort', stop);
    heard();
    request.send(body && JSON.stringify(body));
  });
}

function field(line) {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
