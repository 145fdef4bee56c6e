// Users at even gaps, by a timer: Artillery's own process for `arrivalCount` waits busily, and ends a phase early.
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

// Replaces the process in the Artillery that holds this file.
export function arriveEvenly(fileOfArtillery) {
  createRequire(fileOfArtillery)('arrivals').uniform.process = (gap, duration) => new EvenArrivals(gap, duration);
}

// An `arrival` after each gap, `finished` with the last one; gap and duration in milliseconds.
class EvenArrivals extends EventEmitter {
  constructor(gap, duration) {
    super();
    Object.assign(this, { gap, last: Math.round(duration / gap), arrived: 0 });
  }

  start() {
    this.begun = performance.now();
    this.wait();
  }

  wait() {
    const due = this.begun + (this.arrived + 1) * this.gap;
    setTimeout(() => this.arrive(), Math.max(0, due - performance.now()));
  }

  arrive() {
    this.arrived += 1;
    this.emit('arrival');
    if (this.arrived < this.last) {
      this.wait();
    } else {
      this.emit('finished');
    }
  }
}
