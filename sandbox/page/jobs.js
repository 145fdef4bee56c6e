/** A job's progress: by WebSocket, and when that breaks by Server-Sent Events or by asking, always after the last event seen. */
import { call, listen } from './api.js';
import { pause } from './dom.js';
import { renewed, token } from './session.js';

const BASE = document.querySelector('meta[name="realtime"]').content;
const WAYS = [bySocket, bySocket, byStream, byAsking];
const WAIT_MS = [250, 1000, 1000, 2000];
const SETTLE_MS = 400; // the history of a job that was tried again has an end before its end
const SILENCE_MS = 40_000; // the server pings every 25 s
const BAD_TOKEN = 4401;
const UNKNOWN = 4404;
const ENDED = ['done', 'deadletter'];

export const STAGES = ['parse', 'chunk', 'embed', 'finalize'];
const LAST_OF_STAGE = { parse: 'parse_validated', chunk: 'chunks_stored', embed: 'embeddings_stored', finalize: 'complete' };
const ORDER = [
  'uploaded', 'parse_queued', 'parsed', 'parse_validated', 'chunking', 'chunks_stored', 'embedding_queued',
  'embedding_in_progress', 'embeddings_stored', 'complete',
];
const FAILED = { failed_parse: 'parse', failed_chunking: 'chunk', failed_embedding: 'embed' };
const WORDS = {
  uploaded: 'Waiting to be read',
  parse_queued: 'Reading the text',
  parsed: 'Checking the text',
  parse_validated: 'Text read',
  chunking: 'Dividing into passages',
  chunks_stored: 'Divided into passages',
  embedding_queued: 'Waiting to be indexed',
  embedding_in_progress: 'Indexing the passages',
  embeddings_stored: 'Finishing',
  complete: 'Ready for questions',
  failed_parse: 'Could not be read',
  failed_chunking: 'Could not be divided into passages',
  failed_embedding: 'Could not be indexed',
};

export const inWords = (status) => WORDS[status] ?? status;
export const isActive = (state) => !ENDED.includes(state);

/** Each stage with its state: done, now, waiting or failed. */
export function stagesOf(status) {
  const failed = FAILED[status];
  const reached = failed ? STAGES.indexOf(failed) : STAGES.findIndex((stage) => ORDER.indexOf(status) < ORDER.indexOf(LAST_OF_STAGE[stage]));
  return STAGES.map((stage, place) => {
    if (reached < 0 || place < reached) return [stage, 'done'];
    if (place > reached) return [stage, 'waiting'];
    return [stage, failed ? 'failed' : 'now'];
  });
}

/** Follow a job until it ends: `frame` for each event, `broken` when the line is lost, `gone` when the job is. Returns how to stop. */
export function follow(jobId, { frame, broken = () => {}, gone = () => {} }) {
  const stop = new AbortController();
  run(jobId, { frame, broken, gone }, stop.signal);
  return () => stop.abort();
}

async function run(jobId, tell, signal) {
  const seen = { after: 0, ended: false };
  const take = (event) => {
    if (signal.aborted || (event.sequence && event.sequence <= seen.after)) return;
    seen.after = event.sequence ?? seen.after;
    seen.ended = !isActive(event.state);
    failures = 0;
    tell.frame(event);
  };
  let failures = 0;
  while (!signal.aborted && !seen.ended) {
    const way = failures % WAYS.length;
    try {
      await WAYS[way](jobId, seen, take, signal);
    } catch (failure) {
      if (signal.aborted || failure.name === 'AbortError') return;
      if (failure.status === 404) return tell.gone();
    }
    if (signal.aborted || seen.ended) return;
    failures += 1;
    tell.broken();
    await pause(WAIT_MS[way], signal);
  }
}

async function bySocket(jobId, seen, take, signal) {
  const access = await token();
  const code = await new Promise((resolve) => {
    const socket = new WebSocket(`${BASE}/ws/jobs/${jobId}?after=${seen.after}`);
    let silence;
    let settled;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), SILENCE_MS);
    };
    const leave = () => socket.close();
    signal.addEventListener('abort', leave);
    socket.addEventListener('open', () => {
      heard();
      // Not in the address, which logs may keep.
      socket.send(JSON.stringify({ type: 'auth', access_token: access }));
    });
    socket.addEventListener('message', (message) => {
      heard();
      const event = JSON.parse(message.data);
      if (event.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
      if (event.type === 'job_status') take(event);
      clearTimeout(settled);
      if (seen.ended) settled = setTimeout(() => socket.close(1000), SETTLE_MS);
    });
    socket.addEventListener('close', (event) => {
      clearTimeout(silence);
      clearTimeout(settled);
      signal.removeEventListener('abort', leave);
      resolve(event.code);
    });
  });
  if (code === BAD_TOKEN && !signal.aborted) await renewed(access);
  if (code === UNKNOWN) throw Object.assign(new Error('no such job'), { status: 404 });
}

async function byStream(jobId, seen, take, signal) {
  const path = `/api/upload-pipeline/jobs/${jobId}/events?after=${seen.after}`;
  await listen('GET', path, { signal }, (name, event) => name === 'job_status' && take(event));
}

async function byAsking(jobId, seen, take, signal) {
  const job = await (await call('GET', `/api/upload-pipeline/jobs/${jobId}`, { signal })).json();
  take({ ...job, timestamp: job.updated_at });
}
