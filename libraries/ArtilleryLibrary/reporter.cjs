'use strict';
// Runs in Artillery's main thread: when phases start, what Artillery itself counted, and that it came to its end.
const fs = require('node:fs');

const { masked } = require('./masking.cjs');

const COUNTED = /^(vusers\.|http\.(requests|responses)$)/;

module.exports = function reporter(events) {
  const log = fs.openSync(process.env.REQUEST_LOG, 'a');
  const write = (line) => fs.writeSync(log, `${JSON.stringify(line)}\n`);

  events.on('phaseStarted', (phase) => write({ kind: 'phase', index: phase.index, at: phase.startTime }));
  events.on('workerError', (message) => {
    write({ kind: 'generator-error', error: masked(String(message.error && message.error.message)) });
  });
  events.on('done', (report) => {
    const counters = Object.entries(report.counters || {}).filter(([name]) => COUNTED.test(name));
    write({ kind: 'end', at: Date.now(), counters: Object.fromEntries(counters) });
  });
  return {};
};
