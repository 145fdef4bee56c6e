'use strict';
// Artillery starts a worker for each processor but one, and several workers clump the arrivals: show it one processor.
const os = require('node:os');

const processors = os.cpus().slice(0, 1);
os.cpus = () => processors;
