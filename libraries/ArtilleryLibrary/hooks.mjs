// The processor of the working copy: runs the script's own functions and expectations, and logs every request.
//
// One line of JSON per virtual user (`user`, `user-end`), request (`request`), failed step (`step-error`) and second
// (`health`). Lines are written ten times a second, so that a killed run leaves what it measured. What is done before and
// after the load (`block`) is no part of it: only its failures are logged (`fatal`), and end it.
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { arriveEvenly } from './even-arrivals.mjs';
import masking from './masking.cjs';
import { undefinedTexts, unsetVariables } from './undefined.mjs';

const FLUSH_EVERY = 100;
const LAG_RESOLUTION = 10;
const LONGEST_REASON = 300;
const TYPESCRIPT =
  ' (Node runs TypeScript as it stands, enums included: import types by `import type` and files with their extension,' +
  ' no decorators; or compile it, and name the JavaScript)';
const LARGE = 65536; // a body that takes time to hand over
const BODY = 4096; // characters that are kept of the body of an error
const BODIES = 50; // that are kept of one endpoint and status

let lines = [];
let log;
let flushing;
let watched = false;

const own = await theirs(process.env.REQUEST_LOG_PROCESSOR);
const expectations = await theirs(process.env.REQUEST_LOG_EXPECTATIONS);
const unset = unsetVariables(process.env.REQUEST_LOG_EXPECTATIONS);
arriveEvenly(process.env.REQUEST_LOG_EXPECTATIONS);
const needed = JSON.parse(process.env.REQUEST_LOG_FUNCTIONS || '{}'); // with the place of a call
const missing = Object.keys(needed).filter((name) => typeof own[name] !== 'function');
if (missing.length) {
  throw fatal(`the processor exports no function ${missing.map((name) => `${name} (${needed[name]})`).join(', ')}`);
}

const kept = new Map(); // how many bodies, by endpoint and status
const open = new Map(); // requests under way, by Artillery's id of them
const sending = new WeakMap(); // when parts of a request were handed over
const listenedTo = new WeakSet();

export default {
  ...own,
  ...Object.fromEntries(Object.keys(needed).map((name) => [`requestLog$${name}`, step(name)])),
  requestLog$begin: begin,
  requestLog$block: locate,
  requestLog$end: end,
  requestLog$request: request,
  requestLog$response: response,
  requestLog$error: error,
};

function begin(context, events, done) {
  startHealth();
  write({ kind: 'user', at: now(), user: context._uid, scenario: context.scenario.name });
  locate(context, events, done);
}

function end(context, events, done) {
  write({ kind: 'user-end', at: now(), user: context._uid });
  done();
}

// The working copy is elsewhere.
function locate(context, events, done) {
  context.vars.$scenarioFile = process.env.REQUEST_LOG_SCRIPT;
  context.vars.$dirname = process.env.REQUEST_LOG_FOLDER;
  done();
}

function step(name) {
  return (context, events, done) => {
    call(own[name], [context, events], (failure) => {
      const block = context.scenario.requestLogBlock;
      if (failure && block) {
        fatal(`${block}: ${name}: ${reason(failure)}`);
      } else if (failure) {
        const text = masked(`${name}: ${reason(failure)}`);
        write({ kind: 'step-error', at: now(), user: context._uid, scenario: context.scenario.name, error: text });
      }
      done(failure);
    });
  };
}

function request(params, context, events, done) {
  listen(events);
  series(params.requestLog.before || [], [params, context, events], (name, failure) => {
    const about = { user: context._uid, scenario: params.requestLog.scenario, endpoint: params.requestLog.endpoint };
    const failures = failure ? [`${name}: ${reason(failure)}`] : unset(params, context);
    open.set(params.uuid, { kind: 'request', at: now(), ...about, sent: 0, failures: [] });
    if (failures.length) {
      finish(params.uuid, failures, context); // and is not sent
    }
    done(failure || (failures.length ? new Error(`Undefined variables for ${about.endpoint}`) : null));
  });
}

function response(params, reply, context, events, done) {
  const record = open.get(params.uuid);
  if (!record) {
    return done();
  }
  record.total = since(record.at);
  record.status = reply.statusCode;
  record.bytes = Number(reply.headers['content-length']) || Buffer.byteLength(String(reply.body ?? ''));
  record.first ??= reply.timings?.phases?.firstByte;
  keepError(record, reply);
  return series(params.requestLog.after || [], [params, reply, context, events], (name, failure) => {
    const told = context.scenario.requestLogBlock && record.failures.length && !params.requestLog.expect?.length;
    const judged = told ? [] : unexpected(params, reply, context); // the status stands in the reason of a block
    const failures = [...judged, ...(failure ? [`${name}: ${reason(failure)}`] : [])];
    const safe = (value) => (typeof value === 'string' ? masking.masked(value) : value);
    const values = (params.requestLog.record || []).map((each) => [each, safe(context.vars[each])]);
    if (values.length) {
      record.values = Object.fromEntries(values);
    }
    finish(params.uuid, failures, context);
    done(failure || (record.ok ? null : new Error(`Failed expectations for ${record.endpoint}`)));
  });
}

// What an error answers is judged after the load: its body, and the request's identifier where it has one.
function keepError(record, reply) {
  const kind = `${record.endpoint} ${record.status}`;
  const count = kept.get(kind) ?? 0;
  if (record.status < 400 || count >= BODIES) {
    return;
  }
  kept.set(kind, count + 1);
  record.body = masking.masked(String(reply.body ?? '').slice(0, 2 * BODY)).slice(0, BODY);
  record.request = reply.headers['x-request-id'];
}

function error(failure, params, context, events, done) {
  finish(params.uuid, [reason(failure)], context);
  done();
}

// Failures of the request's `expect`, by the rules of Artillery's expect plugin; a redirect has to be expected.
function unexpected(params, reply, context) {
  const stated = params.requestLog.expect || [];
  const redirect = redirection(reply);
  if (!stated.length && reply.statusCode >= 400) {
    return [`statusCode: expected below 400, got ${reply.statusCode}`];
  }
  if (redirect && !stated.some((one) => 'statusCode' in one)) {
    return [`statusCode: expected no redirect, got ${reply.statusCode}${redirect}`];
  }
  const body = parsed(reply);
  return stated.flatMap((expectation) => {
    const kind = Object.keys(expectation)[0];
    try {
      const result = expectations[kind](expectation, body, params, reply, context);
      const where = kind === 'statusCode' ? redirect : '';
      return result.ok ? [] : [`${kind}: expected ${result.expected}, got ${result.got}${where}`];
    } catch (failure) {
      return [`${kind}: ${reason(failure)}`];
    }
  });
}

// Where a redirect leads, without its query, which may hold secrets and differs for each user; empty for others.
function redirection({ statusCode, headers }) {
  if (statusCode < 300 || statusCode >= 400 || statusCode === 304) {
    return '';
  }
  const place = String(headers.location ?? 'nowhere').split(/[?#]/)[0];
  return ` to ${place} (not followed without followRedirect: true)`;
}

function parsed(reply) {
  if (typeof reply.body !== 'string' || !/application\/(problem\+|ld\+)?json/.test(reply.headers['content-type'])) {
    return reply.body;
  }
  try {
    return JSON.parse(reply.body);
  } catch {
    return null;
  }
}

// Artillery emits events for each request; the clock of its own figures has whole milliseconds only.
function listen(events) {
  if (listenedTo.has(events)) {
    return;
  }
  listenedTo.add(events);
  events.on('trace:http:request', (params, id) => {
    const record = open.get(id);
    if (record && !record.sent) {
      record.at = now();
      if (!params.requestLog.spelt) {
        record.failures.push(...undefinedTexts(params));
      }
    }
    if (record) {
      record.sent += 1; // once more for each redirect
    }
  });
  events.on('trace:http:response', (reply, id) => {
    const record = open.get(id);
    if (record) {
      const { replied = now() } = sending.get(reply.req) ?? {};
      record.first = between(sent(reply.req) ?? record.at, replied);
    }
  });
  events.on('trace:http:capture', (result, id) => {
    const record = open.get(id);
    for (const [name, found] of Object.entries(record && result ? result.captures : {})) {
      if (found.failed) {
        record.failures.push(`nothing to capture as ${name}`);
      }
    }
    for (const found of Object.values(record && result ? result.matches : {})) {
      if (!found.success && found.strict !== false) {
        record.failures.push(`match ${found.expression}: expected ${found.expected}, got ${found.got}`);
      }
    }
  });
}

subscribe('http.client.request.created', ({ request: created }) => {
  const times = {};
  sending.set(created, times);
  created.once('socket', (socket) => {
    times.whole = created.writableEnded;
    const ready = () => {
      times.ready = now();
    };
    if (socket.connecting) {
      socket.once(socket.encrypted ? 'secureConnect' : 'connect', ready);
    } else {
      ready();
    }
  });
  created.once('prefinish', () => {
    times.ended = now();
  });
  created.once('finish', () => {
    times.finished = now();
  });
});

// The response head as soon as it is read: Artillery's event follows after got's own work.
subscribe('http.client.response.finish', ({ request: created }) => {
  const times = sending.get(created);
  if (times) {
    times.replied = now();
  }
});

// When the last byte of a request left, rather too early than too late (late times would shorten responses): a request
// that is complete when its connection is ready leaves then; later events may be delayed.
function sent(request) {
  const { ready, ended, finished, whole } = sending.get(request) ?? {};
  const length = Number(request.getHeader('content-length') ?? (request.getHeader('transfer-encoding') ? LARGE : 0));
  if (length >= LARGE && finished) {
    return finished;
  }
  return whole ? ready : ready && ended && Math.max(ready, ended);
}

function finish(id, failures, context) {
  const record = open.get(id);
  if (!record) {
    return;
  }
  open.delete(id);
  const all = [...record.failures, ...failures];
  record.ok = all.length === 0;
  record.failures = all.map(masked);
  const block = context?.scenario.requestLogBlock;
  if (!block) {
    write(record);
  } else if (!record.ok) {
    const answered = record.status ? ` answered ${record.status}` : '';
    fatal(`${block}: ${record.endpoint}${answered}: ${all.join('; ')}`);
  }
}

function series(names, values, done) {
  const [name, ...others] = names;
  if (name === undefined) {
    return done();
  }
  return call(own[name], values, (failure) => (failure ? done(name, failure) : series(others, values, done)));
}

// The script's functions either take a callback or are asynchronous; what they throw is a failure too.
function call(theirFunction, values, done) {
  if (theirFunction.constructor.name !== 'Function') {
    theirFunction(...values).then(
      () => process.nextTick(done),
      (failure) => process.nextTick(done, failure || new Error('failed')),
    );
    return;
  }
  let ended = false;
  const once = (failure) => {
    if (!ended) {
      ended = true;
      done(failure);
    }
  };
  try {
    theirFunction(...values, once);
  } catch (failure) {
    once(failure);
  }
}

function startHealth() {
  if (watched) {
    return;
  }
  watched = true;
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION });
  lag.enable();
  const recent = monitorEventLoopDelay({ resolution: LAG_RESOLUTION }); // of the last second alone
  recent.enable();
  const milliseconds = (nanoseconds) => Math.max(0, rounded(nanoseconds / 1e6 - LAG_RESOLUTION));
  const health = () => {
    const used = process.cpuUsage();
    const lags = lag.count ? { p99: milliseconds(lag.percentile(99)), max: milliseconds(lag.max) } : {};
    if (recent.count) {
      lags.recent = milliseconds(recent.percentile(99));
      recent.reset();
    }
    write({ kind: 'health', at: now(), cpu: (used.user + used.system) / 1e3, open: open.size, ...lags });
  };
  health();
  setInterval(health, 1000).unref();
  process.on('exit', () => {
    for (const id of open.keys()) {
      finish(id, ['unfinished when the load ended']);
    }
    health();
    flush();
  });
}

function write(line) {
  lines.push(JSON.stringify(line));
  flushing ??= setTimeout(flush, FLUSH_EVERY);
}

// Logs at once what ends Artillery; returns it as an error.
function fatal(text) {
  write({ kind: 'fatal', at: now(), error: masked(text) });
  flush();
  return new Error(text);
}

function flush() {
  clearTimeout(flushing);
  flushing = undefined;
  if (!lines.length) {
    return;
  }
  const text = `${lines.join('\n')}\n`;
  lines = [];
  try {
    log ??= fs.openSync(process.env.REQUEST_LOG, 'a');
    let rest = Buffer.from(text);
    while (rest.length) {
      rest = rest.subarray(fs.writeSync(log, rest));
    }
  } catch (failure) {
    // A load that is not recorded proves nothing: end it.
    fs.writeSync(2, `the request log cannot be written: ${failure.code}\n`);
    process.kill(process.pid, 'SIGTERM');
  }
}

async function theirs(file) {
  if (!file) {
    return {};
  }
  try {
    const module = await import(pathToFileURL(file).href);
    return { ...module.default, ...module };
  } catch (failure) {
    const typed = /\.[cm]?ts$/.test(file) ? TYPESCRIPT : '';
    throw fatal(`the processor ${path.basename(file)} cannot be loaded: ${firstLine(failure)}${typed}`);
  }
}

function firstLine(failure) {
  return String(failure?.message ?? failure).trim().split('\n')[0];
}

function reason(failure) {
  return failure?.code || failure?.message || String(failure);
}

function masked(text) {
  return masking.masked(text).slice(0, LONGEST_REASON);
}

function now() {
  return rounded(performance.timeOrigin + performance.now());
}

function since(begin) {
  return between(begin, now());
}

function between(begin, end) {
  return Math.max(0, rounded(end - begin));
}

function rounded(milliseconds) {
  return Math.round(milliseconds * 1000) / 1000;
}
