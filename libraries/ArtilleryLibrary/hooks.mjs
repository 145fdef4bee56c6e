// The processor of the working copy: runs the script's own functions and expectations, and logs every request.
//
// One line of JSON per virtual user (`user`, `user-end`), request (`request`), failed step (`step-error`) and second
// (`health`). Lines are written ten times a second, so that a killed run leaves what it measured.
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

import masking from './masking.cjs';

const FLUSH_EVERY = 100;
const LAG_RESOLUTION = 10;
const LONGEST_REASON = 300;
const LARGE = 65536; // a body that takes time to hand over

const own = await theirs(process.env.REQUEST_LOG_PROCESSOR);
const expectations = await theirs(process.env.REQUEST_LOG_EXPECTATIONS);
const needed = JSON.parse(process.env.REQUEST_LOG_FUNCTIONS || '[]');
const missing = needed.filter((name) => typeof own[name] !== 'function');
if (missing.length) {
  throw new Error(`the processor exports no function ${missing.join(', ')}`);
}

const open = new Map(); // requests under way, by Artillery's id of them
const sending = new WeakMap(); // when parts of a request were handed over
const listenedTo = new WeakSet();
let lines = [];
let log;
let flushing;

export default {
  ...own,
  ...Object.fromEntries(needed.map((name) => [`requestLog$${name}`, step(name)])),
  requestLog$begin: begin,
  requestLog$end: end,
  requestLog$request: request,
  requestLog$response: response,
  requestLog$error: error,
};

function begin(context, events, done) {
  startHealth();
  context.vars.$scenarioFile = process.env.REQUEST_LOG_SCRIPT;
  context.vars.$dirname = process.env.REQUEST_LOG_FOLDER;
  write({ kind: 'user', at: now(), user: context._uid, scenario: context.scenario.name });
  done();
}

function end(context, events, done) {
  write({ kind: 'user-end', at: now(), user: context._uid });
  done();
}

function step(name) {
  return (context, events, done) => {
    call(own[name], [context, events], (failure) => {
      if (failure) {
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
    const record = { kind: 'request', at: now(), ...about, sent: 0, failures: [] };
    open.set(params.uuid, record);
    if (failure) {
      finish(params.uuid, [`${name}: ${reason(failure)}`]);
    }
    done(failure);
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
  return series(params.requestLog.after || [], [params, reply, context, events], (name, failure) => {
    const failures = [...record.failures, ...unexpected(params, reply, context)];
    if (failure) {
      failures.push(`${name}: ${reason(failure)}`);
    }
    const safe = (value) => (typeof value === 'string' ? masking.masked(value) : value);
    const values = (params.requestLog.record || []).map((each) => [each, safe(context.vars[each])]);
    if (values.length) {
      record.values = Object.fromEntries(values);
    }
    finish(params.uuid, failures);
    done(failure || (failures.length ? new Error(`Failed expectations for ${record.endpoint}`) : null));
  });
}

function error(failure, params, context, events, done) {
  finish(params.uuid, [reason(failure)]);
  done();
}

// Failures of the request's `expect`, by the rules of Artillery's expect plugin.
function unexpected(params, reply, context) {
  const stated = params.requestLog.expect || [];
  if (!stated.length && reply.statusCode >= 400) {
    return [`statusCode: expected below 400, got ${reply.statusCode}`];
  }
  const body = parsed(reply);
  return stated.flatMap((expectation) => {
    const kind = Object.keys(expectation)[0];
    try {
      const result = expectations[kind](expectation, body, params, reply, context);
      return result.ok ? [] : [`${kind}: expected ${result.expected}, got ${result.got}`];
    } catch (failure) {
      return [`${kind}: ${reason(failure)}`];
    }
  });
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
        record.failures.push(`capture ${name}: not in the response`);
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

function finish(id, failures) {
  const record = open.get(id);
  if (!record) {
    return;
  }
  open.delete(id);
  record.ok = failures.length === 0;
  record.failures = failures.map(masked);
  write(record);
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
  if (log !== undefined) {
    return;
  }
  log = fs.openSync(process.env.REQUEST_LOG, 'a');
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

function flush() {
  clearTimeout(flushing);
  flushing = undefined;
  if (!lines.length) {
    return;
  }
  const text = `${lines.join('\n')}\n`;
  lines = [];
  try {
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

async function theirs(path) {
  if (!path) {
    return {};
  }
  const module = await import(pathToFileURL(path).href);
  return { ...module.default, ...module };
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
